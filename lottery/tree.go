package lottery

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// chunkLeaves is how many leaves one worker hashes at a time: a power of two, so that the chunks are whole
// subtrees of RFC 6962's tree whatever the number of workers.
const chunkLeaves = 1 << 12

// Root is the root of RFC 6962 §2.1 over leaves of LeafSize bytes.
func Root(leaves []byte) Hash { return RootOf(leaves, LeafSize, runtime.GOMAXPROCS(0)) }

// RootOf is Root for entries of any one size, hashed by the given number of workers; the result does not
// depend on it. len(entries) is a multiple of size. The root of no entries is H of nothing.
func RootOf(entries []byte, size, workers int) Hash {
	n := len(entries) / size
	if n == 0 {
		return sha256.Sum256(nil)
	}
	chunks := make([]Hash, (n+chunkLeaves-1)/chunkLeaves)
	eachChunk(len(chunks), workers, func(c int) {
		from := c * chunkLeaves
		to := min(n, from+chunkLeaves)
		chunks[c] = chunkRoot(entries[from*size:to*size], size)
	})
	for len(chunks) > 1 {
		half := chunks[:0]
		for i := 0; i+1 < len(chunks); i += 2 {
			half = append(half, hashNode(&chunks[i], &chunks[i+1]))
		}
		if len(chunks)%2 == 1 {
			half = append(half, chunks[len(chunks)-1])
		}
		chunks = half
	}
	return chunks[0]
}

// eachChunk calls do for 0 … n−1, spread over workers, and returns when all are done.
func eachChunk(n, workers int, do func(int)) {
	eachChunkWith(n, workers, func() func(int) { return do })
}

// eachChunkWith is eachChunk where every worker makes a function of its own, with its own memory.
func eachChunkWith(n, workers int, worker func() func(int)) {
	workers = max(1, min(workers, n))
	var next atomic.Int64
	run := func() {
		do := worker()
		for c := next.Add(1) - 1; c < int64(n); c = next.Add(1) - 1 {
			do(int(c))
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(run)
	}
	run()
	wg.Wait()
}

// chunkRoot keeps one hash a level: the subtrees that are full and wait for a sibling.
func chunkRoot(entries []byte, size int) Hash {
	var stack [64]Hash
	buf := make([]byte, 1+size)
	n := len(entries) / size
	for i := range n {
		copy(buf[1:], entries[i*size:(i+1)*size])
		h := Hash(sha256.Sum256(buf))
		level := 0
		for j := i; j&1 == 1; j >>= 1 {
			h = hashNode(&stack[level], &h)
			level++
		}
		stack[level] = h
	}
	level := bits.TrailingZeros(uint(n))
	h := stack[level]
	for j := n >> (level + 1); j != 0; j >>= 1 {
		level++
		if j&1 == 1 {
			h = hashNode(&stack[level], &h)
		}
	}
	return h
}

// hashLeaf is RFC 6962's H(0x00 || leaf).
func hashLeaf(leaf []byte) Hash {
	var buf [128]byte
	return sha256.Sum256(append(buf[:1], leaf...))
}

// hashNode is RFC 6962's H(0x01 || left || right).
func hashNode(left, right *Hash) Hash {
	var buf [65]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[33:], right[:])
	return sha256.Sum256(buf[:])
}

// Tree holds every level of a tree, so that many proofs cost one pass: 64 bytes a leaf.
type Tree struct {
	levels [][]Hash // levels[0] are the leaves; a lone last node stands again one level up
}

// NewTree hashes entries of the given size with the given number of workers.
func NewTree(entries []byte, size, workers int) *Tree {
	n := len(entries) / size
	level := make([]Hash, n)
	eachChunk((n+chunkLeaves-1)/chunkLeaves, workers, func(c int) {
		buf := make([]byte, 1+size)
		for i := c * chunkLeaves; i < min(n, (c+1)*chunkLeaves); i++ {
			copy(buf[1:], entries[i*size:(i+1)*size])
			level[i] = sha256.Sum256(buf)
		}
	})
	t := &Tree{levels: [][]Hash{level}}
	for len(level) > 1 {
		up := make([]Hash, (len(level)+1)/2)
		below := level
		eachChunk((len(up)+chunkLeaves-1)/chunkLeaves, workers, func(c int) {
			for i := c * chunkLeaves; i < min(len(up), (c+1)*chunkLeaves); i++ {
				if 2*i+1 < len(below) {
					up[i] = hashNode(&below[2*i], &below[2*i+1])
				} else {
					up[i] = below[2*i]
				}
			}
		})
		level = up
		t.levels = append(t.levels, level)
	}
	return t
}

// Size is the number of leaves.
func (t *Tree) Size() int { return len(t.levels[0]) }

// Root is the root of the tree.
func (t *Tree) Root() Hash {
	if t.Size() == 0 {
		return sha256.Sum256(nil)
	}
	return t.levels[len(t.levels)-1][0]
}

// Prove returns the inclusion proof of leaf index (RFC 6962 §2.1.1), lowest sibling first; nil if out of range.
func (t *Tree) Prove(index int) []Hash {
	if index < 0 || index >= t.Size() {
		return nil
	}
	proof := make([]Hash, 0, len(t.levels))
	for _, level := range t.levels[:len(t.levels)-1] {
		if sibling := index ^ 1; sibling < len(level) {
			proof = append(proof, level[sibling])
		}
		index >>= 1
	}
	return proof
}

// Prove returns the inclusion proof of one leaf of leaves.bin; for many, use NewTree.
func Prove(leaves []byte, index int) []Hash {
	return NewTree(leaves, LeafSize, runtime.GOMAXPROCS(0)).Prove(index)
}

// CheckInclusion says why proof does not show that leaf (its bytes, not its hash) is number index of the size
// leaves under root: the algorithm of RFC 9162 §2.1.3.2.
func CheckInclusion(leaf []byte, index, size uint64, proof []Hash, root Hash) error {
	if index >= size {
		return fmt.Errorf("index %d is not below the size %d", index, size)
	}
	h := hashLeaf(leaf)
	fn, sn := index, size-1
	for i := range proof {
		if sn == 0 {
			return fmt.Errorf("the proof has %d hashes, more than a tree of %d leaves", len(proof), size)
		}
		if fn&1 == 1 || fn == sn {
			h = hashNode(&proof[i], &h)
			for fn&1 == 0 && fn != 0 {
				fn >>= 1
				sn >>= 1
			}
		} else {
			h = hashNode(&h, &proof[i])
		}
		fn >>= 1
		sn >>= 1
	}
	if sn != 0 {
		return fmt.Errorf("the proof has %d hashes, too few for leaf %d of %d", len(proof), index, size)
	}
	if h != root {
		return fmt.Errorf("the proof leads to root %s, not to %s", h, root)
	}
	return nil
}
