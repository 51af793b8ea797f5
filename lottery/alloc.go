package lottery

import "fmt"

// Seating names the rule by which places are given.
type Seating string

const (
	// Flexible is the rule of a draw without pools: serial order in which one-dose singles may move
	// inside the choice they were given (Svensson 1994; Bogomolnaia, Deb and Ehlers 2005).
	Flexible Seating = "flexible"
	// Fixed is the rule of a draw with pools: parties in serial order over their share, then singles by
	// deferred acceptance in ticket order with reserves.
	Fixed Seating = "fixed"
	// Serial is one plain pass, singles and parties together: the first slot with room, and nobody ever
	// moves. Reserves and party shares are not looked at. Instance files cannot ask for it.
	Serial Seating = "serial"
)

// Problem is what one draw's allocation reads: the frozen supply and the ballots in ticket order.
// Everything is an index: slots by their place in supply order, tickets by their rank less one, pools
// by their place in the manifest, counting from 1.
type Problem struct {
	// Slots stand in supply order.
	Slots []Slot
	// Pools holds the pools' names, with Pools[0] = "" for "no pool". May be empty where there is none.
	Pools []string
	// Tickets stand in draw order: the first has rank 1.
	Tickets []Applicant
}

// Slot is clinic × date × block × vaccine with its seats.
type Slot struct {
	// Clinic and Vaccine are the caller's numbers; equal numbers mean the same clinic, the same vaccine.
	Clinic, Vaccine int32
	// Day counts days from any fixed day; only differences matter. NoDay where the date is not known.
	Day int32
	// Block is the caller's number of the time of day.
	Block int32
	Seats int32
	// Reserve[p] seats are held first for pool p. Reserve[0] is not used; nil means no reserve.
	Reserve []int32
	// Party seats may be taken by parties under Fixed; never more than the unreserved seats are.
	Party int32
	// Second marks a slot that only second doses use. No choice may name it.
	Second bool
	// Pair is the second slot that Fixed gives with this one, or None.
	Pair int32
}

// None stands where an Places or a Slot names no slot.
const None int32 = -1

// NoDay is the Day of a slot whose date is not known; it is in no distance of any other day.
const NoDay int32 = -1 << 31

// Applicant is the holder of one ticket, a person or a party, with the choices in order of preference.
type Applicant struct {
	// Size is 1 for a single, 2–4 for a party. Doses is 1 or 2.
	Size, Doses uint8
	// Pool is the first group of the ticket in the manifest's order, 0 for none.
	Pool uint16
	// Choices are sets of slots, each listed in the order in which they are tried. Tickets may share them.
	Choices [][]int32
}

// Class is what cut-offs are told apart by. Under Flexible the pool is always 0.
type Class struct {
	Size, Doses uint8
	Pool        uint16
}

// Places says who got what. The slices have one entry a ticket.
type Places struct {
	// Choice counts from 1; 0 means no place.
	Choice []int32
	// Slot and Second are slots, or None.
	Slot, Second []int32
	// CutOffs stand by slot in supply order, size, doses, pool's name.
	CutOffs []CutOff
}

// CutOff is the lowest rank of a class that was refused at a slot. Ranks count from 1.
type CutOff struct {
	Slot  int32
	Class Class
	Rank  uint32
}

// Serve gives places by the named rule. It is the reference: written to be read beside the
// specification, not to be fast; Layout is the fast one and equals it. The problem is checked first
// and is not changed. An error names the slot or ticket that breaks a rule.
func Serve(p *Problem, seating Seating) (*Places, error) {
	if err := p.Check(seating); err != nil {
		return nil, err
	}
	return serveChecked(p, seating)
}

// serveChecked is Serve for a problem that was checked.
func serveChecked(p *Problem, seating Seating) (*Places, error) {
	switch seating {
	case Flexible:
		return serveFlexible(p), nil
	case Fixed:
		return serveFixed(p), nil
	case Serial:
		return serveSerial(p), nil
	}
	return nil, fmt.Errorf("lottery: unknown seating %q", seating)
}

// newPlaces is the outcome in which nobody has a place yet.
func newPlaces(tickets int) *Places {
	o := &Places{
		Choice: make([]int32, tickets),
		Slot:   make([]int32, tickets),
		Second: make([]int32, tickets),
	}
	for t := range tickets {
		o.Slot[t], o.Second[t] = None, None
	}
	return o
}

// give records that ticket t got slot x through its c-th choice, counted from 0.
func (o *Places) give(t, c int, x, second int32) {
	o.Choice[t], o.Slot[t], o.Second[t] = int32(c)+1, x, second
}

// class is the applicant's class under the seating.
func (t *Applicant) class(seating Seating) Class {
	if seating == Flexible {
		return Class{Size: t.Size, Doses: t.Doses}
	}
	return Class{Size: t.Size, Doses: t.Doses, Pool: t.Pool}
}

// poolName is the name of pool p, "" for none.
func (p *Problem) poolName(pool uint16) string {
	if int(pool) < len(p.Pools) {
		return p.Pools[pool]
	}
	return ""
}
