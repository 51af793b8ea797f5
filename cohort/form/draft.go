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
	"time"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// draft is what a person has put together so far. A choice in it may still
// lack something.
type draft struct {
	Choices  []wish    `json:"choices"`
	Replaced *replaced `json:"replaced,omitempty"` // by the last step

	read []byte    // as it is stored, nil: not yet
	kept time.Time // when
}

// replaced is a wish that the last step wrote over without having seen it: it
// came from another window or device. She is told, and can have it back.
type replaced struct {
	N    int       `json:"n"`
	Wish wish      `json:"wish"`
	At   time.Time `json:"at"`
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

// same says whether both wishes say the same.
func (w wish) same(x wish) bool { return markOf(w) == markOf(x) }

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
func (d draft) mark() string { return markOf(d.Choices) }

// newMark is the mark of a wish that is not there yet.
const newMark = "new"

// markOf names a wish, or a list of them, by what it says.
func markOf(x any) string {
	b, err := json.Marshal(x)
	if err != nil { // strings and numbers only: cannot fail
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// put writes a wish into the draft: over the one that its page showed (seen is
// its mark, at place n from 1), wherever that is by now, or as a further one.
// What it writes over unseen it remembers. It answers the wish's place, or 0
// where there is no room.
func (d *draft) put(n int, seen string, w wish, most int) int {
	d.Replaced = nil
	at := slices.IndexFunc(d.Choices, func(x wish) bool { return markOf(x) == seen })
	switch {
	case n <= len(d.Choices) && markOf(d.Choices[n-1]) == seen:
		at = n - 1
	case at >= 0 && seen != "": // moved in the meantime
	case n <= len(d.Choices):
		at = n - 1
		if old := d.Choices[at]; markOf(old) != markOf(w) {
			d.Replaced = &replaced{n, old, d.kept}
		}
	case len(d.Choices) < most:
		d.Choices = append(d.Choices, w)
		return len(d.Choices)
	default:
		return 0
	}
	d.Choices[at] = w
	return at + 1
}

// draftOf reads the visitor's draft; where she has none, it begins with the
// ballot that she saved. kept says whether there is one.
func (f *Form) draftOf(v *visit, saved *data.BallotRow) (d draft, kept bool, err error) {
	row, err := f.draftRow(v)
	if err != nil {
		return d, false, err
	}
	if row.Body != nil {
		if err := json.Unmarshal(row.Body, &d); err != nil {
			return d, false, fmt.Errorf("draft of person %d: not readable", v.session.Person)
		}
		d.read, d.kept = row.Body, row.Kept
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
		d.kept = saved.SavedAt
	}
	return d, false, nil
}

// draftRow gives the draft that was read with the session, once; whoever asks
// again asks because it may have changed.
func (f *Form) draftRow(v *visit) (data.DraftRow, error) {
	if came := v.draft; came != nil {
		v.draft = nil
		return *came, nil
	}
	return f.DB.Draft(v.Context(), v.row.ID, v.session.Person)
}

// edits bounds how often a step begins again because another window or device
// was faster.
const edits = 5

// edit makes one step in the visitor's draft: change is shown the draft as it
// stands, and is called again where the draft changed before it was kept.
func (f *Form) edit(v *visit, saved *data.BallotRow, change func(*draft) error) (d draft, err error) {
	for range edits {
		if d, _, err = f.draftOf(v, saved); err != nil {
			return d, err
		}
		if err = change(&d); err != nil {
			return d, err
		}
		if err = f.keep(v, d); !errors.Is(err, data.ErrDraftChanged) {
			return d, err
		}
	}
	return d, intake.ErrBusy
}

func (f *Form) keep(v *visit, d draft) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return f.DB.KeepDraft(v.Context(), v.row.ID, v.session.Person, d.read, body)
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
