package cycle

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
	"jebi/lottery"
)

// oddsLeast is how long odds stand at least: whoever saw two of them shortly
// one after the other could see a single ballot.
const oddsLeast = time.Hour

// The trial draws of a cohort: fewer of many ballots, where each says more and
// takes longer.
const (
	mostTrials  = 40
	leastTrials = 8
	trialWork   = 4_000_000 // tickets, all trials together
)

// TickOdds makes the trial draws that are due, of every cohort whose window is
// open. Like Tick it goes by the facts: when the odds that stand were made
// says whether new ones are due. It holds no transaction while it thinks, and
// nothing waits for it.
func (r *Runner) TickOdds(ctx context.Context) error {
	if r.Random == nil {
		return nil
	}
	rows, err := r.DB.Campaigns(ctx)
	if err != nil {
		return fmt.Errorf("cycle: %w", err)
	}
	var failed []error
	for _, row := range rows {
		c, err := r.campaign(row)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		cohorts, err := r.DB.Cohorts(ctx, row.ID)
		if err != nil {
			return fmt.Errorf("cycle: %w", err)
		}
		for _, o := range cohorts {
			if err := r.tickOdds(ctx, c, o.ID); err != nil {
				failed = append(failed, fmt.Errorf("odds of cohort %s of campaign %s: %w", o.Key, row.Key, err))
			}
		}
	}
	return errors.Join(failed...)
}

// tickOdds makes a cohort's trial draws, if they are due and no other program
// is at it.
func (r *Runner) tickOdds(ctx context.Context, c *cohort.Campaign, cohortID int) error {
	if _, _, due, err := r.oddsNow(ctx, c, cohortID); err != nil || !due {
		return err
	}
	_, err := r.DB.HoldLock(ctx, data.LockOdds, cohortID, func(ctx context.Context) error {
		row, now, due, err := r.oddsNow(ctx, c, cohortID)
		if err != nil || !due {
			return err
		}
		return r.odds(ctx, c, row, now)
	})
	return err
}

// oddsNow says whether a cohort's odds are due.
func (r *Runner) oddsNow(ctx context.Context, c *cohort.Campaign, cohortID int) (row data.CohortRow, now time.Time, due bool, err error) {
	err = r.DB.ReadTx(ctx, func(tx *data.Tx) error {
		if row, err = tx.Cohort(ctx, cohortID); err != nil {
			return err
		}
		if now, err = tx.Now(ctx); err != nil {
			return err
		}
		made, err := tx.OddsMade(ctx, cohortID)
		if err != nil {
			return err
		}
		at, err := oddsDue(c, row, made)
		due = !at.IsZero() && !now.Before(at)
		return err
	})
	return row, now, due, err
}

// odds makes a cohort's trial draws; they stand for the ballots as of now.
func (r *Runner) odds(ctx context.Context, c *cohort.Campaign, row data.CohortRow, now time.Time) error {
	t, err := newTrials(ctx, r.DB, c, row.Key)
	if err != nil {
		return err
	}
	n := max(leastTrials, min(mostTrials, trialWork/max(1, t.in.Layout.Len())))
	if t.in.Layout.Len() < cohort.OddsLeast {
		n = 0 // so few tell too much of each other
	}
	odds, err := t.run(ctx, n, r.Random)
	if err != nil {
		return err
	}
	o := data.OddsRow{Cohort: row.ID, MadeAt: now, Odds: odds.Coarse(), Reach: t.reach()}
	if n == 0 {
		o.Odds.Tickets = 0
	}
	err = r.DB.Tx(ctx, func(tx *data.Tx) error { _, err := tx.PutOdds(ctx, o); return err })
	if err == nil {
		r.log().Info("odds", "cohort", row.Key, "trials", n)
	}
	if t.in.Layout.Len() > 1<<20 {
		debug.FreeOSMemory() // a nation's ballots are not needed for another hour
	}
	return err
}

// oddsDue is when a cohort's next odds are due; zero: not at all.
func oddsDue(c *cohort.Campaign, row data.CohortRow, made time.Time) (time.Time, error) {
	if c.Recurring.Odds == "" || c.CohortByKey(row.Key) == nil || row.State != cohort.Open && row.State != cohort.Announced {
		return time.Time{}, nil
	}
	schedule, err := campaign.ParseSchedule(c.Recurring.Odds, c.Location)
	if err != nil {
		return time.Time{}, err
	}
	if made.Before(row.Opens) {
		return schedule.Next(row.Opens), nil // the first: by the window's times, though nobody has opened it yet
	}
	due := schedule.Next(made)
	if least := made.Add(oddsLeast); due.Before(least) {
		due = least
	}
	return due, nil
}

// reach is what the trials leave behind for the chance of any ballot.
func (t *trials) reach() *cohort.Reach {
	var classes []cohort.ReachClass
	var asked []lottery.Class
	for size := 1; size <= max(1, min(lottery.MaxParty, t.campaign.Rules.MaxParty)); size++ {
		for p, name := range t.names {
			if p > 0 && size > 1 {
				break // parties use no reserve
			}
			classes = append(classes, cohort.ReachClass{Size: size, Pool: name})
			asked = append(asked, lottery.Class{Size: uint8(size), Doses: doses(t.cohort), Pool: uint16(p)})
		}
	}
	cells := make([]cohort.ReachCell, 0, len(t.slots))
	for _, s := range t.slots {
		if !s.Second {
			cells = append(cells, cohort.ReachCell{Clinic: s.ClinicKey, Date: s.Date, Part: s.Part})
		}
	}
	trials := 0
	if t.odds != nil {
		trials = t.odds.Trials
	}
	r := cohort.NewReach(trials, classes, cells)
	drum := newDrum(t.in.Weight, t.in.Layout.Len())
	at := 0
	for x := range t.slots {
		if t.slots[x].Second {
			continue
		}
		for trial := range trials {
			for class := range classes {
				low, high := t.odds.Reach(trial, asked[class], int32(x), t.in.Seating)
				r.Set(trial, class, cells[at], drum.depth((float64(low)+float64(high))/2))
			}
		}
		at++
	}
	return r
}

// drum says how deep in the drum a rank lies: the number, 0–1, below which so
// many of the tickets are expected. A ticket of weight w has the least of w
// numbers.
type drum struct {
	below []float64 // by 256ths: expected tickets below, of all and one more
}

func newDrum(weight []uint16, tickets int) drum {
	count := map[uint16]float64{}
	for _, w := range weight {
		count[max(1, w)]++
	}
	if weight == nil {
		count[1] = float64(tickets)
	}
	d := drum{make([]float64, 257)}
	for i := range d.below {
		for w, n := range count {
			d.below[i] += n * (1 - math.Pow(1-float64(i)/256, float64(w)))
		}
		d.below[i] *= float64(tickets+1) / float64(max(1, tickets))
	}
	return d
}

func (d drum) depth(rank float64) float64 {
	i, exact := slices.BinarySearch(d.below, rank)
	if exact || i == 0 || i == len(d.below) {
		return float64(min(i, 256)) / 256
	}
	between := (rank - d.below[i-1]) / (d.below[i] - d.below[i-1])
	return (float64(i-1) + between) / 256
}
