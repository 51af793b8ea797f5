package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date writes a day out: "Wednesday 14 July", "7월 14일(수)".
func (b *Book) Date(lang string, t time.Time) string {
	return b.Text(lang, "time.date", map[string]any{
		"day":     t.Day(),
		"month":   b.Text(lang, "time.month."+strconv.Itoa(int(t.Month())), nil),
		"weekday": b.Text(lang, "time.weekday."+strconv.Itoa(int(t.Weekday())), nil),
	})
}

// ShortDate is Date for a narrow place: "Wed 14 July", "7월 14일(수)".
func (b *Book) ShortDate(lang string, t time.Time) string {
	return b.Text(lang, "time.date.short", map[string]any{
		"day":     t.Day(),
		"month":   b.Text(lang, "time.month."+strconv.Itoa(int(t.Month())), nil),
		"weekday": b.Text(lang, "time.weekday.short."+strconv.Itoa(int(t.Weekday())), nil),
	})
}

// FullDate is Date with its year.
func (b *Book) FullDate(lang string, t time.Time) string {
	return b.Text(lang, "time.date.full", map[string]any{"year": t.Year(), "date": b.Date(lang, t)})
}

// Clock writes a time of day: "9:00", "오전 9시", "오후 6시 30분".
func (b *Book) Clock(lang string, t time.Time) string {
	half, key := "time.am", "time.clock"
	if t.Hour() >= 12 {
		half = "time.pm"
	}
	if t.Minute() == 0 {
		key = "time.clock.hour"
	}
	h12 := t.Hour() % 12
	if t.Hour() == 12 {
		h12 = 12
	}
	return b.Text(lang, key, map[string]any{
		"half": b.Text(lang, half, nil), "hour12": h12, "hour": t.Hour(),
		"minute": t.Minute(), "minute2": fmt.Sprintf("%02d", t.Minute()),
	})
}

// When writes a moment in the given zone: "Wednesday 14 July, 9:00",
// "7월 14일(수) 오전 9시". A nil zone is UTC.
func (b *Book) When(lang string, t time.Time, zone *time.Location) string {
	t = in(t, zone)
	return b.Text(lang, "time.when", map[string]any{"date": b.Date(lang, t), "clock": b.Clock(lang, t)})
}

// Span writes a stretch of time in the given zone, the day only once where it
// begins and ends on the same.
func (b *Book) Span(lang string, from, to time.Time, zone *time.Location) string {
	from, to = in(from, zone), in(to, zone)
	if from.Year() == to.Year() && from.YearDay() == to.YearDay() {
		return b.Text(lang, "time.span.day", map[string]any{
			"date": b.Date(lang, from), "from": b.Clock(lang, from), "to": b.Clock(lang, to),
		})
	}
	return b.Text(lang, "time.span", map[string]any{"from": b.When(lang, from, zone), "to": b.When(lang, to, zone)})
}

// Block writes the start of a block ("0930") as a time of day; anything else
// as it is.
func (b *Book) Block(lang, block string) string {
	t, err := time.Parse("1504", block)
	if err != nil {
		return block
	}
	return b.Clock(lang, t)
}

// Lasting writes a duration in its largest whole unit, rounded down: "2 days".
func (b *Book) Lasting(lang string, d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return b.Text(lang, "time.days", map[string]any{"n": int(d / (24 * time.Hour))})
	case d >= 2*time.Hour:
		return b.Text(lang, "time.hours", map[string]any{"n": int(d / time.Hour)})
	}
	return b.Text(lang, "time.minutes", map[string]any{"n": max(1, int(d/time.Minute))})
}

// Distance writes metres: "850 m", "1.2 km", "2 km".
func (b *Book) Distance(lang string, metres float64) string {
	if metres < 995 {
		return b.Text(lang, "time.metres", map[string]any{"n": max(10, int(metres/10+0.5)*10)})
	}
	return b.Text(lang, "time.kilometres", map[string]any{"n": strings.TrimSuffix(strconv.FormatFloat(metres/1000, 'f', 1, 64), ".0")})
}

// Number writes a whole number with separators: "27,600".
func (b *Book) Number(lang string, n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + b.Text(lang, "time.thousands", nil) + s[i:]
	}
	return sign + s
}

func in(t time.Time, zone *time.Location) time.Time {
	if zone == nil {
		return t.UTC()
	}
	return t.In(zone)
}
