package cycle

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
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
	o, err := Trial(w.ctx, w.db, w.campaign, "a", 40, &TrialBallot{Ballot: mine.Encode()}, w.rand)
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
	chance := func(b TrialBallot) float64 {
		t.Helper()
		b.Ballot = mine.Encode()
		o, err := Trial(w.ctx, w.db, w.campaign, "a", 40, &b, w.rand)
		w.must(err)
		return o.Chance[0].Chance
	}
	if p := chance(TrialBallot{Pool: "care"}); p < 0.8 {
		t.Errorf("the 13th of a pool with 12 seats: %v", p)
	}
	if p := chance(TrialBallot{Weight: 3}); p < 0.6 {
		t.Errorf("with three tickets in the drum: %v", p)
	}
	if p := chance(TrialBallot{Size: 2}); p != 0 {
		t.Errorf("two together, where parties have no seats: %v", p)
	}
	for says, b := range map[string]TrialBallot{
		"no pool": {Pool: "x", Ballot: mine.Encode()}, "the campaign allows 4": {Size: 5, Ballot: mine.Encode()},
		"greatest is 3": {Weight: 4, Ballot: mine.Encode()}, "cannot be read": {Ballot: []byte("{")},
	} {
		_, err = Trial(w.ctx, w.db, w.campaign, "a", 1, &b, w.rand)
		refused(t, err, says)
	}
}

// TestTrialDrawsAreAsTheDraw: the reserve is not theirs, weights are at most the campaign's, parties who do not ask for
// the same are drawn one by one, and seats that came later are a release.
func TestTrialDrawsAreAsTheDraw(t *testing.T) {
	w := newTown(t, 40, 2)
	w.withReserve(6)
	w.recast(func(file string) string { return strings.Replace(file, "max_weight = 3", "max_weight = 1", 1) })
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for _, key := range slices.Sorted(maps.Keys(w.people)) {
		w.must(w.save(key, anything()))
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET weight = 3 WHERE key < 'p010'`)
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.MakeParty(w.ctx, w.row.ID, w.cohort.ID, "torn", []int64{w.people["p000"], w.people["p001"]}, data.System, "sample")
		return err
	}))
	w.must(w.save("p000", anything()))
	pgtest.Exec(t, w.url, `UPDATE jebi.ballot SET bytes = x.b, commit = sha256('slotdraw/v1/ballot'::bytea || '\x00'::bytea || salt || x.b)
		FROM (SELECT person_id AS id, convert_to(replace(convert_from(bytes, 'UTF8'), '"c1","c2","c3"', '"c1","c2"'), 'UTF8') AS b FROM jebi.ballot WHERE person_id = $1) x WHERE person_id = x.id`, w.people["p001"])
	tr, err := newTrials(w.ctx, w.db, w.campaign, "a")
	w.must(err)
	if len(tr.in.Weight) != 40 || slices.Max(tr.in.Weight) != 1 {
		t.Errorf("%d tickets with weights %v", len(tr.in.Weight), tr.in.Weight)
	}
	o, err := Trial(w.ctx, w.db, w.campaign, "a", 20, nil, w.rand)
	w.must(err)
	seats := int64(0)
	for _, s := range o.Clinics {
		seats += s.Seats
	}
	if seats != 18 || o.Served != 18.0/40 {
		t.Errorf("%d seats and %v served: 24 seats, 6 of them in reserve", seats, o.Served)
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	if frozen, err := Trial(w.ctx, w.db, w.campaign, "a", 20, nil, w.rand); err != nil || frozen.Tickets != 40 || frozen.Served != 18.0/40 {
		t.Errorf("what was frozen: %+v, %v", frozen, err)
	}
}

// TestOddsComeOnSchedule: trial draws by the runner at the times of the expression, at most hourly, whoever ticks how
// often; kept coarse; and with the chance of any ballot.
func TestOddsComeOnSchedule(t *testing.T) {
	w := newTown(t, 40, 2)
	w.recast(func(file string) string {
		return strings.Replace(file, `odds = "0 */3 * * *"`, `odds = "*/20 * * * *"`, 1)
	})
	w.runner.Random = w.rand
	w.announce()
	odds := func(at string) (data.OddsRow, error) {
		t.Helper()
		w.at(at)
		w.must(w.runner.TickOdds(w.ctx))
		w.must(w.runner.TickOdds(w.ctx)) // a doubled tick does nothing
		return w.db.OddsOf(w.ctx, w.cohort.ID)
	}
	none := func(at string) {
		t.Helper()
		if _, err := odds(at); !errors.Is(err, data.ErrNotFound) {
			t.Errorf("odds at %s: %v", at, err)
		}
	}
	none("2021-07-13 09:30") // the window is not open
	none("2021-07-14 09:10") // not yet due
	w.at("2021-07-14 09:15")
	w.tick()
	for _, key := range slices.Sorted(maps.Keys(w.people))[:9] {
		w.must(w.save(key, anything()))
	}
	few, err := odds("2021-07-14 09:25")
	w.must(err)
	if _, known := few.Reach.Chance(1, "", 1, []cohort.Choice{anything()}); known || few.Odds.Tickets != 0 || len(few.Odds.Clinics) != 0 {
		t.Errorf("nine ballots are told of: %+v", few.Odds)
	}
	for _, key := range slices.Sorted(maps.Keys(w.people)) {
		w.must(w.save(key, anything()))
	}
	still, err := odds("2021-07-14 10:20") // due by the expression, but within the hour
	w.must(err)
	if !still.MadeAt.Equal(few.MadeAt) {
		t.Errorf("new odds after %s", still.MadeAt.Sub(few.MadeAt))
	}
	_, err = w.db.OddsAfter(w.ctx, w.cohort.ID, few.MadeAt)
	if !errors.Is(err, data.ErrNotFound) {
		t.Errorf("newer than the newest: %v", err)
	}
	o, err := odds("2021-07-14 10:26")
	w.must(err)
	if newer, err := w.db.OddsAfter(w.ctx, w.cohort.ID, few.MadeAt); err != nil || !newer.MadeAt.Equal(o.MadeAt) {
		t.Errorf("the newer ones: %v, %v", newer.MadeAt, err)
	}
	want := cohort.Odds{
		Cohort: "a", Sample: true, Trials: 40, Tickets: 40, Served: 0.6, First: 0.6,
		Clinics: map[string]cohort.OddsShare{},
		Parts:   map[string]cohort.OddsShare{}, Groups: map[string]cohort.OddsShare{"": {Asked: 40, Served: 0.6}},
	}
	for name, s := range o.Odds.Clinics {
		if s.Asked != 40 || s.Seats != 8 || s.PerSeat() != 5 {
			t.Errorf("clinic %s: %+v", name, s)
		}
	}
	got := o.Odds
	got.Clinics, got.Parts = map[string]cohort.OddsShare{}, map[string]cohort.OddsShare{}
	if diff := cmp.Diff(want, got); diff != "" || len(o.Odds.Clinics) != 3 || len(o.Odds.Parts) != 2 {
		t.Errorf("%d clinics, %d parts (-want +got):\n%s", len(o.Odds.Clinics), len(o.Odds.Parts), diff)
	}
	// 24 seats among 41 who take anything; a place that has no slot has no chance; a party finds less room.
	for what, c := range map[string]struct {
		size     int
		choices  []cohort.Choice
		from, to float64
	}{
		"anything":             {1, []cohort.Choice{anything()}, 0.55, 0.62},
		"a day that is not":    {1, []cohort.Choice{choice("c1", "28", "am")}, 0, 0},
		"then anything":        {1, []cohort.Choice{choice("c1", "28", "am"), anything()}, 0.55, 0.62},
		"a party of two":       {2, []cohort.Choice{anything()}, 0.4, 0.6},
		"three with two seats": {3, []cohort.Choice{anything()}, 0, 0},
	} {
		chance, known := o.Reach.Chance(c.size, "", 1, c.choices)
		if last := chance[len(chance)-1]; !known || last < c.from || last > c.to {
			t.Errorf("%s: %v, %v; want %v to %v", what, chance, known, c.from, c.to)
		}
	}
	w.at("2021-07-16 18:00")
	w.tick()
	if after, err := odds("2021-07-16 19:30"); err != nil || !after.MadeAt.Equal(o.MadeAt) {
		t.Errorf("trial draws on closed ballots: %v, %v", after.MadeAt, err)
	}
}

// The number of a ticket of great weight lies deep in the drum, though its rank is early.
func TestDrum(t *testing.T) {
	t.Parallel()
	even, uneven := newDrum(nil, 99), newDrum(slices.Concat(slices.Repeat([]uint16{1}, 50), slices.Repeat([]uint16{3}, 50)), 100)
	for rank, want := range map[float64]float64{0: 0, 50: 0.5, 100: 1, 25: 0.25} {
		if got := even.depth(rank); math.Abs(got-want) > 0.005 {
			t.Errorf("rank %v of 100: %v", rank, got)
		}
	}
	// Half of the drum lies above u where 50u + 50(1-(1-u)³) tickets lie below it.
	u := uneven.depth(50 * 101 / 100)
	if below := 50*u + 50*(1-math.Pow(1-u, 3)); math.Abs(below-50) > 0.5 {
		t.Errorf("%v tickets below %v", below, u)
	}
}
