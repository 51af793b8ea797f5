package form

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

// A ballot from the first page to the receipt, then changed, moved about,
// withdrawn and given again.
func TestWholePath(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.wants(200, "/window", "김하나님의 신청", "7월 14일(수) 오전 9시부터 7월 16일(금) 오후 6시까지")
	b.answer()
	number := cohort.ReceiptNumber(w.ballot("P1").Commit)
	b.wants(200, "/receipt", number, "1번째 저장")
	if file := b.get("/receipt.json"); !strings.Contains(file.body, `"draw_id": "gwanak-2021-1962-66"`) || !strings.Contains(file.body, `"sample": true`) {
		t.Errorf("receipt file: %s", file.body)
	}

	b.get("/ballot")
	b.wants(200, "/ballot", "제출한 신청을 고치고 있습니다")
	b.get("/ballot/choice/2")
	keys := clinicKeys(b.last.body)
	b.post("/ballot/choice/2", "act", "save", "kind", "clinics", "clinics", keys[2], "dates", "2021-07-29", "dates", "2021-07-30", "parts", "am", "parts", "pm")
	b.wants(200, "/ballot", "2순위 희망")
	b.post("/ballot", "mark", b.mark(), "act", "up:2")
	b.wants(200, "/ballot")
	b.get("/review")
	b.wants(200, "/review", "7월 14일(수) 오전 10시에 제출한 신청을 이것으로 바꿉니다")
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt", "2번째 저장")
	saved, err := cohort.ParseBallot(w.ballot("P1").Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{keys[2]}, saved.Choices[0].Clinics); diff != "" || saved.Choices[1].Target != "district:1162010200" || len(saved.Choices) != 2 {
		t.Errorf("saved %+v", saved.Choices)
	}

	b.get("/withdraw")
	b.wants(200, "/withdraw", "신청을 취소할까요?")
	b.post("/withdraw")
	b.wants(200, "/receipt", "신청이 취소되었습니다")
	if !w.ballot("P1").Withdrawn {
		t.Error("not withdrawn")
	}
	b.get("/review") // her wishes are there still
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt", "4번째 저장")
	if n := w.count(`SELECT count(*) FROM @ballot_history`); n != 4 {
		t.Errorf("%d rows of history", n)
	}
	if n := w.count(`SELECT count(*) FROM @ballot_without_sign_in`); n != 0 {
		t.Errorf("%d ballots without a sign-in", n)
	}
	if n := w.count(`SELECT count(*) FROM @draft`); n != 0 {
		t.Errorf("%d drafts stay", n)
	}
}

func (w *town) ballot(key string) data.BallotRow {
	w.t.Helper()
	b, err := w.db.Ballot(context.Background(), w.id, w.person(key))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// One second before the window opens and one second after it closes, whatever
// a request carries: refused with the window's times, and nothing is stored.
func TestOutsideTheWindow(t *testing.T) {
	w := newTown(t)
	window := w.campaign.Cohorts[0]
	draft := `{"choices":[{"kind":"district","district":"1162010200","dates":["2021-07-26"],"parts":["am"]}]}`
	mark := draft1().mark()
	forms := map[string]url.Values{
		"/ballot/choice/1": {"act": {"save"}, "kind": {"district"}, "district": {"1162010200"}, "dates": {"2021-07-26"}, "parts": {"am"}},
		"/ballot":          {"mark": {mark}, "act": {"remove:1"}},
		"/review":          {"mark": {mark}},
		"/withdraw":        {},
	}
	lies := url.Values{"now": {"2021-07-15T09:00:00+09:00"}, "time": {"1626307200"}, "cohort": {"1"}, "state": {"open"}, "opens": {"2021-01-01"}, "force": {"1"}, "admin": {"true"}, "channel": {"call_centre"}, "official": {"1"}, "person": {"2"}}
	headers := http.Header{
		"Date": {"Thu, 15 Jul 2021 00:00:00 GMT"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"10.0.0.1"}, "X-Now": {"2021-07-15"}, "X-Original-Url": {"/admin"},
		"X-Http-Method-Override": {"PUT"}, "Forwarded": {"for=127.0.0.1"}, "X-Clock": {"1626307200"}, "If-Unmodified-Since": {"Thu, 15 Jul 2021 00:00:00 GMT"},
	}
	for name, at := range map[string]time.Time{"a second before it opens": window.Opens.Add(-time.Second), "as it closes": window.Closes, "a second after it closes": window.Closes.Add(time.Second)} {
		w.at(at)
		b := w.signedIn()
		b.get("/ballot")
		b.wants(403, "/ballot", "7월 14일(수) 오전 9시부터 7월 16일(금) 오후 6시까지")
		before, err := w.db.Draft(t.Context(), w.id, w.person("P1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.db.KeepDraft(t.Context(), w.id, w.person("P1"), before.Body, []byte(draft)); err != nil {
			t.Fatal(err)
		}
		for path, form := range forms {
			w.at(at) // the clock goes on from there: the second before must not be over
			for k, v := range lies {
				form[k] = v
			}
			req, err := http.NewRequest(http.MethodPost, b.base+path+"?now=2021-07-15&cohort=1", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = headers.Clone()
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			b.do(req)
			if b.last.status != 403 {
				t.Errorf("%s, %s: %d", name, path, b.last.status)
			}
			b.wants(403, path, "신청 기간", "7월 14일(수) 오전 9시부터 7월 16일(금) 오후 6시까지", "아무것도 저장되지 않았습니다")
		}
		if n := w.count(`SELECT (SELECT count(*) FROM @ballot) + (SELECT count(*) FROM @ballot_history) + (SELECT count(*) FROM @audit WHERE act LIKE 'ballot%')`); n != 0 {
			t.Errorf("%s: %d rows of ballots", name, n)
		}
		if got := pgtest.Value[string](t, w.url, `SELECT body::text FROM jebi.draft`); !strings.Contains(got, "1162010200") {
			t.Errorf("%s: the draft was changed: %s", name, got)
		}
	}
}

func draft1() draft {
	return draft{Choices: []wish{{Kind: "district", District: "1162010200", Dates: []string{"2021-07-26"}, Parts: []string{"am"}}}}
}

// Whoever may not answer now is told why and when.
func TestToldTheTruth(t *testing.T) {
	w := newTown(t)
	for _, c := range []struct {
		name, birth, phone, key, status string
		says                            []string
	}{
		{"박세나", "19691231", "01023456703", "P3", "eligible", []string{"신청 기간은 7월 19일(월) 오전 9시부터 7월 21일(수) 오후 6시까지입니다", "7월 19일(월) 오전 9시에 열립니다"}},
		{"최네오", "19500505", "01023456704", "P4", "eligible", []string{"아직 신청 기간이 정해지지 않았습니다", "차례가 정해지면 알려 드립니다"}},
		{"정다섯", "19640517", "01023456705", "P5", "vaccinated", []string{"이미 접종하신 것으로 되어 있습니다", "아무것도 올리지 않으셔도 됩니다"}},
		{"강여섯", "19640518", "01023456706", "P6", "moved", []string{"이사하신 것으로"}},
	} {
		w.exec(`UPDATE @person SET status = $2 WHERE key = $1`, c.key, c.status)
		b := w.browser()
		w.signIn(b, c.name, c.birth, c.phone)
		b.wants(200, "/window", append(c.says, "+82 2 0000 0000")...)
		for _, path := range []string{"/ballot", "/ballot/choice/1", "/review", "/withdraw"} {
			if p := b.get(path); p.status != 403 {
				t.Errorf("%s at %s: %d", c.name, path, p.status)
			}
		}
	}
	w.exec(`UPDATE @cohort SET paused_at = @jebi_now() WHERE id = 1`)
	b := w.signedIn()
	b.wants(200, "/window", "신청 접수를 잠시 멈추었습니다")
	b.post("/ballot/choice/1", "act", "save")
	b.wants(403, "/ballot/choice/1", "잠시 멈추었습니다")
}

// Two windows on one ballot: what shows an older state changes nothing.
func TestTwoTabs(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	for i, date := range []string{"2021-07-26", "2021-07-27"} {
		b.post(fmt.Sprintf("/ballot/choice/%d", i+1), "act", "save", "kind", "district", "district", "1162010200", "dates", date, "parts", "am")
	}
	b.get("/ballot")
	first := b.mark()
	b.post("/ballot", "mark", first, "act", "down:1")
	b.wants(200, "/ballot")
	second := b.mark()
	if first == second {
		t.Fatal("the mark does not tell two states apart")
	}
	b.post("/ballot", "mark", first, "act", "remove:1")
	b.wants(200, "/ballot?stale=1", "다른 기기에서 내용이 바뀌었습니다", "2순위 희망")
	b.post("/review", "mark", first)
	b.wants(200, "/review?stale=1", "다른 기기에서 내용이 바뀌었습니다")
	if n := w.count(`SELECT count(*) FROM @ballot`); n != 0 {
		t.Errorf("%d ballots of a review that was out of date", n)
	}
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt")
}

// What is wrong is said at the field and in the summary, and what was filled
// in stays.
func TestFlaws(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200")
	b.wants(422, "/ballot/choice/1", "날짜를 하나 이상 골라 주세요", "시간대를 하나 이상 골라 주세요")
	if !strings.Contains(b.last.body, `<option value="1162010200" selected>`) {
		t.Error("the district that was chosen is gone")
	}
	b.get("/review")
	b.wants(200, "/review", "1순위 희망: 날짜를 하나 이상 골라 주세요")
	if strings.Contains(b.last.body, "제출하기</button>") {
		t.Error("what is flawed can be submitted")
	}
	b.post("/review", "mark", b.mark())
	b.wants(422, "/review", "고쳐야 할 것이 있습니다")
	for i := range 2 {
		b.post(fmt.Sprintf("/ballot/choice/%d", i+1), "act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "parts", "am")
	}
	b.get("/review")
	b.wants(200, "/review", "2순위 희망: 1순위 희망과 같습니다")
	b.post("/ballot/choice/4", "act", "save")
	b.wants(200, "/ballot")
	b.get("/ballot/choice/9")
	b.wants(200, "/ballot")
}

// The clinics are searched on the server, and those that are ticked stay.
func TestSearch(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.get("/ballot/choice/1")
	keys := clinicKeys(b.last.body)
	if len(keys) != firstClinics {
		t.Fatalf("%d clinics are listed first", len(keys))
	}
	b.post("/ballot/choice/1", "act", "enter", "kind", "clinics", "clinics", keys[3], "q", "강남고려", "dates", "2021-07-26")
	b.wants(200, "/ballot/choice/1?q=", "1곳을 찾았습니다", "강남고려병원", "7월 26일(월)")
	if got := clinicKeys(b.last.body); len(got) != 2 || got[0] != keys[3] {
		t.Errorf("ticked and found: %v, want %s first", got, keys[3])
	}
	if strings.Count(b.last.body, "checked") != 3 { // the kind, the clinic, the date
		t.Errorf("%d things are ticked", strings.Count(b.last.body, "checked"))
	}
	b.post("/ballot/choice/1", "act", "more", "kind", "clinics", "q", "")
	if got := clinicKeys(b.last.body); len(got) < 80 {
		t.Errorf("all clinics: %d", len(got))
	}
	b.post("/ballot/choice/1", "act", "weekend", "kind", "clinics", "clinics", keys[0])
	b.wants(200, "/ballot/choice/1")
	b.post("/ballot/choice/1", "act", "save", "kind", "clinics", "clinics", keys[0], "clinics", "NOSUCH", "dates", "2021-07-31", "dates", "2030-01-01", "parts", "am", "parts", "night")
	b.wants(200, "/ballot")
	kept, err := w.db.Draft(t.Context(), w.id, w.person("P1"))
	if err != nil || strings.Contains(string(kept.Body), "NOSUCH") || strings.Contains(string(kept.Body), "2030") || strings.Contains(string(kept.Body), "night") {
		t.Errorf("draft %s %v", kept.Body, err)
	}
}

// The result, and what can be done with it.
func TestResult(t *testing.T) {
	w := newTown(t, explained)
	b := w.signedIn()
	b.answer()
	b.get("/result")
	b.wants(200, "/result", "결과를 기다리는 중입니다", "7월 17일(토) 오후 2시부터")
	w.at(w.campaign.Cohorts[0].PublishAt.Add(time.Minute))
	w.publish(w.person("P1"))
	b = w.signedIn()
	b.wants(200, "/window", "자리를 받으셨습니다")
	b.get("/result")
	b.wants(200, "/result", "접종 자리가 정해졌습니다", "2021년 7월 26일(월)", "7월 21일(수) 오후 6시까지 수락", "9개 가운데 3번", "이유 보기와 확인하기", "달력에 넣기")
	b.get("/result/decline")
	b.wants(200, "/result/decline", "이 자리를 거절할까요?")
	b.post("/result/accept")
	b.wants(200, "/result?done=accept", "예약이 확정되었습니다", "취소할 수 있습니다")
	b.get("/result/cancel")
	b.wants(200, "/result/cancel", "예약을 취소할까요?")
	b.post("/result/cancel")
	b.wants(200, "/result?done=cancel", "예약을 취소하셨습니다")
	b.post("/result/accept")
	b.wants(200, "/result?done=late", "기한이 지났습니다")
	for _, path := range []string{"/result/none", "/result/done"} {
		if p := b.post(path); p.status != 404 {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	got := pgtest.Values[string](t, w.url, `SELECT act || ' ' || actor FROM jebi.audit WHERE act LIKE 'place.%' ORDER BY id`)
	if diff := cmp.Diff([]string{"place.confirm person", "place.cancel person"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOffer(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.answer()
	w.at(w.campaign.Cohorts[0].PublishAt.Add(time.Minute))
	w.waiting(w.person("P1"))
	b = w.signedIn()
	b.get("/result")
	b.wants(200, "/result", "대기자 명단에 있습니다", "계속 확인하지 않으셔도 됩니다")
	w.offer()
	b.get("/result")
	b.wants(200, "/result", "빈자리를 제안해 드립니다", "다른 분께 드리지 않고")
	b.get("/result/offer-decline")
	b.wants(200, "/result/offer-decline", "이 자리를 거절할까요?")
	if p := b.post("/result/offer-accept", "offer", "999"); !strings.Contains(p.path, "done=late") {
		t.Errorf("another's offer: %s", p.path)
	}
	b.post("/result/offer-accept", "offer", "1")
	b.wants(200, "/result?done=offer-accept", "예약이 확정되었습니다")
	if n := w.count(`SELECT count(*) FROM @assignment WHERE state = 'confirmed' AND origin = 'offer'`); n != 1 {
		t.Errorf("%d places", n)
	}
}
