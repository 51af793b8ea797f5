package form

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"jebi/data"
)

// The cookies: who is signed in, and the browser's half of a sign-in.
const (
	sessionCookie = "jebi"
	handleCookie  = "jebi-code"
)

// cookieName carries the prefix that binds a cookie to this host and to TLS.
func (f *Form) cookieName(name string) string {
	if f.TLS {
		return "__Host-" + name
	}
	return name
}

// secret draws 32 random bytes and gives them for a cookie, and their hash,
// which alone is stored.
func (f *Form) secret() (value string, hash [32]byte, err error) {
	var b [32]byte
	if _, err := io.ReadFull(f.Random, b[:]); err != nil {
		return "", hash, fmt.Errorf("random cookie: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), sha256.Sum256(b[:]), nil
}

func (f *Form) setCookie(v *visit, name, value string) {
	c := &http.Cookie{
		Name: f.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: f.TLS, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// cookieHash is the hash of a secret cookie; false where there is none.
func (f *Form) cookieHash(v *visit, name string) (hash [32]byte, ok bool) {
	c, err := v.Cookie(f.cookieName(name))
	if err != nil {
		return hash, false
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(b) != 32 {
		return hash, false
	}
	return sha256.Sum256(b), true
}

// session finds the visitor's session, and her draft with it where the page
// begins with that. The error wraps data.ErrNotFound where there is none.
func (f *Form) session(v *visit) (data.SessionRow, error) {
	hash, ok := f.cookieHash(v, sessionCookie)
	if !ok {
		return data.SessionRow{}, data.ErrNotFound
	}
	v.token = hash
	if v.access != answering {
		return f.DB.Session(v.Context(), hash, f.Idle)
	}
	s, d, err := f.DB.SessionAndDraft(v.Context(), hash, f.Idle)
	v.draft = &d
	return s, err
}

// signOut ends the session.
func (f *Form) signOut(v *visit) error {
	if v.session != nil {
		if err := f.DB.EndSession(v.Context(), v.session.ID); err != nil {
			return err
		}
	}
	f.setCookie(v, sessionCookie, "")
	f.setCookie(v, handleCookie, "")
	return goTo("/")
}

// signedOut answers a form that came after the session's end. What a wish's
// page sent is in the answer, so that nothing is lost: she signs in in another
// window and sends it again.
func (f *Form) signedOut(v *visit) {
	if !strings.HasPrefix(v.URL.Path, "/ballot/choice/") {
		f.failPage(v, http.StatusUnauthorized, "signed_out", nil, "/sign-in", "form.start.go")
		return
	}
	p := failurePage{frame: f.frame(v, "form.fail.signed_out.title"), SignIn: true, Next: local(v.URL.Path), Fields: fieldsOf(v.PostForm)}
	p.Heading, p.NextTo = p.Title, p.T("form.fail.signed_out.again")
	p.Lines = []string{p.T("form.fail.signed_out.held")}
	f.show(v, http.StatusUnauthorized, "failure.html", p)
}

type noticePage struct {
	frame
	Name    string
	Proxies bool   // somebody else may answer for her
	For     string // "self" or "other"
}

func (f *Form) noticePage(v *visit) noticePage {
	return noticePage{f.frame(v, "form.notice.title"), v.session.Name, v.campaign.Rules.MaxProxied > 0 && v.session.Proxy == 0, "self"}
}

// notice tells what is kept, why, and for how long, before anything is
// answered.
func (f *Form) notice(v *visit) error {
	f.show(v, http.StatusOK, "notice.html", f.noticePage(v))
	return nil
}

// consent notes that the notice was read and agreed to.
func (f *Form) consent(v *visit) error {
	other := v.PostForm.Get("for") == "other"
	if v.PostForm.Get("agree") != "yes" {
		p := f.noticePage(v)
		if other {
			p.For = "other"
		}
		p.Problems = []problem{{"agree", p.T("form.notice.must")}}
		f.show(v, http.StatusUnprocessableEntity, "notice.html", p)
		return nil
	}
	if err := f.DB.Consent(v.Context(), *v.session); err != nil {
		return err
	}
	if other && v.session.Proxy == 0 {
		return goTo("/proxy")
	}
	return goTo("/window")
}

// codeAlarm remembers when the failures at codes were last complained about.
type codeAlarm struct {
	mu    sync.Mutex
	fails int
	Rung  int // how often the alarm rang, for the measurements
}
