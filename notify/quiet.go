package notify

import (
	"time"

	"jebi/cohort"
)

// quiet says whether messages rest at a moment.
func quiet(c *cohort.Campaign, now time.Time) bool {
	from, to := c.Rules.QuietFrom, c.Rules.QuietTo
	clock := now.In(c.Location).Format("1504")
	if from <= to {
		return from <= clock && clock < to
	}
	return clock >= from || clock < to
}

// day is the campaign's calendar day of a moment, as a date in UTC.
func day(c *cohort.Campaign, now time.Time) time.Time {
	y, m, d := now.In(c.Location).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
