package rehearse

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"jebi/lottery"
)

// Who can check a part of a draw.
const (
	byEverybody = "everybody"
	byAuditor   = "sworn auditor"
	byCitizen   = "the citizen"
)

// verifiedRow is a part of the draws with what was found of it, cohort by
// cohort.
type verifiedRow struct {
	Part, By string
	Found    []string
}

// verifiedRows sets the cohorts' reports side by side, in the order of the
// protocol.
func (s Summary) verifiedRows() []verifiedRow {
	var rows []verifiedRow
	at := map[string]int{}
	for i, r := range s.Records {
		for _, p := range r.Private {
			name, kind, source := strings.Cut(p.Name, " (")
			x, ok := at[name]
			if !ok {
				// A source that the cohorts before do not have comes after their last one.
				for x = len(rows); source && i > 0 && !strings.HasPrefix(rows[x-1].Part, "source"); x-- {
				}
				rows = append(rows[:x], append([]verifiedRow{{name, whoChecks(r.Public, p.Name), make([]string, len(s.Records))}}, rows[x:]...)...)
				for j := range rows {
					at[rows[j].Part] = j
				}
			}
			rows[x].Found[i] = found(p, strings.TrimSuffix(kind, ")"))
		}
	}
	return rows
}

// whoChecks says who has what a part needs.
func whoChecks(public []lottery.Part, part string) string {
	for _, p := range public {
		if p.Name == part && p.State == lottery.Absent {
			if part == "receipt" {
				return byCitizen
			}
			return byAuditor
		}
	}
	return byEverybody
}

// found says what was found of a part: its state, the kind of a source, and
// the detail, where it is short.
func found(p lottery.Part, kind string) string {
	text := string(p.State)
	for _, more := range []string{kind, p.Detail} {
		if more != "" {
			text += " · " + short(more)
		}
	}
	return text
}

// short cuts a hash in hex, which is in summary.json whole.
func short(text string) string {
	if len(text) == 64 && !strings.Contains(text, " ") {
		return text[:12] + "…"
	}
	return text
}

// verified is the table of them.
func (s Summary) verified() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetTitle("Recomputed from what the draws left behind")
	head := table.Row{"part", "checked by"}
	for _, r := range s.Records {
		head = append(head, r.Cohort)
	}
	t.AppendHeader(head)
	for _, r := range s.verifiedRows() {
		row := table.Row{r.Part, r.By}
		for _, f := range r.Found {
			row = append(row, f)
		}
		t.AppendRow(row)
	}
	numbers(t, 1, 0)
	return t
}
