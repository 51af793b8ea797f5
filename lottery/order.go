package lottery

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
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
//
// The tickets part the entities into buckets by their first byte, and each bucket is then sorted inside a core's
// cache: 100 bytes a person in all.
func OrderWith(leaves []byte, key Hash, workers int) ([]Entity, error) {
	if len(leaves) < LeafSize || len(leaves)%LeafSize != 0 {
		return nil, fmt.Errorf("%d bytes are not a whole number of leaves", len(leaves))
	}
	groups, err := parties(leaves, workers)
	if err != nil {
		return nil, err
	}
	in := unordered{leaves, groups}
	tickets := make([]Hash, leafCount(leaves)) // by leaf; a party's stands at its first member
	places := make([][1 << topBits]uint32, in.chunks())
	eachChunk(in.chunks(), workers, func(c int) {
		in.each(c, func(e *Entity) {
			t := &tickets[e.Members[0]]
			*t = Ticket(key, e.ID, e.Weight)
			places[c][bucketOf(t)]++
		})
	})
	starts, total := countedPlaces(places)
	order := make([]Entity, total)
	eachChunk(in.chunks(), workers, func(c int) {
		in.each(c, func(e *Entity) {
			e.Ticket = tickets[e.Members[0]]
			at := &places[c][bucketOf(&e.Ticket)]
			order[*at] = *e
			*at++
		})
	})
	eachChunkWith(1<<topBits, workers, func() func(int) {
		var keys, spare []sortKey
		return func(b int) {
			bucket := order[starts[b]:starts[b+1]]
			if len(keys) < len(bucket) {
				keys, spare = make([]sortKey, len(bucket)+len(bucket)/8), make([]sortKey, len(bucket)+len(bucket)/8)
			}
			sortEntities(bucket, keys[:len(bucket)], spare[:len(bucket)])
		}
	})
	return order, nil
}

func bucketOf(ticket *Hash) byte { return ticket[0] }

// countedPlaces turns counts by chunk and bucket into the first place of each, bucket by bucket.
func countedPlaces(counts [][1 << topBits]uint32) (starts [1<<topBits + 1]uint32, total uint32) {
	for b := range 1 << topBits {
		starts[b] = total
		for c := range counts {
			counts[c][b], total = total, total+counts[c][b]
		}
	}
	starts[1<<topBits] = total
	return starts, total
}

// sortEntities sorts a bucket by (ticket, id); keys and spare are as long.
func sortEntities(bucket []Entity, keys, spare []sortKey) {
	for i := range bucket {
		keys[i] = sortKey{prefix(bucket[i].Ticket[:]), uint32(i)}
	}
	sortBucket(keys, spare, func(a, b sortKey) int {
		x, y := &bucket[a.index], &bucket[b.index]
		if c := bytes.Compare(x.Ticket[:], y.Ticket[:]); c != 0 {
			return c
		}
		return x.ID.Compare(y.ID)
	})
	for i := range keys { // follow each cycle of the permutation once
		if keys[i].index == uint32(i) {
			continue
		}
		first, at := bucket[i], uint32(i)
		for keys[at].index != uint32(i) {
			next := keys[at].index
			bucket[at], keys[at].index = bucket[next], at
			at = next
		}
		bucket[at], keys[at].index = first, at
	}
}

// unordered lists those who are alone, by pid, then the parties, in chunks.
type unordered struct {
	leaves []byte
	groups []party
}

func (u unordered) chunks() int { return chunksOf(leafCount(u.leaves)) + chunksOf(len(u.groups)) }

// each calls do for the entities of a chunk, without their tickets.
func (u unordered) each(c int, do func(*Entity)) {
	var e Entity
	if ofLeaves := chunksOf(leafCount(u.leaves)); c >= ofLeaves {
		from := (c - ofLeaves) * chunkLeaves
		for _, g := range u.groups[from:min(len(u.groups), from+chunkLeaves)] {
			e = Entity{ID: leafGID(u.leaves, int(g.members[0])), Members: g.members, Size: g.size}
			e.Weight = leafWeight(u.leaves, int(g.members[0]))
			for _, m := range g.members[1:g.size] {
				e.Weight = min(e.Weight, leafWeight(u.leaves, int(m)))
			}
			do(&e)
		}
		return
	}
	for i := max(1, c*chunkLeaves); i < min(leafCount(u.leaves), (c+1)*chunkLeaves); i++ {
		if isAlone(u.leaves, i) {
			e.ID, e.Members[0], e.Size, e.Weight = leafPID(u.leaves, i), uint32(i), 1, leafWeight(u.leaves, i)
			do(&e)
		}
	}
}

func chunksOf(n int) int { return (n + chunkLeaves - 1) / chunkLeaves }

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
