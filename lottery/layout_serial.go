package lottery

// taken is what the fast passes write: two small columns a ticket, slots by number + 1, 0 for none. second is nil
// in a draw without two-dose units.
type taken struct {
	choice []uint8
	slot   []uint32
	second []uint32
}

func (l *Layout) newTaken() taken {
	t := taken{choice: make([]uint8, len(l.ballots)), slot: make([]uint32, len(l.ballots))}
	if l.twoDoses {
		t.second = make([]uint32, len(l.ballots))
	}
	return t
}

// levels are the sizes 1–4 with one dose, then with two.
const levels = 2 * MaxParty

// serialPass is the state of one pass in ticket order in which nobody moves. Rooms only ever close, so what is
// closed is never looked at again.
type serialPass struct {
	l    *Layout
	free []uint16
	// open[size-1][row] are the cells with at least size free seats.
	open [MaxParty][]mask
	// cursor[level][g] is the first run of group g that may still have room.
	cursor [levels][]uint32
	taken  taken
}

func newSerialPass(l *Layout) *serialPass {
	s := &serialPass{l: l, free: make([]uint16, l.firsts), taken: l.newTaken()}
	for k := range s.open {
		s.open[k] = make([]mask, len(l.offered))
	}
	for level := range s.cursor {
		s.cursor[level] = make([]uint32, len(l.groupSize))
	}
	s.reset()
	return s
}

// reset empties all slots again.
func (s *serialPass) reset() {
	copy(s.free, s.l.seats)
	s.openAll()
	for level := range s.cursor {
		copy(s.cursor[level], s.l.runFrom)
	}
}

// openAll computes open from free.
func (s *serialPass) openAll() {
	for row, offered := range s.l.offered {
		x := s.l.rowBase[row]
		for k := range s.open {
			s.open[k][row] = mask{}
		}
		for m := offered; !m.empty(); m = m.withoutFirst() {
			for k := range min(int(s.free[x]), MaxParty) {
				s.open[k][row] = s.open[k][row].or(bit(m.first()))
			}
			x++
		}
	}
}

// run serves all tickets: the first slot with room, in supply order.
func (s *serialPass) run() {
	l, rows := s.l, uint32(len(s.l.offered))
	for i := range l.ballots {
		b := &l.ballots[i]
		open := s.open[b.meta>>3&3]
		two := b.meta&(1<<5) != 0
		slot, choice := uint32(0), uint8(0)
		for c := range min(b.choices(), MaxChoices) {
			row := b.target[c]
			var m mask
			if row < rows {
				m = open[row].and(l.patterns[b.pattern[c]])
				if two {
					m = m.and(l.paired[row])
				}
			} else {
				row, m = s.firstRun(row, b.level())
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

// firstRun is the first run of a group with room, and where. The cursor moves on for good.
func (s *serialPass) firstRun(target uint32, level int) (uint32, mask) {
	l := s.l
	g := target - uint32(len(l.offered))
	open, cursor := s.open[level%MaxParty], &s.cursor[level][g]
	for ; *cursor < l.runFrom[g+1]; *cursor++ {
		r := &l.runs[*cursor]
		m := open[r.row].and(r.cells)
		if level >= MaxParty {
			m = m.and(l.paired[r.row])
		}
		if !m.empty() {
			return r.row, m
		}
	}
	return 0, mask{}
}

// take seats size people in slot x, which stands in the row's cell, and closes it for those who no longer fit.
func (s *serialPass) take(row uint32, at uint, x uint32, size uint16) {
	old := s.free[x]
	now := old - size
	s.free[x] = now
	for k := now; k < old && k < MaxParty; k++ {
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
