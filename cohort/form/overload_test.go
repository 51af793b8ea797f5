package form

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"jebi/data/pgtest"
)

// What was filled in is in the page that refuses it, with the time there is,
// and can be sent again with one button.
func TestRefusedFormIsKept(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Concurrent = 1 })
	b := w.signedIn()
	b.get("/language?to=en&back=/ballot")
	fields := []string{"act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "dates", "2021-07-27", "parts", "am"}
	leave := w.form.gate.enter()
	if leave == nil {
		t.Fatal("the gate is full")
	}
	p := b.post("/ballot/choice/1", fields...)
	b.wants(503, "/ballot/choice/1", "Your answer is not lost. Try again within a minute.", "You have until Friday 16 July, 18:00")
	for i := 0; i < len(fields); i += 2 {
		if want := fmt.Sprintf(`<input type="hidden" name=%q value=%q>`, fields[i], fields[i+1]); !strings.Contains(p.body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if !strings.Contains(p.body, `<form method="post" action="/ballot/choice/1">`) || p.header.Get("Retry-After") == "" || p.header.Get("Content-Length") == "" || !strings.Contains(p.body, "<button>Send again</button>") {
		t.Errorf("no way to send it again: %s", p.body)
	}
	if p := b.get("/ballot?x=1"); p.status != 503 || !strings.Contains(p.body, `href="/ballot?x=1"`) {
		t.Errorf("a page that was asked for: %d", p.status)
	}
	stranger := w.browser()
	stranger.get("/")
	stranger.wants(503, "/")
	if strings.Contains(textOf(stranger.last.body), "16 July") {
		t.Error("a stranger is told a time")
	}
	leave()
	b.post("/ballot/choice/1", fields...)
	b.wants(200, "/ballot")
}

// With a database that does not answer, as many requests as there may be wait
// for it; one more is sent away at once, and those that wait get their answers.
func TestBlockedDatabase(t *testing.T) {
	const atOnce = 4
	w := newTown(t, func(c *Config) { c.Concurrent = atOnce })
	b := w.signedIn()
	release := w.block(`LOCK TABLE @session IN ACCESS EXCLUSIVE MODE`)
	var wg sync.WaitGroup
	answers := make([]int, atOnce)
	for i := range atOnce {
		wg.Go(func() { answers[i] = b.copy().status("/window") })
	}
	for w.form.gate.inside() < atOnce {
		time.Sleep(time.Millisecond)
	}
	for range 20 { // none of them asks the database, or this would not end
		if got := b.copy().status("/window"); got != http.StatusServiceUnavailable {
			t.Errorf("one more: %d", got)
		}
	}
	if got := w.form.gate.inside(); got != atOnce {
		t.Errorf("%d under way", got)
	}
	release()
	wg.Wait()
	for _, got := range answers {
		if got != http.StatusOK {
			t.Errorf("one that was let in: %d", got)
		}
	}
	if got := b.copy().status("/window"); got != http.StatusOK {
		t.Errorf("afterwards: %d", got)
	}
}

// block holds a lock in the database until release is called.
func (w *town) block(sql string) (release func()) {
	w.t.Helper()
	return pgtest.Hold(w.t, w.url, strings.ReplaceAll(sql, "@", "jebi."))
}

// inside is how many requests are under way.
func (g gate) inside() int { return g.limiter.Inflight() }

// copy is another browser with the same cookies.
func (b *browser) copy() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	base, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	jar.SetCookies(base, b.c.Jar.Cookies(base))
	return &browser{t: b.t, base: b.base, c: &http.Client{Jar: jar}}
}

// status asks for a page and gives its status; 0 where there was no answer.
func (b *browser) status(path string) int {
	res, err := b.c.Get(b.base + path)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// Of a crowd as many are let in as may be, and when they have left, as many again.
func TestGate(t *testing.T) {
	for _, c := range []struct{ least, most, want int }{{2, 5, 2}, {gateLeast, 3, 3}} {
		g := newGate(c.least, c.most)
		for range 2 {
			var leave []func()
			for l := g.enter(); l != nil; l = g.enter() {
				leave = append(leave, l)
			}
			if len(leave) != c.want || g.inside() != c.want {
				t.Errorf("gate for %d to %d: %d let in and %d inside, want %d", c.least, c.most, len(leave), g.inside(), c.want)
			}
			for _, l := range leave {
				l()
			}
			if g.inside() != 0 {
				t.Errorf("gate for %d to %d: %d inside though all have left", c.least, c.most, g.inside())
			}
		}
	}
}

// Those who send a form slowly keep nobody out: they are at no gate.
func TestSlowBodiesKeepNobodyOut(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Concurrent = 2 })
	for range 50 {
		c := w.dial()
		fmt.Fprintf(c, "POST /sign-in HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nname=", w.server.Listener.Addr())
	}
	for range 10 {
		if got := w.browser().status("/sign-in"); got != http.StatusOK {
			t.Errorf("an honest citizen: %d", got)
		}
	}
	if got := w.form.gate.inside(); got != 0 {
		t.Errorf("%d slow bodies at the gate", got)
	}
}

// dial opens a line that is closed when the test ends.
func (w *town) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// Thousands of sockets that ask for nothing, or never finish asking, keep no
// honest citizen out, though there are more of them than the form holds.
func TestIdleSockets(t *testing.T) {
	const sockets, most = 5000, 2000
	w := newTown(t, func(c *Config) { c.Lines = most; c.Proxied = true })
	honest := w.signedIn()
	for i := range sockets {
		c := w.dial()
		switch i % 3 {
		case 1:
			fmt.Fprintf(c, "GET /window HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		case 2:
			fmt.Fprintf(c, "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 16000\r\n\r\nname=x")
		}
		if i%500 == 0 {
			if got := honest.status("/window"); got != http.StatusOK {
				t.Errorf("with %d idle sockets: %d", i, got)
			}
		}
	}
	honest.answer()
	if got := w.form.lines.count(); got > most {
		t.Errorf("%d lines are open, more than %d", got, most)
	}
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// One address that holds its share of the lines hangs up on itself; a line with
// a request in work is never hung up on.
func TestLinesGiveWay(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Lines = 8 }) // 2 for one address
	b := w.signedIn()
	release := w.block(`LOCK TABLE @session IN ACCESS EXCLUSIVE MODE`)
	defer release()
	answered := make(chan int, 1)
	go func() { answered <- b.copy().status("/window") }()
	for w.form.gate.inside() == 0 {
		time.Sleep(time.Millisecond)
	}
	var open []net.Conn
	for range 6 {
		open = append(open, w.dial())
	}
	for i, c := range open[:4] {
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(c).ReadByte(); err == nil {
			t.Errorf("idle line %d was answered", i)
		} else if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("idle line %d is still open", i)
		}
	}
	release()
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the one in work: %d", got)
	}
}
