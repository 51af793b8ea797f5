package cycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// others gives the town n more programs with the scheduler on, each with a
// pool of its own.
func (w *town) others(n int) []*Runner {
	w.t.Helper()
	rs := []*Runner{w.runner}
	for range n {
		db, err := data.Open(w.ctx, w.url)
		w.must(err)
		w.t.Cleanup(db.Close)
		rs = append(rs, &Runner{DB: db})
	}
	return rs
}

// together ticks all runners at once, some of them twice.
func together(ctx context.Context, rs []*Runner) error {
	errs := make([]error, 2*len(rs))
	var wg sync.WaitGroup
	for i, r := range rs {
		wg.Go(func() { errs[2*i] = r.Tick(ctx) })
		wg.Go(func() { errs[2*i+1] = r.Tick(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Two programs with the scheduler on, through a whole cycle: one draw, each
// message once.
func TestTwoRunnersAtOnce(t *testing.T) {
	w := newTown(t, 30, 1) // 12 seats
	rs := w.others(1)
	w.announce()
	for _, when := range []string{
		"2021-07-14 09:00", "2021-07-16 18:00", "2021-07-17 10:00", "2021-07-17 14:00", "2021-07-18 10:00",
		"2021-07-21 18:00", "2021-07-22 09:10", "2021-07-22 21:30", "2021-07-23 09:10", "2021-07-24 10:00", "2021-08-06 18:00",
	} {
		w.at(when)
		w.must(together(w.ctx, rs))
		switch when {
		case "2021-07-14 09:00":
			w.saveAll()
		case "2021-07-16 18:00":
			w.randomness()
		}
	}
	w.must(together(w.ctx, rs))
	w.is(cohort.Settled)
	for _, kind := range []string{"manifest", "checkpoint", "draw", "result"} {
		if n := w.count(`SELECT count(*) FROM jebi.board WHERE kind = $1`, kind); n != 1 {
			t.Errorf("%d entries of %s on the board", n, kind)
		}
	}
	for _, act := range []string{"cohort.open", "cohort.closed", "cohort.frozen", "cohort.drawn", "cohort.published", "cohort.settled", "place.lapse"} {
		if n := w.count(`SELECT count(*) FROM jebi.audit WHERE act = $1`, act); n != 1 {
			t.Errorf("%s was done %d times", act, n)
		}
	}
	if n := w.count(`SELECT count(*) FROM (SELECT event, channel, person_id, recipient FROM jebi.message GROUP BY 1, 2, 3, 4 HAVING count(*) > 1) x`); n != 0 {
		t.Errorf("%d messages were queued twice", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'result'`); n != 60 {
		t.Errorf("%d results told, want 60", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.offer WHERE state = 'live'`); n != 0 {
		t.Errorf("%d live offers after the end", n)
	}
	w.stats()
}

// outcome is what a history must not change: who stands where in the draw and
// what it gave her.
func (w *town) outcome() string {
	w.t.Helper()
	places := pgtest.Values[string](w.t, w.url, `
		SELECT p.key || ' ' || t.rank || ' ' || t.choice || ' ' || COALESCE(t.slot_id, 0)
		  FROM jebi.ticket_member m JOIN jebi.ticket t USING (cohort_id, rank) JOIN jebi.person p ON p.id = m.person_id ORDER BY p.key`)
	confirmed := pgtest.Values[string](w.t, w.url, `
		SELECT p.key FROM jebi.assignment a JOIN jebi.person p ON p.id = a.person_id WHERE a.origin = 'draw' AND a.state = 'confirmed' ORDER BY p.key`)
	return strings.Join(places, "\n") + "\nconfirmed: " + strings.Join(confirmed, " ")
}

// Whatever the ticks were, missed, late, doubled, or by several programs at
// once, the draw and its answers end the same.
func TestHistoriesOnTheDatabase(t *testing.T) {
	const histories = 6
	var ends [histories]string
	t.Run("all", func(t *testing.T) {
		for history := range histories {
			t.Run(fmt.Sprint(history), func(t *testing.T) { ends[history] = historyOnTheDatabase(t, history) })
		}
	})
	for history, end := range ends {
		if end != ends[0] {
			t.Errorf("history %d ends otherwise than the one with every tick on time:\n%s\nwant\n%s", history, end, ends[0])
		}
	}
}

func historyOnTheDatabase(t *testing.T, history int) string {
	r := rand.New(rand.NewPCG(uint64(history), 7))
	w := newTown(t, 16, 1)
	rs := w.others(2)
	maybe := func() {
		if history == 0 || r.IntN(2) == 0 {
			w.must(together(w.ctx, rs[:1+r.IntN(len(rs))]))
		}
	}
	w.announce()
	w.at("2021-07-14 09:00")
	maybe() // the saves open the window's time themselves
	w.at("2021-07-14 15:00")
	w.saveAll()
	w.at("2021-07-16 18:00")
	maybe()
	if err := w.save("p000", anything()); err == nil {
		t.Error("a ballot was saved at the close")
	}
	w.at("2021-07-17 09:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 10:00")
	maybe()
	w.at("2021-07-17 14:00")
	maybe()
	w.at("2021-07-17 20:00")
	w.tick() // late by six hours at the most
	for n := range 16 {
		if n%2 == 0 {
			person := w.people[fmt.Sprintf("p%03d", n)]
			err := w.tx(func(tx *data.Tx) error {
				_, err := tx.ConfirmAssignment(w.ctx, person, data.Actor{Kind: "person"}, "")
				return err
			})
			if err != nil && !errors.Is(err, data.ErrNoPlace) {
				t.Fatal(err)
			}
		}
	}
	w.at("2021-07-21 18:00")
	maybe()
	w.at("2021-07-22 12:00")
	maybe()
	w.at("2021-07-23 12:00")
	maybe()
	w.at("2021-08-06 18:00")
	w.must(together(w.ctx, rs))
	w.is(cohort.Settled)
	w.stats()
	return w.outcome()
}

func TestLateTickOpensAndCloses(t *testing.T) {
	w := newTown(t, 4, 2)
	w.announce()
	w.at("2021-07-15 12:00")
	w.must(w.save("p000", anything())) // no tick so far
	w.at("2021-07-16 20:00")
	if err := w.save("p001", anything()); err == nil {
		t.Error("a ballot was saved after the close")
	}
	w.tick()
	w.is(cohort.Frozen)
	if n := w.count(`SELECT count(*) FROM jebi.draw_leaf`); n != 1 {
		t.Errorf("%d leaves, want the one that was acknowledged", n)
	}
}

func TestWindowStaysShutOnADatabaseThatMayLoseBallots(t *testing.T) {
	w := newTown(t, 4, 2)
	w.announce()
	w.at("2021-07-14 09:00")
	db, err := data.Open(w.ctx, w.url+addParam(w.url)+"synchronous_commit=off")
	w.must(err)
	t.Cleanup(db.Close)
	loose := &Runner{DB: db}
	for range 3 {
		w.must(loose.Tick(w.ctx))
	}
	w.is(cohort.Announced)
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE recipient = 'officials' AND params ->> 'about' = 'not_durable'`); n != 1 {
		t.Errorf("officials were told %d times", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.board WHERE kind <> 'manifest'`); n != 0 {
		t.Errorf("the board has %d new entries", n)
	}
	w.tick() // the same database, as it should be set
	w.is(cohort.Open)
}

func addParam(url string) string {
	switch {
	case !strings.Contains(url, "://"):
		return " "
	case strings.Contains(url, "?"):
		return "&"
	}
	return "?"
}

func TestPausedWindowIsNotClosed(t *testing.T) {
	w := newTown(t, 4, 2)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.at("2021-07-16 17:00")
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.PauseWindow(w.ctx, w.cohort.ID, "power cut", w.both())
		return err
	}))
	w.at("2021-07-16 19:00")
	w.tick()
	w.tick()
	w.is(cohort.Open)
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE params ->> 'about' = 'paused_past_close'`); n != 1 {
		t.Errorf("officials were told %d times", n)
	}
	w.must(w.tx(func(tx *data.Tx) error {
		row := w.state()
		if _, err := tx.ExtendWindow(w.ctx, row.ID, row.Times().Extended(seoul(t, "2021-07-17 12:00")), "power cut", w.both()); err != nil {
			return err
		}
		_, err := tx.ResumeWindow(w.ctx, row.ID, "it is back", w.both())
		return err
	}))
	w.must(w.save("p000", anything()))
	w.at("2021-07-17 12:00")
	w.tick()
	w.is(cohort.Frozen)
}

func TestLatePublicationLeavesTimeToAnswer(t *testing.T) {
	w := newTown(t, 4, 2)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-21 17:00") // the scheduler was away; confirm_by is in an hour
	w.tick()
	w.is(cohort.Published)
	row := w.state()
	if min := seoul(t, "2021-07-21 20:00"); row.ConfirmBy.Before(min) {
		t.Errorf("confirm_by is %v, before the campaign's shortest time to answer (%v)", row.ConfirmBy, min)
	}
}

// A draw that is stopped at any moment leaves nothing behind, and starts again
// from the frozen state with the same bytes.
func TestStoppedDrawStartsAgain(t *testing.T) {
	w := newTown(t, 20, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 10:00")
	files := func() map[string][]byte {
		var d *computed
		w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) {
			d, err = compute(w.ctx, tx, w.campaign.CohortByKey("a"), w.cohort.ID)
			return err
		}))
		w.must(d.finish())
		return d.bundle.Files()
	}
	before := files()
	for _, table := range []string{"ticket", "ticket_member", "assignment", "waiting", "cut_off", "board"} {
		pgtest.Exec(t, w.url, `ALTER TABLE jebi.`+table+` ADD CONSTRAINT stop CHECK (false) NOT VALID`)
		if err := w.runner.Tick(w.ctx); err == nil {
			t.Errorf("the draw was written though %s could not be", table)
		}
		w.is(cohort.Frozen)
		if n := w.count(`SELECT count(*) FROM jebi.ticket`); n != 0 {
			t.Errorf("%d tickets were left behind", n)
		}
		pgtest.Exec(t, w.url, `ALTER TABLE jebi.`+table+` DROP CONSTRAINT stop`)
	}
	ctx, cancel := context.WithTimeout(w.ctx, time.Millisecond)
	defer cancel()
	if err := w.runner.Tick(ctx); err == nil {
		t.Error("a tick that was cut off says nothing")
	}
	w.is(cohort.Frozen)
	w.tick()
	w.is(cohort.Drawn)
	w.at("2021-07-17 14:00")
	w.tick()
	b, err := Bundle(w.ctx, w.db, w.cohort.ID)
	w.must(err)
	after := b.Files()
	if len(before) != len(after) {
		t.Fatalf("%d files, before %d", len(after), len(before))
	}
	for name, content := range before {
		if !bytes.Equal(content, after[name]) {
			t.Errorf("%s is not the same", name)
		}
	}
}

// Whoever changes a frozen ballot, even past every trigger, is found out.
func TestTamperedDrawIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ sql, says string }{
		"a ballot is changed": {`UPDATE jebi.ballot SET salt = sha256(salt) WHERE person_id = (SELECT min(person_id) FROM jebi.ballot)`, "is not the one that was frozen"},
		"a ballot is deleted": {`DELETE FROM jebi.ballot WHERE person_id = (SELECT min(person_id) FROM jebi.ballot)`, "is gone"},
		"a leaf is dropped":   {`DELETE FROM jebi.draw_leaf WHERE position = 20`, "are not those that were frozen"},
		"a leaf is changed":   {`UPDATE jebi.draw_leaf SET weight = 2 WHERE position = 3`, "are not those that were frozen"},
		"seats are added":     {`UPDATE jebi.slot SET drawn_seats = 7, seats = 7 WHERE position = 0`, "supply.json has"},
		"the dice are turned": {`UPDATE jebi.draw_source SET value = '999999x' WHERE type = 3`, "the board has dice 471123"},
		"a trustee's value":   {`UPDATE jebi.draw_source SET value = sha256(value) WHERE position = 0`, "the board has opened"},
		"the key is swapped":  {`UPDATE jebi.draw_secret SET k = sha256(k)`, "k_commit"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, 20, 1)
			w.announce()
			w.at("2021-07-14 09:00")
			w.tick()
			w.saveAll()
			w.at("2021-07-16 18:00")
			w.tick()
			w.randomness()
			w.at("2021-07-17 10:00")
			pgtest.Unguarded(t, w.url, "jebi_owner", "jebi", c.sql)
			err := w.runner.Tick(w.ctx)
			if err == nil {
				t.Fatal("the draw was carried out")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, not %q", err, c.says)
			}
			w.is(cohort.Frozen)
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	w := newTown(t, 2, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- w.runner.Run(ctx) }()
	for w.state().State != cohort.Open {
		time.Sleep(10 * time.Millisecond) // Run ticks once at its start
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOwnBundleThatDoesNotHoldIsNotWritten(t *testing.T) {
	w := newTown(t, 20, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	var d *computed
	w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) {
		d, err = compute(w.ctx, tx, w.campaign.CohortByKey("a"), w.cohort.ID)
		return err
	}))
	w.must(d.finish())
	o := w.campaign.CohortByKey("a")
	w.must(w.runner.verifyOwn(d, w.campaign, o))
	for name, spoil := range map[string]func(*computed){
		"another order": func(d *computed) {
			d.bundle.Order = append(d.bundle.Order[16:len(d.bundle.Order):len(d.bundle.Order)], d.bundle.Order[:16]...)
		},
		"another outcome":   func(d *computed) { d.outcomes[0].Slot++ },
		"a cut-off is lost": func(d *computed) { d.places.CutOffs = d.places.CutOffs[1:] },
		"outside a choice":  func(d *computed) { d.places.Slot[first(d)] = 99 },
		"a missing file":    func(d *computed) { d.bundle.Entropy = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := *d
			c.outcomes = append([]lottery.Outcome{}, d.outcomes...)
			p := *d.places
			p.Slot = append([]int32{}, d.places.Slot...)
			c.places = &p
			spoil(&c)
			if err := w.runner.verifyOwn(&c, w.campaign, o); !errors.Is(err, errOwnBundle) {
				t.Errorf("got %v, want a bundle that does not hold", err)
			}
		})
	}
}

// first is the first ticket with a place.
func first(d *computed) int {
	for i, c := range d.places.Choice {
		if c != 0 {
			return i
		}
	}
	panic("nobody has a place")
}
