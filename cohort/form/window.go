package form

import (
	"errors"
	"net/http"

	"jebi/cohort"
	"jebi/data"
)

// standing is what a signed-in person may do now.
type standing struct {
	Open   bool // she may answer
	Kind   string
	Cohort data.CohortRow
	Moment string          // what Kind's text speaks of, written out
	Window string          // from when to when, written out
	Ballot *data.BallotRow // nil: none yet
}

// standing reads her window as it stands. Kind is the key of a text:
// "open", "not_yet", "closed", "paused", "published", "assigned", "settled",
// "void", "no_cohort", or, of her place on the list, "vaccinated", "moved", "removed",
// "dead".
func (f *Form) standing(v *visit) (standing, error) {
	var s standing
	p := frame{book: f.Words, campaign: v.campaign, Lang: v.lang}
	w, b, err := f.DB.Standing(v.Context(), v.row.ID, v.session.Person, v.session.Cohort)
	if err != nil {
		return s, err
	}
	s.Ballot = b
	if w.ID != 0 {
		s.Cohort = w.CohortRow
		s.Kind, s.Moment = phase(p, w.CohortRow, w.Now)
		s.Window = p.Span(w.Opens, w.Closes)
		if s.Kind == "open" && !w.TakesBallots() {
			s.Kind = "paused" // its time has come, and the database is not fit for it
		}
	}
	switch {
	case s.Cohort.State.Since(cohort.Published) && s.Cohort.State != cohort.Void:
		has, err := f.DB.HasPlace(v.Context(), v.row.ID, v.session.Person)
		if err != nil {
			return s, err
		}
		if has {
			s.Kind = "assigned"
		}
	case v.session.Status != "eligible" && !s.Cohort.State.Since(cohort.Published):
		s.Kind = v.session.Status
	case w.ID == 0 || s.Cohort.State == cohort.Draft:
		s.Kind = "no_cohort"
	}
	s.Open = s.Kind == "open"
	f.known.noteWindow(s.Cohort, s.Open)
	return s, nil
}

type windowPage struct {
	frame
	standing
	Name     string
	Answered bool        // a ballot stands
	Withdrew bool        // none does, as she has withdrawn it
	Proxies  []proxyView // who answers for her
	Undone   bool        // what a proxy did was just taken back
	Parties  bool        // the campaign has them
	Receipt  string
	SavedAt  string
	Party    int // people who answer together, or 0
}

// window is the signed-in person's own page: what she may do now, or why not
// and when.
func (f *Form) window(v *visit) error {
	p, err := f.windowPage(v)
	if err != nil {
		return err
	}
	f.show(v, http.StatusOK, "window.html", p)
	return nil
}

// notNow answers who may not answer now with the same page, and the status
// that says so. Nothing was stored.
func (f *Form) notNow(v *visit) {
	if v.session == nil {
		f.failPage(v, http.StatusForbidden, "signed_out", nil, "/sign-in", "form.start.go")
		return
	}
	p, err := f.windowPage(v)
	if err != nil {
		f.fail(v, errors.Join(errors.New("window page"), err))
		return
	}
	p.Problems = []problem{{"now", p.T("form.window.refused")}}
	f.show(v, http.StatusForbidden, "window.html", p)
}

func (f *Form) windowPage(v *visit) (windowPage, error) {
	p := windowPage{frame: f.frame(v, "form.window.title"), Name: v.session.Name}
	s, err := f.standing(v)
	if err != nil {
		return p, err
	}
	p.standing = s
	p.Withdrew = s.Ballot != nil && s.Ballot.Withdrawn
	if b := s.Ballot; b != nil && !b.Withdrawn {
		p.Answered = true
		p.Receipt = cohort.ReceiptNumber(b.Commit)
		p.SavedAt = p.When(b.SavedAt)
	}
	p.Parties = v.campaign.Rules.MaxParty > 1
	p.Undone = v.Method == http.MethodGet && v.URL.Query().Get("undone") != ""
	if p.Proxies, err = f.proxyViews(v, p.frame); err != nil {
		return p, err
	}
	if v.session.Party != 0 {
		ms, err := f.DB.PartyMembers(v.Context(), v.row.ID, v.session.Person)
		if err != nil {
			return p, err
		}
		p.Party = together(ms)
	}
	return p, nil
}

// mustBeOpen is standing for pages that only make sense in an open window.
func (f *Form) mustBeOpen(v *visit) (standing, error) {
	s, err := f.standing(v)
	if err == nil && !s.Open {
		err = errNotNow
	}
	return s, err
}
