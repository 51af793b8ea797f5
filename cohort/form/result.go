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
	Why       []string // in words: rank, and what became of each choice
	Left      string   // why she is off the waitlist
	Done      string   // what she has just done
	Draw      string
}

// result shows what the draw gave her, and what she can do with it.
func (f *Form) result(v *visit) error {
	p, _, err := f.resultPage(v)
	if err != nil {
		return err
	}
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
	}
	if r.Why != "" {
		p.Left = p.T("form.result.off." + r.Why)
	}
	if r.Rank > 0 {
		if p.Why, err = f.why(v, p.frame, r); err != nil {
			return p, r, err
		}
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

// why says in words what the draw did with her ticket: where it came, and how
// far the places of each choice went.
func (f *Form) why(v *visit, p frame, r data.ResultRow) ([]string, error) {
	out := []string{p.T("form.why.rank", "rank", p.Number(r.Rank), "all", p.Number(r.Tickets))}
	if r.Size > 1 {
		out = append(out, p.T("form.why.party", "n", r.Size))
	}
	row, err := f.DB.Ballot(v.Context(), v.row.ID, v.session.Person)
	if errors.Is(err, data.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := cohort.ParseBallot(row.Bytes)
	if err != nil {
		return nil, err
	}
	var slots []data.SlotRow
	var cuts map[int64]int
	err = f.DB.ReadTx(v.Context(), func(tx *data.Tx) error {
		var err error
		if slots, err = tx.Slots(v.Context(), r.Cohort); err != nil {
			return err
		}
		cuts, err = tx.CutOffsFor(v.Context(), r.Cohort, r.Size, 1, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, c := range b.Choices {
		listed, open, reached := 0, 0, 0
		for _, s := range slots {
			if s.Position == nil || s.Drawn == nil || *s.Drawn == 0 || s.Second || !c.Allows(s.ClinicKey, s.Date, s.Part) {
				continue
			}
			listed++
			cut, full := cuts[s.ID]
			if !full || r.Rank < cut {
				open++
			} else {
				reached = max(reached, cut)
			}
		}
		key := "form.why.full"
		switch {
		case r.Origin == "draw" && i+1 == r.Choice:
			key = "form.why.got"
		case r.Origin == "draw" && r.Choice > 0 && i+1 > r.Choice:
			key = "form.why.unneeded"
		case listed == 0:
			key = "form.why.none"
		case open > 0:
			key = "form.why.open"
		}
		out = append(out, p.T(key, "n", i+1, "slots", p.Number(listed), "rank", p.Number(r.Rank), "reached", p.Number(reached)))
	}
	return out, nil
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
			_, err = tx.LeaveWaitlist(v.Context(), person, "asked", by, "")
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
