package form

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// stop is a page in one state, as a visitor sees it.
type stop struct {
	name string
	w    *town
	b    *browser // with its cookies
	path string
	sent string // what the server answered to a form; "": the page is at path
}

// odds puts trial draws on record in which every second ticket is served.
func (w *town) odds() {
	w.t.Helper()
	err := w.db.Tx(context.Background(), func(tx *data.Tx) error {
		slots, err := tx.Slots(context.Background(), 1)
		if err != nil {
			return err
		}
		o := cohort.Odds{Cohort: "1962-66", Sample: true, Trials: 4, Tickets: 900, Served: 0.5, First: 0.3, Clinics: map[string]cohort.OddsShare{}}
		var cells []cohort.ReachCell
		for _, s := range slots {
			cells = append(cells, cohort.ReachCell{Clinic: s.ClinicKey, Date: s.Date, Part: s.Part})
			o.Clinics[s.ClinicKey] = cohort.OddsShare{Asked: 120, Seats: 50, Served: 0.4}
		}
		delete(o.Clinics, slots[0].ClinicKey)
		r := cohort.NewReach(4, []cohort.ReachClass{{Size: 1}, {Size: 2}}, cells)
		for i, c := range cells {
			for trial := range 4 {
				for class := range 2 {
					r.Set(trial, class, c, 0.3+0.15*float64((i+trial)%5))
				}
			}
		}
		now, err := w.db.Now(context.Background())
		if err != nil {
			return err
		}
		_, err = tx.PutOdds(context.Background(), data.OddsRow{Cohort: 1, MadeAt: now, Odds: o, Reach: r})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.form.odds.cohorts = nil
}

// second gives every place of the town a second dose, which no act of the
// program could.
func (w *town) second(slot string) {
	w.t.Helper()
	w.exec(`ALTER TABLE @assignment DISABLE TRIGGER USER`)
	w.exec(`UPDATE @assignment SET second_id = ` + slot)
	w.exec(`ALTER TABLE @assignment ENABLE TRIGGER USER`)
}

// walk goes through every page of the form in every state that it has, in
// every language or in one, and shows each to see.
func walk(t *testing.T, lang string, see func(stop)) {
	t.Helper()
	speak := func(b *browser) { b.get("/language?to=" + lang + "&back=/") }
	begin := func(change ...func(*Config)) (*town, *browser, func(string, string), func(string)) {
		w := newTown(t, append([]func(*Config){explained, func(c *Config) { c.Files = bundleFiles }}, change...)...)
		b := w.browser()
		speak(b)
		return w, b, func(name, path string) { see(stop{name, w, b, path, ""}) }, func(name string) { see(stop{name, w, b, b.last.path, b.last.body}) }
	}
	enter := func(w *town, b *browser) {
		w.signIn(b, "김하나", "19620314", "010-2345-6701")
		speak(b)
	}

	w, b, at, sent := begin()
	w.at(w.campaign.Cohorts[0].Opens.Add(-time.Hour))
	at("start-before", "/")
	enter(w, b)
	at("window-not-yet", "/window")
	b.get("/ballot")
	sent("ballot-not-yet")

	w, b, at, sent = begin()
	at("board-empty", "/board")
	w.publicRecord()
	for _, p := range []string{"how", "privacy", "help", "board", "sign-in"} {
		at(p, "/"+p)
	}
	at("start", "/")
	at("draw", "/draws/gwanak-2021-1962-66/")
	at("missing", "/nothing")
	b.post("/sign-in", "way", "")
	sent("sign-in-wrong")
	b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", "010-2345-6701", "way", "sms")
	at("code", "/code")
	b.post("/code", "code", "1234")
	sent("code-wrong")
	b.post("/code", "code", w.lastCode())
	at("notice", "/notice")
	b.post("/notice")
	sent("notice-wrong")
	b.post("/notice", "agree", "yes")
	at("window-open", "/window")
	at("ballot-empty", "/ballot")
	at("choice-new", "/ballot/choice/1")
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200")
	sent("choice-wrong")
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "dates", "2021-07-27", "dates", "2021-07-28", "parts", "am", "parts", "pm")
	b.get("/ballot/choice/2")
	keys := clinicKeys(b.last.body)
	b.post("/ballot/choice/2", "act", "save", "seen", "new", "kind", "clinics", "clinics", keys[0], "clinics", keys[1], "dates", "2021-07-31", "parts", "am")
	at("ballot-no-odds", "/ballot")
	w.odds()
	at("choice-clinics", "/ballot/choice/2")
	at("choice-search", "/ballot/choice/2?q=%EB%B3%91%EC%9B%90&sort=name")
	at("choice-nothing", "/ballot/choice/2?q=zzz")
	at("choice-all", "/ballot/choice/2?all=1&sort=asked")
	b.post("/ballot/choice/2", "act", "save", "seen", "new", "kind", "clinics", "clinics", keys[2], "dates", "2021-07-27", "parts", "am")
	at("ballot-lost", "/ballot")
	b.get("/ballot")
	b.post("/ballot", "mark", b.mark(), "act", "both")
	at("ballot", "/ballot?moved=2&by=up")
	at("ballot-stale", "/ballot?stale=1")
	b.post("/ballot/choice/4", "act", "save", "kind", "near", "metres", "2000")
	b.post("/ballot/choice/5", "act", "save", "kind", "clinics", "clinics", keys[0], "dates", "2021-08-01", "parts", "evening")
	sent("choice-no-slot")
	at("ballot-flawed", "/ballot")
	at("review-wrong", "/review")
	b.get("/ballot")
	b.post("/ballot", "mark", b.mark(), "act", "remove:5")
	b.post("/ballot", "mark", b.mark(), "act", "remove:4")
	b.post("/ballot", "mark", b.mark(), "act", "anything")
	at("review", "/review")
	b.get("/review")
	b.post("/review", "mark", b.mark())
	at("receipt", "/receipt")
	at("receipt-sent", "/receipt?sent=sms")
	at("window-answered", "/window")
	at("ballot-change", "/ballot")
	b.get("/ballot")
	b.post("/ballot", "mark", b.mark(), "act", "remove:2")
	at("review-change", "/review?stale=1")
	b.get("/review")
	b.post("/review", "mark", b.mark())
	at("receipt-changed", "/receipt")
	at("withdraw", "/withdraw")
	b.post("/withdraw")
	at("receipt-withdrawn", "/receipt")
	at("window-withdrawn", "/window")
	w.exec(`UPDATE @cohort SET paused_at = @jebi_now() WHERE id = 1`)
	at("window-paused", "/window")
	at("start-paused", "/")
	w.exec(`UPDATE @cohort SET paused_at = NULL WHERE id = 1`)
	w.at(w.campaign.Cohorts[0].Closes.Add(time.Hour))
	at("sign-in-expired", "/sign-in")
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "dates", "2021-07-26")
	sent("fail-signed-out")
	w.exec(`UPDATE @session SET expires_at = @jebi_now() + interval '1 hour'`)
	at("window-closed-withdrawn", "/window")

	w, b, _, _ = begin()
	enter(w, b)
	b.answerIn()
	w.at(w.campaign.Cohorts[0].Closes.Add(-time.Minute))
	b = w.browser()
	speak(b)
	at = func(name, path string) { see(stop{name, w, b, path, ""}) }
	enter(w, b)
	w.at(w.campaign.Cohorts[0].Closes.Add(time.Minute))
	at("window-closed", "/window")
	at("receipt-closed", "/receipt")
	at("result-pending", "/result")
	w.publish(w.person("P1"))
	at("start-published", "/")
	at("window-published", "/window")
	at("result-assigned", "/result")
	at("result-decline", "/result/decline")
	at("why", "/why")
	b.post("/result/accept")
	at("result-confirmed", "/result?done=accept")
	at("result-cancel", "/result/cancel")
	w.second(`slot_id`)
	at("result-two-doses", "/result")
	w.second(`NULL`)
	b.post("/result/cancel")
	at("result-cancelled", "/result?done=cancel")
	at("result-late", "/result?done=late")

	w, b, at, _ = begin()
	enter(w, b)
	b.answerIn()
	w.waiting(w.person("P1"))
	at("result-waiting", "/result")
	at("result-leave", "/result/leave")
	at("why-waiting", "/why")
	w.offer()
	at("result-offer", "/result")
	at("result-offer-decline", "/result/offer-decline")
	b.post("/result/offer-decline", "offer", "1")
	b.post("/result/leave")
	at("result-off", "/result?done=leave")

	w, b, at, _ = begin()
	if err := w.db.Tx(t.Context(), func(tx *data.Tx) error {
		_, err := tx.MakeParty(t.Context(), w.id, 1, "p1", []int64{w.person("P1"), w.person("P5")}, data.System, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	enter(w, b)
	at("window-party", "/window")
	b.answerIn()
	at("receipt-party", "/receipt")
	at("withdraw-party", "/withdraw")
	w.exec(`UPDATE @cohort SET state = 'void' WHERE id = 1`)
	at("window-void", "/window")
	at("result-void", "/result")

	for state, status := range map[string]string{"vaccinated": "vaccinated", "removed": "removed", "moved": "moved"} {
		w, b, at, _ = begin()
		enter(w, b)
		w.exec(`UPDATE @person SET status = $1 WHERE key = 'P1'`, status)
		at("window-"+state, "/window")
	}

	walkEntry(t, lang, see)

	w, b, _, sent = begin()
	routes := w.form.handler
	for _, fault := range []struct {
		what string
		err  error
	}{{"busy", context.DeadlineExceeded}, {"preparing", ErrPreparing}, {"foreign", errForeign}, {"bad-form", &badForm{fmt.Errorf("test")}}, {"caps", &data.TooManyCodes{Cap: "phone"}}, {"internal", os.ErrInvalid}} {
		failing := w.form.serve(func(*visit) error { return fault.err }, everybody)
		w.form.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				failing.ServeHTTP(rw, r)
				return
			}
			routes.ServeHTTP(rw, r)
		})
		b.get("/")
		sent("fail-" + fault.what)
	}
}

// partyCode is a party's code as its page shows it.
var partyCode = regexp.MustCompile(`<p class="big">([^<]+)</p>`)

// walkEntry goes through the ways in: links, letters, proxies, parties, and
// those who are on another list.
func walkEntry(t *testing.T, lang string, see func(stop)) {
	t.Helper()
	w := newTown(t)
	speaking := func() *browser {
		b := w.browser()
		b.get("/language?to=" + lang + "&back=/")
		return b
	}
	b := speaking()
	at := func(name, path string) { see(stop{name, w, b, path, ""}) }
	sent := func(name string) { see(stop{name, w, b, b.last.path, b.last.body}) }

	at("link", "/link/"+w.sendLink("P1", "a message"))
	at("link-unknown", "/link/x")
	at("letter", "/letter")
	b.post("/letter", "code", "AAAA")
	sent("letter-wrong")
	b.post("/sign-in", "name", "없는 사람", "birth", "19620314", "phone", "010-2345-0000", "way", "sms")
	at("code-number", "/code/number")
	used := w.sendLink("P1", "another message")
	b.get("/link/" + used)
	b.post("/link", "token", used)
	b.post("/notice", "agree", "yes")
	at("proxy", "/proxy")
	b.post("/proxy")
	sent("proxy-wrong")
	b.post("/proxy", "name", "김딸", "relation", "child", "phone", "010-9999-0001")
	at("proxy-code", "/proxy/code")
	b.post("/proxy/code", "code", "1")
	sent("proxy-code-wrong")
	b.post("/proxy/code", "code", w.lastCode())
	at("window-proxy", "/window")
	b.answerIn()
	at("receipt-proxy", "/receipt")
	b = speaking()
	at("link-used", "/link/"+used)
	w.signIn(b, "김하나", "19620314", "010-2345-6701")
	b.get("/language?to=" + lang + "&back=/")
	at("window-proxied", "/window")
	at("undo", "/undo")
	b.post("/undo")
	at("window-undone", "/window?undone=1")

	at("party-none", "/party")
	at("party-join", "/party/join")
	b.post("/party/join", "code", "XXXX")
	sent("party-join-wrong")
	b.post("/party", "act", "start")
	at("party-alone", "/party")
	b.get("/party")
	code := partyCode.FindStringSubmatch(b.last.body)
	if code == nil {
		t.Fatalf("no code on %s", b.last.path)
	}
	first := b
	b = speaking()
	w.signIn(b, "정다섯", "19640517", "010-2345-6705")
	b.get("/language?to=" + lang + "&back=/")
	b.post("/party/join", "code", code[1], "agree", "yes")
	at("party-joined", "/party")
	b.answerIn()
	b = first
	at("party-done", "/party")
	at("party-leave", "/party/leave")
	at("ballot-party", "/ballot")

	other := strings.Replace(fileOf("campaign.toml"), `key = "gwanak-2021"`, `key = "mapo-2021"`, 1)
	w.exec(`INSERT INTO @campaign (key, version, sample) VALUES ('mapo-2021', 1, true)`)
	w.exec(`INSERT INTO @campaign_version (campaign_id, version, file, file_hash) SELECT id, 1, $1, sha256('x') FROM @campaign WHERE key = 'mapo-2021'`, other)
	w.exec(`INSERT INTO @person (campaign_id, key, row_hash) SELECT id, 'M1', sha256('x') FROM @campaign WHERE key = 'mapo-2021'`)
	w.exec(`INSERT INTO @person_detail (person_id, name, birth_date, phone) SELECT id, '한마포', '1963-03-03', '+821077770001' FROM @person WHERE key = 'M1'`)
	b = speaking()
	b.post("/sign-in", "name", "한마포", "birth", "19630303", "phone", "01077770001", "way", "sms")
	b.post("/code", "code", w.lastCode())
	at("elsewhere", "/elsewhere")
}

// answerIn is answer in any language.
func (b *browser) answerIn() {
	b.t.Helper()
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "dates", "2021-07-27", "parts", "am", "parts", "pm")
	b.get("/review")
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt")
}

var getRoute = regexp.MustCompile(`(public|private)\("GET ([^" ]+)"`)

// The walk leaves out no page: whoever adds one adds it there.
func TestWalkIsWhole(t *testing.T) {
	routes, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("walk_test.go")
	if err != nil {
		t.Fatal(err)
	}
	// Downloads and redirects have no page to look at.
	none := []string{"/language", "/stay", "/board/{id}", "/draws/{draw}", "/draws/{draw}/{file}", "/receipt.json", "/result.ics", "/proof.json", "/ballot/choice/{n}/map.svg", "/{$}"}
	found := getRoute.FindAllStringSubmatch(string(routes), -1)
	if len(found) < 20 {
		t.Fatalf("%d routes were found", len(found))
	}
	for _, m := range found {
		route := strings.TrimSuffix(m[2], "{$}")
		if slices.Contains(none, m[2]) {
			continue
		}
		start, _, _ := strings.Cut(route, "{")
		if !strings.Contains(string(source), `"`+start) && !strings.Contains(string(source), `"`+strings.TrimPrefix(start, "/")+`"`) {
			t.Errorf("the walk leaves out %s", m[2])
		}
	}
}
