package form

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// axeVersion is the version of axe-core that is under testdata.
const axeVersion = "4.14.1"

// axe looks at the page that is shown with axe-core, by the rules of WCAG 2.0,
// 2.1 and 2.2, A and AA, and its good practices. Pages must be allowed to run
// scripts by now; the page's own need not have run.
func (s *screen) axe(name, source string) {
	s.t.Helper()
	if !eval[bool](s, `typeof axe === "object"`) {
		eval[bool](s, source+"\ntrue")
	}
	// The answer is waited for in the page, and fetched when it is there.
	eval[bool](s, `(() => {
	  window.seen = "";
	  axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"] }).then(
	    (r) => { window.seen = JSON.stringify({ version: r.testEngine.version, rules: r.passes.length, found: r.violations.map((v) => v.id + ": " + v.help + "\n" + v.nodes.map((n) => "    " + n.target.join(" ") + " " + n.html.slice(0, 160) + "\n      " + (n.any.concat(n.all, n.none)[0] || {}).message).join("\n")) }); },
	    (e) => { window.seen = JSON.stringify({ version: "", rules: 0, found: ["axe failed: " + e] }); });
	  return true;
	})()`)
	var answer string
	for answer == "" {
		if err := s.ctx.Err(); err != nil {
			s.t.Fatal(err)
		}
		answer = eval[string](s, `window.seen`)
	}
	var r struct {
		Version string
		Rules   int
		Found   []string
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		s.t.Fatal(err)
	}
	if r.Version != axeVersion || r.Rules < 10 {
		s.t.Errorf("%s: axe %s looked by %d rules", name, r.Version, r.Rules)
	}
	for _, f := range r.Found {
		s.t.Errorf("%s at %d px: %s", name, s.width, f)
	}
}

// at shows a page in a state: what the server sends for its path, or what it
// sent in answer to a form. Scripts are allowed afterwards either way.
func (s *screen) at(p stop, scripts bool) {
	s.t.Helper()
	s.base = p.w.server.URL
	s.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{})
		return err
	}))
	s.take(p.b)
	s.scripts(scripts)
	if p.sent == "" {
		s.open(p.path)
		s.scripts(true)
		return
	}
	s.open("/privacy") // to be at home there, with its style sheet
	s.scripts(true)
	quoted, err := json.Marshal(p.sent)
	if err != nil {
		s.t.Fatal(err)
	}
	eval[bool](s, `(() => {
	  const sent = new DOMParser().parseFromString(`+string(quoted)+`, "text/html");
	  document.documentElement.lang = sent.documentElement.lang;
	  document.title = sent.title;
	  document.body.replaceWith(document.adoptNode(sent.body));
	  return true;
	})()`)
}

// sharp is how many points of a screen make a pixel: more where pictures are
// kept.
func sharp() float64 {
	if screenshots() != "" {
		return 2
	}
	return 1
}

// resize makes the screen as wide, with everything as large as zoom says.
func (s *screen) resize(width int64, zoom float64) {
	s.t.Helper()
	s.width = width
	s.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: int64(float64(width) / zoom), Height: int64(800 / zoom), DeviceScaleFactor: sharp() * zoom, Mobile: width < 600,
		})
		return err
	}))
}

// ticking is what differs between two pages that are the same: the seconds
// that the session has left.
var ticking = regexp.MustCompile(`data-left="[0-9]+"`)

// Every page in every state, at the width of a phone and of a desk, with
// scripts and without: axe finds nothing, and neither do our own looks.
// Zoomed, nothing is wider than the screen. In English, whose pages differ
// from the Korean ones by their texts alone, axe looks at a phone.
func TestEveryPageInEveryState(t *testing.T) {
	source, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"ko", "en"} {
		t.Run(lang, func(t *testing.T) {
			s := newTown(t).screen(t, 360)
			looked, same := 0, 0
			look := func(p stop, scripts bool) {
				for _, width := range []int64{360, 1280} {
					s.resize(width, 1)
					name := fmt.Sprintf("%s-%s, scripts %v", lang, p.name, scripts)
					s.looks(name)
					if width == 360 || lang == "ko" {
						s.axe(name, string(source))
						looked++
					}
					s.picture(lang + "-" + p.name)
				}
			}
			walk(t, lang, func(p stop) {
				s.resize(360, 1)
				s.at(p, false)
				plain := s.dom()
				look(p, false)
				s.resize(1280, 2)
				s.fits(p.name + " at 200 %")
				s.resize(1280, 4) // 320 CSS pixels (WCAG 1.4.10)
				s.fits(p.name + " at 400 %")
				s.resize(360, 1)
				eval[bool](s, `(() => { document.documentElement.style.fontSize = "200%"; return true; })()`) // text alone (1.4.4)
				s.fits(p.name + " with text at 200 %")
				if lang != "ko" {
					return
				}
				if s.at(p, true); s.dom() == plain {
					same++ // the same tree with the same style: all would be said again
					return
				}
				look(p, true)
			})
			t.Logf("axe-core %s looked %d times; of %d pages scripts had changed nothing", axeVersion, looked, same)
		})
	}
}

// dom is the page as it stands, but for what ticks.
func (s *screen) dom() string {
	s.t.Helper()
	return ticking.ReplaceAllString(eval[string](s, `document.documentElement.outerHTML`), "")
}

// Five minutes before the session ends the page says so, and goes on when it
// is asked to, with what was typed; without scripts the time stands on every
// page, and every request moves it.
func TestSessionEndIsWarnedOf(t *testing.T) {
	source, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	w := newTown(t, func(c *Config) { c.Idle = 5 * time.Minute }) // so that the warning is due at once
	s := w.screen(t, 360)
	b := w.signedIn()
	s.at(stop{"choice", w, b, "/ballot/choice/1", ""}, true)
	const shown = `document.getElementById("ending").checkVisibility()`
	s.until(shown)
	s.looks("session ending")
	s.axe("session ending", string(source))
	s.picture("ko-session-ending")
	eval[bool](s, `(() => { document.getElementById("q").value = "병원"; return true; })()`)
	w.at(w.campaign.Cohorts[0].Opens.Add(time.Hour + 3*time.Minute))
	ends := func() int64 { return w.count(`SELECT extract(epoch FROM max(expires_at))::bigint FROM @session`) }
	before := ends()
	eval[bool](s, `(() => { document.querySelector("#ending button").click(); return true; })()`)
	for ends() == before {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	if q := eval[string](s, `document.getElementById("q").value`); q != "병원" {
		t.Errorf("what was typed is now %q", q)
	}
	w.at(w.campaign.Cohorts[0].Opens.Add(2 * time.Hour))
	s.until(shown) // its time is short enough to be due again
	eval[bool](s, `(() => { document.querySelector("#ending button").click(); return true; })()`)
	s.until(`document.getElementById("ended").checkVisibility()`)
	s.looks("session ended")
	s.axe("session ended", string(source))
}

// until waits until something is so on the page.
func (s *screen) until(js string) {
	s.t.Helper()
	for !eval[bool](s, js) {
		if err := s.ctx.Err(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// fits checks that nobody must scroll sideways.
func (s *screen) fits(name string) {
	s.t.Helper()
	if wide := eval[int](s, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		s.t.Errorf("%s: wider than the screen by %d", name, wide)
	}
}
