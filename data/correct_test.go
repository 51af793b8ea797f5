package data_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

func (r *roster) correct(k data.Correction) data.Corrected {
	r.t.Helper()
	out, err := r.tryCorrect(k)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *roster) tryCorrect(k data.Correction) (out data.Corrected, err error) {
	err = r.db.Tx(r.ctx, func(tx *data.Tx) error {
		out, err = tx.CorrectPerson(r.ctx, r.campaign, r.id, k, "told by telephone", r.actor)
		return err
	})
	return out, err
}

// answer saves a ballot, behind the program's back.
func (r *roster) answer(key string, choices ...cohort.Choice) {
	r.t.Helper()
	p := r.person(key)
	b := cohort.Ballot{Draw: r.campaign.DrawID(p.CohortKey), Person: key, Choices: choices}.Encode()
	r.exec(`INSERT INTO jebi.ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, saved_at)
		VALUES ($1, $2, $3, 1, $4, sha256('s'), sha256('c'), 'sample', jebi.jebi_now())`, r.id, p.ID, p.Cohort, b)
}

func anyClinic(clinics ...string) cohort.Choice {
	return cohort.Choice{Target: "clinics", Clinics: clinics, Dates: []string{"2021-07-26", "2021-07-27"}, Parts: []string{"am", "pm"}}
}

func (r *roster) slot(cohortKey, clinic, date, block string) int64 {
	r.t.Helper()
	return pgtest.Value[int64](r.t, r.url, `SELECT s.id FROM jebi.slot s JOIN jebi.cohort c ON c.id = s.cohort_id JOIN jebi.clinic k ON k.id = s.clinic_id
		WHERE c.key = $1 AND k.key = $2 AND s.date = $3::text::date AND s.block = $4`, cohortKey, clinic, date, block)
}

// draw writes a result: rank i+1 for ticket i, each of one or more keys, with a
// slot or 0, and brings the cohort to published.
func (r *roster) draw(cohortKey string, tickets ...ticket) {
	r.t.Helper()
	r.state(cohortKey, cohort.Frozen)
	id := r.cohort(cohortKey)
	for i, k := range tickets {
		rank, choice := i+1, 1
		if k.slot == 0 {
			choice = 0
		}
		r.exec(`INSERT INTO jebi.ticket (cohort_id, rank, entity, size, weight, ticket, choice, slot_id) VALUES ($1, $2, substr(sha256($3::int::text::bytea), 1, 16), $4, 1, sha256('t'), $5, NULLIF($6::bigint, 0))`,
			id, rank, rank, len(k.people), choice, k.slot)
		for _, key := range k.people {
			p := r.person(key)
			r.exec(`INSERT INTO jebi.ticket_member (cohort_id, person_id, rank) VALUES ($1, $2, $3)`, id, p.ID, rank)
			if k.slot != 0 {
				r.exec(`INSERT INTO jebi.assignment (campaign_id, cohort_id, person_id, rank, slot_id, choice, origin) VALUES ($1, $2, $3, $4, $5, 1, 'draw')`, r.id, id, p.ID, rank, k.slot)
			}
		}
		if k.slot == 0 {
			r.exec(`INSERT INTO jebi.waiting (cohort_id, rank) VALUES ($1, $2)`, id, rank)
		}
	}
	r.exec(`UPDATE jebi.slot SET released_seats = 0 WHERE cohort_id = $1`, id)
	r.state(cohortKey, cohort.Published)
	if err := r.db.Tx(r.ctx, func(tx *data.Tx) error { _, err := tx.ReleaseSeats(r.ctx, id); return err }); err != nil {
		r.t.Fatal(err)
	}
}

type ticket struct {
	slot   int64
	people []string
}

func (r *roster) messages(key string) []string {
	r.t.Helper()
	return pgtest.Values[string](r.t, r.url, `SELECT DISTINCT kind || ' ' || state FROM jebi.message m JOIN jebi.person p ON p.id = m.person_id WHERE p.key = $1 ORDER BY 1`, key)
}

// dumpOf is the whole audit trail as text, to look for what must not be there.
func (r *roster) auditText() string {
	r.t.Helper()
	return strings.Join(pgtest.Values[string](r.t, r.url, `SELECT act || ' ' || subject || ' ' || COALESCE(before::text, '') || ' ' || COALESCE(after::text, '') FROM jebi.audit ORDER BY id`), "\n")
}

func TestWrongPhoneIsCorrected(t *testing.T) {
	r := filled(t)
	p := r.person("P1")
	r.exec(`INSERT INTO jebi.session (token_hash, campaign_id, person_id, way, expires_at) VALUES (sha256('a'), $1, $2, 'sms', jebi.jebi_now() + '1 hour')`, r.id, p.ID)
	r.exec(`INSERT INTO jebi.sign_in (campaign_id, handle_hash, person_id, way, code_hash, expires_at) VALUES ($1, sha256('a'), $2, 'sms', sha256('b'), jebi.jebi_now() + '1 hour')`, r.id, p.ID)
	r.exec(`INSERT INTO jebi.message (campaign_id, person_id, event, channel, kind) VALUES ($1, $2, 'code/1', 'sms', 'code')`, r.id, p.ID)

	out := r.correct(data.Correction{Key: "P1", Set: map[string]string{"phone": " ０１０－７７７７－８８８８ "}})
	if got := r.person("P1"); got.Phone != "+821077778888" || !slices.Equal(got.Corrected, []string{"phone"}) {
		t.Errorf("P1 has %+v", got)
	}
	if out.Ended != 2 || !out.Changed || !cmp.Equal(out.Fields, []string{"phone"}) {
		t.Errorf("answer %+v", out)
	}
	if n := count(t, r.url, "jebi.session WHERE ended_at IS NULL") + count(t, r.url, "jebi.sign_in WHERE used_at IS NULL"); n != 0 {
		t.Errorf("%d sign-ins of the wrong phone go on", n)
	}
	if got := r.messages("P1"); !slices.Equal(got, []string{"code cancelled", "corrected queued"}) {
		t.Errorf("messages %v", got)
	}
	if audit := r.auditText(); !strings.Contains(audit, fmt.Sprintf("person.correct person:%d", p.ID)) || strings.Contains(audit, "7777") || strings.Contains(audit, "6701") {
		t.Errorf("audit:\n%s", audit)
	}
	// The list of yesterday does not bring the wrong number back, and the same correction again changes nothing.
	r.load(r.db.ImportPeople, strings.Replace(peopleFile, "신림로 1", "신림로 5", 1))
	if got := r.person("P1"); got.Phone != "+821077778888" || got.Address != "신림로 5" {
		t.Errorf("after the import: %+v", got)
	}
	if out := r.correct(data.Correction{Key: "P1", Set: map[string]string{"phone": "010-7777-8888"}}); out.Changed {
		t.Errorf("changed again: %+v", out)
	}
}

func TestWrongValuesAreRefusedWithoutNamingThem(t *testing.T) {
	r := filled(t)
	for column, value := range map[string]string{
		"phone": "12", "email": "nobody", "birth_date": "1962-02-30", "name": "", "district": "99999", "language": "xx", "key": "P9", "weight": "2", "lat": "91",
	} {
		_, err := r.tryCorrect(data.Correction{Key: "P1", Set: map[string]string{column: value}})
		var bad *data.BadValue
		if !errors.As(err, &bad) || bad.Flaw.Column != column || value != "" && len(value) > 2 && strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", column, err)
		}
	}
	if _, err := r.tryCorrect(data.Correction{Key: "P1", Status: "asleep"}); err == nil {
		t.Error("an unknown status was taken")
	}
	if _, err := r.tryCorrect(data.Correction{Key: "nobody"}); !errors.Is(err, data.ErrNotFound) {
		t.Errorf("an unknown person: %v", err)
	}
}

func TestBirthDateChangesTheCohortWhileItCan(t *testing.T) {
	for _, c := range []struct {
		name     string
		prepare  func(*roster)
		want     string
		kept     bool
		messages []string
	}{
		{"draft", func(*roster) {}, "b69", false, []string{}},
		{"announced", func(r *roster) { r.state("b69", cohort.Announced) }, "b69", false, []string{"announce queued"}},
		{"open", func(r *roster) { r.state("b62", cohort.Open); r.state("b69", cohort.Open) }, "b69", false, []string{"announce queued"}},
		{"answered", func(r *roster) { r.state("b62", cohort.Open); r.answer("P1", anyClinic("C1")) }, "b62", true, []string{}},
		{"closed", func(r *roster) { r.state("b62", cohort.Closed) }, "b62", true, []string{}},
		{"frozen", func(r *roster) { r.state("b62", cohort.Frozen) }, "b62", true, []string{}},
		{"hers is past", func(r *roster) { r.state("b69", cohort.Frozen) }, "b72", false, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := filled(t)
			c.prepare(r)
			out := r.correct(data.Correction{Key: "P1", Set: map[string]string{"birth_date": "1969-03-14"}})
			if got := r.person("P1"); got.CohortKey != c.want || out.Cohort != c.want || out.Kept != c.kept || got.BirthDate.Year() != 1969 {
				t.Errorf("in %s, answer %+v", got.CohortKey, out)
			}
			if got := r.messages("P1"); !cmp.Equal(got, c.messages) {
				t.Errorf("messages %v", got)
			}
		})
	}
}

func TestMovedPersonKeepsHerBallot(t *testing.T) {
	r := filled(t)
	r.state("b62", cohort.Open)
	r.answer("P1", anyClinic("C1"))
	out := r.correct(data.Correction{Key: "P1", Set: map[string]string{"district": "동작구", "address": "상도로 1", "lat": "", "lon": ""}})
	p := r.person("P1")
	if p.District != "11590" || p.Address != "상도로 1" || p.Lat != nil || p.CohortKey != "b62" || out.Status != "eligible" {
		t.Errorf("P1 is %+v", p)
	}
	if n := count(t, r.url, "jebi.ballot WHERE NOT withdrawn"); n != 1 {
		t.Error("the ballot is gone")
	}
}

func TestDeadBeforeTheFreezeIsOnlyMarked(t *testing.T) {
	r := filled(t)
	r.state("b62", cohort.Open)
	r.answer("P1", anyClinic("C1"))
	r.exec(`INSERT INTO jebi.message (campaign_id, person_id, event, channel, kind) VALUES ($1, $2, 'receipt/1', 'sms', 'receipt')`, r.id, r.person("P1").ID)
	r.state("b62", cohort.Closed)
	out := r.correct(data.Correction{Key: "P1", Status: "dead"})
	if out.Place != 0 || out.Off || r.person("P1").Status != "dead" {
		t.Errorf("answer %+v", out)
	}
	if got := r.messages("P1"); !slices.Equal(got, []string{"receipt cancelled"}) {
		t.Errorf("the dead get %v", got)
	}
	if out := r.correct(data.Correction{Key: "P1", Status: "eligible"}); out.Was != "dead" || r.person("P1").Status != "eligible" || out.InLine {
		t.Errorf("back: %+v", out)
	}
}

// drawn is a published cohort: P1 and P2 have places in C1, P5 waits.
func drawn(t testing.TB) *roster {
	r := filled(t)
	r.load(r.db.ImportPeople, "key,name,birth_date,phone,district\nP5,다섯,1964-01-01,010-2345-6705,11620\nP6,여섯,1964-01-01,010-2345-6706,11620\n")
	r.state("b62", cohort.Open)
	for _, key := range []string{"P1", "P2", "P5", "P6"} {
		r.answer(key, anyClinic("C1"))
	}
	a, b := r.slot("b62", "C1", "2021-07-26", "0900"), r.slot("b62", "C1", "2021-07-26", "1400")
	r.draw("b62", ticket{a, []string{"P1"}}, ticket{b, []string{"P2"}}, ticket{0, []string{"P5"}}, ticket{0, []string{"P6"}})
	return r
}

func (r *roster) place(key string) string {
	r.t.Helper()
	return pgtest.Value[string](r.t, r.url, `SELECT COALESCE(string_agg(a.state || '/' || k.key || '/' || to_char(s.date, 'DD') || '/' || s.block, ' ' ORDER BY a.id), '') FROM jebi.assignment a
		JOIN jebi.person p ON p.id = a.person_id JOIN jebi.slot s ON s.id = a.slot_id JOIN jebi.clinic k ON k.id = s.clinic_id WHERE p.key = $1`, key)
}

func (r *roster) waiting(key string) string {
	r.t.Helper()
	return pgtest.Value[string](r.t, r.url, `SELECT COALESCE(string_agg(w.state || ' ' || w.why || CASE WHEN w.cancelled THEN ' first' ELSE '' END, ','), '') FROM jebi.waiting w
		JOIN jebi.ticket_member m USING (cohort_id, rank) JOIN jebi.person p ON p.id = m.person_id WHERE p.key = $1`, key)
}

func TestAfterTheDrawThePlaceIsCancelledAndTheTicketGoesOff(t *testing.T) {
	r := drawn(t)
	if out := r.correct(data.Correction{Key: "P1", Status: "vaccinated"}); out.Place == 0 || out.Off {
		t.Errorf("answer %+v", out)
	}
	if got := r.place("P1"); got != "cancelled/C1/26/0900" {
		t.Errorf("P1 has %s", got)
	}
	if got := r.messages("P1"); !slices.Contains(got, "place_ended queued") {
		t.Errorf("messages %v", got)
	}
	if out := r.correct(data.Correction{Key: "P5", Status: "dead"}); !out.Off || out.Place != 0 {
		t.Errorf("answer %+v", out)
	}
	if got := r.waiting("P5"); got != "off ineligible" {
		t.Errorf("P5 is %s", got)
	}
	if used := pgtest.Value[int](t, r.url, `SELECT sum(used)::int FROM jebi.slot`); used != 1 {
		t.Errorf("%d seats in use", used)
	}
	// A mistake: the seat may be gone, so she is first in line; who waited waits on.
	if out := r.correct(data.Correction{Key: "P1", Status: "eligible"}); !out.InLine || r.waiting("P1") != "waiting  first" {
		t.Errorf("P1 back: %+v, %s", out, r.waiting("P1"))
	}
	if out := r.correct(data.Correction{Key: "P5", Status: "eligible"}); !out.InLine || r.waiting("P5") != "waiting " {
		t.Errorf("P5 back: %+v, %s", out, r.waiting("P5"))
	}
}

func TestIneligibleBetweenFreezeAndPublication(t *testing.T) {
	r := filled(t)
	r.state("b62", cohort.Open)
	r.answer("P1", anyClinic("C1"))
	r.answer("P2", anyClinic("C1"))
	r.state("b62", cohort.Frozen)
	r.correct(data.Correction{Key: "P1", Status: "dead"})
	a := r.slot("b62", "C1", "2021-07-26", "0900")
	r.draw("b62", ticket{a, []string{"P1"}}, ticket{a, []string{"P2"}})
	var n int
	err := r.db.Tx(r.ctx, func(tx *data.Tx) (err error) { n, err = tx.DropIneligible(r.ctx, r.cohort("b62")); return err })
	if err != nil || n != 1 || r.place("P1") != "cancelled/C1/26/0900" || r.place("P2") != "assigned/C1/26/0900" {
		t.Errorf("dropped %d, %v: %s, %s", n, err, r.place("P1"), r.place("P2"))
	}
	err = r.db.Tx(r.ctx, func(tx *data.Tx) (err error) { n, err = tx.DropIneligible(r.ctx, r.cohort("b62")); return err })
	if err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestMissingPersonIsAdded(t *testing.T) {
	add := func(r *roster, values map[string]string) (out data.Corrected, err error) {
		err = r.db.Tx(r.ctx, func(tx *data.Tx) error {
			out, err = tx.AddPerson(r.ctx, r.campaign, r.id, values, "was missing", r.actor)
			return err
		})
		return out, err
	}
	new := map[string]string{"key": "P9", "name": "빠진이", "birth_date": "19640101", "phone": "010-1234-5678", "district": "11620"}
	r := filled(t)
	r.state("b62", cohort.Open)
	out, err := add(r, new)
	if err != nil || out.Cohort != "b62" || out.Kept || r.person("P9").CohortKey != "b62" || !slices.Equal(r.messages("P9"), []string{"announce queued"}) {
		t.Errorf("while open: %+v, %v, %v", out, err, r.messages("P9"))
	}
	var no *data.Refusal
	if _, err := add(r, new); !errors.As(err, &no) {
		t.Errorf("twice: %v", err)
	}
	r.state("b62", cohort.Frozen)
	new["key"] = "P10"
	if out, err := add(r, new); err != nil || out.Cohort != "b69" || !out.Kept || len(r.messages("P10")) != 0 {
		t.Errorf("after the freeze: %+v, %v, %v", out, err, r.messages("P10"))
	}
	r.state("b69", cohort.Closed)
	r.state("b72", cohort.Closed)
	new["key"] = "P11"
	if out, err := add(r, new); err != nil || out.Cohort != "" || !slices.Equal(r.messages("P11"), []string{"list_late queued"}) {
		t.Errorf("after all: %+v, %v, %v", out, err, r.messages("P11"))
	}
	var bad *data.BadValue
	if _, err := add(r, map[string]string{"key": "P12", "name": "x"}); !errors.As(err, &bad) || bad.Flaw.Column != "birth_date" {
		t.Errorf("without a birth date: %v", err)
	}
	if _, err := add(r, map[string]string{"key": "P12", "name": "x", "birth_date": "19640101", "shoe": "42"}); !errors.As(err, &bad) {
		t.Errorf("with a shoe: %v", err)
	}
	if strings.Contains(r.auditText(), "빠진이") || !strings.Contains(r.auditText(), "person.add") {
		t.Errorf("audit:\n%s", r.auditText())
	}
}

func TestLettersAreIssuedOnce(t *testing.T) {
	r := filled(t)
	round := 0
	issue := func(filter data.LetterFilter) (keys []string, n int, err error) {
		round++
		err = r.db.Tx(r.ctx, func(tx *data.Tx) error {
			keys = nil
			n, err = tx.IssueLetters(r.ctx, r.id, filter, func(l data.LetterRow) (handle, hash [32]byte, err error) {
				keys = append(keys, l.Key)
				code := fmt.Sprint("code", l.Key, round)
				return cohort.EntryHandle([]byte("key"), cohort.WayLetter, "sample", code), cohort.LetterHash([]byte("key"), "sample", l.Key, code), nil
			}, "", r.actor)
			return err
		})
		return keys, n, err
	}
	keys, n, err := issue(data.LetterFilter{})
	if err != nil || n != 3 || !slices.Equal(keys, []string{"P1", "P2", "P3"}) { // P4 is in no cohort
		t.Errorf("letters to %v, %d, %v", keys, n, err)
	}
	h := cohort.LetterHash([]byte("key"), "sample", "P1", "codeP11")
	if n := count(t, r.url, "jebi.person_detail WHERE letter_hash = $1", h[:]); n != 1 || !r.person("P1").Letter {
		t.Error("the hash is not stored")
	}
	if keys, n, err := issue(data.LetterFilter{}); err != nil || n != 0 {
		t.Errorf("again: %v, %d, %v", keys, n, err)
	}
	if keys, _, err := issue(data.LetterFilter{Cohort: "b62", Again: true}); err != nil || !slices.Equal(keys, []string{"P1", "P2"}) {
		t.Errorf("again for b62: %v, %v", keys, err)
	}
	r.exec(`UPDATE jebi.person_detail SET address = ''`)
	if keys, _, err := issue(data.LetterFilter{Person: "P3", Again: true}); err != nil || !slices.Equal(keys, []string{"P3"}) {
		t.Errorf("again for P3: %v, %v", keys, err)
	}
	got := pgtest.Values[string](t, r.url, `SELECT p.key || CASE WHEN s.used_at IS NULL THEN ' holds' ELSE ' is void' END FROM jebi.sign_in s JOIN jebi.person p ON p.id = s.person_id WHERE s.way = 'letter' ORDER BY s.id`)
	if diff := cmp.Diff([]string{"P1 is void", "P2 is void", "P3 is void", "P1 holds", "P2 holds", "P3 holds"}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	if n := count(t, r.url, "jebi.audit WHERE act = 'letters.issue'"); n != 3 {
		t.Errorf("%d audit rows", n)
	}
}

func TestPurgeAfterTheEndOnly(t *testing.T) {
	r := drawn(t)
	p := r.person("P1")
	r.exec(`INSERT INTO jebi.sign_in (campaign_id, handle_hash, person_id, way, code_hash, expires_at) VALUES ($1, sha256('a'), $2, 'sms', sha256('b'), jebi.jebi_now() + '1 hour')`, r.id, p.ID)
	r.exec(`INSERT INTO jebi.session (token_hash, campaign_id, person_id, sign_in_id, way, expires_at) SELECT sha256('a'), $1, $2, id, 'sms', jebi.jebi_now() + '1 hour' FROM jebi.sign_in`, r.id, p.ID)
	r.exec(`INSERT INTO jebi.draft (campaign_id, person_id, body) VALUES ($1, $2, '{}')`, r.id, p.ID)
	r.exec(`INSERT INTO jebi.message (campaign_id, person_id, event, channel, kind) VALUES ($1, $2, 'e', 'sms', 'announce')`, r.id, p.ID)
	purge := func() (out data.Purged, err error) {
		err = r.db.Tx(r.ctx, func(tx *data.Tx) error { out, err = tx.Purge(r.ctx, r.id, "the campaign is over", r.actor); return err })
		return out, err
	}
	var no *data.Refusal
	if _, err := purge(); !errors.As(err, &no) || !strings.Contains(err.Error(), "b62 is published") {
		t.Fatalf("before the end: %v", err)
	}
	if n := count(t, r.url, "jebi.person_detail"); n != 6 {
		t.Fatalf("%d people left", n)
	}
	r.state("b62", cohort.Settled)
	r.state("b69", cohort.Settled)
	r.state("b72", cohort.Announced)
	r.exec(`UPDATE jebi.cohort SET state = 'void' WHERE key = 'b72'`)
	out, err := purge()
	if want := (data.Purged{Details: 6, Ballots: 4, Drafts: 1, Sessions: 1, SignIns: 1, Messages: 1}); err != nil || out != want {
		t.Errorf("purged %+v, %v; want %+v", out, err, want)
	}
	for _, table := range []string{"person_detail", "ballot", "draft", "session", "sign_in"} {
		if n := count(t, r.url, "jebi."+table); n != 0 {
			t.Errorf("%d rows of %s are left", n, table)
		}
	}
	if q := r.person("P1"); !q.Purged || q.Name != "" || q.Key != "P1" || q.CohortKey != "b62" {
		t.Errorf("P1 is %+v", q)
	}
	if n := count(t, r.url, "jebi.audit WHERE act = 'people.purge' AND official_id = $1 AND after ->> 'person_detail' = '6'", r.actor.Official); n != 1 {
		t.Error("the purge is not on the audit trail")
	}
	if _, err := r.tryCorrect(data.Correction{Key: "P1", Set: map[string]string{"phone": "010-1234-5678"}}); !errors.As(err, &no) {
		t.Errorf("a purged person was corrected: %v", err)
	}
}

// The program's role itself cannot delete what only the purge may.
func TestOnlyThePurgeDeletes(t *testing.T) {
	r := filled(t)
	for _, table := range []string{"person", "person_detail", "ballot"} {
		for _, right := range []string{"DELETE", "TRUNCATE"} {
			if pgtest.Value[bool](t, r.url, `SELECT has_table_privilege('jebi_app', 'jebi.' || $1, $2)`, table, right) {
				t.Errorf("jebi_app may %s %s", right, table)
			}
		}
	}
}

func TestRosterHoldsPublishedPlacesOnly(t *testing.T) {
	r := drawn(t)
	rows := func() (n int) {
		if err := r.db.ReadTx(r.ctx, func(tx *data.Tx) error {
			n = 0
			clinics, err := tx.ClinicsWithSlots(r.ctx, r.id)
			if err != nil {
				return err
			}
			for _, c := range clinics {
				list, err := tx.Roster(r.ctx, c.ID)
				if err != nil {
					return err
				}
				for _, e := range list {
					if e.Name == "" || e.BirthYear < 1962 || e.Dose != 1 || e.Vaccine != "AZ" || !strings.HasPrefix(e.Phone, "+82") {
						t.Errorf("row %+v", e)
					}
				}
				n += len(list)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := rows(); n != 2 {
		t.Errorf("%d rows", n)
	}
	r.correct(data.Correction{Key: "P1", Status: "dead"})
	if n := rows(); n != 1 {
		t.Errorf("%d rows after a death", n)
	}
}
