package cycle

import (
	"os"
	"path/filepath"
	"testing"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

func TestWholeCycle(t *testing.T) {
	w := newTown(t, 40, 2) // 24 seats
	w.announce()
	w.is(cohort.Announced)
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'announce'`); n != 80 {
		t.Errorf("%d invitations, want one to each by e-mail and one by text message", n)
	}
	w.at("2021-07-14 08:59")
	w.tick()
	w.is(cohort.Announced)
	w.at("2021-07-14 09:00")
	w.tick()
	w.is(cohort.Open)
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	w.at("2021-07-17 10:00")
	w.tick()
	w.is(cohort.Frozen) // it waits for its sources
	w.randomness()
	w.tick()
	w.is(cohort.Drawn)
	r, err := w.db.ResultOf(w.ctx, w.people["p000"])
	w.must(err)
	if r.State != "pending" || r.Rank != 0 {
		t.Errorf("before publication a result tells %q, rank %d", r.State, r.Rank)
	}
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)

	s := w.stats()
	if s.Ballots != 40 || s.Tickets != 40 || s.Assigned+s.Waiting != 40 || s.Assigned < 20 || s.Assigned > 24 {
		t.Errorf("%+v", s)
	}
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'result'`); n != 80 {
		t.Errorf("%d results told, want 80", n)
	}

	dir := t.TempDir()
	w.must(WriteBundle(w.ctx, w.db, w.cohort.ID, filepath.Join(dir, "a")))
	report := lottery.Verify(os.DirFS(filepath.Join(dir, "a")), lottery.VerifyOptions{})
	if !report.OK(false) || !report.Sample {
		t.Errorf("the bundle: %+v", report)
	}
	for _, part := range []string{"manifest", "leaves", "root", "excluded", "seed", "order", "counts", "cut-offs"} {
		if p := report.Find(part); p.State != lottery.Holds {
			t.Errorf("%s: %s %s", part, p.State, p.Detail)
		}
	}

	// One accepts, one declines, the others let it lapse.
	assigned := w.peopleIn("assigned")
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.ConfirmAssignment(w.ctx, assigned[0], data.Actor{Kind: "person"}, "")
		return err
	}))
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.DeclineAssignment(w.ctx, assigned[1], data.Actor{Kind: "person"}, "")
		return err
	}))
	w.at("2021-07-18 09:10")
	w.tick()
	if s := w.stats(); s.LiveOffers != 1 {
		t.Errorf("one place was given back: %d offers", s.LiveOffers)
	}
	for _, person := range w.offered() {
		w.must(w.accept(person))
	}
	w.at("2021-07-21 18:00")
	w.tick()
	if s := w.stats(); s.Confirmed != 2 || s.Assigned != 2 || s.OfferAssigned != 1 {
		t.Errorf("after confirm_by: %+v", s)
	}
	w.at("2021-07-21 18:20")
	w.tick()
	s = w.stats()
	if s.LiveOffers < s.Waiting-4 { // who asked for one slot only may find it taken
		t.Errorf("seats for nearly everyone who waits: %+v", s)
	}
	for _, person := range w.offered() {
		w.must(w.accept(person))
	}
	w.at("2021-07-21 18:30")
	w.tick()
	s = w.stats()
	if s.OfferAssigned < 2 || s.LiveOffers != 0 || s.SeatsLeft == 0 {
		t.Errorf("after everyone accepted: %+v", s)
	}
	w.at("2021-08-06 18:00")
	w.tick()
	w.is(cohort.Settled)
	before := w.count(`SELECT count(*) FROM jebi.message`)
	w.tick()
	w.tick()
	if after := w.count(`SELECT count(*) FROM jebi.message`); after != before {
		t.Errorf("more ticks told %d more messages", after-before)
	}
}

func (w *town) peopleIn(state string) []int64 {
	w.t.Helper()
	var people []int64
	for _, id := range w.people {
		r, err := w.db.ResultOf(w.ctx, id)
		w.must(err)
		if r.State == state {
			people = append(people, id)
		}
	}
	return people
}

// offered lists people with a live offer.
func (w *town) offered() map[int64]int64 {
	w.t.Helper()
	offers := map[int64]int64{}
	for _, id := range w.people {
		r, err := w.db.ResultOf(w.ctx, id)
		w.must(err)
		if r.Offer != nil {
			offers[r.Offer.ID] = id
		}
	}
	return offers
}

func (w *town) accept(person int64) error {
	return w.tx(func(tx *data.Tx) error {
		r, err := tx.ResultOf(w.ctx, person)
		if err != nil {
			return err
		}
		_, err = tx.AcceptOffer(w.ctx, r.Offer.ID, person, data.Actor{Kind: "person"}, "")
		return err
	})
}
