package lottery

import "math/bits"

// fixedPass is the rule with pools on the fast layout: parties serially over their share, then deferred acceptance.
// Since its end does not depend on the order in which singles are taken up, members of pools come first: they
// would displace others later.
type fixedPass struct {
	l     *Layout
	share *serialPass // parties' seats
	quota []uint16    // by slot: seats for singles

	// The singles held at slot x, ascending: held[heldFrom[x]:][:heldLen[x]], each ticket << poolBits | pool.
	held     []uint64
	heldFrom []uint32
	heldLen  []uint16
	poolBits int

	pools []poolState // by pool
	taken taken
}

// poolState is what deferred acceptance knows of one pool; pool 0 is those in none.
type poolState struct {
	reserve []uint16 // by slot; nil for none
	members []uint16 // by slot: held
	closed  []mask   // by row: slots that have refused one of the pool
	lowest  []uint32 // by slot: the lowest ticket of the pool that was refused, where closed
}

func newFixedPass(l *Layout) *fixedPass {
	f := &fixedPass{
		l: l, share: newSerialPass(l), quota: make([]uint16, l.firsts),
		heldFrom: make([]uint32, l.firsts), heldLen: make([]uint16, l.firsts),
		poolBits: bits.Len(uint(len(l.pools))), pools: make([]poolState, max(1, len(l.pools))), taken: l.newTaken(),
	}
	f.share.taken = f.taken
	seats := uint32(0)
	for x := range l.firsts {
		f.heldFrom[x] = seats
		seats += uint32(l.seats[x])
	}
	f.held = make([]uint64, seats)
	for p := range f.pools {
		s := &f.pools[p]
		s.closed, s.lowest = make([]mask, len(l.offered)), make([]uint32, l.firsts)
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
	return f
}

// reset empties all slots again.
func (f *fixedPass) reset() {
	for x := range f.l.firsts {
		f.share.free[x] = uint16(partySeats(&f.l.slots[f.l.supply[x]]))
		f.quota[x] = f.l.seats[x]
	}
	f.share.openAll()
	clear(f.heldLen)
	for p := range f.pools {
		clear(f.pools[p].members)
		clear(f.pools[p].closed)
	}
	clear(f.taken.choice)
	clear(f.taken.slot)
	clear(f.taken.second)
}

func (f *fixedPass) run() {
	for i := range f.l.ballots {
		if f.l.ballots[i].size() > 1 {
			f.party(i)
		}
	}
	for _, members := range []bool{true, false} {
		for i := range f.l.ballots {
			b := &f.l.ballots[i]
			if b.size() == 1 && (f.pools[b.pool()].reserve != nil) == members {
				f.seat(uint32(i))
			}
		}
	}
	f.share.takeSeconds()
}

// party seats a party in the first slot with room in the parties' share.
func (f *fixedPass) party(i int) {
	b := &f.l.ballots[i]
	for c := range b.choices() {
		for w := f.l.walk(i, c, true); w.next(); {
			m := w.cells.and(f.share.open[b.size()-1][w.row])
			if b.doses() == 2 {
				m = m.and(f.l.paired[w.row])
			}
			if m.empty() {
				continue
			}
			x := f.l.number(w.row, m.first())
			f.share.take(w.row, m.first(), x, b.size())
			f.quota[x] -= b.size()
			f.taken.choice[i], f.taken.slot[i] = uint8(c)+1, x+1
			return
		}
	}
}

// seat takes up a single, then whoever is displaced, and so on. Whoever is taken up for the first time has a
// higher rank than all of her pool before, so a slot that is closed to the pool is closed to her.
func (f *fixedPass) seat(i uint32) {
	loser, displaced := f.propose(i, false)
	for displaced {
		loser, displaced = f.propose(loser, true)
	}
}

// propose lets a ticket go down its list, from behind the slot that displaced it if one did, to the first slot
// that keeps it.
func (f *fixedPass) propose(i uint32, displaced bool) (loser uint32, found bool) {
	l := f.l
	b := &l.ballots[i]
	own := &f.pools[b.pool()]
	c := 0
	if displaced {
		c = int(f.taken.choice[i]) - 1
	}
	for ; c < b.choices(); c++ {
		w := l.walk(int(i), c, true)
		if displaced {
			w.skipTo(l, f.taken.slot[i]-1)
			f.taken.choice[i], f.taken.slot[i] = 0, 0
		}
		for more := displaced || w.next(); more; more = w.next() {
			m := w.cells
			if b.doses() == 2 {
				m = m.and(l.paired[w.row])
			}
			for ; !m.empty(); m = m.withoutFirst() {
				at := m.first()
				x := l.number(w.row, at)
				if own.closed[w.row].has(at) && i > own.lowest[x] {
					continue
				}
				loser, found := f.choose(x, i, b.pool())
				if found {
					f.refuse(w.row, at, x, loser)
				}
				if found && loser == i {
					continue
				}
				f.taken.choice[i], f.taken.slot[i] = uint8(c)+1, x+1
				return loser, found
			}
		}
		displaced = false
	}
	return 0, false
}

func (f *fixedPass) refuse(row uint32, at uint, x, i uint32) {
	s := &f.pools[f.l.ballots[i].pool()]
	if !s.closed[row].has(at) {
		s.closed[row] = s.closed[row].or(bit(at))
		s.lowest[x] = i
	} else if i < s.lowest[x] {
		s.lowest[x] = i
	}
}

// choose is Ch(held + i) at slot x: it keeps who is chosen and returns the one left out, if any. Who is left out is
// the highest rank among those who are not in their pool's reserve.
func (f *fixedPass) choose(x, i uint32, pool uint16) (loser uint32, found bool) {
	n := f.heldLen[x]
	if f.quota[x] == 0 {
		return i, true
	}
	held := f.held[f.heldFrom[x]:]
	held = held[:min(int(n)+1, int(f.quota[x]))]
	entry := uint64(i)<<f.poolBits | uint64(pool)
	if f.pools[pool].reserve != nil {
		f.pools[pool].members[x]++
	}
	if n < f.quota[x] {
		f.heldLen[x]++
		insert(held, int(n), entry)
		return 0, false
	}
	// From the highest rank down; the newcomer stands among the others at place at.
	at := int(n)
	for at > 0 && held[at-1] > entry {
		at--
	}
	for j := int(n); ; j-- {
		e := entry
		if j > at {
			e = held[j-1]
		} else if j < at {
			e = held[j]
		}
		p := uint16(e & (1<<f.poolBits - 1))
		s := &f.pools[p]
		if s.reserve != nil {
			// The pool's highest is outside the reserve if more are held than it has seats.
			if s.members[x] <= s.reserve[x] {
				continue
			}
			s.members[x]--
		}
		if j != at {
			gone := j
			if j > at {
				gone = j - 1
			}
			copy(held[gone:], held[gone+1:])
			insert(held, int(n)-1, entry)
		}
		return uint32(e >> f.poolBits), true
	}
}

// insert enters e into the ascending held[:n], which has a place more.
func insert(held []uint64, n int, e uint64) {
	for ; n > 0 && held[n-1] > e; n-- {
		held[n] = held[n-1]
	}
	held[n] = e
}
