package form

import (
	"encoding/json"

	"jebi/cohort"
)

// BenchDraft is what would be kept of somebody who has put these choices
// together on the pages, and the mark that her review page would carry: for the
// bench of the intake, which submits many ballots at once.
func BenchDraft(cs []cohort.Choice) (body []byte, mark string, err error) {
	var d draft
	for _, c := range cs {
		d.Choices = append(d.Choices, wishOf(c))
	}
	body, err = json.Marshal(d)
	return body, d.mark(), err
}
