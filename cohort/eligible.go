package cohort

import "slices"

// PersonFacts is what eligibility is decided by.
type PersonFacts struct {
	BirthYear int
	District  string
	Groups    []string
}

// Admits says whether a person belongs to the cohort by birth year, region and group.
func (c *Cohort) Admits(p PersonFacts) bool {
	if p.BirthYear < c.BirthFrom || p.BirthYear > c.BirthTo {
		return false
	}
	if len(c.Regions) > 0 && !slices.Contains(c.Regions, p.District) {
		return false
	}
	if len(c.Groups) == 0 {
		return true
	}
	return slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(c.Groups, g) })
}

// CohortFor gives the first cohort in the file's order that admits the person, or nil.
func (c *Campaign) CohortFor(p PersonFacts) *Cohort {
	for i := range c.Cohorts {
		if c.Cohorts[i].Admits(p) {
			return &c.Cohorts[i]
		}
	}
	return nil
}
