package form

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data/pgtest"
	"jebi/lottery"
)

var seenField = regexp.MustCompile(`name="seen" value="([0-9a-z]*)"`)

// seen is the mark of the wish on the page that is shown.
func (b *browser) seen() string {
	b.t.Helper()
	m := seenField.FindStringSubmatch(b.last.body)
	if m == nil {
		b.t.Fatalf("no wish on %s", b.last.path)
	}
	return m[1]
}

// wish posts one wish for a district.
func (b *browser) wish(n int, seen, date string) page {
	b.t.Helper()
	return b.post(fmt.Sprintf("/ballot/choice/%d", n), "act", "save", "seen", seen, "kind", "district", "district", "1162010200", "dates", date, "parts", "am")
}

// Two devices on one wish: the later one counts, says what it replaced, and
// gives it back where it is asked to.
func TestLaterSaveTellsWhatItReplaced(t *testing.T) {
	w := newTown(t)
	one, two := w.signedIn(), w.signedIn()
	for _, b := range []*browser{one, two} {
		b.get("/ballot/choice/1")
		if b.seen() != newMark {
			t.Fatalf("a new wish is marked %q", b.seen())
		}
	}
	one.wish(1, newMark, "2021-07-26")
	w.at(w.campaign.Cohorts[0].Opens.Add(63 * time.Minute))
	two.wish(1, newMark, "2021-07-27")
	two.wants(200, "/ballot", "다른 창이나 다른 기기에서 7월 14일(수) 오전 10시에 저장한 1순위 희망을 바꾸었습니다", "7월 26일(월)", "7월 27일(화)")
	two.post("/ballot", "mark", two.mark(), "act", "both")
	two.wants(200, "/ballot", "1순위 희망", "2순위 희망", "7월 26일(월)", "7월 27일(화)")
	if strings.Contains(textOf(two.last.body), "바꾸었습니다") {
		t.Error("it is told still")
	}
	// The back button: the same page sent again adds nothing and warns of nothing.
	two.wish(1, newMark, "2021-07-27")
	two.wants(200, "/ballot", "2순위 희망")
	if said := textOf(two.last.body); strings.Contains(said, "3순위") || strings.Contains(said, "바꾸었습니다") {
		t.Error("sending a page twice is taken for two answers")
	}
	// A wish that was moved elsewhere in the meantime is changed where it is now.
	one.get("/ballot/choice/2")
	moved := one.seen()
	two.get("/ballot")
	two.post("/ballot", "mark", two.mark(), "act", "up:2")
	two.wants(200, "/ballot?moved=1&by=up", "옮겼습니다. 이제 1순위 희망입니다.")
	one.wish(2, moved, "2021-07-30")
	one.wants(200, "/ballot")
	if got := w.wishes(); !cmp.Equal(got, []string{"2021-07-30", "2021-07-27"}) {
		t.Errorf("wishes %v", got)
	}
	// One that was removed elsewhere comes back as a further one.
	one.get("/ballot/choice/2")
	gone := one.seen()
	two.get("/ballot")
	two.post("/ballot", "mark", two.mark(), "act", "remove:2")
	one.wish(2, gone, "2021-08-02")
	if got := w.wishes(); !cmp.Equal(got, []string{"2021-07-30", "2021-08-02"}) {
		t.Errorf("wishes %v", got)
	}
}

// wishes are the first dates of P1's wishes, as they are kept.
func (w *town) wishes() []string {
	w.t.Helper()
	return pgtest.Values[string](w.t, w.url, `SELECT c -> 'dates' ->> 0 FROM jebi.draft d, jsonb_array_elements(d.body -> 'choices') WITH ORDINALITY AS x (c, n) ORDER BY n`)
}

// Many devices at once: each step is there, or was told of; none vanishes.
func TestStepsAtOnceLoseNothing(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	for i := range 4 {
		b.wish(i+1, newMark, "2021-07-26")
	}
	b.get("/ballot/choice/1")
	seen := make([]string, 4)
	for i := range seen {
		b.get(fmt.Sprintf("/ballot/choice/%d", i+1))
		seen[i] = b.seen()
	}
	if seen[0] != seen[3] {
		t.Fatal("the same wish has two marks")
	}
	var all sync.WaitGroup
	dates := []string{"2021-07-27", "2021-07-28", "2021-07-29", "2021-07-30"}
	for i, date := range dates {
		all.Go(func() {
			body := "act=save&seen=" + seen[i] + "&kind=district&district=1162010200&parts=pm&dates=" + date
			if res := w.hit(b, fmt.Sprintf("/ballot/choice/%d", i+1), body); res.Code != http.StatusSeeOther && res.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: %d", date, res.Code)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff(dates, w.wishes()); diff != "" {
		t.Errorf("what four devices kept at once:\n%s", diff)
	}
}

// Submitting twice is one answer; a change says what it replaced.
func TestSubmittedTwice(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.wish(1, newMark, "2021-07-26")
	b.get("/review")
	mark := b.mark()
	b.post("/review", "mark", mark)
	b.wants(200, "/receipt", "1번째 저장")
	b.post("/review", "mark", mark)
	b.wants(200, "/receipt", "1번째 저장")
	if n := w.count(`SELECT count(*) FROM @ballot_history`); n != 1 {
		t.Errorf("%d saves", n)
	}
	w.at(w.campaign.Cohorts[0].Opens.Add(63 * time.Minute))
	b.get("/ballot/choice/1")
	b.wish(1, b.seen(), "2021-07-27")
	b.wants(200, "/ballot", "7월 14일(수) 오전 10시에 제출한 신청을 고치고 있습니다")
	b.get("/review")
	b.wants(200, "/review", "7월 14일(수) 오전 10시에 제출한 신청을 이것으로 바꿉니다")
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt", "2번째 저장", "7월 14일(수) 오전 10시에 제출한 신청을 이것으로 바꾸었습니다")
}

// What no slot can serve is said at once, with what would help; and one button
// asks for anything in her district.
func TestHelpWithSlots(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	// A hospital that has seats, but none on that Monday morning.
	b.post("/ballot/choice/1", "act", "save", "seen", newMark, "kind", "clinics", "clinics", "A1100047", "dates", "2021-07-26", "parts", "am")
	b.wants(422, "/ballot/choice/1", "고르신 곳에는 그 날짜와 시간대에 자리가 없습니다", "이 시간대에 이곳에 자리가 있는 날짜: 7월 27일(화), 7월 28일(수)")
	b.get("/ballot")
	b.wants(200, "/ballot", "이 시간대에 이곳에 자리가 있는 날짜")
	b.post("/ballot", "mark", b.mark(), "act", "anything")
	b.wants(200, "/ballot", "2순위 희망 신림동 어디든지", "모든 날짜", "모든 시간대")
	if strings.Contains(b.last.body, `value="anything"`) {
		t.Error("what is there already is offered again")
	}
	b.post("/ballot", "mark", b.mark(), "act", "anything")
	b.wants(200, "/ballot")
	if n := len(w.wishes()); n != 2 {
		t.Errorf("%d wishes", n)
	}
}

// Her chances come from the newest trial draws, in tenths, and never without
// the sentence that they change nobody's best answer.
func TestChances(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	const always = "진짜 희망을 진짜 순서대로 적는 것이 언제나 가장 좋습니다"
	b.get("/ballot")
	b.wants(200, "/ballot", "아직 어림할 수 없습니다", always)
	w.odds()
	b.get("/ballot")
	b.wants(200, "/ballot", "희망을 적으면 자리를 받을 가능성이 여기에 나옵니다")
	b.get("/ballot/choice/1?sort=asked")
	b.wants(200, "/ballot/choice/1", "지금까지 한 자리에 2.4명이 희망", "희망자가 적은 순서")
	b.get("/ballot/choice/1")
	key := clinicKeys(b.last.body)[0]
	b.post("/ballot/choice/1", "act", "save", "seen", newMark, "kind", "clinics", "clinics", key, "dates", "2021-07-26", "dates", "2021-07-27", "dates", "2021-07-29", "parts", "am")
	b.wants(200, "/ballot", "이 희망대로라면 자리를 받을 가능성은 10번에", "연습 추첨", always)
	b.get("/review")
	b.wants(200, "/review", "자리를 받을 가능성은 10번에", always)
	p := frame{book: w.form.Words, Lang: "en"}
	var got []string
	for _, c := range []float64{0, 0.04, 0.05, 0.5, 0.94, 0.96, 1} {
		got = append(got, inTen(p, c))
	}
	if diff := cmp.Diff([]string{"less than 1 in 10", "less than 1 in 10", "about 1 in 10", "about 5 in 10", "about 9 in 10", "more than 9 in 10", "more than 9 in 10"}, got); diff != "" {
		t.Error(diff)
	}
	if a, b := perSeat(0.04), perSeat(12.4); a != "0.0" || b != "12" {
		t.Errorf("requests per seat %s, %s", a, b)
	}
}

// The picture holds the clinics of the list, and no address that says where
// she lives.
func TestMap(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.get("/ballot/choice/1?q=%EB%B3%91%EC%9B%90&sort=name")
	address := regexp.MustCompile(`src="(/ballot/choice/1/map\.svg[^"]*)"`).FindStringSubmatch(b.last.body)
	if address == nil || strings.Contains(address[1], "37.") || strings.Contains(address[1], "126.") {
		t.Fatalf("picture at %v", address)
	}
	listed := len(clinicKeys(b.last.body))
	p := b.get(strings.ReplaceAll(address[1], "&amp;", "&"))
	if p.status != 200 || p.header.Get("Content-Type") != "image/svg+xml" {
		t.Fatalf("picture: %d %s", p.status, p.header.Get("Content-Type"))
	}
	dots := 0
	for d := xml.NewDecoder(strings.NewReader(p.body)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "circle" {
			dots++
		}
	}
	if dots != listed+1 { // and the ring
		t.Errorf("%d circles for %d clinics", dots, listed)
	}
	if p := b.get("/ballot/choice/1/map.svg?q=zzz"); p.status != 200 || strings.Contains(p.body, "circle") {
		t.Errorf("nothing found: %d %s", p.status, p.body)
	}
	if p := b.get("/ballot/choice/77/map.svg"); p.status != 404 {
		t.Errorf("no such wish: %d", p.status)
	}
}

// The receipt is signed with the key that the manifest announced, the same on
// the page, in the file, and as it was saved; and it is sent where she asks.
func TestSignedReceipt(t *testing.T) {
	key, err := lottery.NewKey("gwanak.sample.invalid", false, lottery.FileHash([]byte("test")))
	if err != nil {
		t.Fatal(err)
	}
	public, err := lottery.OperatorPublic(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	w := newTown(t, func(c *Config) { c.Intake = intake.New(intake.Config{DB: c.DB, Random: c.Random, Operator: &key}) })
	secret := bytes.Repeat([]byte{3}, 32)
	w.exec(`INSERT INTO @draw (cohort_id, draw_id, k_commit, manifest) VALUES (1, 'gwanak-2021-1962-66', sha256(''), $1)`, w.manifest(key.Public()))
	w.exec(`INSERT INTO @draw_secret (cohort_id, k) VALUES (1, $1)`, secret)
	b := w.signedIn()
	b.answer()
	b.wants(200, "/receipt", "전자 서명이 들어 있습니다", "문자로 받기", "이메일로 받기")
	shown := regexp.MustCompile(`<dd class="mono">([0-9a-f]{128})</dd>`).FindStringSubmatch(b.last.body)
	if shown == nil {
		t.Fatal("the page shows no signature")
	}
	var file struct {
		Save   json.RawMessage
		Commit string
		Salt   string
		Ballot string
	}
	if err := json.Unmarshal([]byte(b.get("/receipt.json").body), &file); err != nil {
		t.Fatal(err)
	}
	signed, err := lottery.ParseSavedBallot(file.Save)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Check(public); err != nil {
		t.Error(err)
	}
	row := w.ballot("P1")
	if hex.EncodeToString(signed.Signature) != shown[1] || signed.Commit != lottery.Hash(row.Commit) || signed.Revision != 1 || !signed.Time.Equal(row.SavedAt) {
		t.Errorf("signed %+v, shown %s, saved %+v", signed, shown[1], row)
	}
	b.get("/receipt")
	b.post("/receipt", "way", "sms")
	b.wants(200, "/receipt?sent=sms", "접수번호를 문자로 보냈습니다")
	b.post("/receipt", "way", "sms") // once a revision
	b.post("/receipt", "way", "email")
	b.wants(200, "/receipt?sent=email", "접수번호를 이메일로 보냈습니다")
	if got := pgtest.Values[string](t, w.url, `SELECT event || ' ' || channel || ' ' || kind FROM jebi.message WHERE kind = 'receipt' ORDER BY id`); !cmp.Equal(got, []string{"receipt/1 sms receipt", "receipt/1 email receipt"}) {
		t.Errorf("messages %v", got)
	}
	if p := b.post("/receipt", "way", "pigeon"); p.status != 400 {
		t.Errorf("by pigeon: %d", p.status)
	}
	w.exec(`INSERT INTO @message (campaign_id, person_id, event, channel, kind) SELECT 1, $1, 'receipt/' || g, 'sms', 'receipt' FROM generate_series(100, 110) g`, w.person("P1"))
	b.get("/ballot/choice/1")
	b.wish(1, b.seen(), "2021-07-30")
	b.get("/review")
	b.post("/review", "mark", b.mark())
	b.post("/receipt", "way", "sms")
	b.wants(200, "/receipt?sent=often", "오늘 이미 여러 번 보냈습니다")
	b.post("/withdraw")
	b.post("/receipt", "way", "sms")
	b.wants(200, "/window")
}

// manifest is the least that announces an operator's key.
func (w *town) manifest(operator string) []byte {
	w.t.Helper()
	m := lottery.Manifest{DrawID: "gwanak-2021-1962-66", Stream: "main", GroupWeight: "min", MaxWeight: 3, Sample: true, OperatorKey: operator, Sources: []lottery.Source{{Type: lottery.SourceDice, Digits: 40}}}
	b, err := m.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// The calendar file: CRLF, folded, one UID a dose for good, a sequence that
// grows, and a cancellation where the place has ended.
func TestCalendar(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.answer()
	w.at(w.campaign.Cohorts[0].PublishAt.Add(time.Minute))
	w.publish(w.person("P1"))
	b = w.signedIn()
	file := func() (*ics.Calendar, string) {
		t.Helper()
		p := b.get("/result.ics")
		if p.status != 200 || p.header.Get("Content-Type") != "text/calendar; charset=utf-8" {
			t.Fatalf("calendar: %d %s", p.status, p.header.Get("Content-Type"))
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(p.body, "\r\n"), "\r\n") {
			if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
				t.Errorf("a line of %d bytes: %q", len(line), line)
			}
		}
		c, err := ics.ParseCalendar(strings.NewReader(p.body))
		if err != nil {
			t.Fatal(err)
		}
		return c, p.body
	}
	value := func(e *ics.VEvent, name ics.ComponentProperty) string {
		t.Helper()
		p := e.GetProperty(name)
		if p == nil {
			t.Fatalf("no %s", name)
		}
		return p.Value
	}
	c, body := file()
	if len(c.Events()) != 1 || !strings.Contains(body, "METHOD:PUBLISH\r\n") || !strings.Contains(body, "DTSTART:20210726T000000Z\r\n") {
		t.Fatalf("calendar:\n%s", body)
	}
	e := c.Events()[0]
	uid := e.Id()
	if strings.Contains(uid, "P1") || !strings.HasSuffix(uid, "@gwanak.sample.invalid") {
		t.Errorf("uid %s", uid)
	}
	if got := value(e, ics.ComponentPropertyStatus); got != "TENTATIVE" {
		t.Errorf("status %s", got)
	}
	if got := value(e, ics.ComponentPropertySummary); !strings.Contains(got, "강남힐병원") || !strings.HasPrefix(got, "[표본]") {
		t.Errorf("title %s", got)
	}
	if got := value(e, ics.ComponentPropertyDescription); !strings.Contains(got, "Pfizer") || !strings.Contains(got, "신분증") {
		t.Errorf("description %s", got)
	}
	first := value(e, ics.ComponentPropertySequence)
	b.post("/result/accept")
	w.second(`slot_id`)
	c, _ = file()
	if len(c.Events()) != 2 || c.Events()[0].Id() != uid || c.Events()[1].Id() == uid || value(c.Events()[0], ics.ComponentPropertyStatus) != "CONFIRMED" {
		t.Errorf("two doses: %v", c.Events())
	}
	w.second(`NULL`)
	b.post("/result/cancel")
	b.get("/result")
	b.wants(200, "/result", "달력에서 빼기")
	c, body = file()
	if e := c.Events()[0]; !strings.Contains(body, "METHOD:CANCEL\r\n") || e.Id() != uid || value(e, ics.ComponentPropertyStatus) != "CANCELLED" || value(e, ics.ComponentPropertySequence) <= first {
		t.Errorf("cancelled:\n%s", body)
	}
}

func TestTakesGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "*": true, "*;q=0": false, "identity": false, "gzip;q=x": false, "deflate, gzip;q=1.0, *;q=0.5": true,
	} {
		if got := takesGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// Everything of a choice that is named in a wish comes back from a saved
// ballot as the same wish.
func TestWishesReadBack(t *testing.T) {
	for _, w := range []wish{
		{Kind: "district", District: "1162010200", Dates: []string{"2021-07-26"}, Parts: []string{"am"}},
		{Kind: "near", Metres: 2000, Dates: []string{"2021-07-26"}, Parts: []string{"am"}},
		{Kind: "clinics", Clinics: []string{"a", "b"}, Dates: []string{"2021-07-26"}, Parts: []string{"am"}},
	} {
		c := cohort.Choice{Target: w.target(), Clinics: w.Clinics, Dates: w.Dates, Parts: w.Parts}
		if !wishOf(c).same(w) {
			t.Errorf("%+v reads back as %+v", w, wishOf(c))
		}
	}
}
