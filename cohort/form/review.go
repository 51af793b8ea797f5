package form

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
		p.Party = together(ms)
	}
	f.show(v, status, "review.html", p)
	return nil
}

// submit saves the ballot that was reviewed. The window is judged by intake,
// under its lock and the database's clock; nothing that a request carries
// changes that.
func (f *Form) submit(v *visit) error {
	d, kept, err := f.draftOf(v, nil)
	if err != nil {
		return err
	}
	ps, err := f.reach(v)
	if err != nil {
		return err
	}
	if seen := v.field("mark", 32); !kept || seen != d.mark() { // seldom; else nothing but the draft is needed
		s, err := f.mustBeOpen(v)
		if err != nil {
			return err
		}
		if d, kept, err = f.draftOf(v, s.Ballot); err != nil {
			return err
		}
		if seen != d.mark() {
			return goTo("/review?stale=1")
		}
		if !kept && f.saved(v, s.Ballot, d, ps) {
			return goTo("/receipt") // pressed twice: what she submits is saved already
		}
	}
	r := intake.Request{
		Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Choices: d.choices(ps),
		Channel: v.session.Channel(), Session: v.session.ID,
	}
	if v.session.Party == 0 {
		r.Key = v.session.Key
	}
	if kept { // one that was changed elsewhere since stays
		r.Draft = d.kept
	}
	_, err = f.Intake.Save(v.Context(), r)
	var flawed *intake.Flawed
	if errors.As(err, &flawed) {
		return f.showReview(v, http.StatusUnprocessableEntity, flawed.Flaws)
	}
	if err != nil {
		return err
	}
	return goTo("/receipt")
}

// saved says whether the draft says exactly what her ballot says already.
func (f *Form) saved(v *visit, b *data.BallotRow, d draft, ps places) bool {
	if b == nil || b.Withdrawn || b.Party != v.session.Party {
		return false
	}
	was, err := cohort.ParseBallot(b.Bytes)
	if err != nil {
		return false
	}
	now := cohort.Ballot{Draw: was.Draw, Person: was.Person, Party: was.Party, Choices: d.choices(ps)}
	now.Normalize(v.campaign.DayParts)
	return bytes.Equal(now.Encode(), b.Bytes)
}

type receiptPage struct {
	frame
	Number    string
	Revision  int
	SavedAt   string
	Until     string
	Open      bool
	Out       bool // the draw's result is
	Withdrawn bool
	Choices   []wishView
	Publish   string
	Party     int
	Draw      string
	Commit    string
	Salt      string
	Replaced  string // when what it replaced was saved
	Signature string
	Ways      data.Channels
	Told      string // what was just sent
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
		Open: s.Open, Out: s.Cohort.State.Since(cohort.Published), Withdrawn: s.Ballot.Withdrawn, Commit: hex.EncodeToString(s.Ballot.Commit[:]), Salt: hex.EncodeToString(s.Ballot.Salt[:]),
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
		p.Party = together(ms)
	}
	if at := s.Ballot.ReplacedAt; !at.IsZero() {
		p.Replaced = p.When(at)
	}
	signed, err := f.Intake.Signed(v.Context(), *s.Ballot)
	if err != nil {
		return err
	}
	if signed != nil {
		p.Signature = hex.EncodeToString(signed.Signature)
	}
	if p.Ways, err = f.DB.Channels(v.Context(), v.session.Person); err != nil {
		return err
	}
	switch v.URL.Query().Get("sent") {
	case data.ByEmail, data.BySMS:
		p.Told = p.T("form.receipt.sent." + v.URL.Query().Get("sent"))
	case "often":
		p.Told = p.T("form.receipt.sent.often")
	}
	f.show(v, http.StatusOK, "receipt.html", p)
	return nil
}

// receiptsADay is how many receipts are sent to one person by one channel.
const receiptsADay = 5

// sendReceipt sends the receipt number to the person's own address or phone.
func (f *Form) sendReceipt(v *visit) error {
	s, err := f.standing(v)
	if err != nil {
		return err
	}
	if s.Ballot == nil || s.Ballot.Withdrawn {
		return goTo("/window")
	}
	way := v.field("way", 10)
	ways, err := f.DB.Channels(v.Context(), v.session.Person)
	if err != nil {
		return err
	}
	if !(way == data.ByEmail && ways.Email) && !(way == data.BySMS && ways.SMS) {
		return &badForm{fmt.Errorf("no way %q", way)}
	}
	err = f.DB.TellReceipt(v.Context(), v.row.ID, v.session.Person, s.Ballot.Revision, way, receiptsADay)
	if errors.Is(err, data.ErrToldOften) {
		return goTo("/receipt?sent=often")
	}
	if err != nil {
		return err
	}
	return goTo("/receipt?sent=" + way)
}

// receiptFile is what opens the commitment later, for her to keep, with the
// operator's signature.
func (f *Form) receiptFile(v *visit) error {
	b, err := f.DB.Ballot(v.Context(), v.row.ID, v.session.Person)
	if err != nil {
		return err
	}
	parsed, err := cohort.ParseBallot(b.Bytes)
	if err != nil {
		return err
	}
	signed, err := f.Intake.Signed(v.Context(), b)
	if err != nil {
		return err
	}
	file := map[string]any{
		"sample": v.campaign.Sample, "draw_id": parsed.Draw, "person": parsed.Person, "number": cohort.ReceiptNumber(b.Commit), "revision": b.Revision,
		"saved_at": b.SavedAt, "withdrawn": b.Withdrawn, "ballot": hex.EncodeToString(b.Bytes), "salt": hex.EncodeToString(b.Salt[:]), "commit": hex.EncodeToString(b.Commit[:]),
	}
	if signed != nil {
		file["save"] = signed
	}
	out, err := json.MarshalIndent(file, "", "  ")
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
		p.Party = together(ms)
	}
	f.show(v, http.StatusOK, "withdraw.html", p)
	return nil
}

// doWithdraw takes the ballot back. Its wishes stay as a draft: who changes her
// mind need not write them again.
func (f *Form) doWithdraw(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	d, kept, err := f.draftOf(v, s.Ballot)
	if err != nil {
		return err
	}
	_, err = f.Intake.Withdraw(v.Context(), intake.Request{
		Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Channel: v.session.Channel(), Session: v.session.ID,
	})
	if err != nil && !errors.Is(err, intake.ErrNoBallot) {
		return err
	}
	if !kept && len(d.Choices) > 0 {
		if err := f.keep(v, d); err != nil {
			f.Log.Warn("withdrawn wishes are not kept", "error", err.Error()) // she asked to withdraw, and that is done
		}
	}
	return goTo("/receipt")
}
