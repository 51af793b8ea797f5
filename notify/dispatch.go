package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
)

// Dispatcher sends a campaign's messages. Any number of them may work on one
// database: each message is leased by one.
type Dispatcher struct {
	DB         *data.DB
	Campaign   *cohort.Campaign
	CampaignID int
	Words      *words.Book
	Key        []byte       // the server's key, which one-time codes come from
	Email      Sender       // nil: e-mail stays queued
	SMS        Sender       // nil: text messages stay queued
	Rate       float64      // messages a second by each channel that are not urgent; 0: as fast as it goes
	Lines      int          // at once, by each channel; 0: 4
	Log        *slog.Logger // counts and codes; nil: none
}

// How messages are leased: so many at once, for so long. The lease is longer
// than a batch may take, so that nobody takes up what is still being sent.
const (
	batchSize  = 100
	leaseFor   = 10 * time.Minute
	batchLimit = 5 * time.Minute
)

// poll is how often Run looks for messages; after hangUp looks in vain a line
// gives its connection back.
const (
	poll   = 500 * time.Millisecond
	hangUp = 20
)

// Report counts what was done. Error is the last code of a relay that was away.
type Report struct {
	Sent        int    `json:"sent"`
	Again       int    `json:"again"`
	Undelivered int    `json:"undelivered"`
	Cancelled   int    `json:"cancelled"`
	Untried     int    `json:"untried"`
	Relay       string `json:"relay_error,omitempty"`
}

func (r *Report) add(x Report) {
	r.Sent += x.Sent
	r.Again += x.Again
	r.Undelivered += x.Undelivered
	r.Cancelled += x.Cancelled
	r.Untried += x.Untried
	if x.Relay != "" {
		r.Relay = x.Relay
	}
}

// Drain sends what is due now and answers when nothing is left that it may
// send: the rest waits for its time, for daylight, for tomorrow's text
// messages, or for a relay that is away.
func (d *Dispatcher) Drain(ctx context.Context) (Report, error) {
	return d.work(ctx, func(*channel) bool { return false })
}

// Run sends messages as they fall due, until the context ends, and then ends
// the letters that are under way. Failures of the database are logged and
// tried again.
func (d *Dispatcher) Run(ctx context.Context) error {
	report, err := d.work(ctx, func(c *channel) bool { return c.rest(ctx) })
	if d.Log != nil {
		d.Log.Info("dispatcher ended", "sent", report.Sent, "undelivered", report.Undelivered)
	}
	return err
}

// work runs the lines of both channels until each has nothing left and idle
// says to stop.
func (d *Dispatcher) work(ctx context.Context, idle func(*channel) bool) (Report, error) {
	var total Report
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range []struct {
		name   string
		sender Sender
	}{{"email", d.Email}, {"sms", d.SMS}} {
		if s.sender == nil {
			continue
		}
		limit := rate.NewLimiter(rate.Inf, 1)
		if d.Rate > 0 {
			limit = rate.NewLimiter(rate.Limit(d.Rate), 1)
		}
		lines := d.Lines
		if lines <= 0 {
			lines = 4
		}
		for i := range lines + 1 {
			// The last line carries urgent messages only: a code never waits for a bulk.
			c := &channel{Dispatcher: d, name: s.name, line: s.sender.Line(), limit: limit, urgent: i == lines, share: lines}
			wg.Go(func() {
				defer c.line.Close()
				err := c.run(ctx, idle)
				mu.Lock()
				defer mu.Unlock()
				total.add(c.report)
				if err != nil {
					errs = append(errs, err)
				}
			})
		}
	}
	wg.Wait()
	return total, errors.Join(errs...)
}

// channel is one line of a dispatcher with its batches.
type channel struct {
	*Dispatcher
	name   string
	line   Line
	limit  *rate.Limiter
	urgent bool // carries nothing else
	share  int  // lines that share the rate
	vain   int  // looks without anything to send
	report Report
	pause  time.Duration // how long to rest, where a relay is away
}

func (c *channel) run(ctx context.Context, idle func(*channel) bool) error {
	for ctx.Err() == nil {
		n, err := c.batch(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil && !idle(c):
			return err
		case err != nil:
			if c.Log != nil {
				c.Log.Warn("messages cannot be leased", "channel", c.name, "error", err)
			}
		case n > 0 && c.pause == 0:
		default:
			if !idle(c) {
				return nil
			}
		}
	}
	return nil
}

// rest waits a little and says whether to go on.
func (c *channel) rest(ctx context.Context) bool {
	if c.vain++; c.vain == hangUp {
		c.line.Close() // it connects again when it is used
	}
	t := time.NewTimer(max(poll, c.pause))
	defer t.Stop()
	c.pause = 0
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// batch leases, sends and ends some messages, and answers how many.
func (c *channel) batch(ctx context.Context) (int, error) {
	now, err := c.DB.Now(ctx)
	if err != nil {
		return 0, err
	}
	lease := data.Lease{
		Campaign: c.CampaignID, Channel: c.name, Limit: batchSize, For: leaseFor,
		UrgentOnly: c.urgent || quiet(c.Campaign, now), Day: day(c.Campaign, now), DailyCap: c.Campaign.Senders.SMS.DailyCap,
	}
	if c.Rate > 0 { // what is leased is sent within seconds
		lease.Limit = min(batchSize, max(1, int(5*c.Rate)/c.share))
	}
	leased, err := c.DB.LeaseMessages(ctx, lease)
	if err != nil || len(leased) == 0 {
		return 0, err
	}
	c.vain = 0
	if err := c.issueLinks(ctx, leased, now); err != nil {
		return 0, err
	}
	attempts := c.sendAll(ctx, leased, now)
	// What was sent is written down even where the program is told to stop meanwhile.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := c.DB.EndAttempts(end, lease, attempts); err != nil {
		return 0, err
	}
	c.count(attempts)
	return len(leased), nil
}

func (c *channel) sendAll(ctx context.Context, leased []data.Outgoing, now time.Time) []data.Attempt {
	w := writer{c.Campaign, c.Words, c.Key}
	until, cancel := context.WithTimeout(ctx, batchLimit)
	defer cancel()
	attempts := make([]data.Attempt, 0, len(leased))
	for _, o := range leased {
		a := data.Attempt{ID: o.ID, Lease: o.Lease}
		switch {
		case until.Err() != nil: // the batch took too long, or the program ends
			a.Outcome, a.Error = data.Untried, "not reached"
		case c.pause > 0:
			a.Outcome, a.Error, a.After = data.Untried, c.report.Relay, c.pause
		default:
			if !o.Urgent {
				_ = c.limit.Wait(until) // an ended context is seen above, with the next one
			}
			a = c.sendOne(until, w, o, now)
		}
		attempts = append(attempts, a)
	}
	return attempts
}

func (c *channel) sendOne(ctx context.Context, w writer, o data.Outgoing, now time.Time) data.Attempt {
	a := data.Attempt{ID: o.ID, Lease: o.Lease, Outcome: data.Sent}
	letter, err := w.letter(o, now)
	if err == nil {
		err = c.line.Send(ctx, letter)
	}
	var over stale
	switch {
	case err == nil:
		return a
	case errors.As(err, &over):
		a.Outcome, a.Error = data.Cancelled, string(over)
		return a
	}
	f := asFailure(err)
	a.Error = f.Code
	switch {
	case f.Relay:
		c.pause = max(relayPause, f.After)
		c.report.Relay = f.Code
		a.Outcome, a.After = data.Untried, c.pause
	case f.Final, o.Attempts >= maxAttempts:
		a.Outcome = data.Undelivered
	default:
		a.Outcome, a.After = data.Again, max(backoff(o.Attempts, o.Urgent), f.After)
	}
	return a
}

func (c *channel) count(as []data.Attempt) {
	var r Report
	for _, a := range as {
		switch a.Outcome {
		case data.Sent:
			r.Sent++
		case data.Again:
			r.Again++
		case data.Undelivered:
			r.Undelivered++
		case data.Cancelled:
			r.Cancelled++
		case data.Untried:
			r.Untried++
		}
	}
	c.report.add(r)
	if c.Log != nil && (r.Again > 0 || r.Undelivered > 0 || r.Untried > 0) {
		c.Log.Warn("messages not sent", "channel", c.name, "again", r.Again, "undelivered", r.Undelivered, "untried", r.Untried, "relay", c.report.Relay)
	}
}
