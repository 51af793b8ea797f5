package data

import (
	"context"
	"fmt"
	"time"

	"jebi/cohort"
)

// MoreSeats are seats that come after the import.
type MoreSeats struct {
	Clinic  string // key
	Date    string // "2021-07-26"
	Block   string // "0900"
	Vaccine string
	Seats   int
	Cohort  string // key of the cohort that gets them; "": shared out to the drafts as the campaign file says
	Second  bool   // for second doses only; with a Cohort
}

// SeatsAdded says what became of them.
type SeatsAdded struct {
	Slot   int64        `json:"-"`
	Cohort string       `json:"cohort"` // "" for the drafts
	State  cohort.State `json:"state"`
	Before int          `json:"before"` // seats of the slot, or of the supply for the drafts
	After  int          `json:"after"`
	Draw   bool         `json:"draw"` // they take part in the draw; otherwise they are offered after it
}

// AddSeats adds seats to a slot, or a slot, after the import. Those of an
// announced cohort's slot that the draw knows take part in it; others are a
// later release: they go on the board before the first batch that offers them.
// While a draw is frozen its supply stands still. Errors: *BadValue, *Refusal,
// ErrNotFound.
func (tx *Tx) AddSeats(ctx context.Context, c *cohort.Campaign, campaign int, m MoreSeats, reason string, by Actor) (SeatsAdded, error) {
	var out SeatsAdded
	if err := tx.Lock(ctx, LockImport, campaign); err != nil {
		return out, err
	}
	slot, err := readSlot(c, m)
	if err != nil {
		return out, err
	}
	clinic, err := tx.Clinic(ctx, campaign, m.Clinic)
	if err != nil {
		return out, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return out, err
	}
	if !slot.starts.After(now) {
		return out, refuse("the slot begins in the past: %s", slot.starts.Format("2006-01-02 15:04"))
	}
	if m.Second {
		switch o := c.CohortByKey(m.Cohort); {
		case m.Cohort == "":
			return out, refuse("seats for second doses go to a cohort: --cohort KEY; the drafts get theirs from the supply, as the campaign file says")
		case o != nil && o.Doses != 2:
			return out, refuse("cohort %s has one dose: it takes no seats for second doses", o.Key)
		}
	}
	slot.clinic, slot.second = clinic.ID, m.Second
	fail := func(err error) (SeatsAdded, error) {
		return out, fmt.Errorf("add seats at clinic %s: %w", clinic.Key, err)
	}
	var supply int
	err = tx.tx.QueryRow(ctx, `
		INSERT INTO supply AS p (campaign_id, clinic_id, date, block, vaccine, seats, imported, given) VALUES ($1, $2, $3, $4, $5, $6, 0, CASE WHEN $7 THEN $6 ELSE 0 END)
		ON CONFLICT (campaign_id, clinic_id, date, block, vaccine) DO UPDATE SET seats = p.seats + EXCLUDED.seats, given = p.given + EXCLUDED.given RETURNING seats`,
		campaign, clinic.ID, slot.date, slot.block, slot.vaccine, m.Seats, m.Cohort != "").Scan(&supply)
	if hasCode(err, "23514") {
		return out, refuse("a slot holds at most 10000 seats")
	}
	if err != nil {
		return fail(err)
	}
	if m.Cohort == "" {
		changed, err := tx.MakeSlots(ctx, c, campaign)
		if err != nil {
			return out, err
		}
		if !changed {
			return out, refuse("no cohort that is still a draft takes these seats; name the cohort that gets them: --cohort KEY")
		}
		out = SeatsAdded{State: cohort.Draft, Before: supply - m.Seats, After: supply, Draw: true}
	} else if out, err = tx.addToCohort(ctx, campaign, slot, m); err != nil {
		return out, err
	}
	return out, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "clinics.add", Subject: subject("clinic", clinic.Key), Reason: reason,
		Before: map[string]any{"seats": out.Before},
		After: map[string]any{
			"cohort": out.Cohort, "slot": out.Slot, "date": m.Date, "block": slot.block, "vaccine": slot.vaccine, "second": slot.second, "seats": out.After, "draw": out.Draw,
		},
	})
}

// readSlot checks what was typed about a slot.
func readSlot(c *cohort.Campaign, m MoreSeats) (madeSlot, error) {
	var s madeSlot
	bad := func(column, code string) (madeSlot, error) {
		return s, &BadValue{ImportError{Column: column, Code: code, Text: ImportText(code)}}
	}
	date, code := readDate(m.Date, TextDates, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC))
	if code != "" || m.Date == "" {
		return bad("date", "date")
	}
	if s.block, code = readBlock(m.Block, TextDates); code != "" || s.block == "" {
		return bad("block", "block")
	}
	if s.part = c.PartOf(s.block); s.part == "" {
		return bad("block", "block_outside")
	}
	if s.vaccine = digits(m.Vaccine); !wordForm.MatchString(s.vaccine) {
		return bad("vaccine", "vaccine")
	}
	if m.Seats < 1 || m.Seats > 10000 {
		return bad("seats", "seats")
	}
	s.date, s.starts = date, startsAt(date, s.block, c.Location)
	return s, nil
}

// startsAt is the moment when a block begins.
func startsAt(date time.Time, block string, zone *time.Location) time.Time {
	t, err := time.Parse("1504", block)
	if err != nil {
		panic(err) // the schema and readBlock let no other through
	}
	return time.Date(date.Year(), date.Month(), date.Day(), t.Hour(), t.Minute(), 0, 0, zone)
}

func (tx *Tx) addToCohort(ctx context.Context, campaign int, slot madeSlot, m MoreSeats) (SeatsAdded, error) {
	var out SeatsAdded
	row, err := tx.CohortByKey(ctx, campaign, m.Cohort)
	if err != nil {
		return out, err
	}
	if err := tx.LockShared(ctx, LockWindow, row.ID); err != nil { // no freeze meanwhile
		return out, err
	}
	if row, err = tx.Cohort(ctx, row.ID); err != nil {
		return out, err
	}
	switch row.State {
	case cohort.Draft:
		return out, refuse("cohort %s is a draft: its slots are made from the supply; leave --cohort out", row.Key)
	case cohort.Frozen, cohort.Drawn:
		return out, refuse("cohort %s is %s: its supply stands still until its result is published; add the seats after that", row.Key, row.State)
	case cohort.Settled, cohort.Void:
		return out, refuse("cohort %s is %s: nobody waits for seats any more", row.Key, row.State)
	}
	out = SeatsAdded{Cohort: row.Key, State: row.State}
	err = tx.tx.QueryRow(ctx, `
		INSERT INTO slot AS s (campaign_id, cohort_id, clinic_id, date, block, part, vaccine, starts_at, seats, second)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (cohort_id, clinic_id, date, block, vaccine, second) DO UPDATE SET seats = s.seats + EXCLUDED.seats
		RETURNING id, seats - $9, seats, position IS NOT NULL`,
		campaign, row.ID, slot.clinic, slot.date, slot.block, slot.part, slot.vaccine, slot.starts, m.Seats, slot.second).
		Scan(&out.Slot, &out.Before, &out.After, &out.Draw)
	if err != nil {
		return out, fmt.Errorf("add seats to cohort %s: %w", row.Key, err)
	}
	out.Draw = out.Draw && !row.State.Since(cohort.Frozen)
	return out, nil
}
