package cycle

import (
	"context"
	"fmt"
	"io"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// Record is an explanation with what only officials need: every offer that her
// ticket had, and why it was passed over.
type Record struct {
	Explanation
	Offers []OfferStep `json:"offers"` // in their order
	Skips  []SkipStep  `json:"skips"`  // by slot, then reason
}

// OfferStep is one offer to the ticket.
type OfferStep struct {
	Slot     string     `json:"slot"`
	Second   string     `json:"second,omitempty"`
	Choice   int        `json:"choice"`
	State    string     `json:"state"`
	Offered  time.Time  `json:"offered"`
	Deadline time.Time  `json:"deadline"`
	Ended    *time.Time `json:"ended,omitempty"`
}

// SkipStep is why the ticket was not offered free seats of a slot that it
// lists; Slot is empty where the reason is the ticket's own.
type SkipStep struct {
	Slot   string    `json:"slot,omitempty"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"` // the first batch of which it was true
}

// RecordOf explains a person's result for an official.
func RecordOf(ctx context.Context, db *data.DB, person int64) (Record, error) {
	r := Record{Offers: []OfferStep{}, Skips: []SkipStep{}}
	var err error
	if r.Explanation, err = Explain(ctx, db, person); err != nil || r.Rank == 0 {
		return r, err
	}
	return r, db.ReadTx(ctx, func(tx *data.Tx) error {
		slots, err := tx.Slots(ctx, r.Cohort)
		if err != nil {
			return err
		}
		name := map[int64]string{}
		for _, s := range slots {
			name[s.ID] = slotName(s)
		}
		offers, err := tx.OffersOf(ctx, r.Cohort, r.Ticket)
		if err != nil {
			return err
		}
		r.Offers = r.Offers[:0]
		for _, o := range offers {
			r.Offers = append(r.Offers, OfferStep{name[o.Slot], name[o.Second], o.Choice, o.State, o.OfferedAt.UTC(), o.Deadline.UTC(), o.EndedAt})
		}
		skips, err := tx.SkipsOf(ctx, r.Cohort, r.Ticket)
		if err != nil {
			return err
		}
		r.Skips = r.Skips[:0]
		for _, s := range skips {
			r.Skips = append(r.Skips, SkipStep{name[s.Slot], s.Reason, s.Batch.UTC()})
		}
		return nil
	})
}

// Write tells an official, with every number that the result follows from.
// Times are the campaign's.
func (r Record) Write(w io.Writer, c *cohort.Campaign) error {
	at := func(t time.Time) string { return t.In(c.Location).Format("2006-01-02 15:04") }
	say := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	say("%s  cohort %s (%s): %s", r.Key, r.CohortKey, r.CohortState, r.State)
	if r.Rank == 0 {
		return nil
	}
	say("  rank     %d of %d", r.Rank, r.Tickets)
	pool := r.Pool
	if pool == "" {
		pool = "none"
	}
	say("  class    size %d, doses %d, pool %s; %d in the drum", r.Size, r.Doses, pool, r.Weight)
	if r.LeftOut {
		say("  left out of the draw, and recorded since: the rank is the one that the ticket would have had")
	}
	say("  draw     %s, leaf %d", r.Draw.DrawID, r.Draw.Leaf)
	say("  root     %s", r.Draw.Root)
	say("  seed     %s", r.Draw.Seed)
	for _, x := range r.Choices {
		verdict := "refused"
		switch {
		case x.Granted:
			verdict = "granted: some slot has no cut-off, or one above the rank"
		case x.Open > 0:
			verdict = "not needed: an earlier choice was granted"
		case len(x.Slots) == 0:
			verdict = "no slot of the draw is in it"
		}
		say("  choice %d  %s", x.Choice, verdict)
		for _, s := range x.Slots {
			cut := "none"
			if s.CutOff > 0 {
				cut = fmt.Sprint(s.CutOff)
			}
			say("    %-44s %5d seats  cut-off %s", s.Slot, s.Seats, cut)
		}
	}
	if r.Place != nil {
		say("  place    %s %s %s, choice %d, by %s", r.Place.Clinic, at(r.Place.Starts), r.Place.Vaccine, r.Choice, r.Origin)
	}
	if r.Second != nil {
		say("  second   %s %s %s", r.Second.Clinic, at(r.Second.Starts), r.Second.Vaccine)
	}
	for _, o := range r.Offers {
		say("  offer    %s  %s%s, choice %d: %s, until %s", at(o.Offered), o.Slot, withSecond(o.Second), o.Choice, o.State, at(o.Deadline))
	}
	for _, s := range r.Skips {
		say("  skipped  %s  %s: %s", at(s.Since), s.Slot, s.Reason)
	}
	if r.Carries > 1 {
		say("  carries  %d into the next draw", r.Carries)
	}
	_, err := fmt.Fprintf(w, "  proof    jebi result proof %s --out FILE; it verifies against the public bundle of %s\n", r.Key, r.Draw.DrawID)
	return err
}

func withSecond(slot string) string {
	if slot == "" {
		return ""
	}
	return " and " + slot
}
