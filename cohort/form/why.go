package form

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"jebi/data"
)

// Explained is why a person got what she got, from her rank and public numbers
// alone. The lines are those of `jebi result explain`.
type Explained struct {
	Lines   []string
	Choices []ExplainedChoice // in her order
}

// ExplainedChoice is a choice with the slots it covers.
type ExplainedChoice struct {
	Choice  int // from 1
	Slots   []ExplainedSlot
	Granted bool
}

// ExplainedSlot is a slot of a choice: its cut-off is the lowest rank of the
// person's class that it refused, 0 where it refused nobody.
type ExplainedSlot struct {
	Name   string // CLINIC/DATE/BLOCK/VACCINE
	Seats  int
	CutOff int
}

// ErrPreparing says that a draw's proofs are being made ready for somebody
// else: try again soon.
var ErrPreparing = errors.New("the proofs of this draw are being made ready")

type whyPage struct {
	frame
	Lines   []string
	Choices []whyChoice
	Rank    string
	File    string // of her proof
	Draw    string
	Proof   bool
}

type whyChoice struct {
	N       int
	Granted bool
	Empty   bool
	Clinics []whyClinic
}

// whyClinic gathers the slots of a clinic in one choice.
type whyClinic struct {
	Name  string
	Seats string
	Full  string // the lowest and the highest cut-off of its slots, or ""
	Open  int    // slots that refused nobody
}

// why shows why she got what she got, and how she can check it.
func (f *Form) why(v *visit) error {
	r, err := f.DB.ResultOf(v.Context(), v.session.Person)
	if err != nil {
		return err
	}
	if r.Rank == 0 || f.Explain == nil {
		return goTo("/result")
	}
	e, err := f.Explain(v.Context(), v.session.Person, v.campaign, v.lang)
	if err != nil {
		return err
	}
	p := whyPage{frame: f.frame(v, "form.why.title"), Lines: e.Lines, Draw: v.campaign.DrawID(r.CohortKey), Proof: f.Proof != nil}
	p.Rank, p.File = p.Number(r.Rank), proofFile(r.Rank)
	clinics, err := f.DB.Clinics(v.Context(), v.row.ID)
	if err != nil {
		return err
	}
	names := make(map[string]string, len(clinics))
	for _, c := range clinics {
		names[c.Key] = p.clinicView(place{ClinicRow: c}).Name
	}
	for _, c := range e.Choices {
		p.Choices = append(p.Choices, whyChoice{N: c.Choice, Granted: c.Granted, Empty: len(c.Slots) == 0, Clinics: p.byClinic(c.Slots, names)})
	}
	f.show(v, http.StatusOK, "why.html", p)
	return nil
}

// byClinic puts the slots of a choice together by clinic, those that refused
// nobody first, then by how far they went.
func (p frame) byClinic(slots []ExplainedSlot, names map[string]string) []whyClinic {
	type sum struct{ seats, least, most, open int }
	sums, order := map[string]*sum{}, []string{}
	for _, s := range slots {
		key, _, _ := strings.Cut(s.Name, "/")
		at := sums[key]
		if at == nil {
			at = &sum{}
			sums[key] = at
			order = append(order, key)
		}
		at.seats += s.Seats
		if s.CutOff == 0 {
			at.open++
			continue
		}
		at.most = max(at.most, s.CutOff)
		if at.least == 0 || s.CutOff < at.least {
			at.least = s.CutOff
		}
	}
	slices.SortStableFunc(order, func(a, b string) int {
		if (sums[a].open > 0) != (sums[b].open > 0) {
			return sums[b].open - sums[a].open
		}
		return sums[b].most - sums[a].most
	})
	var out []whyClinic
	for _, key := range order {
		at := sums[key]
		name := names[key]
		if name == "" {
			name = key
		}
		c := whyClinic{Name: name, Seats: p.Number(at.seats), Open: at.open}
		switch {
		case at.most == 0:
		case at.least == at.most:
			c.Full = p.Number(at.most)
		default:
			c.Full = p.Number(at.least) + "–" + p.Number(at.most)
		}
		out = append(out, c)
	}
	return out
}

// proof gives her the file with which anyone can check her result against the
// public record.
func (f *Form) proof(v *visit) error {
	r, err := f.DB.ResultOf(v.Context(), v.session.Person)
	if err != nil {
		return err
	}
	if r.Rank == 0 || f.Proof == nil {
		return goTo("/result")
	}
	f.unhurried(v)
	file, err := f.Proof(v.Context(), v.session.Person, v.campaign)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", "attachment; filename="+proofFile(r.Rank))
	v.w.Write(file)
	return nil
}

// proofFile is the name of a proof, as the bundle's other files have theirs.
func proofFile(rank int) string { return fmt.Sprintf("receipt-%d.json", rank) }

// hasWhy says whether a result can be explained.
func (f *Form) hasWhy(r data.ResultRow) bool { return r.Rank > 0 && f.Explain != nil }
