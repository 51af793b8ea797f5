package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/data"
)

func newStatsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "stats [COHORT]",
		Short: "Count who answered, who has a place, and what is left",
		Long: `Count, for each cohort or for one: people, ballots, places, offers, seats. The counts are made from
the rows; seats given twice and places outside a ballot are counted by queries of their own.`,
		Example: "  jebi stats --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			id := 0
			if len(args) == 1 {
				_, o, err := a.cohortRow(ctx, db, args[0])
				if err != nil {
					return err
				}
				id = o.ID
			}
			stats, err := db.Stats(ctx, row.ID, id)
			if err != nil {
				return err
			}
			answer := struct {
				Campaign string             `json:"campaign"`
				Sample   bool               `json:"sample"`
				Cohorts  []data.CohortStats `json:"cohorts"`
			}{row.Key, c.Sample, stats}
			return a.show(answer, func(w io.Writer) error {
				if c.Sample {
					fmt.Fprintln(w, "SAMPLE")
				}
				t := table.NewWriter()
				t.SetOutputMirror(w)
				t.SetStyle(table.StyleLight)
				t.AppendHeader(table.Row{"cohort", "state", "eligible", "ballots", "assigned", "1st choice", "waiting", "offers", "seats", "left", "over", "outside"})
				for _, s := range stats {
					t.AppendRow(table.Row{s.Cohort, s.State, s.Eligible, s.Ballots, s.Assigned, s.FirstChoice, s.Waiting, s.LiveOffers, s.Seats, s.SeatsLeft, s.OverCapacity, s.OutsideChoices})
				}
				t.Render()
				return nil
			})
		},
	}
	c.AddCommand(newStatsFairnessCommand(a))
	return c
}
