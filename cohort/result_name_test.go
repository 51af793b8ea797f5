package cohort

import "testing"

func TestBundleNames(t *testing.T) {
	for _, x := range []struct {
		name, draw string
		n          int
	}{
		{"town-a", "town-a", 0},
		{"town-a-correction-1", "town-a", 1},
		{"town-a-correction-12", "town-a", 12},
		{"town-a-correction-0", "town-a-correction-0", 0},
		{"town-a-correction-01", "town-a-correction-01", 0},
		{"town-a-correction-", "town-a-correction-", 0},
		{"-correction-1", "-correction-1", 0},
		{"town-a-correction-1-correction-2", "town-a-correction-1", 2},
		{"x-correction-40000", "x-correction-40000", 0},
	} {
		draw, n := ParseBundleName(x.name)
		if draw != x.draw || n != x.n {
			t.Errorf("%s: %s, %d, want %s, %d", x.name, draw, n, x.draw, x.n)
		}
		if BundleName(draw, n) != x.name {
			t.Errorf("%s comes back as %s", x.name, BundleName(draw, n))
		}
	}
}
