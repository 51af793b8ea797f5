package cycle

import (
	"fmt"
	"testing"

	"jebi/cohort"
	"jebi/data/pgtest"
)

// A person who is found dead between the freeze and the publication stands in the order, and her place is free.
func TestIneligibleSinceTheFreezeKeepNoPlace(t *testing.T) {
	w := newTown(t, 4, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for n := range 4 {
		w.must(w.save(fmt.Sprintf("p%03d", n), anything()))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'dead' WHERE key = 'p002'`)
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	if n := pgtest.Value[int](t, w.url, `SELECT count(*)::int FROM jebi.ticket_member`); n != 4 {
		t.Errorf("%d people in the order, want all 4", n)
	}
	if n := pgtest.Value[int](t, w.url, `
		SELECT count(*)::int FROM jebi.assignment a JOIN jebi.person p ON p.id = a.person_id
		 WHERE p.key = 'p002' AND a.state IN ('assigned', 'confirmed')`); n != 0 {
		t.Error("the dead person kept her place")
	}
	if s := w.stats(); s.Assigned != 3 {
		t.Errorf("%d places, want 3", s.Assigned)
	}
}
