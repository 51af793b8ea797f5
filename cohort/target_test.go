package cohort

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargetClinics(t *testing.T) {
	sites := []Site{{"C2", "d1", 37.48, 126.95}, {"C1", "d1", 37.49, 126.95}, {"C3", "d2", 37.60, 126.95}}
	home := &[2]float64{37.48, 126.95}
	for _, c := range []struct {
		target string
		named  []string
		home   *[2]float64
		want   []string
	}{
		{"clinics", []string{"C3", "C9", "C1"}, home, []string{"C1", "C3"}},
		{"clinics", nil, home, nil},
		{"district:d1", nil, nil, []string{"C1", "C2"}},
		{"district:d9", nil, nil, nil},
		{"near:1500", nil, home, []string{"C1", "C2"}},
		{"near:100", nil, home, []string{"C2"}},
		{"near:1500", nil, nil, nil},
		{"near:x", nil, home, nil},
		{"anywhere", []string{"C1"}, home, nil},
	} {
		if diff := cmp.Diff(c.want, TargetClinics(c.target, c.named, sites, c.home)); diff != "" {
			t.Errorf("%s: %s", c.target, diff)
		}
	}
}

func TestDistance(t *testing.T) {
	// One degree of latitude is 111.195 km on a globe of that radius.
	if d := Distance(37, 127, 38, 127); math.Abs(d-111195) > 1 {
		t.Errorf("a degree of latitude is %.0f m", d)
	}
	if d := Distance(37.5, 127, 37.5, 127); d != 0 {
		t.Errorf("a point is %.3f m from itself", d)
	}
	if d := Distance(0, 0, 0, 180); math.Abs(d-math.Pi*6371008.8) > 1 {
		t.Errorf("half the equator is %.0f m", d)
	}
}
