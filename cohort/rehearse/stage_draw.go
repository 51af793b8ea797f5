package rehearse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
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
		a, err := cycle.Announce(ctx, tx, r.campaign, g.rule.Key, r.Random, nil, by, "rehearsal")
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
	if err := r.at(ctx, g.rule.DrawAt.Add(-time.Hour)); err != nil {
		return "", err
	}
	if err := r.throwAndReveal(ctx, g); err != nil {
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
	return fmt.Sprintf("%d tickets, %d places", stats[0].Tickets, stats[0].DrawAssigned), nil
}

// throwAndReveal records the offline profile in its order: envelopes handed
// in, dice thrown, envelopes opened. Each is an act of two. The values are
// samples: the dice come from the rehearsal's seed.
func (r *Rehearsal) throwAndReveal(ctx context.Context, g *group) error {
	key := g.rule.Key
	var trustees []int
	var digits int
	for _, s := range g.rule.Sources {
		switch s.Type {
		case lottery.SourceTrustee:
			trustees = append(trustees, int(s.Index))
		case lottery.SourceDice:
			digits = s.Digits
		}
	}
	err := r.two(ctx, "draw.envelopes", map[string]any{"cohort": key, "handed_in": trustees}, func(tx *data.Tx, by data.Actor) error {
		return cycle.Envelopes(ctx, tx, r.row.ID, key, trustees, nil, "rehearsal", by)
	})
	if err != nil {
		return err
	}
	thrown := throwDice(rand.New(rand.NewPCG(r.Seed, uint64(g.id))), digits)
	err = r.two(ctx, "draw.dice", map[string]any{"cohort": key, "digits": thrown}, func(tx *data.Tx, by data.Actor) error {
		return cycle.Dice(ctx, tx, r.row.ID, key, thrown, "rehearsal", by)
	})
	if err != nil {
		return err
	}
	for _, index := range trustees {
		held, err := r.envelope(r.campaign.DrawID(key), index)
		if err != nil {
			return err
		}
		err = r.two(ctx, "draw.reveal", map[string]any{"cohort": key, "trustee": index, "held": held.String()}, func(tx *data.Tx, by data.Actor) error {
			matched, err := cycle.Reveal(ctx, tx, r.row.ID, key, index, held[:], "rehearsal", by)
			if err == nil && !matched {
				err = fmt.Errorf("the envelope of trustee %d does not match its commitment", index)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Rehearsal) envelope(draw string, index int) (lottery.Hash, error) {
	for _, t := range r.Sample.Trustees {
		if t.DrawID == draw && int(t.Index) == index {
			return t.Value, nil
		}
	}
	return lottery.Hash{}, fmt.Errorf("the sample has no envelope of trustee %d for %s", index, draw)
}

func throwDice(r *rand.Rand, digits int) string {
	var b strings.Builder
	for range digits {
		b.WriteByte(byte('0' + r.IntN(10)))
	}
	return b.String()
}
