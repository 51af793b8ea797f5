package campaign

import (
	"cmp"
	"fmt"
	"slices"
)

// The severities of a problem. A file with an error is no campaign; a warning
// is for a person to look at.
const (
	Error   = "error"
	Warning = "warning"
)

// Problem is one thing wrong, or worth a look, in a campaign file.
type Problem struct {
	Line     int    `json:"line"`   // from 1
	Column   int    `json:"column"` // from 1, in characters
	Severity string `json:"severity"`
	Text     string `json:"text"`
}

func (p Problem) String() string {
	return fmt.Sprintf("%d:%d: %s: %s", p.Line, p.Column, p.Severity, p.Text)
}

// Errors keeps the errors among problems.
func Errors(ps []Problem) []Problem {
	var es []Problem
	for _, p := range ps {
		if p.Severity == Error {
			es = append(es, p)
		}
	}
	return es
}

func sortProblems(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Severity, b.Severity))
	})
	return slices.Compact(ps)
}
