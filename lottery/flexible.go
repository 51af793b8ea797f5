package lottery

import (
	"cmp"
	"slices"
)

// Days between the doses of one person, and the interval that is aimed at.
const (
	secondEarliest = 49
	secondLatest   = 63
	secondBest     = 56
)

// flexible is the state of serial order with flexible seating. Names are those of the specification.
type flexible struct {
	p         *Problem
	free      []int32
	holders   [][]int  // one-dose singles seated in a slot, ascending rank
	committed []int    // by ticket: the choice that was given, from 0
	dead      [][3]int // dead[x][d]: the least size k for which (x, k, d) is dead; MaxParty+1 for none
	seconds   [][]int32
	out       *Places
	refused   *refusals

	queue  []int32
	seen   []int // by slot: the number of the last search that saw it
	parent []move
	search int
}

// move says that ticket t can go from slot x to the slot that it stands at; t is -1 at a root.
type move struct {
	x int32
	t int
}

func serveFlexible(p *Problem) *Places {
	n := len(p.Slots)
	f := &flexible{
		p: p, free: make([]int32, n), holders: make([][]int, n), committed: make([]int, len(p.Tickets)),
		dead: make([][3]int, n), seconds: SecondSlots(p.Slots), seen: make([]int, n), parent: make([]move, n),
		out: newPlaces(len(p.Tickets)), refused: newRefusals(n),
	}
	for x := range p.Slots {
		f.free[x] = p.Slots[x].Seats
		f.dead[x] = [3]int{0, MaxParty + 1, MaxParty + 1}
	}
	for t := range p.Tickets {
		f.serve(t)
	}
	f.out.CutOffs = f.refused.cutOffs(p)
	return f.out
}

func (f *flexible) serve(t int) {
	k := &f.p.Tickets[t]
	for c, choice := range k.Choices {
		ok := false
		if k.Size == 1 && k.Doses == 1 {
			ok = f.single(t, c)
		} else {
			ok = f.fixed(t, c)
		}
		if ok {
			return
		}
		for _, x := range choice {
			f.refused.refuse(x, k.class(Flexible), t)
		}
	}
}

// single seats a one-dose single in choice c if those before can be moved, each inside the choice that
// it was given, so that a slot of c becomes free.
func (f *flexible) single(t, c int) bool {
	roots := []int32{}
	for _, x := range f.p.Tickets[t].Choices[c] {
		if !f.isDead(x, 1, 1) {
			roots = append(roots, x)
		}
	}
	goal := f.find(roots, None)
	if goal == None {
		for _, v := range f.queue {
			f.kill(v, 1, 1)
		}
		return false
	}
	x := f.pull(goal)
	f.free[x]--
	f.put(x, t)
	f.committed[t] = c
	f.out.give(t, c, x, None)
	return true
}

// fixed seats a party or a two-dose unit for good in the first slot of choice c that can be cleared for
// it by moving one-dose singles away. Moves made for a slot that then does not do stay.
func (f *flexible) fixed(t, c int) bool {
	k := &f.p.Tickets[t]
	size, doses := int(k.Size), int(k.Doses)
	for _, x := range k.Choices[c] {
		if f.isDead(x, size, doses) {
			continue
		}
		second := None
		if doses == 2 {
			if second = f.secondWithRoom(x, size); second == None {
				f.kill(x, size, 2)
				continue
			}
		}
		if !f.clear(x, size) {
			continue
		}
		f.free[x] -= int32(size)
		if second != None {
			f.free[second] -= int32(size)
		}
		f.out.give(t, c, x, second)
		return true
	}
	return false
}

// clear makes size seats free at x, or finds that it cannot be done and marks what it saw dead.
func (f *flexible) clear(x int32, size int) bool {
	for int(f.free[x]) < size {
		goal := f.find([]int32{x}, x)
		if goal == None {
			for _, v := range f.queue {
				f.kill(v, int(f.free[x])+1, 1)
			}
			return false
		}
		f.pull(goal)
	}
	return true
}

// find searches breadth first from the roots along "a holder of x could sit at y instead" for a slot
// with a free seat other than ban. The queue is left as the list of the slots seen.
func (f *flexible) find(roots []int32, ban int32) int32 {
	f.search++
	f.queue = f.queue[:0]
	for _, root := range roots {
		f.see(root, move{None, -1})
		if f.free[root] > 0 && root != ban {
			return root
		}
	}
	for head := 0; head < len(f.queue); head++ {
		x := f.queue[head]
		for _, t := range f.holders[x] {
			for _, y := range f.p.Tickets[t].Choices[f.committed[t]] {
				if f.seen[y] == f.search || f.isDead(y, 1, 1) {
					continue
				}
				f.see(y, move{x, t})
				if f.free[y] > 0 {
					return y
				}
			}
		}
	}
	return None
}

func (f *flexible) see(x int32, from move) {
	f.seen[x] = f.search
	f.parent[x] = from
	f.queue = append(f.queue, x)
}

// pull moves everyone on the path that ends in y one step along it. The root is one seat freer.
func (f *flexible) pull(y int32) int32 {
	for f.parent[y].t >= 0 {
		from := f.parent[y]
		held := f.holders[from.x]
		at, _ := slices.BinarySearch(held, from.t)
		f.holders[from.x] = slices.Delete(held, at, at+1)
		f.free[from.x]++
		f.free[y]--
		f.put(y, from.t)
		f.out.Slot[from.t] = y
		y = from.x
	}
	return y
}

// put enters t among the holders of x, by rank.
func (f *flexible) put(x int32, t int) {
	at, _ := slices.BinarySearch(f.holders[x], t)
	f.holders[x] = slices.Insert(f.holders[x], at, t)
}

// secondWithRoom is the first second slot of x with size free seats, or None.
func (f *flexible) secondWithRoom(x int32, size int) int32 {
	for _, y := range f.seconds[x] {
		if int(f.free[y]) >= size {
			return y
		}
	}
	return None
}

// isDead: no ticket of this size and these doses can ever again be served at x.
func (f *flexible) isDead(x int32, size, doses int) bool { return f.dead[x][doses] <= size }

// kill marks (x, size, doses) dead, and with it every larger size and more doses.
func (f *flexible) kill(x int32, size, doses int) {
	for d := doses; d <= 2; d++ {
		f.dead[x][d] = min(f.dead[x][d], size)
	}
}

// SecondSlots lists, for each slot, the second slots that its second doses may use, in the order in
// which they are tried: same clinic and vaccine, 49–63 days later; by distance from 56 days, then the
// later day, then supply order.
func SecondSlots(slots []Slot) [][]int32 {
	type site struct{ clinic, vaccine int32 }
	bySite := map[site][]int32{}
	for y := range slots {
		if s := &slots[y]; s.Second && s.Day != NoDay {
			at := site{s.Clinic, s.Vaccine}
			bySite[at] = append(bySite[at], int32(y))
		}
	}
	list := make([][]int32, len(slots))
	for x := range slots {
		s := &slots[x]
		if s.Second || s.Day == NoDay {
			continue
		}
		for _, y := range bySite[site{s.Clinic, s.Vaccine}] {
			if secondDoseInterval(s, &slots[y]) {
				list[x] = append(list[x], y)
			}
		}
		slices.SortStableFunc(list[x], func(a, b int32) int {
			da, db := slots[a].Day-s.Day-secondBest, slots[b].Day-s.Day-secondBest
			return cmp.Or(cmp.Compare(max(da, -da), max(db, -db)), cmp.Compare(db, da))
		})
	}
	return list
}

// secondDoseInterval: the second slot's day is 49–63 days after the first's.
func secondDoseInterval(first, second *Slot) bool {
	days := int64(second.Day) - int64(first.Day)
	return days >= secondEarliest && days <= secondLatest
}
