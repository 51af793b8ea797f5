package cycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
	"jebi/lottery"
)

// Runner does what is due in all campaigns of a database.
type Runner struct {
	DB  *data.DB
	Log *slog.Logger // ids and codes only; nil: silent
	// Operator signs checkpoints. Nil: they are published without a signature,
	// and the manifest announces no key.
	Operator *lottery.Key
	// Beacon checks a round of drand; nil where no draw of this program uses one.
	Beacon func(round uint64, signature []byte) error
	// Random seeds the trial draws; nil: this program makes none on schedule.
	Random io.Reader

	mu     sync.Mutex
	parsed map[[32]byte]*cohort.Campaign // by the hash of the file
}

// maxSteps bounds the steps that one tick does for one cohort: its whole
// course and some rounds of recurring work.
const maxSteps = 24

// Run ticks every five seconds of the machine until ctx ends, and once at the
// start. A tick that is still under way swallows the next one; a panic in one
// is logged and the next one comes.
func (r *Runner) Run(ctx context.Context) error {
	log := cronLog{r.log()}
	c := cron.New(
		cron.WithLocation(time.UTC),
		cron.WithChain(cron.Recover(log), cron.SkipIfStillRunning(log)),
		cron.WithLogger(log),
	)
	tick := func() {
		if err := r.Tick(ctx); err != nil && ctx.Err() == nil {
			r.log().Error("tick", "error", err.Error())
		}
	}
	// Trial draws of a great cohort take a while: nothing else waits for them.
	odds := func() {
		if err := r.TickOdds(ctx); err != nil && ctx.Err() == nil {
			r.log().Error("odds", "error", err.Error())
		}
	}
	for expression, f := range map[string]func(){"@every 5s": tick, "@every 30s": odds} {
		if _, err := c.AddFunc(expression, f); err != nil {
			return fmt.Errorf("cycle: %w", err)
		}
	}
	tick()
	c.Start()
	<-ctx.Done()
	<-c.Stop().Done()
	return nil
}

// Tick does everything that is due now, in every campaign. What fails in one
// cohort does not keep another waiting; the errors come joined.
func (r *Runner) Tick(ctx context.Context) error {
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
		if err := r.tickCampaign(ctx, c, row); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// TickCohort does everything that is due now for one cohort.
func (r *Runner) TickCohort(ctx context.Context, campaignKey, cohortKey string) error {
	row, err := r.DB.Campaign(ctx, campaignKey)
	if err != nil {
		return err
	}
	c, err := r.campaign(row)
	if err != nil {
		return err
	}
	o, err := r.DB.CohortByKey(ctx, row.ID, cohortKey)
	if err != nil {
		return err
	}
	return r.tickCohort(ctx, c, o)
}

func (r *Runner) tickCampaign(ctx context.Context, c *cohort.Campaign, row data.CampaignRow) error {
	cohorts, err := r.DB.Cohorts(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("cycle: %w", err)
	}
	var failed []error
	for _, o := range cohorts {
		if o.State == cohort.Draft || o.State == cohort.Void {
			continue
		}
		if err := r.tickCohort(ctx, c, o); err != nil {
			failed = append(failed, fmt.Errorf("cohort %s of campaign %s: %w", o.Key, row.Key, err))
		}
	}
	for _, duty := range []func(context.Context, *cohort.Campaign, data.CampaignRow) error{r.retention, r.seal} {
		if err := duty(ctx, c, row); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// tickCohort does step after step until nothing is due, or another program is
// at it.
func (r *Runner) tickCohort(ctx context.Context, c *cohort.Campaign, o data.CohortRow) error {
	for range maxSteps {
		done, err := r.step(ctx, c, o.ID)
		if err != nil || done == "" {
			return err
		}
		r.log().Info("step", "cohort", o.Key, "done", string(done))
		r.analyze(ctx, done)
	}
	return nil // the next tick goes on
}

// analyze tells the database what a step has brought much of, before the next
// step reads it. Without it all is right, and may be slow.
func (r *Runner) analyze(ctx context.Context, done cohort.Action) {
	var err error
	switch done {
	case cohort.CloseWindow:
		err = r.DB.AnalyzeBallots(ctx)
	case cohort.RunDraw:
		err = r.DB.AnalyzeDraws(ctx)
	}
	if err != nil {
		r.log().Warn("statistics", "after", string(done), "error", err.Error())
	}
}

// campaign compiles the file that is in force; each file once.
func (r *Runner) campaign(row data.CampaignRow) (*cohort.Campaign, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.parsed[row.Hash]; c != nil {
		return c, nil
	}
	c, err := Parse(row)
	if err != nil {
		return nil, err
	}
	if r.parsed == nil {
		r.parsed = map[[32]byte]*cohort.Campaign{}
	}
	r.parsed[row.Hash] = c
	return c, nil
}

// Parse compiles the file of a campaign that was applied before.
func Parse(row data.CampaignRow) (*cohort.Campaign, error) {
	c, problems := campaign.Parse(row.File)
	if errs := campaign.Errors(problems); len(errs) > 0 {
		return nil, fmt.Errorf("campaign %s, version %d: line %d: %s", row.Key, row.Version, errs[0].Line, errs[0].Text)
	}
	return c, nil
}

func (r *Runner) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return slog.New(slog.DiscardHandler)
}

// cronLog lets cron's runner speak through slog.
type cronLog struct{ log *slog.Logger }

func (l cronLog) Info(msg string, kv ...any) { l.log.Debug("cron: "+msg, kv...) }

func (l cronLog) Error(err error, msg string, kv ...any) {
	l.log.Error("cron: "+msg, append(kv, "error", err.Error())...)
}
