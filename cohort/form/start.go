package form

import (
	"net/http"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// cohortView is a cohort as the public reads it.
type cohortView struct {
	Name   string
	Span   string
	Status string // key of a text: form.cohort.not_yet …
	When   string // what the status speaks of, written out
	State  cohort.State
	Draw   string // draw_id where it is on the board
}

type startPage struct {
	frame
	Cohorts []cohortView
	AnyOpen bool
	Max     int // wishes
}

// start says what this is and who may answer when.
func (f *Form) start(v *visit) error {
	p := startPage{frame: f.frame(v, "form.start.title"), Max: v.campaign.Rules.MaxChoices}
	rows, err := f.DB.Cohorts(v.Context(), v.row.ID)
	if err != nil {
		return err
	}
	now, err := f.DB.Now(v.Context())
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.State == cohort.Draft {
			continue
		}
		c := f.cohortView(p.frame, r, now)
		p.AnyOpen = p.AnyOpen || c.Status == "open"
		p.Cohorts = append(p.Cohorts, c)
	}
	f.show(v, http.StatusOK, "start.html", p)
	return nil
}

func (f *Form) cohortView(p frame, r data.CohortRow, now time.Time) cohortView {
	c := cohortView{Name: r.Key, Span: p.Span(r.Opens, r.Closes), State: r.State}
	if k := p.campaign.CohortByKey(r.Key); k != nil {
		c.Name = p.in(k.Name)
	}
	if r.State != cohort.Draft {
		c.Draw = p.campaign.DrawID(r.Key)
	}
	c.Status, c.When = phase(p, r, now)
	return c
}

// phase is where a cohort stands, as the key of a text, and the moment that
// the text speaks of.
func phase(p frame, r data.CohortRow, now time.Time) (status, when string) {
	switch {
	case r.State == cohort.Void:
		return "void", ""
	case r.State == cohort.Settled:
		return "settled", ""
	case r.State == cohort.Published:
		return "published", ""
	case cohort.TakesBallots(r.State, r.Opens, r.Closes, r.PausedAt != nil, now):
		return "open", p.When(r.Closes)
	case (r.State == cohort.Open || r.State == cohort.Announced) && r.PausedAt != nil && now.Before(r.Closes):
		return "paused", p.When(r.Closes)
	case now.Before(r.Opens):
		return "not_yet", p.When(r.Opens)
	}
	return "closed", p.When(r.PublishAt)
}

type textPage struct{ frame }

type helpPage struct {
	frame
	Proxies bool // the campaign has them
	Party   int  // how many can answer together
}

func (f *Form) how(v *visit) error {
	f.show(v, http.StatusOK, "how.html", textPage{f.frame(v, "form.how.title")})
	return nil
}

func (f *Form) privacy(v *visit) error {
	f.show(v, http.StatusOK, "privacy.html", textPage{f.frame(v, "form.privacy.title")})
	return nil
}

func (f *Form) help(v *visit) error {
	f.show(v, http.StatusOK, "help.html", helpPage{f.frame(v, "form.help.title"), v.campaign.Rules.MaxProxied > 0, v.campaign.Rules.MaxParty})
	return nil
}
