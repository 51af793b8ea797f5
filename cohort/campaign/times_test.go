package campaign

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// momentsOf finds exactly the moments whose wall clock is the one asked for,
// however a zone's clocks are changed.
func TestMomentsOf(t *testing.T) {
	zones := []string{"Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "America/St_Johns", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		minute := rapid.Int64Range(0, 60*24*366*4).Draw(t, "minute")
		at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(minute) * time.Minute)
		shown := at.In(zone).Format(time.DateTime)
		wall, err := time.Parse(time.DateTime, shown)
		if err != nil {
			t.Fatal(err)
		}
		found := momentsOf(wall, zone)
		has := false
		for _, m := range found {
			has = has || m.Equal(at)
			if m.Format(time.DateTime) != shown {
				t.Fatalf("%v shows %s, not %s", m, m.Format(time.DateTime), shown)
			}
		}
		if !has || len(found) > 2 {
			t.Fatalf("%v shows %s; found %v", at, shown, found)
		}
		// Lord Howe's clocks change by half an hour, the others' by one.
		for _, d := range []time.Duration{-time.Hour, -30 * time.Minute, 30 * time.Minute, time.Hour} {
			if other := at.Add(d); other.In(zone).Format(time.DateTime) == shown && len(found) != 2 {
				t.Fatalf("%s is shown at %v and at %v; found %v", shown, at, other, found)
			}
		}
	})
}

func TestDurationsReadWhatTheyShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, 60*24*60).Draw(t, "minutes")) * time.Minute
		if got, err := parseDuration(showDuration(d)); err != nil || got != d {
			t.Fatalf("%v is shown as %s and read as %v, %v", d, showDuration(d), got, err)
		}
	})
}
