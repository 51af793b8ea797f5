package cycle

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"jebi/cohort"
	"jebi/data/pgtest"
)

// TestTrialDraws holds the odds against what must come out: 24 seats among 40
// people who take anything, and a pool that is served first.
func TestTrialDraws(t *testing.T) {
	w := newTown(t, 40, 2)
	w.recast(func(file string) string {
		return strings.Replace(file, "seating = \"serial\"\n", "seating = \"fixed\"\nparty_percent = 0\npools = [{ group = \"care\", percent = 50 }]\n", 1)
	})
	pgtest.Exec(t, w.url, `UPDATE jebi.person_detail d SET groups = '{care}' FROM jebi.person p WHERE p.id = d.person_id AND p.key >= 'p028'`)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for _, key := range slices.Sorted(maps.Keys(w.people)) {
		w.must(w.save(key, anything()))
	}
	mine := cohort.Ballot{Draw: "town-a", Person: "me", Choices: []cohort.Choice{anything()}}
	o, err := Trial(w.ctx, w.db, w.campaign, "a", 40, mine.Encode(), w.rand)
	w.must(err)
	if o.Tickets != 40 || o.Trials != 40 || !o.Sample || o.Served != 0.6 || o.First != 0.6 {
		t.Errorf("odds: %+v", o)
	}
	if g := o.Groups["care"]; g.Asked != 12 || g.Served < 0.99 {
		t.Errorf("the pool's 12 have 12 seats first: %+v", g)
	}
	if g := o.Groups[""]; g.Asked != 28 || math.Abs(g.Served-12.0/28) > 0.01 {
		t.Errorf("the others have the rest: %+v", g)
	}
	if len(o.Chance) != 1 || o.Chance[0].Chance < 0.1 || o.Chance[0].Chance > 0.8 {
		t.Errorf("one more ballot's chance is some 12 in 29: %+v", o.Chance)
	}
	if len(o.Clinics) != 3 || len(o.Parts) != 2 {
		t.Errorf("clinics %v, parts %v", o.Clinics, o.Parts)
	}
	_, err = Trial(w.ctx, w.db, w.campaign, "z", 1, nil, w.rand)
	refused(t, err, "no cohort z")
}
