package campaign

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"jebi/cohort"
)

// Schedule is a checked cron expression in a campaign's zone.
type Schedule struct {
	schedule cron.Schedule
	zone     *time.Location
}

// ParseSchedule reads an expression of five fields: minute, hour, day of the
// month, month, day of the week. It refuses a zone, seconds, and an
// expression that never comes true.
func ParseSchedule(expression string, zone *time.Location) (s Schedule, err error) {
	// The parser panics on some texts, "TZ=0" for one.
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%q is not a cron expression", expression)
		}
	}()
	if strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		return Schedule{}, errors.New("a cron expression has no zone of its own; it is read in the campaign's")
	}
	if strings.HasPrefix(expression, "@") {
		return Schedule{}, errors.New("write the five fields out: minute, hour, day of the month, month, day of the week")
	}
	p := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := p.Parse(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("%q is not a cron expression: %w", expression, err)
	}
	s = Schedule{parsed, zone}
	// Any day that exists comes within eight years, the longest way between two 29 February.
	start := time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC)
	if s.Next(start).IsZero() && s.Next(start.AddDate(4, 0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("%q never comes true", expression)
	}
	return s, nil
}

// Next is the first time after t at which the expression comes true, in UTC;
// zero where none comes within five years.
func (s Schedule) Next(t time.Time) time.Time {
	n := s.schedule.Next(t.In(s.zone))
	if n.IsZero() {
		return n
	}
	return n.UTC()
}

// The expressions of recurring work that a file without them has.
const (
	usualRefill    = "*/10 9-20 * * *"
	usualReminders = "0 10 * * *"
	usualOdds      = "0 * * * *"
	usualRetention = "30 3 * * *"
	usualSeal      = "*/5 * * * *"
)

func (t *table) recurring(c *cohort.Campaign) {
	r := &c.Recurring
	*r = cohort.Recurring{Refill: usualRefill, Reminders: usualReminders, Odds: usualOdds, Retention: usualRetention, Seal: usualSeal}
	if t == nil {
		return
	}
	for _, e := range []struct {
		key string
		to  *string
	}{{"refill", &r.Refill}, {"reminders", &r.Reminders}, {"odds", &r.Odds}, {"retention", &r.Retention}, {"seal", &r.Seal}} {
		if !t.has(e.key) {
			t.read[e.key] = true
			continue
		}
		zone := c.Location
		if zone == nil {
			zone = time.UTC
		}
		*e.to = t.text(e.key)
		s, err := ParseSchedule(*e.to, zone)
		if err != nil {
			t.fail(t.in(e.key), "%s: %v", t.in(e.key), err)
			continue
		}
		if e.key == "refill" || e.key == "reminders" {
			t.warnAtNight(e.key, s, c.Rules)
		}
	}
	t.done()
}

// warnAtNight warns of work that writes to people while they are asleep.
func (t *table) warnAtNight(key string, s Schedule, r cohort.Rules) {
	if r.QuietFrom == "" || r.QuietTo == "" {
		return
	}
	at := time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)
	end := at.AddDate(1, 0, 0)
	for range 1500 { // a day of a minute's expression, or a year
		if at = s.Next(at); at.IsZero() || at.After(end) {
			return
		}
		if clock := hhmm(at.In(s.zone)); within(clock, r.QuietFrom, r.QuietTo) {
			t.warn(t.in(key), "%s also comes at %s:%s, when messages rest (rules.quiet_from, rules.quiet_to)", t.in(key), clock[:2], clock[2:])
			return
		}
	}
}
