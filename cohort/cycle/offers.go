package cycle

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// soon is how near a deadline makes an offer urgent enough for the night.
const soon = 12 * time.Hour

// lapseUnconfirmed gives the places that were not accepted by confirm_by to
// the waitlist.
func (r *Runner) lapseUnconfirmed(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Lock(ctx, data.LockOffers, s.row.ID); err != nil {
		return err
	}
	people, err := tx.LapseUnconfirmed(ctx, s.row.ID)
	if err != nil || len(people) == 0 {
		return err
	}
	if err := tx.TellPeople(ctx, data.Message{
		Campaign: s.row.Campaign, Event: fmt.Sprintf("place_lapsed/%d", s.row.ID), Kind: "place_lapsed", Params: map[string]any{"cohort": s.row.ID},
	}, people); err != nil {
		return err
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: s.row.Campaign, Actor: data.System, Act: "place.lapse", Subject: fmt.Sprintf("cohort:%d", s.row.ID),
		After: map[string]any{"places": len(people)},
	})
}

// lapseOffers ends offers that nobody answered in time.
func (r *Runner) lapseOffers(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Lock(ctx, data.LockOffers, s.row.ID); err != nil {
		return err
	}
	lapsed, err := tx.LapseOffers(ctx, s.row.Campaign, s.row.ID, maxLapses(s.campaign))
	if err != nil || len(lapsed) == 0 {
		return err
	}
	off := 0
	for _, o := range lapsed {
		if o.Off {
			off++
		}
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: s.row.Campaign, Actor: data.System, Act: "offer.lapse", Subject: fmt.Sprintf("cohort:%d", s.row.ID),
		After: map[string]any{"offers": len(lapsed), "off": off},
	})
}

func maxLapses(c *cohort.Campaign) int {
	if n := c.Rules.MaxLapses; n > 0 && n < lottery.MaxLapses {
		return n
	}
	return lottery.MaxLapses
}

// refill does one batch of offers, when cron says so.
func (r *Runner) refill(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Ran(ctx, s.row.Campaign, "refill/"+s.row.Key, s.now); err != nil {
		return err
	}
	_, err := Batch(ctx, tx, s.campaign, s.row, data.System, "")
	return err
}

// BatchReport is what one batch of offers did.
type BatchReport struct {
	At       time.Time `json:"at"`
	Free     int       `json:"free"`    // seats that could be offered
	Waiting  int       `json:"waiting"` // tickets
	Offers   int       `json:"offers"`
	Replaced int       `json:"replaced"`
	Off      int       `json:"off"`      // tickets that nobody eligible is left of
	Skips    int       `json:"skips"`    // reasons recorded for the first time
	Released int       `json:"released"` // seats that the board told of; the next batch uses them
}

// Batch offers the free seats of a published cohort to those who wait, in
// ticket order, each held for one ticket until a deadline. Seats that came
// since are put on the board first and offered by the next batch. The caller
// holds the campaign's lock, or is an official's command.
func Batch(ctx context.Context, tx *data.Tx, c *cohort.Campaign, row data.CohortRow, by data.Actor, reason string) (BatchReport, error) {
	var rep BatchReport
	if err := tx.Lock(ctx, data.LockOffers, row.ID); err != nil {
		return rep, err
	}
	row, err := tx.LockCohort(ctx, row.ID)
	if err != nil {
		return rep, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return rep, err
	}
	rep.At = now
	if row.State != cohort.Published || !now.Before(row.SettleAt) {
		return rep, refuse("cohort %s has no waitlist now: it is %s", row.Key, row.State)
	}
	b, err := readBatch(ctx, tx, c, row, now)
	if err != nil {
		return rep, err
	}
	for _, person := range b.nobody {
		if _, err := tx.LeaveWaitlist(ctx, person, "ineligible", data.System, ""); err != nil {
			return rep, err
		}
	}
	result := lottery.OfferBatch(b.in)
	rep.Free, rep.Waiting, rep.Off, rep.Offers = b.free, len(b.in.Waiting), len(b.nobody), len(result.Offers)
	offers := make([]data.NewOffer, len(result.Offers))
	for i, o := range result.Offers {
		offers[i] = data.NewOffer{
			Rank: b.ranks[o.Index], Slot: b.shelf.rowIDs[o.Slot], Choice: int(o.Choice), Size: int(b.in.Waiting[o.Index].Size),
			Deadline: o.Deadline, Replaces: o.Replaces,
		}
		if o.Second != lottery.None {
			offers[i].Second = b.shelf.rowIDs[o.Second]
		}
		if o.Replaces {
			rep.Replaced++
		}
	}
	if err := tx.PutOffers(ctx, row.Campaign, row.ID, now, offers, soon); err != nil {
		return rep, err
	}
	if rep.Skips, err = b.skips(ctx, tx, row.ID, now, result.Skips); err != nil {
		return rep, err
	}
	if rep.Released, err = release(ctx, tx, c, row); err != nil {
		return rep, err
	}
	if rep.Offers+rep.Off+rep.Released+rep.Skips == 0 {
		return rep, nil
	}
	return rep, tx.Audit(ctx, data.AuditRow{
		Campaign: row.Campaign, Actor: by, Act: "offer.batch", Subject: fmt.Sprintf("cohort:%d", row.ID), Reason: reason, After: rep,
	})
}

// BatchNow does a batch as an official asks for it: offers past their
// deadline lapse first.
func BatchNow(ctx context.Context, tx *data.Tx, c *cohort.Campaign, row data.CohortRow, by data.Actor, reason string) (BatchReport, error) {
	if err := tx.Lock(ctx, data.LockCampaign, row.Campaign); err != nil {
		return BatchReport{}, err
	}
	if err := (&Runner{}).lapseOffers(ctx, tx, situation{campaign: c, row: row}); err != nil {
		return BatchReport{}, err
	}
	return Batch(ctx, tx, c, row, by, reason)
}

// ReleaseEntry is what the board says of seats that came after the draw.
type ReleaseEntry struct {
	DrawID string            `json:"draw_id"`
	Sample bool              `json:"sample"`
	Slots  []data.ReleaseRow `json:"slots"`
}

// release puts seats that came later on the board.
func release(ctx context.Context, tx *data.Tx, c *cohort.Campaign, row data.CohortRow) (seats int, err error) {
	slots, err := tx.ReleaseSeats(ctx, row.ID)
	if err != nil || len(slots) == 0 {
		return 0, err
	}
	for _, s := range slots {
		seats += s.Seats - s.Before
	}
	body, err := json.Marshal(ReleaseEntry{c.DrawID(row.Key), c.Sample, slots})
	if err != nil {
		return 0, err
	}
	_, err = tx.Post(ctx, row.Campaign, row.ID, "release", body)
	return seats, err
}

// batch is a waitlist in memory.
type batch struct {
	shelf *shelf
	in    lottery.BatchInput
	names []string // of the pools, "" first
	doses uint8
	// seating says in which order a choice's slots are looked at; of the slots, the first so many were the draw's.
	seating lottery.Seating
	drawn   int
	ranks   []int   // by place in in.Waiting
	nobody  []int64 // one person each of the tickets that have nobody eligible left
	free    int
}

func readBatch(ctx context.Context, tx *data.Tx, c *cohort.Campaign, row data.CohortRow, now time.Time) (*batch, error) {
	slots, err := tx.Slots(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	free, err := tx.OfferedSlots(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	b := &batch{names: []string{""}, doses: 1}
	if o := c.CohortByKey(row.Key); o != nil {
		b.names, b.doses, b.seating = poolNames(o), doses(o), seating(o.Seating)
	}
	members := map[int64]map[string]int{}
	if len(b.names) > 1 {
		if members, err = tx.PoolMembers(ctx, row.ID); err != nil {
			return nil, err
		}
	}
	if b.shelf, err = newShelf(slots); err != nil {
		return nil, err
	}
	deadline := now.Add(c.Rules.OfferHold)
	if deadline.After(row.SettleAt) {
		deadline = row.SettleAt
	}
	b.in = lottery.BatchInput{
		Now: now, Deadline: deadline, MinAnswer: c.Rules.MinAnswer, Lead: c.Rules.OfferLead, Slots: make([]lottery.BatchSlot, len(slots)),
	}
	position := make(map[int64]int32, len(slots))
	seconds := b.seconds()
	for x, s := range slots {
		position[s.ID] = int32(x)
		if s.Position != nil {
			b.drawn = x + 1
		}
		out := lottery.BatchSlot{Free: int32(free[s.ID]), Start: s.StartsAt}
		if !now.Before(s.StartsAt.Add(-c.Rules.OfferLead)) {
			out.Free = 0 // past: nobody waits for it any more
		}
		if len(b.names) > 1 {
			out.Reserve, out.Members = make([]int32, len(b.names)), make([]int32, len(b.names))
			for p, name := range b.names {
				out.Reserve[p], out.Members[p] = int32(s.Reserve[name]), int32(members[s.ID][name])
			}
		}
		if seconds != nil {
			out.Seconds = seconds[x]
		}
		if !s.Second {
			b.free += int(out.Free)
		}
		b.in.Slots[x] = out
	}
	if err := b.readWaiting(ctx, tx, row.ID, position); err != nil {
		return nil, err
	}
	return b, nil
}

// seconds are, by slot, the slots of second doses that go with it: its pair
// where it has one, else what the rule tries in turn. Nil with one dose.
func (b *batch) seconds() [][]int32 {
	if b.doses != 2 {
		return nil
	}
	list := lottery.SecondSlots(b.shelf.slots)
	for x := range list {
		if pair := b.shelf.slots[x].Pair; pair != lottery.None {
			list[x] = []int32{pair}
		}
	}
	return list
}

// inOrder is a choice in the order in which the ticket's slots are looked at:
// as the draw did, supply order or its rotation, then what came later.
func (b *batch) inOrder(list []int32, ticket []byte) []int32 {
	if b.seating != lottery.Fixed {
		return list
	}
	n, _ := slices.BinarySearch(list, int32(b.drawn))
	return slices.Concat(rotate(list[:n], lottery.Hash(ticket)), list[n:])
}

func (b *batch) readWaiting(ctx context.Context, tx *data.Tx, cohortID int, position map[int64]int32) error {
	struck, err := tx.Struck(ctx, cohortID)
	if err != nil {
		return err
	}
	live, err := tx.Offers(ctx, cohortID, true)
	if err != nil {
		return err
	}
	held := make(map[int]*lottery.LiveOffer, len(live))
	for _, o := range live {
		l := &lottery.LiveOffer{Choice: int32(o.Choice), Slot: position[o.Slot], Second: lottery.None}
		if o.Second != 0 {
			l.Second = position[o.Second]
		}
		held[o.Rank] = l
	}
	rank, nobody := 0, int64(0)
	end := func() { // of a ticket: whoever is not eligible any more does not count
		if rank != 0 && nobody != 0 {
			b.nobody = append(b.nobody, nobody)
		}
	}
	err = tx.EachWaiting(ctx, cohortID, func(m *data.WaitingMember) error {
		if m.Rank != rank {
			end()
			rank, nobody = m.Rank, m.Person
		}
		if m.Status != "eligible" {
			return nil
		}
		if nobody == 0 { // another member of the same ticket
			b.in.Waiting[len(b.in.Waiting)-1].Size++
			return nil
		}
		nobody = 0
		choices, err := b.shelf.choices(m.Ballot)
		if err != nil {
			return fmt.Errorf("rank %d: %w", m.Rank, err)
		}
		for i := range choices {
			choices[i] = b.inOrder(choices[i], m.Ticket)
		}
		w := lottery.Waiting{
			Applicant: lottery.Applicant{Size: 1, Doses: b.doses, Pool: uint16(max(0, slices.Index(b.names, m.Pool))), Choices: choices}, Lapses: m.Lapses, Live: held[m.Rank], Cancelled: m.Cancelled,
		}
		for _, id := range struck[m.Rank] {
			w.Struck = append(w.Struck, position[id])
		}
		b.in.Waiting, b.ranks = append(b.in.Waiting, w), append(b.ranks, m.Rank)
		return nil
	})
	end()
	return err
}

// skips records why tickets were passed over, where that is new.
func (b *batch) skips(ctx context.Context, tx *data.Tx, cohortID int, now time.Time, list []lottery.Skip) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	known, err := tx.Skips(ctx, cohortID)
	if err != nil {
		return 0, err
	}
	seen := make(map[data.SkipRow]struct{}, len(known))
	for _, k := range known {
		seen[k] = struct{}{}
	}
	var fresh []data.SkipRow
	for _, s := range list {
		row := data.SkipRow{Rank: b.ranks[s.Index], Reason: string(s.Reason)}
		if s.Slot != lottery.None {
			row.Slot = b.shelf.rowIDs[s.Slot]
		}
		if _, again := seen[row]; !again {
			seen[row] = struct{}{}
			fresh = append(fresh, row)
		}
	}
	return len(fresh), tx.AddSkips(ctx, cohortID, now, fresh)
}
