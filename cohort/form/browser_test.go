package form

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromium finds the browser; without one the test fails.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Fatal("no Chromium: apt-get install chromium")
	return ""
}

// screen is a headless browser of one width, without JavaScript.
type screen struct {
	t     testing.TB
	ctx   context.Context
	base  string
	width int64
}

func (w *town) screen(t *testing.T, width int64) *screen {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	s := &screen{t, ctx, w.server.URL, width}
	s.scripts(false)
	s.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: sharp(), Mobile: width < 600})
		return err
	}))
	return s
}

// scripts says whether pages may run JavaScript.
func (s *screen) scripts(on bool) {
	s.t.Helper()
	s.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

func (s *screen) run(actions ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, actions...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) open(path string) {
	s.t.Helper()
	s.run(chromedp.Navigate(s.base+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// take gives the screen a session that a browser without pictures has.
func (s *screen) take(b *browser) {
	s.t.Helper()
	u, err := url.Parse(s.base)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(u) {
		s.cookie(c)
	}
}

func (s *screen) cookie(c *http.Cookie) {
	s.t.Helper()
	s.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: s.base})
		return err
	}))
}

// eval asks the page, which works whether or not pages may run scripts.
func eval[T any](s *screen, js string) T {
	s.t.Helper()
	v, err := chromedp.Run(s.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// picture keeps a picture of the whole page where pictures are asked for.
func (s *screen) picture(name string) {
	s.t.Helper()
	dir := screenshots()
	if dir == "" {
		return
	}
	png, err := chromedp.Run(s.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, s.width)), png, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// looks checks what every page must be: nothing wider than the screen, one
// main heading, a title, a language, labels, targets that a thumb hits.
func (s *screen) looks(name string) {
	s.t.Helper()
	faults := eval[[]string](s, `(() => {
	  const bad = [];
	  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
	  if (wide > 0) bad.push("wider than the screen by " + wide);
	  if (document.querySelectorAll("h1").length !== 1) bad.push("main headings: " + document.querySelectorAll("h1").length);
	  if (!document.title.trim()) bad.push("no title");
	  if (!document.documentElement.lang) bad.push("no language");
	  let level = 0;
	  for (const h of document.querySelectorAll("h1,h2,h3,h4")) { const n = +h.tagName[1]; if (n > level + 1 && level > 0) bad.push("heading " + h.textContent + " skips a level"); level = n; }
	  const ids = new Set();
	  for (const e of document.querySelectorAll("[id]")) { if (ids.has(e.id)) bad.push("id twice: " + e.id); ids.add(e.id); }
	  for (const e of document.querySelectorAll("input:not([type=hidden]),select")) if (!e.labels || e.labels.length === 0 || !e.labels[0].textContent.trim()) bad.push("no label: " + e.name);
	  for (const e of document.querySelectorAll("[aria-describedby]")) for (const id of e.getAttribute("aria-describedby").split(" ")) if (!document.getElementById(id)) bad.push("describedby nothing: " + id);
	  for (const e of document.querySelectorAll("a[href^='#']")) if (e.getAttribute("href") !== "#" && !document.getElementById(e.getAttribute("href").slice(1))) bad.push("leads nowhere: " + e.getAttribute("href"));
	  for (const e of document.querySelectorAll("button,.button,nav a,.tick,select,input[type=text],input[type=tel],input[type=search]")) {
	    const r = e.getBoundingClientRect(); if (r.width === 0 || e.classList.contains("vh")) continue;
	    if (r.height < 44 || r.width < 24) bad.push("small target " + Math.round(r.width) + "x" + Math.round(r.height) + ": " + (e.textContent.trim() || e.name));
	  }
	  const text = document.body.innerText;
	  const key = text.match(/\b(form|flaws|time)\.[a-z_.0-9-]+/); if (key) bad.push("a text is missing: " + key[0]);
	  if (text.includes("%!") || text.includes("<no value>")) bad.push("a broken text");
	  return bad;
	})()`)
	for _, f := range faults {
		s.t.Errorf("%s at %d px: %s", name, s.width, f)
	}
}

// From the start page to the receipt with nothing but the keyboard.
func TestKeyboardOnly(t *testing.T) {
	w := newTown(t)
	s := w.screen(t, 360)
	s.cookie(&http.Cookie{Name: "lang", Value: "ko"})
	s.open("/")
	press := func(keys string) { t.Helper(); s.run(chromedp.KeyEvent(keys)) }
	at := func() string {
		t.Helper()
		return eval[string](s, `(() => { const e = document.activeElement; return e === document.body ? "" : (e.id || e.name || "") + "|" + (e.value || "") + "|" + e.textContent.trim(); })()`)
	}
	// tab goes on until the focus is on what is meant, and sees that it shows.
	tab := func(to string) {
		t.Helper()
		var seen []string
		for range 150 {
			press(kb.Tab)
			what := at()
			seen = append(seen, what)
			if strings.Contains(what, to) {
				if !eval[bool](s, `document.activeElement.matches(":focus-visible")`) {
					t.Errorf("the focus on %q cannot be seen", what)
				}
				return
			}
		}
		t.Fatalf("the keyboard does not reach %q:\n%s", to, strings.Join(seen, "\n"))
	}
	enter := func(path string) {
		t.Helper()
		s.run(chromedp.KeyEvent(kb.Enter))
		var where string
		for range 500 {
			var err error
			where, err = chromedp.Run(s.ctx, chromedp.Evaluate[string](`location.pathname + (document.readyState === "complete" ? "" : " loading")`))
			if err == nil && where == path {
				return
			}
			s.run(chromedp.Sleep(20 * time.Millisecond))
		}
		t.Fatalf("Enter leads to %s, want %s", where, path)
	}
	tab("신청하기")
	enter("/sign-in")
	tab("name|")
	press("김하나")
	tab("birth|")
	press("19620314")
	tab("phone|")
	press("01023456701")
	tab("인증번호 받기")
	enter("/code")
	tab("code|")
	press(w.lastCode())
	enter("/notice")
	tab("agree|")
	press(" ")
	tab("동의하고 계속하기")
	enter("/window")
	tab("희망 적기")
	enter("/ballot")
	tab("1순위 희망 적기")
	enter("/ballot/choice/1")
	tab("district|") // the district is chosen: that of her home
	tab("dates|2021-07-26")
	press(" ")
	tab("parts|am")
	press(" ")
	tab("act|save")
	enter("/ballot")
	// A second wish with one button, and up with it: the focus stays with the wish that was moved.
	after := func(sign string) {
		t.Helper()
		s.run(chromedp.KeyEvent(kb.Enter))
		for range 500 {
			ok, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && (`+sign+`)`))
			if err == nil && ok {
				return
			}
			s.run(chromedp.Sleep(20 * time.Millisecond))
		}
		t.Fatalf("Enter does not lead to %s", sign)
	}
	tab("act|anything")
	after(`document.getElementById("choice-2") !== null`)
	tab("act|up:2")
	after(`location.search.includes("moved=1")`)
	if what := at(); !strings.HasPrefix(what, "act|down:1") {
		t.Errorf("after moving, the focus is on %q", what)
	}
	if said := eval[string](s, `document.querySelector("[role=status]").textContent`); !strings.Contains(said, "1순위") {
		t.Errorf("what was done is told as %q", said)
	}
	tab("확인하고 제출하기")
	enter("/review")
	tab("제출하기")
	enter("/receipt")
	if n := w.count(`SELECT count(*) FROM @ballot WHERE NOT withdrawn`); n != 1 {
		t.Errorf("%d ballots", n)
	}
}
