package cycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// pairsOf gives each slot of first doses a slot of second doses of its own:
// same clinic and vaccine, 49 to 63 days later, at least as many seats. The
// same time of day eight weeks later comes first, then what SecondSlots tries
// first; where that leaves a slot without, others make room as long as they
// find another. None where there is none.
func pairsOf(slots []lottery.Slot) []int32 {
	options := lottery.SecondSlots(slots)
	for x := range options {
		options[x] = slices.DeleteFunc(options[x], func(y int32) bool { return slots[y].Seats < slots[x].Seats })
	}
	pair, owner := make([]int32, len(slots)), make([]int32, len(slots))
	for x := range slots {
		pair[x], owner[x] = lottery.None, lottery.None
	}
	take := func(x int, fits func(y int32) bool) {
		if pair[x] != lottery.None {
			return
		}
		for _, y := range options[x] {
			if owner[y] == lottery.None && fits(y) {
				pair[x], owner[y] = y, int32(x)
				return
			}
		}
	}
	for x := range slots {
		take(x, func(y int32) bool { return slots[y].Block == slots[x].Block && slots[y].Day-slots[x].Day == 56 })
	}
	for x := range slots {
		take(x, func(int32) bool { return true })
	}
	seen := make([]int, len(slots)) // by second slot, the search that came by last
	var search func(x int32, n int) bool
	search = func(x int32, n int) bool {
		for _, y := range options[x] {
			if seen[y] == n {
				continue
			}
			seen[y] = n
			if owner[y] == lottery.None || search(owner[y], n) {
				pair[x], owner[y] = y, x
				return true
			}
		}
		return false
	}
	for x := range slots {
		if !slots[x].Second && pair[x] == lottery.None {
			search(int32(x), x+1)
		}
	}
	return pair
}

// pairSlots pairs the slots of a cohort with two doses where a unit counts as
// one seat, and names those that stay without. It is done when the window is
// announced, and again at the freeze: a clinic may have taken seats away.
func pairSlots(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID int) (without []string, err error) {
	if doses(o) != 2 || seating(o.Seating) != lottery.Fixed {
		return nil, nil
	}
	slots, err := tx.Slots(ctx, cohortID)
	if err != nil {
		return nil, err
	}
	h, err := newShelf(slots)
	if err != nil {
		return nil, err
	}
	var firsts, seconds []int64
	for x, y := range pairsOf(h.slots) {
		switch {
		case h.slots[x].Second:
		case y == lottery.None:
			firsts, seconds = append(firsts, h.rowIDs[x]), append(seconds, 0)
			if h.slots[x].Seats > 0 {
				without = append(without, h.ids[x])
			}
		default:
			firsts, seconds = append(firsts, h.rowIDs[x]), append(seconds, h.rowIDs[y])
		}
	}
	return without, tx.SetPairs(ctx, firsts, seconds)
}

// announcePairs refuses a cohort whose slots cannot all be paired.
func announcePairs(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID int) error {
	without, err := pairSlots(ctx, tx, o, cohortID)
	if err != nil || len(without) == 0 {
		return err
	}
	return refuse("cohort %s: %d slots have no slot for the second dose: one of the same clinic and vaccine, %d to %d days later, with at least as many seats, for each its own. "+
		"Import more supply, or take seats away. The first: %s", o.Key, len(without), cohort.SecondEarliest, cohort.SecondLatest, strings.Join(without[:min(3, len(without))], ", "))
}

// freezePairs pairs the slots as they now stand. One that lost its second slot
// since the announcement gives nobody a place in the draw: the audit trail
// says so.
func freezePairs(ctx context.Context, tx *data.Tx, s situation) error {
	without, err := pairSlots(ctx, tx, s.cohort, s.row.ID)
	if err != nil || len(without) == 0 {
		return err
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: s.row.Campaign, Actor: data.System, Act: "draw.unpaired", Subject: fmt.Sprintf("cohort:%d", s.row.ID),
		Reason: "these slots have no slot for the second dose: the draw gives nobody a place there", After: map[string]any{"slots": without},
	})
}
