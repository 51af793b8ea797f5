package cycle

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// withReserve gives the town a reserve and an operator's key, which receipts
// are signed with.
func (w *town) withReserve(seats int) lottery.Key {
	w.t.Helper()
	operator := key(w.t, "town.sample.invalid", false)
	w.runner.Operator = &operator
	w.intake = intake.New(intake.Config{DB: w.db, Random: w.rand, Operator: &operator})
	w.recast(func(file string) string {
		return strings.Replace(file, "reserve = 0\n", fmt.Sprintf("reserve = %d\n", seats), 1)
	})
	return operator
}

func (w *town) receipt(person string, choices ...cohort.Choice) intake.Receipt {
	w.t.Helper()
	r, err := w.intake.Save(w.ctx, intake.Request{Campaign: w.campaign, Person: w.people[person], Choices: choices, Channel: data.ChannelSample})
	w.must(err)
	if r.Signed == nil {
		w.t.Fatal("the receipt is not signed")
	}
	return r
}

// claim is a receipt's file with the ballot, as the form hands it out.
func (w *town) claim(r intake.Receipt) LeftOutClaim {
	w.t.Helper()
	file, err := json.Marshal(map[string]any{"sample": true, "ballot": hex.EncodeToString(r.Ballot), "save": r.Signed})
	w.must(err)
	return LeftOutClaim{Receipt: file}
}

func (w *town) leftOut(c LeftOutClaim) (e LeftOutEntry, err error) {
	err = w.tx(func(tx *data.Tx) (err error) {
		e, err = LeftOut(w.ctx, tx, w.campaign, w.row.ID, "a", c, "inquiry 4", w.both())
		return err
	})
	return e, err
}

// lose takes a ballot away before the freeze, as somebody who can do anything
// to the database would.
func (w *town) lose(people ...string) {
	w.t.Helper()
	for _, p := range people {
		pgtest.Unguarded(w.t, w.url, "jebi_owner", "jebi", fmt.Sprintf(`DELETE FROM ballot WHERE person_id = %d`, w.people[p]))
	}
}

func TestReserveIsKeptFromTheDraw(t *testing.T) {
	slots := func(seats ...int) (list []data.SlotRow) {
		for i, n := range seats {
			list = append(list, data.SlotRow{ID: int64(i + 1), Seats: n, Position: &i})
		}
		return list
	}
	for _, x := range []struct {
		slots []data.SlotRow
		n     int
		want  []int
	}{
		{slots(4, 4, 4, 4), 0, []int{0, 0, 0, 0}},
		{slots(4, 4, 4, 4), 4, []int{1, 1, 1, 1}},
		{slots(4, 4, 4, 4), 2, []int{0, 1, 0, 1}},
		{slots(1, 10, 1), 3, []int{0, 2, 1}},
		{slots(2, 2), 9, []int{1, 1}}, // never more than half
		{slots(0, 3, 0), 1, []int{0, 1, 0}},
		{nil, 3, []int{}},
	} {
		if got := reserveOf(x.slots, x.n); !slices.Equal(got, x.want) {
			t.Errorf("%d of %d slots: %v, want %v", x.n, len(x.slots), got, x.want)
		}
	}
	paired := slots(4, 4, 8, 6)
	paired[0].Pair, paired[1].Pair = 3, 3
	paired[2].Second, paired[3].Second = true, true
	if got := reserveOf(paired, 4); !slices.Equal(got, []int{2, 2, 4, 3}) {
		t.Errorf("with second slots: %v", got)
	}

	w := newTown(t, 30, 2)
	w.withReserve(5)
	w.frozen()
	if n := w.count(`SELECT sum(kept_seats)::int FROM jebi.slot`); n != 5 {
		t.Errorf("%d seats are kept", n)
	}
	if n := w.count(`SELECT sum(drawn_seats)::int FROM jebi.slot`); n != 19 {
		t.Errorf("the draw has %d seats of 24", n)
	}
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	if s := w.stats(); s.Assigned != 19 || s.Waiting != 11 {
		t.Errorf("%d have a place, %d wait", s.Assigned, s.Waiting)
	}
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	if m, err := lottery.ParseManifest(d.Manifest); err != nil || m.Reserve != 5 {
		t.Errorf("the manifest has a reserve of %d, %v", m.Reserve, err)
	}
	var entry ReserveEntry
	w.must(json.Unmarshal(pgtest.Value[[]byte](t, w.url, `SELECT body FROM jebi.board WHERE kind = 'reserve'`), &entry))
	sum := 0
	for _, s := range entry.Slots {
		sum += s.Seats
	}
	if sum != 5 || entry.DrawID != "town-a" {
		t.Errorf("the board has %+v", entry)
	}
	// No batch touches it before confirm_by; after it, it is released and offered.
	w.at("2021-07-18 09:10")
	w.tick()
	if n := w.count(`SELECT count(*)::int FROM jebi.offer`); n != 0 {
		t.Errorf("%d offers of the reserve", n)
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'confirmed'`)
	w.at("2021-07-21 18:10")
	w.tick()
	w.at("2021-07-21 18:20")
	w.tick()
	if n := w.count(`SELECT sum(kept_seats)::int FROM jebi.slot`); n != 0 {
		t.Errorf("%d seats are kept after confirm_by", n)
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.offer WHERE state = 'live'`); n != 5 {
		t.Errorf("%d offers of what was left of the reserve, want 5", n)
	}
	w.stats()
}

func TestReserveIsAtMostHalf(t *testing.T) {
	w := newTown(t, 3, 1)
	w.withReserve(7)
	err := w.tx(func(tx *data.Tx) error {
		_, err := Announce(w.ctx, tx, w.campaign, "a", w.rand, w.runner.Operator, w.both(), "x")
		return err
	})
	refused(t, err, "at most half")
}

// TestLeftOut loses ballots before the freeze, and lets their people come with
// their receipts.
func TestLeftOut(t *testing.T) {
	w := newTown(t, 30, 2)
	operator := w.withReserve(6)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	first := w.receipt("p000", anything())
	receipts := map[string]intake.Receipt{}
	for n := range 30 {
		p := fmt.Sprintf("p%03d", n)
		receipts[p] = w.receipt(p, choice(fmt.Sprintf("c%d", n%3+1), "26 27", "am pm"), anything())
	}
	gone, err := w.intake.Withdraw(w.ctx, intake.Request{Campaign: w.campaign, Person: w.people["p029"], Channel: data.ChannelSample})
	w.must(err)
	if gone.Signed != nil {
		t.Error("a withdrawal was signed")
	}
	claims := map[string]LeftOutClaim{}
	for p, r := range receipts {
		claims[p] = w.claim(r)
	}
	lost := []string{"p000", "p001", "p002", "p003", "p004", "p005", "p006", "p007"}
	w.lose(lost...)
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	_, err = w.leftOut(claims["p001"])
	refused(t, err, "while its result is published")
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	frozen := filepath.Join(t.TempDir(), "frozen")
	w.must(WriteFrozen(w.ctx, w.db, w.cohort.ID, frozen))

	// What is no proof is refused, and changes nothing.
	before := w.fingerprint()
	says := func(c LeftOutClaim, why string) {
		t.Helper()
		_, err := w.leftOut(c)
		refused(t, err, why)
	}
	says(LeftOutClaim{Receipt: []byte("{}")}, "cannot be read")
	says(claims["p010"], "was not left out: leaf")
	says(claims["p029"], "was withdrawn")
	old, err := json.Marshal(first.Signed)
	w.must(err)
	says(LeftOutClaim{Receipt: old}, "revision 2 stands in the log of saves")
	says(LeftOutClaim{Receipt: []byte(strings.Replace(string(claims["p001"].Receipt), `"revision":1`, `"revision":2`, 1))}, "is not the operator's")
	says(LeftOutClaim{Receipt: []byte(strings.Replace(string(claims["p001"].Receipt), "town-a", "town-b", 1))}, "is of draw town-b")
	bare, err := json.Marshal(receipts["p001"].Signed)
	w.must(err)
	says(LeftOutClaim{Receipt: bare}, "has not the ballot of this receipt any more")
	says(LeftOutClaim{Receipt: bare, Ballot: []byte("{}")}, "has not the ballot of this receipt any more")
	late := lottery.Save{
		DrawID: "town-a", Manifest: receipts["p001"].Signed.Manifest, PID: receipts["p001"].Signed.PID, Revision: 9, Time: receipts["p001"].Signed.Time,
	}.Sign(operator.Private())
	text, err := json.Marshal(late)
	w.must(err)
	says(LeftOutClaim{Receipt: text}, "does not stand in the log of saves")
	err = w.tx(func(tx *data.Tx) error {
		_, err := LeftOut(w.ctx, tx, w.campaign, w.row.ID, "a", claims["p001"], "", w.both())
		return err
	})
	refused(t, err, "how the ballot came to be left out")
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'dead' WHERE key = 'p001'`)
	says(claims["p001"], "is dead on the list")
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'eligible' WHERE key = 'p001'`)
	if after := w.fingerprint(); after != before {
		t.Errorf("refusals changed something:\n%s\nbefore\n%s", after, before)
	}

	// Each gets the rank of its ticket, and what the cut-offs give to it.
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	claimed, err := lottery.ParseClaims(d.Claims)
	w.must(err)
	var order []lottery.ID
	var tickets []lottery.Hash
	for _, id := range pgtest.Values[[]byte](t, w.url, `SELECT entity FROM jebi.ticket ORDER BY rank`) {
		order = append(order, lottery.ID(id))
		tickets = append(tickets, lottery.Ticket(claimed.TicketKey, lottery.ID(id), 1))
	}
	fair, err := w.db.Fairness(w.ctx, w.state(), "UTC", nil)
	w.must(err)
	drawn := w.stats().Tickets
	served := map[string]int{}
	for i, p := range lost {
		c := claims[p]
		if i == 1 { // by itself, with the ballot's bytes beside
			c = LeftOutClaim{Receipt: bare}
			var file struct{ Ballot string }
			w.must(json.Unmarshal(claims[p].Receipt, &file))
			c.Ballot, err = hex.DecodeString(file.Ballot)
			w.must(err)
		}
		e, err := w.leftOut(c)
		w.must(err)
		served[e.Served]++
		mine := lottery.Ticket(claimed.TicketKey, e.PID, 1)
		rank := 1
		for _, other := range tickets {
			if string(other[:]) < string(mine[:]) {
				rank++
			}
		}
		if e.Rank != rank || e.Ticket != mine || e.Tickets != len(order) || slices.Contains(order, e.PID) || !slices.Equal(e.Officials, []string{"first", "second"}) {
			t.Errorf("%s: %+v, want rank %d", p, e, rank)
		}
		x, err := Explain(w.ctx, w.db, w.people[p])
		w.must(err)
		granted := slices.ContainsFunc(x.Choices, func(c ChoiceResult) bool { return c.Granted })
		if !x.LeftOut || x.Rank != rank || granted != (e.Served != servedWaits) {
			t.Errorf("%s: explained as rank %d, granted %t; %s", p, x.Rank, granted, e.Served)
		}
		want := map[string]string{servedReserve: "confirmed", servedFree: "confirmed", servedFirst: "waiting", servedWaits: "waiting"}[e.Served]
		if r := w.result(w.people[p]); r.State != want || r.Rank != rank {
			t.Errorf("%s is told %s with rank %d, want %s with %d", p, r.State, r.Rank, want, rank)
		}
		says(claims[p], "as left out already")
		_, err = NewProvers(w.db, &operator).Proof(w.ctx, w.campaign, w.people[p])
		refused(t, err, fmt.Sprintf("left_out, pid %s, rank %d;", e.PID, rank))
	}
	if served[servedReserve] == 0 || served[servedWaits] == 0 {
		t.Errorf("served: %v; the test wants some of each", served)
	}
	if s := w.stats(); s.Tickets != drawn {
		t.Errorf("the draw had %d tickets, has %d", drawn, s.Tickets)
	}
	if after, err := w.db.Fairness(w.ctx, w.state(), "UTC", nil); err != nil || cmp.Diff(byValue(fair), byValue(after)) != "" {
		t.Errorf("ballots that were not in the draw count in its fairness: %v\n%s", err, cmp.Diff(byValue(fair), byValue(after)))
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.board WHERE kind = 'left_out'`); n != len(lost) {
		t.Errorf("%d cases on the board", n)
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.audit WHERE act = 'draw.left_out' AND second_id IS NOT NULL`); n != len(lost) {
		t.Errorf("%d cases on the trail with two officials", n)
	}
	if n := w.count(`SELECT count(DISTINCT person_id)::int FROM jebi.message WHERE kind = 'left_out'`); n != len(lost) {
		t.Errorf("%d people are told", n)
	}

	// The bundle is what it was, and the database holds against the copy.
	var report lottery.Report
	w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) {
		read := func(name string) []byte { b, err := os.ReadFile(filepath.Join(frozen, name)); w.must(err); return b }
		report, err = Against(w.ctx, tx, w.cohort.ID, Outside{Checkpoint: read(lottery.FileCheckpoint), Leaves: read(lottery.FileLeaves), Manifest: read(lottery.FileManifest)})
		return err
	}))
	if !report.OK(true) {
		t.Errorf("against the copy: %+v", report.Parts)
	}
	// A ballot that came back is held against its receipt too.
	for _, change := range []string{
		`UPDATE ballot SET revision = 3 WHERE person_id = %d`, `DELETE FROM ballot WHERE person_id = %d`,
		`UPDATE ballot SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '"c1","c2","c3"', '"c1","c2"'), 'UTF8') WHERE person_id = %d`,
	} {
		person := w.people[lost[2]]
		keep := fmt.Sprintf(`CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM ballot WHERE person_id = %d`, person)
		pgtest.Unguarded(t, w.url, "jebi_owner", "jebi", keep+"; "+fmt.Sprintf(change, person))
		w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) {
			report, err = Against(w.ctx, tx, w.cohort.ID, Outside{Checkpoint: d.Checkpoint})
			return err
		}))
		if i := slices.IndexFunc(report.Parts, func(p lottery.Part) bool { return p.Name == "left out" }); report.Parts[i].State != lottery.Fails || !strings.Contains(report.Parts[i].Detail, fmt.Sprint("person ", person)) {
			t.Errorf("%s: %+v", change, report.Parts[i])
		}
		pgtest.Unguarded(t, w.url, "jebi_owner", "jebi", fmt.Sprintf(`DELETE FROM ballot WHERE person_id = %d; INSERT INTO ballot SELECT * FROM kept`, person))
	}
	if _, err := Publish(w.ctx, w.db, w.campaign, w.row.ID, t.TempDir(), nil); err != nil {
		t.Error(err)
	}

	// Who waits does so at her rank, before those behind it.
	var ranks []int
	var line []int64
	w.must(w.tx(func(tx *data.Tx) error {
		return tx.EachWaiting(w.ctx, w.cohort.ID, func(m *data.WaitingMember) error { line = append(line, m.Person); return nil })
	}))
	for _, person := range line {
		r := w.result(person)
		ranks = append(ranks, 2*r.Rank)
		if r.LeftOut {
			ranks[len(ranks)-1]--
		}
	}
	if !slices.IsSorted(ranks) || len(ranks) == 0 {
		t.Errorf("the waitlist stands in the order %v", ranks)
	}
	if offers := w.count(`SELECT count(*)::int FROM jebi.offer`); offers != 0 {
		t.Errorf("%d offers", offers)
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'declined', ended_at = jebi.jebi_now() WHERE id IN (SELECT id FROM jebi.assignment WHERE origin = 'draw' LIMIT 6)`)
	w.must(w.tx(func(tx *data.Tx) error {
		rep, err := Batch(w.ctx, tx, w.campaign, w.state(), w.both(), "x")
		if rep.Offers == 0 {
			t.Error("nothing is offered")
		}
		return err
	}))
	w.stats()
}

// TestLeftOutFirstInLine has no seat left for a ballot that was left out: it
// gets the next one.
func TestLeftOutFirstInLine(t *testing.T) {
	w := newTown(t, 30, 1)
	w.withReserve(0)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	claims := map[string]LeftOutClaim{}
	var lost []string
	for n := range 30 {
		p := fmt.Sprintf("p%03d", n)
		r := w.receipt(p, anything())
		if n < 6 {
			claims[p], lost = w.claim(r), append(lost, p)
		}
	}
	w.lose(lost...)
	w.at("2021-07-16 18:00")
	w.tick()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	var owed []string
	for _, p := range lost {
		e, err := w.leftOut(claims[p])
		w.must(err)
		if e.Served == servedFirst {
			owed = append(owed, p)
		}
		if e.Served == servedReserve || e.Served == servedFree {
			t.Errorf("%s was served by %s, there is no seat", p, e.Served)
		}
	}
	if len(owed) == 0 {
		t.Fatal("none of them is owed a place: the test needs another seed")
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'declined', ended_at = jebi.jebi_now() WHERE rank = 1`)
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := Batch(w.ctx, tx, w.campaign, w.state(), w.both(), "x")
		return err
	}))
	offers := 0
	for _, p := range owed {
		if r := w.result(w.people[p]); r.Offer != nil {
			offers++
			w.must(w.accept(w.people[p]))
			if r := w.result(w.people[p]); r.State != "confirmed" {
				t.Errorf("%s is %s", p, r.State)
			}
		}
	}
	if offers != 1 {
		t.Errorf("%d offers to who is first in line, want the one seat", offers)
	}
	w.stats()
}

// TestReserveStaysWhenAClinicTakesSeats: free seats go first, those of the reserve stay; the waitlist goes on with what
// is left, and seats that come back are put on the board before they are offered.
func TestReserveStaysWhenAClinicTakesSeats(t *testing.T) {
	w := newTown(t, 30, 2)
	w.withReserve(5)
	w.frozen()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	const kept = ` FROM jebi.slot s JOIN jebi.clinic k ON k.id = s.clinic_id WHERE s.kept_seats = 1 ORDER BY s.id LIMIT 1`
	slot := pgtest.Value[int64](t, w.url, `SELECT s.id`+kept)
	c := data.Closing{
		Clinic: pgtest.Value[string](t, w.url, `SELECT k.key`+kept), Date: pgtest.Value[string](t, w.url, `SELECT s.date::text`+kept),
		Block: pgtest.Value[string](t, w.url, `SELECT s.block`+kept), Keep: 1,
	}
	pgtest.Exec(t, w.url, fmt.Sprintf(`UPDATE jebi.assignment SET state = 'declined', ended_at = jebi.jebi_now() WHERE slot_id = %d`, slot))
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := tx.CloseSlots(w.ctx, w.campaign, w.row.ID, c, w.campaign.Rules.OfferLead, "fewer nurses", w.both())
		return err
	}))
	seats := func(want string) {
		t.Helper()
		if got := pgtest.Value[string](t, w.url, fmt.Sprintf(`SELECT concat_ws(' ', seats, kept_seats, released_seats, used + held) FROM jebi.slot WHERE id = %d`, slot)); got != want {
			t.Errorf("seats, kept, released, taken: %s, want %s", got, want)
		}
	}
	seats("1 1 0 0")
	if b := w.batch(); b.Offers != 0 {
		t.Errorf("the seat of the reserve was offered: %+v", b)
	}
	pgtest.Exec(t, w.url, fmt.Sprintf(`UPDATE jebi.slot SET seats = 2 WHERE id = %d`, slot))
	if b := w.batch(); b.Offers != 0 || b.Released != 1 {
		t.Errorf("a seat that came back is released first: %+v", b)
	}
	if b := w.batch(); b.Offers != 1 {
		t.Errorf("and then offered: %+v", b)
	}
	seats("2 1 1 1")
}

// byValue are counts that come in any order.
func byValue(cuts []cohort.FairnessCounts) map[string]cohort.FairnessCount {
	out := map[string]cohort.FairnessCount{}
	for _, c := range cuts {
		for _, n := range c.Counts {
			out[c.By+" "+n.Value] = n
		}
	}
	return out
}
