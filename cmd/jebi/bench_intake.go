package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/cohort/rehearse"
	"jebi/data/local"
)

func newBenchIntakeCommand(a *app) *cobra.Command {
	var quick bool
	var seed uint64
	var picture string
	c := &cobra.Command{
		Use:   "intake",
		Short: "Time how ballots are saved, beside pgbench's upsert and first come, first served",
		Long: `Time how ballots are saved: without HTTP beside pgbench's single-row upsert, over HTTP in an
open loop, beyond what this machine can take, and beside two ways of booking first come, first
served, for the same people with the same wishes. At the end every ballot that was acknowledged
is looked for in the database. See docs/bench.md.

It makes databases of its own, on the server of DATABASE_URL or on a private one, and drops them.
It is refused on a server with fsync, full_page_writes or synchronous_commit off. It takes about a
quarter of an hour; with --quick under three minutes, with the same figures from one repeat and a
quarter of the people for two of the comparisons.`,
		Example: "  jebi bench intake --quick\n  jebi bench intake --json >bench.json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			ctx := cc.Context()
			pgbench, err := pgbenchProgram(ctx)
			if err != nil {
				return err
			}
			dir, err := os.MkdirTemp("", "jebi-bench-")
			if err != nil {
				return err
			}
			a.close = append(a.close, func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as somebody else where this program runs as root
				return err
			}
			server, err := a.countingServer(ctx, dir)
			if err != nil {
				return err
			}
			a.collectLess() // as serve does
			v := programVersion()
			r, err := rehearse.BenchIntake(ctx, rehearse.IntakeConfig{
				Quick: quick, Seed: seed, Clock: time.Now, Random: rand.Reader, Revision: v.Revision,
				Server: server, Pgbench: pgbench, Dir: dir, Progress: a.err,
			})
			if errors.Is(err, rehearse.ErrNotDurable) {
				return noData(err)
			}
			if err != nil {
				return err
			}
			if picture != "" {
				if err := os.WriteFile(picture, r.Arrivals.Picture(), 0o644); err != nil {
					return err
				}
			}
			return a.show(r, func(w io.Writer) error { return intakeTables(w, r) })
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "one repeat, shorter runs, the same figures")
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of everything that is left to chance")
	c.Flags().StringVar(&picture, "picture", "", "write the model of arrivals as a picture (SVG) to this file")
	return c
}

// pgbenchProgram finds PostgreSQL's own bench beside its server's programs: a
// link on PATH may be all there is of it elsewhere.
func pgbenchProgram(ctx context.Context) (string, error) {
	if dir, _, err := local.Bin(ctx); err == nil {
		if p := filepath.Join(dir, "pgbench"); isProgram(p) {
			return p, nil
		}
	}
	if p, err := exec.LookPath("pgbench"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return p, nil
		}
	}
	return "", noData(errors.New("pgbench is missing, which the figures are compared with: it comes with PostgreSQL's server (on Debian or Ubuntu: apt-get install postgresql)"))
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// countingServer is benchServer, with its statements counted where that can be
// had.
func (a *app) countingServer(ctx context.Context, dir string) (string, error) {
	if address := a.env("DATABASE_URL"); address != "" {
		return address, nil
	}
	counting := map[string]string{"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "none"}
	var failed error
	for _, settings := range []map[string]string{counting, nil} {
		s, err := local.Start(ctx, local.Config{Dir: filepath.Join(dir, "pg"), Settings: settings, Logf: a.progress})
		if err != nil {
			failed = err
			continue
		}
		a.close = append(a.close, func() {
			if err := s.Stop(); err != nil {
				a.progress("jebi: stop PostgreSQL: %v", err)
			}
		})
		return s.URL, nil
	}
	return "", noData(fmt.Errorf("%w (or set DATABASE_URL)", failed))
}

func intakeTables(w io.Writer, r rehearse.IntakeReport) error {
	for _, part := range []struct {
		name   string
		sheets []rehearse.Sheet
	}{
		{"save", []rehearse.Sheet{r.Save}},
		{"http", r.HTTP},
		{"overload", []rehearse.Sheet{r.Overload}},
		{"pages", r.Pages},
		{"first come, Zipf 1.1", []rehearse.Sheet{r.FirstCome}},
		{"first come, all slots alike", []rehearse.Sheet{r.Uniform}},
		{"first come, ample supply", []rehearse.Sheet{r.Ample}},
	} {
		for _, s := range part.sheets {
			t := table.NewWriter()
			t.SetOutputMirror(w)
			t.SetStyle(table.StyleLight)
			t.SetTitle("%s%s", part.name, s.Heading())
			t.AppendHeader(table.Row{"figure", "median", "least", "most"})
			for _, name := range s.Names() {
				f := s.Figures[name]
				t.AppendRow(table.Row{name, short(f.Median), short(f.Min), short(f.Max)})
			}
			t.Render()
		}
	}
	if err := r.Arrivals.Table(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d acknowledged ballots, %d of them lost; %d cores, %d repeats, revision %s\n", r.Saved, r.Lost, r.Cores, r.Repeats, r.Revision)
	return err
}

// short writes a number with as many digits as say something.
func short(f float64) string {
	switch {
	case f >= 1000:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.3f", f)
}
