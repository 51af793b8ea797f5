package lottery

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// sortKey is the first eight bytes of what is sorted, and what it stands for.
type sortKey struct {
	prefix uint64
	index  uint32
}

func prefix(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

const (
	topBits    = 8  // one pass over all keys parts them into buckets that fit a core's cache
	digitBits  = 11 // two passes in each bucket
	fewBits    = 8  // the same in one of fewer keys than the others have counters
	smallSort  = 64 // where counting costs more than comparing
	beforeRest = 64 - topBits
)

// sortByPrefix sorts by prefix, and where that is equal by tie, which together must order totally. Keys that are
// hashes share their first 30 bits rarely: the runs that do are then sorted by comparing, so that any keys come
// out right, and hashes fast. It returns the sorted keys, in memory of its own or in the argument's.
func sortByPrefix(keys []sortKey, workers int, tie func(a, b sortKey) int) []sortKey {
	compare := func(a, b sortKey) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return tie(a, b)
	}
	if len(keys) < 1<<digitBits {
		slices.SortFunc(keys, compare)
		return keys
	}
	parted := make([]sortKey, len(keys))
	starts := part(keys, parted, workers)
	eachChunk(1<<topBits, workers, func(b int) {
		from, to := starts[b], starts[b+1]
		sortBucket(parted[from:to], keys[from:to], compare)
	})
	return parted
}

// part copies keys into buckets by their top bits and returns where each begins. Every worker counts, then moves, a
// share of the keys.
func part(keys, parted []sortKey, workers int) (starts [1<<topBits + 1]int) {
	workers = max(1, min(workers, 64))
	counts := make([][1 << topBits]int, workers)
	share := func(w int) []sortKey { return keys[w*len(keys)/workers : (w+1)*len(keys)/workers] }
	eachChunk(workers, workers, func(w int) {
		for _, k := range share(w) {
			counts[w][k.prefix>>(64-topBits)]++
		}
	})
	at := 0
	for b := range 1 << topBits {
		starts[b] = at
		for w := range counts {
			counts[w][b], at = at, at+counts[w][b]
		}
	}
	starts[1<<topBits] = at
	eachChunk(workers, workers, func(w int) {
		for _, k := range share(w) {
			b := k.prefix >> (64 - topBits)
			parted[counts[w][b]] = k
			counts[w][b]++
		}
	})
	return starts
}

// sortBucket sorts keys that share their top bits; spare is as long.
func sortBucket(keys, spare []sortKey, compare func(a, b sortKey) int) {
	if len(keys) < smallSort {
		slices.SortFunc(keys, compare)
		return
	}
	digit := digitBits
	if len(keys) < 1<<digitBits {
		digit = fewBits
	}
	restBits := beforeRest - 2*digit
	mask := uint64(1)<<digit - 1
	var memory [2][1 << digitBits]uint32
	counts := [2][]uint32{memory[0][:1<<digit], memory[1][:1<<digit]}
	for i := range keys {
		p := keys[i].prefix
		counts[0][p>>restBits&mask]++
		counts[1][p>>(restBits+digit)&mask]++
	}
	from, to := keys, spare
	for pass := range counts {
		shift, counts := restBits+pass*digit, counts[pass]
		at := uint32(0)
		for d := range counts {
			counts[d], at = at, at+counts[d]
		}
		for _, k := range from {
			d := k.prefix >> shift & mask
			to[counts[d]] = k
			counts[d]++
		}
		from, to = to, from
	}
	for first := 0; first < len(keys); {
		next := first + 1
		for next < len(keys) && keys[next].prefix>>restBits == keys[first].prefix>>restBits {
			next++
		}
		if next-first > 1 {
			slices.SortFunc(keys[first:next], compare)
		}
		first = next
	}
}
