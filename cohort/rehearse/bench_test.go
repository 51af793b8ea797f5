package rehearse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/lottery"
)

// The country of the bench is one that the program itself would take: its file has no errors, every ballot is one
// that the form could have saved, partners ask for the same, and the same seed gives the same people.
func TestBenchCountry(t *testing.T) {
	const people = 3000
	land := newCountry(people, 5)
	_, c, err := land.campaign()
	if err != nil {
		t.Fatal(err)
	}
	offered := cohort.Offered{}
	seats := 0
	for _, clinic := range land.clinics {
		offered[clinic.Key] = map[string]bool{}
		for _, s := range clinic.Supply {
			offered[clinic.Key][cohort.OfferedKey(s.Date.Format("2006-01-02"), c.PartOf(s.Block))] = true
			seats += s.Seats
		}
	}
	if share := float64(seats) / people; share < 0.3 || share > 0.8 {
		t.Errorf("%.2f seats a person", share)
	}
	again := newCountry(people, 5)
	keys := map[string]bool{}
	wishes := map[int64]cohort.Ballot{}
	members := map[int64]int{}
	for i := range people {
		p := land.person(i)
		if d := cmp.Diff(p, again.person(i)); d != "" {
			t.Fatalf("person %d is another the second time: %s", i, d)
		}
		if keys[p.Key] || p.ID != int64(i+1) || p.Email == "" && p.Phone == "" {
			t.Fatalf("person %d: %+v", i, p)
		}
		keys[p.Key] = true
		b, err := cohort.ParseBallot(p.Ballot)
		if err != nil {
			t.Fatal(err)
		}
		for _, flaw := range c.Check(b, offered) {
			if flaw.Code != "same_twice" { // chance may wish for one thing twice
				t.Fatalf("person %d: %v", i, flaw)
			}
		}
		if b.Draw != c.DrawID(c.Cohorts[0].Key) || lottery.BallotCommit(p.Salt, p.Ballot) != p.Commit {
			t.Fatalf("person %d: ballot of %s", i, b.Draw)
		}
		if p.Party == 0 {
			continue
		}
		if members[p.Party]++; members[p.Party] == 1 {
			wishes[p.Party] = b
		} else if d := cmp.Diff(wishes[p.Party].Choices, b.Choices); d != "" {
			t.Fatalf("party %d: %s", p.Party, d)
		}
	}
	for party, n := range members {
		if n != 2 {
			t.Errorf("party %d has %d members", party, n)
		}
	}
	if len(members) == 0 {
		t.Error("there are no parties")
	}
	if d := cmp.Diff(land.person(1).Ballot, newCountry(people, 6).person(1).Ballot); d == "" {
		t.Error("another seed gives the same ballot")
	}
}

// The baseline of the order sorts, and makes as many calls as it says.
func TestBenchBaselines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	keys := make([]radixKey, 5000)
	for i := range keys {
		keys[i] = radixKey{r.Uint64() >> r.IntN(64), uint32(i)}
	}
	want := slices.Clone(keys)
	slices.SortStableFunc(want, func(a, b radixKey) int {
		switch {
		case a.prefix < b.prefix:
			return -1
		case a.prefix > b.prefix:
			return 1
		}
		return 0
	})
	radixSort(keys, make([]radixKey, len(keys)))
	if !slices.Equal(keys, want) {
		t.Error("not sorted")
	}
	for _, n := range []int{0, 1, 2, 3, 1001} {
		var seen atomic.Int64
		share(n, func(from, to int) { seen.Add(int64(to - from)) })
		if got := int(seen.Load()); got != n {
			t.Errorf("%d of %d are done", got, n)
		}
	}
	hashed := make([]radixKey, 100)
	hashTickets(lottery.Hash{}, hashed, 250)
	for i, k := range hashed {
		if k.prefix == 0 || k.index != uint32(i) {
			t.Errorf("entity %d: %+v", i, k)
		}
	}
}

func TestBenchLeavesAreLeaves(t *testing.T) {
	b := &bench{BenchConfig: BenchConfig{People: 2000, Seed: 3}}
	leaves, err := b.makeLeaves()
	if err != nil {
		t.Fatal(err)
	}
	order, err := lottery.Order(leaves, lottery.TicketKey(lottery.Root(leaves), lottery.Stream))
	if err != nil {
		t.Fatal(err)
	}
	count := lottery.Count(order, nil)
	if *count.Ballots != 2000 || *count.Parties == 0 || *count.Parties > 200 {
		t.Error(fmt.Sprint(*count.Ballots, *count.Parties))
	}
}
