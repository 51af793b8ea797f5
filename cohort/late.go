package cohort

// LateCohort gives the cohort for a person whose own window was past before
// she came onto the list: her own, while it takes her, else the next one
// whose window has not closed and which her region and groups belong to,
// whatever her birth year; nil where there is none. takes says whether a
// cohort's window is still to come or open.
func (c *Campaign) LateCohort(p PersonFacts, takes func(*Cohort) bool) *Cohort {
	own := c.CohortFor(p)
	if own == nil || takes(own) {
		return own
	}
	var next *Cohort
	for i := range c.Cohorts {
		o := &c.Cohorts[i]
		q := p
		q.BirthYear = o.BirthFrom
		if !o.Opens.Before(own.Opens) && takes(o) && o.Admits(q) && (next == nil || o.Opens.Before(next.Opens)) {
			next = o
		}
	}
	return next
}
