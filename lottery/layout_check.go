package lottery

import "fmt"

// Check holds places against what must always be so, however they were found: nobody sits outside the choice that is
// named, no slot has more people than seats, a second dose is where and when it may be, and everyone has exactly the
// choice that the cut-offs give: the first of which one slot has none for her class, or one above her rank. It shares
// no step with Serve. The error names the first rank or slot that is wrong.
func (l *Layout) Check(p *Places, seating Seating) error {
	n := len(l.ballots)
	if len(p.Choice) != n || len(p.Slot) != n || len(p.Second) != n {
		return fmt.Errorf("places of %d, %d and %d tickets for %d", len(p.Choice), len(p.Slot), len(p.Second), n)
	}
	cuts, err := l.cutsByClass(p.CutOffs)
	if err != nil {
		return err
	}
	k := checker{l: l, cuts: cuts, known: map[checkedChoice]uint32{}}
	used := make([]int64, len(l.slots))
	for i := range l.ballots {
		b := &l.ballots[i]
		c, x, second := int(p.Choice[i]), p.Slot[i], p.Second[i]
		if granted := k.granted(b, uint32(i)+1, seating); granted != c {
			return fmt.Errorf("rank %d has choice %d, the cut-offs give %d", i+1, c, granted)
		}
		if c == 0 {
			if x != None || second != None {
				return fmt.Errorf("rank %d has slots %d and %d, and no choice", i+1, x, second)
			}
			continue
		}
		if !l.inside(x, b.target[c-1], b.pattern[c-1]) {
			return fmt.Errorf("rank %d: slot %d lies outside its choice %d", i+1, x, c)
		}
		used[x] += int64(b.size())
		if err := l.checkSecond(b.doses(), x, second, seating); err != nil {
			return fmt.Errorf("rank %d: %w", i+1, err)
		}
		if second != None {
			used[second] += int64(b.size())
		}
	}
	for x := range used {
		if seats := int64(l.slots[x].Seats); used[x] > seats {
			return fmt.Errorf("slot %d is given to %d, it has %d seats", x, used[x], seats)
		}
	}
	return nil
}

// cutsByClass is each class's cut-offs by position of the slot, 0 where there is none.
func (l *Layout) cutsByClass(list []CutOff) (map[Class][]uint32, error) {
	cuts := map[Class][]uint32{}
	for _, c := range list {
		if c.Slot < 0 || int(c.Slot) >= len(l.slots) || c.Rank == 0 {
			return nil, fmt.Errorf("slot %d has the cut-off %d", c.Slot, c.Rank)
		}
		if cuts[c.Class] == nil {
			cuts[c.Class] = make([]uint32, len(l.slots))
		}
		if cuts[c.Class][c.Slot] != 0 {
			return nil, fmt.Errorf("slot %d has two cut-offs of one class", c.Slot)
		}
		cuts[c.Class][c.Slot] = c.Rank
	}
	return cuts, nil
}

// inside says whether slot x is of the choice.
func (l *Layout) inside(x int32, target uint32, pattern uint16) bool {
	if x < 0 || int(x) >= len(l.slots) || l.slots[x].Second {
		return false
	}
	row, at := l.rowAndCell(x)
	all := l.parts(target, pattern)
	for n := range all.len() {
		if r := all.run(n); r.row == row && l.slotsIn(r).has(at) {
			return true
		}
	}
	return false
}

func (l *Layout) checkSecond(doses uint8, x, second int32, seating Seating) error {
	switch {
	case doses == 1 && second == None:
		return nil
	case doses == 1:
		return fmt.Errorf("one dose, and a second slot %d", second)
	case second < 0 || int(second) >= len(l.slots):
		return fmt.Errorf("two doses, and the second slot %d", second)
	}
	first, then := &l.slots[x], &l.slots[second]
	if seating == Flexible && !(then.Second && then.Clinic == first.Clinic && then.Vaccine == first.Vaccine && secondDoseInterval(first, then)) ||
		seating != Flexible && second != first.Pair {
		return fmt.Errorf("slot %d is no second slot of slot %d", second, x)
	}
	return nil
}

// checker knows for each class and choice below which rank it is given.
type checker struct {
	l     *Layout
	cuts  map[Class][]uint32
	known map[checkedChoice]uint32 // of choices of several rows
}

type checkedChoice struct {
	target  uint32
	pattern uint16
	class   Class
}

// granted is the choice that the cut-offs give, from 1, or 0.
func (k *checker) granted(b *ballot, rank uint32, seating Seating) int {
	class := b.class(seating)
	cuts := k.cuts[class]
	for c := range b.choices() {
		target, pattern := b.target[c], b.pattern[c]
		if target&(areaBit|groupBit) == 0 {
			if rank < k.below(cuts, target, pattern) {
				return c + 1
			}
			continue
		}
		key := checkedChoice{target, pattern, class}
		limit, ok := k.known[key]
		if !ok {
			limit = k.below(cuts, target, pattern)
			k.known[key] = limit
		}
		if rank < limit {
			return c + 1
		}
	}
	return 0
}

// below is the highest cut-off of the choice's slots: ranks below it are given the choice. Without a cut-off at one of
// them every rank is; without slots none.
func (k *checker) below(cuts []uint32, target uint32, pattern uint16) uint32 {
	highest := uint32(0)
	all := k.l.parts(target, pattern)
	for n := range all.len() {
		r := all.run(n)
		for m := k.l.slotsIn(r); !m.empty(); m = m.withoutFirst() {
			if cuts == nil {
				return ^uint32(0)
			}
			cut := cuts[k.l.supply[k.l.number(r.row, m.first())]]
			if cut == 0 {
				return ^uint32(0)
			}
			highest = max(highest, cut)
		}
	}
	return highest
}
