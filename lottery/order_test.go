package lottery

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestOrderIsTheReference: the fast order is the plain one, for any number of workers, and input order of the ballots does
// not matter.
func TestOrderIsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := rapid.IntRange(0, 60).Draw(t, "ballots")
		leaves := randomLeaves(rng, n)
		file, err := Leaves(Hash{1}, Hash{2}, slices.Clone(leaves))
		if err != nil {
			t.Fatal(err)
		}
		rng.Shuffle(n, func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
		again, err := Leaves(Hash{1}, Hash{2}, leaves)
		if err != nil || string(again) != string(file) {
			t.Fatalf("shuffled ballots give other leaves: %v", err)
		}
		key := sum([]byte{byte(n)})
		want := rawOrder(file, key)
		for _, workers := range []int{1, 2, 7} {
			got, err := OrderWith(file, key, workers)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%d workers (-want +got):\n%s", workers, diff)
			}
		}
	})
}

// randomLeaves are people of whom many are in parties.
func randomLeaves(rng *rand.Rand, n int) []Leaf {
	leaves := make([]Leaf, n)
	for i := range leaves {
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], rng.Uint64())
		h := sum(number[:])
		leaves[i] = Leaf{PID: ID(h[:16]), Weight: uint16(1 + rng.IntN(5)), Commit: h}
	}
	for at := 0; at < n; {
		size := 1 + rng.IntN(MaxParty)
		if size > 1 && at+size <= n {
			var pids []ID
			for _, l := range leaves[at : at+size] {
				pids = append(pids, l.PID)
			}
			for i := range size {
				leaves[at+i].GID = GID(pids)
			}
		}
		at += size
	}
	return leaves
}

// TestOrderOfMany goes beyond a chunk, a bucket and a small sort.
func TestOrderOfMany(t *testing.T) {
	leaves := randomLeaves(rand.New(rand.NewPCG(3, 3)), 50_000)
	file := must(Leaves(Hash{}, Hash{}, leaves))(t)
	key := TicketKey(Hash{5}, Stream)
	want := must(OrderWith(file, key, 1))(t)
	if !slices.IsSortedFunc(want, func(a, b Entity) int {
		if c := slices.Compare(a.Ticket[:], b.Ticket[:]); c != 0 {
			return c
		}
		return a.ID.Compare(b.ID)
	}) {
		t.Error("not ascending by (ticket, id)")
	}
	if diff := cmp.Diff(rawOrder(file, key), want); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, workers := range []int{2, 5, 100} {
		if !slices.Equal(want, must(OrderWith(file, key, workers))(t)) {
			t.Errorf("%d workers give another order", workers)
		}
	}
	ranks := RankByLeaf(want, leafCount(file))
	for i := range want {
		for _, m := range want[i].Members[:want[i].Size] {
			if ranks[m] != uint32(i+1) {
				t.Fatalf("leaf %d: rank %d, want %d", m, ranks[m], i+1)
			}
		}
	}
}

// TestSortByPrefix: keys that are no hashes, with long runs of equal prefixes, come out right too.
func TestSortByPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		n := rapid.SampledFrom([]int{0, 1, 63, 2047, 2048, 9000}).Draw(t, "keys")
		mask := rapid.SampledFrom([]uint64{0, 1, 0xff << 56, 0xffff << 30, 1<<64 - 1, 0x7ff << 34}).Draw(t, "mask")
		keys := make([]sortKey, n)
		for i := range keys {
			keys[i] = sortKey{rng.Uint64() & mask, uint32(i)}
		}
		rng.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		want := slices.Clone(keys)
		tie := func(a, b sortKey) int { return int(a.index) - int(b.index) }
		slices.SortFunc(want, func(a, b sortKey) int {
			if a.prefix != b.prefix {
				if a.prefix < b.prefix {
					return -1
				}
				return 1
			}
			return tie(a, b)
		})
		if got := sortByPrefix(keys, rapid.IntRange(1, 4).Draw(t, "workers"), tie); !slices.Equal(got, want) {
			t.Fatal("not sorted")
		}
	})
}

// TestTicketWeight: with more weight the ticket is the least of more hashes, so it never gets worse.
func TestTicketWeight(t *testing.T) {
	key := Hash{7}
	for n := range uint16(50) {
		id := ID{byte(n)}
		least := Ticket(key, id, 1)
		for w := uint16(2); w <= MaxWeight; w++ {
			h := sum(key[:], id[:], binary.BigEndian.AppendUint16(nil, w-1))
			if slices.Compare(h[:], least[:]) < 0 {
				least = h
			}
			if got := Ticket(key, id, w); got != least {
				t.Fatalf("id %d, weight %d: %s, want %s", n, w, got, least)
			}
		}
	}
}

func TestBadLeaves(t *testing.T) {
	a, b, c := Leaf{PID: ID{1}, Weight: 1}, Leaf{PID: ID{2}, Weight: 1}, Leaf{PID: ID{3}, Weight: 1}
	with := func(l Leaf, change func(*Leaf)) Leaf { change(&l); return l }
	party := GID([]ID{a.PID, b.PID})
	for name, leaves := range map[string][]Leaf{
		"is not above":            {a, b, a},
		"weight 0":                {with(a, func(l *Leaf) { l.Weight = 0 })},
		"weight 101":              {with(a, func(l *Leaf) { l.Weight = 101 })},
		"1 leaves carry gid":      {with(a, func(l *Leaf) { l.GID = party }), b},
		"is not that of its memb": {with(a, func(l *Leaf) { l.GID = party }), with(c, func(l *Leaf) { l.GID = party })},
		"also the gid of a party": {
			with(a, func(l *Leaf) { l.GID = party }), with(b, func(l *Leaf) { l.GID = party }),
			with(c, func(l *Leaf) { l.PID = party }),
		},
	} {
		if _, err := Leaves(Hash{}, Hash{}, leaves); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Order(make([]byte, LeafSize-1), Hash{}); err == nil {
		t.Error("half a leaf is ordered")
	}
	if err := CheckLeaves(make([]byte, 2*LeafSize), 5); err == nil {
		t.Error("a leaf of type 0 is accepted as a ballot")
	}
	if _, err := ParseLeaf(make([]byte, LeafSize)); err == nil {
		t.Error("a leaf of type 0 is parsed")
	}
	if _, err := ParseLeaf(nil); err == nil {
		t.Error("no leaf is parsed")
	}
}

func TestFindLeaf(t *testing.T) {
	leaves := randomLeaves(rand.New(rand.NewPCG(9, 9)), 100)
	file := must(Leaves(Hash{}, Hash{}, leaves))(t)
	for i := 1; i <= 100; i++ {
		if got := FindLeaf(file, leafPID(file, i)); got != i {
			t.Errorf("leaf %d found at %d", i, got)
		}
	}
	for _, absent := range []ID{{}, {0xff, 0xff, 0xff, 0xff}, {0x80}} {
		if got := FindLeaf(file, absent); got != 0 {
			t.Errorf("%s found at %d", absent, got)
		}
	}
	if FindLeaf(file[:LeafSize], ID{}) != 0 {
		t.Error("found in a draw without ballots")
	}
}

// TestGID: the order of the members does not matter, their number does.
func TestGID(t *testing.T) {
	pids := []ID{{3}, {1}, {2}, {9}}
	want := sum([]byte("slotdraw/v1/group\x00"), pids[1][:], pids[2][:], pids[0][:])
	if got := GID(pids[:3]); got != ID(want[:16]) {
		t.Errorf("%s, want %x", got, want[:16])
	}
	seen := map[ID]bool{}
	for _, members := range [][]ID{pids[:2], pids[:3], pids, append(pids, ID{7}), {{1}, {1}}, {{1}}} {
		seen[GID(members)] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d different gids, want 6", len(seen))
	}
	if pids[0] != (ID{3}) {
		t.Error("the members were changed")
	}
}

// TestAuditSample follows the formula, and ends when everything is sampled.
func TestAuditSample(t *testing.T) {
	seed := Hash{1, 2, 3}
	for _, c := range []struct{ leaves, audit, want int }{
		{0, 300, 0}, {1, 300, 0}, {2, 300, 1}, {101, 300, 100}, {5000, 300, 300}, {5000, 0, 0}, {301, 300, 300},
	} {
		sample := AuditSample(seed, uint64(c.leaves), c.audit)
		if len(sample) != c.want {
			t.Errorf("%+v: %d picked", c, len(sample))
		}
		seen := map[uint64]bool{}
		for _, i := range sample {
			if i < 1 || i >= uint64(c.leaves) || seen[i] {
				t.Errorf("%+v: leaf %d", c, i)
			}
			seen[i] = true
		}
	}
	h := D("audit", seed[:], make([]byte, 8))
	mod := uint64(0)
	for _, b := range h[:16] {
		mod = (mod<<8 | uint64(b)) % 4999
	}
	if first := AuditSample(seed, 5000, 300)[0]; first != 1+mod {
		t.Errorf("first %d, want %d", first, 1+mod)
	}
}
