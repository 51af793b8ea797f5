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
	codes     []uint32  // by target; noCode where it takes a group
	patternOf map[mask]uint32
	lists     map[string]Code    // by their slots
	products  map[[2]uint32]Code // by target and times
}

// noCode is no row, area or group.
const noCode = ^uint32(0)

func newInterned() interned {
	return interned{
		times: map[string]Times{}, targets: map[string]Target{}, patternOf: map[mask]uint32{},
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
		l.interned.codes = append(l.interned.codes, l.targetCode(set))
	}
	return t
}

// targetCode is the code of a target that needs no group: a row or a new area.
func (l *Layout) targetCode(clinics []int32) uint32 {
	rows, ok := l.area(clinics)
	if !ok {
		return noCode
	}
	if len(rows) == 1 {
		return rows[0]
	}
	from := uint32(len(l.areaRows))
	l.areaRows = append(l.areaRows, rows...)
	l.areas = append(l.areas, span{from, uint32(len(l.areaRows))})
	return areaBit | uint32(len(l.areas)-1)
}

// area finds the rows of a target, and whether they can be one area: each in order, one behind the other.
func (l *Layout) area(clinics []int32) (rows []uint32, ok bool) {
	for _, c := range clinics {
		rows = append(rows, l.rowsOf[c]...)
	}
	slices.Sort(rows)
	ok = l.pages == 1
	for i, row := range rows {
		ok = ok && l.straight[row]
		if i > 0 {
			first := l.supply[l.rows[row].base]
			ok = ok && l.last[rows[i-1]] < first
		}
	}
	return rows, ok
}

// Choice is the set of the slots of the target's clinics at the times. It may be empty.
func (l *Layout) Choice(target Target, times Times) Code {
	pages := l.interned.timesAt[times]
	if code := l.interned.codes[target]; code != noCode {
		// Straight from the tables: a country has more of these than a map should hold.
		if p := l.pattern(pages[0]); p <= math.MaxUint16 {
			return Code{code, uint16(p)}
		}
	}
	key := [2]uint32{uint32(target), uint32(times)}
	c, ok := l.interned.products[key]
	if !ok {
		c = l.addGroup(l.runsOf(l.slotsAt(target, pages), pages))
		l.interned.products[key] = c
	}
	return c
}

// slotsAt are the slots of the target's clinics at the times, in supply order.
func (l *Layout) slotsAt(target Target, times []mask) []int32 {
	slots := []int32{}
	for _, clinic := range l.interned.clinics[target] {
		for _, row := range l.rowsOf[clinic] {
			for m := l.rows[row].offered.and(times[l.rowPage[row]]); !m.empty(); m = m.withoutFirst() {
				slots = append(slots, l.supply[l.number(row, m.first())])
			}
		}
	}
	slices.Sort(slots)
	return slots
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
	runs := l.runsOf(slots, nil)
	if len(runs) == 1 && runs[0].pattern <= math.MaxUint16 {
		return Code{runs[0].row, uint16(runs[0].pattern)}, nil
	}
	key := make([]byte, 0, 4*len(slots))
	for _, x := range slots {
		key = binary.LittleEndian.AppendUint32(key, uint32(x))
	}
	c, ok := l.interned.lists[string(key)]
	if !ok {
		c = l.addGroup(runs)
		l.interned.lists[string(key)] = c
	}
	return c, nil
}

// pattern numbers a mask.
func (l *Layout) pattern(m mask) uint32 {
	p, ok := l.interned.patternOf[m]
	if !ok {
		p = uint32(len(l.patterns))
		l.patterns = append(l.patterns, m)
		l.interned.patternOf[m] = p
	}
	return p
}

// addGroup is the code of a new group.
func (l *Layout) addGroup(runs []run) Code {
	from := uint32(len(l.runs))
	l.runs = append(l.runs, runs...)
	l.groups = append(l.groups, span{from, uint32(len(l.runs))})
	return Code{target: groupBit | uint32(len(l.groups)-1)}
}

// runsOf cuts a list of slots into the longest runs that lie in one row and ascend by cell. Where a run is all that
// a row has at the times, it shares their pattern; times may be nil.
func (l *Layout) runsOf(slots []int32, times []mask) []run {
	runs := []run{}
	for i := 0; i < len(slots); {
		row, at := l.rowAndCell(slots[i])
		cells := bit(at)
		for i++; i < len(slots); i++ {
			next, cell := l.rowAndCell(slots[i])
			if next != row || cell <= at {
				break
			}
			at, cells = cell, cells.or(bit(cell))
		}
		if times != nil {
			if all := times[l.rowPage[row]]; l.rows[row].offered.and(all) == cells {
				cells = all
			}
		}
		runs = append(runs, run{row, l.pattern(cells)})
	}
	return runs
}

// Add appends the ticket of the next rank. last8 is the last eight bytes of the ticket, from which a draw with
// pools takes where it starts inside a choice (see Rotate); 0 is supply order.
func (l *Layout) Add(size, doses uint8, pool uint16, last8 uint64, choices ...Code) error {
	l.ballots = append(l.ballots, ballot{})
	if l.last8 != nil {
		l.last8 = append(l.last8, 0)
	}
	err := l.Set(len(l.ballots)-1, size, doses, pool, last8, choices...)
	if err != nil {
		l.ballots = l.ballots[:len(l.ballots)-1]
		if l.last8 != nil {
			l.last8 = l.last8[:len(l.ballots)]
		}
	}
	return err
}

// Extend adds that many tickets behind the others, for callers who know their ranks but do not meet them in order:
// until Set fills it, a ticket is a single of one dose that wants nothing.
func (l *Layout) Extend(tickets int) {
	l.ballots = append(l.ballots, make([]ballot, tickets)...)
	if l.last8 != nil {
		l.last8 = append(l.last8, make([]uint64, tickets)...)
	}
	l.levels[0] = true
}

// Set fills the ticket of rank i+1, as Add would. The layout does not change where it is wrong.
func (l *Layout) Set(i int, size, doses uint8, pool uint16, last8 uint64, choices ...Code) error {
	check := Problem{Pools: l.pools}
	if err := check.checkTicket(&Applicant{Size: size, Doses: doses, Pool: pool}); err != nil {
		return fmt.Errorf("ticket of rank %d: %w", i+1, err)
	}
	if len(choices) > MaxChoices {
		return fmt.Errorf("ticket of rank %d: %d choices: %w", i+1, len(choices), ErrLayout)
	}
	b := ballot{meta: uint16(len(choices)) | uint16(size-1)<<3 | uint16(doses-1)<<5 | pool<<6}
	for c, code := range choices {
		b.target[c], b.pattern[c] = code.target, code.pattern
	}
	if last8 != 0 && l.last8 == nil {
		l.last8 = make([]uint64, len(l.ballots), cap(l.ballots))
	}
	l.ballots[i] = b
	if l.last8 != nil {
		l.last8[i] = last8
	}
	l.levels[b.level()] = true
	return nil
}

// Grow makes room for that many more tickets.
func (l *Layout) Grow(tickets int) { l.ballots = slices.Grow(l.ballots, tickets) }

// slotsOf are the slots of a choice in supply order, by position.
func (l *Layout) slotsOf(target uint32, pattern uint16) []int32 {
	slots := []int32{}
	all := l.parts(target, pattern)
	for n := range all.len() {
		r := all.run(n)
		for m := l.slotsIn(r); !m.empty(); m = m.withoutFirst() {
			slots = append(slots, l.supply[l.number(r.row, m.first())])
		}
	}
	return slots
}

// slotsIn are the slots of a run by cell.
func (l *Layout) slotsIn(r run) mask { return l.rows[r.row].offered.and(l.patterns[r.pattern]) }

// parts is a choice as runs in supply order.
type parts struct {
	rows    []uint32 // of a row or an area, each with the pattern
	pattern uint32
	runs    []run // of a group
}

func (l *Layout) parts(target uint32, pattern uint16) parts {
	switch {
	case target&groupBit != 0:
		g := l.groups[target&^groupBit]
		return parts{runs: l.runs[g.from:g.to]}
	case target&areaBit != 0:
		a := l.areas[target&^areaBit]
		return parts{rows: l.areaRows[a.from:a.to], pattern: uint32(pattern)}
	}
	return parts{rows: l.ownRow[target : target+1], pattern: uint32(pattern)}
}

func (p *parts) len() int { return len(p.rows) + len(p.runs) }

func (p *parts) run(n int) run {
	if n < len(p.rows) {
		return run{p.rows[n], p.pattern}
	}
	return p.runs[n]
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
