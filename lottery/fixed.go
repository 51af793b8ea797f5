package lottery

import "slices"

// serveFixed is the rule with pools: parties first, each in the first listed slot with room in the
// parties' share; then singles by deferred acceptance over what is left.
func serveFixed(p *Problem) *Places {
	out, refused := newPlaces(len(p.Tickets)), newRefusals(len(p.Slots))
	share := make([]int32, len(p.Slots))
	for x := range p.Slots {
		share[x] = partySeats(&p.Slots[x])
	}
	for t := range p.Tickets {
		if p.Tickets[t].Size > 1 {
			firstWithRoom(p, Fixed, t, share, out, refused)
		}
	}
	d := newDeferred(p, out, refused)
	for x := range p.Slots {
		s := &p.Slots[x]
		d.seats[x] = s.Seats - (partySeats(s) - share[x])
	}
	for t := range p.Tickets {
		if p.Tickets[t].Size == 1 {
			d.seat(t)
		}
	}
	out.CutOffs = refused.cutOffs(p)
	return out
}

// deferred is deferred acceptance (Gale and Shapley 1962) with each slot choosing by minimum guarantee:
// reserves first, by rank, then everyone by rank. What it ends in does not depend on the order in
// which tickets are taken up (McVitie and Wilson 1970).
type deferred struct {
	p       *Problem
	seats   []int32
	held    [][]int   // by slot: tickets held, ascending
	next    []listPos // by ticket: where on its list it proposes next
	out     *Places
	refused *refusals
}

// listPos is a place on a ticket's list: choice, and slot inside it, both from 0.
type listPos struct{ choice, slot int }

func newDeferred(p *Problem, out *Places, refused *refusals) *deferred {
	return &deferred{
		p:       p,
		seats:   make([]int32, len(p.Slots)),
		held:    make([][]int, len(p.Slots)),
		next:    make([]listPos, len(p.Tickets)),
		out:     out,
		refused: refused,
	}
}

// seat takes up ticket t, then whoever is displaced by it, and so on until nobody is.
func (d *deferred) seat(t int) {
	for cur := t; cur >= 0; {
		cur = d.propose(cur)
	}
}

// propose lets cur go down its list to the first slot that keeps it, and returns whom that slot
// displaced, or -1.
func (d *deferred) propose(cur int) int {
	k := &d.p.Tickets[cur]
	pos := &d.next[cur]
	for ; pos.choice < len(k.Choices); *pos = (listPos{pos.choice + 1, 0}) {
		for ; pos.slot < len(k.Choices[pos.choice]); pos.slot++ {
			x := k.Choices[pos.choice][pos.slot]
			second := None
			if k.Doses == 2 {
				if second = d.p.Slots[x].Pair; second == None {
					d.refused.refuse(x, k.class(Fixed), cur)
					continue
				}
			}
			loser := d.choose(x, cur)
			if loser >= 0 {
				d.refused.refuse(x, d.p.Tickets[loser].class(Fixed), loser)
			}
			if loser == cur {
				continue
			}
			d.out.give(cur, pos.choice, x, second)
			if loser >= 0 {
				d.out.Choice[loser], d.out.Slot[loser], d.out.Second[loser] = 0, None, None
				d.next[loser].slot++
			}
			return loser
		}
	}
	return -1
}

// choose is Ch(held + cur) at slot x: it updates who is held and returns the one left out, or -1.
func (d *deferred) choose(x int32, cur int) int {
	applicants := slices.Clone(d.held[x])
	at, _ := slices.BinarySearch(applicants, cur)
	applicants = slices.Insert(applicants, at, cur)
	left := d.seats[x]
	kept := make([]bool, len(applicants))
	for i, r := range reserves(&d.p.Slots[x]) {
		for a, t := range applicants {
			if r > 0 && int(d.p.Tickets[t].Pool) == i+1 {
				kept[a] = true
				r--
				left--
			}
		}
	}
	loser := -1
	d.held[x] = d.held[x][:0]
	for a, t := range applicants {
		if !kept[a] && left > 0 {
			kept[a] = true
			left--
		}
		if kept[a] {
			d.held[x] = append(d.held[x], t)
		} else {
			loser = t
		}
	}
	return loser
}

// PoolReserves fixes how many seats of each slot are held first for each pool: r[x][p] for slot x and
// pool p (from 1, as in Slot.Reserve). percent[p] is pool p's share of the seats of a clinic, 0–100, in
// the manifest's order. Seats are counted along a clinic's slots in supply order, so that a clinic's
// shares add up though each slot's are whole numbers; second slots reserve nothing.
func PoolReserves(slots []Slot, percent []int32) [][]int32 {
	type count struct {
		seats int64
		given []int64
	}
	clinics := map[int32]*count{}
	r := make([][]int32, len(slots))
	for x := range slots {
		s := &slots[x]
		if s.Second {
			continue
		}
		c := clinics[s.Clinic]
		if c == nil {
			c = &count{given: make([]int64, len(percent))}
			clinics[s.Clinic] = c
		}
		c.seats += int64(s.Seats)
		r[x] = make([]int32, len(percent))
		left := int64(s.Seats)
		for p := 1; p < len(percent); p++ {
			n := min(int64(percent[p])*c.seats/100-c.given[p], left)
			r[x][p] = int32(n)
			c.given[p] += n
			left -= n
		}
	}
	return r
}

// Rotate is the order in which a draw with pools tries the slots of a choice: supply order, starting at
// int(last 8 bytes of the ticket, big-endian) mod the number of slots. The choice is given in supply
// order and is not changed.
func Rotate(choice []int32, last8 uint64) []int32 {
	n := uint64(len(choice))
	if n == 0 {
		return choice
	}
	at := last8 % n
	return append(slices.Clone(choice[at:]), choice[:at]...)
}
