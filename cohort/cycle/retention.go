package cycle

import (
	"context"
	"fmt"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
)

// keepSessions is how long sessions and sign-in requests are kept after they
// ran out: they count in the limits of a day, and a complaint about a sign-in
// comes within weeks.
const keepSessions = 30 * 24 * time.Hour

// duty does a campaign's own recurring work where its expression asks for it,
// in a transaction under the campaign's lock, and says whether it did. Who
// finds the lock taken leaves it to the next tick.
func (r *Runner) duty(ctx context.Context, c *cohort.Campaign, row data.CampaignRow, name, expression string, do func(tx *data.Tx, now time.Time) error) (bool, error) {
	if expression == "" {
		return false, nil
	}
	schedule, err := campaign.ParseSchedule(expression, c.Location)
	if err != nil {
		return false, fmt.Errorf("campaign %s: %w", row.Key, err)
	}
	done := false
	err = r.DB.Tx(ctx, func(tx *data.Tx) error {
		done = false
		due := func() (now time.Time, yes bool, err error) {
			if now, err = tx.Now(ctx); err != nil {
				return now, false, err
			}
			last, err := tx.LastRun(ctx, row.ID, name)
			return now, last.IsZero() || !now.Before(schedule.Next(last)), err
		}
		if _, yes, err := due(); err != nil || !yes {
			return err
		}
		if ok, err := tx.TryLock(ctx, data.LockCampaign, row.ID); err != nil || !ok {
			return err
		}
		now, yes, err := due() // another program may just have done it
		if err != nil || !yes {
			return err
		}
		if err := tx.Ran(ctx, row.ID, name, now); err != nil {
			return err
		}
		done = true
		return do(tx, now)
	})
	return done && err == nil, err
}

// retention deletes what is no longer needed, when that is due.
func (r *Runner) retention(ctx context.Context, c *cohort.Campaign, row data.CampaignRow) error {
	_, err := r.duty(ctx, c, row, "retention", c.Recurring.Retention, func(tx *data.Tx, now time.Time) error {
		done, err := Retain(ctx, tx, c, row.ID, now)
		for _, what := range done {
			r.log().Info("retention", "campaign", row.Key, "done", what)
		}
		return err
	})
	return err
}

// Retain deletes what a campaign needs no more at now, with its audit rows:
// sessions and sign-in requests a month after they ran out, drafts once a
// window is frozen, and everything personal of a cohort's people once it has
// ended rules.keep_for ago and their last appointment is past; with the last
// cohort, that of the people of none. It says what it did.
func Retain(ctx context.Context, tx *data.Tx, c *cohort.Campaign, campaignID int, now time.Time) ([]string, error) {
	var done []string
	swept, err := tx.Sweep(ctx, campaignID, now.Add(-keepSessions))
	if err != nil {
		return nil, err
	}
	if swept.Any() {
		if err := tx.Audit(ctx, data.AuditRow{
			Campaign: campaignID, Actor: data.System, Act: "retention.sweep", Subject: fmt.Sprintf("campaign:%d", campaignID), Reason: "no longer needed", After: swept,
		}); err != nil {
			return nil, err
		}
		done = append(done, "sweep")
	}
	kept, err := tx.Kept(ctx, campaignID)
	if err != nil {
		return nil, err
	}
	today := now.In(c.Location).Format(time.DateOnly)
	why := fmt.Sprintf("%d days after the end", int(c.Rules.KeepFor.Hours()/24))
	for _, k := range kept {
		if now.Before(k.Ended.Add(c.Rules.KeepFor)) || k.Last >= today {
			continue
		}
		if _, err := tx.PurgeCohort(ctx, k.Cohort, why); err != nil {
			return nil, err
		}
		done = append(done, "purge "+k.Key)
	}
	since, err := tx.Leftover(ctx, campaignID)
	if err != nil || since.IsZero() || now.Before(since.Add(c.Rules.KeepFor)) {
		return done, err
	}
	if kept, err = tx.Kept(ctx, campaignID); err != nil || len(kept) > 0 {
		return done, err
	}
	if _, err := tx.Purge(ctx, campaignID, why, data.System); err != nil {
		return nil, err
	}
	return append(done, "purge"), nil
}
