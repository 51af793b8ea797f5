package notify

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
)

var anyLink = regexp.MustCompile(`https://people\.invalid/link/([A-Za-z0-9_-]{43})`)

// The link of an invitation is noted before it is sent, by hashes only; the
// row of the message holds nothing of it, and a message that is sent twice has
// the same link.
func TestInvitationsCarryALink(t *testing.T) {
	o := newOffice(t, 2)
	o.c.Contact.URL = "https://people.invalid/"
	o.tellAll("announce/1")
	o.drain()
	seen := map[string]bool{}
	bodies := []string{}
	for _, who := range pgtest.Values[string](t, o.url, `SELECT email FROM jebi.person_detail`) {
		bodies = append(bodies, o.mail.text(who))
	}
	for _, who := range pgtest.Values[string](t, o.url, `SELECT phone FROM jebi.person_detail`) {
		bodies = append(bodies, o.sms.text(who))
	}
	for _, body := range bodies {
		m := anyLink.FindStringSubmatch(strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(body))
		if m == nil {
			t.Fatalf("no link in %q", body)
		}
		if seen[m[1]] {
			t.Error("two messages with one link")
		}
		seen[m[1]] = true
		handle := cohort.EntryHandle(o.key, cohort.WayLink, o.c.Key, m[1])
		hash := cohort.LinkHash(o.key, o.c.Key, m[1])
		if n := pgtest.Value[int64](t, o.url, `SELECT count(*) FROM jebi.sign_in WHERE way = 'link' AND handle_hash = $1 AND code_hash = $2 AND used_at IS NULL AND expires_at > jebi.jebi_now()`, handle[:], hash[:]); n != 1 {
			t.Errorf("%d rows of a link that was sent", n)
		}
		for _, table := range []string{"message", "sign_in", "session", "audit"} {
			if n := pgtest.Value[int64](t, o.url, `SELECT count(*) FROM jebi.`+table+` x WHERE x::text LIKE '%' || $1 || '%'`, m[1]); n != 0 {
				t.Errorf("%s holds the link", table)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d links, want 4", len(seen))
	}
}

func TestWhoGetsALink(t *testing.T) {
	now := time.Date(2021, 7, 15, 0, 0, 0, 0, time.UTC)
	w := writer{&cohort.Campaign{Contact: cohort.Contact{URL: "https://people.invalid"}}, words.New(), []byte("key")}
	for name, c := range map[string]struct {
		change func(*data.Outgoing)
		link   bool
	}{
		"an invitation": {func(*data.Outgoing) {}, true},
		"a result":      {func(o *data.Outgoing) { o.Kind = "result" }, false},
		"a code":        {func(o *data.Outgoing) { o.Kind = "code" }, false},
		"too late":      {func(o *data.Outgoing) { o.Cohort.Closes = now }, false},
		"vaccinated":    {func(o *data.Outgoing) { o.Status = "vaccinated" }, false},
		"no window":     {func(o *data.Outgoing) { o.Cohort = nil }, false},
		"a clinic":      {func(o *data.Outgoing) { o.Person = 0 }, false},
	} {
		o := everything("announce", "email", "ko")
		o.Person = 7
		c.change(&o)
		if got := w.link(o, now); (got != "") != c.link {
			t.Errorf("%s: %q", name, got)
		}
	}
	o := everything("announce", "sms", "ko")
	o.Person = 7
	if a, b := w.link(o, now), w.link(o, now); a != b || !anyLink.MatchString(a) {
		t.Errorf("%q, %q", a, b)
	}
	w.campaign.Contact.URL = ""
	if got := w.link(o, now); got != "" {
		t.Errorf("a link without a site: %q", got)
	}
}
