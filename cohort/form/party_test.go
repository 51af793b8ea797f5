package form

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data/pgtest"
)

func contains(s string, any ...string) bool {
	for _, a := range any {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

var joinCodes = regexp.MustCompile(`<p class="big">([A-Z0-9]{5}-[A-Z0-9]{5})</p>`)

func (b *browser) partyCodes() []string {
	var out []string
	for _, m := range joinCodes.FindAllStringSubmatch(b.last.body, -1) {
		out = append(out, m[1])
	}
	return out
}

func (w *town) signedInAs(name, birth, phone string) *browser {
	w.t.Helper()
	b := w.browser()
	w.signIn(b, name, birth, phone)
	return b
}

func (w *town) choices(key string) []cohort.Choice {
	w.t.Helper()
	b, err := cohort.ParseBallot(w.ballot(key).Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Choices
}

func TestPeopleAnswerTogether(t *testing.T) {
	w := newTown(t)
	one := w.signedIn()
	one.answer()
	one.get("/party")
	one.wants(200, "/party", "두 명에서 4명까지", "저장하신 신청은 누가 들어오는 순간 모두의 신청이 됩니다")
	one.post("/party", "act", "start")
	one.wants(200, "/party", "다른 분들께 드릴 초대 번호", "아직 아무도 들어오지 않았습니다")
	codes := one.partyCodes()
	if len(codes) != 3 {
		t.Fatalf("codes %v, want three", codes)
	}
	one.post("/party", "act", "start") // pressed twice
	one.wants(200, "/party")
	if diff := cmp.Diff(codes, one.partyCodes()); diff != "" {
		t.Errorf("the codes have changed (-want +got):\n%s", diff)
	}

	two := w.signedInAs("정다섯", "19640517", "010-2345-6705")
	two.get("/party/join")
	two.wants(200, "/party/join", "이제 신청은 하나입니다")
	two.post("/party/join", "code", codes[0])
	two.wants(422, "/party/join", "동의에 표시해 주세요")
	two.post("/party/join", "code", "ABCDE", "agree", "yes")
	two.wants(422, "/party/join", "글자와 숫자 열 자입니다")
	two.post("/party/join", "code", cohort.FormatPartyCode(cohort.PartyCode([]byte("another key"), []byte("x"))), "agree", "yes")
	two.wants(422, "/party/join", "이런 초대 번호는 없습니다")
	two.post("/party/join", "code", strings.ToLower(codes[0]), "agree", "yes")
	two.wants(200, "/party", "함께하게 되었습니다", "다른 1명과 함께 신청합니다", "김○○", "모두 같은 신청입니다")
	if strings.Contains(two.last.body, "김하나") {
		t.Error("a member sees another's name")
	}
	if diff := cmp.Diff(w.choices("P1"), w.choices("P5")); diff != "" || w.ballot("P1").Party == 0 || w.ballot("P1").Party != w.ballot("P5").Party {
		t.Errorf("the two have not the same answer (-first +second):\n%s", diff)
	}
	if n := w.count(`SELECT count(*) FROM @message WHERE kind = 'party_joined' AND person_id = $1`, w.person("P1")); n != 2 {
		t.Errorf("the first is told %d times", n)
	}
	three := w.signedInAs("강여섯", "19640518", "010-2345-6706")
	three.post("/party/join", "code", codes[0], "agree", "yes")
	three.wants(422, "/party/join", "이미 쓴 초대 번호입니다")
	three.post("/party/join", "code", codes[1], "agree", "yes")
	three.wants(200, "/party", "다른 2명과 함께 신청합니다")

	// What one changes counts for all; each has her receipt, which names the party.
	two.post("/ballot/choice/2", "act", "save", "kind", "district", "district", "1162010100", "dates", "2021-07-29", "parts", "am")
	two.get("/review")
	two.wants(200, "/review", "3명이 함께 신청합니다")
	two.post("/review", "mark", two.mark())
	two.wants(200, "/receipt", "3명이 함께 신청합니다")
	for _, key := range []string{"P1", "P5", "P6"} {
		if got := w.choices(key); len(got) != 2 {
			t.Errorf("%s has %d choices", key, len(got))
		}
		if !strings.Contains(string(w.ballot(key).Bytes), `"party":"p-`) {
			t.Errorf("the bytes of %s name no party", key)
		}
	}

	// Who leaves keeps the answer alone; the others keep theirs together.
	two.get("/party/leave")
	two.wants(200, "/party/leave", "함께하던 신청을 본인만의 신청으로 가지고 나옵니다")
	two.post("/party/leave")
	two.wants(200, "/party", "나왔습니다", "내가 먼저 시작하기")
	if k := w.ballot("P5"); k.Party != 0 || k.Withdrawn || len(w.choices("P5")) != 2 || strings.Contains(string(k.Bytes), "party") {
		t.Errorf("who left: %+v", k)
	}
	one.get("/party")
	one.wants(200, "/party", "다른 1명과 함께 신청합니다", "모두 같은 신청입니다", "빈자리 초대 번호 만들기")
	one.post("/party", "act", "codes")
	if got := one.partyCodes(); len(got) != 2 {
		t.Errorf("codes %v, want two", got)
	}
	if n := w.count(`SELECT count(*) FROM @message WHERE kind = 'party_left' AND person_id IN ($1, $2)`, w.person("P1"), w.person("P6")); n != 3 {
		t.Errorf("%d messages to those who stay", n)
	}
	two.post("/withdraw")
	if w.ballot("P1").Withdrawn || w.ballot("P6").Withdrawn {
		t.Error("who has left withdraws for those who stay")
	}
	got := pgtest.Values[string](t, w.url, `SELECT act FROM jebi.audit WHERE subject LIKE 'party:%' ORDER BY id`)
	if diff := cmp.Diff([]string{"party.start", "party.join", "party.join", "party.leave"}, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	for _, table := range []string{"party", "party_code", "party_member", "message", "audit"} {
		if n := w.count(`SELECT count(*) FROM @`+table+` x WHERE x::text LIKE '%' || $1 || '%' OR x::text LIKE '%' || $2 || '%'`, codes[2], strings.ReplaceAll(codes[2], "-", "")); n != 0 {
			t.Errorf("%s holds a code", table)
		}
	}
}

// Those who join first bring what they have: nothing that anybody saved is lost.
func TestJoinerBringsHerAnswer(t *testing.T) {
	w := newTown(t)
	one := w.signedIn()
	one.post("/party", "act", "start")
	codes := one.partyCodes()
	two := w.signedInAs("정다섯", "19640517", "010-2345-6705")
	two.answer()
	two.get("/party/join")
	two.wants(200, "/party/join", "이미 하신 신청이 있습니다")
	two.post("/party/join", "code", codes[0], "agree", "yes")
	if diff := cmp.Diff(w.choices("P5"), w.choices("P1")); diff != "" {
		t.Errorf("(-joiner +first):\n%s", diff)
	}
	three := w.signedInAs("강여섯", "19640518", "010-2345-6706")
	three.post("/party", "act", "start")
	three.post("/party/join", "code", codes[1], "agree", "yes") // she is in one: it stays
	three.wants(200, "/party", "아직 아무도 들어오지 않았습니다")
	if w.count(`SELECT count(*) FROM @party_code WHERE used_at IS NOT NULL`) != 1 {
		t.Error("a code was used up by somebody who is in a party")
	}
}

func TestWhoCannotJoin(t *testing.T) {
	w := newTown(t)
	one := w.signedIn()
	one.post("/party", "act", "start")
	codes := one.partyCodes()

	w.exec(`UPDATE @cohort SET state = 'open', opens_at = '2021-07-13', closes_at = '2021-07-16 09:00Z' WHERE ordinal = 1`)
	w.exec(`UPDATE @person SET cohort_id = (SELECT id FROM @cohort WHERE ordinal = 1) WHERE key = 'P6'`)
	other := w.signedInAs("강여섯", "19640518", "010-2345-6706")
	other.post("/party/join", "code", codes[0], "agree", "yes")
	other.wants(422, "/party/join", "신청 기간이 다릅니다")

	two := w.signedInAs("정다섯", "19640517", "010-2345-6705")
	wrong := cohort.FormatPartyCode(cohort.PartyCode([]byte("another key"), []byte("x")))
	for range 10 {
		two.post("/party/join", "code", wrong, "agree", "yes")
		two.wants(422, "/party/join", "이런 초대 번호는 없습니다")
	}
	two.post("/party/join", "code", codes[0], "agree", "yes")
	two.wants(429, "/party/join", "틀린 번호가 너무 많습니다")

	w.at(w.campaign.Cohorts[0].Closes)
	one = w.signedIn()
	one.get("/party")
	one.wants(200, "/party", "신청 기간이 아니어서 함께하는 사람을 바꿀 수 없습니다")
	one.post("/party", "act", "codes")
	one.wants(403, "/party", "신청 기간이 끝났습니다")
	one.post("/party/leave")
	one.wants(403, "/party")
	if n := w.count(`SELECT count(*) FROM @party_member`); n != 1 {
		t.Errorf("%d members", n)
	}
	w.campaign.Rules.MaxParty = 1
	one.get("/party")
	one.wants(404, "/party")
}

// A mate who may not answer any more keeps nobody from leaving, and the page
// says what to do.
func TestMateWhoIsOut(t *testing.T) {
	w := newTown(t)
	one := w.signedIn()
	one.answer()
	one.post("/party", "act", "start")
	two := w.signedInAs("정다섯", "19640517", "010-2345-6705")
	two.post("/party/join", "code", one.partyCodes()[0], "agree", "yes")
	two.wants(200, "/party")
	w.exec(`UPDATE @person SET status = 'vaccinated' WHERE key = 'P5'`)
	one.get("/party")
	one.wants(200, "/party", "이제 신청할 수 없는 분입니다", "나와서 다른 분들과 다시 시작해 주세요")
	one.post("/ballot/choice/2", "act", "save", "kind", "district", "district", "1162010100", "dates", "2021-07-29", "parts", "am")
	one.get("/review")
	one.post("/review", "mark", one.mark())
	one.wants(403, "/review", "한 분이 이제 신청할 수 없습니다")
	one.post("/party/leave")
	one.wants(200, "/party", "나왔습니다")
	one.get("/review")
	one.post("/review", "mark", one.mark())
	one.wants(200, "/receipt", "신청이 저장되었습니다")
}
