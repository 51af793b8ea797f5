package campaign

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

const (
	timeLayout = "2006-01-02 15:04"
	dateLayout = "2006-01-02"
)

// localTime reads a time of the campaign's zone, "2021-07-14 09:00", as UTC.
func (t *table) localTime(key string, zone *time.Location) time.Time {
	return t.localValue(key, timeLayout, "a time", "2021-07-14 09:00", zone).UTC()
}

// localDate reads a day of the campaign's zone, "2021-07-26", as its first moment.
func (t *table) localDate(key string, zone *time.Location) time.Time {
	return t.localValue(key, dateLayout, "a date", "2021-07-26", zone)
}

func (t *table) localValue(key, layout, kind, example string, zone *time.Location) time.Time {
	v := t.value(key, true)
	if v == nil {
		return time.Time{}
	}
	path := t.in(key)
	s := ""
	switch v := v.(type) {
	case string:
		s = v
	case toml.LocalDateTime:
		s = strings.TrimSuffix(strings.Replace(v.String(), "T", " ", 1), ":00")
	case toml.LocalDate:
		s = v.String()
	case time.Time:
		t.fail(path, "%s has an offset from UTC; times in a campaign file are those of its zone, as in %q", path, example)
		return time.Time{}
	default:
		t.wrongType(path, v, fmt.Sprintf("%s like %q", kind, example))
		return time.Time{}
	}
	wall, err := time.Parse(layout, s)
	if err != nil {
		why := "is not " + kind + " like " + strconv.Quote(example)
		if strings.HasSuffix(err.Error(), "out of range") {
			why = "does not exist in the calendar"
		}
		t.fail(path, "%s: %q %s", path, s, why)
		return time.Time{}
	}
	if zone == nil { // named already
		return time.Time{}
	}
	moments := momentsOf(wall, zone)
	switch len(moments) {
	case 0:
		t.fail(path, "%s: %s does not exist in %s: the clocks are put forward over it", path, s, zone)
		return time.Time{}
	case 2:
		t.fail(path, "%s: %s comes twice in %s: the clocks are put back over it", path, s, zone)
		return time.Time{}
	}
	return moments[0]
}

// momentsOf lists the moments at which clocks of the zone show what wall shows in UTC.
func momentsOf(wall time.Time, zone *time.Location) []time.Time {
	var found []time.Time
	for _, around := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(around).In(zone).Zone()
		m := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if m.Format(time.DateTime) == wall.Format(time.DateTime) && (len(found) == 0 || !found[0].Equal(m)) {
			found = append(found, m)
		}
	}
	return found
}

// clock reads a time of day, "0900"; "2400" only where it ends something.
func (t *table) clock(key string, end bool) string {
	s := t.text(key)
	if s != "" && !(end && s == "2400") {
		if _, err := time.Parse("1504", s); err != nil || len(s) != 4 {
			t.fail(t.in(key), "%s: %q is not a time of day like \"0900\"", t.in(key), s)
			return ""
		}
	}
	return s
}

// duration reads "90m", "36h" or "2d"; without one it is usual.
func (t *table) duration(key string, usual, low, high time.Duration) time.Duration {
	if !t.has(key) {
		t.read[key] = true
		return usual
	}
	s := t.text(key)
	if s == "" {
		return 0
	}
	d, err := parseDuration(s)
	if err != nil {
		t.fail(t.in(key), "%s: %q is not a duration like \"90m\", \"36h\" or \"2d\"", t.in(key), s)
		return 0
	}
	if d < low || d > high || d%time.Minute != 0 {
		t.fail(t.in(key), "%s is %s; it must be whole minutes from %s to %s", t.in(key), s, showDuration(low), showDuration(high))
		return 0
	}
	return d
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// showDuration is the form that parseDuration reads.
func showDuration(d time.Duration) string {
	switch {
	case d != 0 && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// hhmm is the time of day of a moment in its location.
func hhmm(t time.Time) string { return t.Format("1504") }

// within says whether a time of day lies in [from, to), which may pass midnight.
func within(clock, from, to string) bool {
	if from <= to {
		return from <= clock && clock < to
	}
	return clock >= from || clock < to
}
