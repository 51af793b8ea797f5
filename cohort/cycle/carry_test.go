package cycle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// TestWeightsAreCarriedOver: 12 places among 18 who listed 12 slots or more, and one who listed a single slot. Who got
// nothing goes on with one more, up to the cap; whoever had something, declined or listed too little begins again.
func TestWeightsAreCarriedOver(t *testing.T) {
	w := newTown(t, 20, 1)
	w.recast(func(file string) string { return strings.Replace(file, "min_slots = 1", "min_slots = 2", 1) })
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET weight = 2`)
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET weight = 3 WHERE key = 'p001'`)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	one := choice("c1", "26", "am")
	for key := range w.people {
		if key != "p019" { // does not answer
			w.must(w.save(key, one, anything()))
		}
	}
	w.must(w.save("p018", one))
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	// One place is given back and offered; who is offered it declines; so it goes on, and the next lets it lapse.
	assigned := w.peopleIn("assigned")
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.DeclineAssignment(w.ctx, assigned[0], person(), "")
		return err
	}))
	for _, id := range assigned[1:] {
		w.must(w.tx(func(tx *data.Tx) error { _, err := tx.ConfirmAssignment(w.ctx, id, person(), ""); return err }))
	}
	gave := assigned[0]
	w.at("2021-07-18 09:10")
	w.tick()
	offered := w.offered()
	if len(offered) != 1 {
		t.Fatalf("%d offers", len(offered))
	}
	var declined int64
	for offer, id := range offered {
		declined = id
		w.must(w.tx(func(tx *data.Tx) error { _, err := tx.DeclineOffer(w.ctx, offer, id, person(), ""); return err }))
	}
	w.at("2021-08-06 18:00")
	for w.state().State != cohort.Settled {
		w.tick()
	}
	lapsed := pgtest.Value[int64](t, w.url, `SELECT COALESCE((SELECT m.person_id FROM jebi.offer o JOIN jebi.ticket_member m USING (cohort_id, rank) WHERE o.state = 'lapsed'), 0)`)
	weights := map[string]int{}
	rows := pgtest.Value[map[string]int](t, w.url, `SELECT jsonb_object_agg(key, weight) FROM jebi.person`)
	for key, id := range w.people {
		want := 3 // 2 and one more, or the cap
		switch r := w.result(id); {
		case key == "p019":
			want = 2 // in no draw: as she was
		case r.State != "off", id == gave, id == declined, id == lapsed, key == "p018":
			want = 1
		}
		weights[key] = want
	}
	if diff := cmp.Diff(weights, rows); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
	carried := 0
	for key, n := range weights {
		if n == 3 {
			carried++
			if e, err := Explain(w.ctx, w.db, w.people[key]); err != nil || e.Carries != 3 {
				t.Errorf("%s carries %d: %v", key, e.Carries, err)
			}
		}
	}
	if n := w.count(`SELECT (after ->> 'carry_weight')::int FROM jebi.audit WHERE act = 'cohort.settled'`); n != carried || carried == 0 {
		t.Errorf("the audit trail tells of %d, want %d", n, carried)
	}
	if n, want := w.count(`SELECT count(*) FROM jebi.audit WHERE act = 'person.weight'`), w.count(`SELECT count(*) FROM jebi.person p WHERE weight <> CASE key WHEN 'p001' THEN 3 ELSE 2 END`); n != want {
		t.Errorf("%d audit rows of weights, want %d", n, want)
	}
	// Another campaign takes them on, for people whose window is not announced.
	out, err := w.db.Weights(w.ctx, w.row.ID)
	w.must(err)
	if len(out) != carried+1 {
		t.Errorf("%d weights go out, want %d", len(out), carried+1)
	}
	if _, err := w.db.ImportWeights(w.ctx, w.campaign, w.row.ID, data.CSV(strings.NewReader("key,weight\np000,1\np001,1\np002,1\np003,1\np004,1\np005,1\np006,1\np007,1\np008,1\np009,1\np010,1\np011,1\np012,1\n")), data.System, true); !errors.Is(err, data.ErrFlawed) {
		t.Errorf("weights of people who were drawn: %v", err)
	}
}

// TestRetention: nothing goes before its time, and then only what is not needed; the bundle still verifies.
func TestRetention(t *testing.T) {
	w := newTown(t, 14, 1)
	w.recast(func(file string) string {
		return strings.Replace(file, "max_lapses = 2", "max_lapses = 2\nkeep_for = \"40d\"", 1)
	})
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	pgtest.Exec(t, w.url, `INSERT INTO jebi.draft (campaign_id, person_id, body) SELECT campaign_id, id, '{}' FROM jebi.person WHERE key < 'p003'`)
	pgtest.Exec(t, w.url, `INSERT INTO jebi.sign_in (campaign_id, handle_hash, person_id, way, code_hash, created_at, expires_at)
		SELECT campaign_id, sha256(('h' || id)::bytea), id, 'sms', sha256('c'), jebi.jebi_now(), jebi.jebi_now() + interval '10 min' FROM jebi.person`)
	pgtest.Exec(t, w.url, `INSERT INTO jebi.session (token_hash, campaign_id, person_id, sign_in_id, way, expires_at)
		SELECT sha256(('t' || id)::bytea), campaign_id, person_id, id, way, jebi.jebi_now() + interval '1 h' FROM jebi.sign_in`)
	// Session 1 is behind a ballot.
	pgtest.Exec(t, w.url, `UPDATE jebi.ballot SET channel = 'web', session_id = (SELECT s.id FROM jebi.session s WHERE s.person_id = ballot.person_id) WHERE person_id = (SELECT min(id) FROM jebi.person)`)
	held := func() map[string]int {
		t.Helper()
		return pgtest.Value[map[string]int](t, w.url, `SELECT jsonb_build_object('detail', (SELECT count(*) FROM jebi.person_detail), 'ballot', (SELECT count(*) FROM jebi.ballot),
			'draft', (SELECT count(*) FROM jebi.draft), 'session', (SELECT count(*) FROM jebi.session), 'sign_in', (SELECT count(*) FROM jebi.sign_in), 'salt', (SELECT count(*) FROM jebi.ballot_history WHERE salt IS NOT NULL))`)
	}
	is := func(at string, want map[string]int) {
		t.Helper()
		w.at(at)
		w.tick()
		w.tick()
		if diff := cmp.Diff(want, held()); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", at, diff)
		}
	}
	saves := w.count(`SELECT count(*) FROM jebi.ballot_history`)
	all := map[string]int{"detail": 14, "ballot": 14, "draft": 3, "session": 14, "sign_in": 14, "salt": saves}
	is("2021-07-15 04:00", all)
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	w.randomness()
	all["draft"] = 0
	is("2021-07-17 14:00", all) // the drafts of a frozen window are not needed
	w.is(cohort.Published)
	frozen := filepath.Join(t.TempDir(), "frozen")
	w.must(WriteFrozen(w.ctx, w.db, w.cohort.ID, frozen))
	if e, err := Explain(w.ctx, w.db, w.people["p000"]); err != nil || len(e.Choices) == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	w.at("2021-08-06 18:00")
	for w.state().State != cohort.Settled {
		w.tick()
	}
	all["session"], all["sign_in"] = 0, 0
	is("2021-08-14 04:00", all) // a month after they ran out
	is("2021-09-15 17:00", all) // 40 days are not over
	purges := func() int {
		return w.count(`SELECT count(*) FROM jebi.audit WHERE act = 'people.purge' AND actor = 'system'`)
	}
	if purges() != 0 {
		t.Error("a purge before its time")
	}
	is("2021-09-16 04:00", map[string]int{"detail": 0, "ballot": 0, "draft": 0, "session": 0, "sign_in": 0, "salt": 0})
	if n := purges(); n != 1 {
		t.Errorf("%d purges on the audit trail", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.audit WHERE act = 'retention.sweep'`); n != 2 {
		t.Errorf("%d sweeps on the audit trail", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE state = 'queued' AND person_id IS NOT NULL`); n != 0 {
		t.Errorf("%d messages to people of whom nothing is known", n)
	}
	if e, err := Explain(w.ctx, w.db, w.people["p000"]); err != nil || e.Rank == 0 || len(e.Choices) != 0 {
		t.Errorf("after the purge: %+v, %v", e, err)
	}
	// What was purged is said to be, and is nobody's tampering.
	read := func(name string) []byte { b, err := os.ReadFile(filepath.Join(frozen, name)); w.must(err); return b }
	var report lottery.Report
	w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) {
		report, err = Against(w.ctx, tx, w.cohort.ID, Outside{Checkpoint: pgtest.Value[[]byte](t, w.url, `SELECT checkpoint FROM jebi.draw`), Leaves: read(lottery.FileLeaves), Manifest: read(lottery.FileManifest)})
		return err
	}))
	purged := 0
	for _, p := range report.Parts {
		if p.State == lottery.Absent && p.Detail == "purged" {
			purged++
		}
	}
	if !report.OK(false) || purged != 2 {
		t.Errorf("against the copy, after the purge: %+v", report.Parts)
	}
	err := w.tx(func(tx *data.Tx) error { _, err := tx.PurgeCohort(w.ctx, 12345, "test"); return err })
	if err == nil {
		t.Error("a cohort that is not there was purged")
	}
}

// TestPurgeComesAfterTheEnd: by whoever asks.
func TestPurgeComesAfterTheEnd(t *testing.T) {
	w := newTown(t, 2, 1)
	w.announce()
	var refusal *data.Refusal
	if err := w.tx(func(tx *data.Tx) error { _, err := tx.PurgeCohort(w.ctx, w.cohort.ID, "now"); return err }); !errors.As(err, &refusal) {
		t.Errorf("a purge of an announced cohort: %v", err)
	}
}
