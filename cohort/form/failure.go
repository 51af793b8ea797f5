package form

import (
	"context"
	"errors"
	"net/http"

	"jebi/cohort/intake"
	"jebi/data"
)

// What a handler can answer besides what comes from below.
var (
	errNoPage    = errors.New("no such page")
	errForeign   = errors.New("a form of another site")
	errSignedOut = errors.New("not signed in")
	errNotNow    = errors.New("nothing can be answered now")
)

// badForm says that what was sent is no form of ours.
type badForm struct{ err error }

func (e *badForm) Error() string { return "form: " + e.err.Error() }
func (e *badForm) Unwrap() error { return e.err }

type failurePage struct {
	frame
	Heading string
	Lines   []string
	Next    string  // where a button leads, or ""
	NextTo  string  // its text
	Fields  []field // that the button sends there, where it sends something
	SignIn  bool    // she must sign in first
}

// fail turns an error into an answer: the only place that chooses a status.
func (f *Form) fail(v *visit, err error) {
	var to redirect
	var closed *intake.Closed
	var not *intake.NotEligible
	var caps *data.TooManyCodes
	var tooLarge *http.MaxBytesError
	var bad *badForm
	switch {
	case errors.As(err, &to):
		http.Redirect(v.w, v.Request, to.to, http.StatusSeeOther)
	case errors.Is(err, errSignedOut):
		if v.Method == http.MethodGet || v.Method == http.MethodHead {
			http.Redirect(v.w, v.Request, "/sign-in", http.StatusSeeOther)
			return
		}
		f.signedOut(v)
	case errors.As(err, &not) && not.Status == "party":
		f.failPage(v, http.StatusForbidden, "party", nil, "/party", "entry.party.go")
	case errors.Is(err, data.ErrPartyChanged):
		f.busy(v)
	case errors.As(err, &closed), errors.As(err, &not), errors.Is(err, errNotNow):
		f.notNow(v)
	case errors.Is(err, intake.ErrBusy), errors.Is(err, context.DeadlineExceeded):
		f.busy(v)
	case errors.Is(err, ErrPreparing):
		v.w.Header().Set("Retry-After", "30")
		f.failPage(v, http.StatusServiceUnavailable, "preparing", nil, "/why", "form.why.back")
	case errors.As(err, &caps):
		v.w.Header().Set("Retry-After", "3600")
		f.failPage(v, http.StatusTooManyRequests, "caps_"+caps.Cap, nil, "/help", "form.nav.help")
	case errors.As(err, &tooLarge):
		f.failPage(v, http.StatusRequestEntityTooLarge, "bad_form", nil, "/", "form.nav.start")
	case errors.As(err, &bad):
		f.failPage(v, http.StatusBadRequest, "bad_form", nil, "/", "form.nav.start")
	case errors.Is(err, errForeign):
		f.failPage(v, http.StatusForbidden, "foreign", nil, "/", "form.nav.start")
	case errors.Is(err, errNoPage), errors.Is(err, data.ErrNotFound):
		f.failPage(v, http.StatusNotFound, "not_found", nil, "/", "form.nav.start")
	case errors.Is(err, context.Canceled):
		// The asker has left.
	default:
		f.Log.Error("page failed", "route", v.Pattern, "error", err.Error())
		f.failPage(v, http.StatusInternalServerError, "internal", nil, "/", "form.nav.start")
	}
}

// failPage shows the texts form.fail.WHAT.title and .text.
func (f *Form) failPage(v *visit, status int, what string, args map[string]any, next, nextText string) {
	p := failurePage{frame: f.frame(v, "form.fail."+what+".title")}
	p.Heading = f.Words.Text(v.lang, "form.fail."+what+".title", args)
	p.Lines = []string{f.Words.Text(v.lang, "form.fail."+what+".text", args)}
	p.Next, p.NextTo = next, f.Words.Text(v.lang, nextText, nil)
	f.show(v, status, "failure.html", p)
}

// busy says that nothing is lost, and until when there is time.
func (f *Form) busy(v *visit) { f.tryAgain(v, f.closes(v)) }

// closes is until when the visitor may answer, or "".
func (f *Form) closes(v *visit) string {
	if v.session == nil || v.session.Cohort == 0 {
		return ""
	}
	s, err := f.standing(v)
	if err != nil || !s.Open {
		return ""
	}
	return f.Words.When(v.lang, s.Cohort.Closes, v.campaign.Location)
}
