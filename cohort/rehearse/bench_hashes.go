package rehearse

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"

	"jebi/lottery"
)

// hashes times what is hashed and sorted: leaves to root, tickets to order.
func (b *bench) hashes(context.Context) error {
	leaves, err := b.makeLeaves()
	if err != nil {
		return err
	}
	n := len(leaves) / lottery.LeafSize
	var root lottery.Hash
	b.compare(timed{name: "tree", reset: func() {}, run: func() { root = lottery.Root(leaves) }},
		timed{name: fmt.Sprintf("%d separate SHA-256 calls", 2*n-1), reset: func() {}, run: func() { hashApart(leaves, n) }})

	key := lottery.TicketKey(root, lottery.Stream)
	order, err := lottery.Order(leaves, key)
	if err != nil {
		return err
	}
	calls := 0
	for i := range order {
		calls += int(order[i].Weight)
	}
	entities := len(order)
	order = nil
	keys, spare := make([]radixKey, entities), make([]radixKey, entities)
	var failed error
	b.compare(timed{name: "order", reset: func() {}, run: func() {
		var err error
		if order, err = lottery.Order(leaves, key); err != nil {
			failed = errors.Join(failed, err)
		}
		order = nil
	}}, timed{name: fmt.Sprintf("%d SHA-256 calls and a radix sort of the keys", calls), reset: func() {}, run: func() {
		hashTickets(key, keys, calls)
		radixSort(keys, spare)
	}})
	return failed
}

// Of a hundred entities in a bench, so many are parties of two, and so many
// people carry a second ticket in the drum.
const (
	benchParties = 4
	benchCarried = 10
)

// makeLeaves makes up leaves.bin for the bench's people.
func (b *bench) makeLeaves() ([]byte, error) {
	r := rand.NewChaCha8(benchSeed(b.Seed, "leaves"))
	dice := rand.New(r)
	list := make([]lottery.Leaf, b.People)
	for i := range list {
		r.Read(list[i].PID[:])
		r.Read(list[i].Commit[:])
		list[i].Weight = 1
		if dice.IntN(100) < benchCarried {
			list[i].Weight = 2
		}
	}
	for i := 0; i+1 < len(list); i++ {
		if dice.IntN(100) < benchParties {
			gid := lottery.GID([]lottery.ID{list[i].PID, list[i+1].PID})
			list[i].GID, list[i+1].GID = gid, gid
			i++
		}
	}
	return lottery.Leaves(lottery.Hash{}, lottery.Hash{}, list)
}

// benchSeed is a seed for one purpose.
func benchSeed(seed uint64, purpose string) [32]byte {
	return sha256.Sum256(append(binary.BigEndian.AppendUint64([]byte("jebi bench\x00"), seed), purpose...))
}

// hashApart makes the calls that a tree of n leaves needs, n of a leaf's
// length and n − 1 of two hashes', by as many workers as the tree has; each
// call by itself, nothing put together.
func hashApart(leaves []byte, n int) {
	share(n, func(from, to int) {
		var leaf [1 + lottery.LeafSize]byte
		var node [65]byte
		var sum [32]byte
		for i := from; i < to; i++ {
			copy(leaf[1:], leaves[i*lottery.LeafSize:])
			sum = sha256.Sum256(leaf[:])
			if i > 0 {
				node[1] ^= sum[0]
				sum = sha256.Sum256(node[:])
				node[2] ^= sum[0]
			}
		}
	})
}

// radixKey is what a ticket is sorted by first, and whose it is.
type radixKey struct {
	prefix uint64
	index  uint32
}

// hashTickets makes that many calls of a ticket's length and keeps a key of
// each entity's last.
func hashTickets(key lottery.Hash, keys []radixKey, calls int) {
	share(len(keys), func(from, to int) {
		var in [50]byte
		copy(in[:], key[:])
		for i := from; i < to; i++ {
			binary.BigEndian.PutUint32(in[32:], uint32(i))
			for range (i+1)*calls/len(keys) - i*calls/len(keys) {
				in[49]++
				sum := sha256.Sum256(in[:])
				keys[i] = radixKey{binary.BigEndian.Uint64(sum[:]), uint32(i)}
			}
		}
	})
}

// radixSort sorts by the prefixes, sixteen bits at a time, from the lowest.
func radixSort(keys, spare []radixKey) {
	const bits = 16
	counts := make([]uint32, 1<<bits)
	for shift := 0; shift < 64; shift += bits {
		clear(counts)
		for i := range keys {
			counts[keys[i].prefix>>shift&(1<<bits-1)]++
		}
		at := uint32(0)
		for d, n := range counts {
			counts[d], at = at, at+n
		}
		for _, k := range keys {
			d := k.prefix >> shift & (1<<bits - 1)
			spare[counts[d]] = k
			counts[d]++
		}
		keys, spare = spare, keys
	}
}

// share cuts 0 … n−1 into a part for each processor.
func share(n int, do func(from, to int)) {
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { do(w*n/workers, (w+1)*n/workers) })
	}
	wg.Wait()
}
