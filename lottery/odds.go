package lottery

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// OddsInput is what trial draws are made from: ballots so far, in any order, and a fresh seed for each trial. Trial
// seeds have nothing to do with the draw's: no trial says anything about who will be served.
type OddsInput struct {
	Layout  *Layout
	Seating Seating
	// Weight is each ticket's number of tickets in the drum, by its place in the layout; nil means 1 for all.
	Weight []uint16
	// Group is the label of each ticket under which Odds counts it, and Part that of each slot by its position (the
	// part of the day), in the caller's numbers; nil means no such table.
	Group, Part []int32
	Seeds       [][32]byte
	// Stop, where it is not nil, is asked before each trial; its error ends the work.
	Stop func() error
}

// Odds are shares over all trials. People are counted, not tickets.
type Odds struct {
	Trials int
	// Cohort is everybody; First counts as served who got her first choice.
	Cohort, First Share
	// Clinic and Part count who lists a slot of it, and who was served there; Group its members, and who was served.
	Clinic, Part, Group map[int32]Share

	trials []trialCuts
}

// Share counts people over all trials.
type Share struct{ Asked, Served int64 }

// Of is the share served, 0–1; 0 where nobody asked.
func (s Share) Of() float64 {
	if s.Asked == 0 {
		return 0
	}
	return float64(s.Served) / float64(s.Asked)
}

// trialCuts are one trial's cut-offs, the highest rank of each class that was served in each slot, the seats left free,
// the classes and the number of tickets.
type trialCuts struct {
	tickets int
	classes map[Class]struct{}
	cuts    *CutOffTable
	served  map[cutOffKey]uint32
	members map[cutOffKey]int32 // of pools, singles seated in a slot, whatever their doses
	slots   []Slot
	free    []int32 // by slot's position
	// fill[k-1] is, by slot's position, the rank of the ticket that left fewer than k seats for who comes later, in seats
	// that tickets of that size may take; one more than the tickets where none did.
	fill [MaxParty][]uint32
}

// NewOdds makes one trial draw a seed and counts. It keeps the cut-offs of all trials for Chance.
func NewOdds(in OddsInput) (*Odds, error) {
	l := in.Layout
	if in.Weight != nil && len(in.Weight) != l.Len() || in.Group != nil && len(in.Group) != l.Len() || in.Part != nil && len(in.Part) != len(l.slots) {
		return nil, fmt.Errorf("odds: weights, groups or parts are not as many as the %d tickets or %d slots", l.Len(), len(l.slots))
	}
	o := &Odds{Clinic: map[int32]Share{}, Part: map[int32]Share{}, Group: map[int32]Share{}}
	clinics, parts := newAskers(l, func(x int32) int32 { return l.slots[x].Clinic }), (*askers)(nil)
	if in.Part != nil {
		parts = newAskers(l, func(x int32) int32 { return in.Part[x] })
	}
	for _, seed := range in.Seeds {
		if in.Stop != nil {
			if err := in.Stop(); err != nil {
				return nil, fmt.Errorf("odds: %w", err)
			}
		}
		order := trialOrder(seed, l.Len(), in.Weight)
		trial := l.reordered(order, seed)
		places, err := trial.Serve(in.Seating)
		if err != nil {
			return nil, fmt.Errorf("odds: %w", err)
		}
		o.Trials++
		o.trials = append(o.trials, trial.cutsOf(places, in.Seating))
		for rank, i := range order {
			people := int64(l.ballots[i].size())
			x := places.Slot[rank]
			o.Cohort = o.Cohort.add(people, x != None)
			o.First = o.First.add(people, places.Choice[rank] == 1)
			if in.Group != nil {
				o.Group[in.Group[i]] = o.Group[in.Group[i]].add(people, x != None)
			}
			if x != None {
				clinics.serve(x, people)
				parts.serve(x, people)
			}
		}
	}
	clinics.into(o.Clinic, o.Trials)
	parts.into(o.Part, o.Trials)
	return o, nil
}

func (s Share) add(people int64, served bool) Share {
	s.Asked += people
	if served {
		s.Served += people
	}
	return s
}

// askers counts by a label of slots who lists one and who was served in one.
type askers struct {
	label  func(x int32) int32
	asked  map[int32]int64 // the same in every trial
	served map[int32]int64
}

func newAskers(l *Layout, label func(x int32) int32) *askers {
	a := &askers{label: label, asked: map[int32]int64{}, served: map[int32]int64{}}
	labels := map[Code][]int32{}
	var mine []int32
	for i := range l.ballots {
		b := &l.ballots[i]
		mine = mine[:0]
		for c := range b.choices() {
			code := Code{b.target[c], b.pattern[c]}
			list, ok := labels[code]
			if !ok {
				for _, x := range l.slotsOf(code.target, code.pattern) {
					list = append(list, label(x))
				}
				slices.Sort(list)
				list = slices.Compact(list)
				labels[code] = list
			}
			mine = append(mine, list...)
		}
		slices.Sort(mine)
		for _, n := range slices.Compact(mine) {
			a.asked[n] += int64(b.size())
		}
	}
	return a
}

func (a *askers) serve(x int32, people int64) {
	if a != nil {
		a.served[a.label(x)] += people
	}
}

func (a *askers) into(table map[int32]Share, trials int) {
	if a == nil {
		return
	}
	for label, asked := range a.asked {
		table[label] = Share{asked * int64(trials), a.served[label]}
	}
}

// trialOrder is an order of n tickets as a draw's is: by the least of as many random numbers as the weight says.
func trialOrder(seed [32]byte, n int, weight []uint16) []uint32 {
	type ticket struct {
		number uint64
		at     uint32
	}
	r := rand.NewChaCha8(seed)
	tickets := make([]ticket, n)
	for i := range tickets {
		tickets[i] = ticket{r.Uint64(), uint32(i)}
		if weight != nil {
			for range max(1, weight[i]) - 1 {
				tickets[i].number = min(tickets[i].number, r.Uint64())
			}
		}
	}
	slices.SortFunc(tickets, func(a, b ticket) int { return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.at, b.at)) })
	order := make([]uint32, n)
	for rank, t := range tickets {
		order[rank] = t.at
	}
	return order
}

// reordered is the layout with its ballots in another order and with rotations from the seed. It shares all else.
func (l *Layout) reordered(order []uint32, seed [32]byte) *Layout {
	c := *l
	c.ballots, c.last8 = make([]ballot, len(order)), make([]uint64, len(order))
	seed[0] ^= 0xff // another stream than the order's
	r := rand.NewChaCha8(seed)
	for rank, i := range order {
		c.ballots[rank], c.last8[rank] = l.ballots[i], r.Uint64()
	}
	return &c
}

// cutsOf is what Chance reads of a trial.
func (l *Layout) cutsOf(places *Places, seating Seating) trialCuts {
	t := trialCuts{
		tickets: l.Len(), classes: map[Class]struct{}{}, cuts: NewCutOffTable(places.CutOffs),
		served: map[cutOffKey]uint32{}, members: map[cutOffKey]int32{}, slots: l.slots, free: make([]int32, len(l.slots)),
	}
	for k := range t.fill {
		t.fill[k] = make([]uint32, len(l.slots))
	}
	party := make([]int32, len(l.slots)) // seats left for parties
	none := uint32(l.Len()) + 1
	for x := range l.slots {
		s := &l.slots[x]
		t.free[x], party[x] = s.Seats, s.Seats
		if seating == Fixed {
			party[x] = s.Party
		}
		for k := range t.fill {
			t.fill[k][x] = none
			if room(t.free[x], party[x], k) <= int32(k) {
				t.fill[k][x] = 0
			}
		}
	}
	for i := range l.ballots {
		b := &l.ballots[i]
		t.classes[b.class(seating)] = struct{}{}
		x := places.Slot[i]
		if x == None {
			continue
		}
		t.served[cutOffKey{x, b.class(seating)}] = uint32(i) + 1
		t.free[x] -= int32(b.size())
		if b.pool() > 0 && b.size() == 1 {
			t.members[cutOffKey{x, Class{Size: 1, Doses: 1, Pool: b.pool()}}]++
		}
		if seating != Fixed || b.size() > 1 {
			party[x] -= int32(b.size())
		}
		for k := range t.fill {
			if t.fill[k][x] == none && room(t.free[x], party[x], k) <= int32(k) {
				t.fill[k][x] = uint32(i) + 1
			}
		}
	}
	return t
}

// room is what a ticket of k+1 people may take.
func room(free, party int32, k int) int32 {
	if k > 0 {
		return party
	}
	return free
}

// Reach is how far down the order of a trial a slot took one more ticket of the class, whether or not a ballot so far
// is of it: with a rank up to low it would have, with one above high it would not, and in between the trial does not
// tell. Ranks count from 1; high is at most one more than the tickets. x is a slot's position.
func (o *Odds) Reach(trial int, class Class, x int32, seating Seating) (low, high uint32) {
	t := &o.trials[trial]
	fill := t.fill[class.Size-1][x]
	end := uint32(t.tickets) + 1
	if class.Doses == 1 && (seating == Serial || class.Size > 1) || seating == Fixed && class.Size > 1 {
		return fill, fill // it sits for good, and only flexible seating makes a little more room for it
	}
	low, high = fill, end
	cut, refused := t.cuts.Rank(x, class)
	if refused {
		high = cut
	}
	switch {
	case seating == Fixed && class.Pool > 0 && t.unused(x, class):
		return end, end
	case seating == Fixed && t.free[x] <= 0: // who comes later displaces, or does not, by her pool
		low = max(t.served[cutOffKey{x, class}], t.served[cutOffKey{x, Class{Size: class.Size, Doses: class.Doses}}])
	case class.Doses == 2 && refused: // the second dose may have been what was missing
		low = t.served[cutOffKey{x, class}]
	}
	return min(low, high), high
}

// unused says whether the pool of the class has seats at x that no member of it sits on.
func (t *trialCuts) unused(x int32, class Class) bool {
	reserve := t.slots[x].Reserve
	return int(class.Pool) < len(reserve) && t.members[cutOffKey{x, Class{Size: 1, Doses: 1, Pool: class.Pool}}] < reserve[class.Pool]
}

// ErrNoSuchClass says that no ballot so far is of the class whose chance is asked for, so that trials tell nothing.
var ErrNoSuchClass = errors.New("no ballot so far is of this class")

// Chance lies between Low and High, 0–1.
type Chance struct{ Low, High float64 }

// Chance is the chance of one more ballot to get its first choice, one of its first two, and so on, if the ballots
// were those so far and it were drawn with the given weight. Every rank is as likely; with one below the highest of its
// class that a slot served it would have been served too, with one above the slot's cut-off not, and in between the
// trials do not tell. choices hold slots by position.
func (o *Odds) Chance(class Class, weight uint16, choices [][]int32) ([]Chance, error) {
	chance := make([]Chance, len(choices))
	for n := range o.trials {
		trial := &o.trials[n]
		if _, ok := trial.classes[class]; !ok {
			return nil, ErrNoSuchClass
		}
		low, high := uint32(0), uint32(0)
		for c, choice := range choices {
			for _, x := range choice {
				served, cut := trial.served[cutOffKey{x, class}], uint32(trial.tickets)+1
				if class.Size == 1 && class.Doses == 1 && trial.free[x] > 0 {
					served = cut // room to the end
				}
				if rank, ok := trial.cuts.Rank(x, class); ok {
					cut = rank
				}
				low, high = max(low, served), max(high, cut)
			}
			chance[c].Low += ahead(low, trial.tickets, weight) / float64(len(o.trials))
			chance[c].High += ahead(high, trial.tickets, weight) / float64(len(o.trials))
		}
	}
	return chance, nil
}

// ahead is the chance that of the tickets in the drum of one more ballot the least is before that of the given rank among
// n of weight 1: one less the chance that each in turn falls behind it.
func ahead(rank uint32, n int, weight uint16) float64 {
	behind := 1.0
	for j := range max(1, int(weight)) {
		behind *= float64(n+1+j-int(rank)) / float64(n+1+j)
	}
	return 1 - behind
}

// ChanceByTrial is the chance of one more ballot of any class: it adds the ballot to a trial draw a seed and counts what
// it gets, so it costs a draw a seed and errs as counting does. choices are codes of the layout.
func ChanceByTrial(in OddsInput, size, doses uint8, pool, weight uint16, choices ...Code) ([]float64, error) {
	more := *in.Layout
	more.ballots = slices.Clone(in.Layout.ballots)
	more.last8 = nil
	if err := more.Add(size, doses, pool, 0, choices...); err != nil {
		return nil, fmt.Errorf("odds: %w", err)
	}
	weights := slices.Repeat([]uint16{1}, more.Len())
	copy(weights, in.Weight)
	weights[more.Len()-1] = weight
	chance := make([]float64, len(choices))
	for _, seed := range in.Seeds {
		order := trialOrder(seed, more.Len(), weights)
		places, err := more.reordered(order, seed).Serve(in.Seating)
		if err != nil {
			return nil, fmt.Errorf("odds: %w", err)
		}
		got := places.Choice[slices.Index(order, uint32(more.Len()-1))]
		for c := range chance {
			if got != 0 && int(got) <= c+1 {
				chance[c] += 1 / float64(len(in.Seeds))
			}
		}
	}
	return chance, nil
}
