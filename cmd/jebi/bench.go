package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/cohort/rehearse"
	"jebi/data/local"
)

func newBenchCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "bench",
		Short:   "Time parts of the program on this machine",
		Example: "  jebi bench draw --people 100000",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBenchDrawCommand(a), newBenchIntakeCommand(a))
	return c
}

func newBenchDrawCommand(a *app) *cobra.Command {
	var people int
	var seed uint64
	c := &cobra.Command{
		Use:   "draw",
		Short: "Time a whole draw of a made-up country, stage by stage",
		Long: `Time the draw of a made-up country, each stage beside its baseline in the same run. What is
generated follows from the seed, which is printed. Only the stage "whole" needs PostgreSQL:
it makes databases of its own, on the server of DATABASE_URL or on a private one, and drops
them at the end. See docs/bench.md.`,
		Example: "  jebi bench draw --people 100000 --json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			if people < 1 {
				return usage(fmt.Errorf("--people %d: at least 1", people))
			}
			ctx := cc.Context()
			dir, err := os.MkdirTemp("", "jebi-bench-")
			if err != nil {
				return err
			}
			a.close = append(a.close, func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as somebody else where this program runs as root
				return err
			}
			r, err := rehearse.BenchDraw(ctx, rehearse.BenchConfig{
				People: people, Seed: seed, Clock: time.Now, Peak: peakMemory, Dir: dir, Progress: a.err,
				Server: func(ctx context.Context) (string, error) { return a.benchServer(ctx, dir) },
			})
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) error { return benchTable(w, r) })
		},
	}
	c.Flags().IntVar(&people, "people", 100_000, "people who answered")
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of everything that is left to chance")
	return c
}

// benchServer names a database of DATABASE_URL's server or, without one, of a
// private server in a folder that goes with the bench.
func (a *app) benchServer(ctx context.Context, dir string) (string, error) {
	if address := a.env("DATABASE_URL"); address != "" {
		return address, nil
	}
	s, err := local.Start(ctx, local.Config{Dir: filepath.Join(dir, "pg"), Logf: a.progress})
	if err != nil {
		return "", noData(fmt.Errorf("%w (or set DATABASE_URL)", err))
	}
	a.close = append(a.close, func() {
		if err := s.Stop(); err != nil {
			a.progress("jebi: stop PostgreSQL: %v", err)
		}
	})
	return s.URL, nil
}

func benchTable(w io.Writer, r rehearse.BenchReport) error {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"stage", "seconds", "allocated", "allocs", "peak memory", "baseline", "seconds", "ratio"})
	for _, s := range r.Stages {
		t.AppendRow(table.Row{
			s.Name, fmt.Sprintf("%.4f", s.Seconds), size(s.Bytes), s.Allocs, size(s.Peak), s.Baseline, fmt.Sprintf("%.4f", s.BaselineSeconds), fmt.Sprintf("%.2f", s.Ratio),
		})
	}
	t.Render()
	for _, s := range r.Stages {
		for _, p := range s.Parts {
			fmt.Fprintf(w, "%s: %s %.3f s\n", s.Name, p.Name, p.Seconds)
		}
		if s.BareSeconds > 0 {
			fmt.Fprintf(w, "%s: bare COPY %.3f s, ratio %.2f\n", s.Name, s.BareSeconds, s.BareRatio)
		}
	}
	_, err := fmt.Fprintf(w, "%d people, %d slots, seed %d, %d cores\n", r.People, r.Slots, r.Seed, r.Cores)
	return err
}

// size is a number of bytes for people to read.
func size(bytes uint64) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}
