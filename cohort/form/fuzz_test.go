package form

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// posts are the patterns of all pages that forms are posted to, as the mux has
// them: a new page is among them by itself.
func (f *Form) posts() []string {
	var out []string
	for _, p := range f.patterns {
		if path, ok := strings.CutPrefix(p, "POST "); ok {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// pathOf fills a pattern's wildcards in.
func pathOf(pattern, value string) string {
	return wildcard.ReplaceAllString(pattern, strings.ReplaceAll(url.PathEscape(value), "$", "$$"))
}

// hit sends a form without a network.
func (w *town) hit(b *browser, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	u, err := url.Parse(path)
	if err != nil {
		w.t.Fatal(err)
	}
	req.URL = u
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	base, err := url.Parse(b.base)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(base) {
		req.AddCookie(c)
	}
	res := httptest.NewRecorder()
	w.form.ServeHTTP(res, req)
	return res
}

// terseTown is a town whose log has errors only.
func terseTown(t testing.TB) *town {
	t.Helper()
	log := &syncBuffer{}
	w := newTown(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	w.log = log
	return w
}

// visitors are people in different states, before each form as they were: nobody
// known, one whose code is on its way, one with a ballot, one in a party, one who
// answers for another.
func (w *town) visitors() []*browser {
	w.t.Helper()
	coming := w.korean()
	coming.post("/sign-in", "name", "이 두리", "birth", "19630101", "phone", "010-2345-6702", "way", "sms")
	one := w.signedIn()
	one.answer()
	two := w.signedInAs("정다섯", "19640517", "010-2345-6705")
	two.answer()
	two.post("/party", "act", "start")
	two.wants(200, "/party")
	proxy := w.asProxy("강여섯", "19640518", "010-2345-6706", "박딸", "child", "010-5555-0001")
	proxy.post("/proxy/code", "code", w.lastCode())
	proxy.wants(200, "/window")
	return []*browser{w.browser(), coming, one, two, proxy}
}

// whole fails where something is stored in part: a ballot without its line of
// history and its audit row, or a party with different ballots.
func (w *town) whole(after string) {
	w.t.Helper()
	var wrong []string
	for what, sql := range map[string]string{
		"ballots that are not their last line of history": `SELECT count(*) FROM @ballot b LEFT JOIN LATERAL (
			SELECT h.revision, h.act, h.commit, h.salt FROM @ballot_history h WHERE h.campaign_id = b.campaign_id AND h.person_id = b.person_id ORDER BY h.revision DESC LIMIT 1) h ON true
			WHERE h.revision IS DISTINCT FROM b.revision OR h.commit <> b.commit OR (h.act = 'withdraw') <> b.withdrawn OR h.act = 'save' AND h.salt <> b.salt`,
		"lines of history without a ballot":                                `SELECT count(*) FROM @ballot_history h WHERE NOT EXISTS (SELECT FROM @ballot b WHERE b.campaign_id = h.campaign_id AND b.person_id = h.person_id)`,
		"lines of history without their audit row, or the other way round": `SELECT abs((SELECT count(*) FROM @ballot_history) - (SELECT count(*) FROM @audit WHERE act IN ('ballot.save', 'ballot.withdraw')))`,
		"ballots of a party that say different things": `SELECT count(*) FROM (SELECT party_id FROM @ballot WHERE party_id IS NOT NULL AND NOT withdrawn
			GROUP BY party_id HAVING count(DISTINCT convert_from(bytes, 'UTF8')::jsonb -> 'choices') > 1) x`,
		"drafts that are no drafts": `SELECT count(*) FROM @draft WHERE jsonb_typeof(body -> 'choices') NOT IN ('array', 'null')`,
	} {
		wrong = append(wrong, fmt.Sprintf(`SELECT n || ' %s' FROM (%s) x (n) WHERE n <> 0`, what, strings.ReplaceAll(sql, "@", "jebi.")))
	}
	for _, what := range pgtest.Values[string](w.t, w.url, strings.Join(wrong, " UNION ALL ")) {
		w.t.Errorf("after %s: %s", after, what)
	}
}

// try posts a form as a visitor and looks at what came of it: no page breaks,
// and nothing is half stored. Sessions that it ended live again.
func (w *town) try(b *browser, path, body string) {
	w.t.Helper()
	res := w.hit(b, path, body)
	if res.Code >= 500 || res.Code == 0 {
		w.t.Fatalf("%s: %d", path, res.Code)
	}
	w.exec(`UPDATE @session SET ended_at = NULL WHERE ended_at IS NOT NULL`)
	for _, page := range []string{"/window", "/ballot", "/review", "/receipt", "/party", "/proxy"} {
		if got := w.look(b, page); got >= 500 || got == 0 {
			w.t.Fatalf("%s after %s: %d", page, path, got)
		}
	}
	if log := w.log.String(); log != "" {
		w.t.Fatalf("after %s the log says %s", path, log)
	}
	w.whole(path)
}

// look asks for a page without a network.
func (w *town) look(b *browser, path string) int {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	base, err := url.Parse(b.base)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(base) {
		req.AddCookie(c)
	}
	res := httptest.NewRecorder()
	w.form.ServeHTTP(res, req)
	return res.Code
}

// FuzzForms: whatever is posted to whatever page by whomever, no page breaks and
// nothing is half stored.
func FuzzForms(f *testing.F) {
	w := terseTown(f)
	visitors, posts := w.visitors(), w.form.posts()
	if len(posts) < 15 {
		f.Fatalf("forms are posted to %v", posts)
	}
	seeds := []string{
		"", "act=save&kind=district&district=1162010200&dates=2021-07-26&parts=am", "act=save&kind=near&metres=2000&dates=2021-07-26&parts=pm",
		"act=save&kind=clinics&clinics=A1100047&clinics=A1100047", "act=up:1", "act=down:99999999999999999999", "act=remove:-1", "mark=&act=remove:1", "name=%00&birth=%ff%fe&phone=%EF%BC%90",
		"code=12345678", "code=%D9%A1%D9%A2", "agree=yes&for=other", "offer=9223372036854775808", "q=%F0%9F%90%A6&act=search", "act=search&q=" + strings.Repeat("%EA%B0%80", 300), "to=ko&back=//x", ";;;=%&",
		"name=" + strings.Repeat("a", 15000), strings.Repeat("a=b&", 4000),
	}
	for i := range 4 * len(posts) {
		f.Add(uint8(i), uint8(i/3), "1", seeds[i%len(seeds)])
	}
	f.Fuzz(func(t *testing.T, which, who uint8, in, body string) {
		w.t = t
		w.try(visitors[int(who)%len(visitors)], pathOf(posts[int(which)%len(posts)], in), body)
	})
}

// oddValues are what people and programs put into fields.
func oddValues() []string {
	return []string{
		"", " ", "0", "1", "-1", "yes", "sms", "email", "self", "other", "child", "start", "more", "save", "up:1", "down:1", "remove:1", "up:", "up:99999999999999999999", "any", "district", "near", "clinics",
		"1162010200", "1162010100", "2000", "7", "A1100047", "2021-07-26", "2021-02-30", "2021-07-26T00:00:00Z", "9999-12-31", "am", "pm", "evening",
		"19620314", "1962-03-14", "1962. 3. 14.", "00000000", "31021962", "010-2345-6701", "+82 10 2345 6701", "０１０２３４５６７０１", "12345678", "١٢٣٤٥٦٧٨", "ABCD-EFGH-JKLM", "AAAAA-AAAAA",
		"김하나", "\u1100\u1175\u11b7하나", "Ａｎｎ", "O'Brien", "<script>", "Zoë\u202egnp", "\u0000", "\xff\xfe", "👩‍👩‍👧", "'; DROP TABLE ballot; --", "{{.}}", "%00", strings.Repeat("가", 3000),
		"9223372036854775807", "9223372036854775808", "1e309", "NaN", "../../etc/passwd",
	}
}

// fieldNames are the names of the fields of all templates.
func fieldNames(t testing.TB) []string {
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		b, err := fs.ReadFile(templates, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`name="([a-z_]+)"`).FindAllStringSubmatch(string(b), -1) {
			names[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Forms made of the fields that there are and of what people and programs put
// into them, posted to every page by people in every state.
func TestAnyForm(t *testing.T) {
	w := terseTown(t)
	visitors, posts, names, values := w.visitors(), w.form.posts(), fieldNames(t), oddValues()
	if len(names) < 15 {
		t.Fatalf("fields %v", names)
	}
	rapid.Check(t, func(rt *rapid.T) {
		form := url.Values{}
		for range rapid.IntRange(0, 12).Draw(rt, "fields") {
			value := rapid.OneOf(rapid.SampledFrom(values), rapid.String()).Draw(rt, "value")
			form.Add(rapid.SampledFrom(names).Draw(rt, "name"), value)
		}
		b := rapid.SampledFrom(visitors).Draw(rt, "visitor")
		path := pathOf(rapid.SampledFrom(posts).Draw(rt, "page"), rapid.OneOf(rapid.SampledFrom(values), rapid.String()).Draw(rt, "wildcard"))
		if rapid.Bool().Draw(rt, "with the mark") {
			form.Set("mark", w.markOf(b))
		}
		w.try(b, path, form.Encode())
	})
}

// markOf is the mark that the visitor's review page carries, or "".
func (w *town) markOf(b *browser) string {
	b.get("/review")
	if m := markField.FindStringSubmatch(b.last.body); m != nil {
		return m[1]
	}
	return ""
}

// A field of 1 MB and 10,000 fields are refused on every page, and nothing at
// all is stored.
func TestHugeForms(t *testing.T) {
	w := newTown(t)
	visitors := w.visitors()
	count := func() string {
		return pgtest.Value[string](t, w.url, `SELECT concat_ws(' ', (SELECT count(*) FROM jebi.ballot_history), (SELECT count(*) FROM jebi.audit), (SELECT count(*) FROM jebi.draft),
			(SELECT count(*) FROM jebi.sign_in), (SELECT count(*) FROM jebi.session), (SELECT count(*) FROM jebi.proxy), (SELECT count(*) FROM jebi.party_member), (SELECT count(*) FROM jebi.entry_try), (SELECT count(*) FROM jebi.message))`)
	}
	before := count()
	for _, pattern := range w.form.posts() {
		for _, name := range []string{"name", "code", "mark", "act", "q", "token"} {
			for _, body := range []string{name + "=" + strings.Repeat("a", 1<<20), strings.Repeat(name+"=b&", 10_000), strings.Repeat("%EA%B0%80", 1<<17)} {
				for i, b := range visitors {
					if res := w.hit(b, pathOf(pattern, "1"), body); res.Code != http.StatusRequestEntityTooLarge {
						t.Fatalf("%s, visitor %d, %.20q: %d", pattern, i, body, res.Code)
					}
				}
			}
		}
	}
	if after := count(); after != before {
		t.Errorf("stored: %s, before %s", after, before)
	}
}

// Whatever is put together on the pages, what is saved reads back in canonical
// form, opens its commitment, and asks for nothing that was not offered.
func TestSavedIsCanonical(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.get("/ballot/choice/1")
	b.post("/ballot/choice/1", "act", "more", "kind", "clinics")
	clinics := clinicKeys(b.last.body)
	offered, err := w.db.Offered(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	dates := []string{"2021-07-26", "2021-07-27", "2021-07-31", "2021-08-02", "2021-08-07", "2021-09-01"}
	saved := 0
	rapid.Check(t, func(rt *rapid.T) {
		before, err := w.db.Draft(context.Background(), w.id, w.person("P1"))
		if err != nil {
			rt.Fatal(err)
		}
		if err := w.db.KeepDraft(context.Background(), w.id, w.person("P1"), before.Body, []byte(`{"choices":[]}`)); err != nil {
			rt.Fatal(err)
		}
		n := rapid.IntRange(1, 5).Draw(rt, "choices")
		for i := range n {
			v := url.Values{
				"act": {"save"}, "kind": {rapid.SampledFrom([]string{"district", "near", "clinics"}).Draw(rt, "kind")}, "district": {rapid.SampledFrom([]string{"1162010100", "1162010200", "1"}).Draw(rt, "district")},
				"metres": {rapid.SampledFrom([]string{"500", "2000", "7"}).Draw(rt, "metres")}, "clinics": rapid.SliceOfN(rapid.SampledFrom(clinics), 0, 4).Draw(rt, "clinics"),
				"dates": rapid.SliceOfN(rapid.SampledFrom(dates), 0, 4).Draw(rt, "dates"), "parts": rapid.SliceOfN(rapid.SampledFrom([]string{"am", "pm", "evening", "night"}), 0, 3).Draw(rt, "parts"),
			}
			w.hit(b, "/ballot/choice/"+string(rune('1'+i)), v.Encode())
		}
		kept, err := w.db.Draft(context.Background(), w.id, w.person("P1"))
		if err != nil {
			rt.Fatal(err)
		}
		b.get("/review")
		res := w.hit(b, "/review", url.Values{"mark": {b.mark()}}.Encode())
		if res.Code == http.StatusUnprocessableEntity {
			return
		}
		if res.Code != http.StatusSeeOther {
			rt.Fatalf("submitted: %d; draft %s", res.Code, kept.Body)
		}
		saved++
		row, err := w.db.Ballot(context.Background(), w.id, w.person("P1"))
		if err != nil {
			rt.Fatal(err)
		}
		ballot, err := cohort.ParseBallot(row.Bytes)
		if err != nil {
			rt.Fatalf("%s: %v", row.Bytes, err)
		}
		if row.Commit != lottery.BallotCommit(row.Salt, row.Bytes) || row.Channel != data.ChannelWeb || ballot.Person != "P1" {
			rt.Fatalf("row %+v", row)
		}
		if flaws := w.campaign.Check(ballot, offered); len(flaws) > 0 {
			rt.Fatalf("%s: %v", row.Bytes, flaws)
		}
	})
	if saved == 0 {
		t.Error("nothing was ever saved")
	}
}
