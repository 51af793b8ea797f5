package cohort

import "slices"

// Sharing deals out one campaign's supply to the draws of its cohorts, clinic
// by clinic, in slot order: date, block, vaccine. A cohort's share is rounded
// down over the clinic's seats so far, not slot by slot, so that small slots
// lose nothing; no slot ever gives more than it has.
type Sharing struct {
	releases []Release
	seen     []int // seats of this clinic so far that the release covers
	given    []int // of them, given to the cohort
}

// NewSharing begins with the releases in the order of the campaign file:
// where two would need the same seat, the earlier one has it.
func NewSharing(releases []Release) *Sharing {
	return &Sharing{releases, make([]int, len(releases)), make([]int, len(releases))}
}

// Clinic begins the next clinic.
func (s *Sharing) Clinic() {
	clear(s.seen)
	clear(s.given)
}

// Slot gives each release's seats of the clinic's next slot. date is
// "2021-07-26"; left is how many of its seats are not promised yet.
func (s *Sharing) Slot(date, vaccine string, seats, left int, out []int) []int {
	out = append(out[:0], make([]int, len(s.releases))...)
	for i, r := range s.releases {
		if !r.Covers(date, vaccine) {
			continue
		}
		s.seen[i] += seats
		out[i] = max(0, min(r.Percent*s.seen[i]/100-s.given[i], left))
		s.given[i] += out[i]
		left -= out[i]
	}
	return out
}

// Covers says whether a slot of the date and vaccine belongs to the release.
func (r Release) Covers(date, vaccine string) bool {
	const day = "2006-01-02"
	return r.Percent > 0 && r.From.Format(day) <= date && date <= r.To.Format(day) &&
		(len(r.Vaccines) == 0 || slices.Contains(r.Vaccines, vaccine))
}
