package campaign

import (
	"strings"

	"jebi/cohort"
)

// Forbidden lists the changes that may not be applied any more. states holds
// the state of each cohort that was applied before, by its key.
//
// What a campaign is (its key, whether it is a sample) never changes. Once any
// cohort is announced, what its manifest promised stands: the rules, the day
// parts, the authority, the zone, the districts that are listed, and every key
// of that cohort. A cohort that is still a draft may change; new cohorts and
// new districts may come; names, contact, languages, senders and the cron
// expressions may change at any time. A cohort that was applied is never
// dropped once it is announced.
func Forbidden(changes []Change, states map[string]cohort.State) []Change {
	announced := false
	for _, s := range states {
		announced = announced || s != cohort.Draft
	}
	var no []Change
	for _, c := range changes {
		if len(states) > 0 && (c.Key == "key" || c.Key == "sample") || announced && promised(c, states) {
			no = append(no, c)
		}
	}
	return no
}

func promised(c Change, states map[string]cohort.State) bool {
	section, rest, _ := strings.Cut(c.Key, ".")
	switch section {
	case "rules", "authority", "zone":
		return true
	case "day_parts":
		return !strings.Contains(rest, ".name.") // a text of theirs may be corrected
	case "districts":
		return c.New == "" && !strings.Contains(rest, ".name.")
	case "cohorts":
		key, field, _ := strings.Cut(rest, ".")
		s, applied := states[key]
		return applied && s != cohort.Draft && !strings.HasPrefix(field, "name.")
	}
	return false
}
