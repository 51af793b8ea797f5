package rehearse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Received is a message as a receiver got it.
type Received struct {
	Channel string // "email" or "sms"
	ID      string // of the message, the same when it comes again
	To      string
	Text    string // of the body, readable
}

// Receivers stand in for an SMTP relay and for a text message gateway on this
// machine: they take every message, pass none on, and keep each as a file.
type Receivers struct {
	Mail string // host:port of the SMTP receiver
	SMS  string // address of the gateway

	mailDir, smsDir string
	each            func(Received)
	smtp            *smtp.Server
	http            *http.Server
	wait            sync.WaitGroup

	mu     sync.Mutex
	counts ReceivedCounts
	last   map[string]Received // by address
}

// ReceivedCounts says what came in. Again counts messages that came before, by
// their id: they are kept once.
type ReceivedCounts struct {
	Mail  int `json:"mail"`
	SMS   int `json:"sms"`
	Again int `json:"again"`
}

// Receive starts both receivers on loopback addresses ("127.0.0.1:0" for any
// free port) and keeps what comes in the folders. each, where it is not nil,
// is called with every message.
func Receive(mailAddress, smsAddress, mailDir, smsDir string, each func(Received)) (*Receivers, error) {
	r := &Receivers{mailDir: mailDir, smsDir: smsDir, each: each, last: map[string]Received{}}
	for _, dir := range []string{mailDir, smsDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	mailListener, err := listenLoopback(mailAddress)
	if err != nil {
		return nil, err
	}
	smsListener, err := listenLoopback(smsAddress)
	if err != nil {
		mailListener.Close()
		return nil, err
	}
	r.Mail, r.SMS = mailListener.Addr().String(), "http://"+smsListener.Addr().String()+"/messages"

	r.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailbox{to: r}, nil }))
	r.smtp.Domain = "localhost"
	r.smtp.MaxMessageBytes = 1 << 20
	r.smtp.MaxRecipients = 1
	r.smtp.ReadTimeout, r.smtp.WriteTimeout = time.Minute, time.Minute
	r.smtp.EnableSMTPUTF8 = true
	mux := http.NewServeMux()
	mux.HandleFunc("POST /messages", r.gateway)
	r.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	r.wait.Go(func() { _ = r.smtp.Serve(mailListener) })
	r.wait.Go(func() { _ = r.http.Serve(smsListener) })
	return r, nil
}

// listenLoopback refuses every address that another machine could reach.
func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("receiver: %q is not host:port", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("receiver: %s is not an address of this machine alone", address)
	}
	return net.Listen("tcp", address)
}

// Close ends both receivers.
func (r *Receivers) Close() {
	_ = r.smtp.Close()
	_ = r.http.Close()
	r.wait.Wait()
}

// Counts says what has come in so far.
func (r *Receivers) Counts() ReceivedCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Last gives the newest message to an address.
func (r *Receivers) Last(to string) (Received, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.last[to]
	return m, ok
}

// keep writes the message into its file, once.
func (r *Receivers) keep(m Received, file string, body []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	again := errors.Is(err, os.ErrExist)
	if err == nil {
		_, err = f.Write(body)
		err = errors.Join(err, f.Close())
	}
	if err != nil && !again {
		return err
	}
	r.mu.Lock()
	switch {
	case again:
		r.counts.Again++
	case m.Channel == "email":
		r.counts.Mail++
	default:
		r.counts.SMS++
	}
	r.last[m.To] = m
	r.mu.Unlock()
	if r.each != nil {
		r.each(m)
	}
	return nil
}

// fileName is an id that can be a file's name and nothing else.
var fileName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// mailbox is one SMTP connection.
type mailbox struct {
	to   *Receivers
	rcpt string
}

func (*mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (*mailbox) Logout() error                        { return nil }
func (m *mailbox) Reset()                             { m.rcpt = "" }

func (m *mailbox) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.rcpt = to
	return nil
}

func (m *mailbox) Data(in io.Reader) error {
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	id, text, err := readMail(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "the message cannot be read"}
	}
	if err := m.to.keep(Received{"email", id, m.rcpt, text}, filepath.Join(m.to.mailDir, id+".eml"), raw); err != nil {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "the message cannot be kept"}
	}
	return nil
}

// readMail gives a message's id and its readable text.
func readMail(raw []byte) (id, text string, err error) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "", "", err
	}
	id, _, _ = strings.Cut(strings.Trim(msg.Header.Get("Message-ID"), "<>"), "@")
	if !fileName.MatchString(id) {
		return "", "", errors.New("no message id")
	}
	body := msg.Body
	if strings.EqualFold(msg.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return "", "", err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	return id, subject + "\n\n" + string(b), err
}

// gateway takes a text message as the notifier sends it.
func (r *Receivers) gateway(w http.ResponseWriter, req *http.Request) {
	var m struct {
		ID   string `json:"id"`
		To   string `json:"to"`
		Text string `json:"text"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 16<<10))
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || !fileName.MatchString(m.ID) || m.ID != req.Header.Get("Idempotency-Key") || m.To == "" || m.Text == "" {
		http.Error(w, `{"error":"not a message"}`, http.StatusBadRequest)
		return
	}
	if err := r.keep(Received{"sms", m.ID, m.To, m.Text}, filepath.Join(r.smsDir, m.ID+".json"), append(body, '\n')); err != nil {
		http.Error(w, `{"error":"cannot be kept"}`, http.StatusInsufficientStorage)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
