package data

import (
	"context"
	"fmt"
)

// KeepSeats keeps seats of a closed window's slots back from its draw: the
// reserve, slot by slot.
func (tx *Tx) KeepSeats(ctx context.Context, slots []int64, kept []int) error {
	if _, err := tx.tx.Exec(ctx, `
		UPDATE slot SET kept_seats = x.kept FROM unnest($1::bigint[], $2::int[]) AS x (id, kept) WHERE slot.id = x.id AND slot.kept_seats <> x.kept`,
		slots, kept); err != nil {
		return fmt.Errorf("reserve of %d slots: %w", len(slots), err)
	}
	return nil
}

// TakeKept gives seats of a slot's reserve to places that are about to be
// written. The caller has seen that there are so many.
func (tx *Tx) TakeKept(ctx context.Context, slot int64, seats int) error {
	tag, err := tx.tx.Exec(ctx, `
		UPDATE slot SET kept_seats = kept_seats - $2, released_seats = released_seats + $2 WHERE id = $1 AND kept_seats >= $2`, slot, seats)
	if err != nil {
		return fmt.Errorf("reserve of slot %d: %w", slot, err)
	}
	if tag.RowsAffected() != 1 {
		return refuse("slot %d has no %d seats in reserve any more", slot, seats)
	}
	return nil
}

// GivenPlace is a place that an act of two gives after the draw.
type GivenPlace struct {
	Campaign, Cohort int
	Person           int64
	Rank             int
	Slot, Second     int64 // Second 0: none
	Choice           int
	Origin           string // "reserve" or "correction"
	State            string // "assigned" or "confirmed"
}

// GivePlace writes it.
func (tx *Tx) GivePlace(ctx context.Context, p GivenPlace) error {
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, second_id, choice, origin, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		p.Campaign, p.Cohort, p.Person, p.Rank, p.Slot, orNull(p.Second), p.Choice, p.Origin, p.State); err != nil {
		return fmt.Errorf("place of person %d: %w", p.Person, err)
	}
	return nil
}
