package cycle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// refused wants a refusal that says why.
func refused(t *testing.T, err error, says string) {
	t.Helper()
	var r *data.Refusal
	if !errors.As(err, &r) || !strings.Contains(r.Text, says) {
		t.Errorf("got %v, want a refusal that says %q", err, says)
	}
}

func TestAnnounceOnce(t *testing.T) {
	w := newTown(t, 3, 1)
	announce := func(key string) error {
		return w.tx(func(tx *data.Tx) error {
			_, err := Announce(w.ctx, tx, w.campaign, key, w.rand, nil, w.both(), "again")
			return err
		})
	}
	refused(t, announce("z"), "has no cohort z")
	w.announce()
	refused(t, announce("a"), "announced once")
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	m, err := lottery.ParseManifest(d.Manifest)
	w.must(err)
	if m.DrawID != "town-a" || !m.Sample || len(m.Sources) != trustees+1 || m.Audit < lottery.MinAudit || m.KCommit.IsZero() {
		t.Errorf("manifest: %+v", m)
	}
	if lottery.Hash(d.KCommit) != m.KCommit {
		t.Error("the commitment to the key is not the manifest's")
	}
	entries, err := w.db.Board(w.ctx, w.row.ID, w.cohort.ID)
	w.must(err)
	if len(entries) != 1 || entries[0].Kind != "manifest" || string(entries[0].Body) != string(d.Manifest) {
		t.Errorf("board: %+v", entries)
	}
}

func TestAnnounceRefusesALaterVersionOfTheFile(t *testing.T) {
	w := newTown(t, 3, 1)
	stale := *w.campaign
	stale.FileHash[0]++
	err := w.tx(func(tx *data.Tx) error {
		_, err := Announce(w.ctx, tx, &stale, "a", w.rand, nil, w.both(), "x")
		return err
	})
	refused(t, err, "was changed in the meantime")
}

func TestAnnounceNeedsSlotsAndTime(t *testing.T) {
	w := newTown(t, 3, 1)
	announce := func() error {
		return w.tx(func(tx *data.Tx) error {
			_, err := Announce(w.ctx, tx, w.campaign, "a", w.rand, nil, w.both(), "x")
			return err
		})
	}
	w.at("2021-07-16 18:00")
	refused(t, announce(), "window of cohort a is past")
	w.at("2021-07-10 09:00")
	pgtest.Exec(t, w.url, `DELETE FROM jebi.slot`)
	refused(t, announce(), "has no slots")
}

func TestNotYet(t *testing.T) {
	w := newTown(t, 1, 1)
	o := w.campaign.CohortByKey("a")
	for name, change := range map[string]func(*cohort.Campaign, *cohort.Cohort){
		"seating": func(_ *cohort.Campaign, o *cohort.Cohort) { o.Seating = "optimal" },
	} {
		c, o := *w.campaign, *o
		change(&c, &o)
		var later *NotYet
		if err := Supported(&c, &o); !errors.As(err, &later) {
			t.Errorf("%s: got %v, want not yet", name, err)
		}
	}
	for _, seating := range []string{"serial", "flexible", "fixed"} {
		o := *o
		o.Seating = seating
		if err := Supported(w.campaign, &o); err != nil {
			t.Error(err)
		}
	}
}

// frozen brings the town to the freeze.
func (w *town) frozen() {
	w.t.Helper()
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
}

func (w *town) void() error {
	return w.tx(func(tx *data.Tx) error { return Void(w.ctx, tx, w.campaign, w.row.ID, "a", "recalled", w.both()) })
}

func TestOfflineOrderIsKept(t *testing.T) {
	w := newTown(t, 6, 1)
	refused(t, w.dice("471123"), "while it is frozen")
	w.frozen()
	refused(t, w.dice("471123"), "comes before the dice")
	_, err := w.reveal(1, held(1))
	refused(t, err, "not handed in")
	refused(t, w.envelopes([]int{4}, nil), "no trustee 4")
	w.must(w.envelopes([]int{1, 2}, []int{3}))
	refused(t, w.envelopes([]int{3}, nil), "recorded already")
	_, err = w.reveal(1, held(1))
	refused(t, err, "after the dice")
	refused(t, w.dice("4711"), "digits were announced")
	refused(t, w.dice("47112x"), "not an ASCII digit")
	w.must(w.dice("471123"))
	refused(t, w.dice("111111"), "recorded already")
	_, err = w.reveal(3, held(3))
	refused(t, err, "is recorded already")
	wrong := held(1)
	wrong[31]++
	matched, err := w.reveal(1, wrong)
	w.must(err)
	if matched {
		t.Error("contents that do not match were taken")
	}
	_, err = w.reveal(1, held(1))
	refused(t, err, "later reveal is ignored")
	w.at("2021-07-17 10:00")
	w.tick()
	w.is(cohort.Frozen)
	w.must(w.tx(func(tx *data.Tx) error {
		return Absent(w.ctx, tx, w.row.ID, "a", 2, "the envelope was empty", w.both())
	}))
	w.tick()
	w.is(cohort.Drawn) // with the dice alone
	events := pgtest.Values[string](t, w.url, `SELECT convert_from(body, 'UTF8')::jsonb ->> 'event' FROM jebi.board WHERE kind = 'source' ORDER BY id`)
	if got := strings.Join(events, " "); got != "handed_in handed_in absent dice mismatch absent" {
		t.Errorf("the board tells: %s", got)
	}
	refused(t, w.dice("111111"), "while it is frozen")
}

// What the program forgets the database refuses.
func TestDatabaseKeepsTheOrderOfSources(t *testing.T) {
	w := newTown(t, 6, 1)
	w.frozen()
	add := func(s data.SourceRow) error {
		return w.tx(func(tx *data.Tx) error { return tx.AddSource(w.ctx, w.cohort.ID, s, w.both()) })
	}
	dice := data.SourceRow{Position: 3, Type: lottery.SourceDice, Present: true, Value: []byte("471123")}
	value := held(1)
	first := data.SourceRow{Position: 0, Type: lottery.SourceTrustee, Present: true, Value: value[:]}
	for name, s := range map[string]data.SourceRow{
		"dice before the envelopes": dice,
		"dice of another type":      {Position: 3, Type: lottery.SourceDrand, Present: true, Value: []byte("x")},
		"a fifth source":            {Position: 4, Type: lottery.SourceDice, Present: true, Value: []byte("x")},
	} {
		if err := add(s); err == nil {
			t.Errorf("%s was recorded", name)
		}
	}
	w.must(w.envelopes([]int{1, 2}, []int{3}))
	if err := add(first); err == nil {
		t.Error("an envelope was opened before the dice")
	}
	if err := add(data.SourceRow{Position: 2, Type: lottery.SourceTrustee, Present: true, Value: value[:]}); err == nil {
		t.Error("an absent trustee spoke")
	}
	w.must(add(dice))
	if err := w.tx(func(tx *data.Tx) error {
		return tx.AddEnvelope(w.ctx, w.cohort.ID, data.EnvelopeRow{Position: 1, HandedIn: true}, w.both())
	}); err == nil {
		t.Error("an envelope was handed in after the dice")
	}
	w.must(add(first))
	if err := w.tx(func(tx *data.Tx) error { return tx.SetState(w.ctx, w.cohort.ID, cohort.Frozen, cohort.Void) }); err == nil {
		t.Error("a draw was given up after the dice")
	}
	alone := w.both()
	alone.Second = alone.Official
	if err := w.tx(func(tx *data.Tx) error {
		return tx.AddSource(w.ctx, w.cohort.ID, data.SourceRow{Position: 1, Type: lottery.SourceTrustee, Present: true, Value: value[:]}, alone)
	}); err == nil {
		t.Error("one official was both")
	}
}

func TestVoid(t *testing.T) {
	t.Run("a draft", func(t *testing.T) {
		w := newTown(t, 3, 1)
		refused(t, w.void(), "only between its announcement")
	})
	t.Run("an open window", func(t *testing.T) {
		w := newTown(t, 3, 1)
		w.announce()
		w.at("2021-07-14 09:00")
		w.tick()
		w.must(w.void())
		w.is(cohort.Void)
		refused(t, w.void(), "is void")
		w.at("2021-07-17 14:00")
		w.tick()
		w.is(cohort.Void)
		if err := w.save("p000", anything()); err == nil {
			t.Error("a ballot was saved for a draw that was given up")
		}
		if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'window_changed' AND params ->> 'change' = 'void'`); n != 6 {
			t.Errorf("%d messages about it, want 6", n)
		}
	})
	t.Run("frozen, before the dice", func(t *testing.T) {
		w := newTown(t, 3, 1)
		w.frozen()
		w.must(w.envelopes([]int{1, 2}, []int{3}))
		w.must(w.void())
		w.is(cohort.Void)
	})
	t.Run("once dice were put forward", func(t *testing.T) {
		w := newTown(t, 3, 1)
		w.frozen()
		w.must(w.envelopes([]int{1, 2, 3}, nil))
		w.must(w.tx(func(tx *data.Tx) error {
			by := data.Actor{Kind: "official", Official: w.officer[0]}
			_, err := tx.Propose(w.ctx, w.row.ID, "draw.dice", map[string]any{"cohort": "a", "digits": "471123"}, "thrown", by)
			return err
		}))
		refused(t, w.void(), "after the first die")
	})
	t.Run("after the dice", func(t *testing.T) {
		w := newTown(t, 3, 1)
		w.frozen()
		w.must(w.envelopes([]int{1, 2, 3}, nil))
		w.must(w.dice("471123"))
		refused(t, w.void(), "after the first die")
		w.is(cohort.Frozen)
	})
}

// Who withdrew or is not eligible any more has no leaf; parties are put
// together from who is left, if they want the same.
func TestFreezeAdmits(t *testing.T) {
	w := newTown(t, 12, 2)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	party := func(key string, people ...string) {
		ids := make([]int64, len(people))
		for i, p := range people {
			ids[i] = w.people[p]
		}
		w.must(w.tx(func(tx *data.Tx) error {
			_, err := tx.MakeParty(w.ctx, w.row.ID, w.cohort.ID, key, ids, data.System, "sample")
			return err
		}))
		w.must(w.save(people[0], anything()))
	}
	party("three", "p000", "p001", "p002")
	party("two", "p003", "p004")
	party("torn", "p005", "p006")
	for _, p := range []string{"p007", "p008", "p009"} {
		w.must(w.save(p, anything()))
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.ballot SET withdrawn = true WHERE person_id = $1`, w.people["p008"])
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'dead' WHERE key IN ('p002', 'p004', 'p009')`)
	// Somebody wrote another wish for one of a party behind the program's back.
	pgtest.Exec(t, w.url, `UPDATE jebi.ballot SET bytes = x.b, commit = sha256('slotdraw/v1/ballot'::bytea || '\x00'::bytea || salt || x.b)
		FROM (SELECT person_id AS id, convert_to(replace(convert_from(bytes, 'UTF8'), '"c1","c2","c3"', '"c1","c2"'), 'UTF8') AS b FROM jebi.ballot WHERE person_id = $1) x WHERE person_id = x.id`, w.people["p006"])
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)

	if n := w.count(`SELECT count(*) FROM jebi.draw_leaf`); n != 6 {
		t.Errorf("%d leaves, want 6", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.draw_leaf WHERE gid <> '\x00000000000000000000000000000000'`); n != 2 {
		t.Errorf("%d leaves of parties, want the two who are left of three", n)
	}
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	pids, err := lottery.ParseExcluded(d.Excluded)
	w.must(err)
	if len(pids) != 4 {
		t.Errorf("%d are excluded, want 4: %s", len(pids), d.Excluded)
	}
	if n := w.count(`SELECT count(*) FROM jebi.audit WHERE act = 'party.split'`); n != 1 {
		t.Errorf("%d parties were split", n)
	}
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	if s := w.stats(); s.Tickets != 5 || s.Parties != 1 || s.Assigned != 6 {
		t.Errorf("%+v", s)
	}
	if n := w.count(`SELECT count(DISTINCT slot_id) FROM jebi.assignment WHERE person_id IN ($1, $2)`, w.people["p000"], w.people["p001"]); n != 1 {
		t.Errorf("a party sits in %d slots", n)
	}
	r, err := w.db.ResultOf(w.ctx, w.people["p009"])
	w.must(err)
	if r.State != "excluded" {
		t.Errorf("whose ballot was not admitted is told %q", r.State)
	}
	if r, err = w.db.ResultOf(w.ctx, w.people["p011"]); err != nil || r.State != "no_ballot" {
		t.Errorf("who did not answer is told %q, %v", r.State, err)
	}
}

func TestBallotsWithoutSignInAreFlagged(t *testing.T) {
	w := newTown(t, 4, 2)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	pgtest.Exec(t, w.url, `UPDATE jebi.ballot SET channel = 'web', session_id = 4711 WHERE person_id = $1`, w.people["p001"])
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	if n := w.count(`SELECT (after ->> 'ballots')::int FROM jebi.audit WHERE act = 'ballot.without_sign_in'`); n != 1 {
		t.Errorf("%d ballots are flagged", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE params ->> 'about' = 'without_sign_in'`); n != 1 {
		t.Error("officials are not told")
	}
}

func TestSignedCheckpoint(t *testing.T) {
	w := newTown(t, 4, 2)
	key, err := lottery.NewKey("town.sample.invalid", false, [32]byte{7})
	w.must(err)
	w.runner.Operator = &key
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	keyless := &Runner{DB: w.db}
	if err := keyless.Tick(w.ctx); err == nil || !strings.Contains(err.Error(), "does not hold the operator's key") {
		t.Errorf("a program without the announced key froze the draw: %v", err)
	}
	w.is(cohort.Closed)
	w.tick()
	w.is(cohort.Frozen)
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	b, err := Bundle(w.ctx, w.db, w.cohort.ID)
	w.must(err)
	if p := lottery.Verify(memory(b.Files()), lottery.VerifyOptions{OperatorKey: key.Public()}).Find("checkpoint"); p.State != lottery.Holds {
		t.Errorf("checkpoint: %+v", p)
	}
}

func TestPublishWritesTheSameTwice(t *testing.T) {
	w := newTown(t, 8, 1)
	dir := t.TempDir()
	w.announce()
	if _, err := Bundle(w.ctx, w.db, w.cohort.ID); !errors.Is(err, ErrNotPublished) {
		t.Errorf("a bundle before publication: %v", err)
	}
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	for range 2 {
		p, err := Publish(w.ctx, w.db, w.campaign, w.row.ID, dir, nil)
		w.must(err)
		if len(p.Bundles) != 1 || p.Bundles[0] != "town-a" || !p.Sample {
			t.Errorf("%+v", p)
		}
	}
	report := lottery.Verify(os.DirFS(filepath.Join(dir, "draws", "town-a")), lottery.VerifyOptions{})
	if !report.OK(false) {
		t.Errorf("%+v", report)
	}
	if _, err := os.Stat(filepath.Join(dir, "draws", "town-a.zip")); err != nil {
		t.Error(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "board", "index.json"))
	w.must(err)
	for _, kind := range []string{"manifest", "checkpoint", "source", "draw", "result"} {
		if !strings.Contains(string(index), `"kind": "`+kind+`"`) {
			t.Errorf("the board's list has no %s", kind)
		}
	}
	auditor := filepath.Join(dir, "auditor")
	w.must(WriteAuditors(w.ctx, w.db, w.campaign, w.cohort.ID, auditor))
	var k [32]byte
	w.must(w.tx(func(tx *data.Tx) (err error) { k, err = tx.DrawKey(w.ctx, w.cohort.ID); return err }))
	report = lottery.Verify(os.DirFS(filepath.Join(dir, "draws", "town-a")), lottery.VerifyOptions{Audit: &lottery.Audit{Folder: os.DirFS(auditor), K: k}})
	if p := report.Find("outcome"); p.State != lottery.Holds {
		t.Errorf("the auditors' files: %+v", report)
	}
}
