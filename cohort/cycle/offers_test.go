package cycle

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
)

func person() data.Actor { return data.Actor{Kind: "person"} }

// full is a town of 12 seats whose 12 first tickets have a place and whose
// others wait for anything.
func full(t *testing.T, people int) *town {
	t.Helper()
	w := newTown(t, people, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for n := range people {
		w.must(w.save(fmt.Sprintf("p%03d", n), choice("c1", "26", "am"), anything()))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	if s := w.stats(); s.Assigned != 12 || s.Waiting != people-12 {
		t.Fatalf("%+v", s)
	}
	return w
}

// byRank gives the person of a rank.
func (w *town) byRank(rank int) int64 {
	w.t.Helper()
	return pgtest.Value[int64](w.t, w.url, `SELECT person_id FROM jebi.ticket_member WHERE rank = $1`, rank)
}

func (w *town) result(person int64) data.ResultRow {
	w.t.Helper()
	r, err := w.db.ResultOf(w.ctx, person)
	w.must(err)
	return r
}

func (w *town) cancel(person int64) error {
	return w.tx(func(tx *data.Tx) error {
		_, err := tx.CancelAssignment(w.ctx, person, w.campaign.Rules.CancelLead, data.Actor{Kind: "person"}, "ill")
		return err
	})
}

func (w *town) batch() BatchReport {
	w.t.Helper()
	var rep BatchReport
	w.must(w.tx(func(tx *data.Tx) (err error) {
		rep, err = BatchNow(w.ctx, tx, w.campaign, w.state(), data.System, "test")
		return err
	}))
	return rep
}

func TestOffersGoInTicketOrder(t *testing.T) {
	w := full(t, 16)
	w.must(w.cancel(w.byRank(5)))
	w.must(w.cancel(w.byRank(9)))
	w.at("2021-07-18 09:10")
	w.tick()
	for rank := 13; rank <= 16; rank++ {
		r := w.result(w.byRank(rank))
		if got, want := r.Offer != nil, rank <= 14; got != want {
			t.Errorf("rank %d has an offer: %v", rank, got)
		}
		if r.State != "waiting" || r.Ahead != rank-13 {
			t.Errorf("rank %d: %s with %d ahead", rank, r.State, r.Ahead)
		}
	}
	first := w.result(w.byRank(13)).Offer
	if min := seoul(t, "2021-07-18 12:10"); first.Deadline.Before(min) {
		t.Errorf("the deadline %v leaves less than min_answer", first.Deadline)
	}
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'offer'`); n != 4 {
		t.Errorf("%d messages about offers, want 4", n)
	}
	// Another's offer is nobody's business.
	err := w.tx(func(tx *data.Tx) error {
		_, err := tx.AcceptOffer(w.ctx, first.ID, w.byRank(15), person(), "")
		return err
	})
	if !errors.Is(err, data.ErrNoOffer) {
		t.Errorf("another's offer: %v", err)
	}
	w.must(w.accept(w.byRank(13)))
	if r := w.result(w.byRank(13)); r.State != "confirmed" || r.Origin != "offer" {
		t.Errorf("who accepted is %s", r.State)
	}
	// Declined: the slot is struck, and goes to the next; the ticket waits on.
	second := w.result(w.byRank(14)).Offer
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.DeclineOffer(w.ctx, second.ID, w.byRank(14), person(), "")
		return err
	}))
	w.at("2021-07-18 09:20")
	w.tick()
	if o := w.result(w.byRank(14)).Offer; o != nil {
		t.Errorf("a declined slot was offered again: %+v", o)
	}
	if o := w.result(w.byRank(15)).Offer; o == nil || o.Place.Slot != second.Place.Slot {
		t.Errorf("the next did not get it: %+v", o)
	}
	if n := w.count(`SELECT count(*) FROM jebi.offer_skip WHERE reason = 'struck'`); n != 1 {
		t.Errorf("%d skips are recorded", n)
	}
	w.stats()
}

func TestTwoLapsesEndTheWaiting(t *testing.T) {
	w := full(t, 13)
	waits := w.byRank(13)
	w.must(w.cancel(w.byRank(5)))
	w.at("2021-07-18 09:10")
	w.tick()
	if w.result(waits).Offer == nil {
		t.Fatal("no offer")
	}
	offer := w.result(waits).Offer
	w.at("2021-07-18 21:30")
	err := w.tx(func(tx *data.Tx) error {
		_, err := tx.AcceptOffer(w.ctx, offer.ID, waits, person(), "")
		return err
	})
	var late *data.TooLate
	if !errors.As(err, &late) {
		t.Errorf("an offer was accepted after its deadline: %v", err)
	}
	w.tick()
	if r := w.result(waits); r.Offer != nil || r.State != "waiting" || r.Lapses != 1 {
		t.Errorf("after one lapse: %+v", r)
	}
	w.must(w.cancel(w.byRank(6)))
	w.at("2021-07-19 09:10")
	w.tick()
	if o := w.result(waits).Offer; o == nil || o.Place.Slot == offer.Place.Slot {
		t.Fatalf("the second offer: %+v", o)
	}
	w.at("2021-07-19 21:30")
	w.tick()
	if r := w.result(waits); r.State != "off" || r.Why != "lapses" {
		t.Errorf("after two lapses: %s %s", r.State, r.Why)
	}
	if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'offer_lapsed'`); n != 4 {
		t.Errorf("%d messages about lapses, want 4", n)
	}
	w.at("2021-07-20 09:10")
	w.tick()
	if s := w.stats(); s.LiveOffers != 0 || s.SeatsLeft != 2 {
		t.Errorf("%+v", s)
	}
}

// A ticket with a live offer is still considered for its earlier choices.
func TestABetterOfferReplaces(t *testing.T) {
	w := full(t, 14)
	best := pgtest.Value[int64](t, w.url, `SELECT person_id FROM jebi.assignment a JOIN jebi.slot s ON s.id = a.slot_id WHERE s.position = 0`)
	other := w.byRank(7)
	if other == best {
		other = w.byRank(8)
	}
	w.must(w.cancel(other))
	w.at("2021-07-18 09:10")
	w.tick()
	waits := w.byRank(13)
	before := w.result(waits).Offer
	if before == nil || before.Choice != 2 {
		t.Fatalf("the first offer: %+v", before)
	}
	w.must(w.cancel(best))
	w.at("2021-07-18 09:20")
	w.tick()
	after := w.result(waits).Offer
	if after == nil || after.Choice != 1 || after.ID == before.ID {
		t.Fatalf("the better offer: %+v", after)
	}
	if state := pgtest.Value[string](t, w.url, `SELECT state FROM jebi.offer WHERE id = $1`, before.ID); state != "replaced" {
		t.Errorf("the old offer is %s", state)
	}
	w.at("2021-07-18 09:30")
	w.tick() // what it held goes to the next ticket, one batch later
	if o := w.result(w.byRank(14)).Offer; o == nil || o.Place.Slot != before.Place.Slot {
		t.Errorf("the next ticket: %+v", o)
	}
	w.stats()
}

// Seats that come later stand on the board before the batch that uses them.
func TestReleaseBeforeItsBatch(t *testing.T) {
	w := full(t, 14)
	pgtest.Exec(t, w.url, `UPDATE jebi.slot SET seats = seats + 1 WHERE position = 4`)
	w.at("2021-07-18 09:10")
	w.tick()
	if s := w.stats(); s.LiveOffers != 0 {
		t.Errorf("%d offers of seats that nobody was told of", s.LiveOffers)
	}
	if n := w.count(`SELECT count(*) FROM jebi.board WHERE kind = 'release'`); n != 1 {
		t.Errorf("%d releases on the board", n)
	}
	w.at("2021-07-18 09:20")
	w.tick()
	if s := w.stats(); s.LiveOffers != 1 {
		t.Errorf("%d offers of the new seat", s.LiveOffers)
	}
	w.at("2021-07-18 09:30")
	w.tick()
	if n := w.count(`SELECT count(*) FROM jebi.board WHERE kind = 'release'`); n != 1 {
		t.Errorf("%d releases of the same seat", n)
	}
}

// An offer leaves time to answer, and none is made where there is none left.
func TestNoOfferWithoutTimeToAnswer(t *testing.T) {
	w := full(t, 14)
	w.at("2021-07-18 09:00")
	pgtest.Exec(t, w.url, `UPDATE jebi.slot SET starts_at = $1`, seoul(t, "2021-07-19 10:00"))
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.DeclineAssignment(w.ctx, w.byRank(3), person(), "")
		return err
	}))
	w.at("2021-07-18 18:55") // offers must end 12 hours before: 22:00; three hours are needed
	if rep := w.batch(); rep.Offers != 1 {
		t.Fatalf("%+v", rep)
	}
	o := w.result(w.byRank(13)).Offer
	if want := seoul(t, "2021-07-18 22:00"); !o.Deadline.Equal(want) {
		t.Errorf("the deadline is %v, want %v", o.Deadline, want)
	}
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.DeclineOffer(w.ctx, o.ID, w.byRank(13), person(), "")
		return err
	}))
	w.at("2021-07-18 19:05")
	if rep := w.batch(); rep.Offers != 0 {
		t.Errorf("an offer that ends in less than min_answer: %+v", rep)
	}
	if n := w.count(`SELECT count(*) FROM jebi.offer_skip WHERE reason = 'too-late'`); n != 1 {
		t.Errorf("%d skips are recorded", n)
	}
}

func TestPartyIsOfferedTogether(t *testing.T) {
	w := newTown(t, 20, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.MakeParty(w.ctx, w.row.ID, w.cohort.ID, "two", []int64{w.people["p000"], w.people["p001"]}, data.System, "sample")
		return err
	}))
	for n := 1; n < 20; n++ {
		w.must(w.save(fmt.Sprintf("p%03d", n), anything()))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	// Slots have one seat each, so no party has a place.
	if r := w.result(w.people["p000"]); r.State != "waiting" || r.Size != 2 {
		t.Fatalf("%+v", r)
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.slot SET seats = seats + 2, released_seats = seats + 2 WHERE position = 2`)
	pgtest.Exec(t, w.url, `UPDATE jebi.waiting SET state = 'off', why = 'asked' WHERE rank <> (SELECT rank FROM jebi.ticket WHERE size = 2)`)
	w.at("2021-07-18 09:10")
	w.tick()
	o := w.result(w.people["p001"]).Offer
	if o == nil || o.Size != 2 {
		t.Fatalf("the party's offer: %+v", o)
	}
	w.must(w.accept(w.people["p001"]))
	for _, p := range []string{"p000", "p001"} {
		if r := w.result(w.people[p]); r.State != "confirmed" || r.Place.Slot != o.Place.Slot {
			t.Errorf("%s: %s", p, r.State)
		}
	}
	w.stats()
}

// Of a party of which one dies, the other goes on alone.
func TestPartyShrinksOnTheWaitlist(t *testing.T) {
	w := newTown(t, 20, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.MakeParty(w.ctx, w.row.ID, w.cohort.ID, "two", []int64{w.people["p000"], w.people["p001"]}, data.System, "sample")
		return err
	}))
	for n := 1; n < 20; n++ {
		w.must(w.save(fmt.Sprintf("p%03d", n), anything()))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'dead' WHERE key = 'p000'`)
	pgtest.Exec(t, w.url, `UPDATE jebi.waiting SET state = 'off', why = 'asked' WHERE rank <> (SELECT rank FROM jebi.ticket WHERE size = 2)`)
	w.must(w.cancel(pgtest.Value[int64](t, w.url, `SELECT min(person_id) FROM jebi.assignment WHERE state = 'assigned'`)))
	w.at("2021-07-18 09:10")
	w.tick()
	if o := w.result(w.people["p001"]).Offer; o == nil || o.Size != 1 {
		t.Fatalf("the one who is left: %+v", o)
	}
	w.must(w.accept(w.people["p001"]))
	if n := w.count(`SELECT count(*) FROM jebi.assignment WHERE person_id = $1`, w.people["p000"]); n != 0 {
		t.Error("the dead have a place")
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.waiting SET state = 'waiting', why = '' WHERE rank = (SELECT max(rank) FROM jebi.waiting WHERE state = 'off')`)
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'vaccinated' WHERE id = (SELECT m.person_id FROM jebi.ticket_member m JOIN jebi.waiting w USING (rank) WHERE w.state = 'waiting')`)
	if rep := w.batch(); rep.Off != 1 {
		t.Errorf("a ticket that nobody eligible is left of: %+v", rep)
	}
}

// Answers while batches run: no seat in two hands, no ticket in two places.
func TestAnswersAgainstBatches(t *testing.T) {
	w := full(t, 30)
	for rank := 1; rank <= 12; rank++ {
		w.must(w.cancel(w.byRank(rank)))
	}
	w.at("2021-07-18 09:10")
	w.tick()
	var wg sync.WaitGroup
	errs := make(chan error, 200)
	for rank := 13; rank <= 30; rank++ {
		id := w.byRank(rank)
		wg.Go(func() {
			err := w.tx(func(tx *data.Tx) error {
				r, err := tx.ResultOf(w.ctx, id)
				if err != nil || r.Offer == nil {
					return err
				}
				if rank%3 == 0 {
					_, err = tx.DeclineOffer(w.ctx, r.Offer.ID, id, person(), "")
				} else {
					_, err = tx.AcceptOffer(w.ctx, r.Offer.ID, id, person(), "")
				}
				if errors.Is(err, data.ErrNoOffer) {
					return nil
				}
				return err
			})
			errs <- err
		})
	}
	for range 4 {
		wg.Go(func() {
			errs <- w.tx(func(tx *data.Tx) error {
				_, err := BatchNow(w.ctx, tx, w.campaign, w.cohort, data.System, "test")
				return err
			})
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		w.must(err)
	}
	w.stats()
	if n := w.count(`SELECT count(*) FROM jebi.waiting w JOIN jebi.ticket_member m USING (cohort_id, rank) JOIN jebi.assignment a ON a.person_id = m.person_id AND a.state = 'confirmed' WHERE w.state = 'waiting'`); n != 0 {
		t.Errorf("%d people have a place and still wait", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.slot WHERE used + held > seats OR used < 0 OR held < 0`); n != 0 {
		t.Errorf("%d slots are given twice", n)
	}
}

func TestAnswersHaveTheirTimes(t *testing.T) {
	w := full(t, 13)
	one := w.byRank(1)
	confirm := func() error {
		return w.tx(func(tx *data.Tx) error { _, err := tx.ConfirmAssignment(w.ctx, one, person(), ""); return err })
	}
	decline := func() error {
		return w.tx(func(tx *data.Tx) error { _, err := tx.DeclineAssignment(w.ctx, one, person(), ""); return err })
	}
	w.must(confirm())
	w.must(confirm())
	if n := w.count(`SELECT count(*) FROM jebi.audit WHERE act = 'place.confirm'`); n != 1 {
		t.Errorf("confirming twice wrote %d audit rows", n)
	}
	if err := decline(); !errors.Is(err, data.ErrNoPlace) {
		t.Errorf("an accepted place was declined, not cancelled: %v", err)
	}
	one = w.byRank(2)
	w.at("2021-07-21 18:00")
	var late *data.TooLate
	if err := confirm(); !errors.As(err, &late) || late.Act != "confirm" {
		t.Errorf("accepted at confirm_by: %v", err)
	}
	if err := decline(); !errors.As(err, &late) {
		t.Errorf("declined at confirm_by: %v", err)
	}
	one = w.byRank(1)
	w.at("2021-07-26 08:00")
	if err := w.cancel(one); !errors.As(err, &late) || late.Act != "cancel" {
		t.Errorf("cancelled within cancel_lead: %v", err)
	}
	if err := w.cancel(w.byRank(13)); !errors.Is(err, data.ErrNoPlace) {
		t.Errorf("who has no place cancelled it: %v", err)
	}
}

func TestLeaveTheWaitlist(t *testing.T) {
	w := full(t, 13)
	w.must(w.cancel(w.byRank(4)))
	w.at("2021-07-18 09:10")
	w.tick()
	leave := func() (changed bool) {
		w.must(w.tx(func(tx *data.Tx) (err error) {
			changed, err = tx.LeaveWaitlist(w.ctx, w.byRank(13), "asked", person(), "")
			return err
		}))
		return changed
	}
	if !leave() || leave() {
		t.Error("leaving is done once")
	}
	if r := w.result(w.byRank(13)); r.State != "off" || r.Why != "asked" || r.Offer != nil {
		t.Errorf("%+v", r)
	}
	if s := w.stats(); s.LiveOffers != 0 || s.SeatsLeft != 1 {
		t.Errorf("%+v", s)
	}
}

func TestReminders(t *testing.T) {
	w := newTown(t, 6, 2)
	told := func(kind string) int {
		return w.count(`SELECT count(*) FROM jebi.message WHERE kind = $1 AND channel = 'email'`, kind)
	}
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	w.must(w.save("p000", anything()))
	w.must(w.save("p001", anything()))
	w.at("2021-07-15 10:00")
	w.tick()
	w.tick()
	if n := told("answer_reminder"); n != 4 {
		t.Errorf("%d are reminded to answer, want the 4 who have not", n)
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.ConfirmAssignment(w.ctx, w.people["p000"], person(), "")
		return err
	}))
	w.at("2021-07-18 10:00")
	w.tick()
	if n := told("confirm_reminder"); n != 1 {
		t.Errorf("%d are reminded to accept, want the one who has not", n)
	}
	w.at("2021-07-25 10:00")
	w.tick()
	w.at("2021-07-26 10:00")
	w.tick()
	if n := told("reminder"); n != 1 {
		t.Errorf("%d are reminded of their appointment, want 1", n)
	}
}

func TestChainsAreSealedByCron(t *testing.T) {
	w := newTown(t, 2, 1)
	w.announce()
	w.tick()
	seals := func() int { return w.count(`SELECT count(*) FROM jebi.seal WHERE chain = 'board'`) }
	first := seals()
	if first != 1 {
		t.Fatalf("%d seals of the board", first)
	}
	w.at("2021-07-14 09:20")
	w.tick()
	w.tick()
	if n := w.count(`SELECT max(upto)::int - (SELECT max(id)::int FROM jebi.audit WHERE id <= (SELECT max(upto) FROM jebi.seal WHERE chain = 'audit')) FROM jebi.seal WHERE chain = 'audit'`); n != 0 {
		t.Errorf("the seal of the audit trail is %d rows off", n)
	}
}

func TestExplain(t *testing.T) {
	w := full(t, 14)
	book := words.New()
	for rank := 1; rank <= 14; rank++ {
		e, err := Explain(w.ctx, w.db, w.byRank(rank))
		w.must(err)
		granted := 0
		for _, c := range e.Choices {
			if c.Granted {
				granted = c.Choice
			}
		}
		if granted != e.Choice {
			t.Errorf("rank %d: the cut-offs grant choice %d, she has %d", rank, granted, e.Choice)
		}
		for _, lang := range []string{"ko", "en"} {
			text := strings.Join(e.Words(book, lang, w.campaign), "\n")
			if strings.Contains(text, "explain.") || strings.Contains(text, "{") {
				t.Errorf("rank %d in %s: %s", rank, lang, text)
			}
			if !strings.Contains(text, fmt.Sprint(rank)) {
				t.Errorf("rank %d in %s does not name the rank: %s", rank, lang, text)
			}
		}
	}
}
