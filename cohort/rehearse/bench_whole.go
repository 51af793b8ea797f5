package rehearse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
)

// Up to this many people the whole draw is timed more than once, on copies of
// the same frozen database, and the least time of each part counts.
const (
	wholeOften  = 200_000
	wholeRounds = 3
)

// whole times a draw as the program does it: frozen ballots out of PostgreSQL,
// tickets, places, waitlist, cut-offs and messages in, bundle written and
// verified. Its baseline is COPY of the rows that are read, and of the rows
// that were written, into empty tables with the same indexes, constraints and
// triggers: a copy of the same frozen database.
func (b *bench) whole(ctx context.Context) (err error) {
	url, err := b.Server(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d_%d", os.Getpid(), b.Clock().UnixNano())
	frozen, err := data.CreateBench(ctx, url, name, "")
	if err != nil {
		return err
	}
	drop := func(name string) { err = errors.Join(err, data.DropBench(context.WithoutCancel(ctx), url, name)) }
	defer drop(name)
	made, err := b.freeze(ctx, frozen)
	if err != nil {
		return err
	}
	rounds := 1
	if b.People <= wholeOften {
		rounds = wholeRounds
	}
	best := BenchStage{Name: "whole", Baseline: "COPY of the same rows out, and into empty tables with the same indexes, constraints and triggers"}
	for round := range rounds {
		s, err := b.wholeRound(ctx, made, url, name, round)
		if err != nil {
			return err
		}
		best.least(s)
	}
	best.Ratio, best.BareRatio = best.Seconds/best.BaselineSeconds, best.Seconds/best.BareSeconds
	b.note(best)
	return nil
}

// least keeps the least of two rounds, each number for itself; the parts are
// those of the faster one.
func (s *BenchStage) least(o BenchStage) {
	first := s.Seconds == 0
	if first || o.Seconds < s.Seconds {
		s.Seconds, s.Parts = o.Seconds, o.Parts
	}
	if first || o.BaselineSeconds < s.BaselineSeconds {
		s.BaselineSeconds = o.BaselineSeconds
	}
	if first || o.BareSeconds < s.BareSeconds {
		s.BareSeconds = o.BareSeconds
	}
	if first || o.Bytes < s.Bytes {
		s.Bytes = o.Bytes
	}
	if first || o.Allocs < s.Allocs {
		s.Allocs = o.Allocs
	}
	s.Peak = max(s.Peak, o.Peak)
}

// frozenDraw is a draw that waits to be carried out.
type frozenDraw struct {
	campaign int
	cohort   int
}

// freeze fills a new database and brings its cohort to the freeze, dice
// thrown. Its clock is moved for that; from then on it stands with the
// machine's, by which the draw is overdue, and what follows it is put off.
func (b *bench) freeze(ctx context.Context, url string) (frozenDraw, error) {
	var made frozenDraw
	if err := errors.Join(data.Migrate(ctx, url), data.MakeClockMovable(ctx, url)); err != nil {
		return made, err
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		return made, err
	}
	defer db.Close()
	land := newCountry(b.People, b.Seed)
	file, c, err := land.campaign()
	if err != nil {
		return made, err
	}
	a, err := db.ApplyCampaign(ctx, c, file, data.System, true)
	if err != nil {
		return made, err
	}
	o := &c.Cohorts[0]
	random := rand.NewChaCha8(benchSeed(b.Seed, "k"))
	start := b.Clock()
	if err := db.MoveClock(ctx, o.Opens); err != nil {
		return made, err
	}
	err = db.Tx(ctx, func(tx *data.Tx) error {
		if err := tx.CopyBenchSupply(ctx, a.Campaign.ID, land.clinics); err != nil {
			return err
		}
		if _, err := tx.MakeSlots(ctx, c, a.Campaign.ID); err != nil {
			return err
		}
		_, err := cycle.Announce(ctx, tx, c, o.Key, random, nil, data.System, "bench")
		return err
	})
	if err != nil {
		return made, err
	}
	runner := &cycle.Runner{DB: db}
	if err := runner.TickCohort(ctx, c.Key, o.Key); err != nil { // opens
		return made, err
	}
	row, err := db.CohortByKey(ctx, a.Campaign.ID, o.Key)
	if err != nil {
		return made, err
	}
	span := o.Closes.Sub(o.Opens)
	if err := db.CopyBenchPeople(ctx, row, b.People, func(i int) data.BenchPerson {
		p := land.person(i)
		p.Saved = o.Opens.Add(span / time.Duration(b.People+1) * time.Duration(i+1))
		return p
	}); err != nil {
		return made, err
	}
	b.say("          %d people with their ballots in %.1f s", b.People, b.Clock().Sub(start).Seconds())
	start = b.Clock()
	if err := db.MoveClock(ctx, o.Closes); err != nil {
		return made, err
	}
	if err := runner.TickCohort(ctx, c.Key, o.Key); err != nil { // closes and freezes
		return made, err
	}
	digits := make([]byte, o.Sources[0].Digits)
	for i := range digits {
		digits[i] = '0' + byte(random.Uint64()%10)
	}
	if err := db.Tx(ctx, func(tx *data.Tx) error {
		return cycle.Dice(ctx, tx, a.Campaign.ID, o.Key, string(digits), "bench", data.System)
	}); err != nil {
		return made, err
	}
	b.say("          frozen in %.1f s", b.Clock().Sub(start).Seconds())
	copies, err := data.OpenBenchCopies(ctx, url)
	if err != nil {
		return made, err
	}
	defer copies.Close(ctx)
	return frozenDraw{a.Campaign.ID, row.ID}, errors.Join(copies.RealClock(ctx), copies.Settle(ctx))
}

// campaign is the file with its meaning: flexible seating where this program
// draws it.
func (c *country) campaign() ([]byte, *cohort.Campaign, error) {
	for _, seating := range []lottery.Seating{lottery.Flexible, lottery.Serial} {
		file := c.file(string(seating))
		parsed, problems := campaign.Parse(file)
		if errs := campaign.Errors(problems); len(errs) > 0 {
			return nil, nil, fmt.Errorf("the bench's campaign file: line %d: %s", errs[0].Line, errs[0].Text)
		}
		if cycle.Supported(parsed, &parsed.Cohorts[0]) == nil {
			return file, parsed, nil
		}
	}
	return nil, nil, errors.New("this program draws neither by flexible seating nor by serial order")
}

// wholeRound times the draw on one copy of the frozen database, and COPY on
// another.
func (b *bench) wholeRound(ctx context.Context, made frozenDraw, server, name string, round int) (s BenchStage, err error) {
	drawn, empty := fmt.Sprintf("%s_%d_drawn", name, round), fmt.Sprintf("%s_%d_empty", name, round)
	drop := func(name string) { err = errors.Join(err, data.DropBench(context.WithoutCancel(ctx), server, name)) }
	dir, err := os.MkdirTemp(b.Dir, "whole-")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	url, err := data.CreateBench(ctx, server, drawn, name)
	if err != nil {
		return s, err
	}
	defer drop(drawn)
	if s, err = b.drawWhole(ctx, made, url, filepath.Join(dir, "bundle")); err != nil {
		return s, err
	}
	rows := filepath.Join(dir, "rows")
	if err := os.Mkdir(rows, 0o700); err != nil {
		return s, err
	}
	if err := b.withCopies(ctx, url, func(c *data.BenchCopies) error {
		n, err := c.Save(ctx, made.cohort, rows)
		b.say("          %d rows of a result", n)
		return err
	}); err != nil {
		return s, err
	}
	if url, err = data.CreateBench(ctx, server, empty, name); err != nil {
		return s, err
	}
	defer drop(empty)
	err = b.withCopies(ctx, url, func(c *data.BenchCopies) error {
		if err := errors.Join(c.Bare(ctx), c.Settle(ctx)); err != nil {
			return err
		}
		var failed error
		watch := func(f func() error) float64 { return b.time(func() { failed = errors.Join(failed, f()) }).Seconds() }
		out := watch(func() error { _, err := c.Out(ctx, made.cohort); return err })
		in := watch(func() error { _, err := c.In(ctx, rows, false); return err })
		failed = errors.Join(failed, c.Settle(ctx))
		bare := watch(func() error { _, err := c.In(ctx, rows, true); return err })
		s.BaselineSeconds, s.BareSeconds = out+in, out+bare
		b.say("          COPY out %.3f s, in %.3f s, bare in %.3f s", out, in, bare)
		return failed
	})
	return s, err
}

func (b *bench) withCopies(ctx context.Context, url string, do func(*data.BenchCopies) error) error {
	c, err := data.OpenBenchCopies(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return do(c)
}

// drawWhole carries the draw out as the scheduler does, and writes and
// verifies its bundle as an official does.
func (b *bench) drawWhole(ctx context.Context, made frozenDraw, url, bundle string) (BenchStage, error) {
	var s BenchStage
	copies, err := data.OpenBenchCopies(ctx, url)
	if err != nil {
		return s, err
	}
	defer copies.Close(ctx)
	if err := copies.Settle(ctx); err != nil {
		return s, err
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		return s, err
	}
	defer db.Close()
	runner := &cycle.Runner{DB: db}
	debug.FreeOSMemory()
	b.Peak()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"draw", func() error { return tick(ctx, db, runner, made, cohort.Drawn) }},
		{"publish", func() error {
			if err := copies.Publishable(ctx, made.cohort); err != nil {
				return err
			}
			return tick(ctx, db, runner, made, cohort.Published)
		}},
		{"bundle", func() error { return cycle.WriteBundle(ctx, db, made.cohort, bundle) }},
		{"verify", func() error {
			if r := lottery.Verify(os.DirFS(bundle), lottery.VerifyOptions{}); !r.OK(false) {
				return fmt.Errorf("the bundle does not verify: %+v", r.Parts)
			}
			return nil
		}},
	} {
		var failed error
		d := b.time(func() { failed = part.do() })
		if failed != nil {
			return s, fmt.Errorf("%s: %w", part.name, failed)
		}
		s.Parts = append(s.Parts, BenchPart{part.name, d.Seconds()})
		s.Seconds += d.Seconds()
		b.say("          %s %.3f s", part.name, d.Seconds())
	}
	runtime.ReadMemStats(&after)
	s.Bytes, s.Allocs, s.Peak = after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs, b.Peak()
	return s, nil
}

// tick lets the scheduler do what is due, and looks at how far the cohort is.
func tick(ctx context.Context, db *data.DB, runner *cycle.Runner, made frozenDraw, want cohort.State) error {
	if err := runner.TickCohort(ctx, countryKey, countryCohort); err != nil {
		return err
	}
	row, err := db.CohortByKey(ctx, made.campaign, countryCohort)
	if err == nil && row.State != want {
		err = fmt.Errorf("the cohort is %s, not %s", row.State, want)
	}
	return err
}
