package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jebi/cohort/rehearse"
	"jebi/data"
	"jebi/data/sample"
)

// demoDatabase is dropped and made anew by every demo.
const demoDatabase = "jebi_demo"

// demoSeed is the seed of the demo's people, unless another is given.
const demoSeed = 20210714

func newDemoCommand(a *app) *cobra.Command {
	var people int
	var seed uint64
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole lottery on the sample of Gwanak-gu, Seoul",
		Long: `Run a whole lottery on this machine, from the campaign file to messages and workbooks:
real clinics and numbers of residents of Gwanak-gu in Seoul, synthetic people, the code that
production uses. One draw is made with sealed envelopes and dice, the other online with signed notes
and a round of drand that a file holds; two witnesses cosign each, and one trustee of each is absent.
It keeps what it made under var/demo and its database, ` + demoDatabase + `, for a look at it: public
bundles, a sworn auditor's files, a citizen's proof, and a page, index.html.
Every run starts afresh: it drops that database and the files of the run before.`,
		Example: "  jebi demo\n  jebi demo --people 2000",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), people, seed) },
	}
	c.Flags().IntVar(&people, "people", 0, "people on the list, with clinics and seats in proportion (default: all 27,606)")
	c.Flags().Uint64Var(&seed, "seed", demoSeed, "seed of the people and of what they want")
	return c
}

func (a *app) demo(ctx context.Context, people int, seed uint64) error {
	if people != 0 && people < 60 {
		return usage(fmt.Errorf("--people %d: a lottery needs at least 60", people))
	}
	s, err := rehearse.LoadSample(sample.Files)
	if err != nil {
		return err
	}
	begin := time.Now()
	if a.dbName == "" {
		a.dbName = demoDatabase
	}
	url, err := a.databaseURL(ctx)
	if err != nil {
		return err
	}
	dir := a.demoDir()
	var db *data.DB
	both := errgroup.Group{} // dropping a database and a hundred thousand files
	both.Go(func() error { return rehearse.Afresh(dir) })
	both.Go(func() (err error) { db, err = a.demoData(ctx, url); return err })
	if err := both.Wait(); err != nil {
		return err
	}
	key, err := a.serverKey(ctx, db)
	if err != nil {
		return err
	}
	a.progress("SAMPLE: synthetic people, seed %d; database %s ready after %.1f s", seed, a.dbName, time.Since(begin).Seconds())
	summary, err := rehearse.Run(ctx, rehearse.Config{
		DB: db, Sample: s, People: people, Seed: seed, Key: key, Random: rand.Reader, Clock: time.Now, Dir: dir,
		Progress: a.err, Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return a.show(summary, func(w io.Writer) error {
		if err := summary.Page(w); err != nil {
			return err
		}
		return a.howToLook(w, dir, summary)
	})
}

// demoDir is the folder of what the demo leaves behind.
func (a *app) demoDir() string { return filepath.Join(a.varDir(), "demo") }

// demoData makes the demo's database anew, with the clock that can be moved.
func (a *app) demoData(ctx context.Context, url string) (*data.DB, error) {
	if err := data.Recreate(ctx, url); err != nil {
		return nil, noData(err)
	}
	if err := data.Migrate(ctx, url); err != nil {
		return nil, noData(err)
	}
	if err := data.MakeClockMovable(ctx, url); err != nil {
		return nil, noData(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		return nil, noData(err)
	}
	a.close = append(a.close, db.Close)
	return db, nil
}

// howToLook says where the demo's traces are, how to check them and how to see
// the form.
func (a *app) howToLook(w io.Writer, dir string, s rehearse.Summary) error {
	call := []string{"var/bin/jebi"}
	if a.dir != "" {
		call = append(call, "--dir", a.dir)
	}
	call = append(call, "--database", a.dbName)
	line := strings.Join(call, " ")
	if a.dbName != demoDatabase {
		line = "JEBI_OPERATOR_KEY_FILE=" + filepath.Join(dir, rehearse.OperatorSecret) + " " + line
	}
	fmt.Fprintf(w, "\nCheck it:\n")
	for _, r := range s.Records {
		fmt.Fprintf(w, "  %s (SAMPLE): the proof of %s, number %d of the draw, is %s\n", r.DrawID, r.Person, r.Rank, filepath.Join(dir, r.Proof))
		for _, command := range r.Commands(dir) {
			fmt.Fprintf(w, "    %s\n", command)
		}
	}
	_, err := fmt.Fprintf(w, `  The last of each is a sworn auditor's, who has what the public does not. In the public bundle
  ballots, outcome and allocation are absent, and without a proof the receipt, so --strict fails there.

Look at it:
  %[1]s/%[6]s: this page in a browser
  %[1]s/summary.json, %[1]s/bundle/, %[1]s/auditor/, %[1]s/proof/, %[1]s/workbooks/, %[1]s/mail/, %[1]s/sms/
  %[2]s serve
      the form and the public board; sign in as %[3]s, born %[4]s, phone %[5]s
      (nobody real). serve prints the code that was sent.
  %[2]s official sign-in demo-operator
      the passwords of both officials are in %[1]s/officials.txt
`, dir, line, s.SignInAs.Name, s.SignInAs.Birth, s.SignInAs.Phone, rehearse.PageFile)
	return err
}
