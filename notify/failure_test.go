package notify

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"jebi/data/pgtest"
)

func TestWhatARelayAnswersDecidesWhatBecomesOfALetter(t *testing.T) {
	refuse := func(code int) func(string) error {
		return func(string) error { return &smtp.SMTPError{Code: code, Message: "no"} }
	}
	cut := func(c *smtp.Conn) error { _ = c.Conn().Close(); return nil }
	for name, c := range map[string]struct {
		set  func(*postOffice)
		want string
	}{
		"taken":           {func(*postOffice) {}, "sent 1"},
		"greylisted":      {func(p *postOffice) { p.rcpt = refuse(451) }, "queued 1 smtp 451"},
		"no such mailbox": {func(p *postOffice) { p.rcpt = refuse(550) }, "undelivered 1 smtp 550"},
		"full after the letter": {func(p *postOffice) {
			p.data = func(*smtp.Conn) error { return &smtp.SMTPError{Code: 452, Message: "full"} }
		}, "queued 1 smtp 452"},
		"refused by its text": {func(p *postOffice) {
			p.data = func(*smtp.Conn) error { return &smtp.SMTPError{Code: 554, Message: "spam"} }
		}, "undelivered 1 smtp 554"},
		"line cut after DATA": {func(p *postOffice) { p.data = cut }, "queued 1 connection broke"},
		"sender refused": {func(p *postOffice) {
			p.before = func(*smtp.Conn) error { return &smtp.SMTPError{Code: 550, Message: "who are you"} }
		}, "queued 0 smtp 550"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 1)
			o.mail.set(c.set)
			id := o.one("email")
			o.drain()
			if got := o.row(id); got != c.want {
				t.Errorf("the message is %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatAGatewayAnswersDecidesWhatBecomesOfATextMessage(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"taken":              {nil, "sent 1"},
		"taken before":       {status(409), "sent 1"},
		"out of order":       {status(503), "queued 1 http 503"},
		"not a number":       {status(422), "undelivered 1 http 422"},
		"token refused":      {status(401), "queued 0 http 401"},
		"too many":           {status(429), "queued 0 http 429"},
		"moved":              {status(301), "queued 0 http 301"},
		"no answer":          {hangs, "queued 1 timeout"},
		"hangs up on the us": {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, "queued 1 connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 1)
			o.sms.set(c.answer)
			id := o.one("sms")
			d := o.dispatcher()
			if name == "no answer" {
				d.SMS.(*Gateway).client.Timeout = 200 * time.Millisecond
			}
			if _, err := d.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := o.row(id); got != c.want {
				t.Errorf("the message is %q, want %q", got, c.want)
			}
			if token := o.sms.lastToken(); token != "Bearer secret" {
				t.Errorf("the gateway got the token %q", token)
			}
		})
	}
}

func TestALetterGoesAgainUnderTheSameIDAndIsGivenUpInTheEnd(t *testing.T) {
	o := newOffice(t, 1)
	o.mail.set(func(p *postOffice) { p.data = func(c *smtp.Conn) error { _ = c.Conn().Close(); return nil } })
	id := o.one("email")
	now := daytime
	for attempt := 1; attempt < maxAttempts; attempt++ {
		o.drain()
		if got, want := o.row(id), "queued "+string(rune('0'+attempt))+" connection broke"; got != want {
			t.Fatalf("after attempt %d the message is %q, want %q", attempt, got, want)
		}
		o.move(now.Add(backoff(attempt, false) - time.Minute/2))
		if r := o.drain(); r != (Report{}) {
			t.Fatalf("attempt %d came too early: %+v", attempt+1, r)
		}
		now = now.Add(24 * time.Hour) // in daylight
		o.move(now)
	}
	o.drain()
	if got := o.row(id); got != "undelivered 7 connection broke" {
		t.Errorf("in the end the message is %q, want undelivered", got)
	}
	if ids, times := o.mail.counts(); ids != 1 || times != maxAttempts {
		t.Errorf("%d Message-IDs came in %d times, want 1 in %d", ids, times, maxAttempts)
	}
}

func TestARelayThatIsAwayCostsNoAttempt(t *testing.T) {
	o := newOffice(t, 150)
	o.c.Senders.Email.Host = "127.0.0.1:1" // nobody listens
	o.c.Senders.SMS.URL = "http://127.0.0.1:1/"
	o.tellAll("announce/1")
	r := o.drain()
	if r.Relay != "no connection" || r.Untried == 0 || r.Sent != 0 {
		t.Errorf("report %+v, want untried messages and the relay's error", r)
	}
	if n := pgtest.Value[int](t, o.url, `SELECT count(*)::int FROM jebi.message WHERE attempts <> 0 OR state <> 'queued'`); n != 0 {
		t.Errorf("%d messages lost an attempt, want 0", n)
	}
}

func TestAConnectionThatTheRelayShutBetweenTwoLettersCostsNoAttempt(t *testing.T) {
	o := newOffice(t, 5)
	o.mail.set(func(p *postOffice) {
		var letters atomic.Int32 // each line has a goroutine of its own in the receiver
		p.before = func(c *smtp.Conn) error {
			if letters.Add(1)%2 == 0 { // every second letter finds a line that is dead
				_ = c.Conn().Close()
			}
			return nil
		}
	})
	o.tellAll("announce/1")
	d := o.dispatcher()
	d.Lines = 1
	if _, err := d.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := o.states()["email sent"]; got != 5 {
		t.Errorf("%d of 5 letters sent", got)
	}
}

func TestFailuresHoldNoAddress(t *testing.T) {
	o := newOffice(t, 1)
	o.mail.set(func(p *postOffice) {
		p.rcpt = func(to string) error { return &smtp.SMTPError{Code: 550, Message: "no mailbox " + to} }
	})
	o.one("email")
	o.drain()
	for _, e := range pgtest.Values[string](t, o.url, `SELECT last_error FROM jebi.message`) {
		if strings.Contains(e, "@") || strings.Contains(e, "+82") {
			t.Errorf("the database holds an address in %q", e)
		}
	}
}
