package lottery

// walk goes through a choice in the order in which its slots are tried, a part of a row at a time; the cells of a
// part are tried from the lowest.
type walk struct {
	row   uint32
	cells mask

	parts parts
	// The walk starts inside part from: step 0 leaves out its cells low, which come at last, as a step more.
	from, step, steps int
	low               mask
}

// walk of the choice c, from 0, of ticket i.
func (l *Layout) walk(i, c int, rotated bool) walk {
	b := &l.ballots[i]
	w := walk{parts: l.parts(b.target[c], b.pattern[c])}
	w.steps = w.parts.len()
	if !rotated || l.last8 == nil {
		return w
	}
	n := 0
	for r := range w.steps {
		n += l.slotsIn(w.parts.run(r)).count()
	}
	if n == 0 {
		return w
	}
	start := int(l.last8[i] % uint64(n))
	for size := l.slotsIn(w.parts.run(0)).count(); start >= size; size = l.slotsIn(w.parts.run(w.from)).count() {
		start -= size
		w.from++
	}
	if start > 0 {
		w.low = below(l.slotsIn(w.parts.run(w.from)).nth(start))
		w.steps++
	}
	return w
}

// next goes to the next part, if there is one.
func (w *walk) next(l *Layout) bool {
	if w.step == w.steps {
		return false
	}
	n := w.parts.len()
	at := w.from + w.step
	if at >= n {
		at -= n
	}
	r := w.parts.run(at)
	w.row, w.cells = r.row, l.slotsIn(r)
	switch w.step {
	case 0:
		w.cells = w.cells.andNot(w.low)
	case n:
		w.cells = w.cells.and(w.low)
	}
	w.step++
	return true
}

// skipTo makes the slot the last that was tried: next goes on behind it. It must be of the choice.
func (w *walk) skipTo(l *Layout, x uint32) {
	for w.next(l) {
		if at, ok := l.cellIn(w.row, x); ok && w.cells.has(at) {
			w.cells = w.cells.andNot(below(at).or(bit(at)))
			return
		}
	}
}

// cellIn is the cell of slot x if it stands in the row.
func (l *Layout) cellIn(row, x uint32) (uint, bool) {
	r := &l.rows[row]
	if x < r.base || x >= r.base+uint32(r.offered.count()) {
		return 0, false
	}
	return r.offered.nth(int(x - r.base)), true
}
