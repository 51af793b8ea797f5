package rehearse

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/cohort/intake"
	"jebi/data"
)

// outcome is what one way of giving places did.
type outcome struct {
	work    data.Work
	looks   data.Work // of these, everyone's look at her result
	served  int
	seconds float64
}

// crowd is who wants what, on both sides.
type crowd struct {
	people int
	seats  int // of each slot
	want   *demand
}

// firstCome compares the product with two ways of booking first come, first
// served, for the same people with the same ordered wishes.
func (b *intakeBench) firstCome(ctx context.Context) error {
	beside := 1 // what part of the people the variants have
	if b.Quick {
		beside = 4
	}
	for _, v := range []struct {
		name     string
		exponent float64
		crowd    crowd
		into     *Sheet
	}{
		{"Zipf 1.1", zipf, crowd{people: benchPeople, seats: townSeats}, &b.report.FirstCome},
		{"all slots alike", 0, crowd{people: benchPeople / beside, seats: townSeats / beside}, &b.report.Uniform},
		{"ample supply", zipf, crowd{people: benchPeople / beside, seats: 2 * townSeats / beside}, &b.report.Ample},
	} {
		figures := runs{}
		v.crowd.want = newDemand(b.Seed, v.exponent)
		modes := []string{"product", "weak", "strong"}
		for repeat := range b.repeats {
			done := map[string]outcome{}
			for i := range modes {
				mode := modes[(i+repeat)%len(modes)]
				var o outcome
				var err error
				if mode == "product" {
					o, err = b.draw(ctx, v.crowd)
				} else {
					o, err = b.race(ctx, v.crowd, mode == "weak")
				}
				if err != nil {
					return fmt.Errorf("first come, %s, %s: %w", v.name, mode, err)
				}
				done[mode] = o
				b.say("repeat %d: %s: %-7s %6d transactions, %6d statements, %5d served, %.1f s", repeat+1, v.name, mode, o.work.Transactions, o.work.Statements, o.served, o.seconds)
			}
			product := done["product"]
			figures.add("transactions_ratio_unasked", float64(done["weak"].work.Transactions)/float64(product.work.Transactions-product.looks.Transactions))
			for mode, o := range done {
				figures.add(mode+"_transactions", float64(o.work.Transactions))
				if o.work.Statements >= 0 {
					figures.add(mode+"_statements", float64(o.work.Statements))
				}
				figures.add(mode+"_served", float64(o.served))
				figures.add(mode+"_seconds", o.seconds)
				perTransaction := float64(o.served) / float64(o.work.Transactions)
				if mode == "product" {
					figures.add("served_per_transaction", perTransaction)
					continue
				}
				figures.add("transactions_ratio_"+mode, float64(o.work.Transactions)/float64(product.work.Transactions))
				figures.add(mode+"_served_per_transaction", perTransaction)
			}
		}
		*v.into = figures.sheet(map[string]any{"people": v.crowd.people, "slots": townSlots, "seats": townSlots * v.crowd.seats, "wishes": townWishes})
	}
	return nil
}

// upTo gives 0 … n−1.
func upTo(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// draw lets everyone save a ballot, draws and publishes, and lets everyone look
// at her result.
func (b *intakeBench) draw(ctx context.Context, c crowd) (o outcome, err error) {
	t, err := b.newBenchTown(ctx, c.people, c.seats)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	copies, err := data.OpenBenchCopies(ctx, t.url)
	if err != nil {
		return o, err
	}
	defer copies.Close(ctx)
	kept, err := newRecord(b.Dir)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	if err := copies.CountStatements(ctx); err != nil {
		return o, err
	}
	t.db.Close() // it has counted nothing yet; what follows is counted to its end
	before, err := copies.Work(ctx)
	if err != nil {
		return o, err
	}
	start := b.Clock()
	if err := t.work(ctx, func() error { return b.saveAndDraw(ctx, t, copies, kept, c.want) }); err != nil {
		return o, err
	}
	drawn, err := copies.Work(ctx)
	if err != nil {
		return o, err
	}
	err = t.work(ctx, func() error {
		return each(ctx, benchSavers, upTo(t.people), func(ctx context.Context, i int) error {
			_, err := t.db.ResultOf(ctx, int64(i+1))
			return err
		})
	})
	if err != nil {
		return o, err
	}
	o.seconds = b.Clock().Sub(start).Seconds()
	after, err := copies.Work(ctx)
	if err != nil {
		return o, err
	}
	o.work, o.looks = after.Sub(before), after.Sub(drawn)
	return o, t.work(ctx, func() error {
		stats, err := t.db.Stats(ctx, t.row.ID, t.cohort.ID)
		if err != nil {
			return err
		}
		for _, s := range stats {
			o.served += s.Assigned + s.Confirmed
		}
		lost, acknowledged, err := kept.lost(ctx, t.db, t.cohort.ID, func(person int64, _ int) []cohort.Choice { return t.choices(c.want.wishes(int(person - 1))) })
		b.report.Lost += lost
		b.report.Saved += acknowledged
		return err
	})
}

// work opens connections for something, and ends them, so that the server has
// counted all of it.
func (t *benchTown) work(ctx context.Context, do func() error) error {
	db, err := data.Open(ctx, t.url)
	if err != nil {
		return err
	}
	t.db = db
	defer db.Close()
	return do()
}

// saveAndDraw lets everyone save, closes the window, throws the dice, draws and
// publishes.
func (b *intakeBench) saveAndDraw(ctx context.Context, t *benchTown, copies *data.BenchCopies, kept *record, want *demand) error {
	service := intake.New(intake.Config{DB: t.db, Random: b.Random, Operator: &t.operator})
	err := each(ctx, benchSavers, upTo(t.people), func(ctx context.Context, i int) error {
		r, err := service.Save(ctx, intake.Request{
			Campaign: t.campaign, Person: int64(i + 1), Key: townKey(i), Cohort: t.cohort.ID, Choices: t.choices(want.wishes(i)), Channel: data.ChannelWeb, Session: int64(i + 1),
		})
		if err == nil {
			kept.add(int64(i+1), r.Revision, 0)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := copies.EndWindow(ctx, t.cohort.ID); err != nil {
		return err
	}
	key := t.campaign.Cohorts[0].Key
	runner := &cycle.Runner{DB: t.db, Operator: &t.operator}
	if err := runner.TickCohort(ctx, t.campaign.Key, key); err != nil { // closes and freezes
		return err
	}
	digits := ""
	for i := range t.campaign.Cohorts[0].Sources[0].Digits {
		digits += strconv.Itoa(i % 10)
	}
	if err := t.db.Tx(ctx, func(tx *data.Tx) error { return cycle.Dice(ctx, tx, t.row.ID, key, digits, "bench", data.System) }); err != nil {
		return err
	}
	if err := runner.TickCohort(ctx, t.campaign.Key, key); err != nil { // draws and publishes
		return err
	}
	row, err := t.db.CohortByKey(ctx, t.row.ID, key)
	if err == nil && row.State != cohort.Published {
		err = fmt.Errorf("the cohort is %s, not published", row.State)
	}
	return err
}

// race lets everyone book first come, first served.
func (b *intakeBench) race(ctx context.Context, c crowd, weak bool) (o outcome, err error) {
	url, drop, err := b.database(ctx)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	count, err := data.OpenBenchCopies(ctx, url)
	if err != nil {
		return o, err
	}
	defer count.Close(ctx)
	if err := data.MakeRivals(ctx, url, townSlots, c.seats); err != nil {
		return o, err
	}
	if err := count.CountStatements(ctx); err != nil {
		return o, err
	}
	before, err := count.Work(ctx)
	if err != nil {
		return o, err
	}
	r, err := data.OpenRivals(ctx, url, benchSavers)
	if err != nil {
		return o, err
	}
	book := r.Strong
	if weak {
		book = r.Weak
	}
	start := b.Clock()
	err = each(ctx, benchSavers, upTo(c.people), func(ctx context.Context, i int) error {
		_, err := book(ctx, int64(i+1), c.want.wishes(i))
		return err
	})
	o.seconds = b.Clock().Sub(start).Seconds()
	r.Close()
	if err != nil {
		return o, err
	}
	after, err := count.Work(ctx)
	if err != nil {
		return o, err
	}
	o.work = after.Sub(before)
	o.served, err = data.RivalsServed(ctx, url)
	return o, err
}
