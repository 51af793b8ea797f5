package lottery

// cutPass finds the lowest refused rank by slot and class in one pass in ticket order: the first refusal that a
// slot sees is the lowest, so each slot and class is written once.
type cutPass struct {
	l       *Layout
	index   map[Class]int
	classes []Class
	uncut   [][]mask       // by class, row: slots that have refused nobody yet
	rank    [][]uint32     // by class, slot number
	meta    [1 << 13]int16 // by size, doses and pool as a ballot holds them: class + 1
}

func newCutPass(l *Layout, seating Seating) *cutPass {
	c := &cutPass{l: l, index: map[Class]int{}}
	for i := range l.ballots {
		b := &l.ballots[i]
		if key := b.meta >> 3; c.meta[key] == 0 {
			c.meta[key] = int16(c.add(b.class(seating))) + 1
		}
	}
	return c
}

func (c *cutPass) add(class Class) int {
	n, ok := c.index[class]
	if !ok {
		n = len(c.classes)
		c.index[class] = n
		c.classes = append(c.classes, class)
		uncut := make([]mask, len(c.l.rows))
		for row := range uncut {
			uncut[row] = c.l.rows[row].offered
		}
		c.uncut = append(c.uncut, uncut)
		c.rank = append(c.rank, make([]uint32, c.l.firsts))
	}
	return n
}

// refuse records that the cells m of a row refused the ticket of index i, of the class numbered n.
func (c *cutPass) refuse(n, i int, row uint32, m mask) {
	m = m.and(c.uncut[n][row])
	if m.empty() {
		return
	}
	c.uncut[n][row] = c.uncut[n][row].andNot(m)
	for ; !m.empty(); m = m.withoutFirst() {
		c.rank[n][c.l.number(row, m.first())] = uint32(i) + 1
	}
}

// wholeChoices records refusals by every slot of every choice before the one that was given: the rule of Flexible.
func (c *cutPass) wholeChoices(t taken) {
	for i := range c.l.ballots {
		b := &c.l.ballots[i]
		n := int(c.meta[b.meta>>3]) - 1
		for j := range refusedChoices(b, t.choice[i]) {
			c.choice(n, i, b, j)
		}
	}
}

// tried records refusals by every slot before the one that was given: the rule of Fixed and of Serial. rotated
// says whether slots were tried by rotation.
func (c *cutPass) tried(t taken, rotated bool) {
	for i := range c.l.ballots {
		b := &c.l.ballots[i]
		n := int(c.meta[b.meta>>3]) - 1
		for j := range refusedChoices(b, t.choice[i]) {
			c.choice(n, i, b, j)
		}
		if t.choice[i] == 0 {
			continue
		}
		w := c.l.walk(i, int(t.choice[i])-1, rotated)
		for w.next(c.l) {
			if at, ok := c.l.cellIn(w.row, t.slot[i]-1); ok && w.cells.has(at) {
				c.refuse(n, i, w.row, w.cells.and(below(at)))
				break
			}
			c.refuse(n, i, w.row, w.cells)
		}
	}
}

// refusedChoices is how many choices a ticket was refused.
func refusedChoices(b *ballot, given uint8) int {
	if given == 0 {
		return b.choices()
	}
	return int(given) - 1
}

func (c *cutPass) choice(n, i int, b *ballot, j int) {
	all := c.l.parts(b.target[j], b.pattern[j])
	for k := range all.len() {
		r := all.run(k)
		c.refuse(n, i, r.row, c.l.patterns[r.pattern])
	}
}

// list is what was found, by slot in supply order, size, doses, pool.
func (c *cutPass) list() []CutOff {
	p := &Problem{Pools: c.l.pools}
	sorted := make([]Class, len(c.classes))
	copy(sorted, c.classes)
	p.sortClasses(sorted)
	list := []CutOff{}
	for x := range c.l.slots {
		if c.l.slots[x].Second {
			continue
		}
		for _, class := range sorted {
			if rank := c.rank[c.index[class]][c.l.numbers[x]]; rank != 0 {
				list = append(list, CutOff{Slot: int32(x), Class: class, Rank: rank})
			}
		}
	}
	return list
}
