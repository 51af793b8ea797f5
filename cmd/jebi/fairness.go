package main

import (
	"fmt"
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
)

func newStatsFairnessCommand(a *app) *cobra.Command {
	var svg string
	c := &cobra.Command{
		Use:   "fairness COHORT",
		Short: "Show who was served by a published draw, and whether luck was even",
		Long: `Show, for a published draw, which share of the people was served by birth year, district, group,
language, channel and hour of the answer, with 95 % confidence intervals (Wilson). No cell has
fewer than 10 people; smaller ones are merged.

Shares may differ: there are more seats in one district than in another. Luck may not: of people
with one kind of ticket every cell has half in the better half of the order, but for chance. A
p-value below 0.01 says that chance alone would do so in less than one draw in a hundred; among
several cuts one such is no alarm, among several draws the same one is.

It counts what the draw gave; offers that came later are not in it.`,
		Example: "  jebi stats fairness a --svg fairness.svg",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.cohortRow(ctx, db, args[0])
			if err != nil {
				return err
			}
			if !row.State.Since(cohort.Published) {
				return refused(fmt.Errorf("cohort %s: %w", row.Key, cycle.ErrNotPublished))
			}
			o := c.CohortByKey(row.Key)
			if o == nil {
				return fmt.Errorf("cohort %s is not in the campaign file", row.Key)
			}
			var groups []string
			for _, p := range o.Pools {
				groups = append(groups, p.Group)
			}
			counts, err := db.Fairness(ctx, row, c.Location.String(), groups)
			if err != nil {
				return err
			}
			f := cohort.NewFairness(counts)
			name := fairnessName(c)
			if svg != "" {
				picture, err := f.SVG("Who was served: "+c.DrawID(row.Key), c.Sample, name)
				if err != nil {
					return err
				}
				if err := os.WriteFile(svg, picture, 0o644); err != nil {
					return err
				}
				a.progress("%s", svg)
			}
			answer := struct {
				DrawID string `json:"draw_id"`
				Cohort string `json:"cohort"`
				Sample bool   `json:"sample"`
				cohort.Fairness
			}{c.DrawID(row.Key), row.Key, c.Sample, f}
			return a.show(answer, func(w io.Writer) error { return fairnessTable(w, f, c.Sample, name) })
		},
	}
	c.Flags().StringVar(&svg, "svg", "", "file to draw the plot into")
	return c
}

// fairnessName says a cell for people: districts by their names.
func fairnessName(c *cohort.Campaign) func(by, cell string) string {
	districts := map[string]string{}
	for _, d := range c.Districts {
		districts[d.Code] = d.Name.In("en", c.Languages...)
	}
	return func(by, cell string) string {
		if name := districts[cell]; by == "district" && name != "" {
			return cell + " " + name
		}
		return cell
	}
}

func fairnessTable(w io.Writer, f cohort.Fairness, sample bool, name func(by, cell string) string) error {
	if sample {
		fmt.Fprintln(w, "SAMPLE")
	}
	if f.People == 0 {
		_, err := fmt.Fprintf(w, "Fewer than %d people: nothing is shown.\n", cohort.FairnessLeast)
		return err
	}
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"by", "cell", "people", "served", "share", "95 % interval", "luck"})
	t.AppendRow(table.Row{"all", "", f.People, f.Served, percentOf(f.Share.Of), interval(f.Share), ""})
	for _, d := range f.Dimensions {
		t.AppendSeparator()
		for _, c := range d.Cells {
			luck := ""
			if c.Luck != nil {
				luck = fmt.Sprintf("%.3f", *c.Luck)
			}
			t.AppendRow(table.Row{d.By, name(d.By, c.Cell), c.People, c.Served, percentOf(c.Share.Of), interval(c.Share), luck})
		}
	}
	t.Render()
	for _, d := range f.Dimensions {
		if d.LuckPValue == nil {
			continue
		}
		fmt.Fprintf(w, "%s: luck as uneven as this by chance: p = %.4f", d.By, *d.LuckPValue)
		if d.TrendPValue != nil {
			fmt.Fprintf(w, "; a trend like this: p = %.4f", *d.TrendPValue)
		}
		fmt.Fprintln(w)
	}
	return nil
}

func percentOf(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func interval(s cohort.Share) string { return fmt.Sprintf("%.1f – %.1f %%", 100*s.Low, 100*s.High) }
