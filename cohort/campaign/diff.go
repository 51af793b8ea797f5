package campaign

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jebi/cohort"
)

// Change is one difference between two versions of a campaign. Old or New is
// empty where the other version has nothing there.
type Change struct {
	Key string `json:"key"` // "rules.max_choices", "cohorts.1962-66.closes"
	Old string `json:"old"`
	New string `json:"new"`
}

func (c Change) String() string {
	switch {
	case c.Old == "":
		return fmt.Sprintf("+ %s = %s", c.Key, c.New)
	case c.New == "":
		return fmt.Sprintf("- %s = %s", c.Key, c.Old)
	}
	return fmt.Sprintf("~ %s: %s → %s", c.Key, c.Old, c.New)
}

// Diff lists what differs between two versions, in the order of the file. An
// old version of nil makes everything new. Comments and the order of keys make
// no difference.
func Diff(old, new *cohort.Campaign) []Change {
	before, after := flatten(old), flatten(new)
	values := map[string]string{}
	for _, e := range before {
		values[e.Key] = e.New
	}
	var cs []Change
	kept := map[string]bool{}
	for _, e := range after {
		kept[e.Key] = true
		if v := values[e.Key]; v != e.New {
			cs = append(cs, Change{e.Key, v, e.New})
		}
	}
	for _, e := range before {
		if !kept[e.Key] {
			cs = append(cs, Change{Key: e.Key, Old: e.New})
		}
	}
	return cs
}

// pairs collects a campaign as keys and values that are never empty.
type pairs []Change

func (ps *pairs) add(key, value string) {
	if value != "" {
		*ps = append(*ps, Change{Key: key, New: value})
	}
}

func (ps *pairs) text(key string, t cohort.Text, languages []string) {
	for _, l := range languages {
		ps.add(key+"."+l, t[l])
	}
}

func (ps *pairs) list(key string, l []string) { ps.add(key, strings.Join(l, ", ")) }

func flatten(c *cohort.Campaign) pairs {
	var ps pairs
	if c == nil {
		return nil
	}
	ps.add("key", c.Key)
	ps.text("name", c.Name, c.Languages)
	ps.add("authority", c.Authority)
	ps.add("sample", strconv.FormatBool(c.Sample))
	ps.add("zone", c.Zone)
	ps.list("languages", c.Languages)
	ps.add("contact.phone", c.Contact.Phone)
	ps.text("contact.hours", c.Contact.Hours, c.Languages)
	ps.add("contact.url", c.Contact.URL)
	for _, p := range c.DayParts {
		ps.add("day_parts."+p.Key, p.From+"–"+p.To)
		ps.text("day_parts."+p.Key+".name", p.Name, c.Languages)
	}
	ps.list("day_parts", keys(c.DayParts, func(p cohort.DayPart) string { return p.Key }))
	for _, d := range c.Districts {
		ps.add("districts."+d.Code, "listed")
		ps.text("districts."+d.Code+".name", d.Name, c.Languages)
	}
	ps.rules(c.Rules)
	for _, e := range [][2]string{
		{"refill", c.Recurring.Refill},
		{"reminders", c.Recurring.Reminders},
		{"odds", c.Recurring.Odds},
		{"retention", c.Recurring.Retention},
		{"seal", c.Recurring.Seal},
	} {
		ps.add("recurring."+e[0], e[1])
	}
	ps.senders(c.Senders)
	for i := range c.Cohorts {
		ps.cohort(c, &c.Cohorts[i])
	}
	ps.list("cohorts", keys(c.Cohorts, func(x cohort.Cohort) string { return x.Key }))
	return ps
}

func keys[T any](l []T, key func(T) string) []string {
	var ks []string
	for _, x := range l {
		ks = append(ks, key(x))
	}
	return ks
}

func (ps *pairs) rules(r cohort.Rules) {
	ps.add("rules.max_choices", strconv.Itoa(r.MaxChoices))
	ps.add("rules.max_party", strconv.Itoa(r.MaxParty))
	ps.add("rules.max_proxied", strconv.Itoa(r.MaxProxied))
	ps.add("rules.max_weight", strconv.Itoa(r.MaxWeight))
	ps.add("rules.min_slots", strconv.Itoa(r.MinSlots))
	ps.add("rules.min_answer", showDuration(r.MinAnswer))
	ps.add("rules.offer_hold", showDuration(r.OfferHold))
	ps.add("rules.offer_lead", showDuration(r.OfferLead))
	ps.add("rules.cancel_lead", showDuration(r.CancelLead))
	ps.add("rules.max_lapses", strconv.Itoa(r.MaxLapses))
	ps.add("rules.audit_sample", strconv.Itoa(r.AuditSample))
	ps.add("rules.reserve", strconv.Itoa(r.Reserve))
	ps.add("rules.keep_for", showDuration(r.KeepFor))
	ps.add("rules.quiet_from", r.QuietFrom)
	ps.add("rules.quiet_to", r.QuietTo)
}

func (ps *pairs) senders(s cohort.Senders) {
	ps.add("senders.email.from", s.Email.From)
	ps.add("senders.email.host", s.Email.Host)
	ps.add("senders.email.tls", s.Email.TLS)
	ps.add("senders.email.user", s.Email.User)
	ps.add("senders.email.password_env", s.Email.PasswordEnv)
	ps.add("senders.sms.from", s.SMS.From)
	ps.add("senders.sms.url", s.SMS.URL)
	ps.add("senders.sms.token_env", s.SMS.TokenEnv)
	if s.SMS.DailyCap > 0 {
		ps.add("senders.sms.daily_cap", strconv.Itoa(s.SMS.DailyCap))
	}
}

func (ps *pairs) cohort(c *cohort.Campaign, x *cohort.Cohort) {
	k := "cohorts." + x.Key + "."
	ps.text(k+"name", x.Name, c.Languages)
	ps.add(k+"birth_from", strconv.Itoa(x.BirthFrom))
	ps.add(k+"birth_to", strconv.Itoa(x.BirthTo))
	ps.list(k+"regions", slices.Sorted(slices.Values(x.Regions)))
	ps.list(k+"groups", slices.Sorted(slices.Values(x.Groups)))
	ps.add(k+"opens", show(x.Opens, c))
	ps.add(k+"closes", show(x.Closes, c))
	ps.add(k+"night", strconv.FormatBool(x.Night))
	ps.add(k+"draw_at", show(x.DrawAt, c))
	ps.add(k+"publish_at", show(x.PublishAt, c))
	ps.add(k+"confirm_by", show(x.ConfirmBy, c))
	ps.add(k+"settle_at", show(x.SettleAt, c))
	ps.add(k+"supply.percent", strconv.Itoa(x.Supply.Percent))
	ps.add(k+"supply.from", x.Supply.From.Format(dateLayout))
	ps.add(k+"supply.to", x.Supply.To.Format(dateLayout))
	ps.list(k+"supply.vaccines", slices.Sorted(slices.Values(x.Supply.Vaccines)))
	ps.add(k+"doses", strconv.Itoa(x.Doses))
	if x.Doses == 2 {
		ps.add(k+"supply.second_from", x.Supply.SecondFrom.Format(dateLayout))
		ps.add(k+"supply.second_to", x.Supply.SecondTo.Format(dateLayout))
	}
	ps.add(k+"seating", x.Seating)
	if x.Seating == "fixed" {
		ps.add(k+"party_percent", strconv.Itoa(x.PartyPercent))
	}
	for i, p := range x.Pools {
		ps.add(fmt.Sprintf("%spools[%d]", k, i), fmt.Sprintf("%s %d %%", p.Group, p.Percent))
	}
	for i, s := range x.Sources {
		ps.add(fmt.Sprintf("%ssources[%d]", k, i), showSource(s))
	}
	for i, w := range x.Witnesses {
		ps.add(fmt.Sprintf("%switnesses[%d]", k, i), fmt.Sprintf("%q %s", w.Name, w.Key))
	}
	if len(x.Witnesses) > 0 {
		ps.add(k+"min_witnesses", strconv.Itoa(x.MinWitnesses))
	}
}

func showSource(s cohort.Source) string {
	switch s.Type {
	case trustee:
		v := fmt.Sprintf("trustee %d %q %s", s.Index, s.Name, hex.EncodeToString(s.Commit))
		if s.Key != nil {
			v += " key " + hex.EncodeToString(s.Key)
		}
		return v
	case public:
		return fmt.Sprintf("public %d %q", s.Index, s.Name)
	case dice:
		return fmt.Sprintf("dice %d digits %q", s.Digits, s.Name)
	}
	return fmt.Sprintf("drand %s rounds %v %q", hex.EncodeToString(s.ChainHash), s.Rounds, s.Name)
}
