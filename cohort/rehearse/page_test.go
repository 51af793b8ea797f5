package rehearse

import (
	"strings"
	"testing"
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

func TestThePagesTablesAreStraightWithHangul(t *testing.T) {
	s := Summary{Campaign: "관악구 코로나19 예방접종", Cohorts: []Counts{
		{Name: "1962–1966년생", Eligible: 16467, Ballots: 13963, Assigned: 8321, FirstChoice: 4800, AnyChoice: 8321, Seats: 8700, SeatsLeft: 379},
		{Name: "born 1969–1971", Eligible: 9},
	}, Stages: []Stage{{Name: "people answer", Cohort: "1962-66", Seconds: 12.3}}}
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
