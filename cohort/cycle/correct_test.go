package cycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

func (w *town) correct(reason string) (e CorrectionEntry, err error) {
	err = w.tx(func(tx *data.Tx) (err error) {
		e, err = w.runner.Correct(w.ctx, tx, w.row.ID, "a", reason, w.both())
		return err
	})
	return e, err
}

// wronglyDrawn brings a town to a draw by the plain serial order, though
// flexible seating was announced: a program that gave places by a wrong rule.
func wronglyDrawn(t *testing.T, people, seats, reserve int) *town {
	t.Helper()
	w := newTown(t, people, seats)
	w.recast(func(file string) string {
		file = strings.Replace(file, "reserve = 0\n", fmt.Sprintf("reserve = %d\n", reserve), 1)
		return strings.Replace(file, "seating = \"serial\"\n", "seating = \"flexible\"\n", 1)
	})
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for n := range people { // some can have anything, some one clinic only: flexible seating serves more
		choices := []cohort.Choice{anything()}
		if n%3 == 0 {
			choices = []cohort.Choice{choice("c1", "26", "am pm"), choice("c2", "26 27", "am")}
		}
		w.must(w.save(fmt.Sprintf("p%03d", n), choices...))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 10:00")
	wrong, cohorts := *w.campaign, []cohort.Cohort{*w.campaign.CohortByKey("a")}
	cohorts[0].Seating = "serial"
	wrong.Cohorts = cohorts
	w.must(w.runner.draw(w.ctx, &wrong, w.state()))
	w.is(cohort.Drawn)
	return w
}

// outcomes are the recorded results by rank: "choice slot".
func (w *town) outcomes(number int) []string {
	w.t.Helper()
	var out []string
	w.must(w.tx(func(tx *data.Tx) error {
		return tx.EachOutcome(w.ctx, w.cohort.ID, number, func(o data.OutcomeRow, _ [16]byte) error {
			out = append(out, fmt.Sprint(o.Choice, " ", o.Slot))
			return nil
		})
	}))
	return out
}

func TestCorrectRefuses(t *testing.T) {
	w := newTown(t, 14, 1)
	w.frozen()
	_, err := w.correct("x")
	refused(t, err, "no result to correct")
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	before := w.fingerprint()
	_, err = w.correct("")
	refused(t, err, "needs a reason")
	_, err = w.correct("we do not like it")
	refused(t, err, "nothing to correct")
	err = w.tx(func(tx *data.Tx) error {
		_, err := w.runner.Correct(w.ctx, tx, w.row.ID, "a", "x", data.System)
		return err
	})
	refused(t, err, "two officials")
	if after := w.fingerprint(); after != before {
		t.Errorf("refusals changed something:\n%s\nbefore\n%s", after, before)
	}
	// Another seed, another order: that is no correction.
	pgtest.Unguarded(t, w.url, "jebi_owner", "jebi", `UPDATE draw SET seed = sha256('x')`)
	_, err = w.correct("x")
	refused(t, err, "corrected on the same seed")
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	claims, err := lottery.ParseClaims(d.Claims)
	w.must(err)
	pgtest.Unguarded(t, w.url, "jebi_owner", "jebi", fmt.Sprintf(`UPDATE draw SET seed = '\x%s'; UPDATE ticket SET entity = substr(sha256('x'), 1, 16) WHERE rank = 2`, claims.Seed))
	_, err = w.correct("x")
	refused(t, err, "rank 2 is not the ticket")
}

// TestCorrectBeforePublication: nobody was told yet, so the corrected places
// take effect.
func TestCorrectBeforePublication(t *testing.T) {
	w := wronglyDrawn(t, 20, 1, 0)
	was := w.outcomes(0)
	e, err := w.correct("places were given by the wrong rule")
	w.must(err)
	if e.Number != 1 || e.Tickets == 0 || e.Seated+e.First+e.Kept != 0 {
		t.Errorf("%+v", e)
	}
	if strings.Join(w.outcomes(0), ",") != strings.Join(was, ",") {
		t.Error("the result as it was drawn is not what it was")
	}
	_, err = w.correct("again")
	refused(t, err, "nothing to correct")
	if n := w.count(`SELECT count(*)::int FROM jebi.message WHERE kind = 'correction'`); n != 0 {
		t.Errorf("%d people were told before publication", n)
	}
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	s := w.stats()
	if s.Assigned+s.Waiting != 20 || s.Assigned != 12 {
		t.Errorf("%d have a place, %d wait", s.Assigned, s.Waiting)
	}
	w.bothPublic()
	for p := range w.people {
		x, err := Explain(w.ctx, w.db, w.people[p])
		w.must(err)
		granted := 0
		for _, c := range x.Choices {
			if c.Granted {
				granted = c.Choice
			}
		}
		if granted != x.Choice {
			t.Errorf("%s: granted %d by the corrected cut-offs, has %d", p, granted, x.Choice)
		}
	}
}

// bothPublic checks that both results are public, verify, and that the corrected one is what auditors get.
func (w *town) bothPublic() {
	w.t.Helper()
	dir := w.t.TempDir()
	p, err := Publish(w.ctx, w.db, w.campaign, w.row.ID, dir, nil)
	w.must(err)
	if len(p.Bundles) != 2 || p.Bundles[0] != "town-a" || p.Bundles[1] != "town-a-correction-1" {
		w.t.Errorf("bundles: %v", p.Bundles)
	}
	auditors := filepath.Join(w.t.TempDir(), "audit")
	w.must(WriteAuditors(w.ctx, w.db, w.campaign, w.cohort.ID, auditors))
	claims := map[string][]byte{}
	for _, name := range p.Bundles {
		folder := filepath.Join(dir, "draws", name)
		file, err := os.ReadFile(filepath.Join(folder, lottery.FileClaims))
		w.must(err)
		claims[name] = file
		manifest, err := os.ReadFile(filepath.Join(folder, lottery.FileManifest))
		w.must(err)
		audit, err := Auditing(manifest, os.DirFS(auditors))
		w.must(err)
		report := lottery.Verify(os.DirFS(folder), lottery.VerifyOptions{})
		if !report.OK(false) {
			w.t.Errorf("%s: %+v", name, report.Parts)
		}
		audited := lottery.Verify(os.DirFS(folder), lottery.VerifyOptions{Audit: audit})
		if right := name != "town-a"; audited.OK(false) != right {
			w.t.Errorf("%s: an auditor finds it right %t, want %t: %+v", name, !right, right, audited.Parts)
		}
	}
	if bytes.Equal(claims[p.Bundles[0]], claims[p.Bundles[1]]) {
		w.t.Error("both have the same claims")
	}
	var e CorrectionEntry
	w.must(json.Unmarshal(pgtest.Value[[]byte](w.t, w.url, `SELECT body FROM jebi.board WHERE kind = 'correction'`), &e))
	if e.Files[lottery.FileClaims] != lottery.FileHash(claims["town-a-correction-1"]) || e.Before[lottery.FileClaims] != lottery.FileHash(claims["town-a"]) || e.Reason == "" {
		w.t.Errorf("the board has %+v", e)
	}
}

// TestCorrectAfterPublication: nobody loses what she was told of; who should have had a place gets one, or the next.
func TestCorrectAfterPublication(t *testing.T) {
	for name, x := range map[string]struct{ people, seats, reserve int }{
		"nothing in reserve": {20, 1, 0},
		"a reserve":          {40, 2, 9},
	} {
		t.Run(name, func(t *testing.T) { correctPublished(t, wronglyDrawn(t, x.people, x.seats, x.reserve), x.reserve > 0) })
	}
}

func correctPublished(t *testing.T, w *town, reserve bool) {
	t.Helper()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	had := w.places()
	// Two gave theirs back meanwhile: seats are free.
	pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'declined', ended_at = jebi.jebi_now() WHERE id IN (SELECT id FROM jebi.assignment WHERE choice = 1 ORDER BY rank DESC LIMIT 2)`)
	kept := w.places()
	if len(kept) != len(had)-2 {
		t.Fatalf("%d places", len(kept))
	}
	e, err := w.correct("places were given by the wrong rule")
	w.must(err)
	if e.Tickets == 0 || e.Seated+e.First == 0 {
		t.Errorf("%+v: the test wants somebody who should have had a place", e)
	}
	if reserve != (e.Seated > 0) {
		t.Errorf("%d are seated at once", e.Seated)
	}
	now := w.places()
	for person := range kept {
		if _, ok := now[person]; !ok {
			t.Errorf("person %d lost her place", person)
		}
	}
	if len(now) != len(kept)+e.Seated-w.count(`SELECT count(*)::int FROM jebi.assignment WHERE state = 'moved'`) {
		t.Errorf("%d places, before %d, %d were seated", len(now), len(kept), e.Seated)
	}
	s := w.stats()
	if s.SeatsLeft < 0 {
		t.Errorf("%+v", s)
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.waiting WHERE cancelled AND state = 'waiting'`); n != e.First {
		t.Errorf("%d are first in line, the board has %d", n, e.First)
	}
	told := w.count(`SELECT count(DISTINCT person_id)::int FROM jebi.message WHERE kind = 'correction'`)
	if told != e.Seated+e.First+e.Kept {
		t.Errorf("%d are told, of %d + %d + %d", told, e.Seated, e.First, e.Kept)
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.audit WHERE act = 'draw.correct' AND second_id IS NOT NULL AND reason <> ''`); n != 1 {
		t.Errorf("%d rows on the trail", n)
	}
	w.bothPublic()
	// The next seat that comes free goes to who is owed one.
	if e.First > 0 {
		pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'declined', ended_at = jebi.jebi_now() WHERE state IN ('assigned', 'confirmed')`)
		w.must(w.tx(func(tx *data.Tx) error {
			_, err := Batch(w.ctx, tx, w.campaign, w.state(), w.both(), "x")
			return err
		}))
		if n := w.count(`SELECT count(*)::int FROM jebi.offer o JOIN jebi.waiting x USING (cohort_id, rank) WHERE o.state = 'live' AND x.cancelled`); n != e.First {
			t.Errorf("%d offers to who is owed a place, want %d", n, e.First)
		}
	}
}

// places are who has which slot.
func (w *town) places() map[int64]int64 {
	w.t.Helper()
	out := map[int64]int64{}
	people := pgtest.Values[int64](w.t, w.url, `SELECT person_id FROM jebi.assignment WHERE state IN ('assigned', 'confirmed') ORDER BY id`)
	slots := pgtest.Values[int64](w.t, w.url, `SELECT slot_id FROM jebi.assignment WHERE state IN ('assigned', 'confirmed') ORDER BY id`)
	for i, p := range people {
		out[p] = slots[i]
	}
	return out
}

// TestCorrectionUnderWayWhenPublicationIsDue: the scheduler waits for it, and publishes the corrected result.
func TestCorrectionUnderWayWhenPublicationIsDue(t *testing.T) {
	w := wronglyDrawn(t, 20, 1, 0)
	w.at("2021-07-17 14:00")
	ticked := make(chan error, 1)
	w.must(w.tx(func(tx *data.Tx) error {
		if _, err := w.runner.Correct(w.ctx, tx, w.row.ID, "a", "places were given by the wrong rule", w.both()); err != nil {
			return err
		}
		go func() { ticked <- w.runner.TickCohort(w.ctx, w.campaign.Key, "a") }()
		pgtest.Waiting(t, w.url, 1)
		return nil
	}))
	w.must(<-ticked)
	w.is(cohort.Published)
	var e ResultEntry
	w.must(json.Unmarshal(pgtest.Value[[]byte](t, w.url, `SELECT body FROM jebi.board WHERE kind = 'result'`), &e))
	if e.Number != 1 {
		t.Errorf("result %d was published, the corrected one is 1", e.Number)
	}
	w.bothPublic()
}

// TestCorrectLate: who is given a place when there is no time left to accept it need not, and after the end it takes the
// weight that she carried.
func TestCorrectLate(t *testing.T) {
	for _, x := range []struct {
		name, at string
		settled  bool
	}{
		{"minutes before confirm_by", "2021-07-21 17:55", false},
		{"after the end", "2021-07-22 09:00", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := wronglyDrawn(t, 40, 2, 9)
			w.at("2021-07-17 14:00")
			w.tick()
			w.is(cohort.Published)
			if x.settled { // nobody ticked between confirm_by and the end: the reserve is still there
				pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'confirmed'`)
				pgtest.Exec(t, w.url, `UPDATE jebi.person p SET weight = 3 FROM jebi.ticket_member m JOIN jebi.waiting n USING (cohort_id, rank) WHERE m.person_id = p.id`)
			}
			w.at(x.at)
			if x.settled {
				w.must(w.tx(func(tx *data.Tx) error { return tx.SetState(w.ctx, w.cohort.ID, cohort.Published, cohort.Settled) }))
			}
			e, err := w.correct("places were given by the wrong rule")
			w.must(err)
			if e.Seated == 0 {
				t.Fatalf("%+v: the test wants somebody who is given a place", e)
			}
			if n := w.count(`SELECT count(*)::int FROM jebi.assignment WHERE origin = 'correction' AND state <> 'confirmed'`); n != 0 {
				t.Errorf("%d of %d places must be accepted in five minutes", n, e.Seated)
			}
			if !x.settled {
				return
			}
			if n := w.count(`SELECT count(*)::int FROM jebi.assignment a JOIN jebi.person p ON p.id = a.person_id WHERE a.origin = 'correction' AND a.state = 'confirmed' AND p.weight > 1`); n != 0 {
				t.Errorf("%d have a place and a carried weight", n)
			}
			if n, m := w.count(`SELECT count(*)::int FROM jebi.audit WHERE act = 'person.weight'`), w.count(`SELECT count(*)::int FROM jebi.person WHERE weight = 3`); n == 0 || m == 0 {
				t.Errorf("%d weights are gone, each on the trail, %d stay", n, m)
			}
		})
	}
}

// TestStatusBeforePublication: who is marked and taken back before anybody is told has lost nothing, and a correction of
// the result does not trip over who is marked.
func TestStatusBeforePublication(t *testing.T) {
	w := wronglyDrawn(t, 20, 1, 0)
	mark := func(person int64, status string) {
		t.Helper()
		key := pgtest.Value[string](t, w.url, fmt.Sprintf(`SELECT key FROM jebi.person WHERE id = %d`, person))
		w.must(w.tx(func(tx *data.Tx) error {
			_, err := tx.CorrectPerson(w.ctx, w.campaign, w.row.ID, data.Correction{Key: key, Status: status}, "registry", w.both())
			return err
		}))
	}
	had := w.places()
	seated := slices.Sorted(maps.Keys(had))
	for _, person := range seated {
		mark(person, "dead")
	}
	for _, person := range seated[1:] {
		mark(person, "eligible")
	}
	e, err := w.correct("places were given by the wrong rule")
	w.must(err)
	if e.Tickets == 0 {
		t.Error("the test wants a correction")
	}
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	now := w.places()
	if _, ok := now[seated[0]]; ok {
		t.Error("a dead person has a place")
	}
	for _, person := range seated[1:] {
		if _, ok := now[person]; !ok && w.result(person).State == "none" {
			t.Errorf("person %d was marked by mistake, and is in no line", person)
		}
	}
	if s := w.stats(); s.Assigned < 11 {
		t.Errorf("%d have a place", s.Assigned)
	}
}
