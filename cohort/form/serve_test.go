package form

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// A form of another site cannot act for somebody who is signed in.
func TestForeignForms(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	for name, h := range map[string]http.Header{
		"cross-site":   {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":    {"Sec-Fetch-Site": {"same-site"}},
		"other origin": {"Origin": {"https://evil.example"}},
	} {
		req, err := http.NewRequest(http.MethodPost, b.base+"/sign-out", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h
		if p := b.do(req); p.status != 403 || !strings.Contains(textOf(p.body), "다른 사이트에서 온 요청입니다") {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	b.get("/window")
	b.wants(200, "/window")
}

func TestHeaders(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	for _, path := range []string{"/", "/sign-in", "/board", "/nothing", "/static/x/style.css", "/healthz"} {
		h := b.get(path).header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'; script-src 'self';") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
		if path != "/healthz" && !strings.HasPrefix(path, "/static") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", path, h.Get("Cache-Control"))
		}
	}
	css := w.form.pages.version
	if p := b.get("/static/" + css + "/style.css"); p.status != 200 || !strings.Contains(p.header.Get("Cache-Control"), "immutable") || len(p.body) > 20<<10 {
		t.Errorf("style sheet: %d, %d bytes", p.status, len(p.body))
	}
	if p := b.get("/healthz"); p.body != "ok\n" {
		t.Errorf("healthz: %q", p.body)
	}
	for _, path := range []string{"/", "/sign-in"} {
		if body := b.get(path).body; strings.Contains(body, "<script") || strings.Contains(body, "style=") || strings.Contains(body, "http://") || strings.Contains(body, "https://") {
			t.Errorf("%s holds a script, a style or a foreign address", path)
		}
		if len(b.last.body) > 20<<10 {
			t.Errorf("%s: %d bytes", path, len(b.last.body))
		}
	}
}

func TestLimits(t *testing.T) {
	w := newTown(t)
	s := w.form.Server()
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 10*time.Second || s.WriteTimeout != 15*time.Second || s.IdleTimeout != 60*time.Second || s.MaxHeaderBytes != 8<<10 {
		t.Errorf("server %+v", s)
	}
	b := w.browser()
	if p := b.post("/sign-in", "name", strings.Repeat("가", 1<<20)); p.status != 413 {
		t.Errorf("a body of 3 MB: %d", p.status)
	}
	many := make([]string, 0, 20000)
	for range 10000 {
		many = append(many, "a", "b")
	}
	if p := b.post("/sign-in", many...); p.status != 413 {
		t.Errorf("10,000 fields: %d", p.status)
	}
	req, err := http.NewRequest(http.MethodPost, b.base+"/sign-in", strings.NewReader("name=%zz"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p := b.do(req); p.status != 400 {
		t.Errorf("a form that is none: %d", p.status)
	}
}

// Overload is answered at once: nothing is lost, try again, and no queue.
func TestOverload(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Concurrent = 1 })
	b := w.browser()
	b.get("/language?to=en&back=/")
	leave := w.form.gate.enter() // one request is under way
	if leave == nil {
		t.Fatal("the gate is full")
	}
	p := b.get("/")
	if p.status != 503 || p.header.Get("Retry-After") == "" || !strings.Contains(textOf(p.body), "Your answer is not lost. Try again within a minute. There is no queue") {
		t.Errorf("overload: %d %s", p.status, textOf(p.body))
	}
	if p := b.get("/static/" + w.form.pages.version + "/style.css"); p.status != 200 {
		t.Errorf("the style sheet at overload: %d", p.status)
	}
	leave()
	if p := b.get("/"); p.status != 200 {
		t.Errorf("afterwards: %d", p.status)
	}
}

// Where more answers come in than can be saved, the page says that nothing is
// lost and until when there is time; the ballot can be submitted again.
func TestBusyIntake(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.get("/language?to=en&back=/ballot")
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "parts", "am")
	b.get("/review")
	mark := b.mark()
	good := w.form.Intake
	w.form.Intake = intake.New(intake.Config{DB: w.db, Random: rand.Reader, Queue: -1})
	b.post("/review", "mark", mark)
	b.wants(503, "/review", "Your answer is not lost", "You have until Friday 16 July, 18:00")
	if b.last.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.form.Intake = good
	b.post("/review", "mark", mark)
	b.wants(200, "/receipt", "We have your answer")
}

// A page that fails tells nothing of why, and the log tells nothing personal.
func TestFailure(t *testing.T) {
	broken := false
	w := newTown(t, func(c *Config) {
		get := c.Campaign
		c.Campaign = func(ctx context.Context) (*cohort.Campaign, data.CampaignRow, error) {
			if broken {
				return nil, data.CampaignRow{}, errors.New("wires are cut")
			}
			return get(ctx)
		}
	})
	broken = true
	b := w.browser()
	p := b.get("/")
	if p.status != 500 || strings.Contains(p.body, "wires") || !strings.Contains(w.log.String(), "wires") {
		t.Errorf("%d %s\n%s", p.status, textOf(p.body), w.log)
	}
}

func TestLanguages(t *testing.T) {
	w := newTown(t)
	for _, c := range []struct{ accept, cookie, want string }{
		{"", "", `<html lang="ko">`},
		{"en-GB,en;q=0.9", "", `<html lang="en">`},
		{"de,fr;q=0.5", "", `<html lang="ko">`},
		{"en", "ko", `<html lang="ko">`},
		{"ko", "xx", `<html lang="ko">`},
		{strings.Repeat("en,", 500), "", `<html lang="ko">`},
	} {
		req, err := http.NewRequest(http.MethodGet, w.server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			req.AddCookie(&http.Cookie{Name: "lang", Value: c.cookie})
		}
		if p := w.browser().do(req); !strings.Contains(p.body, c.want) {
			t.Errorf("%+v: %.60s", c, p.body)
		}
	}
	b := w.browser()
	w.signIn(b, "이두리", "19630101", "01023456702") // her own language is English, and she chose Korean
	b.wants(200, "/window", "이 두리님의 신청")
	for back, want := range map[string]string{"//evil.example/x": "/", "https://evil.example": "/", "/board?before=2": "/board?before=2", "/\\evil": "/", "javascript:x": "/", "": "/"} {
		b.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if p := b.get("/language?to=en&back=" + url.QueryEscape(back)); p.header.Get("Location") != want {
			t.Errorf("back to %q leads to %q", back, p.header.Get("Location"))
		}
	}
	if p := b.get("/language?to=xx"); p.status != 404 {
		t.Errorf("an unknown language: %d", p.status)
	}
}

// Who asks is told apart behind a proxy by what the proxy adds, not by what
// the asker writes.
func TestAddress(t *testing.T) {
	w := newTown(t)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "192.0.2.9:5555"
	r.Header.Set("X-Forwarded-For", "1.1.1.1, 198.51.100.7")
	if got := w.form.address(r); got != "192.0.2.9" {
		t.Errorf("without a proxy: %s", got)
	}
	w.form.Proxied = true
	if got := w.form.address(r); got != "198.51.100.7" {
		t.Errorf("behind a proxy: %s", got)
	}
}

// Slow and broken callers get nothing but the end of their connection.
func TestBrokenRequests(t *testing.T) {
	w := newTown(t)
	for _, raw := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
		"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
		"\x16\x03\x01\x02\x00",
	} {
		c, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, raw) // the server may hang up before all is sent
		answer, _ := io.ReadAll(c)
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && len(answer) > 0 {
			t.Errorf("%.20q is answered with %.40q", raw, answer)
		}
		c.Close()
	}
	if p := w.browser().get("/"); p.status != 200 {
		t.Errorf("afterwards: %d", p.status)
	}
}
