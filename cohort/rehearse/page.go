package rehearse

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Page writes the results for a person at a terminal.
func (s Summary) Page(w io.Writer) error {
	counts := table.NewWriter()
	counts.SetStyle(table.StyleLight)
	counts.SetTitle("SAMPLE · " + s.Campaign)
	counts.AppendHeader(table.Row{"cohort", "eligible", "answered", "assigned", "first choice", "any choice", "seats", "left", "seats in use"})
	row := func(name string, c Counts) table.Row {
		return table.Row{
			name, c.Eligible, with(c.Ballots, c.Eligible), with(c.Assigned, c.Ballots), with(c.FirstChoice, c.Assigned),
			with(c.AnyChoice, c.Assigned), c.Seats, c.SeatsLeft, percent(c.Seats-c.SeatsLeft, c.Seats),
		}
	}
	for _, c := range s.Cohorts {
		counts.AppendRow(row(c.Name, c))
	}
	counts.AppendFooter(row("all", s.Total))
	numbers(counts, 2, 9)

	_, err := fmt.Fprintf(w, "\n%s\n\n%s\n\n", counts.Render(), s.verified().Render())
	if err != nil {
		return err
	}
	for _, line := range s.sentences() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// sentences are what the tables do not tell.
func (s Summary) sentences() []string {
	saves := uint64(0)
	for _, r := range s.Records {
		saves += r.Saves
	}
	return []string{
		fmt.Sprintf("%d messages came in (%d e-mails, %d text messages), %d of them twice. %d people answered by the web form.",
			s.Received.Mail+s.Received.SMS, s.Received.Mail, s.Received.SMS, s.Received.Again, s.ByForm),
		fmt.Sprintf("%d saves stand in the logs under the checkpoints, each with a receipt that the operator signed; %d people took theirs from the form, and checked it.", saves, s.SignedByForm),
		fmt.Sprintf("Over capacity: %d. Outside choices: %d. All of it took %.0f seconds.", s.Total.OverCapacity, s.Total.OutsideChoices, s.Seconds),
	}
}

// numbers aligns the columns from first to last to the right.
func numbers(t table.Writer, first, last int) {
	var cs []table.ColumnConfig
	for n := first; n <= last; n++ {
		cs = append(cs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight})
	}
	t.SetColumnConfigs(cs)
	t.Style().Format.Footer = text.FormatDefault
	t.Style().Format.Header = text.FormatDefault
}

// with is a count with its share of another.
func with(n, of int) string { return fmt.Sprintf("%d (%s)", n, percent(n, of)) }

func percent(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
