package rehearse

import (
	"context"
	"fmt"
	"time"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
)

// announce puts every cohort's manifest on the board, and opens the first
// window on time.
func (r *Rehearsal) announce(ctx context.Context) (string, error) {
	slots := 0
	for _, g := range r.cohorts {
		n, err := r.announceOne(ctx, g)
		if err != nil {
			return "", err
		}
		slots += n
	}
	if err := r.send(ctx); err != nil {
		return "", err
	}
	if err := r.at(ctx, r.cohorts[0].rule.Opens); err != nil {
		return "", err
	}
	if err := r.mustBe(ctx, r.cohorts[0], cohort.Open); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d manifests on the board, %d slots, %d messages", len(r.cohorts), slots, r.summary.Messages.Sent), nil
}

// announceOne puts a cohort's manifest on the board and answers how many slots
// its supply has.
func (r *Rehearsal) announceOne(ctx context.Context, g *group) (slots int, err error) {
	err = r.two(ctx, "draw.announce", map[string]any{"cohort": g.rule.Key}, func(tx *data.Tx, by data.Actor) error {
		a, err := cycle.Announce(ctx, tx, r.campaign, g.rule.Key, r.Random, r.operator, by, "rehearsal")
		slots = a.Slots
		return err
	})
	return slots, err
}

// mustBe checks that the scheduler has brought a cohort where it should be.
func (r *Rehearsal) mustBe(ctx context.Context, g *group, want cohort.State) error {
	row, err := r.DB.CohortByKey(ctx, r.row.ID, g.rule.Key)
	if err != nil {
		return err
	}
	if row.State != want {
		return fmt.Errorf("cohort %s is %s, it should be %s by now", g.rule.Key, row.State, want)
	}
	return nil
}

// drawCohort brings a cohort from the close of its window to the draw.
func (r *Rehearsal) drawCohort(ctx context.Context, g *group) (string, error) {
	if err := r.at(ctx, g.rule.Closes); err != nil {
		return "", err
	}
	if err := r.mustBe(ctx, g, cohort.Frozen); err != nil {
		return "", err
	}
	if err := r.at(ctx, g.rule.Closes.Add(time.Hour)); err != nil {
		return "", err
	}
	if err := r.cosign(ctx, g); err != nil {
		return "", err
	}
	if err := r.at(ctx, g.rule.DrawAt.Add(-time.Hour)); err != nil {
		return "", err
	}
	if err := r.randomness(ctx, g); err != nil {
		return "", err
	}
	if err := r.at(ctx, g.rule.DrawAt); err != nil {
		return "", err
	}
	if err := r.mustBe(ctx, g, cohort.Drawn); err != nil {
		return "", err
	}
	stats, err := r.DB.Stats(ctx, r.row.ID, g.id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; %d tickets, %d places", r.ceremony(g), stats[0].Tickets, stats[0].DrawAssigned), nil
}
