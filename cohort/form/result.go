package form

import (
	"errors"
	"net/http"
	"strconv"

	"jebi/cohort"
	"jebi/data"
)

type placeView struct {
	Clinic, Address, Phone, Bring string
	Day, Time, Vaccine            string
}

type resultPage struct {
	frame
	State     string // of data.ResultRow, or "not_published"
	Name      string
	Place     *placeView
	Second    *placeView
	Offer     *placeView
	OfferID   int64
	Deadline  string
	ConfirmBy string
	CancelBy  string
	Publish   string
	Settle    string
	Choice    int
	Size      int
	Reference string
	CanAccept bool
	CanCancel bool
	Rank      string // of how many, in words; "" before the draw
	Explained bool   // there is a page that says why
	Calendar  string // what the calendar file does: "add", "change", "remove" or ""
	Ahead     string // tickets before hers on the waitlist
	Left      string // why she is off the waitlist
	Done      string // what she has just done
	Draw      string
	Receipt   bool // she has one
}

// result shows what the draw gave her, and what she can do with it.
func (f *Form) result(v *visit) error {
	p, r, err := f.resultPage(v)
	if err != nil {
		return err
	}
	if r.State == "no_ballot" && !r.CohortState.Since(cohort.Published) {
		return goTo("/window") // there is no result of hers, and there may be time left
	}
	p.Receipt = r.State != "no_cohort" && r.State != "no_ballot"
	switch done := v.URL.Query().Get("done"); done {
	case "accept", "decline", "cancel", "offer-accept", "offer-decline", "leave":
		p.Done = p.T("form.result.done." + done)
	case "late":
		p.Problems = []problem{{"now", p.T("form.result.late")}}
	}
	f.show(v, http.StatusOK, "result.html", p)
	return nil
}

func (f *Form) resultPage(v *visit) (resultPage, data.ResultRow, error) {
	p := resultPage{frame: f.frame(v, "form.result.title"), Name: v.session.Name}
	r, err := f.DB.ResultOf(v.Context(), v.session.Person)
	if err != nil {
		return p, r, err
	}
	p.State, p.Choice, p.Size = r.State, r.Choice, r.Size
	if !r.PublishAt.IsZero() {
		p.Publish, p.Settle, p.ConfirmBy = p.When(r.PublishAt), p.When(r.SettleAt), p.When(r.ConfirmBy)
	}
	if r.CohortKey != "" {
		p.Draw = v.campaign.DrawID(r.CohortKey)
	}
	if r.Place != nil {
		p.Place = p.placeView(*r.Place)
		until := r.Place.Starts.Add(-v.campaign.Rules.CancelLead)
		p.CancelBy = p.When(until)
		p.CanAccept = r.State == "assigned" && r.Now.Before(r.ConfirmBy)
		p.CanCancel = (r.State == "assigned" || r.State == "confirmed") && r.Now.Before(until)
		p.Reference = cohort.Reference(r.Assignment)
	}
	if r.Second != nil {
		p.Second = p.placeView(*r.Second)
	}
	if r.Offer != nil {
		p.Offer, p.OfferID, p.Deadline = p.placeView(r.Offer.Place), r.Offer.ID, p.When(r.Offer.Deadline)
		if r.Offer.Second != nil {
			p.Second = p.placeView(*r.Offer.Second)
		}
	}
	if r.Why != "" {
		p.Left = p.T("form.result.off." + r.Why)
	}
	if r.Rank > 0 {
		p.Rank = p.T("form.why.rank", "rank", p.Number(r.Rank), "all", p.Number(r.Tickets))
		p.Explained = f.hasWhy(r)
	}
	switch {
	case p.State == "waiting":
		p.Ahead = p.T("form.result.next")
		if r.Ahead > 0 {
			p.Ahead = p.T("form.result.ahead", "n", p.Number(r.Ahead))
		}
	case p.Place == nil:
	case p.State == "assigned", p.State == "confirmed":
		p.Calendar = "add"
		if r.Origin == "move" {
			p.Calendar = "change"
		}
	default:
		p.Calendar = "remove"
	}
	return p, r, nil
}

func (p frame) placeView(s data.Place) *placeView {
	out := &placeView{Clinic: s.Name, Address: s.Address, Phone: s.Phone, Bring: s.Bring, Vaccine: s.Vaccine}
	if p.Lang != "ko" && s.NameEn != "" {
		out.Clinic = s.NameEn
	}
	at := s.Starts.In(zoneOr(p.zone()))
	out.Day, out.Time = p.book.FullDate(p.Lang, at), p.book.Clock(p.Lang, at)
	return out
}

type askPage struct {
	frame
	Act     string
	Heading string
	Text    string
	Button  string
	Place   *placeView
	OfferID int64
}

// askResult asks whether she is sure, before something that cannot be undone.
func (f *Form) askResult(v *visit) error {
	act := v.PathValue("act")
	p, _, err := f.resultPage(v)
	if err != nil {
		return err
	}
	ask := askPage{frame: f.frame(v, "form.result.title"), Act: act, Place: p.Place}
	switch {
	case act == "decline" && p.CanAccept, act == "cancel" && p.CanCancel:
	case act == "offer-decline" && p.Offer != nil:
		ask.Place, ask.OfferID = p.Offer, p.OfferID
	case act == "leave" && p.State == "waiting":
	default:
		return goTo("/result")
	}
	ask.Heading, ask.Text, ask.Button = p.T("form.ask."+act+".title"), p.T("form.ask."+act+".text"), p.T("form.ask."+act+".button")
	ask.Title = ask.Heading
	f.show(v, http.StatusOK, "ask.html", ask)
	return nil
}

// doResult does it. Doing it twice, or too late, changes nothing and says so.
func (f *Form) doResult(v *visit) error {
	act := v.PathValue("act")
	by := data.Actor{Kind: "person"}
	if v.session.Proxy != 0 {
		by.Kind = "proxy"
	}
	person := v.session.Person
	offer, _ := strconv.ParseInt(v.field("offer", 20), 10, 64)
	err := f.DB.Tx(v.Context(), func(tx *data.Tx) error {
		var err error
		switch act {
		case "accept":
			_, err = tx.ConfirmAssignment(v.Context(), person, by, "")
		case "decline":
			_, err = tx.DeclineAssignment(v.Context(), person, by, "")
		case "cancel":
			_, err = tx.CancelAssignment(v.Context(), person, v.campaign.Rules.CancelLead, by, "")
		case "offer-accept":
			_, err = tx.AcceptOffer(v.Context(), offer, person, by, "")
		case "offer-decline":
			_, err = tx.DeclineOffer(v.Context(), offer, person, by, "")
		case "leave":
			var left bool
			if left, err = tx.LeaveWaitlist(v.Context(), person, "asked", by, ""); err == nil && !left {
				err = data.ErrNoPlace
			}
		default:
			return errNoPage
		}
		return err
	})
	var late *data.TooLate
	switch {
	case errors.As(err, &late), errors.Is(err, data.ErrNoPlace), errors.Is(err, data.ErrNoOffer):
		return goTo("/result?done=late")
	case err != nil:
		return err
	}
	return goTo("/result?done=" + act)
}
