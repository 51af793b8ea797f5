package notify

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// inbox collects what receivers took, by id.
type inbox struct {
	mu    sync.Mutex
	taken map[string]int    // times that an id came in
	texts map[string]string // by address
}

func newInbox() *inbox { return &inbox{taken: map[string]int{}, texts: map[string]string{}} }

func (b *inbox) put(id, to, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken[id]++
	b.texts[to] = text
}

func (b *inbox) counts() (ids, times int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.taken {
		times += n
	}
	return len(b.taken), times
}

func (b *inbox) text(to string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.texts[to]
}

// postOffice is a real SMTP server on loopback that fails as it is told.
type postOffice struct {
	*inbox
	address string
	rcpt    func(to string) error       // nil: takes everybody
	data    func(conn *smtp.Conn) error // called when the letter is complete; nil: takes it
	before  func(conn *smtp.Conn) error // called at MAIL FROM
	mu      sync.Mutex
}

func (p *postOffice) set(f func(*postOffice)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	p := &postOffice{inbox: newInbox()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &counter{p, c, ""}, nil }))
	s.ErrorLog = quietLog{}
	s.Domain = "localhost"
	done := make(chan struct{})
	go func() { _ = s.Serve(l); close(done) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return p
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}
func (quietLog) Println(...any)        {}

type counter struct {
	p    *postOffice
	conn *smtp.Conn
	to   string
}

func (c *counter) Reset()        { c.to = "" }
func (c *counter) Logout() error { return nil }
func (c *counter) Mail(string, *smtp.MailOptions) error {
	c.p.mu.Lock()
	f := c.p.before
	c.p.mu.Unlock()
	if f != nil {
		return f(c.conn)
	}
	return nil
}

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	c.p.mu.Lock()
	f := c.p.rcpt
	c.p.mu.Unlock()
	if f != nil {
		return f(to)
	}
	return nil
}

func (c *counter) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	c.p.put(strings.Trim(m.Header.Get("Message-ID"), "<>"), c.to, string(raw))
	c.p.mu.Lock()
	f := c.p.data
	c.p.mu.Unlock()
	if f != nil {
		return f(c.conn)
	}
	return nil
}

// cell is a real HTTP gateway on loopback that fails as it is told.
type cell struct {
	*inbox
	url    string
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request) bool // true: it answered itself
	token  string                                            // of the last request
}

func newCell(t *testing.T) *cell {
	t.Helper()
	c := &cell{inbox: newInbox()}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ ID, From, To, Text string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.ID != r.Header.Get("Idempotency-Key") || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		f := c.answer
		c.token = r.Header.Get("Authorization")
		c.mu.Unlock()
		if f != nil && f(w, r) {
			return
		}
		c.put(m.ID, m.To, m.Text)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// lastToken is what the last request signed in with.
func (c *cell) lastToken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

func (c *cell) set(f func(http.ResponseWriter, *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func status(code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(code)
		return true
	}
}

// hangs keeps the request until the other side gives up.
func hangs(_ http.ResponseWriter, r *http.Request) bool {
	select {
	case <-r.Context().Done():
	case <-time.After(time.Minute):
	}
	return true
}
