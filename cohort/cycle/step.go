package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
)

// step does the first thing that is due for a cohort, in a transaction that
// reads the facts itself, and answers what it was; "" where nothing is due.
func (r *Runner) step(ctx context.Context, c *cohort.Campaign, cohortID int) (cohort.Action, error) {
	s, err := r.look(ctx, c, cohortID)
	if err != nil || len(s.due) == 0 {
		return "", err
	}
	if s.due[0] == cohort.RunDraw {
		held, err := r.DB.HoldLock(ctx, data.LockDraw, cohortID, func(ctx context.Context) error { return r.draw(ctx, c, s.row) })
		if err != nil || !held { // another program draws
			return "", r.refusedStep(ctx, s.row, s.drawID, cohort.RunDraw, err)
		}
		return cohort.RunDraw, nil
	}
	var done cohort.Action
	err = r.DB.Tx(ctx, func(tx *data.Tx) error {
		done = ""
		if err := tx.Lock(ctx, data.LockCampaign, s.row.Campaign); err != nil {
			return err
		}
		s, err := r.facts(ctx, tx, c, cohortID)
		if err != nil || len(s.due) == 0 || s.due[0] == cohort.RunDraw {
			return err
		}
		done = s.due[0]
		return r.do(ctx, tx, s, done)
	})
	var late *data.WrongState
	if errors.As(err, &late) { // another program was faster: the facts say so the next time
		return "", nil
	}
	return done, r.refusedStep(ctx, s.row, s.drawID, done, err)
}

// Due lists what is due for a cohort now, without doing it.
func (r *Runner) Due(ctx context.Context, c *cohort.Campaign, cohortID int) ([]cohort.Action, error) {
	s := situation{}
	err := r.DB.ReadTx(ctx, func(tx *data.Tx) (err error) { s, err = r.facts(ctx, tx, c, cohortID); return err })
	if s.due == nil {
		s.due = []cohort.Action{}
	}
	return s.due, err
}

// situation is one cohort at one moment.
type situation struct {
	campaign *cohort.Campaign
	cohort   *cohort.Cohort // of the campaign file
	row      data.CohortRow
	facts    cohort.Facts
	now      time.Time
	due      []cohort.Action
	drawID   string
}

// look reads the facts without a lock, so that a tick that finds nothing to
// do disturbs nobody.
func (r *Runner) look(ctx context.Context, c *cohort.Campaign, cohortID int) (s situation, err error) {
	err = r.DB.ReadTx(ctx, func(tx *data.Tx) error { s, err = r.facts(ctx, tx, c, cohortID); return err })
	if err == nil {
		err = r.warn(ctx, s)
	}
	return s, err
}

func (r *Runner) facts(ctx context.Context, tx *data.Tx, c *cohort.Campaign, cohortID int) (situation, error) {
	row, err := tx.Cohort(ctx, cohortID)
	if err != nil {
		return situation{}, err
	}
	s := situation{campaign: c, cohort: c.CohortByKey(row.Key), row: row, drawID: c.DrawID(row.Key)}
	if s.cohort == nil {
		return s, fmt.Errorf("cohort %s is not in the campaign file", row.Key)
	}
	course, err := tx.Course(ctx, row)
	if err != nil {
		return s, err
	}
	durable, _, err := tx.Durable(ctx)
	if err != nil {
		return s, err
	}
	s.now = course.Now
	s.facts = cohort.Facts{
		State: row.State, Opens: row.Opens, Closes: row.Closes, DrawAt: row.DrawAt, PublishAt: row.PublishAt,
		ConfirmBy: row.ConfirmBy, SettleAt: row.SettleAt, Paused: row.PausedAt != nil, Durable: durable,
		Sources: course.Sources, Verified: course.Verified, Unconfirmed: course.Unconfirmed, Waiting: course.Waiting, Lapse: course.Lapse,
	}
	if row.State == cohort.Published {
		if s.facts.Refill, err = r.nextRun(ctx, tx, s, "refill/"+row.Key, c.Recurring.Refill); err != nil {
			return s, err
		}
	}
	if reminds(row.State) {
		if s.facts.Remind, err = r.nextReminder(ctx, tx, s); err != nil {
			return s, err
		}
	}
	s.due = cohort.Step(s.facts, s.now)
	return s, nil
}

// nextRun is when recurring work is due: the first time of its expression
// after it ran last or, where it never did, after the cohort came into its
// state.
func (r *Runner) nextRun(ctx context.Context, tx *data.Tx, s situation, name, expression string) (time.Time, error) {
	if expression == "" {
		return time.Time{}, nil
	}
	last, err := tx.LastRun(ctx, s.row.Campaign, name)
	if err != nil {
		return time.Time{}, err
	}
	if last.Before(s.row.StateAt) {
		last = s.row.StateAt
	}
	schedule, err := campaign.ParseSchedule(expression, s.campaign.Location)
	if err != nil {
		return time.Time{}, err
	}
	return schedule.Next(last), nil
}

// do carries out one action that is due, inside its transaction.
func (r *Runner) do(ctx context.Context, tx *data.Tx, s situation, a cohort.Action) error {
	switch a {
	case cohort.OpenWindow:
		return r.open(ctx, tx, s)
	case cohort.CloseWindow:
		return r.closeWindow(ctx, tx, s)
	case cohort.FreezeBallots:
		return r.freeze(ctx, tx, s)
	case cohort.PublishResult:
		return r.publish(ctx, tx, s)
	case cohort.LapseUnconfirmed:
		return r.lapseUnconfirmed(ctx, tx, s)
	case cohort.LapseOffers:
		return r.lapseOffers(ctx, tx, s)
	case cohort.RefillOffers:
		return r.refill(ctx, tx, s)
	case cohort.SendReminders:
		return r.remind(ctx, tx, s)
	case cohort.Settle:
		return r.settle(ctx, tx, s)
	}
	return fmt.Errorf("cycle: %s is not done in a transaction", a)
}

// warn tells officials, once each, what keeps a cohort from going on.
func (r *Runner) warn(ctx context.Context, s situation) error {
	var about, why string
	switch {
	case s.row.State == cohort.Announced && !s.facts.Durable && !s.now.Before(s.row.Opens):
		if _, text, err := r.DB.Durable(ctx); err == nil {
			why = text
		}
		about = "not_durable"
		r.log().Error("the window is not opened", "cohort", s.row.Key, "why", why)
	case s.row.State == cohort.Open && s.facts.Paused && !s.now.Before(s.row.Closes):
		about = "paused_past_close"
	default:
		return nil
	}
	return r.DB.Tx(ctx, func(tx *data.Tx) error {
		return r.tellOfficials(ctx, tx, s, about, fmt.Sprintf("%s/%d/%d", about, s.row.ID, s.row.Closes.Unix()), map[string]any{"settings": why})
	})
}

// tellOfficials queues a message to the officials' mailbox.
func (r *Runner) tellOfficials(ctx context.Context, tx *data.Tx, s situation, about, event string, params map[string]any) error {
	return tellStep(ctx, tx, s.row, s.drawID, about, event, params)
}

// seal chains the new rows of audit, board and histories, when that is due.
func (r *Runner) seal(ctx context.Context, c *cohort.Campaign, row data.CampaignRow) error {
	due, err := r.duty(ctx, c, row, "seal", c.Recurring.Seal, func(*data.Tx, time.Time) error { return nil })
	if err != nil || !due {
		return err
	}
	_, err = r.DB.SealAll(ctx)
	if errors.Is(err, data.ErrSealBusy) {
		return nil
	}
	return err
}

// reminds says in which states there is somebody to remind.
func reminds(s cohort.State) bool {
	return slices.Contains([]cohort.State{cohort.Open, cohort.Published, cohort.Settled}, s)
}
