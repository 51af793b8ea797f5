package cohort

import "time"

// TakesBallots says whether a window accepts a ballot at the moment now, which
// is the database's time read under the window's lock. A scheduler that is
// late keeps no announced window shut and no open one open: state and time
// decide together. opens is inclusive, closes exclusive.
func TakesBallots(s State, opens, closes time.Time, paused bool, now time.Time) bool {
	return (s == Open || s == Announced) && !paused && !now.Before(opens) && now.Before(closes)
}
