package cohort

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func july(day int) time.Time { return time.Date(2021, 7, day, 0, 0, 0, 0, time.UTC) }

// What must hold of sharing, whatever the seats: no slot gives more than it
// has left, a release gets its percent of its clinic's seats rounded down where
// nothing stands in its way, and an uncovered slot gives nothing.
func TestSharingGivesNoMoreThanThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "releases")
		releases := make([]Release, n)
		rest := 100
		for i := range releases {
			from := rapid.IntRange(1, 10).Draw(t, "from")
			releases[i] = Release{Percent: rapid.IntRange(0, rest).Draw(t, "percent"), From: july(from), To: july(rapid.IntRange(from, 10).Draw(t, "to"))}
			rest -= releases[i].Percent
			if rapid.Bool().Draw(t, "vaccines") {
				releases[i].Vaccines = []string{"AZ"}
			}
		}
		s := NewSharing(releases)
		var out []int
		for range rapid.IntRange(1, 3).Draw(t, "clinics") {
			s.Clinic()
			seen, given := make([]int, n), make([]int, n)
			scarce := false
			for day := 1; day <= 10; day++ {
				seats := rapid.IntRange(0, 9).Draw(t, "seats")
				left := seats
				if rapid.IntRange(0, 9).Draw(t, "promised") == 0 {
					left = rapid.IntRange(0, seats).Draw(t, "left")
				}
				date, vaccine := fmt.Sprintf("2021-07-%02d", day), rapid.SampledFrom([]string{"AZ", "MOD"}).Draw(t, "vaccine")
				out = s.Slot(date, vaccine, seats, left, out)
				sum := 0
				for i, x := range out {
					if x < 0 || x > 0 && !releases[i].Covers(date, vaccine) {
						t.Fatalf("release %d gets %d of %s", i, x, date)
					}
					if releases[i].Covers(date, vaccine) {
						seen[i] += seats
					}
					sum += x
					given[i] += x
				}
				if sum > left {
					t.Fatalf("%v of %d seats", out, left)
				}
				scarce = scarce || left < seats || sum == left
				for i, r := range releases {
					if given[i] > r.Percent*seen[i]/100 {
						t.Fatalf("release %d has %d of %d seats at %d %%", i, given[i], seen[i], r.Percent)
					}
					if !scarce && given[i] != r.Percent*seen[i]/100 {
						t.Fatalf("release %d has only %d of %d seats at %d %%", i, given[i], seen[i], r.Percent)
					}
				}
			}
		}
	})
}

func TestWholeSupplyIsShared(t *testing.T) {
	all := Release{From: july(1), To: july(31)}
	half, rest := all, all
	half.Percent, rest.Percent = 50, 50
	s := NewSharing([]Release{half, rest})
	s.Clinic()
	sum := [2]int{}
	for day := 1; day <= 10; day++ {
		for i, x := range s.Slot(fmt.Sprintf("2021-07-%02d", day), "AZ", 1, 1, nil) {
			sum[i] += x
		}
	}
	// Ten slots of one seat: neither loses all of them to rounding, and no seat is given twice.
	if sum[0] != 5 || sum[1] < 4 || sum[0]+sum[1] > 10 {
		t.Errorf("shares %v", sum)
	}
}

func TestLateComersJoinTheNextWindow(t *testing.T) {
	at := func(day int) time.Time { return july(day) }
	c := &Campaign{Cohorts: []Cohort{
		{Key: "a", BirthFrom: 1960, BirthTo: 1964, Opens: at(1)},
		{Key: "b", BirthFrom: 1965, BirthTo: 1969, Opens: at(5), Regions: []string{"north"}},
		{Key: "c", BirthFrom: 1970, BirthTo: 1974, Opens: at(9)},
		{Key: "d", BirthFrom: 1975, BirthTo: 1979, Opens: at(12), Groups: []string{"care"}},
	}}
	takes := func(keys string) func(*Cohort) bool {
		return func(o *Cohort) bool {
			for _, k := range keys {
				if o.Key == string(k) {
					return true
				}
			}
			return false
		}
	}
	for _, x := range []struct {
		facts PersonFacts
		takes string
		want  string
	}{
		{PersonFacts{BirthYear: 1962}, "abcd", "a"},
		{PersonFacts{BirthYear: 1962}, "bcd", "c"}, // b is another region's
		{PersonFacts{BirthYear: 1962, District: "north"}, "bcd", "b"},
		{PersonFacts{BirthYear: 1962}, "d", ""},
		{PersonFacts{BirthYear: 1962, Groups: []string{"care"}}, "d", "d"},
		{PersonFacts{BirthYear: 1972}, "ab", ""}, // earlier ones are no comfort
		{PersonFacts{BirthYear: 1950}, "abcd", ""},
	} {
		got := ""
		if o := c.LateCohort(x.facts, takes(x.takes)); o != nil {
			got = o.Key
		}
		if got != x.want {
			t.Errorf("%+v while %q take: %q, want %q", x.facts, x.takes, got, x.want)
		}
	}
}
