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
production uses. It keeps what it made under var/demo and its database, ` + demoDatabase + `, for a look at it.
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
	dir := filepath.Join(a.varDir(), "demo")
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

// howToLook says where the demo's traces are and how to see the form.
func (a *app) howToLook(w io.Writer, dir string, s rehearse.Summary) error {
	call := []string{"var/bin/jebi"}
	if a.dir != "" {
		call = append(call, "--dir", a.dir)
	}
	call = append(call, "--database", a.dbName)
	line := strings.Join(call, " ")
	_, err := fmt.Fprintf(w, `
Look at it:
  %[1]s/summary.json, %[1]s/bundle/, %[1]s/workbooks/, %[1]s/mail/, %[1]s/sms/
  %[7]s draw verify %[1]s/bundle/%[2]s
  %[3]s serve
      the form and the public board; sign in as %[4]s, born %[5]s, phone %[6]s
      (nobody real). serve prints the code that was sent.
  %[3]s official sign-in demo-operator
      the passwords of both officials are in %[1]s/officials.txt
`, dir, s.Cohorts[0].Cohort, line, s.SignInAs.Name, s.SignInAs.Birth, s.SignInAs.Phone, call[0])
	return err
}
