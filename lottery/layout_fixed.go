package lottery

import (
	"fmt"
	"math/bits"
)

// fixedPass is the rule with pools on the fast layout: parties serially over their share, then deferred acceptance.
// Its end does not depend on the order in which singles are taken up, so that order is chosen for speed: a member of
// a pool comes when 7/8 of the tickets before hers have come, because a reserve is mostly filled later than the
// seats beside it (measured: a third of the displacements of ticket order, an eighth of members first).
type fixedPass struct {
	l     *Layout
	share *serialPass // parties' seats
	slots []heldSlot
	// held are the singles that slots hold, in no order: each ticket << poolBits | pool.
	held     []uint32
	poolBits int
	pools    []poolState // by pool
	taken    taken
}

// heldSlot holds the singles held[from:][:n], at most quota.
type heldSlot struct {
	from     uint32
	n, quota uint16
}

// poolState is what deferred acceptance knows of one pool; pool 0 is those in none.
type poolState struct {
	reserve []uint16 // by slot; nil for none
	members []uint16 // by slot: held
	closed  []mask   // by row: slots that have refused one of the pool
	lowest  []uint32 // by slot: the lowest ticket of the pool that was refused, where closed
	// areaClosed are the cells of an area in which all slots are closed, as far as is known.
	areaClosed []mask
}

func newFixedPass(l *Layout) (*fixedPass, error) {
	f := &fixedPass{
		l: l, share: newSerialPass(l), slots: make([]heldSlot, l.firsts),
		poolBits: bits.Len(uint(len(l.pools))), pools: make([]poolState, max(1, len(l.pools))), taken: l.newTaken(),
	}
	if len(l.ballots) > 1<<(32-f.poolBits) {
		return nil, fmt.Errorf("%d tickets with %d pools: %w", len(l.ballots), len(l.pools), ErrLayout)
	}
	f.share.taken = f.taken
	seats := uint32(0)
	for x := range l.firsts {
		f.slots[x].from = seats
		seats += uint32(l.seats[x])
	}
	f.held = make([]uint32, seats)
	for p := range f.pools {
		s := &f.pools[p]
		s.closed, s.lowest = make([]mask, len(l.rows)), make([]uint32, l.firsts)
		s.areaClosed = make([]mask, len(l.areas))
		for x := range l.firsts {
			if r := reserves(&l.slots[l.supply[x]]); p > 0 && p <= len(r) && r[p-1] > 0 {
				if s.reserve == nil {
					s.reserve, s.members = make([]uint16, l.firsts), make([]uint16, l.firsts)
				}
				s.reserve[x] = uint16(r[p-1])
			}
		}
	}
	f.reset()
	return f, nil
}

// reset empties all slots again.
func (f *fixedPass) reset() {
	for x := range f.slots {
		f.share.free[x] = uint16(partySeats(&f.l.slots[f.l.supply[x]]))
		f.slots[x].n, f.slots[x].quota = 0, f.l.seats[x]
	}
	f.share.openAll()
	for p := range f.pools {
		clear(f.pools[p].members)
		clear(f.pools[p].closed)
		clear(f.pools[p].areaClosed)
	}
	clear(f.taken.choice)
	clear(f.taken.slot)
	clear(f.taken.second)
}

func (f *fixedPass) run() {
	if f.l.largest() > 1 {
		for i := range f.l.ballots {
			if f.l.ballots[i].size() > 1 {
				f.party(i)
			}
		}
	}
	members := 0
	for i := range f.l.ballots {
		for ; members < len(f.l.ballots) && members/8*7 <= i; members++ {
			f.first(members, true)
		}
		f.first(i, false)
	}
	f.share.takeSeconds()
}

// party seats a party in the first slot with room in the parties' share.
func (f *fixedPass) party(i int) {
	b := &f.l.ballots[i]
	for c := range b.choices() {
		for w := f.l.walk(i, c, true); w.next(f.l); {
			m := w.cells.and(f.share.open[b.size()-1][w.row])
			if b.doses() == 2 {
				m = m.and(f.l.paired[w.row])
			}
			if m.empty() {
				continue
			}
			x := f.l.number(w.row, m.first())
			f.share.take(w.row, m.first(), x, b.size())
			f.slots[x].quota -= b.size()
			f.taken.choice[i], f.taken.slot[i] = uint8(c)+1, x+1
			return
		}
	}
}

// first takes up a ticket if it is a single's and in a pool with reserves or not, as asked; then whoever it displaces,
// and so on.
func (f *fixedPass) first(i int, member bool) {
	b := &f.l.ballots[i]
	if b.size() > 1 || (f.pools[b.pool()].reserve != nil) != member {
		return
	}
	loser, displaced := f.propose(uint32(i), b)
	for displaced {
		loser, displaced = f.again(loser)
	}
}

// propose lets a ticket go down its list for the first time, to the first slot that keeps it, and returns who is
// displaced there, if anyone. It has a higher rank than all of its pool before, so what is closed is closed to it.
func (f *fixedPass) propose(i uint32, b *ballot) (loser uint32, displaced bool) {
	l, own := f.l, &f.pools[b.pool()]
	for c := range min(b.choices(), MaxChoices) {
		target := b.target[c]
		if target >= areaBit {
			if target&groupBit == 0 && l.patterns[b.pattern[c]].andNot(own.areaClosed[target&^areaBit]).empty() {
				continue
			}
			loser, displaced, seated := f.walkOn(i, b, c, l.walk(int(i), c, true), false)
			if seated {
				return loser, displaced
			}
			continue
		}
		all := l.slotsIn(run{target, uint32(b.pattern[c])})
		m := all.andNot(own.closed[target])
		if m.empty() {
			continue
		}
		if b.doses() == 2 {
			m = m.and(l.paired[target])
		}
		low := below(l.cellFrom(i, all))
		for _, part := range [2]mask{m.andNot(low), m.and(low)} {
			for ; !part.empty(); part = part.withoutFirst() {
				if loser, displaced, kept := f.try(i, b, c, target, part.first()); kept {
					return loser, displaced
				}
			}
		}
	}
	return 0, false
}

// cellFrom is the cell of a choice inside one row at which the ticket's rotation starts.
func (l *Layout) cellFrom(i uint32, all mask) uint {
	if l.last8 == nil {
		return 0
	}
	return all.nth(int(l.last8[i] % uint64(all.count())))
}

// again lets a displaced ticket go on from behind the slot that displaced it.
func (f *fixedPass) again(i uint32) (loser uint32, displaced bool) {
	b := &f.l.ballots[i]
	c := int(f.taken.choice[i]) - 1
	w := f.l.walk(int(i), c, true)
	w.skipTo(f.l, f.taken.slot[i]-1)
	f.taken.choice[i], f.taken.slot[i] = 0, 0
	for behind := true; ; behind = false {
		loser, displaced, seated := f.walkOn(i, b, c, w, behind)
		if seated {
			return loser, displaced
		}
		if c++; c == b.choices() {
			return 0, false
		}
		w = f.l.walk(int(i), c, true)
	}
}

// walkOn tries the slots of a walk, first those left of the part that it stands at if behind says so. A slot that is
// closed to the pool may still keep a displaced ticket, if it refused only higher ones.
func (f *fixedPass) walkOn(i uint32, b *ballot, c int, w walk, behind bool) (loser uint32, displaced, seated bool) {
	own := &f.pools[b.pool()]
	for more := behind || w.next(f.l); more; more = w.next(f.l) {
		m := w.cells
		if b.doses() == 2 {
			m = m.and(f.l.paired[w.row])
		}
		closed := own.closed[w.row]
		for ; !m.empty(); m = m.withoutFirst() {
			at := m.first()
			if closed.has(at) && i > own.lowest[f.l.number(w.row, at)] {
				continue
			}
			if loser, displaced, seated = f.try(i, b, c, w.row, at); seated {
				return loser, displaced, true
			}
		}
	}
	if target := b.target[c]; target&(areaBit|groupBit) == areaBit && b.doses() == 1 {
		f.closeArea(own, target&^areaBit, f.l.patterns[b.pattern[c]])
	}
	return 0, false, false
}

// closeArea remembers which cells of an area are closed in all its rows.
func (f *fixedPass) closeArea(own *poolState, area uint32, cells mask) {
	for _, row := range f.l.areaRows[f.l.areas[area].from:f.l.areas[area].to] {
		cells = cells.andNot(f.l.rows[row].offered.andNot(own.closed[row]))
	}
	own.areaClosed[area] = own.areaClosed[area].or(cells)
}

// try lets the ticket propose to one slot. kept says whether it is seated there; then the loser, if anyone is
// displaced, has to go on.
func (f *fixedPass) try(i uint32, b *ballot, c int, row uint32, at uint) (loser uint32, displaced, kept bool) {
	x := f.l.number(row, at)
	entry := i<<f.poolBits | uint32(b.pool())
	gone, full := f.choose(x, entry)
	if full {
		f.refuse(row, at, x, gone)
	}
	if full && gone == entry {
		return 0, false, false
	}
	f.taken.choice[i], f.taken.slot[i] = uint8(c)+1, x+1
	return gone >> f.poolBits, full, true
}

// refuse closes the slot to the pool of the entry.
func (f *fixedPass) refuse(row uint32, at uint, x, entry uint32) {
	s, i := &f.pools[entry&(1<<f.poolBits-1)], entry>>f.poolBits
	if !s.closed[row].has(at) {
		s.closed[row] = s.closed[row].or(bit(at))
		s.lowest[x] = i
	} else if i < s.lowest[x] {
		s.lowest[x] = i
	}
}

// choose is Ch(held + entry) at slot x: it keeps who is chosen, and returns the one left out where the slot is full.
// That is the highest rank of those outside reserves; a pool's highest is outside if more are there than its
// reserve has seats.
func (f *fixedPass) choose(x, entry uint32) (gone uint32, full bool) {
	s := &f.slots[x]
	if s.quota == 0 {
		return entry, true
	}
	pool := 1<<f.poolBits - uint32(1)
	if own := &f.pools[entry&pool]; own.reserve != nil {
		own.members[x]++
	}
	held := f.held[s.from:][:s.quota]
	if s.n < s.quota {
		held[s.n] = entry
		s.n++
		return 0, false
	}
	place := -1
	if f.outside(x, entry&pool) {
		gone = entry
	}
	for j, e := range held {
		if e >= gone && f.outside(x, e&pool) {
			gone, place = e, j
		}
	}
	if place >= 0 {
		held[place] = entry
	}
	if p := &f.pools[gone&pool]; p.reserve != nil {
		p.members[x]--
	}
	return gone, true
}

// outside: the pool's highest rank at x is not in the pool's reserve.
func (f *fixedPass) outside(x, pool uint32) bool {
	p := &f.pools[pool]
	return p.reserve == nil || p.members[x] > p.reserve[x]
}
