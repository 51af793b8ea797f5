package form

import (
	"fmt"
	"log/slog"
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

// The answer to a phone on the list and to another: the same status, the same
// headers, the same bytes; a message only for the first.
func TestNobodyLearnsWhoIsOnTheList(t *testing.T) {
	w := newTown(t)
	answers := map[string][]page{}
	for _, who := range [][2]string{{"known", "010-2345-6701"}, {"unknown", "010-9999-0001"}} {
		for _, way := range []string{"sms", "email"} {
			b := w.browser()
			b.get("/language?to=ko&back=/sign-in")
			b.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			answers[who[0]] = append(answers[who[0]], b.post("/sign-in", "name", "김하나", "birth", "1962-03-14", "phone", who[1], "way", way))
			b.c.CheckRedirect = nil
			answers[who[0]] = append(answers[who[0]], b.get("/code"), b.post("/code", "code", "00000000"))
		}
	}
	for i, known := range answers["known"] {
		unknown := answers["unknown"][i]
		for _, p := range []page{known, unknown} {
			p.header.Del("Date")
			if c := p.header.Get("Set-Cookie"); c != "" {
				p.header.Set("Set-Cookie", regexp.MustCompile(`=[A-Za-z0-9_-]{43};`).ReplaceAllString(c, "=…;"))
			}
		}
		if diff := cmp.Diff(known, unknown, cmp.AllowUnexported(page{})); diff != "" {
			t.Errorf("answer %d differs (-known +unknown):\n%s", i, diff)
		}
	}
	if n := w.count(`SELECT count(*) FROM @sign_in`); n != 4 {
		t.Errorf("%d sign-ins", n)
	}
	got := pgtest.Values[string](t, w.url, `SELECT channel || ' ' || kind || ' ' || urgent || ' ' || person_id || ' ' || params FROM jebi.message ORDER BY id`)
	if diff := cmp.Diff([]string{`sms code true 1 {"sign_in": 1}`, `email code true 1 {"sign_in": 2}`}, got); diff != "" {
		t.Error(diff)
	}
}

// Neither the code nor the phone stands anywhere in plain but where it was
// imported.
func TestNothingInPlain(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", "01023456701", "way", "sms")
	code := w.lastCode()
	tables := pgtest.Values[string](t, w.url, `SELECT tablename::text FROM pg_tables WHERE schemaname = 'jebi' AND tablename NOT IN ('person_detail', 'clinic')`)
	if len(tables) < 20 {
		t.Fatalf("%d tables", len(tables))
	}
	for _, table := range tables {
		if n := w.count(`SELECT count(*) FROM @` + table + ` x WHERE x::text LIKE '%` + code + `%' OR x::text LIKE '%23456701%' OR x::text LIKE '%김하나%'`); n != 0 {
			t.Errorf("%s holds the code, the phone or the name", table)
		}
	}
	if s := w.log.String(); strings.Contains(s, code) || strings.Contains(s, "23456701") || strings.Contains(s, "김하나") || strings.Contains(s, "127.0.0.1") {
		t.Errorf("the log holds something personal:\n%s", s)
	}
}

func TestCodes(t *testing.T) {
	w := newTown(t)
	ask := func() *browser {
		b := w.browser()
		b.get("/language?to=ko&back=/sign-in")
		b.post("/sign-in", "name", "김 하 나", "birth", "1962. 3. 14.", "phone", "+82 10 2345 6701", "way", "sms")
		b.wants(200, "/code")
		return b
	}
	b := ask()
	right := w.lastCode()
	wrong := "00000000"
	if right == wrong {
		wrong = "00000001"
	}
	for _, bad := range []string{"", "1234567", "123456789", "abcdefgh"} {
		b.post("/code", "code", bad)
		b.wants(422, "/code", "번호는 숫자 여덟 자리입니다")
	}
	for left := 4; left > 0; left-- {
		b.post("/code", "code", wrong)
		b.wants(422, "/code", fmt.Sprintf("번호가 다릅니다. %d번 더", left))
	}
	b.post("/code", "code", wrong)
	b.wants(422, "/code", "이 인증번호는 더 이상 쓸 수 없습니다")
	b.post("/code", "code", right)
	b.wants(422, "/code", "이 인증번호는 더 이상 쓸 수 없습니다")

	b = ask()
	b.post("/code", "code", right) // of another sign-in
	b.wants(422, "/code", "번호가 다릅니다")
	w.at(w.campaign.Cohorts[0].Opens.Add(time.Hour + 10*time.Minute + time.Second))
	b.post("/code", "code", w.lastCode())
	b.wants(422, "/code", "이 인증번호는 더 이상 쓸 수 없습니다")

	b = ask()
	code := w.lastCode()
	full := strings.Map(func(r rune) rune { return r - '0' + '０' }, code) // as a Korean keyboard may give it
	b.post("/code", "code", full[:12]+" "+full[12:])
	b.wants(200, "/notice")
	thief := w.browser()
	thief.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", "01023456701", "way", "sms")
	thief.post("/code", "code", code)
	thief.wants(422, "/code")
	if n := w.count(`SELECT count(*) FROM @session`); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// An attempt counts before it is compared, for those who are not on the list
// too.
func TestAttemptsOfNobody(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.post("/sign-in", "name", "아무개", "birth", "19620314", "phone", "01099990001", "way", "sms")
	b.post("/code", "code", w.lastCode()) // even the code that would be right
	b.wants(422, "/code")
	if n := w.count(`SELECT sum(attempts) FROM @sign_in WHERE person_id IS NULL`); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

func TestWhoIsMeant(t *testing.T) {
	w := newTown(t)
	for _, c := range []struct {
		name, birth, phone string
		matches            bool
	}{
		{"이두리", "19630101", "01023456702", true},
		{"이 두 리", "1963-1-1", "010.2345.6702", true},
		{"이두라", "19630101", "01023456702", false},
		{"이두리", "19630102", "01023456702", false},
		{"이두리", "19630101", "01023456701", false},
		{"조이름", "19650518", "01023456707", false}, // two people alike
	} {
		w.exec(`DELETE FROM @message`)
		b := w.browser()
		b.post("/sign-in", "name", c.name, "birth", c.birth, "phone", c.phone, "way", "sms")
		b.wants(200, "/code")
		if n := w.count(`SELECT count(*) FROM @message`); (n == 1) != c.matches {
			t.Errorf("%+v: %d messages", c, n)
		}
	}
	w.exec(`UPDATE @person SET status = 'dead' WHERE key = 'P2'`)
	w.exec(`DELETE FROM @message`)
	w.browser().post("/sign-in", "name", "이두리", "birth", "19630101", "phone", "01023456702", "way", "sms")
	if n := w.count(`SELECT count(*) FROM @message`); n != 0 {
		t.Error("a code for a dead person")
	}
}

func TestSignInForm(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.get("/language?to=en&back=/sign-in")
	b.post("/sign-in", "name", " ", "birth", "19640230", "phone", "123", "way", "pigeon")
	b.wants(422, "/sign-in", "There is something to correct", "Please give your name", "eight digits", "check the phone number", "Please choose text message or e-mail")
	if !strings.Contains(b.last.body, `value="19640230"`) {
		t.Error("what was typed is gone")
	}
	if n := w.count(`SELECT count(*) FROM @sign_in`); n != 0 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestCaps(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Caps = data.CodeCaps{PhoneHour: 3, PhoneDay: 4, AddressHour: 12} })
	ask := func(phone string) page {
		b := w.browser()
		b.get("/language?to=en&back=/sign-in")
		return b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", phone, "way", "sms")
	}
	for _, phone := range []string{"01023456701", "01099990001"} { // on the list, and not
		for range 3 {
			if p := ask(phone); p.path != "/code" {
				t.Fatalf("%s: %s", phone, p.path)
			}
		}
		if p := ask(phone); p.status != 429 || p.header.Get("Retry-After") == "" || !strings.Contains(textOf(p.body), "Too many codes for this phone") {
			t.Errorf("the fourth in an hour: %d %s", p.status, textOf(p.body))
		}
	}
	w.at(w.campaign.Cohorts[0].Opens.Add(3 * time.Hour))
	if p := ask("01023456701"); p.path != "/code" {
		t.Errorf("an hour later: %s", p.path)
	}
	if p := ask("01023456701"); p.status != 429 {
		t.Errorf("the fifth in a day: %d", p.status)
	}
	for i := range 11 {
		if p := ask(fmt.Sprintf("0109999%04d", 100+i)); p.path != "/code" {
			t.Fatalf("address, %d: %s", i, p.path)
		}
	}
	if p := ask("01099990999"); p.status != 429 || !strings.Contains(textOf(p.body), "one internet connection") {
		t.Errorf("the thirteenth from an address: %d", p.status)
	}
}

// Money: text messages end at the campaign's daily cap, e-mail goes on, and
// the next day is a new one.
func TestTextMessagesAreCapped(t *testing.T) {
	w := newTown(t)
	w.campaign.Senders.SMS.DailyCap = 2
	ask := func(phone, way string) page {
		b := w.browser()
		b.get("/language?to=en&back=/sign-in")
		return b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", phone, "way", way)
	}
	for range 3 {
		ask("01099990001", "sms") // nobody: costs nothing
	}
	for range 2 {
		if p := ask("01023456701", "sms"); p.path != "/code" {
			t.Fatalf("within the cap: %s", p.path)
		}
	}
	for _, phone := range []string{"01023456701", "01099990002"} {
		if p := ask(phone, "sms"); p.status != 429 || !strings.Contains(textOf(p.body), "No more text messages today") {
			t.Errorf("over the cap, %s: %d", phone, p.status)
		}
	}
	if p := ask("01023456701", "email"); p.path != "/code" {
		t.Errorf("by e-mail: %s", p.path)
	}
	w.at(w.campaign.Cohorts[0].Opens.Add(24 * time.Hour))
	if p := ask("01023456701", "sms"); p.path != "/code" {
		t.Errorf("the next day: %s", p.path)
	}
}

func TestAlarm(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Caps = data.CodeCaps{PhoneHour: 1000, PhoneDay: 1000, AddressHour: 1000} })
	for i := range 16 {
		b := w.browser()
		b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", "01023456701", "way", "sms")
		for range 4 {
			b.post("/code", "code", fmt.Sprintf("%08d", i))
		}
	}
	if w.form.Alarms() == 0 || !strings.Contains(w.log.String(), "ALARM") {
		t.Errorf("64 wrong codes of 64 ring no alarm: %d", w.form.Alarms())
	}
}

func TestSession(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	p := b.get("/window")
	token := ""
	for _, line := range []string{"오전 10시 30분에 로그아웃됩니다"} {
		if !strings.Contains(textOf(p.body), line) {
			t.Errorf("the page does not say %q", line)
		}
	}
	req, err := http.NewRequest(http.MethodGet, b.base, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(req.URL) {
		if c.Name == sessionCookie {
			token = c.Value
		}
	}
	if len(token) != 43 {
		t.Fatalf("token %q", token)
	}
	if n := w.count(`SELECT count(*) FROM @session WHERE token_hash::text LIKE '%' || $1 || '%'`, token); n != 0 {
		t.Error("the token is stored")
	}
	w.at(w.campaign.Cohorts[0].Opens.Add(time.Hour + 29*time.Minute))
	b.get("/window")
	b.wants(200, "/window", "오전 10시 59분에 로그아웃됩니다")
	w.at(w.campaign.Cohorts[0].Opens.Add(time.Hour + 60*time.Minute))
	b.get("/window")
	b.wants(200, "/sign-in", "오래 쓰지 않으면 저절로 로그아웃됩니다")
	if p := b.post("/review", "mark", "x"); p.status != 401 {
		t.Errorf("a form after the session's end: %d", p.status)
	}

	b = w.signedIn()
	b.post("/sign-out")
	b.wants(200, "/")
	b.get("/window")
	b.wants(200, "/sign-in")
	if n := w.count(`SELECT count(*) FROM @session WHERE ended_at IS NOT NULL`); n != 1 {
		t.Errorf("%d ended sessions", n)
	}
	if n := w.count(`SELECT count(*) FROM @audit WHERE act IN ('session.begin', 'session.consent')`); n != 4 {
		t.Errorf("%d audit rows of sessions", n)
	}
}

// Without consent nothing is shown and nothing is taken.
func TestConsentComesFirst(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.get("/language?to=ko&back=/")
	b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", "01023456701", "way", "sms")
	b.post("/code", "code", w.lastCode())
	for _, path := range []string{"/window", "/ballot", "/ballot/choice/1", "/review", "/receipt", "/result", "/withdraw"} {
		b.get(path)
		b.wants(200, "/notice")
	}
	b.post("/ballot/choice/1", "act", "save")
	b.wants(200, "/notice")
	b.post("/notice")
	b.wants(422, "/notice", "동의에 표시해 주세요")
	if n := w.count(`SELECT count(*) FROM @draft`); n != 0 {
		t.Error("a draft without consent")
	}
}

func TestCookies(t *testing.T) {
	for _, tls := range []bool{false, true} {
		w := newTown(t, func(c *Config) { c.TLS = tls })
		b := w.browser()
		b.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		p := b.post("/sign-in", "name", "김하나", "birth", "19620314", "phone", "01023456701", "way", "sms")
		c := p.header.Get("Set-Cookie")
		for _, part := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
			if !strings.Contains(c, part) {
				t.Errorf("cookie without %s: %s", part, c)
			}
		}
		if got := strings.HasPrefix(c, "__Host-") && strings.Contains(c, "Secure"); got != tls {
			t.Errorf("TLS %v: %s", tls, c)
		}
		if got := p.header.Get("Strict-Transport-Security") != ""; got != tls {
			t.Errorf("TLS %v: Strict-Transport-Security %v", tls, got)
		}
	}
}

func TestReadingWhatPeopleType(t *testing.T) {
	for typed, want := range map[string]string{
		"19640517": "1964-05-17", "1964-05-17": "1964-05-17", "1964. 5. 17.": "1964-05-17", "１９６４０５１７": "1964-05-17", "1964년 5월 17일": "1964-05-17",
		"640517": "", "19640230": "", "18010101": "", "": "", "abc": "", "196405171": "", "1964-05": "",
	} {
		if got := birthDate(typed); got != want {
			t.Errorf("birth date %q: %q, want %q", typed, got, want)
		}
	}
	for typed, want := range map[string]string{
		"010-2345-6701": "+821023456701", "+82 10 2345 6701": "+821023456701", "０１０２３４５６７０１": "+821023456701", "02-880-1234": "+8228801234",
		"123": "", "": "", "010-2345-6701 ext. 5": "", strings.Repeat("0", 50): "",
	} {
		if got := phone(typed); got != want {
			t.Errorf("phone %q: %q, want %q", typed, got, want)
		}
	}
	if plainName("김 하나") != plainName("김하나") || plainName("Anna-Maria O'Neil") != plainName("ANNA MARIA ONEIL") || plainName("김하나") == plainName("김하니") {
		t.Error("names are not compared as they should be")
	}
	if !slices.Equal([]string{codeDigits("1234 5678"), codeDigits("1234-5678"), codeDigits(strings.Repeat("1", 100))}, []string{"12345678", "12345678", ""}) {
		t.Error("codes")
	}
}

// The log of requests holds routes, no addresses: those can hold what somebody
// searched for.
func TestLog(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&syncBuffer{}, nil)) })
	log := &syncBuffer{}
	w.form.Log = slog.New(slog.NewTextHandler(log, nil))
	b := w.signedIn()
	b.get("/ballot/choice/1?q=secretword")
	b.get("/nothing/secretword")
	s := log.String()
	if !strings.Contains(s, `route="GET /ballot/choice/{n}"`) || !strings.Contains(s, "status=404") {
		t.Errorf("log:\n%s", s)
	}
	for _, bad := range []string{"secretword", "김하나", "P1", "19620314", cohort.ReceiptNumber([32]byte{})} {
		if strings.Contains(s, bad) {
			t.Errorf("the log holds %q:\n%s", bad, s)
		}
	}
}
