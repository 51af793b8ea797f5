package form

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// review shows the whole answer before it is submitted.
func (f *Form) review(v *visit) error { return f.showReview(v, http.StatusOK, nil) }

func (f *Form) showReview(v *visit, status int, flaws []cohort.Flaw) error {
	p, d, err := f.ballotPage(v)
	if err != nil {
		return err
	}
	p.Title = p.T("form.review.title")
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	if flaws == nil {
		if flaws, err = f.flaws(v, d.choices(ps)); err != nil {
			return err
		}
	}
	p.Problems = flawProblems(p.frame, flaws, ps, true)
	p.Stale = v.URL.Query().Get("stale") != ""
	if v.session.Party != 0 {
		ms, err := f.DB.PartyMembers(v.Context(), v.row.ID, v.session.Person)
		if err != nil {
			return err
		}
		p.Party = len(ms)
	}
	f.show(v, status, "review.html", p)
	return nil
}

// submit saves the ballot that was reviewed. The window is judged by intake,
// under its lock and the database's clock; nothing that a request carries
// changes that.
func (f *Form) submit(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	d, _, err := f.draftOf(v, s.Ballot)
	if err != nil {
		return err
	}
	if v.field("mark", 32) != d.mark() {
		return goTo("/review?stale=1")
	}
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	_, err = f.Intake.Save(v.Context(), intake.Request{
		Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Choices: d.choices(ps),
		Channel: data.ChannelWeb, Session: v.session.ID,
	})
	var flawed *intake.Flawed
	if errors.As(err, &flawed) {
		return f.showReview(v, http.StatusUnprocessableEntity, flawed.Flaws)
	}
	if err != nil {
		return err
	}
	if err := f.DB.DropDraft(v.Context(), v.row.ID, v.session.Person); err != nil {
		f.Log.Warn("a draft stays", "error", err.Error()) // the ballot is saved; the draft equals it
	}
	return goTo("/receipt")
}

type receiptPage struct {
	frame
	Number    string
	Revision  int
	SavedAt   string
	Until     string
	Open      bool
	Withdrawn bool
	Choices   []wishView
	Publish   string
	Party     int
	Draw      string
	Commit    string
	Salt      string
}

// receipt shows the ballot as it stands saved.
func (f *Form) receipt(v *visit) error {
	s, err := f.standing(v)
	if err != nil {
		return err
	}
	if s.Ballot == nil {
		return goTo("/window")
	}
	p := receiptPage{
		frame: f.frame(v, "form.receipt.title"), Number: cohort.ReceiptNumber(s.Ballot.Commit), Revision: s.Ballot.Revision,
		Open: s.Open, Withdrawn: s.Ballot.Withdrawn, Commit: hex.EncodeToString(s.Ballot.Commit[:]), Salt: hex.EncodeToString(s.Ballot.Salt[:]),
	}
	p.SavedAt, p.Until, p.Publish = p.When(s.Ballot.SavedAt), p.When(s.Cohort.Closes), p.When(s.Cohort.PublishAt)
	b, err := cohort.ParseBallot(s.Ballot.Bytes)
	if err != nil {
		return err
	}
	p.Draw = b.Draw
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	var d draft
	for _, c := range b.Choices {
		d.Choices = append(d.Choices, wishOf(c))
	}
	p.Choices = f.wishViews(v, p.frame, b.Choices, d, ps)
	if s.Ballot.Party != 0 {
		ms, err := f.DB.PartyMembers(v.Context(), v.row.ID, v.session.Person)
		if err != nil {
			return err
		}
		p.Party = len(ms)
	}
	f.show(v, http.StatusOK, "receipt.html", p)
	return nil
}

// receiptFile is what opens the commitment later, for her to keep.
func (f *Form) receiptFile(v *visit) error {
	b, err := f.DB.Ballot(v.Context(), v.row.ID, v.session.Person)
	if err != nil {
		return err
	}
	parsed, err := cohort.ParseBallot(b.Bytes)
	if err != nil {
		return err
	}
	out, err := json.MarshalIndent(map[string]any{
		"sample": v.campaign.Sample, "draw_id": parsed.Draw, "person": parsed.Person, "number": cohort.ReceiptNumber(b.Commit), "revision": b.Revision,
		"saved_at": b.SavedAt, "withdrawn": b.Withdrawn, "ballot": hex.EncodeToString(b.Bytes), "salt": hex.EncodeToString(b.Salt[:]), "commit": hex.EncodeToString(b.Commit[:]),
	}, "", "  ")
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Content-Disposition", `attachment; filename="jebi-receipt.json"`)
	v.w.Write(append(out, '\n'))
	return nil
}

type withdrawPage struct {
	frame
	Until string
	Party int
}

// withdraw asks whether she is sure.
func (f *Form) withdraw(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	if s.Ballot == nil || s.Ballot.Withdrawn {
		return goTo("/window")
	}
	p := withdrawPage{frame: f.frame(v, "form.withdraw.title"), Until: s.Moment}
	if s.Ballot.Party != 0 {
		ms, err := f.DB.PartyMembers(v.Context(), v.row.ID, v.session.Person)
		if err != nil {
			return err
		}
		p.Party = len(ms)
	}
	f.show(v, http.StatusOK, "withdraw.html", p)
	return nil
}

// doWithdraw takes the ballot back.
func (f *Form) doWithdraw(v *visit) error {
	if _, err := f.mustBeOpen(v); err != nil {
		return err
	}
	_, err := f.Intake.Withdraw(v.Context(), intake.Request{
		Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Channel: data.ChannelWeb, Session: v.session.ID,
	})
	if err != nil && !errors.Is(err, intake.ErrNoBallot) {
		return err
	}
	return goTo("/receipt")
}
