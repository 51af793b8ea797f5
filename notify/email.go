package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"jebi/cohort"
)

// Relay sends e-mail through an SMTP relay.
type Relay struct {
	from     mail.Address
	domain   string // of Message-IDs: the sender's
	host     string
	port     int
	tls      string
	user     string
	password string
	roots    *tls.Config // nil: the machine's
	timeout  time.Duration
}

// smtpTimeout bounds connecting and each exchange with the relay.
const smtpTimeout = 30 * time.Second

// NewRelay makes the sender of a campaign's e-mail. The password comes from
// the caller; roots may be nil.
func NewRelay(s cohort.EmailSender, password string, roots *tls.Config) (*Relay, error) {
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return nil, errors.New("senders.email.from is not an address")
	}
	host, port, err := net.SplitHostPort(s.Host)
	if err != nil {
		return nil, errors.New("senders.email.host is not host:port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, errors.New("senders.email.host has no port number")
	}
	if s.User != "" && password == "" {
		return nil, fmt.Errorf("the password for %s is not set: put it into the environment as %s", s.Host, s.PasswordEnv)
	}
	switch s.TLS {
	case "tls", "starttls", "none":
	default:
		return nil, errors.New("senders.email.tls is none of tls, starttls, none")
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return &Relay{*from, domain, host, int(n), s.TLS, s.User, password, roots, smtpTimeout}, nil
}

// Line gives a connection of its own, made when it is used.
func (r *Relay) Line() Line { return &smtpLine{relay: r} }

type smtpLine struct {
	relay  *Relay
	client *gomail.Client // nil: not connected
}

func (l *smtpLine) connect(ctx context.Context) error {
	r := l.relay
	options := []gomail.Option{
		gomail.WithPort(r.port), gomail.WithTimeout(r.timeout), gomail.WithoutNoop(),
		gomail.WithHELO(r.domain),
	}
	switch r.tls {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "starttls":
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if r.roots != nil {
		c := r.roots.Clone()
		c.ServerName = r.host
		options = append(options, gomail.WithTLSConfig(c))
	}
	if r.user != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if r.tls == "none" {
			auth = gomail.SMTPAuthPlainNoEnc // this machine only, the campaign file sees to it
		}
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(r.user), gomail.WithPassword(r.password))
	}
	c, err := gomail.NewClient(r.host, options...)
	if err != nil {
		return &Failure{Code: "smtp settings", Relay: true}
	}
	if err := c.DialWithContext(ctx); err != nil {
		return &Failure{Code: dialCode(err), Relay: true}
	}
	l.client = c
	return nil
}

// dialCode tells apart why there is no connection.
func dialCode(err error) string {
	var certificate *tls.CertificateVerificationError
	var answer *textproto.Error
	switch {
	case errors.As(err, &certificate):
		return "certificate not trusted"
	case strings.Contains(err.Error(), "SMTP AUTH"), errors.As(err, &answer) && answer.Code >= 530 && answer.Code <= 538:
		return "smtp sign-in refused"
	}
	return "no connection"
}

func (l *smtpLine) Send(ctx context.Context, letter Letter) error {
	m, err := l.message(letter)
	if err != nil {
		return err
	}
	fresh := l.client == nil
	for {
		if l.client == nil {
			if err := l.connect(ctx); err != nil {
				return err
			}
		}
		err := l.client.Send(m)
		switch {
		case err == nil:
			return nil
		case m.IsDelivered():
			l.Close() // the relay took it and then broke off
			return nil
		}
		f, broken := smtpFailure(err)
		if broken {
			l.Close()
			// A connection that lay idle may have been shut by the other side before it
			// heard anything of this letter: one more try on a fresh one.
			if !fresh && beforeData(err) {
				fresh = true
				continue
			}
		}
		return f
	}
}

func (l *smtpLine) Close() {
	if l.client != nil {
		_ = l.client.Close() // what was taken was taken
		l.client = nil
	}
}

func (l *smtpLine) message(letter Letter) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	r := l.relay
	m.FromMailAddress(&r.from)
	if err := m.To(letter.To); err != nil {
		return nil, &Failure{Code: "no valid address", Final: true}
	}
	m.Subject(letter.Subject)
	m.SetMessageIDWithValue(letter.Key + "@" + r.domain)
	m.SetDate()
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	if letter.Bulk {
		m.SetGenHeader("Precedence", "bulk")
	}
	m.SetBodyString(gomail.TypeTextPlain, letter.Body)
	return m, nil
}

// smtpFailure reads what the relay answered, and says whether the connection
// is of no more use.
func smtpFailure(err error) (f *Failure, broken bool) {
	var se *gomail.SendError
	if !errors.As(err, &se) {
		return &Failure{Code: "no connection", Relay: true}, true
	}
	code := se.ErrorCode()
	switch {
	case code == 421: // "service not available, closing"
		return &Failure{Code: "smtp 421"}, true
	case code == 530 || code == 535 || code == 538 || se.Reason == gomail.ErrSMTPMailFrom && code >= 500:
		return &Failure{Code: fmt.Sprintf("smtp %d", code), Relay: true}, true // the relay refuses us, whoever is written to
	case code >= 500:
		return &Failure{Code: fmt.Sprintf("smtp %d", code), Final: true}, false
	case code >= 400:
		return &Failure{Code: fmt.Sprintf("smtp %d", code)}, false
	case se.Reason == gomail.ErrConnCheck:
		return &Failure{Code: "no connection", Relay: true}, true
	case errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(err.Error(), "i/o timeout"):
		return &Failure{Code: "timeout"}, true
	}
	return &Failure{Code: "connection broke"}, true
}

// beforeData says that the relay cannot have taken the letter.
func beforeData(err error) bool {
	var se *gomail.SendError
	if !errors.As(err, &se) {
		return true
	}
	switch se.Reason {
	case gomail.ErrConnCheck, gomail.ErrSMTPMailFrom, gomail.ErrSMTPRcptTo, gomail.ErrSMTPData:
		return se.ErrorCode() == 0
	}
	return false
}
