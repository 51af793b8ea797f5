package form

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data/pgtest"
)

// asProxy is a browser in which somebody answers for one of the town's people.
func (w *town) asProxy(name, birth, phone, who, relation, own string) *browser {
	w.t.Helper()
	b := w.korean()
	b.post("/sign-in", "name", name, "birth", birth, "phone", phone, "way", "sms")
	b.wants(200, "/code")
	b.post("/code", "code", w.lastCode())
	b.post("/notice", "agree", "yes", "for", "other")
	b.wants(200, "/proxy", "대신 누가 신청하시나요?")
	b.post("/proxy", "name", who, "relation", relation, "phone", own)
	return b
}

func TestProxy(t *testing.T) {
	w := newTown(t)
	own := w.signedIn()
	own.answer()
	before := w.ballot("P1")
	own.post("/sign-out")

	b := w.asProxy("김하나", "19620314", "010-2345-6701", "박딸", "child", "010-5555-0001")
	b.wants(200, "/proxy/code", "박딸님 전화로 여덟 자리 인증번호를 보냈습니다")
	to := pgtest.Values[string](t, w.url, `SELECT x.phone FROM jebi.message m JOIN jebi.proxy x ON m.recipient = 'proxy:' || x.id WHERE m.kind = 'proxy_code' AND m.person_id IS NULL`)
	if diff := cmp.Diff([]string{"+821055550001"}, to); diff != "" {
		t.Errorf("codes to proxies (-want +got):\n%s", diff)
	}
	code := w.lastCode()
	b.post("/code", "code", code) // it opens no session
	b.get("/proxy/code")
	b.post("/proxy/code", "code", "1234")
	b.wants(422, "/proxy/code", "번호는 숫자 여덟 자리입니다")
	wrong := "00000000"
	if code == wrong {
		wrong = "00000001"
	}
	b.post("/proxy/code", "code", wrong)
	b.wants(422, "/proxy/code", "번호가 다릅니다")
	b.post("/proxy/code", "code", code)
	b.wants(200, "/window", "박딸님, 김하나님 대신 신청하고 계십니다", "박딸님이 대신 적고 있습니다")
	if n := w.count(`SELECT count(*) FROM @message WHERE kind = 'proxy_begun' AND person_id = $1`, w.person("P1")); n != 2 {
		t.Errorf("the person is told %d times, want by text message and e-mail", n)
	}
	if n := w.count(`SELECT count(*) FROM @proxy WHERE phone IS NOT NULL`); n != 0 {
		t.Error("the proxy's phone is kept after its code came back")
	}
	b.get("/ballot")
	b.post("/ballot", "mark", b.mark(), "act", "remove:1")
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010100", "dates", "2021-07-29", "parts", "am")
	b.get("/review")
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt", "신청이 저장되었습니다")
	after := w.ballot("P1")
	if after.Channel != "proxy" || after.Revision != 2 {
		t.Errorf("ballot by %s, revision %d", after.Channel, after.Revision)
	}
	if n := w.count(`SELECT count(*) FROM @message WHERE kind = 'proxy_saved' AND person_id = $1`, w.person("P1")); n != 2 {
		t.Errorf("%d messages of the proxy's answer", n)
	}
	if n := w.count(`SELECT count(*) FROM @audit WHERE actor = 'proxy' AND act IN ('proxy.begin', 'ballot.save')`); n != 2 {
		t.Errorf("%d rows of the proxy on the audit trail", n)
	}
	if n := w.count(`SELECT count(*) FROM @ballot_without_sign_in`); n != 0 {
		t.Errorf("%d ballots without a sign-in", n)
	}
	b.get("/undo") // not hers to undo
	b.wants(200, "/window")

	own = w.signedIn()
	own.wants(200, "/window", "박딸님(자녀)이 대신 신청합니다", "아래 신청은 그렇게 저장된 것입니다")
	own.get("/undo")
	own.wants(200, "/undo", "전에 직접 하신 신청이 다시 유효합니다")
	own.post("/undo")
	own.wants(200, "/window", "되돌렸습니다", "신청이 저장되어 있습니다")
	back := w.ballot("P1")
	was, err := cohort.ParseBallot(before.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	is, err := cohort.ParseBallot(back.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was.Choices, is.Choices); diff != "" || back.Channel != "web" || back.Withdrawn {
		t.Errorf("the person's own answer is not back, by %s (-was +is):\n%s", back.Channel, diff)
	}
	b.get("/window") // the proxy's session has ended
	b.wants(200, "/sign-in")
	if s := w.log.String(); contains(s, "박딸", "55550001", code) {
		t.Error("the log holds something of the proxy")
	}
}

// Without an answer of her own, the proxy's is withdrawn; after the close
// nothing is changed, and the page says so.
func TestUndo(t *testing.T) {
	w := newTown(t)
	b := w.asProxy("정다섯", "19640517", "010-2345-6705", "정아들", "child", "010-5555-0002")
	b.post("/proxy/code", "code", w.lastCode())
	b.answer()
	sign := func() *browser {
		own := w.browser()
		w.signIn(own, "정다섯", "19640517", "010-2345-6705")
		return own
	}
	own := sign()
	own.get("/undo")
	own.wants(200, "/undo", "대신 저장된 신청은 취소됩니다")
	own.post("/undo")
	own.wants(200, "/window", "되돌렸습니다")
	if k := w.ballot("P5"); !k.Withdrawn || k.Channel != "web" {
		t.Errorf("%+v", k)
	}
	own.get("/undo")
	own.wants(200, "/window")

	b = w.asProxy("정다섯", "19640517", "010-2345-6705", "정아들", "child", "010-5555-0002")
	b.post("/proxy/code", "code", w.lastCode())
	b.answer()
	w.at(w.campaign.Cohorts[0].Closes)
	own = sign()
	own.wants(200, "/window", "정아들님(자녀)이 대신 신청합니다")
	own.get("/undo")
	own.wants(200, "/undo", "신청 기간이 끝나 신청은 더 이상 바꿀 수 없습니다")
	own.post("/undo")
	if k := w.ballot("P5"); k.Withdrawn || k.Channel != "proxy" {
		t.Errorf("a ballot was changed after the close: %+v", k)
	}
	if n := w.count(`SELECT count(*) FROM @proxy WHERE ended_at IS NULL`); n != 0 {
		t.Error("the proxy may still answer")
	}
}

// One proxy answers for at most as many as the campaign says; what was undone
// does not count.
func TestOneProxyForFew(t *testing.T) {
	w := newTown(t)
	w.campaign.Rules.MaxProxied = 2
	who := [][3]string{{"김하나", "19620314", "010-2345-6701"}, {"정다섯", "19640517", "010-2345-6705"}, {"강여섯", "19640518", "010-2345-6706"}}
	for _, p := range who[:2] {
		b := w.asProxy(p[0], p[1], p[2], "돌봄이", "carer", "010-5555-0003")
		b.post("/proxy/code", "code", w.lastCode())
		b.wants(200, "/window", "대신 신청하고 계십니다")
	}
	third := who[2]
	b := w.asProxy(third[0], third[1], third[2], "다른 이름", "carer", "+82 10-5555-0003") // the same phone
	b.wants(403, "/proxy", "이미 2명을 대신 신청하셨습니다")
	b.get("/window")
	b.wants(200, "/window") // she can answer as the person herself
	b.get("/ballot")
	b.wants(200, "/ballot")

	own := w.signedIn()
	own.post("/undo")
	b.get("/proxy")
	b.post("/proxy", "name", "돌봄이", "relation", "carer", "phone", "010-5555-0003")
	b.wants(200, "/proxy/code")
	b.post("/proxy/code", "code", w.lastCode())
	b.wants(200, "/window", "강여섯님 대신 신청하고 계십니다")

	b.post("/proxy", "name", "x", "relation", "carer", "phone", "010-5555-0003") // no proxy of a proxy
	b.wants(200, "/window")
	w.campaign.Rules.MaxProxied = 0
	own.get("/proxy")
	own.wants(404, "/proxy")
}

func TestProxyForm(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.post("/proxy", "name", " ", "relation", "neighbour", "phone", "12")
	b.wants(422, "/proxy", "이름을 적어 주세요", "어떤 사이인지 골라 주세요", "전화번호를 확인해 주세요")
	b.get("/proxy/code")
	b.wants(200, "/proxy", "대신 누가 신청하시나요?")
	for range 3 {
		b.post("/proxy", "name", "박딸", "relation", "child", "phone", "010-5555-0004")
		b.wants(200, "/proxy/code")
	}
	b.post("/proxy", "name", "박딸", "relation", "child", "phone", "010-5555-0005") // another phone: still three a session
	b.wants(429, "/proxy")
	for range 5 {
		b.post("/proxy/code", "code", "00000000")
	}
	b.wants(422, "/proxy/code", "이 인증번호는 더 이상 쓸 수 없습니다")
	b.post("/proxy/code", "code", w.lastCode())
	b.wants(422, "/proxy/code", "이 인증번호는 더 이상 쓸 수 없습니다")
	if n := w.count(`SELECT count(*) FROM @session WHERE proxy_id IS NOT NULL`); n != 0 {
		t.Error("a proxy without a code")
	}
}
