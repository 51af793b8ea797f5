package cycle

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

// published brings a town to the result.
func (w *town) published(choices ...cohort.Choice) {
	w.t.Helper()
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for n := range len(w.people) {
		w.must(w.save(fmt.Sprintf("p%03d", n), choices...))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
}

// TestReleaseWithPools: a seat that a member of a pool gives back goes to the next member first; seats that come after
// the draw stand on the board before a batch uses them, and go to the first who waits once the pool has its part.
func TestReleaseWithPools(t *testing.T) {
	w := newTown(t, 6, 1)
	w.recast(func(file string) string {
		return strings.Replace(file, "seating = \"serial\"\n", "seating = \"fixed\"\nparty_percent = 0\npools = [{ group = \"care\", percent = 50 }]\n", 1)
	})
	pgtest.Exec(t, w.url, `UPDATE jebi.person_detail d SET groups = '{care}' FROM jebi.person p WHERE p.id = d.person_id AND p.key >= 'p003'`)
	w.published(choice("c1", "26", "pm")) // one seat, held for the pool first
	if n := w.count(`SELECT (reserve ->> 'care')::int FROM jebi.slot WHERE position = 1`); n != 1 {
		t.Fatalf("the slot holds %d seats for the pool", n)
	}
	ranks := func(pool string) []int {
		return pgtest.Value[[]int](t, w.url, `SELECT array_agg(t.rank ORDER BY t.rank) FROM jebi.ticket t WHERE t.pool = $1`, pool)
	}
	members := ranks("care")
	if got := w.result(w.byRank(members[0])); got.State != "assigned" {
		t.Fatalf("the first member is %s", got.State)
	}
	w.must(w.cancel(w.byRank(members[0])))
	w.batch()
	if r := w.result(w.byRank(members[1])); r.Offer == nil {
		t.Errorf("the next member has no offer: %+v", r)
	}
	if n := w.count(`SELECT count(*) FROM jebi.offer`); n != 1 {
		t.Errorf("%d offers of one seat", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.offer_skip WHERE reason = 'held-for-pool'`); ranks("")[0] < members[1] && n == 0 {
		t.Error("nobody is told why she was passed over")
	}
	var added data.SeatsAdded
	w.must(w.tx(func(tx *data.Tx) (err error) {
		added, err = tx.AddSeats(w.ctx, w.campaign, w.row.ID, data.MoreSeats{Clinic: "c1", Date: "2021-07-26", Block: "1400", Vaccine: "AZ", Seats: 1, Cohort: "a"}, "a second nurse", w.both())
		return err
	}))
	if added.Draw || added.After != 2 {
		t.Errorf("%+v", added)
	}
	rep := w.batch()
	if rep.Released != 1 || rep.Offers != 0 || w.count(`SELECT count(*) FROM jebi.offer`) != 1 {
		t.Errorf("a batch uses seats that the board has not told of: %+v", rep)
	}
	if n := w.count(`SELECT count(*) FROM jebi.board WHERE kind = 'release'`); n != 1 {
		t.Errorf("%d releases on the board", n)
	}
	if rep = w.batch(); rep.Offers != 1 {
		t.Errorf("the next batch: %+v", rep)
	}
	first := 0 // of those who wait without an offer
	for rank := 1; rank <= 6 && first == 0; rank++ {
		if rank != members[0] && rank != members[1] {
			first = rank
		}
	}
	if r := w.result(w.byRank(first)); r.Offer == nil {
		t.Errorf("rank %d, first of all who wait, has no offer", first)
	}
	if added, err := w.secondSeats(); err == nil {
		t.Errorf("seats for second doses where there is one dose: %+v", added)
	}
}

func (w *town) secondSeats() (added data.SeatsAdded, err error) {
	err = w.tx(func(tx *data.Tx) error {
		added, err = tx.AddSeats(w.ctx, w.campaign, w.row.ID, data.MoreSeats{Clinic: "c1", Date: "2021-09-20", Block: "1400", Vaccine: "AZ", Seats: 1, Cohort: "a", Second: true}, "more", w.both())
		return err
	})
	return added, err
}

// TestOffersGoRoundAsTheDrawDid: with fixed seating a ticket's slots are looked at from its own starting point, those
// that came later after them; otherwise in supply order.
func TestOffersGoRoundAsTheDrawDid(t *testing.T) {
	for _, seating := range []string{"fixed", "flexible", "serial"} {
		t.Run(seating, func(t *testing.T) {
			w := newTown(t, 13, 1)
			w.recast(func(file string) string {
				return strings.Replace(file, "seating = \"serial\"\n", "seating = \""+seating+"\"\n", 1)
			})
			w.published(choice("c1 c2 c3", "26 27 28", "am pm"))
			for rank := 1; rank <= 12; rank++ {
				w.must(w.cancel(w.byRank(rank)))
			}
			// A slot that comes later, though it lies before others, is looked at last.
			w.must(w.tx(func(tx *data.Tx) error {
				_, err := tx.AddSeats(w.ctx, w.campaign, w.row.ID, data.MoreSeats{Clinic: "c1", Date: "2021-07-28", Block: "0900", Vaccine: "AZ", Seats: 1, Cohort: "a"}, "another day", w.both())
				return err
			}))
			w.batch()
			w.batch()
			ticket := pgtest.Value[[]byte](t, w.url, `SELECT ticket FROM jebi.ticket WHERE rank = 13`)
			want := 0
			if seating == "fixed" {
				want = int(binary.BigEndian.Uint64(ticket[24:]) % 12)
			}
			if got := w.count(`SELECT s.position FROM jebi.offer o JOIN jebi.slot s ON s.id = o.slot_id WHERE o.state = 'live'`); got != want {
				t.Errorf("slot %d of the supply is offered, want %d", got, want)
			}
			w.must(w.tx(func(tx *data.Tx) error {
				r, err := tx.ResultOf(w.ctx, w.byRank(13))
				if err == nil {
					_, err = tx.DeclineOffer(w.ctx, r.Offer.ID, w.byRank(13), person(), "")
				}
				return err
			}))
			w.batch()
			if got := w.count(`SELECT s.position FROM jebi.offer o JOIN jebi.slot s ON s.id = o.slot_id WHERE o.state = 'live'`); got != (want+1)%12 {
				t.Errorf("then slot %d of the supply is offered, want %d", got, (want+1)%12)
			}
		})
	}
}
