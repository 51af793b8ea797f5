package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/cohort/cycle"
	"jebi/cohort/form"
	"jebi/cohort/intake"
	"jebi/cohort/rehearse"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/lottery"
)

type serveOptions struct {
	listen    string
	scheduler string
	notify    string
	cert, key string
	tlsProxy  bool
	send      bool
}

func newServeCommand(a *app) *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the citizens' form and the public board, and do what is due",
		Long: `Serve the citizens' form and the public board over HTTP, open and close windows when it is time,
draw, and send messages, until it is interrupted. Run as many as wanted before one database.

Of a sample campaign no message leaves the machine, unless --send is given: they are kept as files
under var/, and the codes for signing in are printed.`,
		Example: "  jebi serve\n  jebi serve --listen :443 --tls-cert cert.pem --tls-key key.pem\n  jebi serve --listen 10.0.0.5:8080 --behind-proxy --scheduler off --notify off",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), o) },
	}
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "address to listen on")
	c.Flags().StringVar(&o.scheduler, "scheduler", "on", "do what is due: on or off")
	c.Flags().StringVar(&o.notify, "notify", "on", "send messages: on or off")
	c.Flags().StringVar(&o.cert, "tls-cert", "", "certificate file, for HTTPS")
	c.Flags().StringVar(&o.key, "tls-key", "", "key file of the certificate")
	c.Flags().BoolVar(&o.tlsProxy, "behind-proxy", false, "a proxy before this does TLS and sets X-Forwarded-For")
	c.Flags().BoolVar(&o.send, "send", false, "send a sample campaign's messages as its file says")
	return c
}

func (o serveOptions) check() error {
	for _, s := range []struct{ flag, value string }{{"scheduler", o.scheduler}, {"notify", o.notify}} {
		if s.value != "on" && s.value != "off" {
			return usage(fmt.Errorf("--%s %s: it is on or off", s.flag, s.value))
		}
	}
	if (o.cert == "") != (o.key == "") {
		return usage(errors.New("--tls-cert and --tls-key go together"))
	}
	return nil
}

// stopWithin is how long requests under way may take when the server stops.
const stopWithin = 15 * time.Second

// serve runs until ctx ends.
func (a *app) serve(ctx context.Context, o serveOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	a.collectLess()
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	key, err := a.serverKey(ctx, db)
	if err != nil {
		return err
	}
	log := a.logger()
	if err := a.warnOfDatabase(ctx, db); err != nil {
		return err
	}
	public := &publicFolder{db: db}
	a.close = append(a.close, public.remove)
	current := &currentCampaign{db: db, key: row.Key, campaign: c, row: row, read: time.Now()}
	operator, err := a.operatorKey()
	if err != nil {
		return err
	}
	f, err := form.New(ctx, form.Config{
		DB: db, Intake: intake.New(intake.Config{DB: db, Random: rand.Reader, Operator: operator}), Words: words.New(), Key: key, Random: rand.Reader, Log: log,
		Campaign: current.get, Files: public.open, Explain: explainer(db), Proof: prover(db, operator), Now: time.Now, TLS: o.cert != "" || o.tlsProxy, Proxied: o.tlsProxy,
		Lines: a.lines(),
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w (another address: --listen)", err)
	}
	work, ctx := errgroup.WithContext(ctx)
	if o.scheduler == "on" {
		r, err := a.runner(db)
		if err != nil {
			listener.Close()
			return err
		}
		r.Log = log
		work.Go(func() error { return r.Run(ctx) })
	}
	if o.notify == "on" {
		run, err := a.messages(db, c, row, key, o.send, o.site(listener.Addr().String()))
		if err != nil {
			listener.Close()
			return err
		}
		work.Go(func() error { return run(ctx) })
	}
	server := f.Server()
	work.Go(func() error {
		err := error(nil)
		if o.cert != "" {
			err = server.ServeTLS(listener, o.cert, o.key)
		} else {
			err = server.Serve(listener)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	work.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		return server.Shutdown(stop)
	})
	if err := a.announceServer(o, listener.Addr().String(), row); err != nil {
		return errors.Join(err, server.Close())
	}
	if err := work.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	a.progress("stopped")
	return nil
}

// site is the address of the form that this program serves.
func (o serveOptions) site(address string) string {
	if o.cert != "" {
		return "https://" + address + "/"
	}
	return "http://" + address + "/"
}

// The connections that the form holds at most, and the files that everything
// else may need at once.
const (
	mostLines  = 10_000
	otherFiles = 1024
)

// lines is how many connections the form may hold, by what the system allows.
func (a *app) lines() int {
	n := mostFiles()
	if n == 0 || n >= mostLines+otherFiles {
		return mostLines
	}
	lines := max(int(n)-otherFiles, int(n)/2)
	a.progress("this system lets the program open %d files: it holds %d connections at most (more: LimitNOFILE= of the service, or ulimit -n %d)", n, lines, mostLines+otherFiles)
	return lines
}

// announceServer says where the form is, once it answers.
func (a *app) announceServer(o serveOptions, address string, row data.CampaignRow) error {
	s := struct {
		URL       string `json:"url"`
		Campaign  string `json:"campaign"`
		Sample    bool   `json:"sample"`
		Scheduler bool   `json:"scheduler"`
		Notify    bool   `json:"notify"`
	}{o.site(address), row.Key, row.Sample, o.scheduler == "on", o.notify == "on"}
	return a.show(s, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "The form of %s is at %s and the public board at %sboard. Stop it with Ctrl-C.\n", s.Campaign, s.URL, s.URL)
		return err
	})
}

// explainer says on the form's pages what jebi result explain says.
func explainer(db *data.DB) func(context.Context, int64, *cohort.Campaign, string) (form.Explained, error) {
	book := words.New()
	return func(ctx context.Context, person int64, c *cohort.Campaign, lang string) (form.Explained, error) {
		e, err := cycle.Explain(ctx, db, person)
		if err != nil {
			return form.Explained{}, err
		}
		out := form.Explained{Lines: e.Words(book, lang, c)}
		for _, r := range e.Choices {
			choice := form.ExplainedChoice{Choice: r.Choice, Granted: r.Granted}
			for _, s := range r.Slots {
				choice.Slots = append(choice.Slots, form.ExplainedSlot{Name: s.Slot, Seats: s.Seats, CutOff: s.CutOff})
			}
			out.Choices = append(out.Choices, choice)
		}
		return out, nil
	}
}

// prover makes the proofs that people download.
func prover(db *data.DB, operator *lottery.Key) func(context.Context, int64, *cohort.Campaign) ([]byte, error) {
	provers := cycle.NewProvers(db, operator)
	return func(ctx context.Context, person int64, c *cohort.Campaign) ([]byte, error) {
		p, err := provers.Proof(ctx, c, person)
		if errors.Is(err, cycle.ErrPreparing) {
			return nil, fmt.Errorf("%w: %w", form.ErrPreparing, err)
		}
		if err != nil {
			return nil, err
		}
		return p.Marshal()
	}
}

func (a *app) logger() *slog.Logger {
	if a.json {
		return slog.New(slog.NewJSONHandler(a.err, nil))
	}
	return slog.New(slog.NewTextHandler(a.err, nil))
}

// warnOfDatabase says loudly what a database must not be when it counts.
func (a *app) warnOfDatabase(ctx context.Context, db *data.DB) error {
	movable, err := db.ClockMovable(ctx)
	if err != nil {
		return noData(err)
	}
	if movable {
		now, err := db.Now(ctx)
		if err != nil {
			return noData(err)
		}
		a.progress("!!! THE CLOCK OF THIS DATABASE CAN BE MOVED: it is for samples, rehearsals and tests only. It shows %s.", now.Format(time.RFC3339))
	}
	durable, why, err := db.Durable(ctx)
	if err != nil {
		return noData(err)
	}
	if !durable {
		a.progress("!!! THIS DATABASE CAN LOSE WHAT WAS ACKNOWLEDGED (%s): no window is opened on it.", why)
	}
	return nil
}

// currentCampaign is the campaign in force, read again every little while, so
// that a version that is applied shows without a restart.
type currentCampaign struct {
	db  *data.DB
	key string

	mu       sync.Mutex
	campaign *cohort.Campaign
	row      data.CampaignRow
	read     time.Time
}

const campaignFresh = 2 * time.Second

func (c *currentCampaign) get(ctx context.Context) (*cohort.Campaign, data.CampaignRow, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.read) < campaignFresh {
		return c.campaign, c.row, nil
	}
	row, err := c.db.Campaign(ctx, c.key)
	if err != nil {
		return nil, row, err
	}
	if row.Version != c.row.Version {
		parsed, problems := campaign.Parse(row.File)
		if parsed == nil {
			return nil, row, fmt.Errorf("version %d of campaign %s cannot be read by this program: %s", row.Version, row.Key, campaign.Errors(problems)[0])
		}
		c.campaign = parsed
	}
	c.row, c.read = row, time.Now()
	return c.campaign, c.row, nil
}

// publicFolder holds the bundles that were asked for as folders, each written
// once from the database.
type publicFolder struct {
	db  *data.DB
	mu  sync.Mutex
	dir string
}

func (p *publicFolder) open(ctx context.Context, name string) (fs.FS, error) {
	id, result := cohort.ParseBundleName(name)
	d, err := p.db.DrawByID(ctx, id)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "jebi-public-"); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(p.dir, cohort.BundleName(d.DrawID, result))
	if _, err := os.Stat(dir); err == nil {
		return os.DirFS(dir), nil
	}
	unfinished := dir + ".new"
	err = cycle.WriteBundleOf(ctx, p.db, d.Cohort, result, unfinished)
	if errors.Is(err, cycle.ErrNotPublished) {
		return nil, fmt.Errorf("bundle of %s: %w", name, data.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return os.DirFS(dir), os.Rename(unfinished, dir)
}

func (p *publicFolder) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir != "" {
		_ = os.RemoveAll(p.dir) // copies, in the temporary folder
	}
}

var (
	printedCode = regexp.MustCompile(`\b[0-9]{8}\b`)
	printedLink = regexp.MustCompile(`https?://\S+/link/[A-Za-z0-9_-]{43}`)
)

// messages gives what sends messages until its context ends. Those of a sample
// stay on this machine, unless they are to be sent, and their links lead to
// the form that this program serves.
func (a *app) messages(db *data.DB, c *cohort.Campaign, row data.CampaignRow, key []byte, send bool, site string) (func(context.Context) error, error) {
	close := func() {}
	if c.Sample && !send {
		dir := filepath.Join(a.varDir(), "sample")
		if a.dbName == demoDatabase {
			dir = filepath.Join(a.varDir(), "demo")
		}
		r, err := rehearse.Receive("127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "mail"), filepath.Join(dir, "sms"), func(m rehearse.Received) {
			if code := printedCode.FindString(m.Text); code != "" {
				a.progress("SAMPLE: the code that was sent to %s: %s", m.To, code)
			}
			if link := printedLink.FindString(m.Text); link != "" {
				a.progress("SAMPLE: the link that was sent to %s: %s", m.To, link)
			}
		})
		if err != nil {
			return nil, err
		}
		close = r.Close
		local := *c
		local.Contact.URL = site
		local.Senders.Email.Host, local.Senders.Email.TLS, local.Senders.Email.User = r.Mail, "none", ""
		local.Senders.SMS.URL, local.Senders.SMS.TokenEnv = r.SMS, ""
		c = &local
		a.progress("SAMPLE: messages are kept under %s and not sent", dir)
	}
	d, err := a.dispatcher(db, c, row.ID, key, 0)
	if err != nil {
		close()
		return nil, err
	}
	d.Log = a.logger()
	return func(ctx context.Context) error {
		defer close()
		return d.Run(ctx)
	}, nil
}
