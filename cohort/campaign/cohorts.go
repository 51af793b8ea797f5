package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"jebi/cohort"
)

// A window that opens or closes between these is one at night.
const nightFrom, nightTo = "2200", "0700"

// maxCohorts bounds the work of comparing them with each other.
const maxCohorts = 500

// usualPartyPercent is the share of unreserved seats that parties may take
// with fixed seating.
const usualPartyPercent = 10

// shortWindow is the length under which quickness begins to matter.
const shortWindow = 4 * time.Hour

func (d *document) cohorts(ts []*table, c *cohort.Campaign) {
	if d.root["cohorts"] != nil && len(ts) == 0 {
		d.fail("cohorts", "there is no cohort; a campaign has at least one")
	}
	if len(ts) > maxCohorts {
		d.fail("cohorts", "there are %d cohorts; at most %d", len(ts), maxCohorts)
		return
	}
	for _, t := range ts {
		x := t.cohort(c)
		if x.Key != "" && c.CohortByKey(x.Key) != nil {
			t.fail(t.in("key"), "there are two cohorts %q", x.Key)
		}
		c.Cohorts = append(c.Cohorts, x)
	}
	if len(c.Cohorts) == len(d.list("cohorts")) { // else an index would not be a place in the file
		d.overlaps(c)
		d.windowGaps(c)
		d.shares(c)
		d.commitments(c)
	}
}

// list is a root list, or nil.
func (d *document) list(key string) []any {
	l, _ := d.root[key].([]any)
	return l
}

func (t *table) cohort(c *cohort.Campaign) cohort.Cohort {
	var x cohort.Cohort
	if x.Key = t.text("key"); x.Key != "" && !cohortKey.MatchString(x.Key) {
		t.fail(t.in("key"), "%s: %q is not 1 to 20 of a-z, 0-9 and -", t.in("key"), x.Key)
	}
	x.Name = t.names("name", c.Languages, true)
	x.BirthFrom, x.BirthTo = t.birthYears()
	x.Regions = t.texts("regions")
	for _, r := range x.Regions {
		if !slices.ContainsFunc(c.Districts, func(y cohort.District) bool { return y.Code == r }) {
			t.fail(t.in("regions"), "%s: unknown district %q; it must stand under districts", t.in("regions"), r)
		}
	}
	x.Groups = t.texts("groups")
	for _, g := range x.Groups {
		if !code.MatchString(g) {
			t.fail(t.in("groups"), "%s: %q is not a code of letters, digits, dot, - and _", t.in("groups"), g)
		}
	}
	t.times(c, &x)
	x.Doses = t.number("doses", 1, 1, 2)
	if s := t.sub("supply", true); s != nil {
		s.supply(c, &x)
	}
	x.Seating = "serial"
	if t.has("seating") {
		x.Seating = t.text("seating")
	}
	t.read["seating"] = true
	if !slices.Contains([]string{"serial", "flexible", "fixed"}, x.Seating) {
		t.fail(t.in("seating"), "%s is %q; it must be serial, flexible or fixed", t.in("seating"), x.Seating)
	}
	if x.Doses == 2 && x.Seating == "serial" {
		t.fail(t.in("doses"), "cohort %s: two doses need the seating flexible or fixed", x.Key)
	}
	t.pools(&x)
	t.sources(c, &x)
	t.witnesses(c, &x)
	t.done()
	return x
}

func (t *table) birthYears() (from, to int) {
	from, to = t.wantedNumber("birth_from", 1880, 2200), t.wantedNumber("birth_to", 1880, 2200)
	if from > to && to != 0 {
		t.fail(t.in("birth_to"), "birth_to (%d) comes before birth_from (%d)", to, from)
	}
	return from, to
}

func (t *table) times(c *cohort.Campaign, x *cohort.Cohort) {
	type due struct {
		key string
		at  *time.Time
	}
	course := []due{{"opens", &x.Opens}, {"closes", &x.Closes}, {"draw_at", &x.DrawAt}, {"publish_at", &x.PublishAt}, {"confirm_by", &x.ConfirmBy}, {"settle_at", &x.SettleAt}}
	for i, e := range course {
		*e.at = t.localTime(e.key, c.Location)
		if i == 0 || e.at.IsZero() || course[i-1].at.IsZero() {
			continue
		}
		before := course[i-1]
		if e.at.Before(*before.at) || e.key == "closes" && e.at.Equal(*before.at) {
			t.fail(t.in(e.key), "%s (%s) comes before %s (%s)", e.key, show(*e.at, c), before.key, show(*before.at, c))
		}
	}
	x.Night = t.boolean("night", false)
	if c.Location == nil {
		return
	}
	for _, e := range course[:2] {
		if !e.at.IsZero() && !x.Night && within(hhmm(e.at.In(c.Location)), nightFrom, nightTo) {
			t.fail(t.in(e.key), "the window %s at night (%s); choose a time between 07:00 and 22:00, or say night = true", e.key, show(*e.at, c))
		}
	}
	if d := x.Closes.Sub(x.Opens); !x.Opens.IsZero() && d > 0 && d < shortWindow {
		t.warn(t.in("closes"), "the window is open for %s only: people who are at work or asleep cannot answer", showDuration(d))
	}
	if p := x.PublishAt; !p.IsZero() && c.Rules.QuietFrom != "" && c.Rules.QuietTo != "" && within(hhmm(p.In(c.Location)), c.Rules.QuietFrom, c.Rules.QuietTo) {
		t.warn(t.in("publish_at"), "results are published at %s, when messages rest: people are told at %s:%s", show(p, c), c.Rules.QuietTo[:2], c.Rules.QuietTo[2:])
	}
}

// show is a moment in campaign time.
func show(t time.Time, c *cohort.Campaign) string {
	if c.Location != nil {
		t = t.In(c.Location)
	}
	return t.Format(timeLayout)
}

func (t *table) supply(c *cohort.Campaign, x *cohort.Cohort) {
	r := &x.Supply
	r.Percent = t.wantedNumber("percent", 1, 100)
	r.From, r.To = t.localDate("from", c.Location), t.localDate("to", c.Location)
	if r.Vaccines = t.texts("vaccines"); len(r.Vaccines) > 50 {
		t.fail(t.in("vaccines"), "%s has %d entries; at most 50", t.in("vaccines"), len(r.Vaccines))
	}
	t.secondSupply(c, x)
	t.done()
	if r.From.IsZero() || r.To.IsZero() {
		return
	}
	if r.To.Before(r.From) {
		t.fail(t.in("to"), "to (%s) comes before from (%s)", r.To.Format(dateLayout), r.From.Format(dateLayout))
		return
	}
	if r.To.Sub(r.From) > 400*24*time.Hour {
		t.fail(t.in("to"), "a release of more than 400 days")
	}
	if !x.PublishAt.IsZero() && r.From.Before(x.PublishAt) {
		t.fail(t.in("from"), "the first day is %s, and the result is published at %s: a place could be past before it is known", r.From.Format(dateLayout), show(x.PublishAt, c))
		return
	}
	if !x.ConfirmBy.IsZero() && r.From.Before(x.ConfirmBy) {
		t.warn(t.in("from"), "the first day is %s, and people may confirm until %s: nobody could take over a place of the first days that is given back late", r.From.Format(dateLayout), show(x.ConfirmBy, c))
	}
}

// secondSupply reads the dates of second doses: those that 49 to 63 days after
// the first ones lead to, unless the file says less.
func (t *table) secondSupply(c *cohort.Campaign, x *cohort.Cohort) {
	r := &x.Supply
	if x.Doses != 2 {
		for _, key := range []string{"second_from", "second_to"} {
			if t.has(key) {
				t.fail(t.in(key), "%s is for two doses; say doses = 2", t.in(key))
				t.read[key] = true
			}
		}
		return
	}
	usual := func(key string, at time.Time, days int) time.Time {
		if t.has(key) {
			return t.localDate(key, c.Location)
		}
		t.read[key] = true
		if at.IsZero() {
			return at
		}
		return at.AddDate(0, 0, days)
	}
	r.SecondFrom, r.SecondTo = usual("second_from", r.From, cohort.SecondEarliest), usual("second_to", r.To, cohort.SecondLatest)
	switch {
	case r.From.IsZero() || r.To.IsZero() || r.SecondFrom.IsZero() || r.SecondTo.IsZero():
	case r.SecondTo.Before(r.SecondFrom):
		t.fail(t.in("second_to"), "second_to (%s) comes before second_from (%s)", r.SecondTo.Format(dateLayout), r.SecondFrom.Format(dateLayout))
	case r.SecondFrom.After(r.From.AddDate(0, 0, cohort.SecondLatest)):
		t.fail(t.in("second_from"), "who has the first dose on %s must have the second by %s, and second_from is %s", r.From.Format(dateLayout),
			r.From.AddDate(0, 0, cohort.SecondLatest).Format(dateLayout), r.SecondFrom.Format(dateLayout))
	case r.SecondTo.Before(r.To.AddDate(0, 0, cohort.SecondEarliest)):
		t.fail(t.in("second_to"), "who has the first dose on %s cannot have the second before %s, and second_to is %s", r.To.Format(dateLayout),
			r.To.AddDate(0, 0, cohort.SecondEarliest).Format(dateLayout), r.SecondTo.Format(dateLayout))
	}
}

func (t *table) pools(x *cohort.Cohort) {
	sum := 0
	for _, p := range t.tables("pools") {
		pool := cohort.Pool{Group: p.text("group"), Percent: p.wantedNumber("percent", 1, 100)}
		p.done()
		if pool.Group != "" && !code.MatchString(pool.Group) {
			p.fail(p.in("group"), "%s: %q is not a code of letters, digits, dot, - and _", p.in("group"), pool.Group)
		}
		if slices.ContainsFunc(x.Pools, func(q cohort.Pool) bool { return q.Group == pool.Group }) {
			p.fail(p.in("group"), "there are two pools for %q", pool.Group)
		}
		if sum += pool.Percent; sum > 100 {
			p.fail(p.in("percent"), "the pools of %s add up to %d percent", x.Key, sum)
		}
		x.Pools = append(x.Pools, pool)
	}
	x.PartyPercent = t.number("party_percent", usualPartyPercent, 0, 100)
	if t.has("party_percent") && x.Seating != "fixed" {
		t.fail(t.in("party_percent"), "cohort %s: party_percent is for fixed seating; with %s parties are served in their turn", x.Key, x.Seating)
	}
	if len(x.Pools) > 0 && x.Seating != "fixed" {
		t.fail(t.in("pools"), "cohort %s has pools: its seating must be fixed, not %s", x.Key, x.Seating)
	}
}

// overlaps finds cohorts that admit the same person.
func (d *document) overlaps(c *cohort.Campaign) {
	for j := range c.Cohorts {
		for i := range j {
			a, b := &c.Cohorts[i], &c.Cohorts[j]
			from, to := max(a.BirthFrom, b.BirthFrom), min(a.BirthTo, b.BirthTo)
			if from > to || from == 0 || !meet(a.Regions, b.Regions) {
				continue
			}
			path := fmt.Sprintf("cohorts[%d].key", j)
			who := fmt.Sprintf("born %d to %d", from, to)
			if from == to {
				who = fmt.Sprintf("born %d", from)
			}
			switch {
			case len(a.Groups) == 0 && len(b.Groups) == 0:
				d.fail(path, "cohorts %s and %s overlap: both admit people %s", a.Key, b.Key, who)
			case len(a.Groups) == 0:
				d.fail(path, "cohorts %s and %s overlap: %s comes first and admits everyone %s, in the groups or not; put %s before it", a.Key, b.Key, a.Key, who, b.Key)
			case len(b.Groups) == 0:
				d.warn(path, "people %s in the groups %s belong to cohort %s, which comes first, not to %s", who, strings.Join(a.Groups, ", "), a.Key, b.Key)
			case meet(a.Groups, b.Groups):
				d.fail(path, "cohorts %s and %s overlap: both admit people %s of the same group", a.Key, b.Key, who)
			default:
				d.warn(path, "people %s in groups of both belong to cohort %s, which comes first, not to %s", who, a.Key, b.Key)
			}
		}
	}
}

// meet says whether two sets have something in common; an empty one is everything.
func meet(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// windowGaps finds the times between the first and the last window at which none is open.
func (d *document) windowGaps(c *cohort.Campaign) {
	order := make([]int, 0, len(c.Cohorts))
	for i, x := range c.Cohorts {
		if x.Opens.IsZero() || !x.Opens.Before(x.Closes) {
			return
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(i, j int) int { return c.Cohorts[i].Opens.Compare(c.Cohorts[j].Opens) })
	var last *cohort.Cohort // the window that closes last so far
	for _, i := range order {
		x := &c.Cohorts[i]
		if last != nil && x.Opens.After(last.Closes) {
			d.warn(fmt.Sprintf("cohorts[%d].opens", i), "no window is open from %s, when %s closes, to %s, when %s opens", show(last.Closes, c), last.Key, show(x.Opens, c), x.Key)
		}
		if last == nil || x.Closes.After(last.Closes) {
			last = x
		}
	}
}

// shares finds days and vaccines of which more than the whole is released, for
// first and second doses together.
func (d *document) shares(c *cohort.Campaign) {
	type part struct {
		cohort int
		cohort.Release
	}
	var parts []part
	var days []time.Time     // a sum grows only where a release begins, so these are enough
	vaccines := []string{""} // the empty one: any that no release names
	for j, x := range c.Cohorts {
		if x.Supply.From.IsZero() || x.Supply.To.IsZero() {
			return
		}
		for _, r := range []cohort.Release{x.Supply, x.Supply.Second()} {
			if r.Percent > 0 {
				parts = append(parts, part{j, r})
				days = append(days, r.From)
				vaccines = append(vaccines, r.Vaccines...)
			}
		}
	}
	days = sortedSet(days, time.Time.Compare)
	vaccines = sortedSet(vaccines, strings.Compare)
	sums := make([]int, len(days)*len(vaccines))
	full := make([]bool, len(c.Cohorts))
	for _, p := range parts {
		for i, day := range days {
			for k, v := range vaccines {
				sum := &sums[i*len(vaccines)+k]
				if day.Before(p.From) || day.After(p.To) || len(p.Vaccines) > 0 && !slices.Contains(p.Vaccines, v) {
					continue
				}
				if *sum += p.Percent; *sum > 100 && !full[p.cohort] {
					full[p.cohort] = true
					of := ""
					if v != "" {
						of = " of " + v
					}
					d.fail(fmt.Sprintf("cohorts[%d].supply.percent", p.cohort), "with cohort %s %d percent of the seats%s on %s are released", c.Cohorts[p.cohort].Key, *sum, of, day.Format(dateLayout))
				}
			}
		}
	}
}

func sortedSet[T any](l []T, compare func(T, T) int) []T {
	slices.SortFunc(l, compare)
	return slices.CompactFunc(l, func(a, b T) bool { return compare(a, b) == 0 })
}
