package lottery

import (
	"slices"
	"time"
)

// MaxLapses is how many offers a ticket may let lapse before it is off the waitlist.
const MaxLapses = 2

// BatchInput is everything that one round of offers reads. Free seats are those freed or added since the last
// round; every release among them stands on the board before.
type BatchInput struct {
	// Now is the time of the batch. Deadline is when its offers lapse, at the latest Lead before the slot
	// begins; a slot whose offers would have less than MinAnswer left is not offered.
	Now, Deadline   time.Time
	MinAnswer, Lead time.Duration
	Slots           []BatchSlot
	// Waiting stands in ticket order.
	Waiting []Waiting
}

// BatchSlot is a slot as it stands at the time of the batch.
type BatchSlot struct {
	// Free seats: neither assigned nor in a live offer.
	Free int32
	// Start is when the slot begins; the zero time bounds nothing.
	Start time.Time
	// Reserve[p] seats are held first for pool p, as in Slot; Members[p] of them are seated or offered here.
	Reserve, Members []int32
	// Seconds are the slots that its second doses may use, in the order in which they are tried: the pair
	// alone in a draw with pools, SecondSlots in one without.
	Seconds []int32
}

// Waiting is a ticket without a place.
type Waiting struct {
	Applicant
	// Struck are the slots that it declined or let lapse.
	Struck []int32
	Lapses int
	// Live is the offer that it has not answered yet, or nil.
	Live *LiveOffer
	// Cancelled: a clinic cancelled its slot. It is considered before all others, and no pool goes before it.
	Cancelled bool
}

// LiveOffer is a place held for one ticket until it answers. Choice counts from 1.
type LiveOffer struct {
	Choice       int32
	Slot, Second int32
}

// BatchResult is what a round of offers decides.
type BatchResult struct {
	// Offers stand in the order in which they were decided, at most one a ticket.
	Offers []Offer
	// Skips are the slots with free seats that a ticket lists and was not offered, with the reason.
	Skips []Skip
}

// Offer is a place to be held for the ticket Waiting[Index] alone, until Deadline.
type Offer struct {
	Index int
	LiveOffer
	Deadline time.Time
	// Replaces: the ticket's live offer ends with this one; its seats are free in the next batch.
	Replaces bool
}

// Skip says why Waiting[Index] was not offered Slot, though it had free seats.
type Skip struct {
	Index  int
	Slot   int32 // None where the reason is the ticket's
	Reason SkipReason
}

// SkipReason is why a waiting ticket was passed over.
type SkipReason string

const (
	SkipLapses   SkipReason = "two-lapses"     // the ticket is off the waitlist
	SkipStruck   SkipReason = "struck"         // it declined this slot before, or let an offer of it lapse
	SkipTooLate  SkipReason = "too-late"       // the slot begins too soon for an answer
	SkipTooFew   SkipReason = "too-few-seats"  // fewer seats free than the party has members
	SkipPool     SkipReason = "held-for-pool"  // members of a pool that is not filled wait for it
	SkipNoSecond SkipReason = "no-second-seat" // no room for the second dose
)

// OfferBatch decides one round of offers: in ticket order, each waiting ticket is considered for its listed
// choices, and the first slot with enough free seats is held for it. A ticket with a live offer is considered
// for earlier choices only. While a pool's members at a slot are fewer than its reserve, as many free seats as
// are missing are kept, in ticket order, for the members who wait for it when the batch begins; parties use no reserve. Nothing
// that a batch frees is given again in the same batch, so no ticket gets what an earlier one of its class wanted
// more and was refused. The input is not changed.
func OfferBatch(in BatchInput) BatchResult {
	b := newBatch(&in)
	for i := range in.Waiting {
		if in.Waiting[i].Cancelled {
			b.consider(i)
		}
	}
	b.keepForPools()
	for i := range in.Waiting {
		if !in.Waiting[i].Cancelled {
			b.consider(i)
		}
	}
	return b.result
}

type batch struct {
	in     *BatchInput
	free   []int32
	kept   [][]int32 // kept[x][p]: seats of x kept for members of pool p
	joined [][]int32 // joined[x][p]: members of pool p who were offered x in this batch
	late   []bool
	result BatchResult
}

func newBatch(in *BatchInput) *batch {
	n := len(in.Slots)
	b := &batch{in: in, free: make([]int32, n), kept: make([][]int32, n), joined: make([][]int32, n), late: make([]bool, n)}
	for x := range in.Slots {
		b.kept[x], b.joined[x] = make([]int32, len(in.Slots[x].Reserve)), make([]int32, len(in.Slots[x].Reserve))
		b.free[x] = in.Slots[x].Free
		b.late[x] = b.deadline(int32(x)).Before(in.Now.Add(in.MinAnswer))
	}
	return b
}

// keepForPools keeps what is missing in pools, in ticket order for members who wait for it, while seats are free.
func (b *batch) keepForPools() {
	for i := range b.in.Waiting {
		w := &b.in.Waiting[i]
		if w.Cancelled || w.Pool == 0 || w.Size != 1 || w.Lapses >= MaxLapses {
			continue
		}
		counted := map[int32]struct{}{}
		for _, choice := range w.Choices[:w.wanted()] {
			for _, x := range choice {
				if _, twice := counted[x]; !twice && b.free[x] > 0 && b.refusal(w, x) == "" {
					counted[x] = struct{}{}
					b.keep(x, w.Pool)
				}
			}
		}
	}
}

// keep keeps one more seat of x for pool p, if one is missing there and one is free that is not kept.
func (b *batch) keep(x int32, p uint16) {
	s := &b.in.Slots[x]
	if int(p) >= len(s.Reserve) {
		return
	}
	missing := s.Reserve[p] - b.joined[x][p]
	if int(p) < len(s.Members) {
		missing -= s.Members[p]
	}
	kept := int32(0)
	for _, n := range b.kept[x] {
		kept += n
	}
	if b.kept[x][p] < missing && kept < b.free[x] {
		b.kept[x][p]++
	}
}

// consider offers Waiting[i] the first slot that it can have.
func (b *batch) consider(i int) {
	w := &b.in.Waiting[i]
	if w.Lapses >= MaxLapses {
		b.result.Skips = append(b.result.Skips, Skip{i, None, SkipLapses})
		return
	}
	for c, choice := range w.Choices[:w.wanted()] {
		for _, x := range choice {
			if b.free[x] <= 0 {
				continue
			}
			reason := b.refusal(w, x)
			if reason == "" && b.free[x]-b.keptFromOthers(w, x) < int32(w.Size) {
				reason = SkipPool
			}
			if reason != "" {
				b.result.Skips = append(b.result.Skips, Skip{i, x, reason})
				continue
			}
			b.offer(i, int32(c)+1, x)
			return
		}
	}
}

// refusal is why the ticket cannot have free seats of x whoever else waits, or "".
func (b *batch) refusal(w *Waiting, x int32) SkipReason {
	switch {
	case slices.Contains(w.Struck, x):
		return SkipStruck
	case b.late[x]:
		return SkipTooLate
	case b.free[x] < int32(w.Size):
		return SkipTooFew
	case w.Doses == 2 && b.second(x, w.Size) == None:
		return SkipNoSecond
	}
	return ""
}

// keptFromOthers is how many seats of x are kept for members of pools other than the ticket's own.
func (b *batch) keptFromOthers(w *Waiting, x int32) int32 {
	kept := int32(0)
	for p, n := range b.kept[x] {
		if p != int(w.Pool) || w.Size > 1 {
			kept += n
		}
	}
	return kept
}

func (b *batch) offer(i int, choice, x int32) {
	w := &b.in.Waiting[i]
	o := Offer{Index: i, LiveOffer: LiveOffer{choice, x, None}, Deadline: b.deadline(x), Replaces: w.Live != nil}
	b.free[x] -= int32(w.Size)
	if w.Doses == 2 {
		o.Second = b.second(x, w.Size)
		b.free[o.Second] -= int32(w.Size)
	}
	if w.Size == 1 && int(w.Pool) < len(b.kept[x]) {
		b.joined[x][w.Pool]++
		b.kept[x][w.Pool] = max(0, b.kept[x][w.Pool]-1)
	}
	b.result.Offers = append(b.result.Offers, o)
}

func (b *batch) second(x int32, size uint8) int32 {
	for _, y := range b.in.Slots[x].Seconds {
		if b.free[y] >= int32(size) {
			return y
		}
	}
	return None
}

// deadline is when an offer of x lapses.
func (b *batch) deadline(x int32) time.Time {
	s := &b.in.Slots[x]
	if latest := s.Start.Add(-b.in.Lead); !s.Start.IsZero() && latest.Before(b.in.Deadline) {
		return latest
	}
	return b.in.Deadline
}

// wanted is how many of the choices, from the first, are better than what the ticket holds on offer.
func (w *Waiting) wanted() int {
	if w.Live != nil {
		return int(w.Live.Choice) - 1
	}
	return len(w.Choices)
}

// Decline strikes the live offer's slot off the ticket's list. Its seats are free in the next batch.
func (w *Waiting) Decline() {
	w.Struck = append(w.Struck, w.Live.Slot)
	w.Live = nil
}

// Lapse is a decline by silence. It says whether the ticket is now off the waitlist.
func (w *Waiting) Lapse() bool {
	w.Decline()
	w.Lapses++
	return w.Lapses >= MaxLapses
}

// CarriedWeight is the weight with which a ballot goes into the campaign's next draw. Who got nothing, listed at
// least minSlots slots (from the manifest) and declined no offer gains one, up to maxWeight; everyone else begins
// again with 1.
func CarriedWeight(weight, maxWeight uint16, gotPlace, declined bool, listed, minSlots int) uint16 {
	if gotPlace || declined || listed < minSlots {
		return 1
	}
	return min(weight+1, maxWeight)
}
