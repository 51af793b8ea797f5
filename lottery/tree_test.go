package lottery

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

// recursiveRoot is RFC 6962 §2.1 word for word.
func recursiveRoot(entries [][]byte) Hash {
	switch len(entries) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sum([]byte{0}, entries[0])
	}
	k := 1
	for 2*k < len(entries) {
		k *= 2
	}
	left, right := recursiveRoot(entries[:k]), recursiveRoot(entries[k:])
	return sum([]byte{1}, left[:], right[:])
}

func numberedEntries(n, size int) ([]byte, [][]byte) {
	joined := make([]byte, n*size)
	parts := make([][]byte, n)
	for i := range n {
		parts[i] = joined[i*size : (i+1)*size]
		binary.BigEndian.PutUint32(parts[i], uint32(i))
	}
	return joined, parts
}

// TestRoot: every small size, and sizes around the chunks that workers take, for any number of workers.
func TestRoot(t *testing.T) {
	sizes := []int{chunkLeaves - 1, chunkLeaves, chunkLeaves + 1, 2*chunkLeaves + 1, 3 * chunkLeaves, 5*chunkLeaves - 7}
	for n := range 70 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		joined, parts := numberedEntries(n, LeafSize)
		want := recursiveRoot(parts)
		for _, workers := range []int{1, 2, 3, 16} {
			if got := RootOf(joined, LeafSize, workers); got != want {
				t.Errorf("%d leaves, %d workers: %s, want %s", n, workers, got, want)
			}
		}
		if got := NewTree(joined, LeafSize, 3).Root(); got != want {
			t.Errorf("%d leaves: Tree has root %s, want %s", n, got, want)
		}
		if got := Root(joined); got != want {
			t.Errorf("%d leaves: Root is %s, want %s", n, got, want)
		}
	}
}

// TestInclusion: each proof is that of Go's transparency log, and shows its leaf at its place and nothing else.
func TestInclusion(t *testing.T) {
	for n := 1; n < 40; n++ {
		joined, parts := numberedEntries(n, LeafSize)
		tree := NewTree(joined, LeafSize, 2)
		root := tree.Root()
		hashes := storeTLog(t, parts)
		if r := must(tlog.TreeHash(int64(n), hashes))(t); Hash(r) != root {
			t.Fatalf("%d leaves: tlog has root %x, we %s", n, r, root)
		}
		for i := range n {
			proof := tree.Prove(i)
			other := must(tlog.ProveRecord(int64(n), int64(i), hashes))(t)
			if !slices.EqualFunc(proof, other, func(a Hash, b tlog.Hash) bool { return a == Hash(b) }) {
				t.Fatalf("leaf %d of %d: another proof than tlog's", i, n)
			}
			if !slices.Equal(proof, Prove(joined, i)) {
				t.Fatalf("leaf %d of %d: Prove differs from Tree", i, n)
			}
			if err := CheckInclusion(parts[i], uint64(i), uint64(n), proof, root); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, n, err)
			}
			for j := range n {
				if j != i && CheckInclusion(parts[i], uint64(j), uint64(n), proof, root) == nil {
					t.Errorf("leaf %d of %d is accepted at %d", i, n, j)
				}
			}
			if CheckInclusion(parts[i], uint64(i), uint64(n), append(slices.Clone(proof), Hash{}), root) == nil {
				t.Errorf("leaf %d of %d: a longer proof is accepted", i, n)
			}
			if len(proof) > 0 && CheckInclusion(parts[i], uint64(i), uint64(n), proof[:len(proof)-1], root) == nil {
				t.Errorf("leaf %d of %d: a shorter proof is accepted", i, n)
			}
			if CheckInclusion(parts[i], uint64(n), uint64(n), proof, root) == nil {
				t.Errorf("an index outside of %d is accepted", n)
			}
		}
		if tree.Prove(-1) != nil || tree.Prove(n) != nil {
			t.Errorf("%d leaves: a proof of none of them", n)
		}
	}
}

func storeTLog(t *testing.T, records [][]byte) tlog.HashReaderFunc {
	t.Helper()
	var stored []tlog.Hash
	read := func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = stored[at]
		}
		return out, nil
	}
	for i, r := range records {
		stored = append(stored, must(tlog.StoredHashes(int64(i), r, tlog.HashReaderFunc(read)))(t)...)
	}
	return read
}

// TestRootProperty: entries of any size, any number of workers.
func TestRootProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "entries")
		size := rapid.SampledFrom([]int{SaveEntrySize, LeafSize, 4}).Draw(t, "size")
		joined, parts := numberedEntries(n, size)
		if got := RootOf(joined, size, rapid.IntRange(0, 9).Draw(t, "workers")); got != recursiveRoot(parts) {
			t.Fatalf("%d entries of %d: %s", n, size, got)
		}
	})
}

const benchPeople = 200_000

func benchLeaves() []byte {
	joined, _ := numberedEntries(benchPeople+1, LeafSize)
	for i := 1; i <= benchPeople; i++ {
		h := sum(binary.BigEndian.AppendUint32(nil, uint32(i)))
		b := Leaf{PID: ID(h[:16]), Weight: 1}.Bytes()
		copy(joined[i*LeafSize:], b[:])
	}
	return joined
}

// BenchmarkRoot is beside BenchmarkRootBound, the same number of separate hashes.
func BenchmarkRoot(b *testing.B) {
	leaves := benchLeaves()
	b.ReportAllocs()
	for b.Loop() {
		Root(leaves)
	}
}

// BenchmarkRootBound is 2N − 1 separate SHA-256 calls on as many threads.
func BenchmarkRootBound(b *testing.B) {
	n := benchPeople + 1
	for b.Loop() {
		eachChunk(runtime.GOMAXPROCS(0), runtime.GOMAXPROCS(0), func(int) {
			var leaf [1 + LeafSize]byte
			var node [65]byte
			for range n / runtime.GOMAXPROCS(0) {
				h := sha256.Sum256(leaf[:])
				leaf[0] = h[0]
				h = sha256.Sum256(node[:])
				node[0] = h[0]
			}
		})
	}
}

// BenchmarkOrder is beside BenchmarkOrderBound: one hash a person and a radix sort of the keys.
func BenchmarkOrder(b *testing.B) {
	leaves := benchLeaves()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Order(leaves, Hash{1}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOrderBound hashes and sorts the least that must be.
func BenchmarkOrderBound(b *testing.B) {
	keys := make([]uint64, benchPeople)
	other := make([]uint64, benchPeople)
	for b.Loop() {
		workers := runtime.GOMAXPROCS(0)
		eachChunk(workers, workers, func(c int) {
			var buf [50]byte
			for i := c * benchPeople / workers; i < (c+1)*benchPeople/workers; i++ {
				binary.BigEndian.PutUint32(buf[:], uint32(i))
				h := sha256.Sum256(buf[:])
				keys[i] = prefix(h[:])
			}
		})
		for pass := range 8 {
			var counts [257]int
			for _, k := range keys {
				counts[k>>(8*pass)&255+1]++
			}
			for i := range 256 {
				counts[i+1] += counts[i]
			}
			for _, k := range keys {
				d := k >> (8 * pass) & 255
				other[counts[d]] = k
				counts[d]++
			}
			keys, other = other, keys
		}
	}
}
