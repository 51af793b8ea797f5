package data

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"jebi/cohort"
)

// Times are a cohort's window and what is due after it.
type Times struct {
	Opens     time.Time `json:"opens"`
	Closes    time.Time `json:"closes"`
	DrawAt    time.Time `json:"draw_at"`
	PublishAt time.Time `json:"publish_at"`
	ConfirmBy time.Time `json:"confirm_by"`
	SettleAt  time.Time `json:"settle_at"`
}

// Times are the row's.
func (c CohortRow) Times() Times {
	return Times{c.Opens, c.Closes, c.DrawAt, c.PublishAt, c.ConfirmBy, c.SettleAt}
}

// Extended gives the times of a window that closes at until: draw, publication
// and the time to confirm come as much later as the close; the end of the
// waitlist stays where it is, if it can.
func (t Times) Extended(until time.Time) Times {
	by := until.Sub(t.Closes)
	t.Closes, t.DrawAt, t.PublishAt, t.ConfirmBy = until, t.DrawAt.Add(by), t.PublishAt.Add(by), t.ConfirmBy.Add(by)
	if t.SettleAt.Before(t.ConfirmBy) {
		t.SettleAt = t.ConfirmBy
	}
	return t
}

// windowEntry is what the board says of a window that was changed.
type windowEntry struct {
	DrawID string `json:"draw_id"`
	Act    string `json:"act"` // "pause", "resume", "extend"
	Reason string `json:"reason"`
	Times
}

// PauseWindow lets a window take no more ballots until it is resumed; its
// times stay. It waits for saves that are under way. It answers *Refusal where
// there is nothing to pause.
func (tx *Tx) PauseWindow(ctx context.Context, cohortID int, reason string, by Actor) (CohortRow, error) {
	return tx.changeWindow(ctx, cohortID, "pause", reason, by, func(r CohortRow, now time.Time) (string, []any, error) {
		switch {
		case r.PausedAt != nil:
			return "", nil, refuse("the window of cohort %s is paused already", r.Key)
		case !now.Before(r.Closes):
			return "", nil, refuse("the window of cohort %s is past", r.Key)
		}
		return `UPDATE cohort SET paused_at = jebi_now() WHERE id = $1`, []any{cohortID}, nil
	})
}

// ResumeWindow lets a paused window take ballots again. One whose close came
// while it was paused is closed by the scheduler then: who wants it to stay
// open extends it first.
func (tx *Tx) ResumeWindow(ctx context.Context, cohortID int, reason string, by Actor) (CohortRow, error) {
	return tx.changeWindow(ctx, cohortID, "resume", reason, by, func(r CohortRow, _ time.Time) (string, []any, error) {
		if r.PausedAt == nil {
			return "", nil, refuse("the window of cohort %s is not paused", r.Key)
		}
		return `UPDATE cohort SET paused_at = NULL WHERE id = $1`, []any{cohortID}, nil
	})
}

// ExtendWindow gives an announced or open window later times: an act of two,
// so by names both officials. It answers *Refusal where the window closes no
// later than before, or is closed.
func (tx *Tx) ExtendWindow(ctx context.Context, cohortID int, to Times, reason string, by Actor) (CohortRow, error) {
	return tx.changeWindow(ctx, cohortID, "extend", reason, by, func(r CohortRow, now time.Time) (string, []any, error) {
		switch {
		case !to.Closes.After(r.Closes):
			return "", nil, refuse("a window is only ever extended: that of cohort %s closes %s", r.Key, r.Closes.Format(time.RFC3339))
		case !to.Closes.After(now):
			return "", nil, refuse("the new close of cohort %s is past", r.Key)
		case to.DrawAt.Before(to.Closes) || to.PublishAt.Before(to.DrawAt) || to.ConfirmBy.Before(to.PublishAt) || to.SettleAt.Before(to.ConfirmBy):
			return "", nil, refuse("the times of cohort %s must come in order: close, draw, publication, confirmation, end of the waitlist", r.Key)
		}
		return `UPDATE cohort SET closes_at = $2, draw_at = $3, publish_at = $4, confirm_by = $5, settle_at = $6 WHERE id = $1`,
			[]any{cohortID, to.Closes, to.DrawAt, to.PublishAt, to.ConfirmBy, to.SettleAt}, nil
	})
}

// changeWindow is the use case of all three: under the window's lock, with the
// entry on the board, the audit row and a message to everyone of the cohort.
func (tx *Tx) changeWindow(ctx context.Context, cohortID int, act, reason string, by Actor, change func(CohortRow, time.Time) (string, []any, error)) (CohortRow, error) {
	if reason == "" {
		return CohortRow{}, refuse("a change of a window needs a reason")
	}
	if err := tx.Lock(ctx, LockWindow, cohortID); err != nil {
		return CohortRow{}, err
	}
	old, err := tx.LockCohort(ctx, cohortID)
	if err != nil {
		return old, err
	}
	switch old.State {
	case cohort.Announced, cohort.Open:
	case cohort.Draft:
		return old, refuse("cohort %s is not announced yet: change its times in the campaign file", old.Key)
	default:
		return old, refuse("the window of cohort %s is past: the cohort is %s", old.Key, old.State)
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return old, err
	}
	sql, args, err := change(old, now)
	if err != nil {
		return old, err
	}
	if _, err := tx.tx.Exec(ctx, sql, args...); err != nil {
		return old, fmt.Errorf("%s the window of cohort %d: %w", act, cohortID, err)
	}
	r, err := tx.Cohort(ctx, cohortID)
	if err != nil {
		return r, err
	}
	if err := tx.tellWindow(ctx, r, act, reason, now); err != nil {
		return r, err
	}
	return r, tx.Audit(ctx, AuditRow{
		Campaign: r.Campaign, Actor: by, Act: "window." + act, Subject: fmt.Sprintf("cohort:%d", r.ID), Reason: reason,
		Before: windowAudit(old), After: windowAudit(r),
	})
}

func windowAudit(r CohortRow) any {
	return struct {
		Times
		PausedAt *time.Time `json:"paused_at"`
	}{r.Times(), r.PausedAt}
}

// tellWindow puts the change on the board and tells everyone of the cohort,
// unless there is nothing left that they could do.
func (tx *Tx) tellWindow(ctx context.Context, r CohortRow, act, reason string, now time.Time) error {
	var campaignKey string
	if err := tx.tx.QueryRow(ctx, `SELECT key FROM campaign WHERE id = $1`, r.Campaign).Scan(&campaignKey); err != nil {
		return fmt.Errorf("campaign %d: %w", r.Campaign, err)
	}
	c := cohort.Campaign{Key: campaignKey}
	body, err := json.Marshal(windowEntry{c.DrawID(r.Key), act, reason, r.Times()})
	if err != nil {
		return err
	}
	entry, err := tx.Post(ctx, r.Campaign, r.ID, "window", body)
	if err != nil {
		return err
	}
	if !now.Before(r.Closes) {
		return nil
	}
	people, err := tx.peopleOf(ctx, r.ID)
	if err != nil {
		return err
	}
	return tx.TellEach(ctx, Message{
		Campaign: r.Campaign, Event: fmt.Sprintf("window/%d/%d", r.ID, entry), Kind: "window_changed",
		Params: map[string]any{"cohort": r.ID, "change": act, "opens": r.Opens, "closes": r.Closes, "publish_at": r.PublishAt},
	}, people)
}

// peopleOf lists the eligible people of a cohort.
func (tx *Tx) peopleOf(ctx context.Context, cohortID int) ([]int64, error) {
	var people []int64
	err := tx.tx.QueryRow(ctx, `SELECT COALESCE(array_agg(id ORDER BY id), '{}') FROM person WHERE cohort_id = $1 AND status = 'eligible'`, cohortID).Scan(&people)
	if err != nil {
		return nil, fmt.Errorf("people of cohort %d: %w", cohortID, err)
	}
	return people, nil
}
