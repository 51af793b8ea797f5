package lottery

// flexiblePass is serial order with flexible seating on the fast layout. It searches the same slots in the same
// order as the reference, a row at a time.
type flexiblePass struct {
	l     *Layout
	free  []uint16
	open  []mask         // by row: cells with a free seat
	alive [levels][]mask // by level, row: cells that are not dead

	// The holders of slot x, ascending by rank: held[heldFrom[x]:][:heldLen[x]].
	held     []seatHolder
	heldFrom []uint32
	heldLen  []uint16

	secondFrom []uint32 // by slot number; the second slots of x are second[secondFrom[x]:secondFrom[x+1]]
	second     []uint32

	taken taken

	// One search: what it saw, as a queue and as masks by row.
	queue       []seen
	search      uint32
	rowSearch   []uint32 // the last search that saw the row
	rowSeen     []mask
	rows        []uint32 // that this search saw
	areaSeen    []mask   // what this search asked of the area, if areaSearch says so
	areaSearch  []uint32
	groupSearch []uint32 // the last search that went through the group
}

// seatHolder is a one-dose single in a seat, with the choice that it was given.
type seatHolder struct {
	ticket  uint32
	target  uint32
	pattern uint16
}

// seen is a slot that a search came to, from parent (a place in the queue, -1 at a root), because ticket could move
// from there.
type seen struct {
	slot, row uint32
	parent    int32
	ticket    uint32
}

const noGoal = -1

func newFlexiblePass(l *Layout) *flexiblePass {
	f := &flexiblePass{
		l: l, free: make([]uint16, len(l.slots)), open: make([]mask, len(l.rows)),
		heldFrom: make([]uint32, l.firsts), heldLen: make([]uint16, l.firsts),
		rowSearch: make([]uint32, len(l.rows)), rowSeen: make([]mask, len(l.rows)),
		areaSearch: make([]uint32, len(l.areas)), areaSeen: make([]mask, len(l.areas)),
		groupSearch: make([]uint32, len(l.groups)), taken: l.newTaken(),
		queue: make([]seen, 0, 1<<10), rows: make([]uint32, 0, 1<<10),
	}
	for level := range f.alive {
		f.alive[level] = make([]mask, len(l.rows))
	}
	seats := uint32(0)
	for x := range l.firsts {
		f.heldFrom[x] = seats
		seats += uint32(l.seats[x])
	}
	f.held = make([]seatHolder, seats)
	if l.twoDoses() {
		f.secondFrom = make([]uint32, l.firsts+1)
		lists := SecondSlots(l.slots)
		for n := range l.firsts {
			for _, y := range lists[l.supply[n]] {
				f.second = append(f.second, l.numbers[y])
			}
			f.secondFrom[n+1] = uint32(len(f.second))
		}
	}
	f.reset()
	return f
}

// reset empties all slots again.
func (f *flexiblePass) reset() {
	copy(f.free, f.l.seats)
	for row := range f.l.rows {
		f.open[row] = mask{}
		x := f.l.rows[row].base
		for m := f.l.rows[row].offered; !m.empty(); m = m.withoutFirst() {
			if f.free[x] > 0 {
				f.open[row] = f.open[row].or(bit(m.first()))
			}
			x++
		}
	}
	for level := range f.alive {
		for row := range f.l.rows {
			f.alive[level][row] = f.l.rows[row].offered
		}
	}
	clear(f.heldLen)
}

func (f *flexiblePass) run() {
	for i := range f.l.ballots {
		b := &f.l.ballots[i]
		f.taken.choice[i], f.taken.slot[i] = 0, 0
		for c := range min(b.choices(), MaxChoices) {
			ok := false
			if b.level() == 0 {
				ok = f.single(uint32(i), b.target[c], b.pattern[c])
			} else {
				ok = f.fixed(i, b, b.target[c], b.pattern[c])
			}
			if ok {
				f.taken.choice[i] = uint8(c) + 1
				break
			}
		}
	}
}

// single seats a one-dose single in the choice, moving others inside theirs where that is needed.
func (f *flexiblePass) single(i, target uint32, pattern uint16) bool {
	f.begin()
	goal := f.expand(target, pattern, -1, 0)
	if goal == noGoal {
		if len(f.queue) == 0 {
			return false
		}
		if goal = f.find(); goal == noGoal {
			f.killSeen(0)
			return false
		}
	}
	root := f.pull(goal)
	f.put(root, seatHolder{i, target, pattern})
	f.taken.slot[i] = root + 1
	return true
}

// fixed seats a party or a two-dose unit for good in the first slot that can be cleared for it.
func (f *flexiblePass) fixed(i int, b *ballot, target uint32, pattern uint16) bool {
	level, size := b.level(), b.size()
	all := f.l.parts(target, pattern)
	for n := range all.len() {
		r := all.run(n)
		alive := f.alive[level]
		for m := f.l.patterns[r.pattern].and(alive[r.row]); !m.empty(); m = m.withoutFirst().and(alive[r.row]) {
			if f.seatFixed(i, r.row, m.first(), size, level) {
				return true
			}
		}
	}
	return false
}

func (f *flexiblePass) seatFixed(i int, row uint32, at uint, size uint16, level int) bool {
	x := f.l.number(row, at)
	second := uint32(0)
	if level >= MaxParty {
		if second = f.secondWithRoom(x, size); second == 0 {
			for k := level; k < levels; k++ {
				f.alive[k][row] = f.alive[k][row].andNot(bit(at))
			}
			return false
		}
	}
	for f.free[x] < size {
		f.begin()
		f.see(row, bit(at))
		f.queue = append(f.queue, seen{x, row, -1, 0})
		goal := f.find()
		if goal == noGoal {
			f.killSeen(int(f.free[x]))
			return false
		}
		f.pull(goal)
		f.give(x, row, at, 1)
	}
	f.leave(x, row, at, size)
	f.taken.slot[i] = x + 1
	if second != 0 {
		f.free[second-1] -= size
		f.taken.second[i] = second
	}
	return true
}

// begin starts a search that has seen nothing.
func (f *flexiblePass) begin() {
	f.search++
	f.queue, f.rows = f.queue[:0], f.rows[:0]
}

// see marks cells of a row as seen.
func (f *flexiblePass) see(row uint32, cells mask) {
	if f.rowSearch[row] != f.search {
		f.rowSearch[row], f.rowSeen[row] = f.search, mask{}
		f.rows = append(f.rows, row)
	}
	f.rowSeen[row] = f.rowSeen[row].or(cells)
}

// find goes on from the queue, first in, first out, until it sees a slot with a free seat.
func (f *flexiblePass) find() int {
	for head := 0; head < len(f.queue); head++ {
		x := f.queue[head].slot
		held := f.held[f.heldFrom[x]:][:f.heldLen[x]]
		for i := range held {
			h := &held[i]
			if i > 0 && h.target == held[i-1].target && h.pattern == held[i-1].pattern {
				continue
			}
			if goal := f.expand(h.target, h.pattern, int32(head), h.ticket); goal != noGoal {
				return goal
			}
		}
	}
	return noGoal
}

// expand adds the slots of a choice that are neither dead nor seen, up to the first with a free seat, which is the
// goal.
func (f *flexiblePass) expand(target uint32, pattern uint16, parent int32, ticket uint32) int {
	switch {
	case target&groupBit != 0:
		g := target &^ groupBit
		if f.groupSearch[g] == f.search {
			return noGoal
		}
		f.groupSearch[g] = f.search
		for _, r := range f.l.runs[f.l.groups[g].from:f.l.groups[g].to] {
			if goal := f.expandRow(r.row, f.l.patterns[r.pattern], parent, ticket); goal != noGoal {
				return goal
			}
		}
		return noGoal
	case target&areaBit != 0:
		return f.expandArea(target&^areaBit, f.l.patterns[pattern], parent, ticket)
	}
	return f.expandRow(target, f.l.patterns[pattern], parent, ticket)
}

// expandArea adds an area's slots, those that the search has not asked of it before.
func (f *flexiblePass) expandArea(a uint32, cells mask, parent int32, ticket uint32) int {
	if f.areaSearch[a] != f.search {
		f.areaSearch[a], f.areaSeen[a] = f.search, mask{}
	}
	if cells = cells.andNot(f.areaSeen[a]); cells.empty() {
		return noGoal
	}
	f.areaSeen[a] = f.areaSeen[a].or(cells)
	for _, row := range f.l.areaRows[f.l.areas[a].from:f.l.areas[a].to] {
		if goal := f.expandRow(row, cells, parent, ticket); goal != noGoal {
			return goal
		}
	}
	return noGoal
}

func (f *flexiblePass) expandRow(row uint32, cells mask, parent int32, ticket uint32) int {
	m := cells.and(f.alive[0][row])
	if m.empty() {
		return noGoal
	}
	if f.rowSearch[row] == f.search {
		if m = m.andNot(f.rowSeen[row]); m.empty() {
			return noGoal
		}
	}
	if o := m.and(f.open[row]); !o.empty() {
		f.queue = append(f.queue, seen{f.l.number(row, o.first()), row, parent, ticket})
		return len(f.queue) - 1
	}
	f.see(row, m)
	for ; !m.empty(); m = m.withoutFirst() {
		f.queue = append(f.queue, seen{f.l.number(row, m.first()), row, parent, ticket})
	}
	return noGoal
}

// pull moves everyone on the way to the goal one step, and returns the root, in which a seat is now free; its free
// seats are not counted up.
func (f *flexiblePass) pull(goal int) uint32 {
	y := &f.queue[goal]
	at, _ := f.l.cellIn(y.row, y.slot)
	f.leave(y.slot, y.row, at, 1)
	for y.parent >= 0 {
		x := &f.queue[y.parent]
		f.put(y.slot, f.remove(x.slot, y.ticket))
		f.taken.slot[y.ticket] = y.slot + 1
		y = x
	}
	return y.slot
}

// remove takes a ticket out of the holders of x.
func (f *flexiblePass) remove(x, ticket uint32) seatHolder {
	held := f.held[f.heldFrom[x]:][:f.heldLen[x]]
	for i := range held {
		if held[i].ticket == ticket {
			h := held[i]
			copy(held[i:], held[i+1:])
			f.heldLen[x]--
			return h
		}
	}
	panic("lottery: a ticket is not where it sits") // pull walks only along holders
}

// put enters a ticket among the holders of x, by rank.
func (f *flexiblePass) put(x uint32, h seatHolder) {
	n := f.heldLen[x]
	held := f.held[f.heldFrom[x]:][:n+1]
	i := int(n)
	for ; i > 0 && held[i-1].ticket > h.ticket; i-- {
		held[i] = held[i-1]
	}
	held[i] = h
	f.heldLen[x]++
}

// leave takes n free seats of x.
func (f *flexiblePass) leave(x, row uint32, at uint, n uint16) {
	if f.free[x] -= n; f.free[x] == 0 {
		f.open[row] = f.open[row].andNot(bit(at))
	}
}

// give frees n seats of x.
func (f *flexiblePass) give(x, row uint32, at uint, n uint16) {
	f.free[x] += n
	f.open[row] = f.open[row].or(bit(at))
}

// killSeen marks all that the search saw dead for the sizes above free.
func (f *flexiblePass) killSeen(free int) {
	for k := free; k < MaxParty; k++ {
		for _, row := range f.rows {
			f.alive[k][row] = f.alive[k][row].andNot(f.rowSeen[row])
			f.alive[MaxParty+k][row] = f.alive[MaxParty+k][row].andNot(f.rowSeen[row])
		}
	}
}

// secondWithRoom is the number + 1 of the first second slot of x with size free seats, or 0.
func (f *flexiblePass) secondWithRoom(x uint32, size uint16) uint32 {
	for _, y := range f.second[f.secondFrom[x]:f.secondFrom[x+1]] {
		if f.free[y] >= size {
			return y + 1
		}
	}
	return 0
}
