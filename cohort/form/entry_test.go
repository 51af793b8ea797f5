package form

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

// sendLink notes a link to a person as the notifier does before it sends it.
func (w *town) sendLink(key, message string) string {
	w.t.Helper()
	person := w.person(key)
	token := cohort.LinkToken(w.key, message, person)
	err := w.db.IssueLinks(context.Background(), w.id, []data.NewLink{{
		Person: person, Handle: cohort.EntryHandle(w.key, cohort.WayLink, w.campaign.Key, token), Hash: cohort.LinkHash(w.key, w.campaign.Key, token),
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// sendLetter gives a person a letter and answers its code, as printed.
func (w *town) sendLetter(key, code string) string {
	w.t.Helper()
	code, err := cohort.NewLetterCode(strings.NewReader(strings.Repeat(code, 40)))
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.db.Tx(context.Background(), func(tx *data.Tx) error {
		_, err := tx.IssueLetters(context.Background(), w.id, data.LetterFilter{Person: key, Again: true}, func(l data.LetterRow) (handle, hash [32]byte, err error) {
			return cohort.EntryHandle(w.key, cohort.WayLetter, w.campaign.Key, code), cohort.LetterHash(w.key, w.campaign.Key, l.Key, code), nil
		}, "test", data.System)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return cohort.FormatLetterCode(code)
}

func (w *town) korean() *browser {
	w.t.Helper()
	b := w.browser()
	b.get("/language?to=ko&back=/")
	return b
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]*)"`)

func TestLink(t *testing.T) {
	w := newTown(t)
	token := w.sendLink("P1", "a message")
	b := w.korean()
	for range 3 { // programs that look at messages follow links
		p := b.get("/link/" + token)
		b.wants(200, "/link/", "김○○님이 맞으신가요?", "한 번만 쓸 수 있습니다")
		if strings.Contains(p.body, "김하나") {
			t.Error("the page of a link gives the name away")
		}
		if p.header.Get("Referrer-Policy") != "strict-origin" {
			t.Errorf("Referrer-Policy %q", p.header.Get("Referrer-Policy"))
		}
	}
	if n := w.count(`SELECT count(*) FROM @session`); n != 0 {
		t.Fatal("looking at a link uses it")
	}
	m := tokenField.FindStringSubmatch(b.last.body)
	if m == nil || m[1] != token {
		t.Fatal("no form")
	}
	b.post("/link", "token", token)
	b.wants(200, "/notice", "김하나님")
	b.post("/notice", "agree", "yes", "for", "self")
	b.wants(200, "/window", "김하나님의 신청")
	b.get("/link/" + token) // her own, again: she is in
	b.wants(200, "/window")
	b.answer()

	other := w.korean()
	other.post("/link", "token", token)
	other.wants(410, "/link", "이미 쓴 링크입니다", "다른 방법", "접속 번호로 들어가기")
	other.get("/link/" + token)
	other.wants(410, "/link", "이미 쓴 링크입니다")
	for _, bad := range []string{"x", strings.Repeat("A", 43), cohort.LinkToken(w.key, "another message", w.person("P1")), token[:42]} {
		other.get("/link/" + bad)
		other.wants(404, "/link", "링크가 온전하지 않습니다")
		other.post("/link", "token", bad)
		other.wants(404, "/link", "링크가 온전하지 않습니다")
	}
	if n := w.count(`SELECT count(*) FROM @session`); n != 1 {
		t.Errorf("%d sessions", n)
	}

	late := w.sendLink("P5", "late")
	w.exec(`UPDATE @person SET status = 'dead' WHERE key = 'P6'`)
	dead := w.sendLink("P6", "late")
	other.get("/link/" + dead)
	other.wants(410, "/link")
	w.at(w.campaign.Cohorts[0].Closes)
	other.get("/link/" + late)
	other.wants(410, "/link", "기한이 지난 링크입니다")
	other.post("/link", "token", late)
	other.wants(410, "/link", "기한이 지난 링크입니다")
	w.exec(`UPDATE @cohort SET closes_at = closes_at + interval '1 hour' WHERE ordinal = 0`) // the window is extended
	other.get("/link/" + late)
	other.wants(200, "/link", "정○○님이 맞으신가요?")

	for _, secret := range []string{token, late} {
		if strings.Contains(w.log.String(), secret) {
			t.Error("the log holds a link")
		}
		for _, table := range []string{"sign_in", "session", "entry_try", "audit", "message"} {
			if n := w.count(`SELECT count(*) FROM @`+table+` x WHERE x::text LIKE '%' || $1 || '%'`, secret); n != 0 {
				t.Errorf("%s holds a link", table)
			}
		}
	}
}

var bigCode = regexp.MustCompile(`<p class="big">([A-Z0-9-]+)</p>`)

func TestLetter(t *testing.T) {
	w := newTown(t)
	w.sendLetter("P4", "letters are for those without a phone") // P4 is in no cohort: no letter
	if n := w.count(`SELECT count(*) FROM @sign_in WHERE way = 'letter'`); n != 0 {
		t.Errorf("%d letters to somebody without a window", n)
	}
	code := w.sendLetter("P6", "letters are for those without a phone")
	b := w.korean()
	b.get("/letter")
	b.wants(200, "/letter", "우편 안내문의 접속 번호", "0, 1, I, L, O는 쓰지 않습니다")
	b.post("/letter", "code", code[:10], "birth", "1964")
	b.wants(422, "/letter", "글자와 숫자 열두 자입니다", "숫자 여덟 자리로")
	wrong := b.post("/letter", "code", code, "birth", "19640519")
	b.wants(422, "/letter", "번호와 생년월일이 서로 맞지 않습니다")
	nobody, err := cohort.NewLetterCode(strings.NewReader(strings.Repeat("another code that nobody has", 40)))
	if err != nil {
		t.Fatal(err)
	}
	unknown := b.post("/letter", "code", cohort.FormatLetterCode(nobody), "birth", "19640519")
	if strings.ReplaceAll(unknown.body, cohort.FormatLetterCode(nobody), code) != wrong.body || unknown.status != wrong.status {
		t.Error("a code that nobody has is told from one with another birth date")
	}
	typed := " " + strings.ToLower(strings.ReplaceAll(code, "-", " ")) + " "
	b.post("/letter", "code", typed, "birth", "1964. 5. 18.")
	b.wants(200, "/notice", "강여섯")
	b.post("/notice", "agree", "yes")
	b.wants(200, "/window", "강여섯님의 신청", "다음에 쓸 접속 번호")
	next := bigCode.FindStringSubmatch(b.last.body)
	if next == nil || next[1] == code {
		t.Fatalf("no code for the next visit: %v", next)
	}
	b.answer()
	b.wants(200, "/receipt", next[1])

	again := w.korean()
	again.post("/letter", "code", code, "birth", "19640518")
	again.wants(422, "/letter", "이미 쓴 접속 번호이거나 새 우편이 나갔습니다", "전화")
	again.post("/letter", "code", code, "birth", "19640519") // without the birth date nobody learns that
	again.wants(422, "/letter", "서로 맞지 않습니다")
	again.post("/letter", "code", next[1], "birth", "19640518")
	again.wants(200, "/notice")
	again.post("/notice", "agree", "yes")
	third := bigCode.FindStringSubmatch(again.last.body)
	if third == nil || third[1] == next[1] {
		t.Error("the second visit has no code of its own for the third")
	}
	if n := w.count(`SELECT count(*) FROM @session s JOIN @person p ON p.id = s.person_id WHERE p.key = 'P6' AND s.way = 'letter'`); n != 2 {
		t.Errorf("%d sessions", n)
	}

	// Five tries, whatever comes sixth.
	code = w.sendLetter("P5", "another letter, another person")
	for range 5 {
		again = w.korean()
		again.post("/letter", "code", code, "birth", "19640518")
		again.wants(422, "/letter", "서로 맞지 않습니다")
	}
	again.post("/letter", "code", code, "birth", "19640517")
	again.wants(422, "/letter", "다섯 번 틀려 잠긴 접속 번호입니다", "전화")
	// A new letter makes the old code void, and works.
	code = w.sendLetter("P5", "a new letter for the same person")
	again.post("/letter", "code", code, "birth", "19640517")
	again.wants(200, "/notice", "정다섯")
	for _, table := range []string{"sign_in", "session", "entry_try", "person_detail", "audit"} {
		for _, c := range []string{code, next[1]} {
			if n := w.count(`SELECT count(*) FROM @`+table+` x WHERE x::text LIKE '%' || $1 || '%' OR x::text LIKE '%' || $2 || '%'`, c, strings.ReplaceAll(c, "-", "")); n != 0 {
				t.Errorf("%s holds a code", table)
			}
		}
	}
}

func TestEntryCaps(t *testing.T) {
	w := newTown(t, func(c *Config) { c.EntryCaps = data.EntryCaps{AddressHour: 4, CampaignTen: 1000} })
	b := w.korean()
	code := w.sendLetter("P6", "letters are for those without a phone")
	for range 4 {
		b.post("/link", "token", strings.Repeat("A", 43))
		b.wants(404, "/link")
	}
	b.post("/letter", "code", code, "birth", "19640518")
	b.wants(429, "/letter", "맞지 않는 번호가 너무 많습니다", "그대로 쓸 수 있습니다")
	w.at(w.campaign.Cohorts[0].Opens.Add(3 * time.Hour))
	b.post("/letter", "code", code, "birth", "19640518")
	b.wants(200, "/notice")

	w = newTown(t, func(c *Config) { c.EntryCaps = data.EntryCaps{AddressHour: 1000, CampaignTen: 3} })
	b = w.korean()
	for range 3 {
		b.post("/link", "token", strings.Repeat("A", 43))
	}
	b.post("/link", "token", w.sendLink("P1", "m"))
	b.wants(429, "/link", "10분 뒤에 다시 해 주세요")
	w.at(w.campaign.Cohorts[0].Opens.Add(time.Hour + 11*time.Minute))
	b.post("/link", "token", w.sendLink("P1", "m"))
	b.wants(200, "/notice")
}

// The officials are told of the alarm, once an hour.
func TestTheAlarmReachesOfficials(t *testing.T) {
	w := newTown(t)
	b := w.korean()
	for range 70 {
		b.post("/link", "token", strings.Repeat("A", 43))
	}
	got := pgtest.Values[string](t, w.url, `SELECT recipient || ' ' || kind || ' ' || (params ->> 'about') FROM jebi.message WHERE kind = 'official'`)
	if diff := cmp.Diff([]string{"officials official guessing"}, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s\n%s", diff, w.log.String())
	}
}

// Phones on the list and others get the same bytes; the times are logged.
func TestTwoHundredPhones(t *testing.T) {
	w := newTown(t, func(c *Config) {
		c.Caps = data.CodeCaps{PhoneHour: 10000, PhoneDay: 10000, AddressHour: 10000, AddressDay: 10000}
	})
	w.exec(`INSERT INTO @person (campaign_id, key, cohort_id, row_hash) SELECT 1, 'N' || i, 1, sha256(i::text::bytea) FROM generate_series(1, 200) i`)
	w.exec(`INSERT INTO @person_detail (person_id, name, birth_date, phone) SELECT id, '이름' || substr(key, 2), '1964-05-06', '+82107000' || lpad(substr(key, 2), 4, '0') FROM @person WHERE key LIKE 'N%'`)
	var took [2][]time.Duration
	var bodies [2]map[string]bool
	for i := range bodies {
		bodies[i] = map[string]bool{}
	}
	for i := range 400 { // in turn, so that the machine is the same for both
		listed, n := i%2, i/2+1
		b := w.korean()
		began := time.Now()
		b.post("/sign-in", "name", fmt.Sprint("이름", n), "birth", "19640506", "phone", fmt.Sprintf("010-%d000-%04d", 7+listed, n), "way", "sms")
		took[listed] = append(took[listed], time.Since(began))
		b.wants(200, "/code")
		bodies[listed][b.last.body] = true
		b.post("/code", "code", "00000000")
		bodies[listed][fmt.Sprint(b.last.status, b.last.body)] = true
	}
	if n := w.count(`SELECT count(*) FROM @message WHERE kind = 'code'`); n != 200 {
		t.Errorf("%d messages, want 200", n)
	}
	if len(bodies[0]) != 2 || !cmp.Equal(bodies[0], bodies[1]) {
		t.Errorf("%d and %d different answers, want the same two", len(bodies[0]), len(bodies[1]))
	}
	for i := range took {
		slices.Sort(took[i])
	}
	t.Logf("median on the list %v, not on it %v", took[0][100], took[1][100])
}

func TestTheCallCentreFindsOut(t *testing.T) {
	w := newTown(t)
	for _, c := range []struct{ phone, person, message string }{{"010-2345-6701", "P1", "queued"}, {"010-9999-0001", "", ""}} {
		b := w.korean()
		b.get("/code/number")
		b.wants(200, "/sign-in")
		b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", c.phone, "way", "sms")
		b.wants(200, "/code", "명단에 없는 분께는 인증번호가 가지 않습니다")
		b.get("/code/number")
		b.wants(200, "/code/number", "전화하실 때 이 번호를 말씀해 주세요")
		m := bigCode.FindStringSubmatch(b.last.body)
		if m == nil {
			t.Fatal("no number")
		}
		id, err := cohort.ParseReference(m[1])
		if err != nil {
			t.Fatal(err)
		}
		row, err := w.db.Asked(t.Context(), w.id, id)
		if err != nil || row.Person != c.person || row.Message != c.message || row.Way != "sms" {
			t.Errorf("%+v, %v", row, err)
		}
	}
}

// Who is on another campaign's list is told where to go, and nothing else.
func TestElsewhere(t *testing.T) {
	w := newTown(t)
	other := strings.Replace(fileOf("campaign.toml"), `key = "gwanak-2021"`, `key = "mapo-2021"`, 1)
	w.exec(`INSERT INTO @campaign (key, version, sample) VALUES ('mapo-2021', 1, true)`)
	w.exec(`INSERT INTO @campaign_version (campaign_id, version, file, file_hash) SELECT id, 1, $1, sha256('x') FROM @campaign WHERE key = 'mapo-2021'`, other)
	w.exec(`INSERT INTO @person (campaign_id, key, row_hash) SELECT id, 'M1', sha256('x') FROM @campaign WHERE key = 'mapo-2021'`)
	w.exec(`INSERT INTO @person_detail (person_id, name, birth_date, phone) SELECT id, '한마포', '1963-03-03', '+821077770001' FROM @person WHERE key = 'M1'`)
	b := w.korean()
	b.post("/sign-in", "name", "한마포", "birth", "19630303", "phone", "01077770001", "way", "sms")
	b.wants(200, "/code")
	b.post("/code", "code", w.lastCode())
	b.wants(200, "/elsewhere", "다른 명단에 계십니다", "여기에서는 신청하실 수 없습니다", "https://gwanak.sample.invalid/")
	for _, path := range []string{"/window", "/ballot", "/review", "/party", "/proxy", "/receipt", "/result", "/notice", "/undo"} {
		b.get(path)
		b.wants(200, "/elsewhere")
	}
	b.post("/party", "act", "start")
	b.wants(200, "/elsewhere")
	b.post("/sign-out")
	b.wants(200, "/")

	// Who is on both lists is at home here.
	w.exec(`UPDATE @person_detail d SET name = '김하나', birth_date = '1962-03-14', phone = '+821023456701' FROM @person p WHERE p.id = d.person_id AND p.key = 'M1'`)
	b = w.signedIn()
	b.wants(200, "/window", "김하나님의 신청")
}

// Nobody but the person herself learns that she was taken off the list.
func TestRemoved(t *testing.T) {
	w := newTown(t)
	w.exec(`UPDATE @person SET status = 'removed' WHERE key = 'P1'`)
	b := w.signedIn()
	b.wants(200, "/window", "이번 대상자 명단에 없습니다", "아무것도 올리지 않으셔도 됩니다")
	b.get("/ballot")
	b.wants(403, "/ballot")
	if p := b.get("/party"); p.status != http.StatusOK || strings.Contains(p.body, `value="start"`) {
		t.Errorf("a party of somebody who may not answer: %d", p.status)
	}
}
