package cycle

import (
	"context"
	"encoding/json"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// ReserveEntry is what the board says of the seats that a draw does not have:
// those kept for ballots that turn out to have been left out.
type ReserveEntry struct {
	DrawID string        `json:"draw_id"`
	Sample bool          `json:"sample"`
	Slots  []ReserveSlot `json:"slots"` // in supply order, those without left out
	Until  string        `json:"until"` // what is left then is released to the waitlist: "confirm_by"
}

// ReserveSlot is a slot's part of it.
type ReserveSlot struct {
	Slot  string `json:"slot"` // as in supply.json
	Seats int    `json:"seats"`
}

// keepReserve keeps the campaign's reserve back from the draw of a closed
// window, spread over the whole supply, and puts it on the board.
func keepReserve(ctx context.Context, tx *data.Tx, s situation) error {
	n := s.campaign.Rules.Reserve
	if n == 0 {
		return nil
	}
	slots, err := tx.Slots(ctx, s.row.ID)
	if err != nil {
		return err
	}
	entry := ReserveEntry{DrawID: s.drawID, Sample: s.campaign.Sample, Slots: []ReserveSlot{}, Until: "confirm_by"}
	kept := reserveOf(slots, n)
	ids := make([]int64, len(slots))
	for i, x := range slots {
		ids[i] = x.ID
		if kept[i] > 0 {
			entry.Slots = append(entry.Slots, ReserveSlot{slotName(x), kept[i]})
		}
	}
	if err := tx.KeepSeats(ctx, ids, kept); err != nil {
		return err
	}
	body, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	_, err = tx.Post(ctx, s.row.Campaign, s.row.ID, "reserve", body)
	return err
}

// reserveOf says how many seats of each slot a reserve of n seats keeps back:
// n spread over the first doses' slots in supply order by cumulative seats,
// rounded down, so that each clinic and day gives its share; never more than
// half of all. A slot that is another's pair keeps as many as that one; other
// second slots keep n, spread over them in the same way.
func reserveOf(slots []data.SlotRow, n int) []int {
	kept := make([]int, len(slots))
	paired := map[int64]int{} // what a pair keeps
	spread := func(these func(*data.SlotRow) bool) {
		total := 0
		for i := range slots {
			if these(&slots[i]) {
				total += slots[i].Seats
			}
		}
		n := min(n, total/2)
		seats, given := 0, 0
		for i := range slots {
			if s := &slots[i]; these(s) {
				seats += s.Seats
				kept[i] = n*seats/total - given
				given += kept[i]
			}
		}
	}
	spread(func(s *data.SlotRow) bool { return s.Position != nil && !s.Second && s.Seats > 0 })
	for i, s := range slots {
		if s.Pair != 0 {
			paired[s.Pair] += kept[i]
		}
	}
	spread(func(s *data.SlotRow) bool {
		_, pair := paired[s.ID]
		return s.Position != nil && s.Second && !pair && s.Seats > 0
	})
	for i, s := range slots {
		if k, pair := paired[s.ID]; pair {
			kept[i] = min(k, s.Seats)
		}
	}
	return kept
}

// reserveFits refuses a reserve that would leave the draw less than half of
// its seats.
func reserveFits(ctx context.Context, tx *data.Tx, c *cohort.Campaign, row data.CohortRow) error {
	slots, err := tx.Slots(ctx, row.ID)
	if err != nil {
		return err
	}
	seats := 0
	for _, s := range slots {
		if !s.Second {
			seats += s.Seats
		}
	}
	if n := c.Rules.Reserve; n > seats/2 {
		return refuse("cohort %s has %d seats, and the campaign file keeps %d of them for ballots that were left out: at most half; make rules.reserve less, or import more supply", row.Key, seats, n)
	}
	return nil
}

// seatsFor finds places after the draw: among the seats that nobody has and
// nobody is offered, and among those of the reserve.
type seatsFor struct {
	shelf   *shelf
	rows    []data.SlotRow
	seconds [][]int32                // by slot, where tickets are for two doses
	stores  [2]map[int64]int         // seats by slot
	after   func(*data.SlotRow) bool // it begins late enough to be told of
}

// store is where a seat comes from.
type store int

const (
	freeSeats store = iota
	keptSeats       // the reserve
)

// readSeats reads them for a cohort, whose waitlist the caller has locked.
func readSeats(ctx context.Context, tx *data.Tx, c *cohort.Campaign, o *cohort.Cohort, cohortID int) (*seatsFor, error) {
	f := &seatsFor{stores: [2]map[int64]int{keptSeats: {}}}
	var err error
	if f.rows, err = tx.Slots(ctx, cohortID); err != nil {
		return nil, err
	}
	if f.stores[freeSeats], err = tx.OfferedSlots(ctx, cohortID); err != nil {
		return nil, err
	}
	if f.shelf, err = newShelf(f.rows); err != nil {
		return nil, err
	}
	for _, s := range f.rows {
		f.stores[keptSeats][s.ID] = s.Kept
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	earliest := now.Add(c.Rules.OfferLead)
	f.after = func(s *data.SlotRow) bool { return s.StartsAt.After(earliest) }
	if doses(o) == 2 {
		f.seconds = lottery.SecondSlots(f.shelf.slots)
		if seating(o.Seating) == lottery.Fixed {
			for x, s := range f.shelf.slots {
				if f.seconds[x] = nil; s.Pair != lottery.None {
					f.seconds[x] = []int32{s.Pair}
				}
			}
		}
	}
	return f, nil
}

// found is a place that seatsFor has found: take takes it.
type found struct {
	slot, second     int64 // second 0: none
	from, fromSecond store
	choice           int // from 1
}

// find gives the first slot with so many seats in a choice, in the order in
// which it lists them, looking through the stores in their order. n is the
// choice's number.
func (f *seatsFor) find(choice []int32, n, size int, stores ...store) (found, bool) {
	for _, from := range stores {
		for _, x := range choice {
			s := &f.rows[x]
			if f.stores[from][s.ID] < size || !f.after(s) {
				continue
			}
			p := found{slot: s.ID, from: from, choice: n}
			if f.seconds == nil {
				return p, true
			}
			for _, p.fromSecond = range stores {
				for _, y := range f.seconds[x] {
					if p.second = f.rows[y].ID; f.stores[p.fromSecond][p.second] >= size {
						return p, true
					}
				}
			}
		}
	}
	return found{}, false
}

// take takes the seats of a place that find gave.
func (f *seatsFor) take(ctx context.Context, tx *data.Tx, p found, size int) error {
	for _, seat := range []struct {
		slot int64
		from store
	}{{p.slot, p.from}, {p.second, p.fromSecond}} {
		if seat.slot == 0 {
			continue
		}
		f.stores[seat.from][seat.slot] -= size
		if seat.from == keptSeats {
			if err := tx.TakeKept(ctx, seat.slot, size); err != nil {
				return err
			}
		}
	}
	return nil
}
