package form

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"unicode"
	"unicode/utf8"

	"jebi/cohort"
	"jebi/data"
)

type linkPage struct {
	frame
	Token string
	Who   string // the first sign of the name, so that a couple does not mix theirs up
	Why   string // "wrong", "used" or "expired"; "": it holds
}

// link shows whose link it is, and uses nothing: programs that look at
// messages follow links too.
func (f *Form) link(v *visit) error {
	// The address is a secret until it is used, so it goes into no referrer. With "no-referrer", browsers
	// would say that the form comes from nowhere, and those without Sec-Fetch-Site would be taken for another site's.
	v.w.Header().Set("Referrer-Policy", "strict-origin")
	token := v.PathValue("token")
	p := linkPage{frame: f.frame(v, "entry.link.title"), Token: token}
	if !cohort.ParseLinkToken(token) {
		return f.linkOver(v, "wrong")
	}
	e, err := f.DB.Entry(v.Context(), v.row.ID, cohort.WayLink, cohort.EntryHandle(f.Key, cohort.WayLink, v.campaign.Key, token))
	if errors.Is(err, data.ErrNotFound) {
		return f.linkOver(v, "wrong")
	}
	if err != nil {
		return err
	}
	switch {
	case !f.sameLink(v, token, e):
		return f.linkOver(v, "wrong")
	case v.session != nil && v.session.Person == e.Person:
		return goTo("/window")
	case e.Used:
		return f.linkOver(v, "used")
	case e.Over:
		return f.linkOver(v, "expired")
	}
	p.Who = initial(e.Name)
	f.show(v, http.StatusOK, "link.html", p)
	return nil
}

func (f *Form) sameLink(v *visit, token string, e data.EntryRow) bool {
	hash := cohort.LinkHash(f.Key, v.campaign.Key, token)
	return subtle.ConstantTimeCompare(e.Hash, hash[:]) == 1
}

// useLink exchanges the link for a session.
func (f *Form) useLink(v *visit) error {
	token := v.field("token", 64)
	if !cohort.ParseLinkToken(token) {
		return f.linkOver(v, "wrong")
	}
	value, hash, err := f.secret()
	if err != nil {
		return err
	}
	_, _, err = f.DB.UseEntry(v.Context(), data.EntryUse{
		Campaign: v.row.ID, Way: cohort.WayLink, Handle: cohort.EntryHandle(f.Key, cohort.WayLink, v.campaign.Key, token),
		Address: f.addressHash(v), Caps: f.EntryCaps, Token: hash, Idle: f.Idle,
	}, func(e data.EntryRow) bool { return f.sameLink(v, token, e) })
	var no *data.EntryRefused
	if errors.As(err, &no) {
		f.countFailure(v)
		why := no.Why
		if why == "attempts" {
			why = "used"
		}
		return f.linkOver(v, why)
	}
	if err != nil {
		return err
	}
	return f.enter(v, value)
}

// enter gives the browser the session that has begun, in place of any other.
func (f *Form) enter(v *visit, value string) error {
	if v.session != nil {
		if err := f.DB.EndSession(v.Context(), v.session.ID); err != nil {
			return err
		}
	}
	f.setCookie(v, handleCookie, "")
	f.setCookie(v, sessionCookie, value)
	return goTo("/notice")
}

// linkOver tells how to get in otherwise.
func (f *Form) linkOver(v *visit, why string) error {
	status := http.StatusGone
	if why == "wrong" {
		status = http.StatusNotFound
	}
	p := linkPage{frame: f.frame(v, "entry.link.over.title"), Why: why}
	if why == "wrong" || v.Method == http.MethodPost { // there is no page to come back to
		p.Here = "/"
	}
	f.show(v, status, "link.html", p)
	return nil
}

// addressHash is the keyed hash of the network address, for the caps.
func (f *Form) addressHash(v *visit) [32]byte {
	return cohort.Keyed(f.Key, "address", f.address(v.Request))
}

// initial is as much of a name as another may see: its first sign.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(name)
	switch {
	case name == "":
		return "…"
	case unicode.Is(unicode.Hangul, r), unicode.Is(unicode.Han, r):
		return string(r) + "○○"
	}
	return string(unicode.ToUpper(r)) + "…"
}
