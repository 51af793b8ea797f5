package notify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"jebi/cohort"
)

// certificate makes one for localhost, signed by itself, and the settings that
// trust it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// guarded is a session that takes mail only after the right password, over TLS.
type guarded struct {
	conn   *smtp.Conn
	known  bool
	letter func(encrypted bool)
}

func (g *guarded) AuthMechanisms() []string { return []string{sasl.Plain} }

func (g *guarded) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "jebi" || password != "right" {
			return smtp.ErrAuthFailed
		}
		g.known = true
		return nil
	}), nil
}

func (g *guarded) Mail(string, *smtp.MailOptions) error {
	if !g.known {
		return smtp.ErrAuthRequired
	}
	return nil
}
func (g *guarded) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (g *guarded) Reset()                               {}
func (g *guarded) Logout() error                        { return nil }
func (g *guarded) Data(r io.Reader) error {
	_, encrypted := g.conn.TLSConnectionState()
	g.letter(encrypted)
	_, err := io.Copy(io.Discard, r)
	return err
}

func TestTLSAndPassword(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	for name, c := range map[string]struct {
		mode     string // of the client
		offers   string // of the server: "starttls", "tls", "none"
		password string
		trusts   bool
		want     string // code of the failure, "" for none
	}{
		"starttls":                   {"starttls", "starttls", "right", true, ""},
		"tls":                        {"tls", "tls", "right", true, ""},
		"a relay without encryption": {"starttls", "none", "right", true, "no connection"},
		"an unknown certificate":     {"tls", "tls", "right", false, "certificate not trusted"},
		"a wrong password":           {"starttls", "starttls", "wrong", true, "smtp sign-in refused"},
	} {
		t.Run(name, func(t *testing.T) {
			letters, plain := 0, 0
			s := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
				return &guarded{conn: conn, letter: func(encrypted bool) {
					letters++
					if !encrypted {
						plain++
					}
				}}, nil
			}))
			s.ErrorLog, s.Domain = quietLog{}, "localhost"
			l, err := net.Listen("tcp", "localhost:0")
			if err != nil {
				t.Fatal(err)
			}
			address := l.Addr().String()
			switch c.offers {
			case "starttls":
				s.TLSConfig = serverTLS
			case "tls":
				l = tls.NewListener(l, serverTLS)
			}
			done := make(chan struct{})
			go func() { _ = s.Serve(l); close(done) }()
			defer func() { _ = s.Close(); <-done }()

			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			roots := clientTLS
			if !c.trusts {
				roots = nil
			}
			relay, err := NewRelay(cohort.EmailSender{From: "jebi@sample.invalid", Host: "localhost:" + port, TLS: c.mode, User: "jebi", PasswordEnv: "X"}, c.password, roots)
			if err != nil {
				t.Fatal(err)
			}
			line := relay.Line()
			err = line.Send(t.Context(), Letter{Key: "6a0d4a3c-0000-4000-8000-000000000000", To: "a@people.invalid", Subject: "s", Body: "b"})
			line.Close()
			got := ""
			var f *Failure
			if errors.As(err, &f) {
				got = f.Code
				if !f.Relay {
					t.Errorf("%v counts against the message, want against the relay", f)
				}
			}
			if got != c.want || (got == "") != (letters == 1) || plain != 0 {
				t.Errorf("failure %q (%v), %d letters, %d of them in plain text; want %q", got, err, letters, plain, c.want)
			}
		})
	}
}

func TestARelayWithAUserNeedsItsPassword(t *testing.T) {
	if _, err := NewRelay(cohort.EmailSender{From: "a@b.invalid", Host: "relay.invalid:587", TLS: "starttls", User: "jebi", PasswordEnv: "JEBI_SMTP"}, "", nil); err == nil {
		t.Error("a relay without its password was taken")
	}
	if _, err := NewGateway(cohort.SMSSender{URL: "https://gateway.invalid/", TokenEnv: "JEBI_SMS"}, ""); err == nil {
		t.Error("a gateway without its token was taken")
	}
}
