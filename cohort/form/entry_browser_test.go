package form

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hands is a person at a screen with nothing but a keyboard.
type hands struct{ *screen }

// to tabs until the focus, which must be seen, is on what is meant.
func (h hands) to(what string) {
	h.t.Helper()
	const focus = `(() => { const e = document.activeElement; return e === document.body ? "" : (e.id || e.name || "") + "|" + (e.value || "") + "|" + e.textContent.trim(); })()`
	var seen []string
	for range 80 {
		h.run(chromedp.KeyEvent(kb.Tab))
		at := eval[string](h.screen, focus)
		seen = append(seen, at)
		if strings.Contains(at, what) {
			if !eval[bool](h.screen, `document.activeElement.matches(":focus-visible")`) {
				h.t.Errorf("the focus on %q cannot be seen", at)
			}
			return
		}
	}
	h.t.Fatalf("the keyboard does not reach %q:\n%s", what, strings.Join(seen, "\n"))
}

func (h hands) types(field, text string) {
	h.t.Helper()
	h.to(field)
	h.run(chromedp.KeyEvent(text))
}

// enters presses Enter on what is meant and waits for the page that follows.
func (h hands) enters(what, path string) {
	h.t.Helper()
	h.to(what)
	eval[bool](h.screen, `window.left = true`) // gone with this page
	h.run(chromedp.KeyEvent(kb.Enter))
	where := ""
	for range 500 {
		var err error
		where, err = chromedp.Run(h.ctx, chromedp.Evaluate[string](`location.pathname + (document.readyState === "complete" && !window.left ? "" : " loading")`))
		if err == nil && where == path {
			return
		}
		h.run(chromedp.Sleep(20 * time.Millisecond))
	}
	h.t.Fatalf("%q leads to %s, want %s", what, where, path)
}

// agrees goes from the notice to the page after it, by the way that is meant.
func (h hands) agrees(path string) {
	h.t.Helper()
	h.types("agree|", " ")
	h.enters("동의하고 계속하기", path)
}

func (h hands) says(text string) {
	h.t.Helper()
	if got := eval[string](h.screen, `document.body.innerText`); !strings.Contains(got, text) {
		h.t.Errorf("the page does not say %q:\n%s", text, got)
	}
}

// Every way in at the width of a phone, with the keyboard only and without
// JavaScript: link, letter, somebody who answers for another, and a couple.
func TestWaysInByKeyboard(t *testing.T) {
	w := newTown(t)
	h := hands{w.screen(t, 360)}
	h.open("/language?to=ko&back=/")

	h.open("/link/" + w.sendLink("P1", "a message"))
	h.says("김○○님이 맞으신가요?")
	h.enters("네, 계속하기", "/notice")
	h.agrees("/window")
	h.enters("함께 신청하기", "/party")
	h.enters("시작하고 초대 번호 보기", "/party")
	code := eval[string](h.screen, `document.querySelector(".big").textContent`)
	h.open("/window")
	h.enters("로그아웃", "/")

	h.enters("우편 안내문에 접속 번호가 있어요", "/letter")
	h.types("code|", strings.ToLower(w.sendLetter("P5", "letters are for those without a phone")))
	h.types("birth|", "19640517")
	h.enters("계속하기", "/notice")
	h.agrees("/window")
	h.says("다음에 쓸 접속 번호")
	h.enters("함께 신청하기", "/party")
	h.enters("번호 적기", "/party/join")
	h.types("code|", code)
	h.types("agree|", " ")
	h.enters("함께하기", "/party")
	h.says("다른 1명과 함께 신청합니다")
	h.enters("나오고 싶어요", "/party/leave")
	h.enters("나오기", "/party")
	h.says("나왔습니다")
	h.open("/window")
	h.enters("로그아웃", "/")

	h.open("/link/" + w.sendLink("P6", "a message"))
	h.enters("네, 계속하기", "/notice")
	h.to("for|self")
	h.run(chromedp.KeyEvent(kb.ArrowDown))
	h.agrees("/proxy")
	h.types("name|", "강아들")
	h.to("relation|child")
	h.run(chromedp.KeyEvent(" "))
	h.types("phone|", "01055550009")
	h.enters("인증번호 받기", "/proxy/code")
	h.types("code|", w.lastCode())
	h.enters("확인", "/window")
	h.says("강아들님, 강여섯님 대신 신청하고 계십니다")
	h.open("/window")
	h.enters("로그아웃", "/")

	h.open("/link/" + w.sendLink("P6", "another message"))
	h.enters("네, 계속하기", "/notice")
	h.agrees("/window")
	h.enters("되돌리기", "/undo")
	h.enters("되돌리기", "/window")
	h.says("되돌렸습니다")
}
