package form

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// draft is what a person has put together so far. A choice in it may still
// lack something.
type draft struct {
	Choices []wish `json:"choices"`
}

// wish is a choice as it is put together: the target as she named it; what
// clinics it means is worked out when it is shown and when it is saved.
type wish struct {
	Kind     string   `json:"kind"` // "district", "near" or "clinics"
	District string   `json:"district,omitempty"`
	Metres   int      `json:"metres,omitempty"`
	Clinics  []string `json:"clinics,omitempty"`
	Dates    []string `json:"dates,omitempty"`
	Parts    []string `json:"parts,omitempty"`
}

// target is the wish's place in a ballot: cohort.Choice.Target.
func (w wish) target() string {
	switch w.Kind {
	case "district":
		return "district:" + w.District
	case "near":
		return "near:" + strconv.Itoa(w.Metres)
	}
	return "clinics"
}

// wishOf reads a saved choice back.
func wishOf(c cohort.Choice) wish {
	w := wish{Kind: "clinics", Dates: c.Dates, Parts: c.Parts}
	if code, ok := strings.CutPrefix(c.Target, "district:"); ok {
		w.Kind, w.District = "district", code
		return w
	}
	if m, ok := strings.CutPrefix(c.Target, "near:"); ok {
		if n, err := strconv.Atoi(m); err == nil {
			w.Kind, w.Metres = "near", n
			return w
		}
	}
	w.Clinics = c.Clinics
	return w
}

// choice is the wish with its clinics worked out. A clinic that was named
// stays, though it may have no slots any more, so that its flaw is shown.
func (w wish) choice(p places) cohort.Choice {
	c := cohort.Choice{Target: w.target(), Clinics: slices.Clone(w.Clinics), Dates: slices.Clone(w.Dates), Parts: slices.Clone(w.Parts)}
	if w.Kind != "clinics" {
		c.Clinics = cohort.TargetClinics(c.Target, nil, p.sites, p.home)
	}
	return c
}

// choices are all the draft's choices.
func (d draft) choices(p places) []cohort.Choice {
	cs := make([]cohort.Choice, len(d.Choices))
	for i, w := range d.Choices {
		cs[i] = w.choice(p)
	}
	return cs
}

// mark names a state of the draft, so that a page can tell that it changed
// elsewhere in the meantime.
func (d draft) mark() string {
	b, err := json.Marshal(d)
	if err != nil { // strings and numbers only: cannot fail
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// draftOf reads the visitor's draft; where she has none, it begins with the
// ballot that she saved. kept says whether there is one.
func (f *Form) draftOf(v *visit, saved *data.BallotRow) (d draft, kept bool, err error) {
	body, err := f.DB.Draft(v.Context(), v.row.ID, v.session.Person)
	if err != nil {
		return d, false, err
	}
	if body != nil {
		if err := json.Unmarshal(body, &d); err != nil {
			return d, false, fmt.Errorf("draft of person %d: not readable", v.session.Person)
		}
		return d, true, nil
	}
	if saved != nil && !saved.Withdrawn {
		b, err := cohort.ParseBallot(saved.Bytes)
		if err != nil {
			return d, false, fmt.Errorf("ballot of person %d: %w", v.session.Person, err)
		}
		for _, c := range b.Choices {
			d.Choices = append(d.Choices, wishOf(c))
		}
	}
	return d, false, nil
}

func (f *Form) keep(v *visit, d draft) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return f.DB.KeepDraft(v.Context(), v.row.ID, v.session.Person, body)
}

// flaws is what saving the choices would complain about.
func (f *Form) flaws(v *visit, cs []cohort.Choice) ([]cohort.Flaw, error) {
	_, err := f.Intake.Check(v.Context(), intake.Request{
		Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Choices: cs,
	})
	var flawed *intake.Flawed
	if errors.As(err, &flawed) {
		return flawed.Flaws, nil
	}
	return nil, err
}
