package form

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// relations are how a proxy can be related, as keys of texts.
var relations = [...]string{"child", "spouse", "parent", "sibling", "relative", "carer", "other"}

type proxyPage struct {
	frame
	For         string // who is answered for
	Most        int
	Name, Phone string
	Relation    string
	Relations   []string
	Minutes     int
	Over        bool   // the code is
	TooMany     bool   // people that she answers for
	Asked       string // name of the proxy whose code is out
}

func (f *Form) proxyPage(v *visit, title string) proxyPage {
	return proxyPage{
		frame: f.frame(v, title), For: v.session.Name, Most: v.campaign.Rules.MaxProxied, Relations: relations[:], Minutes: int(f.CodeLasts / time.Minute),
	}
}

// mayProxy holds back those who cannot name a proxy: one who is a proxy
// already in this session, and campaigns without proxies.
func (f *Form) mayProxy(v *visit) error {
	switch {
	case v.campaign.Rules.MaxProxied == 0:
		return errNoPage
	case v.session.Proxy != 0:
		return goTo("/window")
	}
	return nil
}

// proxy asks who answers for the person.
func (f *Form) proxy(v *visit) error {
	if err := f.mayProxy(v); err != nil {
		return err
	}
	f.show(v, http.StatusOK, "proxy.html", f.proxyPage(v, "entry.proxy.title"))
	return nil
}

// askProxy sends the proxy a code, so that the phone by which she is counted
// is hers. It goes to a phone that is on no list, so only somebody who is
// signed in can have it sent, three times, within the caps of all codes.
func (f *Form) askProxy(v *visit) error {
	if err := f.mayProxy(v); err != nil {
		return err
	}
	p := f.proxyPage(v, "entry.proxy.title")
	p.Name, p.Phone, p.Relation = personName(v.field("name", 100)), v.field("phone", 40), v.field("relation", 20)
	number := phone(p.Phone)
	if p.Name == "" {
		p.Problems = append(p.Problems, problem{"name", p.T("entry.proxy.name.missing")})
	} else if !isName(p.Name) {
		p.Problems = append(p.Problems, problem{"name", p.T("entry.proxy.name.letters")})
	}
	if !slices.Contains(relations[:], p.Relation) {
		p.Problems, p.Relation = append(p.Problems, problem{"relation", p.T("entry.proxy.relation.missing")}), ""
	}
	if number == "" {
		p.Problems = append(p.Problems, problem{"phone", p.T("form.signin.phone.wrong")})
	}
	if len(p.Problems) > 0 {
		f.show(v, http.StatusUnprocessableEntity, "proxy.html", p)
		return nil
	}
	spent, err := f.textsSpent(v)
	if err != nil {
		return err
	}
	if spent {
		return &data.TooManyCodes{Cap: "proxy_money"}
	}
	_, handle, err := f.secret()
	if err != nil {
		return err
	}
	_, err = f.DB.AskProxy(v.Context(), data.NewProxy{
		Session: *v.session, Name: p.Name, Relation: p.Relation, Phone: number, PhoneHash: cohort.Keyed(f.Key, "phone", number), Language: v.lang,
		Address: f.addressHash(v), Handle: handle, CodeHash: cohort.CodeHash(f.Key, handle[:], cohort.OneTimeCode(f.Key, handle[:])), Lasts: f.CodeLasts, Most: p.Most,
	}, f.Caps)
	var many *data.TooManyProxied
	if errors.As(err, &many) {
		return f.tooManyProxied(v)
	}
	if err != nil {
		return err
	}
	f.texts.add()
	return goTo("/proxy/code")
}

// tooManyProxied says that one answers for so many at most.
func (f *Form) tooManyProxied(v *visit) error {
	p := f.proxyPage(v, "entry.proxy.title")
	p.TooMany = true
	p.Problems = []problem{{"now", p.T("entry.proxy.many", "n", p.Most)}}
	f.show(v, http.StatusForbidden, "proxy.html", p)
	return nil
}

// proxyCode asks for the proxy's code.
func (f *Form) proxyCode(v *visit) error {
	if err := f.mayProxy(v); err != nil {
		return err
	}
	p := f.proxyPage(v, "entry.proxy.code.title")
	_, name, err := f.DB.ProxyAsked(v.Context(), *v.session)
	if errors.Is(err, data.ErrNotFound) {
		return goTo("/proxy")
	}
	if err != nil {
		return err
	}
	p.Asked = name
	f.show(v, http.StatusOK, "proxycode.html", p)
	return nil
}

// useProxyCode lets the proxy act in this session from now on.
func (f *Form) useProxyCode(v *visit) error {
	if err := f.mayProxy(v); err != nil {
		return err
	}
	p := f.proxyPage(v, "entry.proxy.code.title")
	id, name, err := f.DB.ProxyAsked(v.Context(), *v.session)
	if errors.Is(err, data.ErrNotFound) {
		return goTo("/proxy")
	}
	if err != nil {
		return err
	}
	p.Asked = name
	typed := codeDigits(v.PostForm.Get("code"))
	if len(typed) != 8 {
		p.Problems = []problem{{"code", p.T("form.code.form")}}
		f.show(v, http.StatusUnprocessableEntity, "proxycode.html", p)
		return nil
	}
	err = f.DB.UseProxyCode(v.Context(), *v.session, id, p.Most, func(handle, stored []byte) bool {
		hash := cohort.CodeHash(f.Key, handle, typed)
		return subtle.ConstantTimeCompare(stored, hash[:]) == 1
	})
	var wrong *data.WrongCode
	var many *data.TooManyProxied
	switch {
	case errors.As(err, &many):
		return f.tooManyProxied(v)
	case errors.As(err, &wrong) && wrong.Left > 0:
		f.countFailure(v)
		p.Problems = []problem{{"code", p.T("form.code.wrong", "left", wrong.Left)}}
	case errors.As(err, &wrong), errors.Is(err, data.ErrCodeOver):
		f.countFailure(v)
		p.Over = true
		p.Problems = []problem{{"again", p.T("form.code.over")}}
	case err != nil:
		return err
	default:
		return goTo("/window")
	}
	f.show(v, http.StatusUnprocessableEntity, "proxycode.html", p)
	return nil
}

// proxyView is somebody who answers for the person, as she sees her.
type proxyView struct {
	Name, Relation, Since string
	Saved                 bool // the answer as it stands is hers
}

func (f *Form) proxyViews(v *visit, p frame) ([]proxyView, error) {
	if v.session.Proxy != 0 {
		return nil, nil
	}
	rows, err := f.DB.Proxies(v.Context(), v.row.ID, v.session.Person)
	if err != nil {
		return nil, err
	}
	var out []proxyView
	for _, r := range rows {
		out = append(out, proxyView{r.Name, p.T("entry.relation." + r.Relation), p.When(r.Since), r.Saved})
	}
	return out, nil
}

type undoPage struct {
	frame
	Proxies []proxyView
	Former  bool // her own answer comes back
	Saved   bool // the answer that stands is a proxy's
	Open    bool
	Party   bool // she answers together with others, whoever made it so
	Until   string
}

// undo asks whether the person wants to take back what a proxy did.
func (f *Form) undo(v *visit) error {
	p, _, _, err := f.undoPage(v)
	if err != nil {
		return err
	}
	f.show(v, http.StatusOK, "undo.html", p)
	return nil
}

func (f *Form) undoPage(v *visit) (undoPage, standing, []data.ProxyRow, error) {
	p := undoPage{frame: f.frame(v, "entry.undo.title")}
	s, err := f.standing(v)
	if err != nil {
		return p, s, nil, err
	}
	rows, err := f.DB.Proxies(v.Context(), v.row.ID, v.session.Person)
	if err != nil {
		return p, s, nil, err
	}
	if p.Proxies, err = f.proxyViews(v, p.frame); err != nil {
		return p, s, nil, err
	}
	if len(p.Proxies) == 0 {
		return p, s, nil, goTo("/window")
	}
	p.Open, p.Until, p.Party = s.Open, s.Moment, s.Open && v.session.Party != 0
	p.Saved = s.Ballot != nil && s.Ballot.Channel == data.ChannelProxy
	p.Former = former(rows) != nil
	return p, s, rows, nil
}

// former is the person's own ballot that a proxy replaced, or nil.
func former(rows []data.ProxyRow) []byte {
	if len(rows) == 0 {
		return nil
	}
	return rows[0].Former
}

// doUndo brings the person's own answer back and ends what others may do for
// her. The answer comes first: stopped in between, she can do it again.
func (f *Form) doUndo(v *visit) error {
	_, s, rows, err := f.undoPage(v)
	if err != nil {
		return err
	}
	if err := f.takeBack(v, s, former(rows)); err != nil {
		return err
	}
	if _, err := f.DB.EndProxies(v.Context(), *v.session); err != nil {
		return err
	}
	if s, err = f.standing(v); err != nil { // what the proxy saved in between
		return err
	}
	if err := f.takeBack(v, s, former(rows)); err != nil {
		return err
	}
	return goTo("/window?undone=1")
}

// takeBack saves the person's own ballot over a proxy's, or withdraws that.
func (f *Form) takeBack(v *visit, s standing, own []byte) error {
	if !s.Open || s.Ballot == nil || s.Ballot.Channel != data.ChannelProxy {
		return nil
	}
	r := intake.Request{Campaign: v.campaign, Person: v.session.Person, Cohort: v.session.Cohort, Channel: data.ChannelWeb, Session: v.session.ID}
	if own != nil {
		b, err := cohort.ParseBallot(own)
		if err != nil {
			return err
		}
		r.Choices = b.Choices
		_, err = f.Intake.Save(v.Context(), r)
		var flawed *intake.Flawed
		if !errors.As(err, &flawed) {
			return err
		}
		// The places have changed since: she finds her wishes as they were, to mend them.
		if err := f.keepFormer(v, b.Choices); err != nil {
			return err
		}
		r.Choices = nil
	}
	_, err := f.Intake.Withdraw(v.Context(), r)
	if errors.Is(err, intake.ErrNoBallot) {
		return nil
	}
	return err
}

// keepFormer puts choices into the person's draft.
func (f *Form) keepFormer(v *visit, cs []cohort.Choice) error {
	d, _, err := f.draftOf(v, nil)
	if err != nil {
		return err
	}
	d.Choices, d.Replaced = nil, nil
	for _, c := range cs {
		d.Choices = append(d.Choices, wishOf(c))
	}
	return f.keep(v, d)
}
