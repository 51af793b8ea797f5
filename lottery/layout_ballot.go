package lottery

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Code is a choice as a Layout keeps it; it means something in the Layout that made it only.
type Code struct {
	target  uint32
	pattern uint16
}

// Times is a set of days × blocks; Target a set of clinics. Both mean something in their Layout only.
type (
	Times  uint32
	Target uint32
)

// interned keeps what many ballots share once.
type interned struct {
	times     map[string]Times
	timesAt   [][]mask // by times, then page
	targets   map[string]Target
	clinics   [][]int32 // by target
	patternOf map[mask]uint16
	lists     map[string]Code    // by their slots
	products  map[[2]uint32]Code // by target and times
}

func newInterned() interned {
	return interned{
		times: map[string]Times{}, targets: map[string]Target{}, patternOf: map[mask]uint16{},
		lists: map[string]Code{}, products: map[[2]uint32]Code{},
	}
}

// Times is the set of the cells for which in says yes.
func (l *Layout) Times(in func(day, block int32) bool) Times {
	pages := make([]mask, l.pages)
	key := make([]byte, 0, 16*l.pages)
	for i, c := range l.cells {
		if in(c.day, c.block) {
			pages[i/cellsPerRow] = pages[i/cellsPerRow].or(bit(uint(i % cellsPerRow)))
		}
	}
	for _, m := range pages {
		key = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(key, m.lo), m.hi)
	}
	t, ok := l.interned.times[string(key)]
	if !ok {
		t = Times(len(l.interned.timesAt))
		l.interned.times[string(key)] = t
		l.interned.timesAt = append(l.interned.timesAt, pages)
	}
	return t
}

// Target is the set of the clinics; those that have no slots in the supply are left out.
func (l *Layout) Target(clinics []int32) Target {
	set := make([]int32, 0, len(clinics))
	for _, c := range clinics {
		if len(l.rowsOf[c]) > 0 {
			set = append(set, c)
		}
	}
	slices.Sort(set)
	set = slices.Compact(set)
	key := make([]byte, 0, 4*len(set))
	for _, c := range set {
		key = binary.LittleEndian.AppendUint32(key, uint32(c))
	}
	t, ok := l.interned.targets[string(key)]
	if !ok {
		t = Target(len(l.interned.clinics))
		l.interned.targets[string(key)] = t
		l.interned.clinics = append(l.interned.clinics, set)
	}
	return t
}

// Choice is the set of the slots of the target's clinics at the times. It may be empty.
func (l *Layout) Choice(target Target, times Times) Code {
	key := [2]uint32{uint32(target), uint32(times)}
	if c, ok := l.interned.products[key]; ok {
		return c
	}
	pages := l.interned.timesAt[times]
	rows := []uint32{}
	for _, clinic := range l.interned.clinics[target] {
		for _, row := range l.rowsOf[clinic] {
			if !l.offered[row].and(pages[l.rowPage[row]]).empty() {
				rows = append(rows, row)
			}
		}
	}
	if len(rows) == 1 && l.straight[rows[0]] {
		// Straight from the tables: a country has more of these than a map should hold.
		if pattern, ok := l.pattern(pages[l.rowPage[rows[0]]]); ok {
			return Code{rows[0], pattern}
		}
	}
	slots := []int32{}
	for _, row := range rows {
		m := l.offered[row].and(pages[l.rowPage[row]])
		for ; !m.empty(); m = m.withoutFirst() {
			slots = append(slots, l.supply[l.number(row, m.first())])
		}
	}
	slices.Sort(slots)
	c := l.addGroup(slots)
	l.interned.products[key] = c
	return c
}

// List is any set of slots, given by their positions and in supply order. The error names the first that is out
// of order, unknown or a second slot.
func (l *Layout) List(slots []int32) (Code, error) {
	for i, x := range slots {
		switch {
		case x < 0 || int(x) >= len(l.slots):
			return Code{}, fmt.Errorf("slot %d is not in the supply", x)
		case l.slots[x].Second:
			return Code{}, fmt.Errorf("slot %d is for second doses only", x)
		case i > 0 && slots[i-1] >= x:
			return Code{}, fmt.Errorf("slot %d is not in supply order", x)
		}
	}
	runs := l.runsOf(slots)
	if len(runs) == 1 {
		if pattern, ok := l.pattern(runs[0].cells); ok {
			return Code{runs[0].row, pattern}, nil
		}
	}
	key := make([]byte, 0, 4*len(slots))
	for _, x := range slots {
		key = binary.LittleEndian.AppendUint32(key, uint32(x))
	}
	c, ok := l.interned.lists[string(key)]
	if !ok {
		c = l.addGroup(slots)
		l.interned.lists[string(key)] = c
	}
	return c, nil
}

// pattern numbers a mask, while there are numbers.
func (l *Layout) pattern(m mask) (uint16, bool) {
	p, ok := l.interned.patternOf[m]
	if !ok {
		if len(l.patterns) > math.MaxUint16 {
			return 0, false
		}
		p = uint16(len(l.patterns))
		l.patterns = append(l.patterns, m)
		l.interned.patternOf[m] = p
	}
	return p, true
}

// addGroup is the code of a new group: a list of slots in supply order.
func (l *Layout) addGroup(slots []int32) Code {
	target := uint32(len(l.offered) + len(l.groupSize))
	l.runs = append(l.runs, l.runsOf(slots)...)
	l.runFrom = append(l.runFrom, uint32(len(l.runs)))
	l.groupSize = append(l.groupSize, uint32(len(slots)))
	return Code{target: target}
}

// runsOf cuts a list of slots into the longest runs that lie in one row and ascend by cell.
func (l *Layout) runsOf(slots []int32) []run {
	runs := []run{}
	last := uint(0)
	for _, x := range slots {
		row, at := l.rowAndCell(x)
		if n := len(runs); n > 0 && runs[n-1].row == row && at > last {
			runs[n-1].cells = runs[n-1].cells.or(bit(at))
		} else {
			runs = append(runs, run{row, bit(at)})
		}
		last = at
	}
	return runs
}

// Add appends the ticket of the next rank. last8 is the last eight bytes of the ticket, from which a draw with
// pools takes where it starts inside a choice (see Rotate); 0 is supply order.
func (l *Layout) Add(size, doses uint8, pool uint16, last8 uint64, choices ...Code) error {
	check := Problem{Pools: l.pools}
	if err := check.checkTicket(&Applicant{Size: size, Doses: doses, Pool: pool}); err != nil {
		return fmt.Errorf("ticket of rank %d: %w", len(l.ballots)+1, err)
	}
	if len(choices) > MaxChoices {
		return fmt.Errorf("ticket of rank %d: %d choices: %w", len(l.ballots)+1, len(choices), ErrLayout)
	}
	b := ballot{meta: uint16(len(choices)) | uint16(size-1)<<3 | uint16(doses-1)<<5 | pool<<6}
	for c, code := range choices {
		b.target[c], b.pattern[c] = code.target, code.pattern
	}
	if last8 != 0 && l.last8 == nil {
		l.last8 = make([]uint64, len(l.ballots), cap(l.ballots))
	}
	l.ballots = append(l.ballots, b)
	if l.last8 != nil {
		l.last8 = append(l.last8, last8)
	}
	l.twoDoses = l.twoDoses || doses == 2
	return nil
}

// Grow makes room for that many more tickets.
func (l *Layout) Grow(tickets int) { l.ballots = slices.Grow(l.ballots, tickets) }

// slotsOf are the slots of a choice in supply order, by position.
func (l *Layout) slotsOf(target uint32, pattern uint16) []int32 {
	slots := []int32{}
	l.eachRun(target, pattern, func(row uint32, m mask) {
		for ; !m.empty(); m = m.withoutFirst() {
			slots = append(slots, l.supply[l.number(row, m.first())])
		}
	})
	return slots
}

// eachRun calls do for each part of a choice in supply order.
func (l *Layout) eachRun(target uint32, pattern uint16, do func(row uint32, m mask)) {
	if int(target) < len(l.offered) {
		do(target, l.offered[target].and(l.patterns[pattern]))
		return
	}
	for _, r := range l.runsIn(target) {
		do(r.row, r.cells)
	}
}

// runsIn are the runs of a target that is a group.
func (l *Layout) runsIn(target uint32) []run {
	g := int(target) - len(l.offered)
	return l.runs[l.runFrom[g]:l.runFrom[g+1]]
}

// Problem writes the draw out for Serve: under Fixed with each choice rotated, else in supply order. Equal choices
// share their slots.
func (l *Layout) Problem(seating Seating) *Problem {
	p := &Problem{Slots: l.slots, Pools: l.pools, Tickets: make([]Applicant, len(l.ballots))}
	known := map[Code][]int32{}
	for t := range l.ballots {
		b := &l.ballots[t]
		a := Applicant{Size: uint8(b.size()), Doses: b.doses(), Pool: b.pool(), Choices: make([][]int32, b.choices())}
		for c := range a.Choices {
			code := Code{b.target[c], b.pattern[c]}
			list, ok := known[code]
			if !ok {
				list = l.slotsOf(code.target, code.pattern)
				known[code] = list
			}
			if seating == Fixed {
				list = Rotate(list, l.rotation(t))
			}
			a.Choices[c] = list
		}
		p.Tickets[t] = a
	}
	return p
}

func (l *Layout) rotation(t int) uint64 {
	if l.last8 == nil {
		return 0
	}
	return l.last8[t]
}
