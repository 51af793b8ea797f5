package cycle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// twoDoses is a town whose people get two doses or none: seats for the second
// one at each clinic eight weeks later, mornings and afternoons.
func twoDoses(t *testing.T, people, seats, seconds int, seating string) *town {
	t.Helper()
	w := newTown(t, people, seats)
	w.recast(func(file string) string {
		return strings.Replace(strings.Replace(file, "seating = \"serial\"\n", "seating = \""+seating+"\"\ndoses = 2\n", 1), "offer_lead = \"12h\"", "offer_lead = \"13h\"", 1)
	})
	w.supply("clinic,date,block,vaccine,seats\n" + w.days(seconds, "2021-09-20", "2021-09-21"))
	return w
}

func (w *town) days(seats int, dates ...string) string {
	var b strings.Builder
	for i := 1; i <= 3; i++ {
		for _, date := range dates {
			for _, block := range []string{"0900", "1400"} {
				fmt.Fprintf(&b, "c%d,%s,%s,AZ,%d\n", i, date, block, seats)
			}
		}
	}
	return b.String()
}

func (w *town) supply(file string) {
	w.t.Helper()
	r, err := w.db.ImportSupply(w.ctx, w.campaign, w.row.ID, data.CSV(strings.NewReader(file)), data.System, true)
	w.must(err, r.Errors)
}

// bothOrNeither checks every place of the town: the second dose at the same
// clinic, 49 to 63 days later, and no slot above its seats.
func (w *town) bothOrNeither() int {
	w.t.Helper()
	if n := w.count(`SELECT count(*) FROM jebi.assignment a JOIN jebi.slot s ON s.id = a.slot_id LEFT JOIN jebi.slot z ON z.id = a.second_id
		WHERE a.state IN ('assigned', 'confirmed') AND (s.second OR z.second AND z.clinic_id = s.clinic_id AND z.vaccine = s.vaccine AND z.date - s.date BETWEEN 49 AND 63) IS NOT TRUE OR s.second`); n != 0 {
		w.t.Fatalf("%d places without their second dose", n)
	}
	w.stats()
	return w.count(`SELECT count(*) FROM jebi.assignment WHERE state IN ('assigned', 'confirmed')`)
}

func TestTwoDosesFromTheFileToTheReminder(t *testing.T) {
	for _, seating := range []string{"fixed", "flexible"} {
		t.Run(seating, func(t *testing.T) {
			w := twoDoses(t, 14, 1, 1, seating)
			if n := w.count(`SELECT count(*) FROM jebi.slot WHERE second`); n != 12 {
				t.Fatalf("%d slots for second doses", n)
			}
			w.announce()
			if n := w.count(`SELECT count(pair_id) FROM jebi.slot`); seating == "fixed" && n != 12 || seating == "flexible" && n != 0 {
				t.Errorf("%d pairs", n)
			}
			w.at("2021-07-14 09:00")
			w.tick()
			for key := range w.people {
				w.must(w.save(key, choice("c1", "26", "am"), anything()))
			}
			if err := w.save("p000", cohort.Choice{Target: "clinics", Clinics: []string{"c1"}, Dates: []string{"2021-09-20"}, Parts: []string{"am"}}); err == nil {
				t.Error("a ballot for second doses alone was taken")
			}
			o, err := Trial(w.ctx, w.db, w.campaign, "a", 10, &TrialBallot{Ballot: cohort.Ballot{Draw: "town-a", Person: "me", Choices: []cohort.Choice{anything()}}.Encode()}, w.rand)
			w.must(err)
			if o.Served < 0.85 || o.Served > 0.86 || o.Clinics["c1"].Seats != 4 { // 12 of 14
				t.Errorf("odds %+v", o)
			}
			w.at("2021-07-16 18:00")
			w.tick()
			supply := string(pgtest.Value[[]byte](t, w.url, `SELECT supply FROM jebi.draw`))
			if strings.Count(supply, `"second":true`) != 12 || seating == "fixed" && !strings.Contains(supply, `"pair":"c1/2021-09-20/0900/AZ/2"`) {
				t.Errorf("supply.json: %s", supply)
			}
			w.randomness()
			w.at("2021-07-17 14:00")
			w.tick()
			w.is(cohort.Published)
			if n := w.bothOrNeither(); n != 12 {
				t.Errorf("%d places", n)
			}
			dir := filepath.Join(t.TempDir(), "a")
			w.must(WriteBundle(w.ctx, w.db, w.cohort.ID, dir))
			if report := lottery.Verify(os.DirFS(dir), lottery.VerifyOptions{}); !report.OK(false) {
				t.Errorf("the bundle: %+v", report)
			}
			book := words.New()
			for rank := 1; rank <= 14; rank++ {
				e, err := Explain(w.ctx, w.db, w.byRank(rank))
				w.must(err)
				at := slices.IndexFunc(e.Choices, func(c ChoiceResult) bool { return c.Granted }) + 1
				if at != e.Choice || e.Doses != 2 {
					t.Errorf("rank %d: the cut-offs grant choice %d, she has %d; %d doses", rank, at, e.Choice, e.Doses)
				}
				text := strings.Join(e.Words(book, "en", w.campaign), "\n")
				if seated := e.Place != nil; seated != strings.Contains(text, "Second dose: ") || seated != (e.Second != nil) {
					t.Errorf("rank %d: %s", rank, text)
				}
			}
			// A place that is given back comes free with both its seats, and is offered with both.
			one := w.byRank(1)
			gone := w.result(one)
			w.must(w.cancel(one))
			w.at("2021-07-18 09:10")
			w.tick()
			var taken int64
			for _, id := range w.offered() {
				taken = id
				r := w.result(id)
				if r.Offer.Second == nil || r.Offer.Place.Slot != gone.Place.Slot && seating == "fixed" {
					t.Errorf("the offer: %+v", r.Offer)
				}
				w.must(w.accept(id))
			}
			if taken == 0 || w.bothOrNeither() != 12 {
				t.Errorf("no offer, or not both doses of it")
			}
			for rank := 1; rank <= 14; rank++ {
				if r := w.result(w.byRank(rank)); r.State == "assigned" {
					w.must(w.tx(func(tx *data.Tx) error {
						_, err := tx.ConfirmAssignment(w.ctx, w.byRank(rank), person(), "")
						return err
					}))
				}
			}
			w.at("2021-08-06 18:00")
			w.tick()
			w.is(cohort.Settled)
			// Both appointments are reminded of, each on its eve and with its own time.
			for eve, dose := range map[string]int{"2021-09-19 10:00": 2} {
				w.at(eve)
				w.tick()
				if n := w.count(`SELECT count(*) FROM jebi.message WHERE kind = 'reminder' AND channel = 'sms' AND (params ->> 'dose')::int = $1`, dose); n == 0 || n > 6 {
					t.Errorf("%d reminders of dose %d", n, dose)
				}
			}
			pgtest.Exec(t, w.url, `UPDATE jebi.message SET state = 'cancelled', ended_at = jebi.jebi_now() WHERE kind NOT IN ('reminder', 'result') AND state = 'queued'`)
			out, err := w.db.LeaseMessages(w.ctx, data.Lease{Campaign: w.row.ID, Channel: "email", Limit: 1000, For: time.Minute})
			w.must(err)
			told := map[string]int{}
			for _, m := range out {
				if m.Slot == nil {
					continue
				}
				switch at := m.Slot.Starts.In(w.campaign.Location).Format("01-02"); {
				case m.Kind == "reminder" && at == "09-20" && m.Slot.Second.IsZero():
					told["second"]++
				case m.Kind == "result" && at < "08" && !m.Slot.Second.IsZero():
					told["both"]++
				}
			}
			if told["second"] == 0 || told["both"] == 0 {
				t.Errorf("messages tell %v", told)
			}
		})
	}
}

func TestTwoDosesNeedTheirSecondSlots(t *testing.T) {
	w := twoDoses(t, 4, 2, 1, "fixed") // one seat for the second dose of two
	err := w.tx(func(tx *data.Tx) error {
		_, err := Announce(w.ctx, tx, w.campaign, "a", w.rand, nil, w.both(), "as decided")
		return err
	})
	refused(t, err, "12 slots have no slot for the second dose")
	refused(t, err, "c1/2021-07-26/0900/AZ")
	w.supply("clinic,date,block,vaccine,seats\n" + w.days(2, "2021-09-20", "2021-09-21"))
	w.announce()
	// A clinic loses a second slot before the freeze: its first one is left out of the draw, and the trail says so.
	w.at("2021-07-14 09:00")
	w.tick()
	for key := range w.people {
		w.must(w.save(key, choice("c1", "26", "am"), anything()))
	}
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.CloseSlots(w.ctx, w.campaign, w.row.ID, data.Closing{Clinic: "c1", Date: "2021-09-20", Block: "0900"}, time.Hour, "a burst pipe", w.both())
		return err
	}))
	w.at("2021-07-16 18:00")
	w.tick()
	if n := w.count(`SELECT count(*) FROM jebi.audit WHERE act = 'draw.unpaired'`); n != 1 {
		t.Errorf("%d rows of slots without a pair", n)
	}
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	if n := w.bothOrNeither(); n != 4 {
		t.Errorf("%d places", n)
	}
}

func TestSecondSlotCloses(t *testing.T) {
	w := twoDoses(t, 12, 2, 3, "flexible")
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	for key := range w.people {
		w.must(w.save(key, anything()))
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	if n := w.bothOrNeither(); n != 12 {
		t.Fatalf("%d places", n)
	}
	first := func(second string) map[string]int {
		return pgtest.Value[map[string]int](t, w.url, `SELECT COALESCE(jsonb_object_agg(a.person_id, a.slot_id), '{}') FROM jebi.assignment a JOIN jebi.slot z ON z.id = a.second_id
			JOIN jebi.clinic k ON k.id = z.clinic_id WHERE a.state = 'assigned' AND k.key || '/' || z.date || '/' || z.block = $1`, second)
	}
	closing := "c1/2021-09-20/0900"
	had := first(closing)
	if len(had) == 0 {
		t.Fatal("nobody to move")
	}
	var out data.Closed
	w.must(w.tx(func(tx *data.Tx) (err error) {
		out, err = tx.CloseSlots(w.ctx, w.campaign, w.row.ID, data.Closing{Clinic: "c1", Date: "2021-09-20", Block: "0900"}, time.Hour, "a burst pipe", w.both())
		return err
	}))
	if out.Moved != len(had) || out.InLine != 0 || w.bothOrNeither() != 12 {
		t.Errorf("%+v of %d", out, len(had))
	}
	for person, slot := range had {
		if n := w.count(`SELECT count(*) FROM jebi.assignment WHERE person_id = $1::bigint AND state = 'assigned' AND slot_id = $2::bigint`, person, slot); n != 1 {
			t.Errorf("person %s lost her first appointment with the second", person)
		}
	}
	// Where the clinic has no second dose any more, its people go elsewhere or come first.
	w.must(w.tx(func(tx *data.Tx) (err error) {
		for _, date := range []string{"2021-09-20", "2021-09-21"} {
			if out, err = tx.CloseSlots(w.ctx, w.campaign, w.row.ID, data.Closing{Clinic: "c1", Date: date}, time.Hour, "closed", w.both()); err != nil {
				return err
			}
		}
		return nil
	}))
	if n := w.bothOrNeither(); n != 12 {
		t.Errorf("%d places after c1 has no second doses; two other clinics have 16", n)
	}
	if n := w.count(`SELECT count(*) FROM jebi.assignment a JOIN jebi.slot s ON s.id = a.slot_id JOIN jebi.clinic k ON k.id = s.clinic_id WHERE a.state = 'assigned' AND k.key = 'c1'`); n != 0 {
		t.Errorf("%d people stay where there is no second dose", n)
	}
}

// Pairs are each other's alone, allowed, and as many as can be.
func TestPairs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 7).Draw(t, "slots")
		slots := make([]lottery.Slot, n)
		for x := range slots {
			slots[x] = lottery.Slot{
				Clinic: int32(rapid.IntRange(0, 1).Draw(t, "clinic")), Day: int32(rapid.SampledFrom([]int{0, 5, 10, 49, 56, 60, 63}).Draw(t, "day")),
				Block: int32(rapid.IntRange(0, 1).Draw(t, "block")), Seats: int32(rapid.IntRange(0, 3).Draw(t, "seats")), Second: rapid.Bool().Draw(t, "second"), Pair: lottery.None,
			}
		}
		fits := func(x, y int) bool {
			a, b := slots[x], slots[y]
			return !a.Second && b.Second && a.Clinic == b.Clinic && b.Seats >= a.Seats && b.Day-a.Day >= 49 && b.Day-a.Day <= 63
		}
		pairs := pairsOf(slots)
		taken, got := map[int32]bool{}, 0
		for x, y := range pairs {
			if y == lottery.None {
				continue
			}
			if taken[y] || !fits(x, int(y)) {
				t.Fatalf("slot %d is paired with %d", x, y)
			}
			taken[y] = true
			got++
		}
		var most func(x int, used int) int // by trying everything
		most = func(x, used int) int {
			if x == n {
				return 0
			}
			best := most(x+1, used)
			for y := range slots {
				if fits(x, y) && used&(1<<y) == 0 {
					best = max(best, 1+most(x+1, used|1<<y))
				}
			}
			return best
		}
		if want := most(0, 0); got != want {
			t.Fatalf("%d pairs of %d", got, want)
		}
	})
	same := pairsOf([]lottery.Slot{{Day: 0, Block: 0, Pair: -1}, {Day: 0, Block: 1, Pair: -1}, {Day: 56, Block: 0, Second: true, Pair: -1}, {Day: 56, Block: 1, Second: true, Pair: -1}})
	if diff := cmp.Diff([]int32{2, 3, lottery.None, lottery.None}, same); diff != "" {
		t.Errorf("the same time of day comes first (-want +got):\n%s", diff)
	}
}

// TestTwoDosesInReserve: who was left out is given both doses or none, out of the reserve of both; what is left of it
// is released together and offered together.
func TestTwoDosesInReserve(t *testing.T) {
	for _, seating := range []string{"fixed", "flexible"} {
		t.Run(seating, func(t *testing.T) {
			w := twoDoses(t, 30, 2, 2, seating)
			w.withReserve(6)
			w.announce()
			w.at("2021-07-14 09:00")
			w.tick()
			claims := map[string]LeftOutClaim{}
			var lost []string
			for n := range 30 {
				p := fmt.Sprintf("p%03d", n)
				r := w.receipt(p, choice("c1", "26", "am"), anything())
				if n < 5 {
					claims[p], lost = w.claim(r), append(lost, p)
				}
			}
			w.lose(lost...)
			w.at("2021-07-16 18:00")
			w.tick()
			w.is(cohort.Frozen)
			kept := func(want int) {
				t.Helper()
				for _, second := range []string{"false", "true"} {
					if n := w.count(`SELECT sum(kept_seats)::int FROM jebi.slot WHERE second = ` + second); n != want {
						t.Errorf("%d seats are kept, want %d; second doses: %s", n, want, second)
					}
				}
			}
			kept(6)
			w.randomness()
			w.at("2021-07-17 14:00")
			w.tick()
			w.is(cohort.Published)
			if n := w.bothOrNeither(); n != 18 {
				t.Errorf("%d places of 24, 6 in reserve", n)
			}
			served := 0
			for _, p := range lost {
				e, err := w.leftOut(claims[p])
				w.must(err)
				r := w.result(w.people[p])
				switch e.Served {
				case servedReserve:
					served++
					if r.Second == nil || r.State != "confirmed" {
						t.Errorf("%s: %+v", p, r)
					}
				case servedWaits:
				default:
					t.Errorf("%s is served by %s: the reserve has seats for all", p, e.Served)
				}
			}
			if served == 0 || served == len(lost) {
				t.Fatalf("%d of %d are served: the test wants some", served, len(lost))
			}
			kept(6 - served)
			if n := w.bothOrNeither(); n != 18+served {
				t.Errorf("%d places, want %d", n, 18+served)
			}
			pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'confirmed' WHERE state = 'assigned'`)
			w.at("2021-07-21 18:10")
			w.tick()
			w.at("2021-07-21 18:20")
			w.tick()
			kept(0)
			offers := w.count(`SELECT count(second_id)::int FROM jebi.offer WHERE state = 'live'`)
			if all := w.count(`SELECT count(*)::int FROM jebi.offer`); offers != 6-served || all != offers {
				t.Errorf("%d offers, %d of both doses; %d seats of the reserve are left", all, offers, 6-served)
			}
			for _, id := range w.offered() {
				w.must(w.accept(id))
			}
			if n := w.bothOrNeither(); n != 24 {
				t.Errorf("%d places, want all 24", n)
			}
		})
	}
}
