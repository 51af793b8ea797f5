package cycle

import (
	"context"
	"fmt"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// poolNames are the pools of a cohort as allocations number them: "" first,
// then in the campaign file's order.
func poolNames(o *cohort.Cohort) []string {
	names := []string{""}
	for _, p := range o.Pools {
		names = append(names, p.Group)
	}
	return names
}

// fixReserves fixes, with the freeze, how many seats of each slot are held
// first for each pool, and how many of the others parties may take. Only fixed
// seating has either.
func fixReserves(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID int) error {
	if seating(o.Seating) != lottery.Fixed {
		return nil
	}
	all, err := tx.Slots(ctx, cohortID)
	if err != nil {
		return err
	}
	slots := slices.DeleteFunc(all, func(s data.SlotRow) bool { return s.Position == nil })
	h, err := newShelf(slots)
	if err != nil {
		return err
	}
	percent := []int32{0}
	for _, p := range o.Pools {
		percent = append(percent, int32(p.Percent))
	}
	reserves := lottery.PoolReserves(h.slots, percent)
	names := poolNames(o)
	rows := make([]data.ReserveRow, len(slots))
	for x, s := range slots {
		rows[x] = data.ReserveRow{Slot: s.ID, Reserve: map[string]int{}}
		free := s.Seats - s.Kept
		for p, name := range names[1:] {
			if n := int(reserves[x][p+1]); n > 0 {
				rows[x].Reserve[name] = n
				free -= n
			}
		}
		if !s.Second {
			rows[x].Party = free * o.PartyPercent / 100
		}
	}
	return tx.SetReserves(ctx, rows)
}

// reserve puts the pools' seats of the rows into the slots.
func (h *shelf) reserve(slots []data.SlotRow, names []string) {
	if len(names) < 2 {
		return
	}
	for x, s := range slots {
		h.slots[x].Reserve = make([]int32, len(names))
		for p, name := range names {
			h.slots[x].Reserve[p] = int32(s.Reserve[name])
		}
	}
}

// readPools numbers the pools of the frozen ballots.
func (d *computed) readPools(names []string) error {
	d.names = names
	if len(names) < 2 {
		return nil
	}
	d.shelf.reserve(d.slots, names)
	d.pools = make([]uint16, len(d.people))
	for i, name := range d.poolOf {
		p := slices.Index(names, name)
		if p < 0 {
			return fmt.Errorf("draw %s: leaf %d is of pool %q, which the campaign file does not have", d.draw.DrawID, i, name)
		}
		d.pools[i] = uint16(p)
	}
	return nil
}

// poolOf is the pool of a ticket: that of all its members, or none.
func poolOf(e *lottery.Entity, byLeaf []uint16) uint16 {
	if byLeaf == nil {
		return 0
	}
	pool := byLeaf[e.Members[0]]
	for _, m := range e.Members[:e.Size] {
		if byLeaf[m] != pool {
			return 0
		}
	}
	return pool
}

// poolsByKey names the pools of the people whose ballots are opened, for an
// auditor.
func (d *computed) poolsByKey() map[string]string {
	pools := map[string]string{}
	ballots, err := lottery.ParseBallots(d.ballots)
	if err != nil {
		return pools
	}
	for i, pool := range d.poolOf {
		_, ballot := ballots.Leaf(i)
		if person, err := lottery.BallotPerson(ballot); err == nil {
			pools[person] = pool
		}
	}
	return pools
}
