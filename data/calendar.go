package data

import (
	"context"
	"fmt"
)

// CalendarPlace is the newest place that a person was given, alive or ended, as
// her calendar needs it.
type CalendarPlace struct {
	State  string // of AssignmentRow
	Place  Place
	Second *Place // nil: one dose
	// Changes counts what became of her places so far: each new place, and each end of one. It only grows.
	Changes int
}

// CalendarPlace reads it. The error wraps ErrNotFound where she never had a
// place, and before publication.
func (db *DB) CalendarPlace(ctx context.Context, person int64) (a CalendarPlace, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error {
		r, err := tx.ResultOf(ctx, person)
		if err != nil {
			return err
		}
		places, err := tx.Assignments(ctx, person)
		if err != nil {
			return err
		}
		if r.Rank == 0 || len(places) == 0 {
			return fmt.Errorf("calendar of person %d: %w", person, ErrNotFound)
		}
		newest := places[0]
		a = CalendarPlace{State: newest.State}
		for _, p := range places {
			a.Changes++
			if !p.Alive() {
				a.Changes++
			}
		}
		place, err := tx.place(ctx, newest.Slot)
		if err != nil {
			return err
		}
		a.Place = *place
		if newest.Second != 0 {
			a.Second, err = tx.place(ctx, newest.Second)
		}
		return err
	})
	return a, err
}
