package lottery

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// party is the leaf indices of a party's members, ascending, and how many they are.
type party struct {
	members [MaxParty]uint32
	size    uint8
}

// parties finds the parties among the leaves: leaves that carry the same gid. Each has two to four members and the
// gid that their pids give; anything else is an error that names the leaf. They come sorted by gid.
func parties(leaves []byte, workers int) ([]party, error) {
	n := leafCount(leaves)
	found := make([][]sortKey, chunksOf(n))
	eachChunk(len(found), workers, func(c int) {
		for i := max(1, c*chunkLeaves); i < min(n, (c+1)*chunkLeaves); i++ {
			if !isAlone(leaves, i) {
				gid := leafGID(leaves, i)
				found[c] = append(found[c], sortKey{prefix(gid[:]), uint32(i)})
			}
		}
	})
	keys := slices.Concat(found...)
	if len(keys) == 0 {
		return nil, nil
	}
	keys = sortByPrefix(keys, workers, func(a, b sortKey) int {
		if c := leafGID(leaves, int(a.index)).Compare(leafGID(leaves, int(b.index))); c != 0 {
			return c
		}
		return int(a.index) - int(b.index)
	})
	out := make([]party, 0, len(keys)/2)
	for at := 0; at < len(keys); {
		gid := leafGID(leaves, int(keys[at].index))
		end := at + 1
		for end < len(keys) && leafGID(leaves, int(keys[end].index)) == gid {
			end++
		}
		if end-at < 2 || end-at > MaxParty {
			return nil, fmt.Errorf("leaf %d: %d leaves carry gid %s, a party has 2 to %d members", keys[at].index, end-at, gid, MaxParty)
		}
		p := party{size: uint8(end - at)}
		for i, k := range keys[at:end] {
			p.members[i] = k.index
		}
		out = append(out, p)
		at = end
	}
	wrong := make([]error, (len(out)+fewParties-1)/fewParties)
	eachChunk(len(wrong), workers, func(c int) {
		for i := c * fewParties; i < min(len(out), (c+1)*fewParties) && wrong[c] == nil; i++ {
			wrong[c] = out[i].check(leaves)
		}
	})
	for _, err := range wrong {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fewParties is how many parties one worker checks at a time.
const fewParties = 256

// check says what is wrong with the gid that the members carry.
func (p *party) check(leaves []byte) error {
	var pids [MaxParty]ID
	for i, m := range p.members[:p.size] {
		pids[i] = leafPID(leaves, int(m))
	}
	gid := leafGID(leaves, int(p.members[0]))
	if want := GID(pids[:p.size]); want != gid {
		return fmt.Errorf("leaf %d: gid %s is not that of its members, %s", p.members[0], gid, want)
	}
	if i := FindLeaf(leaves, gid); i != 0 {
		return fmt.Errorf("leaf %d: its pid %s is also the gid of a party", i, gid)
	}
	return nil
}

// isAlone looks at the gid without copying it.
func isAlone(leaves []byte, i int) bool {
	gid := leaves[i*LeafSize+17:][:16]
	return binary.LittleEndian.Uint64(gid)|binary.LittleEndian.Uint64(gid[8:]) == 0
}
