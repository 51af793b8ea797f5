package lottery

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
)

// Stream is the only stream of tickets that slotdraw/v1 has.
const Stream = "main"

// Entity is what holds one ticket: a person, or a party.
type Entity struct {
	ID      ID               // the pid of a person who is alone, the gid of a party
	Members [MaxParty]uint32 // leaf indices of the members, ascending; the first Size count
	Size    uint8            // 1 … MaxParty
	Weight  uint16           // the least weight of the members
	Ticket  Hash
}

// TicketKey is D("ticket-key", seed || stream).
func TicketKey(seed Hash, stream string) Hash { return D("ticket-key", seed[:], []byte(stream)) }

// Ticket is the least of the w hashes H(key || id || u16 k), k = 0 … w−1: w tickets in the drum.
// w is at least 1.
func Ticket(key Hash, id ID, w uint16) Hash {
	var buf [50]byte
	copy(buf[:32], key[:])
	copy(buf[32:48], id[:])
	least := Hash(sha256.Sum256(buf[:]))
	for k := uint16(1); k < w; k++ {
		binary.BigEndian.PutUint16(buf[48:], k)
		if h := Hash(sha256.Sum256(buf[:])); bytes.Compare(h[:], least[:]) < 0 {
			least = h
		}
	}
	return least
}

// Order gives every person and party in leaves.bin its ticket and returns them best first: ascending by
// (ticket, id). The rank of the entity at i is i+1. Leaves that break a rule of parties are an error.
func Order(leaves []byte, key Hash) ([]Entity, error) {
	return OrderWith(leaves, key, runtime.GOMAXPROCS(0))
}

// OrderWith is Order with a given number of workers; the result does not depend on it.
func OrderWith(leaves []byte, key Hash, workers int) ([]Entity, error) {
	if len(leaves) < LeafSize || len(leaves)%LeafSize != 0 {
		return nil, fmt.Errorf("%d bytes are not a whole number of leaves", len(leaves))
	}
	groups, err := parties(leaves)
	if err != nil {
		return nil, err
	}
	entities := entitiesOf(leaves, groups)
	keys := make([]sortKey, len(entities))
	chunks := (len(entities) + chunkLeaves - 1) / chunkLeaves
	eachChunk(chunks, workers, func(c int) {
		for i := c * chunkLeaves; i < min(len(entities), (c+1)*chunkLeaves); i++ {
			e := &entities[i]
			e.Ticket = Ticket(key, e.ID, e.Weight)
			keys[i] = sortKey{prefix(e.Ticket[:]), uint32(i)}
		}
	})
	keys = sortByPrefix(keys, func(a, b sortKey) int {
		x, y := &entities[a.index], &entities[b.index]
		if c := bytes.Compare(x.Ticket[:], y.Ticket[:]); c != 0 {
			return c
		}
		return x.ID.Compare(y.ID)
	})
	ordered := make([]Entity, len(entities))
	eachChunk(chunks, workers, func(c int) {
		for i := c * chunkLeaves; i < min(len(entities), (c+1)*chunkLeaves); i++ {
			ordered[i] = entities[keys[i].index]
		}
	})
	return ordered, nil
}

// entitiesOf lists those who are alone, by pid, then the parties, without tickets.
func entitiesOf(leaves []byte, groups []party) []Entity {
	n := leafCount(leaves)
	inParties := 0
	for _, g := range groups {
		inParties += int(g.size)
	}
	entities := make([]Entity, 0, n-1-inParties+len(groups))
	for i := 1; i < n; i++ {
		if leafGID(leaves, i).IsZero() {
			entities = append(entities, Entity{
				ID: leafPID(leaves, i), Members: [MaxParty]uint32{uint32(i)}, Size: 1, Weight: leafWeight(leaves, i),
			})
		}
	}
	for _, g := range groups {
		e := Entity{ID: leafGID(leaves, int(g.members[0])), Members: g.members, Size: g.size}
		e.Weight = leafWeight(leaves, int(g.members[0]))
		for _, m := range g.members[1:g.size] {
			e.Weight = min(e.Weight, leafWeight(leaves, int(m)))
		}
		entities = append(entities, e)
	}
	return entities
}

// OrderBytes is order.bin: the ids, best first.
func OrderBytes(order []Entity) []byte {
	out := make([]byte, 0, 16*len(order))
	for i := range order {
		out = append(out, order[i].ID[:]...)
	}
	return out
}

// RankByLeaf returns, for every leaf index, the rank of the entity that the leaf belongs to; 0 for leaf 0.
func RankByLeaf(order []Entity, leaves int) []uint32 {
	ranks := make([]uint32, leaves)
	for i := range order {
		for _, m := range order[i].Members[:order[i].Size] {
			ranks[m] = uint32(i + 1)
		}
	}
	return ranks
}

// sortKey is the first eight bytes of what is sorted, and where it stands.
type sortKey struct {
	prefix uint64
	index  uint32
}

func prefix(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// sortByPrefix sorts by prefix, and where that is equal by tie. Three counting passes over the top 33 bits leave
// runs that are a key or two long when the keys are hashes; each run is then sorted whole. It returns the
// sorted keys, in the argument's memory or in its own.
func sortByPrefix(keys []sortKey, tie func(a, b sortKey) int) []sortKey {
	const digit, passes, low = 11, 3, 64 - 3*11
	compare := func(a, b sortKey) int {
		if a.prefix != b.prefix {
			if a.prefix < b.prefix {
				return -1
			}
			return 1
		}
		return tie(a, b)
	}
	if len(keys) < 1<<digit {
		slices.SortFunc(keys, compare)
		return keys
	}
	var counts [passes][1 << digit]int
	for i := range keys {
		for p := range passes {
			counts[p][keys[i].prefix>>(low+p*digit)&(1<<digit-1)]++
		}
	}
	other := make([]sortKey, len(keys))
	for p := range passes {
		at := 0
		for d := range counts[p] {
			counts[p][d], at = at, at+counts[p][d]
		}
		for _, k := range keys {
			d := k.prefix >> (low + p*digit) & (1<<digit - 1)
			other[counts[p][d]] = k
			counts[p][d]++
		}
		keys, other = other, keys
	}
	for from := 0; from < len(keys); {
		to := from + 1
		for to < len(keys) && keys[to].prefix>>low == keys[from].prefix>>low {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(keys[from:to], compare)
		}
		from = to
	}
	return keys
}
