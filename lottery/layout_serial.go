package lottery

import "slices"

// taken is what the fast passes write: two small columns a ticket, slots by number + 1, 0 for none. second is nil
// in a draw without two-dose units.
type taken struct {
	choice []uint8
	slot   []uint32
	second []uint32
}

func (l *Layout) newTaken() taken {
	t := taken{choice: make([]uint8, len(l.ballots)), slot: make([]uint32, len(l.ballots))}
	if l.twoDoses() {
		t.second = make([]uint32, len(l.ballots))
	}
	return t
}

// twoDoses: some ticket is a two-dose unit.
func (l *Layout) twoDoses() bool { return slices.Contains(l.levels[MaxParty:], true) }

// largest is the size of the largest ticket.
func (l *Layout) largest() int {
	for size := MaxParty; size > 1; size-- {
		if l.levels[size-1] || l.levels[MaxParty+size-1] {
			return size
		}
	}
	return 1
}

// serialPass is the state of one pass in ticket order in which nobody moves. Rooms only ever close, so what is
// closed is never looked at again.
type serialPass struct {
	l       *Layout
	free    []uint16
	largest uint16
	// open[size-1][row] are the cells with at least size free seats, for sizes that tickets have.
	open [MaxParty][]mask
	// The first row of an area, the first run of a group that may still have room, and the cells of an area that may.
	areaFrom, groupFrom [levels][]uint32
	areaOpen            [levels][]mask
	taken               taken
}

func newSerialPass(l *Layout) *serialPass {
	s := &serialPass{l: l, free: make([]uint16, l.firsts), largest: uint16(l.largest()), taken: l.newTaken()}
	for k := range s.largest {
		s.open[k] = make([]mask, len(l.rows))
	}
	for level := range levels {
		if l.levels[level] {
			s.areaFrom[level], s.groupFrom[level] = make([]uint32, len(l.areas)), make([]uint32, len(l.groups))
			s.areaOpen[level] = make([]mask, len(l.areas))
		}
	}
	s.reset()
	return s
}

// reset empties all slots again.
func (s *serialPass) reset() {
	copy(s.free, s.l.seats)
	s.openAll()
	for level := range levels {
		for g := range s.groupFrom[level] {
			s.groupFrom[level][g] = s.l.groups[g].from
		}
		for a := range s.areaFrom[level] {
			s.areaFrom[level][a] = s.l.areas[a].from
			s.areaOpen[level][a] = mask{^uint64(0), ^uint64(0)}
		}
	}
}

// openAll computes open from free.
func (s *serialPass) openAll() {
	for row := range s.l.rows {
		r := &s.l.rows[row]
		for k := range s.largest {
			s.open[k][row] = mask{}
		}
		x := r.base
		for m := r.offered; !m.empty(); m = m.withoutFirst() {
			for k := range min(s.free[x], s.largest) {
				s.open[k][row] = s.open[k][row].or(bit(m.first()))
			}
			x++
		}
	}
}

// run serves all tickets: the first slot with room, in supply order.
func (s *serialPass) run() {
	l := s.l
	for i := range l.ballots {
		b := &l.ballots[i]
		open := s.open[b.meta>>3&3]
		two := b.meta&(1<<5) != 0
		slot, choice := uint32(0), uint8(0)
		for c := range min(b.choices(), MaxChoices) {
			row := b.target[c]
			var m mask
			if row < areaBit {
				m = open[row].and(l.patterns[b.pattern[c]])
				if two {
					m = m.and(l.paired[row])
				}
			} else {
				row, m = s.first(row, b.pattern[c], b.level())
			}
			if m.empty() {
				continue
			}
			at := m.first()
			x := l.number(row, at)
			s.take(row, at, x, b.size())
			slot, choice = x+1, uint8(c)+1
			break
		}
		s.taken.slot[i], s.taken.choice[i] = slot, choice
	}
	s.takeSeconds()
}

// first is the first row of an area or group with room, and where.
func (s *serialPass) first(target uint32, pattern uint16, level int) (uint32, mask) {
	open, l := s.open[level%MaxParty], s.l
	if target&groupBit != 0 {
		at := target &^ groupBit
		for from := &s.groupFrom[level][at]; *from < l.groups[at].to; *from++ {
			r := l.runs[*from]
			m := open[r.row].and(l.patterns[r.pattern])
			if level >= MaxParty {
				m = m.and(l.paired[r.row])
			}
			if !m.empty() {
				return r.row, m
			}
		}
		return 0, mask{}
	}
	at := target &^ areaBit
	cells := l.patterns[pattern].and(s.areaOpen[level][at])
	if cells.empty() {
		return 0, mask{}
	}
	from, to := &s.areaFrom[level][at], l.areas[at].to
	for *from < to && open[l.areaRows[*from]].empty() {
		*from++
	}
	for _, row := range l.areaRows[*from:to] {
		m := open[row].and(cells)
		if level >= MaxParty {
			m = m.and(l.paired[row])
		}
		if !m.empty() {
			return row, m
		}
	}
	s.areaOpen[level][at] = s.areaOpen[level][at].andNot(cells)
	return 0, mask{}
}

// take seats size people in slot x, which stands in the row's cell, and closes it for those who no longer fit.
func (s *serialPass) take(row uint32, at uint, x uint32, size uint16) {
	old := s.free[x]
	now := old - size
	s.free[x] = now
	for k := now; k < min(old, s.largest); k++ {
		s.open[k][row] = s.open[k][row].andNot(bit(at))
	}
}

// takeSeconds gives every two-dose unit the pair of its slot.
func (s *serialPass) takeSeconds() {
	for i := range s.taken.second {
		if x := s.taken.slot[i]; x != 0 && s.l.ballots[i].doses() == 2 {
			s.taken.second[i] = s.l.pairOf(x - 1)
		}
	}
}

// pairOf is the number + 1 of the slot's pair.
func (l *Layout) pairOf(x uint32) uint32 { return l.numbers[l.slots[l.supply[x]].Pair] + 1 }
