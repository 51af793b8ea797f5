package data_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

func (r *roster) tryClose(k data.Closing) (out data.Closed, err error) {
	err = r.db.Tx(r.ctx, func(tx *data.Tx) error {
		out, err = tx.CloseSlots(r.ctx, r.campaign, r.id, k, 3*time.Hour, "no power", r.actor)
		return err
	})
	return out, err
}

func (r *roster) close(k data.Closing) data.Closed {
	r.t.Helper()
	out, err := r.tryClose(k)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *roster) addSeats(m data.MoreSeats) (out data.SeatsAdded, err error) {
	err = r.db.Tx(r.ctx, func(tx *data.Tx) error {
		out, err = tx.AddSeats(r.ctx, r.campaign, r.id, m, "another nurse", r.actor)
		return err
	})
	return out, err
}

func (r *roster) seats(cohortKey string) string {
	r.t.Helper()
	return strings.Join(pgtest.Values[string](r.t, r.url, `SELECT k.key || '/' || to_char(s.date, 'DD') || '/' || s.block || ':' || s.seats || CASE WHEN s.position IS NULL THEN '+' ELSE '' END
		FROM jebi.slot s JOIN jebi.cohort c ON c.id = s.cohort_id JOIN jebi.clinic k ON k.id = s.clinic_id WHERE c.key = $1 ORDER BY k.key, s.date, s.block`, cohortKey), " ")
}

// invariants of seats, by an independent count.
func (r *roster) sound() {
	r.t.Helper()
	for what, sql := range map[string]string{
		"slots over their seats": `jebi.slot s WHERE used + held > seats OR used <> (SELECT count(*) FROM jebi.assignment a WHERE a.slot_id = s.id AND a.state IN ('assigned', 'confirmed'))
			OR held <> (SELECT COALESCE(sum(o.size), 0) FROM jebi.offer o WHERE o.slot_id = s.id AND o.state = 'live')`,
		"people with two places": `(SELECT person_id FROM jebi.assignment WHERE state IN ('assigned', 'confirmed') GROUP BY person_id HAVING count(*) > 1) x`,
		"places at closed slots": `jebi.assignment a JOIN jebi.slot s ON s.id = a.slot_id WHERE a.state IN ('assigned', 'confirmed') AND s.seats = 0`,
		"blocks over the supply": `(SELECT 1 FROM jebi.slot s JOIN jebi.supply p USING (clinic_id, date, block, vaccine) GROUP BY clinic_id, date, block, vaccine, p.seats HAVING sum(s.seats) > p.seats) x`,
	} {
		if n := count(r.t, r.url, sql); n != 0 {
			r.t.Errorf("%d %s", n, what)
		}
	}
}

func TestClosedClinicMovesPeopleInsideTheirChoices(t *testing.T) {
	r := filled(t)
	r.load(r.db.ImportPeople, "key,name,birth_date,phone,district\nP5,다섯,1964-01-01,010-2345-6705,11620\nP6,여섯,1964-01-01,010-2345-6706,11620\nP7,일곱,1965-01-01,,11620\nP8,여덟,1965-01-01,010-2345-6708,11620\n")
	r.state("b62", cohort.Open)
	r.answer("P1", anyClinic("C1"), anyClinic("C2")) // first choice has another slot, on the 27th
	r.answer("P2", cohort.Choice{Target: "clinics", Clinics: []string{"C1"}, Dates: []string{"2021-07-26"}, Parts: []string{"am"}}, anyClinic("C2"))
	r.answer("P5", cohort.Choice{Target: "clinics", Clinics: []string{"C1"}, Dates: []string{"2021-07-26"}, Parts: []string{"am", "pm"}})
	for _, p := range []string{"P6", "P7", "P8"} {
		r.answer(p, anyClinic("C1"))
	}
	am, pm := r.slot("b62", "C1", "2021-07-26", "0900"), r.slot("b62", "C1", "2021-07-26", "1400")
	r.draw("b62", ticket{am, []string{"P1"}}, ticket{am, []string{"P2"}}, ticket{pm, []string{"P5"}}, ticket{0, []string{"P6", "P7"}}, ticket{0, []string{"P8"}})
	r.exec(`UPDATE jebi.assignment SET state = 'confirmed' WHERE person_id = $1`, r.person("P1").ID)
	r.exec(`INSERT INTO jebi.offer (cohort_id, rank, slot_id, choice, size, batch_at, deadline) VALUES ($1, 5, $2, 1, 1, jebi.jebi_now(), jebi.jebi_now() + '1 day')`, r.cohort("b62"), pm)

	out := r.close(data.Closing{Clinic: "C1", Date: "2021-07-26"})
	if want := (data.Closed{Slots: 2, Seats: 4, Drafts: 4, Moved: 2, InLine: 1, Withdrawn: 1}); out != want {
		t.Errorf("answer %+v, want %+v", out, want)
	}
	for key, want := range map[string]string{
		"P1": "moved/C1/26/0900 confirmed/C1/27/0900", // the same choice, and she need not accept again
		"P2": "moved/C1/26/0900 assigned/C2/26/0900",  // the second choice
		"P5": "closed/C1/26/1400",
	} {
		if got := r.place(key); got != want {
			t.Errorf("%s has %s, want %s", key, got, want)
		}
	}
	if got := r.waiting("P5"); got != "waiting  first" {
		t.Errorf("P5 is %s", got)
	}
	if got := r.waiting("P8"); got != "waiting  first" {
		t.Errorf("P8, whose offer was withdrawn, is %s", got)
	}
	for key, want := range map[string]string{"P1": "moved queued", "P2": "moved queued", "P5": "cancelled queued", "P8": "offer_withdrawn queued"} {
		if got := r.messages(key); !slices.Contains(got, want) {
			t.Errorf("%s is told %v, want %s", key, got, want)
		}
	}
	if got, want := r.seats("b62"), "C1/26/0900:0 C1/26/1400:0 C1/27/0900:2 C2/26/0900:2"; got != want {
		t.Errorf("seats %s, want %s", got, want)
	}
	r.sound()
	board := pgtest.Values[string](t, r.url, `SELECT convert_from(body, 'UTF8') FROM jebi.board WHERE kind = 'release' ORDER BY id`)
	if len(board) != 1 || !strings.Contains(board[0], `{"clinic":"C1","date":"2021-07-26","block":"0900","vaccine":"AZ","seats":0,"before":2}`) || !strings.Contains(board[0], `"draw_id":"sample-b62","sample":true`) {
		t.Errorf("board %v", board)
	}
	audit := r.auditText()
	for _, act := range []string{"clinics.close clinic:C1", fmt.Sprintf("place.move person:%d", r.person("P1").ID), fmt.Sprintf("place.close person:%d", r.person("P5").ID)} {
		if !strings.Contains(audit, act) {
			t.Errorf("the audit trail lacks %s", act)
		}
	}
	// Closed seats do not come back with the file, and there is nothing left to close.
	if got := r.load(r.db.ImportSupply, supplyFile); got.Same != 4 || !strings.Contains(r.seats("b69"), "C1/27/0900:1") || strings.Contains(r.seats("b69"), "C1/26") {
		t.Errorf("import after the closing: %+v, %s", got, r.seats("b69"))
	}
	var no *data.Refusal
	if _, err := r.tryClose(data.Closing{Clinic: "C1", Date: "2021-07-26"}); !errors.As(err, &no) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestPartyIsMovedTogetherOrNotAtAll(t *testing.T) {
	r := filled(t)
	r.load(r.db.ImportPeople, "key,name,birth_date,phone,district\nP5,다섯,1964-01-01,010-2345-6705,11620\nP6,여섯,1964-01-01,010-2345-6706,11620\nP7,일곱,1965-01-01,010-2345-6707,11620\n")
	r.state("b62", cohort.Open)
	for _, p := range []string{"P1", "P2", "P5", "P6", "P7"} {
		r.answer(p, anyClinic("C1"))
	}
	am, pm, next := r.slot("b62", "C1", "2021-07-26", "0900"), r.slot("b62", "C1", "2021-07-26", "1400"), r.slot("b62", "C1", "2021-07-27", "0900")
	// One seat is free on the 27th and one in the afternoon: no two together.
	r.draw("b62", ticket{am, []string{"P1", "P2"}}, ticket{pm, []string{"P5"}}, ticket{next, []string{"P6"}}, ticket{0, []string{"P7"}})
	out := r.close(data.Closing{Clinic: "C1", Date: "2021-07-26", Block: "0900"})
	if out.Moved != 0 || out.InLine != 2 || r.place("P1") != "closed/C1/26/0900" || r.waiting("P2") != "waiting  first" {
		t.Errorf("%+v; %s, %s", out, r.place("P1"), r.waiting("P2"))
	}
	r.sound()
}

func TestSomeSeatsStayAndTheBestRanksKeepThem(t *testing.T) {
	r := filled(t)
	r.state("b62", cohort.Open)
	r.answer("P1", cohort.Choice{Target: "clinics", Clinics: []string{"C2"}, Dates: []string{"2021-07-26"}, Parts: []string{"am"}})
	r.answer("P2", cohort.Choice{Target: "clinics", Clinics: []string{"C2"}, Dates: []string{"2021-07-26"}, Parts: []string{"am"}})
	c2 := r.slot("b62", "C2", "2021-07-26", "0900")
	r.draw("b62", ticket{c2, []string{"P2"}}, ticket{c2, []string{"P1"}})
	out := r.close(data.Closing{Clinic: "C2", Keep: 1})
	if out.Slots != 1 || out.Seats != 1 || out.InLine != 1 || r.place("P2") != "assigned/C2/26/0900" || r.place("P1") != "closed/C2/26/0900" {
		t.Errorf("%+v; %s, %s", out, r.place("P2"), r.place("P1"))
	}
	if got := r.seats("b69"); strings.Contains(got, "C2") {
		t.Errorf("the drafts keep seats of C2: %s", got)
	}
	r.sound()
}

func TestClosingBeforeAndInTheDraw(t *testing.T) {
	r := filled(t)
	r.state("b62", cohort.Open)
	if out := r.close(data.Closing{Clinic: "C2"}); out.Slots != 1 || out.Seats != 2 || out.Drafts != 2 {
		t.Errorf("while open: %+v", out)
	}
	r.state("b62", cohort.Frozen)
	var no *data.Refusal
	if _, err := r.tryClose(data.Closing{Clinic: "C1"}); !errors.As(err, &no) || !strings.Contains(err.Error(), "frozen") {
		t.Errorf("while frozen: %v", err)
	}
	if got, want := r.seats("b62"), "C1/26/0900:2 C1/26/1400:2 C1/27/0900:2 C2/26/0900:0"; got != want {
		t.Errorf("seats %s, want %s", got, want)
	}
	if _, err := r.tryClose(data.Closing{Clinic: "C9"}); !errors.Is(err, data.ErrNotFound) {
		t.Errorf("an unknown clinic: %v", err)
	}
	r.sound()
}

func TestAfterTheWaitlistAClosingTakesThePlace(t *testing.T) {
	r := drawn(t)
	r.state("b62", cohort.Settled)
	out := r.close(data.Closing{Clinic: "C1"})
	if out.Lost != 2 || out.Moved != 0 || !slices.Contains(r.messages("P1"), "place_ended queued") {
		t.Errorf("%+v, %v", out, r.messages("P1"))
	}
	r.sound()
}

func TestSeatsAreAdded(t *testing.T) {
	r := filled(t)
	more := data.MoreSeats{Clinic: "C1", Date: "2021-07-28", Block: "10:00", Vaccine: "AZ", Seats: 10}
	// Shared out to the drafts.
	out, err := r.addSeats(more)
	if err != nil || out.Before != 0 || out.After != 10 || out.State != cohort.Draft || !strings.Contains(r.seats("b62"), "C1/28/1000:5") {
		t.Errorf("drafts: %+v, %v, %s", out, err, r.seats("b62"))
	}
	r.state("b62", cohort.Open)
	// A slot that the draw knows takes part in it, a new one is offered later.
	more.Cohort, more.Seats = "b62", 3
	if out, err := r.addSeats(more); err != nil || out.Before != 5 || out.After != 8 || !out.Draw {
		t.Errorf("known slot: %+v, %v", out, err)
	}
	more.Block = "1100"
	if out, err := r.addSeats(more); err != nil || out.Before != 0 || out.After != 3 || out.Draw || !strings.Contains(r.seats("b62"), "C1/28/1100:3+") {
		t.Errorf("new slot: %+v, %v", out, err)
	}
	r.sound()
	var no *data.Refusal
	for _, s := range []cohort.State{cohort.Frozen, cohort.Drawn} {
		r.state("b62", s)
		if _, err := r.addSeats(more); !errors.As(err, &no) {
			t.Errorf("while %s: %v", s, err)
		}
	}
	r.state("b62", cohort.Published)
	if out, err := r.addSeats(more); err != nil || out.Before != 3 || out.After != 6 || out.Draw {
		t.Errorf("published: %+v, %v", out, err)
	}
	var released []data.ReleaseRow
	if err := r.db.Tx(r.ctx, func(tx *data.Tx) (err error) { released, err = tx.ReleaseSeats(r.ctx, r.cohort("b62")); return err }); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(released, func(x data.ReleaseRow) bool { return x.Block == "1100" && x.Seats == 6 }) {
		t.Errorf("released %+v", released)
	}
	r.sound()
	for name, m := range map[string]data.MoreSeats{
		"no such cohort": {Clinic: "C1", Date: "2021-07-28", Block: "1000", Vaccine: "AZ", Seats: 1, Cohort: "b99"},
		"no such clinic": {Clinic: "C9", Date: "2021-07-28", Block: "1000", Vaccine: "AZ", Seats: 1},
		"a draft named":  {Clinic: "C1", Date: "2021-07-28", Block: "1000", Vaccine: "AZ", Seats: 1, Cohort: "b69"},
		"in the past":    {Clinic: "C1", Date: "2020-07-28", Block: "1000", Vaccine: "AZ", Seats: 1, Cohort: "b62"},
		"no date":        {Clinic: "C1", Date: "", Block: "1000", Vaccine: "AZ", Seats: 1, Cohort: "b62"},
		"in the night":   {Clinic: "C1", Date: "2021-07-28", Block: "0300", Vaccine: "AZ", Seats: 1, Cohort: "b62"},
		"no seats":       {Clinic: "C1", Date: "2021-07-28", Block: "1000", Vaccine: "AZ", Seats: 0, Cohort: "b62"},
		"too many":       {Clinic: "C1", Date: "2021-07-28", Block: "1000", Vaccine: "AZ", Seats: 9999, Cohort: "b62"},
		"for nobody":     {Clinic: "C1", Date: "2021-09-28", Block: "1000", Vaccine: "AZ", Seats: 1},
	} {
		before := r.seats("b62") + r.seats("b69")
		if _, err := r.addSeats(m); err == nil {
			t.Errorf("%s: taken", name)
		}
		if diff := cmp.Diff(before, r.seats("b62")+r.seats("b69")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
