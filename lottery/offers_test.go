package lottery

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// noon is the time of the batches that are written by hand.
func noon() time.Time { return time.Date(2021, 7, 26, 12, 0, 0, 0, time.UTC) }

func single(pool uint16, choices ...[]int32) Waiting {
	return Waiting{Applicant: Applicant{Size: 1, Doses: 1, Pool: pool, Choices: choices}}
}

// byHand is a batch at noon whose offers last two hours, with slots that begin the next day.
func byHand(slots []BatchSlot, waiting ...Waiting) BatchInput {
	for x := range slots {
		if slots[x].Start.IsZero() {
			slots[x].Start = noon().Add(24 * time.Hour)
		}
	}
	return BatchInput{
		Now: noon(), Deadline: noon().Add(2 * time.Hour), MinAnswer: time.Hour, Lead: 3 * time.Hour,
		Slots: slots, Waiting: waiting,
	}
}

func TestOfferBatchByHand(t *testing.T) {
	two := noon().Add(2 * time.Hour)
	party := single(0, []int32{0})
	party.Size = 2
	struck := single(0, []int32{0, 1})
	struck.Struck = []int32{0}
	lapsed := single(0, []int32{0})
	lapsed.Lapses = MaxLapses
	holding := single(0, []int32{0}, []int32{1}, []int32{2})
	holding.Live = &LiveOffer{Choice: 2, Slot: 1, Second: None}
	moved := single(0, []int32{0})
	moved.Cancelled = true
	both := single(0, []int32{0})
	both.Doses = 2
	pool := func(free, members int32) BatchSlot {
		return BatchSlot{Free: free, Reserve: []int32{0, 2}, Members: []int32{0, members}}
	}
	for _, test := range []struct {
		name string
		in   BatchInput
		want BatchResult
	}{
		{
			"ticket order, first slot with a free seat", byHand([]BatchSlot{{}, {Free: 1}, {Free: 1}},
				single(0, []int32{0, 2, 1}), single(0, []int32{2}), single(0, []int32{0}, []int32{2, 1})),
			BatchResult{Offers: []Offer{
				{Index: 0, LiveOffer: LiveOffer{1, 2, None}, Deadline: two},
				{Index: 2, LiveOffer: LiveOffer{2, 1, None}, Deadline: two},
			}},
		},
		{
			"a party needs its size, the single after it does not", byHand([]BatchSlot{{Free: 1}}, party, single(0, []int32{0})),
			BatchResult{
				Offers: []Offer{{Index: 1, LiveOffer: LiveOffer{1, 0, None}, Deadline: two}},
				Skips:  []Skip{{0, 0, SkipTooFew}},
			},
		},
		{
			"struck slots and lapsed tickets", byHand([]BatchSlot{{Free: 3}, {Free: 1}}, struck, lapsed),
			BatchResult{
				Offers: []Offer{{Index: 0, LiveOffer: LiveOffer{1, 1, None}, Deadline: two}},
				Skips:  []Skip{{0, 0, SkipStruck}, {1, None, SkipLapses}},
			},
		},
		{
			"only an earlier choice replaces an offer, and what it frees waits", byHand([]BatchSlot{{Free: 1}, {Free: 1}, {Free: 1}},
				holding, single(0, []int32{0})),
			BatchResult{Offers: []Offer{{Index: 0, LiveOffer: LiveOffer{1, 0, None}, Deadline: two, Replaces: true}}},
		},
		{
			"too late for an answer; just in time", byHand([]BatchSlot{
				{Free: 1, Start: noon().Add(4*time.Hour - time.Second)}, {Free: 1, Start: noon().Add(4 * time.Hour)},
			}, single(0, []int32{0, 1})),
			BatchResult{
				Offers: []Offer{{Index: 0, LiveOffer: LiveOffer{1, 1, None}, Deadline: noon().Add(time.Hour)}},
				Skips:  []Skip{{0, 0, SkipTooLate}},
			},
		},
		{
			"a member first, while the pool is not filled", byHand([]BatchSlot{pool(1, 1)}, single(0, []int32{0}), single(1, []int32{0})),
			BatchResult{
				Offers: []Offer{{Index: 1, LiveOffer: LiveOffer{1, 0, None}, Deadline: two}},
				Skips:  []Skip{{0, 0, SkipPool}},
			},
		},
		{
			"a filled pool comes in its turn", byHand([]BatchSlot{pool(1, 2)}, single(0, []int32{0}), single(1, []int32{0})),
			BatchResult{Offers: []Offer{{Index: 0, LiveOffer: LiveOffer{1, 0, None}, Deadline: two}}},
		},
		{
			"no more is kept than members wait for", byHand([]BatchSlot{pool(2, 0)}, single(0, []int32{0}), single(1, []int32{0}, []int32{0})),
			BatchResult{Offers: []Offer{
				{Index: 0, LiveOffer: LiveOffer{1, 0, None}, Deadline: two},
				{Index: 1, LiveOffer: LiveOffer{1, 0, None}, Deadline: two},
			}},
		},
		{
			"whose slot was cancelled comes before tickets and pools", byHand([]BatchSlot{pool(1, 0)}, single(1, []int32{0}), moved),
			BatchResult{Offers: []Offer{{Index: 1, LiveOffer: LiveOffer{1, 0, None}, Deadline: two}}},
		},
		{
			"the second dose needs a seat too", byHand([]BatchSlot{{Free: 2, Seconds: []int32{1, 2}}, {}, {Free: 1}}, both, both),
			BatchResult{
				Offers: []Offer{{Index: 0, LiveOffer: LiveOffer{1, 0, 2}, Deadline: two}},
				Skips:  []Skip{{1, 0, SkipNoSecond}},
			},
		},
		{
			"a pool that the slot does not know", byHand([]BatchSlot{{Free: 1, Reserve: []int32{0, 1}}}, single(0, []int32{0}), single(2, []int32{0})),
			BatchResult{Offers: []Offer{{Index: 0, LiveOffer: LiveOffer{1, 0, None}, Deadline: two}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, OfferBatch(test.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeclineAndLapse(t *testing.T) {
	w := single(0, []int32{4, 5})
	w.Live = &LiveOffer{Choice: 1, Slot: 4, Second: None}
	if w.Lapse() || w.Live != nil || !slices.Equal(w.Struck, []int32{4}) {
		t.Errorf("after one lapse: %+v", w)
	}
	w.Live = &LiveOffer{Choice: 1, Slot: 5, Second: None}
	if !w.Lapse() {
		t.Error("after two lapses a ticket is off the waitlist")
	}
}

// waitlist is a whole waitlist over many batches, as the product keeps it.
type waitlist struct {
	slots   []BatchSlot
	waiting []Waiting
	done    []bool
}

func drawWaitlist(t *rapid.T) *waitlist {
	number := func(lo, hi int) int32 { return int32(rapid.IntRange(lo, hi).Draw(t, "n")) }
	l := &waitlist{}
	firsts := int(number(1, 4))
	for range firsts {
		l.slots = append(l.slots, BatchSlot{
			Free: number(0, 3), Start: noon().Add(time.Duration(number(0, 12)) * time.Hour),
			Reserve: []int32{0, number(0, 2), number(0, 1)}, Members: []int32{0, number(0, 1), number(0, 1)},
			Seconds: []int32{int32(firsts)},
		})
	}
	l.slots = append(l.slots, BatchSlot{Free: number(0, 5)})
	for range number(1, 7) {
		w := single(uint16(number(0, 2)))
		w.Size, w.Doses = uint8(max(1, number(-1, 3))), uint8(max(1, number(0, 2)))
		for range number(0, 3) {
			choice := []int32{}
			for x := range firsts {
				if number(0, 1) == 1 {
					choice = append(choice, int32(x))
				}
			}
			w.Choices = append(w.Choices, choice)
		}
		w.Cancelled = number(0, 5) == 0
		l.waiting = append(l.waiting, w)
	}
	l.done = make([]bool, len(l.waiting))
	return l
}

func TestOffersAreFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 8 {
			answerRounds(t, drawWaitlist(t))
		}
	})
}

// answerRounds plays several batches of a waitlist and checks each.
func answerRounds(t *rapid.T, l *waitlist) {
	declined := map[[2]int32]bool{}
	for round := range 6 {
		in := BatchInput{
			Now: noon().Add(time.Duration(round) * time.Hour), MinAnswer: time.Hour, Lead: time.Hour,
			Slots: l.slots, Waiting: l.waiting,
		}
		in.Deadline = in.Now.Add(2 * time.Hour)
		before, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		result := OfferBatch(in)
		if after, err := json.Marshal(in); err != nil || !bytes.Equal(after, before) {
			t.Fatal("the input was changed")
		}
		checkBatch(t, &in, result)
		for _, o := range result.Offers {
			if declined[[2]int32{int32(o.Index), o.Slot}] {
				t.Fatalf("round %d: slot %d offered again to %d", round, o.Slot, o.Index)
			}
		}
		l.apply(t, result, declined)
	}
}

// apply does what the product does between batches: seats offers, ends replaced ones, and lets tickets answer.
func (l *waitlist) apply(t *rapid.T, result BatchResult, declined map[[2]int32]bool) {
	move := func(w *Waiting, o LiveOffer, n int32) {
		l.slots[o.Slot].Free += n * int32(w.Size)
		if o.Second != None {
			l.slots[o.Second].Free += n * int32(w.Size)
		}
		if w.Size == 1 && w.Pool > 0 {
			l.slots[o.Slot].Members = slices.Clone(l.slots[o.Slot].Members)
			l.slots[o.Slot].Members[w.Pool] -= n
		}
	}
	for _, o := range result.Offers {
		w := &l.waiting[o.Index]
		if w.Live != nil {
			move(w, *w.Live, 1)
		}
		live := o.LiveOffer
		w.Live = &live
		move(w, live, -1)
	}
	for i := range l.waiting {
		w := &l.waiting[i]
		if w.Live == nil {
			continue
		}
		live := *w.Live
		switch rapid.IntRange(0, 3).Draw(t, "answer") {
		case 0: // keeps waiting
		case 1: // accepts: no longer on the list
			w.Choices, w.Live = nil, nil
		case 2:
			w.Decline()
			declined[[2]int32{int32(i), live.Slot}] = true
			move(w, live, 1)
		case 3:
			w.Lapse()
			declined[[2]int32{int32(i), live.Slot}] = true
			move(w, live, 1)
		}
	}
}

// checkBatch replays a batch by the words of the rule.
func checkBatch(t *rapid.T, in *BatchInput, result BatchResult) {
	n := len(in.Waiting)
	got := make([]*Offer, n)
	for i := range result.Offers {
		o := &result.Offers[i]
		if got[o.Index] != nil {
			t.Fatalf("ticket %d has two offers", o.Index)
		}
		got[o.Index] = o
	}
	skipped := map[[2]int32]bool{}
	for _, s := range result.Skips {
		if s.Reason == "" {
			t.Fatalf("a skip without a reason: %+v", s)
		}
		if s.Reason == SkipPool && len(result.Offers) == 0 {
			t.Fatalf("seats are kept for a pool, and no one gets any: %+v", s)
		}
		skipped[[2]int32{int32(s.Index), s.Slot}] = true
	}
	free := make([]int32, len(in.Slots))
	for x := range in.Slots {
		free[x] = in.Slots[x].Free
	}
	turns := make([]int, 0, n)
	for _, cancelled := range []bool{true, false} {
		for i := range in.Waiting {
			if in.Waiting[i].Cancelled == cancelled {
				turns = append(turns, i)
			}
		}
	}
	for turn, j := range turns {
		w, o := &in.Waiting[j], got[j]
		if w.Lapses >= MaxLapses && (o != nil || !skipped[[2]int32{int32(j), None}]) {
			t.Fatalf("ticket %d is off the list", j)
		}
		if w.Lapses >= MaxLapses {
			continue
		}
		for c, choice := range w.Choices {
			if w.Live != nil && c+1 >= int(w.Live.Choice) || o != nil && c+1 > int(o.Choice) {
				break
			}
			for _, x := range choice {
				if o != nil && o.Slot == x && int(o.Choice) == c+1 {
					break
				}
				if free[x] > 0 && !skipped[[2]int32{int32(j), x}] {
					t.Fatalf("ticket %d was passed over at slot %d without a reason", j, x)
				}
			}
		}
		if o == nil {
			continue
		}
		x, s := o.Slot, &in.Slots[o.Slot]
		if !slices.Contains(w.Choices[o.Choice-1], x) || slices.Contains(w.Struck, x) {
			t.Fatalf("ticket %d was offered slot %d", j, x)
		}
		if w.Live != nil && (o.Choice >= w.Live.Choice || !o.Replaces) {
			t.Fatalf("ticket %d: choice %d does not replace %d", j, o.Choice, w.Live.Choice)
		}
		if o.Deadline.Before(in.Now.Add(in.MinAnswer)) || o.Deadline.After(s.Start.Add(-in.Lead)) || o.Deadline.After(in.Deadline) {
			t.Fatalf("deadline %v", o.Deadline)
		}
		// No earlier ticket of the class that wants x was passed over for as many seats.
		for _, i := range turns[:turn] {
			e := &in.Waiting[i]
			if e.Cancelled != w.Cancelled || e.class(Fixed) != w.class(Fixed) || e.Lapses >= MaxLapses || slices.Contains(e.Struck, x) {
				continue
			}
			holds := len(e.Choices)
			if e.Live != nil {
				holds = int(e.Live.Choice) - 1
			}
			if got[i] != nil {
				holds = int(got[i].Choice) - 1
			}
			for _, choice := range e.Choices[:holds] {
				if slices.Contains(choice, x) {
					t.Fatalf("ticket %d envies %d its offer of slot %d", i, j, x)
				}
			}
		}
		// While a pool is not filled, its waiting members come before all but earlier members of others that are not.
		short := func(p int, before []int) bool {
			members := s.Members[p]
			for _, i := range before {
				if m := &in.Waiting[i]; m.Size == 1 && int(m.Pool) == p && got[i] != nil && got[i].Slot == x {
					members++
				}
			}
			return members < s.Reserve[p]
		}
		own := w.Size == 1 && w.Pool > 0 && short(int(w.Pool), turns[:turn])
		for p := 1; p < len(s.Reserve) && !w.Cancelled; p++ {
			if int(w.Pool) == p && w.Size == 1 || !short(p, turns) {
				continue
			}
			for _, i := range turns {
				m := &in.Waiting[i]
				// Whoever needs two doses may have found no second seat.
				waits := got[i] == nil && m.Size == 1 && m.Doses == 1 && int(m.Pool) == p && m.Lapses < MaxLapses && !m.Cancelled &&
					!slices.Contains(m.Struck, x) && slices.Contains(slices.Concat(m.Choices[:m.wanted()]...), x)
				if waits && (!own || i < j) {
					t.Fatalf("slot %d went to %d while %d, a member of pool %d, waits", x, j, i, p)
				}
			}
		}
		free[x] -= int32(w.Size)
		if w.Doses == 2 {
			if o.Second != s.Seconds[0] {
				t.Fatalf("ticket %d has no second dose", j)
			}
			free[o.Second] -= int32(w.Size)
		}
		if free[x] < 0 || o.Second != None && free[o.Second] < 0 {
			t.Fatalf("slot %d: a seat in two offers", x)
		}
	}
}

func TestCarriedWeight(t *testing.T) {
	for _, test := range []struct {
		weight        uint16
		got, declined bool
		listed        int
		want          uint16
	}{
		{1, false, false, 6, 2},
		{1, false, false, 5, 1},
		{4, false, false, 6, 5},
		{5, false, false, 9, 5},
		{3, true, false, 9, 1},
		{3, false, true, 9, 1},
	} {
		if w := CarriedWeight(test.weight, 5, test.got, test.declined, test.listed, 6); w != test.want {
			t.Errorf("%+v: %d", test, w)
		}
	}
}
