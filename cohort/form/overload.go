package form

import (
	"bytes"
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"jebi/cohort"
	"jebi/data"
)

// gate lets so many requests in at once as the machine can answer in good time,
// and the others not at all: nobody waits at it. It becomes wider while those
// inside take no longer for that, and narrower while they take longer than they
// used to.
type gate struct {
	limiter adaptivelimiter.AdaptiveLimiter[any]
}

const (
	// gateLeast are let in at once whatever comes: as many as come, at a thousand a second, in a tenth of a second in
	// which the machine was held.
	gateLeast = 96
	// gateLook is how often the width is looked at, where there were gateCount answers to look at.
	gateLook  = 50 * time.Millisecond
	gateCount = 20
)

// newGate makes a gate for least to most requests at once, but no more than most.
func newGate(least, most int) gate {
	least = min(least, most)
	return gate{adaptivelimiter.NewBuilder[any]().
		WithLimits(uint(least), uint(most), uint(least)).
		WithRecentWindow(gateLook, time.Second, gateCount).
		Build()}
}

// enter lets one more be under way, and gives what ends it; nil where no more may
// be.
func (g gate) enter() (leave func()) {
	p, ok := g.limiter.TryAcquirePermit()
	if !ok {
		return nil
	}
	return p.Record
}

// bodyRead reads a form that is posted, up to its bound, before anything is
// asked of the gate: one who sends it slowly keeps nobody else out. What is
// wrong with it the handler is told.
func bodyRead(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	r.Body = &readBody{bytes.NewReader(b), err}
}

// readBody gives what was read, and then why there is no more.
type readBody struct {
	b   *bytes.Reader
	err error
}

// Read gives the next bytes.
func (r *readBody) Read(p []byte) (int, error) {
	n, err := r.b.Read(p)
	if errors.Is(err, io.EOF) && r.err != nil {
		err = r.err
	}
	return n, err
}

// Close does nothing: the connection's own body is the server's.
func (r *readBody) Close() error { return nil }

// field is one field of a form that is kept in a page, to be sent again.
type field struct{ Name, Value string }

// mostFields bounds what is kept: no form of ours has more.
const mostFields = 1000

// fieldsOf are a posted form's fields.
func fieldsOf(v url.Values) []field {
	var out []field
	for name, values := range v {
		for _, value := range values {
			out = append(out, field{name, value})
		}
	}
	if len(out) > mostFields {
		return nil
	}
	slices.SortStableFunc(out, func(a, b field) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return out
}

// remembered is what is known without asking anybody: the campaign, and until
// when those who were here lately may answer.
type remembered struct {
	mu       sync.Mutex
	campaign *cohort.Campaign
	row      data.CampaignRow
	cohorts  map[[32]byte]int  // by the hash of a session's cookie
	closes   map[int]time.Time // of cohorts whose window was open when it was last looked at
}

// mostRemembered bounds the sessions.
const mostRemembered = 200_000

func (m *remembered) noteCampaign(c *cohort.Campaign, row data.CampaignRow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.campaign, m.row = c, row
}

// noteVisitor remembers whose cohort a session is of.
func (m *remembered) noteVisitor(token [32]byte, cohortID int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cohorts == nil || len(m.cohorts) >= mostRemembered {
		m.cohorts = map[[32]byte]int{}
	}
	m.cohorts[token] = cohortID
}

// noteWindow remembers a window, open or not.
func (m *remembered) noteWindow(w data.CohortRow, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closes == nil {
		m.closes = map[int]time.Time{}
	}
	if open {
		m.closes[w.ID] = w.Closes
	} else {
		delete(m.closes, w.ID)
	}
}

// of is what is remembered of a visitor: the campaign, and when her window
// closes (zero: not known).
func (m *remembered) of(token [32]byte) (*cohort.Campaign, data.CampaignRow, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.campaign, m.row, m.closes[m.cohorts[token]]
}

// overloaded answers without asking the database anything: nothing is lost, what
// was filled in is in the page, and there is time until her window closes. It
// costs next to nothing: the page is made once, and her fields are put into it.
func (f *Form) overloaded(w http.ResponseWriter, r *http.Request) {
	v := &visit{Request: r, w: w, early: true}
	token, _ := f.cookieHash(v, sessionCookie)
	var closes time.Time
	v.campaign, v.row, closes = f.known.of(token)
	var offered []string
	if v.campaign != nil {
		offered = v.campaign.Languages
	}
	v.lang = f.spoken(v, offered, "")
	until := ""
	if !closes.IsZero() {
		until = f.Words.When(v.lang, closes, v.campaign.Location)
	}
	next, fields := again(v)
	made := f.refusals.page(refusal{v.lang, until, next, v.row.Version, len(fields) > 0}, func(fields []field) []byte {
		var b bytes.Buffer
		if err := f.pages.byName["failure.html"].Execute(&b, f.tryAgainPage(v, until, next, fields)); err != nil {
			f.Log.Error("page cannot be shown", "page", "failure.html", "error", err.Error())
		}
		return b.Bytes()
	})
	h := w.Header()
	h.Set("Retry-After", retryAfter)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang)
	body := made.with(fields)
	h.Set("Content-Length", strconv.Itoa(len(body))) // in one piece, however long it is
	w.WriteHeader(http.StatusServiceUnavailable)
	w.Write(body)
}

// retryAfter is when the same may be tried again, in seconds.
const retryAfter = "20"

// tryAgain says that nothing is lost. No queue, no number: try again soon, with
// one button that sends the same once more.
func (f *Form) tryAgain(v *visit, until string) {
	v.w.Header().Set("Retry-After", retryAfter)
	next, fields := again(v)
	f.show(v, http.StatusServiceUnavailable, "failure.html", f.tryAgainPage(v, until, next, fields))
}

// again is where the button leads, and what it sends along.
func again(v *visit) (next string, fields []field) {
	switch {
	case v.Method == http.MethodGet:
		return local(v.URL.RequestURI()), nil
	case v.Method == http.MethodPost && v.ParseForm() == nil:
		return local(v.URL.Path), fieldsOf(v.PostForm)
	}
	return "/", nil
}

func (f *Form) tryAgainPage(v *visit, until, next string, fields []field) failurePage {
	againText := "form.again"
	if len(fields) > 0 { // what she sent is sent once more
		againText = "form.send_again"
	}
	p := failurePage{frame: f.frame(v, "form.fail.busy.title"), Next: next, NextTo: f.Words.Text(v.lang, againText, nil), Fields: fields}
	p.Heading = f.Words.Text(v.lang, "form.fail.busy.title", nil)
	p.Lines = []string{f.Words.Text(v.lang, "form.fail.busy.text", nil)}
	if until != "" {
		p.Lines = append(p.Lines, f.Words.Text(v.lang, "form.fail.busy.until", map[string]any{"closes": until}))
	}
	return p
}

// refusal is all that a page of somebody who is sent away depends on, but for
// her fields.
type refusal struct {
	lang, until, next string
	version           int // of the campaign
	fields            bool
}

// refusals are the pages that were made lately.
type refusals struct {
	mu    sync.Mutex
	pages map[refusal]refusalPage
}

// mostRefusals bounds the pages that are kept.
const mostRefusals = 500

// refusalPage is a page, parted where the fields come.
type refusalPage struct{ before, after []byte }

// page gives the page, made anew where it is not there.
func (r *refusals) page(key refusal, render func([]field) []byte) refusalPage {
	r.mu.Lock()
	p, ok := r.pages[key]
	r.mu.Unlock()
	if ok {
		return p
	}
	if !key.fields {
		p.before = render(nil)
	} else {
		mark := field{"fields", "are put in here"}
		p.before, p.after, _ = bytes.Cut(render([]field{mark}), inputs(nil, []field{mark}))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pages == nil || len(r.pages) >= mostRefusals {
		r.pages = map[refusal]refusalPage{}
	}
	r.pages[key] = p
	return p
}

// with is the page with somebody's fields.
func (p refusalPage) with(fields []field) []byte {
	b := make([]byte, 0, len(p.before)+len(p.after)+64*len(fields))
	return append(inputs(append(b, p.before...), fields), p.after...)
}

// inputs writes hidden fields, as the template does.
func inputs(b []byte, fields []field) []byte {
	for _, x := range fields {
		b = append(b, `<input type="hidden" name="`...)
		b = append(b, template.HTMLEscapeString(x.Name)...)
		b = append(b, `" value="`...)
		b = append(b, template.HTMLEscapeString(x.Value)...)
		b = append(b, `">`...)
	}
	return b
}

// mostDownloads bounds the downloads of public files at once: each may take
// minutes on a slow line, and holds nothing that pages need.
const mostDownloads = 512

// isDownload says whether a path is that of a public file.
func isDownload(path string) bool {
	rest, ok := strings.CutPrefix(path, "/draws/")
	_, file, _ := strings.Cut(rest, "/")
	return ok && file != ""
}
