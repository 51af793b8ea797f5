package campaign

import (
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"

	"jebi/cohort"
)

var variable = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func (t *table) senders(c *cohort.Campaign) {
	if t == nil {
		return
	}
	email, sms := t.sub("email", false), t.sub("sms", false)
	t.done()
	email.emailSender(&c.Senders.Email)
	sms.smsSender(&c.Senders.SMS)
	if email == nil && sms == nil {
		t.warn(t.path, "there is neither senders.email nor senders.sms: nobody is told anything")
	}
}

func (t *table) emailSender(s *cohort.EmailSender) {
	if t == nil {
		return
	}
	s.From = t.text("from")
	if _, err := mail.ParseAddress(s.From); s.From != "" && err != nil {
		t.fail(t.in("from"), "%s is not an e-mail address", t.in("from"))
	}
	s.Host = t.text("host")
	host, port, err := net.SplitHostPort(s.Host)
	if n, e := strconv.Atoi(port); s.Host != "" && (err != nil || e != nil || n < 0 || n > 65535 || host == "") {
		t.fail(t.in("host"), "%s: %q is not host:port", t.in("host"), s.Host)
	}
	s.TLS = "starttls"
	if t.has("tls") {
		s.TLS = t.text("tls")
	}
	t.read["tls"] = true
	if s.TLS != "" && !slices.Contains([]string{"starttls", "tls", "none"}, s.TLS) {
		t.fail(t.in("tls"), "%s is %q; it must be starttls, tls or none", t.in("tls"), s.TLS)
	}
	if s.TLS == "none" && !isLoopback(host) {
		t.fail(t.in("tls"), "%s: none is for this machine only (localhost), not for %s", t.in("tls"), s.Host)
	}
	s.User = t.optionalText("user")
	s.PasswordEnv = t.variable("password_env")
	if (s.User == "") != (s.PasswordEnv == "") {
		t.fail(t.path, "%s: user and password_env go together", t.path)
	}
	t.done()
}

func (t *table) smsSender(s *cohort.SMSSender) {
	if t == nil {
		return
	}
	s.From = t.text("from")
	s.URL = t.text("url")
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		t.fail(t.in("url"), "%s is not an address like \"https://sms.example/v1/messages\"", t.in("url"))
	case u.User != nil:
		t.fail(t.in("url"), "%s holds a user or password: a secret does not belong in the campaign file; use token_env", t.in("url"))
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		t.fail(t.in("url"), "%s is not encrypted; http is for this machine only", t.in("url"))
	}
	s.TokenEnv = t.variable("token_env")
	s.DailyCap = t.wantedNumber("daily_cap", 1, 100_000_000)
	t.done()
}

// variable reads the name of an environment variable.
func (t *table) variable(key string) string {
	v := t.optionalText(key)
	if v != "" && !variable.MatchString(v) {
		// The value is not shown: it may be the secret itself.
		t.fail(t.in(key), "%s must name an environment variable, like JEBI_SMTP_PASSWORD; the secret itself does not belong in the file", t.in(key))
		return ""
	}
	return v
}
