package form

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/data"
)

//go:embed static
var static embed.FS

// maxBody bounds what a form may send.
const maxBody = 16 << 10

// visit is one request with what is known of it.
type visit struct {
	*http.Request
	w        http.ResponseWriter
	lang     string
	campaign *cohort.Campaign
	row      data.CampaignRow
	session  *data.SessionRow // nil: not signed in
	access   access           // of the page
	draft    *data.DraftRow   // as it came with the session; nil: to be read
	token    [32]byte         // hash of the session's cookie
	early    bool             // refused before anything was asked of the database
}

// handler answers a visit; its error is turned into a page in one place.
type handler func(*visit) error

func (f *Form) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handler, a access) {
		f.patterns = append(f.patterns, pattern)
		mux.Handle(pattern, f.serve(h, a))
	}
	public := func(pattern string, h handler) { handle(pattern, h, everybody) }
	private := func(pattern string, h handler) { handle(pattern, h, signedIn) }
	drafting := func(pattern string, h handler) { handle(pattern, h, answering) }

	public("GET /{$}", f.start)
	public("GET /language", f.language)
	public("GET /how", f.how)
	public("GET /privacy", f.privacy)
	public("GET /help", f.help)
	public("GET /sign-in", f.signIn)
	public("POST /sign-in", f.askCode)
	public("GET /code", f.code)
	public("POST /code", f.useCode)
	public("GET /code/number", f.codeNumber)
	public("GET /link/{token}", f.link)
	public("POST /link", f.useLink)
	public("GET /letter", f.letter)
	public("POST /letter", f.useLetter)
	public("POST /sign-out", f.signOut)

	private("GET /notice", f.notice)
	private("POST /notice", f.consent)
	private("GET /elsewhere", f.elsewhere)
	private("GET /proxy", f.proxy)
	private("POST /proxy", f.askProxy)
	private("GET /proxy/code", f.proxyCode)
	private("POST /proxy/code", f.useProxyCode)
	private("GET /undo", f.undo)
	private("POST /undo", f.doUndo)
	private("GET /party", f.party)
	private("POST /party", f.changeParty)
	private("GET /party/join", f.join)
	private("POST /party/join", f.doJoin)
	private("GET /party/leave", f.leave)
	private("POST /party/leave", f.doLeave)
	private("GET /window", f.window)
	private("GET /stay", f.stay)
	drafting("GET /ballot", f.ballot)
	drafting("POST /ballot", f.changeBallot)
	drafting("GET /ballot/choice/{n}", f.choice)
	drafting("POST /ballot/choice/{n}", f.changeChoice)
	drafting("GET /ballot/choice/{n}/map.svg", f.placeMap)
	drafting("GET /review", f.review)
	drafting("POST /review", f.submit)
	private("GET /receipt", f.receipt)
	private("GET /receipt.json", f.receiptFile)
	private("POST /receipt", f.sendReceipt)
	private("GET /withdraw", f.withdraw)
	drafting("POST /withdraw", f.doWithdraw)
	private("GET /result", f.result)
	private("GET /result.ics", f.calendar)
	private("GET /result/{act}", f.askResult)
	private("POST /result/{act}", f.doResult)
	private("GET /why", f.why)
	private("GET /proof.json", f.proof)

	public("GET /board", f.board)
	public("GET /board/{id}", f.boardRecord)
	public("GET /draws/{draw}", func(v *visit) error { return goTo("/draws/" + url.PathEscape(v.PathValue("draw")) + "/") })
	public("GET /draws/{draw}/{$}", f.draw)
	public("GET /draws/{draw}/{file}", f.drawFile)

	mux.Handle("GET /static/{version}/{file}", http.HandlerFunc(f.static))
	mux.Handle("GET /healthz", http.HandlerFunc(f.health))
	public("/", func(*visit) error { return errNoPage })

	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(f.serve(func(*visit) error { return errForeign }, everybody))
	return f.outer(cross.Handler(mux))
}

// outer is around everything: headers, the log, panics, too many at once.
func (f *Form) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var began time.Time
		if f.Now != nil {
			began = f.Now()
		}
		seen := &statusWriter{ResponseWriter: w}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if f.TLS {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				f.Log.Error("panic", "route", r.Pattern, "stack", string(debug.Stack()))
				if seen.status == 0 {
					http.Error(seen, "500", http.StatusInternalServerError)
				}
			}
			// The route, never the address: an address can hold what somebody searched for.
			took := int64(-1)
			if f.Now != nil {
				took = f.Now().Sub(began).Milliseconds()
			}
			f.Log.Info("request", "method", r.Method, "route", r.Pattern, "status", seen.status, "bytes", seen.bytes, "ms", took)
		}()
		if strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == "/healthz" {
			next.ServeHTTP(seen, r)
			return
		}
		bodyRead(seen, r)
		f.lines.work(r)
		g := f.gate
		if isDownload(r.URL.Path) {
			g = f.downloads
		}
		leave := g.enter()
		if leave == nil {
			f.overloaded(seen, r)
			return
		}
		defer leave()
		next.ServeHTTP(seen, r)
	})
}

// access is who may see a page.
type access int

const (
	everybody access = iota
	signedIn
	answering // signed in, and the page begins with the draft
)

// serve makes the visit, holds private pages back from those who are not
// signed in, and turns errors into pages.
func (f *Form) serve(h handler, a access) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Request: r, w: w, access: a}
		err := f.admit(v)
		if err == nil {
			err = h(v)
		}
		if err != nil {
			f.fail(v, err)
		}
	})
}

// admit reads campaign, session and language of a visit.
func (f *Form) admit(v *visit) error {
	v.lang = f.spoken(v, nil, "")
	c, row, err := f.Campaign(v.Context())
	if err != nil {
		return err
	}
	v.campaign, v.row = c, row
	f.known.noteCampaign(c, row)
	v.lang = f.spoken(v, c.Languages, "")
	if v.Method == http.MethodPost {
		if err := v.ParseForm(); err != nil {
			return &badForm{err}
		}
	}
	s, err := f.session(v)
	switch {
	case errors.Is(err, data.ErrNotFound):
	case err != nil:
		return err
	case s.Campaign == row.ID:
		v.session = &s
		f.known.noteVisitor(v.token, s.Cohort)
		v.lang = f.spoken(v, c.Languages, s.Language)
	}
	if v.access == everybody {
		return nil
	}
	if v.session == nil {
		return errSignedOut
	}
	if v.session.Home != row.ID {
		if v.URL.Path != "/elsewhere" {
			return goTo("/elsewhere")
		}
		return nil
	}
	if !v.session.Consented && v.URL.Path != "/notice" {
		return goTo("/notice")
	}
	return nil
}

// redirect is an error that is none: go to another page of the form.
type redirect struct{ to string }

func (r redirect) Error() string { return "see " + r.to }

func goTo(path string) error { return redirect{path} }

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(code int) {
	if w.status == 0 {
		w.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write counts the bytes.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// static serves the embedded files under a path that changes with them.
func (f *Form) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	b, err := fs.ReadFile(static, "static/"+name)
	if err != nil || r.PathValue("version") != f.pages.version {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	switch {
	case strings.HasSuffix(name, ".js"):
		h.Set("Content-Type", "text/javascript; charset=utf-8")
	case strings.HasSuffix(name, ".css"):
		h.Set("Content-Type", "text/css; charset=utf-8")
	case strings.HasSuffix(name, ".svg"):
		h.Set("Content-Type", "image/svg+xml")
	}
	if squeezed, ok := f.squeeze(r, b); ok {
		h.Set("Content-Encoding", "gzip")
		b = squeezed
	}
	w.Write(b)
}

// health says whether this server can do its work: it reaches the database.
func (f *Form) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if _, err := f.DB.Now(ctx); err != nil {
		http.Error(w, "the database cannot be reached", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
