package form

import (
	"net/http"

	"jebi/cohort/campaign"
	"jebi/data"
)

type elsewherePage struct {
	frame
	Other  string // name of the campaign on whose list she is
	URL    string // of its site, or ""
	Window string // from when to when she may answer there, or ""
	Phone  string
}

// elsewhere tells somebody who is on the list of another campaign where she
// can answer. It is the only page that she gets.
func (f *Form) elsewhere(v *visit) error {
	if v.session.Home == v.row.ID {
		return goTo("/window")
	}
	p := elsewherePage{frame: f.frame(v, "entry.elsewhere.title")}
	rows, err := f.DB.Campaigns(v.Context())
	if err != nil {
		return err
	}
	var other data.CampaignRow
	for _, r := range rows {
		if r.ID == v.session.Home {
			other = r
		}
	}
	p.Other = other.Key
	c, _ := campaign.Parse(other.File)
	if c == nil { // written for a newer program: its key must do
		f.show(v, http.StatusOK, "elsewhere.html", p)
		return nil
	}
	p.Other, p.URL, p.Phone = c.Name.In(v.lang, c.Languages...), c.Contact.URL, c.Contact.Phone
	if v.session.Cohort != 0 && v.session.Status == "eligible" {
		w, err := f.DB.Window(v.Context(), v.session.Cohort)
		if err != nil {
			return err
		}
		if w.State != "draft" {
			p.Window = f.Words.Span(v.lang, w.Opens, w.Closes, c.Location)
		}
	}
	f.show(v, http.StatusOK, "elsewhere.html", p)
	return nil
}
