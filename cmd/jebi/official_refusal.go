package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"jebi/cohort/cycle"
	"jebi/cohort/intake"
	"jebi/data"
)

// auditRefusal puts an act that an official wanted done and that was refused
// on the audit trail, in a transaction of its own, and answers the refusal.
// What the act was to be done with is not kept: it may be a trustee's value
// before its time. subject is what it was about, "cohort:KEY" by key, "" for
// nothing in particular. Other errors pass through.
func auditRefusal(ctx context.Context, db *data.DB, campaignID int, act, subject, reason string, by data.Actor, refusal error) error {
	why := refusedWhy(refusal)
	if why == "" {
		return refusal
	}
	err := db.Tx(ctx, func(tx *data.Tx) error {
		if key, ok := cohortOf(subject); ok {
			if row, err := tx.CohortByKey(ctx, campaignID, key); err == nil {
				subject = fmt.Sprintf("cohort:%d", row.ID)
			} else if !errors.Is(err, data.ErrNotFound) {
				return err
			}
		}
		return tx.Audit(ctx, data.AuditRow{
			Campaign: campaignID, Actor: by, Act: act + ".refused", Subject: subject, Reason: reason, After: map[string]any{"why": why},
		})
	})
	return errors.Join(refusal, err)
}

// refusedWhy is why the rules or the state refuse something, "" where an error
// says something else.
func refusedWhy(err error) string {
	var r *data.Refusal
	var u *cycle.Unsound
	var closed *intake.Closed
	switch {
	case errors.As(err, &r):
		return r.Text
	case errors.As(err, &u):
		return u.Text
	case errors.As(err, &closed):
		return closed.Error()
	}
	return ""
}

// aboutCohort is the subject of an act whose params name a cohort by its key.
func aboutCohort(params any) string {
	body, ok := params.(json.RawMessage)
	if !ok {
		var err error
		if body, err = json.Marshal(params); err != nil {
			return ""
		}
	}
	var p struct {
		Cohort string `json:"cohort"`
	}
	if json.Unmarshal(body, &p) != nil || p.Cohort == "" {
		return ""
	}
	return "cohort:" + p.Cohort
}

func cohortOf(subject string) (key string, ok bool) {
	const prefix = "cohort:"
	if len(subject) <= len(prefix) || subject[:len(prefix)] != prefix {
		return "", false
	}
	return subject[len(prefix):], true
}
