package lottery

import (
	"encoding/binary"
	"fmt"
)

// party is the leaf indices of a party's members, ascending, and how many they are.
type party struct {
	members [MaxParty]uint32
	size    uint8
}

// parties finds the parties among the leaves: leaves that carry the same gid. Each has two to four members and the
// gid that their pids give; anything else is an error that names the leaf. They come sorted by gid.
func parties(leaves []byte) ([]party, error) {
	n := leafCount(leaves)
	count := 0
	for i := 1; i < n; i++ {
		if !isAlone(leaves, i) {
			count++
		}
	}
	if count == 0 {
		return nil, nil
	}
	keys := make([]sortKey, 0, count)
	for i := 1; i < n; i++ {
		if !isAlone(leaves, i) {
			gid := leafGID(leaves, i)
			keys = append(keys, sortKey{prefix(gid[:]), uint32(i)})
		}
	}
	keys = sortByPrefix(keys, 1, func(a, b sortKey) int {
		if c := leafGID(leaves, int(a.index)).Compare(leafGID(leaves, int(b.index))); c != 0 {
			return c
		}
		return int(a.index) - int(b.index)
	})
	out := make([]party, 0, count/2)
	for at := 0; at < len(keys); {
		gid := leafGID(leaves, int(keys[at].index))
		end := at + 1
		for end < len(keys) && leafGID(leaves, int(keys[end].index)) == gid {
			end++
		}
		first := keys[at].index
		if end-at < 2 || end-at > MaxParty {
			return nil, fmt.Errorf("leaf %d: %d leaves carry gid %s, a party has 2 to %d members", first, end-at, gid, MaxParty)
		}
		var p party
		var pids [MaxParty]ID
		for i, k := range keys[at:end] {
			p.members[i] = k.index
			pids[i] = leafPID(leaves, int(k.index))
		}
		p.size = uint8(end - at)
		if want := GID(pids[:p.size]); want != gid {
			return nil, fmt.Errorf("leaf %d: gid %s is not that of its members, %s", first, gid, want)
		}
		if i := FindLeaf(leaves, gid); i != 0 {
			return nil, fmt.Errorf("leaf %d: its pid %s is also the gid of a party", i, gid)
		}
		out = append(out, p)
		at = end
	}
	return out, nil
}

// isAlone looks at the gid without copying it.
func isAlone(leaves []byte, i int) bool {
	gid := leaves[i*LeafSize+17:][:16]
	return binary.LittleEndian.Uint64(gid)|binary.LittleEndian.Uint64(gid[8:]) == 0
}
