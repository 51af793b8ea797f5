package lottery

// walk goes through a choice in the order in which its slots are tried, a part of a row at a time; the cells of a
// part are tried from the lowest.
type walk struct {
	row   uint32
	cells mask

	one  run   // a choice inside one row
	runs []run // a group's runs, nil for a choice inside one row
	// The walk starts inside run from: step 0 leaves out its cells low, which come at last, as a step more.
	from, step, steps int
	low               mask
}

// walk of the choice c, from 0, of ticket i.
func (l *Layout) walk(i, c int, rotated bool) walk {
	b := &l.ballots[i]
	var w walk
	var n int
	if target := b.target[c]; int(target) < len(l.offered) {
		w.one = run{target, l.offered[target].and(l.patterns[b.pattern[c]])}
		w.steps, n = 1, w.one.cells.count()
	} else {
		w.runs = l.runsIn(target)
		w.steps, n = len(w.runs), int(l.groupSize[int(target)-len(l.offered)])
	}
	if !rotated || l.last8 == nil || n == 0 {
		return w
	}
	start := int(l.last8[i] % uint64(n))
	for size := w.run(0).cells.count(); start >= size; size = w.run(w.from).cells.count() {
		start -= size
		w.from++
	}
	if start > 0 {
		w.low = below(w.run(w.from).cells.nth(start))
		w.steps++
	}
	return w
}

func (w *walk) run(n int) *run {
	if w.runs == nil {
		return &w.one
	}
	return &w.runs[n]
}

// next goes to the next part, if there is one.
func (w *walk) next() bool {
	if w.step == w.steps {
		return false
	}
	n := max(1, len(w.runs))
	at := w.from + w.step
	if at >= n {
		at -= n
	}
	r := w.run(at)
	w.row, w.cells = r.row, r.cells
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
	for w.next() {
		if at, ok := l.cellIn(w.row, x); ok && w.cells.has(at) {
			w.cells = w.cells.andNot(below(at).or(bit(at)))
			return
		}
	}
}

// cellIn is the cell of slot x if it stands in the row.
func (l *Layout) cellIn(row, x uint32) (uint, bool) {
	base := l.rowBase[row]
	if x < base || x >= base+uint32(l.offered[row].count()) {
		return 0, false
	}
	return l.offered[row].nth(int(x - base)), true
}
