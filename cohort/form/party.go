package form

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// mateView is a member of a party as the others see her.
type mateView struct {
	Who      string // the first sign of the name
	Self     bool
	Together bool // her answer is the party's
	Out      bool // she cannot answer any more
}

type partyPage struct {
	frame
	Open   bool
	In     bool // she is in a party
	Until  string
	Max    int
	Mates  []mateView
	Alone  bool // nobody has joined yet
	Done   bool // all have the same answer
	Partly bool // some have it, some do not
	Out    bool // one of them cannot answer any more
	Codes  []string
	Room   bool // there is a free place without a code
	Own    bool // she has an answer of her own that stands
	Just   string
	Typed  string
	Mate   int // how many the others are
}

// together is how many answer together: 0 where she is alone in her party.
func together(ms []data.PartyMember) int {
	if len(ms) < 2 {
		return 0
	}
	return len(ms)
}

// partyPage reads the visitor's party. What can be changed only while her
// window is open is said so.
func (f *Form) partyPage(v *visit, title string) (partyPage, error) {
	p := partyPage{frame: f.frame(v, title), Max: v.campaign.Rules.MaxParty}
	if p.Max < 2 {
		return p, errNoPage
	}
	s, err := f.standing(v)
	if err != nil {
		return p, err
	}
	p.Open, p.Until = s.Open, s.Moment
	p.Own = s.Ballot != nil && !s.Ballot.Withdrawn
	view, err := f.DB.Party(v.Context(), v.row.ID, v.session.Person)
	if errors.Is(err, data.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.In = true
	answered := 0
	for _, m := range view.Members {
		p.Mates = append(p.Mates, mateView{initial(m.Name), m.Person == v.session.Person, m.Together, m.Status != "eligible"})
		p.Out = p.Out || m.Status != "eligible"
		if m.Together {
			answered++
		}
	}
	p.Mate = len(view.Members) - 1
	p.Alone = p.Mate == 0
	p.Done = view.Together()
	p.Partly = answered > 0 && !p.Done
	for _, c := range view.Codes {
		p.Codes = append(p.Codes, cohort.FormatPartyCode(cohort.PartyCode(f.Key, c.Nonce)))
	}
	p.Room = len(view.Members)+len(view.Codes) < p.Max
	return p, nil
}

// party shows who answers together, and the codes by which others join.
func (f *Form) party(v *visit) error {
	p, err := f.partyPage(v, "entry.party.title")
	if err != nil {
		return err
	}
	p.Just = justDone(v.URL.Query().Get("just"))
	f.show(v, http.StatusOK, "party.html", p)
	return nil
}

// justDone is what the page before did, as the end of a text's key.
func justDone(s string) string {
	switch s {
	case "started", "joined", "left":
		return s
	}
	return ""
}

// changeParty starts a party or makes codes for its free places.
func (f *Form) changeParty(v *visit) error {
	if _, err := f.partyPage(v, "entry.party.title"); err != nil {
		return err
	}
	var err error
	just := ""
	switch act := v.field("act", 10); act {
	case "start":
		err, just = f.Intake.StartParty(v.Context(), f.request(v), f.partyCodes(v)), "?just=started"
	case "codes":
		err = f.Intake.PartyCodes(v.Context(), f.request(v), f.partyCodes(v))
	default:
		return &badForm{fmt.Errorf("no act %q", act)}
	}
	var no *data.PartyRefused
	if errors.As(err, &no) { // another tab was quicker
		return goTo("/party")
	}
	if err != nil {
		return err
	}
	return goTo("/party" + just)
}

// request is what intake must know of the visitor.
func (f *Form) request(v *visit) intake.Request {
	return intake.Request{Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Channel: v.session.Channel(), Session: v.session.ID}
}

// partyCodes draws nonces and gives the hashes of the codes that come of them.
func (f *Form) partyCodes(v *visit) intake.Codes {
	return func() (nonce, hash [32]byte, err error) {
		if _, err := io.ReadFull(f.Random, nonce[:]); err != nil {
			return nonce, hash, fmt.Errorf("random nonce: %w", err)
		}
		code := cohort.PartyCode(f.Key, nonce[:])
		return nonce, cohort.EntryHandle(f.Key, cohort.WayParty, v.campaign.Key, code), nil
	}
}

// join asks for the code of the party that she wants to join.
func (f *Form) join(v *visit) error {
	p, err := f.partyPage(v, "entry.join.title")
	if err != nil {
		return err
	}
	if p.In || !p.Open {
		return goTo("/party")
	}
	f.show(v, http.StatusOK, "join.html", p)
	return nil
}

// doJoin makes her a member. From then on one answer counts for all.
func (f *Form) doJoin(v *visit) error {
	p, err := f.partyPage(v, "entry.join.title")
	if err != nil {
		return err
	}
	p.Typed = v.field("code", 40)
	code, err := cohort.ParsePartyCode(p.Typed)
	if err != nil {
		p.Problems = append(p.Problems, problem{"code", p.T("entry.join.form")})
	}
	if v.PostForm.Get("agree") != "yes" {
		p.Problems = append(p.Problems, problem{"agree", p.T("entry.join.must")})
	}
	if len(p.Problems) > 0 {
		f.show(v, http.StatusUnprocessableEntity, "join.html", p)
		return nil
	}
	err = f.Intake.JoinParty(v.Context(), intake.Joining{
		Request: f.request(v), CodeHash: cohort.EntryHandle(f.Key, cohort.WayParty, v.campaign.Key, code), Address: f.addressHash(v), Caps: f.EntryCaps,
	})
	var no *data.PartyRefused
	var mate *intake.NotEligible
	switch {
	case errors.As(err, &no) && no.Why == "already":
		return goTo("/party")
	case errors.As(err, &no):
		f.countFailure(v)
		p.Problems = []problem{{"code", p.T("entry.join." + no.Why)}}
	case errors.As(err, &mate) && mate.Status == "party":
		p.Problems = []problem{{"code", p.T("entry.join.mate")}}
	case err != nil:
		return err
	default:
		return goTo("/party?just=joined")
	}
	f.show(v, http.StatusUnprocessableEntity, "join.html", p)
	return nil
}

// leave tells what happens when she leaves.
func (f *Form) leave(v *visit) error {
	p, err := f.partyPage(v, "entry.leave.title")
	if err != nil {
		return err
	}
	if !p.In || !p.Open {
		return goTo("/party")
	}
	f.show(v, http.StatusOK, "leave.html", p)
	return nil
}

// doLeave ends her membership. She keeps the answer, for herself alone.
func (f *Form) doLeave(v *visit) error {
	err := f.Intake.LeaveParty(v.Context(), f.request(v))
	var no *data.PartyRefused
	if errors.As(err, &no) {
		return goTo("/party")
	}
	if err != nil {
		return err
	}
	return goTo("/party?just=left")
}
