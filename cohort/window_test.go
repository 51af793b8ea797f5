package cohort

import (
	"testing"
	"time"
)

func TestTakesBallots(t *testing.T) {
	opens := time.Date(2021, 7, 14, 0, 0, 0, 0, time.UTC)
	closes := opens.Add(8 * time.Hour)
	for _, c := range []struct {
		name   string
		state  State
		paused bool
		now    time.Time
		want   bool
	}{
		{"the first moment", Open, false, opens, true},
		{"a moment before", Open, false, opens.Add(-1), false},
		{"the last moment", Open, false, closes.Add(-1), true},
		{"the close", Open, false, closes, false},
		{"a late scheduler", Announced, false, opens, true},
		{"announced, too early", Announced, false, opens.Add(-1), false},
		{"paused", Open, true, opens.Add(time.Hour), false},
		{"draft", Draft, false, opens.Add(time.Hour), false},
		{"closed early", Closed, false, opens.Add(time.Hour), false},
		{"frozen", Frozen, false, opens.Add(time.Hour), false},
		{"void", Void, false, opens.Add(time.Hour), false},
	} {
		if got := TakesBallots(c.state, opens, closes, c.paused, c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
