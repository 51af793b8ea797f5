package rehearse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/lottery"
)

// width is how many cells a terminal takes for a line: two for a letter of
// Hangul, one for everything else that the page holds.
func width(line string) int {
	n := 0
	for _, c := range line {
		n++
		if c >= '가' && c <= '힣' {
			n++
		}
	}
	return n
}

func parts(name string, state lottery.State) []lottery.Part {
	return []lottery.Part{{Name: name, State: state, Detail: "관악구"}}
}

func TestThePagesTablesAreStraightWithHangul(t *testing.T) {
	s := Summary{Campaign: "관악구 코로나19 예방접종", Cohorts: []Counts{
		{Name: "1962–1966년생", Eligible: 16467, Ballots: 13963, Assigned: 8321, FirstChoice: 4800, AnyChoice: 8321, Seats: 8700, SeatsLeft: 379},
		{Name: "born 1969–1971", Eligible: 9},
	}, Records: []Record{
		{Cohort: "1962-66", Public: parts("receipt", lottery.Absent), Private: append(parts("root", lottery.Holds), parts("source 0 (trustee)", lottery.Holds)...)},
		{Cohort: "1969-71", Private: append(parts("source 1 (dice)", lottery.Holds), parts("receipt", lottery.Fails)...)},
	}}
	var b strings.Builder
	if err := s.Page(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "SAMPLE") {
		t.Error("the page does not say that it is a sample")
	}
	tables := 0
	for part := range strings.SplitSeq(b.String(), "\n\n") {
		lines := strings.Split(strings.Trim(part, "\n"), "\n")
		if !strings.HasPrefix(lines[0], "┌") {
			continue
		}
		tables++
		for _, l := range lines {
			if width(l) != width(lines[0]) {
				t.Errorf("a line is %d cells wide, the first one %d:\n%s", width(l), width(lines[0]), part)
			}
		}
	}
	if tables != 2 {
		t.Errorf("%d tables, want 2", tables)
	}
}

func TestThePageSetsTheDrawsSideBySide(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	s := Summary{Records: []Record{
		{
			Public: []lottery.Part{{Name: "outcome", State: lottery.Absent}, {Name: "receipt", State: lottery.Absent}, {Name: "root", State: lottery.Holds}},
			Private: []lottery.Part{
				{Name: "root", State: lottery.Holds, Detail: hash},
				{Name: "source 0 (trustee)", State: lottery.Holds, Detail: "absent from the draw"},
				{Name: "outcome", State: lottery.Holds},
				{Name: "receipt", State: lottery.Holds, Detail: "rank 3 of 9"},
			},
		},
		{Private: []lottery.Part{
			{Name: "root", State: lottery.Holds},
			{Name: "source 0 (trustee)", State: lottery.Holds},
			{Name: "source 1 (drand)", State: lottery.Holds, Detail: "round 1000"},
			{Name: "outcome", State: lottery.Fails, Detail: "rank 1 (byte 0)"},
		}},
	}}
	want := []verifiedRow{
		{"root", byEverybody, []string{"holds · abababababab…", "holds"}},
		{"source 0", byEverybody, []string{"holds · trustee · absent from the draw", "holds · trustee"}},
		{"source 1", byEverybody, []string{"", "holds · drand · round 1000"}},
		{"outcome", byAuditor, []string{"holds", "fails · rank 1 (byte 0)"}},
		{"receipt", byCitizen, []string{"holds · rank 3 of 9", ""}},
	}
	if d := cmp.Diff(want, s.verifiedRows()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
