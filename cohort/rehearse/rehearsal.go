package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/cohort/intake"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/lottery"
	"jebi/lottery/beacon"
	"jebi/notify"
)

// Config is what a rehearsal stands on.
type Config struct {
	DB       *data.DB // migrated, empty, its clock movable
	Sample   *Sample
	People   int              // on the list; 0: all of the sample
	Seed     uint64           // of the people and of what they want
	Key      []byte           // the server's
	Random   io.Reader        // cryptographic: salts, secret keys, passwords
	Clock    func() time.Time // the machine's, to time the stages
	Dir      string           // where everything is left: bundle, workbooks, mail, sms, summary.json
	ByForm   int              // people who answer by the web form; 0: 200, or a quarter of a small list
	Progress io.Writer        // a line a stage; nil: none
	Log      *slog.Logger     // ids and codes; nil: none
	Workers  int              // saves at once; 0: 32
}

// Rehearsal is a campaign on its way from the file to the workbooks.
type Rehearsal struct {
	Config
	campaign  *cohort.Campaign
	row       data.CampaignRow
	receivers *Receivers
	runner    *cycle.Runner
	intake    *intake.Service
	words     *words.Book
	rand      *rand.Rand
	operator  *lottery.Key
	officials officials
	cohorts   []*group
	offered   offered
	summary   Summary
}

// group is one cohort with its people.
type group struct {
	rule      *cohort.Cohort
	id        int
	people    []data.PersonRow
	market    market
	answers   []answer
	saved     int
	viaForm   int
	parties   int
	announced lottery.Manifest // once it is frozen
}

// Run carries the whole course out and answers what came of it. It leaves the
// database as it stands at the end, for a look at it.
func Run(ctx context.Context, c Config) (Summary, error) {
	r, err := prepare(ctx, c)
	if err != nil {
		return Summary{}, err
	}
	defer r.receivers.Close()
	begin := c.Clock()
	if err := r.course(ctx); err != nil {
		return r.summary, err
	}
	r.summary.Seconds = seconds(c.Clock().Sub(begin))
	return r.summary, errors.Join(r.summary.write(c.Dir), r.summary.writePage(c.Dir))
}

// prepare looks whether the database is fit for a rehearsal and starts the
// receivers.
func prepare(ctx context.Context, c Config) (*Rehearsal, error) {
	if movable, err := c.DB.ClockMovable(ctx); err != nil || !movable {
		return nil, errors.Join(err, errors.New("a rehearsal needs a database of its own, whose clock can be moved"))
	}
	if rows, err := c.DB.Campaigns(ctx); err != nil || len(rows) > 0 {
		return nil, errors.Join(err, errors.New("a rehearsal needs an empty database"))
	}
	if c.Workers == 0 {
		c.Workers = 32
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	var err error
	if c.Sample, err = c.Sample.Scaled(c.People); err != nil {
		return nil, err
	}
	operator, err := makeOperator(c)
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{
		Config: c, words: words.New(), rand: rand.New(rand.NewPCG(c.Seed, 3)), operator: operator,
		runner: &cycle.Runner{DB: c.DB, Log: c.Log, Operator: operator, Beacon: beacon.Verify, Random: c.Random},
		intake: intake.New(intake.Config{DB: c.DB, Random: c.Random, Operator: operator}),
	}
	r.summary = Summary{Sample: true, Seed: c.Seed}
	r.offered.seen = map[int64]bool{}
	r.receivers, err = receive(c.Sample.Campaign, filepath.Join(c.Dir, "mail"), filepath.Join(c.Dir, "sms"))
	return r, err
}

// course goes through the stages. The windows follow each other, so the later
// ones open after the earlier cohorts' results are out.
func (r *Rehearsal) course(ctx context.Context) error {
	if err := r.stage(ctx, 1, "campaign, clinics, supply, people imported", nil, r.importAll); err != nil {
		return err
	}
	if err := r.stage(ctx, 2, "windows announced, the first opened", nil, r.announce); err != nil {
		return err
	}
	for _, g := range r.cohorts {
		for _, s := range []struct {
			n    int
			name string
			do   func(context.Context, *group) (string, error)
		}{
			{3, "people answer", r.answerAll},
			{4, "freeze, witnesses, randomness, draw", r.drawCohort},
			{5, "results published and told", r.tellResults},
			{6, "places accepted or given back", r.confirmAll},
		} {
			err := r.stage(ctx, s.n, s.name, g, func(ctx context.Context) (string, error) { return s.do(ctx, g) })
			if err != nil {
				return err
			}
		}
	}
	if err := r.stage(ctx, 6, "offers to those who wait", nil, r.offerAll); err != nil {
		return err
	}
	if err := r.stage(ctx, 7, "workbooks for the clinics", nil, r.writeWorkbooks); err != nil {
		return err
	}
	return r.stage(ctx, 8, "public record, proofs, all verified", nil, r.finish)
}

// stage times a stage and prints its line.
func (r *Rehearsal) stage(ctx context.Context, n int, name string, g *group, do func(context.Context) (string, error)) error {
	key := ""
	if g != nil {
		key = g.rule.Key
	}
	begin := r.Clock()
	counts, err := do(ctx)
	took := r.Clock().Sub(begin)
	if err != nil {
		return fmt.Errorf("stage %d, %s %s: %w", n, name, key, err)
	}
	r.summary.Stages = append(r.summary.Stages, Stage{name, key, seconds(took), counts})
	fmt.Fprintf(r.Progress, "%d/8  %-42s %-8s %6.1f s  %s\n", n, name, key, took.Seconds(), counts)
	return nil
}

// at moves the campaign's clock, lets the scheduler do what is due then, sends
// what it has to say, and lets people answer the offers that it made. It never
// moves the clock back.
func (r *Rehearsal) at(ctx context.Context, t time.Time) error {
	now, err := r.DB.Now(ctx)
	if err != nil {
		return err
	}
	if t.After(now) {
		if err := r.DB.MoveClock(ctx, t); err != nil {
			return err
		}
	}
	return r.tick(ctx)
}

func (r *Rehearsal) tick(ctx context.Context) error {
	if err := r.runner.Tick(ctx); err != nil {
		return err
	}
	if err := r.send(ctx); err != nil {
		return err
	}
	return r.answerOffers(ctx)
}

// send drains the outgoing messages into the receivers.
func (r *Rehearsal) send(ctx context.Context) error {
	d := &notify.Dispatcher{
		DB: r.DB, Campaign: r.campaign, CampaignID: r.row.ID, Words: r.words, Key: r.Key, Log: r.Log,
	}
	relay, err := notify.NewRelay(r.campaign.Senders.Email, "", nil)
	if err != nil {
		return err
	}
	gateway, err := notify.NewGateway(r.campaign.Senders.SMS, "")
	if err != nil {
		return err
	}
	d.Email, d.SMS = relay, gateway
	report, err := d.Drain(ctx)
	if err != nil {
		return err
	}
	r.summary.Messages.add(report)
	if report.Relay != "" {
		return fmt.Errorf("a receiver is away: %s", report.Relay)
	}
	return nil
}
