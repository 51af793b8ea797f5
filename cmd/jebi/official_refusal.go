package main

import (
	"context"
	"errors"

	"jebi/data"
)

// auditRefusal puts an act that an official wanted done and that was refused
// on the audit trail, in a transaction of its own, and answers the refusal.
// What the act was to be done with is not kept: it may be a trustee's value
// before its time. Other errors pass through.
func auditRefusal(ctx context.Context, db *data.DB, campaignID int, act, reason string, by data.Actor, refusal error) error {
	var r *data.Refusal
	if !errors.As(refusal, &r) {
		return refusal
	}
	err := db.Tx(ctx, func(tx *data.Tx) error {
		return tx.Audit(ctx, data.AuditRow{
			Campaign: campaignID, Actor: by, Act: act + ".refused", Reason: reason, After: map[string]any{"why": r.Text},
		})
	})
	return errors.Join(refusal, err)
}
