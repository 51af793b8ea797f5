package cycle

import (
	"context"
	"fmt"

	"jebi/cohort"
	"jebi/data"
)

// open opens an announced window. That it is durable and due stands in the
// facts.
func (r *Runner) open(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.SetState(ctx, s.row.ID, cohort.Announced, cohort.Open); err != nil {
		return err
	}
	return r.auditState(ctx, tx, s, cohort.Open, nil)
}

// closeWindow waits for the saves that are under way, and lets none follow.
func (r *Runner) closeWindow(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Lock(ctx, data.LockWindow, s.row.ID); err != nil {
		return err
	}
	// The window may have been paused or extended while this waited for its lock.
	row, err := tx.LockCohort(ctx, s.row.ID)
	if err != nil {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if row.State != cohort.Open || row.PausedAt != nil || now.Before(row.Closes) {
		return &data.WrongState{Cohort: row.ID, Want: cohort.Open}
	}
	if err := tx.SetState(ctx, row.ID, cohort.Open, cohort.Closed); err != nil {
		return err
	}
	return r.auditState(ctx, tx, s, cohort.Closed, nil)
}

// auditState writes the row of a step that the scheduler did.
func (r *Runner) auditState(ctx context.Context, tx *data.Tx, s situation, to cohort.State, after map[string]any) error {
	all := map[string]any{"state": to}
	for k, v := range after {
		all[k] = v
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: s.row.Campaign, Actor: data.System, Act: "cohort." + string(to), Subject: fmt.Sprintf("cohort:%d", s.row.ID),
		Before: map[string]any{"state": s.row.State}, After: all,
	})
}
