package campaign

import (
	"crypto/sha256"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"jebi/cohort"
)

var (
	campaignKey = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	cohortKey   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,19}$`)
	partKey     = regexp.MustCompile(`^[a-z0-9_-]{1,20}$`)
	code        = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
	language    = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	domain      = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

// Parse reads a campaign file and lists everything wrong in it, in the order
// of the lines. The campaign is nil where there is an error among the problems.
func Parse(file []byte) (*cohort.Campaign, []Problem) {
	d := readDocument(file)
	if d.root == nil {
		return nil, d.problems
	}
	c := &cohort.Campaign{FileHash: sha256.Sum256(file)}
	d.campaign(c)
	d.problems = sortProblems(d.problems)
	if len(Errors(d.problems)) > 0 {
		return nil, d.problems
	}
	return c, d.problems
}

func (d *document) campaign(c *cohort.Campaign) {
	t := d.table("", d.root)
	if c.Key = t.text("key"); c.Key != "" && !campaignKey.MatchString(c.Key) {
		t.fail("key", "key: %q is not 1 to 40 of a-z, 0-9 and -", c.Key)
	}
	c.Languages = t.texts("languages")
	if len(c.Languages) == 0 {
		t.fail("languages", "languages is missing or empty; the first one is the default, as in [\"ko\", \"en\"]")
	}
	for _, l := range c.Languages {
		if !language.MatchString(l) {
			t.fail("languages", "languages: %q is not a language tag like \"ko\"", l)
		}
	}
	if c.Authority = t.text("authority"); c.Authority != "" && !domain.MatchString(c.Authority) {
		t.fail("authority", "authority: %q is not a domain name like \"vaccine.gwanak.example\"", c.Authority)
	}
	c.Sample = t.boolean("sample", false)
	c.Zone = t.text("zone")
	if c.Zone != "" {
		zone, err := time.LoadLocation(c.Zone)
		if err != nil || c.Zone == "Local" {
			t.fail("zone", "zone: %q is not a time zone like \"Asia/Seoul\"", c.Zone)
		} else {
			c.Location = zone
		}
	}
	c.Name = t.names("name", c.Languages, true)
	t.sub("contact", true).contact(c)
	d.dayParts(t.tables("day_parts"), c)
	d.districts(t.tables("districts"), c)
	t.sub("rules", false).rules(c)
	t.sub("recurring", false).recurring(c)
	t.sub("senders", false).senders(c)
	d.cohorts(t.tables("cohorts"), c)
	t.done()
	if len(c.DayParts) == 0 && !t.has("day_parts") {
		t.fail("", "day_parts is missing: choices are made of dates and day parts")
	}
	if len(c.Cohorts) == 0 && !t.has("cohorts") {
		t.fail("", "cohorts is missing: a campaign has at least one")
	}
}

// names reads a text in each of the campaign's languages.
func (t *table) names(key string, languages []string, wanted bool) cohort.Text {
	s := t.sub(key, wanted)
	if s == nil {
		return nil
	}
	text := cohort.Text{}
	for _, l := range languages {
		if !s.has(l) {
			t.fail(s.path, "%s has no text in %q, which is one of the languages", s.path, l)
			s.read[l] = true
			continue
		}
		if text[l] = s.text(l); text[l] == "" && s.keys[l] == "" {
			t.fail(s.in(l), "%s is empty", s.in(l))
		}
	}
	s.done()
	return text
}

func (t *table) contact(c *cohort.Campaign) {
	if t == nil {
		return
	}
	c.Contact.Phone = t.text("phone")
	c.Contact.Hours = t.names("hours", c.Languages, true)
	c.Contact.URL = t.text("url")
	if u, err := url.Parse(c.Contact.URL); c.Contact.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		t.fail(t.in("url"), "%s: not an address like \"https://vaccine.gwanak.example\"", t.in("url"))
	}
	t.done()
}

func (d *document) dayParts(ts []*table, c *cohort.Campaign) {
	for i, t := range ts {
		p := cohort.DayPart{Key: t.text("key"), Name: t.names("name", c.Languages, true), From: t.clock("from", false), To: t.clock("to", true)}
		t.done()
		if p.Key != "" && !partKey.MatchString(p.Key) {
			t.fail(t.in("key"), "%s: %q is not 1 to 20 of a-z, 0-9, - and _", t.in("key"), p.Key)
		}
		if slices.ContainsFunc(c.DayParts, func(q cohort.DayPart) bool { return q.Key == p.Key && p.Key != "" }) {
			t.fail(t.in("key"), "there are two day parts %q", p.Key)
		}
		if p.From != "" && p.To != "" && p.From >= p.To {
			t.fail(t.in("to"), "day part %s ends at %s, before it begins", p.Key, p.To)
		}
		if i > 0 && len(c.DayParts) == i {
			switch last := c.DayParts[i-1]; {
			case p.From == "" || last.To == "":
			case p.From < last.To:
				t.fail(t.in("from"), "day part %s begins at %s, before %s ends at %s: they overlap or stand in the wrong order", p.Key, p.From, last.Key, last.To)
			case p.From > last.To:
				t.warn(t.in("from"), "slots from %s to %s belong to no day part: nobody could choose them", last.To, p.From)
			}
		}
		c.DayParts = append(c.DayParts, p)
	}
	if len(c.DayParts) > 8 {
		d.fail("day_parts", "there are %d day parts; a form can show 8", len(c.DayParts))
	}
}

func (d *document) districts(ts []*table, c *cohort.Campaign) {
	for _, t := range ts {
		x := cohort.District{Code: t.text("code"), Name: t.names("name", c.Languages, true)}
		t.done()
		if x.Code != "" && !code.MatchString(x.Code) {
			t.fail(t.in("code"), "%s: %q is not a code of letters, digits, dot, - and _", t.in("code"), x.Code)
		}
		if x.Code != "" && slices.ContainsFunc(c.Districts, func(y cohort.District) bool { return y.Code == x.Code }) {
			t.fail(t.in("code"), "there are two districts %q", x.Code)
		}
		c.Districts = append(c.Districts, x)
	}
}

// The usual rules, for what a file leaves out.
const (
	usualMaxChoices = 5
	usualMaxParty   = 4
	usualMaxProxied = 4
	usualMaxWeight  = 1
	usualMinSlots   = 1
	usualMaxLapses  = 2
	usualAudit      = 300
	usualMinAnswer  = 2 * time.Hour
	usualOfferHold  = 12 * time.Hour
	usualOfferLead  = 12 * time.Hour
	usualCancelLead = 24 * time.Hour
	usualKeepFor    = 90 * 24 * time.Hour
	usualQuietFrom  = "2100"
	usualQuietTo    = "0800"
)

func (t *table) rules(c *cohort.Campaign) {
	if t == nil {
		t = (&document{}).table("rules", nil) // nothing is read, so nothing is wrong
	}
	r := &c.Rules
	r.MaxChoices = t.number("max_choices", usualMaxChoices, 1, 5)
	r.MaxParty = t.number("max_party", usualMaxParty, 1, 4)
	r.MaxProxied = t.number("max_proxied", usualMaxProxied, 0, 50)
	r.MaxWeight = t.number("max_weight", usualMaxWeight, 1, 100)
	r.MinSlots = t.number("min_slots", usualMinSlots, 1, 10_000)
	r.MinAnswer = t.duration("min_answer", usualMinAnswer, 10*time.Minute, 7*24*time.Hour)
	r.OfferHold = t.duration("offer_hold", usualOfferHold, 10*time.Minute, 14*24*time.Hour)
	r.OfferLead = t.duration("offer_lead", usualOfferLead, 0, 30*24*time.Hour)
	r.CancelLead = t.duration("cancel_lead", usualCancelLead, 0, 30*24*time.Hour)
	r.MaxLapses = t.number("max_lapses", usualMaxLapses, 1, 100)
	r.AuditSample = t.number("audit_sample", usualAudit, 300, 1_000_000)
	r.Reserve = t.number("reserve", 0, 0, 1_000_000)
	r.KeepFor = t.duration("keep_for", usualKeepFor, 24*time.Hour, 3650*24*time.Hour)
	r.QuietFrom, r.QuietTo = usualQuietFrom, usualQuietTo
	if t.has("quiet_from") || t.has("quiet_to") {
		r.QuietFrom, r.QuietTo = t.clock("quiet_from", false), t.clock("quiet_to", false)
	}
	t.read["quiet_from"], t.read["quiet_to"] = true, true
	if r.MinAnswer > r.OfferHold && r.OfferHold > 0 {
		t.fail(t.in("offer_hold"), "offer_hold (%s) is shorter than min_answer (%s)", showDuration(r.OfferHold), showDuration(r.MinAnswer))
	}
	t.done()
}

// isLoopback says whether a host or host:port names this machine.
func isLoopback(host string) bool {
	host = strings.Trim(host, "[]")
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
