package form

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Who was slower than her session finds what she had just ticked in the answer,
// and sends it again once she is signed in.
func TestSlowerThanTheSession(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	w.at(w.campaign.Cohorts[0].Opens.Add(2 * time.Hour))
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "dates", "2021-07-27", "parts", "am", "seen", "new")
	b.wants(401, "/ballot/choice/1", "이 화면을 닫지 마세요", "새 창에서 로그인하기", "방금 적은 희망 저장하기")
	held := regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`).FindAllStringSubmatch(b.last.body, -1)
	if len(held) != 7 {
		t.Fatalf("the page holds %v", held)
	}
	w.signIn(b, "김하나", "19620314", "010-2345-6701")
	var pairs []string
	for _, f := range held {
		pairs = append(pairs, f[1], f[2])
	}
	b.post("/ballot/choice/1", pairs...)
	b.wants(200, "/ballot", "신림동 어디든지", "7월 26일(월), 7월 27일(화)", "오전")
	if n := w.count(`SELECT count(*) FROM @draft`); n != 1 {
		t.Errorf("%d drafts", n)
	}
}

// Withdrawn wishes stay as a draft; her page says what is true of her before
// the close and after it.
func TestWithdrawnWishesStay(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.answer()
	b.post("/withdraw")
	b.wants(200, "/receipt", "신청이 취소되었습니다", "내 페이지")
	b.get("/window")
	b.wants(200, "/window", "신청을 취소하셨습니다. 다시 신청하실 수 있습니다.")
	w.at(w.campaign.Cohorts[0].Closes)
	w.exec(`UPDATE @session SET expires_at = $1`, w.campaign.Cohorts[0].Closes.Add(time.Hour))
	b.get("/window")
	b.wants(200, "/window", "신청을 취소하셨으므로 이번 추첨에 들어가지 않습니다")
	w.at(w.campaign.Cohorts[0].Opens.Add(time.Hour))
	b.get("/ballot")
	b.wants(200, "/ballot", "신림동 어디든지")
	b.get("/review")
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt", "신청이 저장되었습니다", "3번째 저장")

	none := w.signedInAs("정다섯", "19640517", "010-2345-6705")
	w.at(w.campaign.Cohorts[0].Closes)
	w.exec(`UPDATE @session SET expires_at = $1`, w.campaign.Cohorts[0].Closes.Add(time.Hour))
	none.get("/window")
	none.wants(200, "/window", "신청 기간이 끝났습니다", "저장된 신청이 없어 이번 추첨에 들어가지 않습니다")
}

// An address of IPv6 is counted by its line, and X-Forwarded-For is believed of a
// proxy only.
func TestAddressesThatAreCounted(t *testing.T) {
	for _, x := range []struct {
		remote, forwarded string
		proxied           bool
		want              string
	}{
		{"192.0.2.7:4321", "", false, "192.0.2.7"},
		{"192.0.2.7:4321", "198.51.100.1", false, "192.0.2.7"},
		{"192.0.2.7:4321", "203.0.113.9, 198.51.100.1", true, "198.51.100.1"},
		{"192.0.2.7:4321", "", true, "192.0.2.7"},
		{"[2001:db8:1:2:3:4:5:6]:4321", "", false, "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:ffff::1]:99", "", false, "2001:db8:1:2::/64"},
		{"[2001:db8:1:3::1]:99", "", false, "2001:db8:1:3::/64"},
		{"[::ffff:192.0.2.7]:99", "", false, "192.0.2.7"},
		{"[fe80::1%eth0]:99", "", false, "fe80::/64"},
		{"192.0.2.7:4321", "2001:db8:1:2::9", true, "2001:db8:1:2::/64"},
		{"192.0.2.7:4321", "unknown", true, "unknown"},
	} {
		f := &Form{Config: Config{Proxied: x.proxied}}
		r := &http.Request{RemoteAddr: x.remote, Header: http.Header{}}
		if x.forwarded != "" {
			r.Header.Set("X-Forwarded-For", x.forwarded)
		}
		if got := f.address(r); got != x.want {
			t.Errorf("%+v: %s", x, got)
		}
	}
}

// What a proxy does with a place stands as hers in the audit trail.
func TestProxysActsAreHers(t *testing.T) {
	w := newTown(t)
	b := w.asProxy("김하나", "19620314", "010-2345-6701", "김딸", "child", "010-5555-0001")
	b.post("/proxy/code", "code", w.lastCode())
	b.answer()
	w.publish(w.person("P1"))
	b.get("/receipt")
	b.wants(200, "/receipt", "지금 상태는 결과에서 볼 수 있습니다", "결과 보기")
	b.post("/result/accept")
	b.wants(200, "/result?done=accept")
	if n := w.count(`SELECT count(*) FROM @audit WHERE act = 'place.confirm' AND actor = 'proxy'`); n != 1 {
		t.Errorf("%d rows of the proxy", n)
	}
}

// The languages of a page that only a form leads to go to a page that there is.
func TestNoLanguageLeadsNowhere(t *testing.T) {
	w := newTown(t)
	b := w.browser()
	b.get("/language?to=ko&back=/")
	b.post("/link", "token", strings.Repeat("A", 43))
	for _, m := range regexp.MustCompile(`href="(/language[^"]*)"`).FindAllStringSubmatch(b.last.body, -1) {
		b.get(strings.ReplaceAll(m[1], "&amp;", "&"))
		if b.last.status != 200 {
			t.Errorf("%s: %d", m[1], b.last.status)
		}
	}
}

// Bytes that are no text, in every place of an address that takes any: a page
// that is not there, and nothing in the log.
func TestAddressesThatAreNoText(t *testing.T) {
	w := terseTown(t)
	b := w.signedIn()
	for _, p := range w.form.patterns {
		path, ok := strings.CutPrefix(p, "GET ")
		if !ok || !strings.Contains(path, "{") || strings.Contains(path, "{$}") && strings.Count(path, "{") == 1 {
			continue
		}
		for _, odd := range []string{"%00", "%ff", "a%00b", "..%2f..%2fx", "%e2%80%ae", strings.Repeat("9", 3000)} {
			at := wildcard.ReplaceAllString(strings.ReplaceAll(path, "{$}", ""), odd)
			if b.get(at); b.last.status >= 500 {
				t.Errorf("%s: %d", at, b.last.status)
			}
		}
	}
	if log := w.log.String(); log != "" {
		t.Error(log)
	}
}

// An old browser that sends Origin and no Sec-Fetch-Site can use its link: the
// page does not make it say that it comes from nowhere.
func TestOldBrowsersLink(t *testing.T) {
	w := newTown(t)
	token := w.sendLink("P1", "1")
	b := w.korean()
	b.get("/link/" + token)
	if got := b.last.header.Get("Referrer-Policy"); got != "strict-origin" {
		t.Fatalf("Referrer-Policy %q", got)
	}
	req, err := http.NewRequest(http.MethodPost, b.base+"/link", strings.NewReader("token="+token))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.base)
	b.do(req)
	b.wants(200, "/notice", "김하나님")
}

// Who is left alone in a party is not said to be together with anybody.
func TestAPartyOfOneIsNone(t *testing.T) {
	w := newTown(t)
	a, b := w.signedIn(), w.signedInAs("정다섯", "19640517", "010-2345-6705")
	a.post("/party", "act", "start")
	code := partyCode.FindStringSubmatch(a.last.body)
	b.post("/party/join", "code", code[1], "agree", "yes")
	a.answer()
	a.wants(200, "/receipt", "2명이 함께 신청합니다")
	b.post("/party/leave")
	for _, path := range []string{"/receipt", "/window", "/review", "/withdraw"} {
		if p := a.get(path); p.status != 200 || strings.Contains(textOf(p.body), "1명") {
			t.Errorf("%s: %d %s", path, p.status, textOf(p.body))
		}
	}
}

// Before the close nobody without an answer is told that she is not in the draw.
func TestNoResultBeforeItsTime(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	for _, path := range []string{"/result", "/why", "/proof.json", "/result.ics"} {
		b.get(path)
		b.wants(200, "/window", "지금 신청하실 수 있습니다")
	}
}

func TestIsName(t *testing.T) {
	for _, name := range []string{"박딸", "Zoë O'Brien", "J.R. Smith", "Nguyễn Văn A", "김·이", "أمينة", "Kim-Lee"} {
		if n := personName(name); !isName(n) {
			t.Errorf("%q is no name", n)
		}
	}
	for _, name := range []string{"", "<b>딸</b>", "딸\u202e", "https://x.example", "010-1234-5678", "딸 (자녀)이", "\u2066딸"} {
		if n := personName(name); isName(n) {
			t.Errorf("%q is a name", n)
		}
	}
	if n := personName("bank.kr\n지금 접속"); n != "bank. kr 지금 접속" {
		t.Errorf("%q", n)
	}
}
