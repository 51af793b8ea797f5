package lottery

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"runtime"
)

const (
	// LeafSize is the length of every leaf in bytes.
	LeafSize = 67
	// MaxWeight is the most tickets in the drum that any manifest may allow one ballot.
	MaxWeight = 100
	// MaxParty is the most people who can share one ticket.
	MaxParty = 4
)

const (
	leafManifest = 0x00
	leafBallot   = 0x01
	leafResult   = 0x02
)

// Leaf is one frozen ballot.
type Leaf struct {
	PID    ID
	GID    ID     // zeros if alone
	Weight uint16 // 1 … the manifest's max_weight
	Commit Hash   // BallotCommit
}

// Bytes returns the leaf as it stands in leaves.bin.
func (l Leaf) Bytes() [LeafSize]byte {
	var b [LeafSize]byte
	l.put(b[:])
	return b
}

func (l Leaf) put(b []byte) {
	b[0] = leafBallot
	copy(b[1:17], l.PID[:])
	copy(b[17:33], l.GID[:])
	binary.BigEndian.PutUint16(b[33:35], l.Weight)
	copy(b[35:67], l.Commit[:])
}

// ParseLeaf reads a ballot leaf of exactly LeafSize bytes; it does not judge weight or gid.
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) != LeafSize {
		return Leaf{}, fmt.Errorf("a leaf has %d bytes, this has %d", LeafSize, len(b))
	}
	if b[0] != leafBallot {
		return Leaf{}, fmt.Errorf("a ballot leaf begins with 01, this with %02x", b[0])
	}
	return leafAt(b, 0), nil
}

func leafAt(leaves []byte, i int) Leaf {
	b := leaves[i*LeafSize:][:LeafSize]
	return Leaf{
		PID:    ID(b[1:17]),
		GID:    ID(b[17:33]),
		Weight: binary.BigEndian.Uint16(b[33:35]),
		Commit: Hash(b[35:67]),
	}
}

// FirstLeaf is leaf 0, which ties the tree to the manifest and the supply.
func FirstLeaf(manifest, supply Hash) [LeafSize]byte {
	var b [LeafSize]byte
	b[0] = leafManifest
	copy(b[1:33], manifest[:])
	copy(b[33:65], supply[:])
	return b
}

// Leaves returns leaves.bin: leaf 0, then the ballots sorted strictly ascending by pid. The argument is sorted in
// place. A pid that stands twice, a weight out of 1 … MaxWeight, and a gid that is not that of a party of two
// to four with exactly these members are errors.
func Leaves(manifest, supply Hash, leaves []Leaf) ([]byte, error) {
	keys := make([]sortKey, len(leaves))
	for i := range leaves {
		keys[i] = sortKey{prefix(leaves[i].PID[:]), uint32(i)}
	}
	keys = sortByPrefix(keys, runtime.GOMAXPROCS(0), func(a, b sortKey) int {
		return cmp.Or(leaves[a.index].PID.Compare(leaves[b.index].PID), cmp.Compare(a.index, b.index))
	})
	out := make([]byte, LeafSize*(len(leaves)+1))
	first := FirstLeaf(manifest, supply)
	copy(out, first[:])
	for i, k := range keys {
		leaves[k.index].put(out[LeafSize*(i+1):])
	}
	for i := range leaves {
		leaves[i] = leafAt(out, i+1)
	}
	if err := CheckLeaves(out, MaxWeight); err != nil {
		return nil, err
	}
	return out, nil
}

// CheckLeaves says what is wrong with leaves.bin after leaf 0: a length that is not a multiple of LeafSize, a leaf
// that is no ballot's, pids that do not strictly ascend, a weight out of 1 … maxWeight, a party that is not one.
// The error names the leaf by its index.
func CheckLeaves(leaves []byte, maxWeight uint16) error {
	if len(leaves) < LeafSize || len(leaves)%LeafSize != 0 {
		return fmt.Errorf("%d bytes are not a whole number of leaves of %d bytes, at least one", len(leaves), LeafSize)
	}
	n := len(leaves) / LeafSize
	if uint64(n) > 1<<32-1 {
		return fmt.Errorf("%d leaves are more than a draw can hold", n)
	}
	for i := 1; i < n; i++ {
		b := leaves[i*LeafSize:][:LeafSize]
		if b[0] != leafBallot {
			return fmt.Errorf("leaf %d (byte %d): begins with %02x, a ballot leaf with 01", i, i*LeafSize, b[0])
		}
		if i > 1 && ID(b[1:17]).Compare(ID(leaves[(i-1)*LeafSize+1:][:16])) <= 0 {
			return fmt.Errorf("leaf %d (byte %d): its pid %x is not above that of the leaf before", i, i*LeafSize+1, b[1:17])
		}
		if w := binary.BigEndian.Uint16(b[33:35]); w < 1 || w > maxWeight {
			return fmt.Errorf("leaf %d (byte %d): weight %d is not in 1 … %d", i, i*LeafSize+33, w, maxWeight)
		}
	}
	_, err := parties(leaves, runtime.GOMAXPROCS(0))
	return err
}

// leafCount is the number of whole leaves, leaf 0 included.
func leafCount(leaves []byte) int { return len(leaves) / LeafSize }

func leafPID(leaves []byte, i int) ID { return ID(leaves[i*LeafSize+1:][:16]) }

func leafGID(leaves []byte, i int) ID { return ID(leaves[i*LeafSize+17:][:16]) }

func leafWeight(leaves []byte, i int) uint16 {
	return binary.BigEndian.Uint16(leaves[i*LeafSize+33:])
}

// FindLeaf returns the index of the ballot leaf of pid, or 0 if there is none: leaves ascend by pid, so that
// absence can be seen, and proved by the two neighbours.
func FindLeaf(leaves []byte, pid ID) int {
	lo, hi := 1, leafCount(leaves)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if leafPID(leaves, mid).Compare(pid) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < leafCount(leaves) && leafPID(leaves, lo) == pid {
		return lo
	}
	return 0
}
