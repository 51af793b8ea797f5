package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
)

// maxTrials bounds how many trial draws one call makes.
const maxTrials = 10_000

func newDrawOddsCommand(a *app) *cobra.Command {
	var ballot string
	var one cycle.TrialBallot
	trials := 100
	c := &cobra.Command{
		Use:   "odds COHORT [--ballot FILE]",
		Short: "Estimate from trial draws on the ballots so far what share is served",
		Long: `Make trial draws on a cohort's ballots so far, each with a fresh seed, and print the share served: of
all, with the first choice, by clinic, part of the day and pool. --ballot adds one more ballot, as
jebi ballot stores it, and prints its chance with its first choice, its first two, and so on: of one
person of no pool, or as --people, --pool and --weight say. Seats of the reserve are not the draw's and
do not count. Trials have nothing to do with the draw; shares of fewer than 10 people are not told.`,
		Example: "  jebi draw odds 1962-66 --trials 200 --json\n  jebi draw odds 1962-66 --ballot ballot.json --people 2 --weight 2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			if trials < 1 || trials > maxTrials {
				return usage(fmt.Errorf("--trials is 1 to %d", maxTrials))
			}
			var mine *cycle.TrialBallot
			if ballot != "" {
				var err error
				if one.Ballot, err = readInput(cc.InOrStdin(), ballot); err != nil {
					return usage(err)
				}
				mine = &one
			} else if one.Pool != "" || one.Size != 1 || one.Weight != 1 {
				return usage(errors.New("--people, --pool and --weight are of a ballot: --ballot FILE"))
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.cohortRow(ctx, db, args[0])
			if err != nil {
				return err
			}
			if _, err := a.official(ctx, db, data.RoleOperator, data.RoleAuditor); err != nil {
				return err
			}
			o, err := cycle.Trial(ctx, db, c, row.Key, trials, mine, cryptoRandom)
			if err != nil {
				return err
			}
			return a.show(o, func(w io.Writer) error { return writeOdds(w, o) })
		},
	}
	c.Flags().StringVar(&ballot, "ballot", "", "a ballot in JSON whose chance is asked for; - is stdin")
	c.Flags().IntVar(&one.Size, "people", 1, "with --ballot: how many people answer together")
	c.Flags().StringVar(&one.Pool, "pool", "", "with --ballot: the pool that they are of")
	c.Flags().IntVar(&one.Weight, "weight", 1, "with --ballot: the weight that they carry")
	c.Flags().IntVar(&trials, "trials", trials, "trial draws")
	return c
}

func writeOdds(w io.Writer, o cohort.Odds) error {
	if o.Sample {
		fmt.Fprintln(w, "SAMPLE")
	}
	fmt.Fprintf(w, "cohort %s: %d tickets, %d trials: %.1f %% served, %.1f %% with their first choice\n",
		o.Cohort, o.Tickets, o.Trials, 100*o.Served, 100*o.First)
	for _, t := range []struct {
		name   string
		shares map[string]cohort.OddsShare
	}{{"clinic", o.Clinics}, {"part", o.Parts}, {"pool", o.Groups}} {
		for _, name := range slices.Sorted(maps.Keys(t.shares)) {
			s := t.shares[name]
			if name == "" {
				name = "(none)"
			}
			fmt.Fprintf(w, "  %-7s %-20s %6d asked  %5.1f %% served\n", t.name, name, s.Asked, 100*s.Served)
		}
	}
	for _, c := range o.Chance {
		if _, err := fmt.Fprintf(w, "  this ballot: %.1f %% for one of its first %d choices\n", 100*c.Chance, c.Choices); err != nil {
			return err
		}
	}
	return nil
}
