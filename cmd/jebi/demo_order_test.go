package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
)

// recomputeOrder computes a draw's order from its public folder alone, by the
// page that describes the protocol and with nothing of this program: SHA-256,
// big-endian integers, D(tag, x) = H("slotdraw/v1/" || tag || 0 || x).
func recomputeOrder(t *testing.T, dir string) []byte {
	t.Helper()
	d := func(tag string, x []byte) []byte {
		h := sha256.Sum256(append(append([]byte("slotdraw/v1/"+tag), 0), x...))
		return h[:]
	}
	leaves := mustRead(t, filepath.Join(dir, "leaves.bin"))
	if len(leaves)%67 != 0 {
		t.Fatalf("leaves.bin has %d bytes", len(leaves))
	}
	n := len(leaves) / 67
	leaf := func(i int) []byte { return leaves[67*i : 67*i+67] }

	// Leaf 0 names the manifest and the supply by the hash of their bytes.
	first := append([]byte{0}, d("manifest", mustRead(t, filepath.Join(dir, "manifest.json")))...)
	first = append(append(first, d("supply", mustRead(t, filepath.Join(dir, "supply.json")))...), 0, 0)
	if !bytes.Equal(first, leaf(0)) {
		t.Fatal("leaf 0 does not name the manifest and the supply")
	}

	// RFC 6962, 2.1.
	var root func(from, to int) []byte
	root = func(from, to int) []byte {
		if to-from == 1 {
			h := sha256.Sum256(append([]byte{0}, leaf(from)...))
			return h[:]
		}
		k := 1
		for 2*k < to-from {
			k *= 2
		}
		h := sha256.Sum256(slices.Concat([]byte{1}, root(from, from+k), root(from+k, to)))
		return h[:]
	}

	var entropy struct {
		Sources []struct {
			Type    uint8
			Present bool
			Value   string
		}
	}
	if err := json.Unmarshal(mustRead(t, filepath.Join(dir, "entropy.json")), &entropy); err != nil {
		t.Fatal(err)
	}
	seed := binary.BigEndian.AppendUint64(nil, uint64(n))
	seed = append(seed, root(0, n)...)
	seed = binary.BigEndian.AppendUint16(seed, uint16(len(entropy.Sources)))
	for _, s := range entropy.Sources {
		value, err := hex.DecodeString(s.Value)
		if err != nil {
			t.Fatal(err)
		}
		present := byte(0)
		if s.Present {
			present = 1
		}
		seed = append(seed, s.Type, present)
		seed = append(binary.BigEndian.AppendUint32(seed, uint32(len(value))), value...)
	}
	key := d("ticket-key", append(d("seed", seed), "main"...))

	weights := map[string]uint16{} // by entity: a person's pid, or her party's gid
	for i := 1; i < n; i++ {
		l := leaf(i)
		id, weight := string(l[1:17]), binary.BigEndian.Uint16(l[33:35])
		if gid := string(l[17:33]); gid != string(make([]byte, 16)) {
			id = gid
		}
		if w, known := weights[id]; !known || weight < w {
			weights[id] = weight
		}
	}
	type drawn struct{ ticket, id []byte }
	var order []drawn
	for id, weight := range weights {
		var best []byte
		for k := range weight {
			h := sha256.Sum256(binary.BigEndian.AppendUint16(slices.Concat(key, []byte(id)), k))
			if best == nil || bytes.Compare(h[:], best) < 0 {
				best = h[:]
			}
		}
		order = append(order, drawn{best, []byte(id)})
	}
	slices.SortFunc(order, func(a, b drawn) int {
		if c := bytes.Compare(a.ticket, b.ticket); c != 0 {
			return c
		}
		return bytes.Compare(a.id, b.id)
	})
	var out []byte
	for _, x := range order {
		out = append(out, x.id...)
	}
	return out
}
