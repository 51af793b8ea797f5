package cycle

import (
	"fmt"
	"strings"
	"testing"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
)

// fingerprint is everything that a step may change.
func (w *town) fingerprint() string {
	w.t.Helper()
	return strings.Join(pgtest.Values[string](w.t, w.url, `
		SELECT 'cohort ' || state || ' ' || confirm_by FROM jebi.cohort UNION ALL
		SELECT 'slots ' || sum(used) || ' ' || sum(held) || ' ' || sum(released_seats) || ' ' || sum(COALESCE(position, -1)) FROM jebi.slot UNION ALL
		SELECT 'draw ' || count(frozen_at) || ' ' || count(drawn_at) || ' ' || count(published_at) FROM jebi.draw UNION ALL
		SELECT 'leaves ' || count(*) FROM jebi.draw_leaf UNION ALL
		SELECT 'sources ' || count(*) FROM jebi.draw_source UNION ALL
		SELECT 'envelopes ' || count(*) FROM jebi.draw_envelope UNION ALL
		SELECT 'tickets ' || count(*) FROM jebi.ticket UNION ALL
		SELECT 'places ' || count(*) || ' ' || count(ended_at) FROM jebi.assignment UNION ALL
		SELECT 'waiting ' || count(*) || ' ' || COALESCE(sum(lapses), 0) || ' ' || count(*) FILTER (WHERE state = 'waiting') FROM jebi.waiting UNION ALL
		SELECT 'offers ' || count(*) || ' ' || count(ended_at) FROM jebi.offer UNION ALL
		SELECT 'struck ' || count(*) FROM jebi.struck UNION ALL
		SELECT 'skips ' || count(*) FROM jebi.offer_skip UNION ALL
		SELECT 'board ' || count(*) FROM jebi.board UNION ALL
		SELECT 'trail ' || count(*) FROM jebi.audit UNION ALL
		SELECT 'messages ' || count(*) FROM jebi.message UNION ALL
		SELECT 'ran ' || count(*) || ' ' || COALESCE(max(last_at)::text, '') FROM jebi.recurring WHERE name <> 'seal'`), "\n")
}

// broken does something while the program lacks one right after another, and
// wants each time an error and nothing changed. rights are "table right".
func (w *town) broken(do func() error, rights ...string) {
	w.t.Helper()
	for _, r := range rights {
		table, right, _ := strings.Cut(r, " ")
		before := w.fingerprint()
		pgtest.Exec(w.t, w.url, fmt.Sprintf(`REVOKE %s ON jebi.%s FROM jebi_app`, right, table))
		if err := do(); err == nil {
			w.t.Errorf("without %s: it was done", r)
		}
		pgtest.Exec(w.t, w.url, fmt.Sprintf(`GRANT %s ON jebi.%s TO jebi_app`, right, table))
		if after := w.fingerprint(); after != before {
			w.t.Fatalf("without %s something was left behind:\n%s\nbefore\n%s", r, after, before)
		}
	}
}

// Whatever fails in the middle of a step leaves everything as it was, and the
// step is done when it can be.
func TestStepsAreWholeOrNotAtAll(t *testing.T) {
	w := newTown(t, 16, 1)
	tick := func() error { return w.runner.TickCohort(w.ctx, "town", "a") }
	announce := func() error {
		return w.tx(func(tx *data.Tx) error {
			_, err := Announce(w.ctx, tx, w.campaign, "a", w.rand, nil, w.both(), "x")
			return err
		})
	}
	w.broken(announce, "campaign SELECT", "cohort SELECT", "slot UPDATE", "draw INSERT", "draw_secret INSERT", "cohort UPDATE", "board INSERT", "person SELECT", "message INSERT", "audit INSERT")
	w.must(announce())

	w.at("2021-07-14 09:00")
	w.broken(tick, "campaign SELECT", "cohort SELECT", "cohort UPDATE", "audit INSERT")
	w.must(tick())
	w.saveAll()

	w.at("2021-07-15 10:00")
	w.must(w.tx(func(tx *data.Tx) error { return tx.Ran(w.ctx, w.row.ID, "reminders/a", seoul(t, "2021-07-14 10:00")) }))
	pgtest.Exec(t, w.url, `INSERT INTO jebi.person (campaign_id, key, cohort_id, row_hash) VALUES ($1, 'late', $2, sha256('x'))`, w.row.ID, w.cohort.ID)
	w.broken(tick, "recurring SELECT", "recurring UPDATE", "person SELECT", "message INSERT")
	w.must(tick())

	w.at("2021-07-16 18:00")
	w.broken(tick, "cohort UPDATE", "audit INSERT")
	pgtest.Exec(t, w.url, `UPDATE jebi.ballot SET channel = 'web', session_id = 4711 WHERE person_id = $1`, w.people["p001"])
	pgtest.Exec(t, w.url, `UPDATE jebi.cohort SET state = 'closed'`)
	w.broken(tick, "draw SELECT", "draw_secret SELECT", "slot SELECT", "ballot SELECT", "person SELECT", "draw_leaf INSERT", "draw UPDATE",
		"slot UPDATE", "ballot_without_sign_in SELECT", "board INSERT", "message INSERT", "audit INSERT")
	w.must(tick())
	w.is(cohort.Frozen)

	envelopes := func() error { return w.envelopes([]int{1, 2}, []int{3}) }
	w.broken(envelopes, "cohort SELECT", "draw SELECT", "draw_envelope SELECT", "draw_source SELECT", "draw_envelope INSERT", "draw_source INSERT", "board INSERT", "audit INSERT")
	w.must(envelopes())
	w.broken(w.void, "cohort SELECT", "proposal SELECT", "cohort UPDATE", "board INSERT", "message INSERT", "audit INSERT")
	dice := func() error { return w.dice("471123") }
	w.broken(dice, "draw SELECT", "draw_source INSERT", "board INSERT", "audit INSERT")
	w.must(dice())
	open := func() error { _, err := w.reveal(1, held(1)); return err }
	w.broken(open, "draw SELECT", "draw_source INSERT", "board INSERT", "audit INSERT")
	w.must(open())
	absent := func() error {
		return w.tx(func(tx *data.Tx) error { return Absent(w.ctx, tx, w.row.ID, "a", 2, "empty", w.both()) })
	}
	w.broken(absent, "draw SELECT", "draw_source INSERT", "board INSERT", "audit INSERT")
	w.must(absent())

	w.at("2021-07-17 10:00")
	w.broken(tick, "draw SELECT", "draw_secret SELECT", "slot SELECT", "draw_leaf SELECT", "draw_source SELECT", "ballot SELECT", "ticket INSERT", "ticket_member INSERT",
		"assignment INSERT", "waiting INSERT", "cut_off INSERT", "draw UPDATE", "board INSERT", "message INSERT", "audit INSERT")
	w.must(tick())
	w.at("2021-07-17 14:00")
	w.broken(tick, "draw SELECT", "draw_leaf SELECT", "ticket SELECT", "draw UPDATE", "cohort UPDATE", "board INSERT", "ballot SELECT", "message INSERT", "audit INSERT")
	w.must(tick())
	w.is(cohort.Published)

	one := w.byRank(1)
	book := words.New()
	show := func() error {
		e, err := Explain(w.ctx, w.db, one)
		if err == nil && len(e.Words(book, "en", w.campaign)) == 0 {
			t.Error("nothing is said")
		}
		return err
	}
	w.broken(show, "person SELECT", "ticket SELECT", "assignment SELECT", "slot SELECT", "ballot SELECT", "cut_off SELECT", "clinic SELECT")
	write := func() error { return WriteBundle(w.ctx, w.db, w.cohort.ID, t.TempDir()) }
	w.broken(write, "cohort SELECT", "draw SELECT", "draw_secret SELECT", "slot SELECT", "draw_leaf SELECT", "ticket SELECT")
	publish := func() error { _, err := Publish(w.ctx, w.db, w.campaign, w.row.ID, t.TempDir(), nil); return err }
	w.broken(publish, "cohort SELECT", "board SELECT", "ticket SELECT")
	auditors := func() error { return WriteAuditors(w.ctx, w.db, w.campaign, w.cohort.ID, t.TempDir()) }
	w.broken(auditors, "cohort SELECT", "draw_source SELECT", "ballot SELECT")

	confirm := func() error {
		return w.tx(func(tx *data.Tx) error { _, err := tx.ConfirmAssignment(w.ctx, one, person(), ""); return err })
	}
	w.broken(confirm, "assignment SELECT", "slot SELECT", "assignment UPDATE", "message INSERT", "audit INSERT")
	w.must(confirm())
	w.must(w.cancel(w.byRank(2)))
	pgtest.Exec(t, w.url, `UPDATE jebi.slot SET seats = seats + 1 WHERE position = 1`)
	last := pgtest.Value[int64](t, w.url, `SELECT m.person_id FROM jebi.ticket_member m JOIN jebi.waiting x USING (cohort_id, rank) ORDER BY rank DESC LIMIT 1`)
	pgtest.Exec(t, w.url, `UPDATE jebi.person SET status = 'dead' WHERE id = $1`, last)

	w.at("2021-07-18 09:10")
	w.broken(tick, "recurring INSERT", "slot SELECT", "waiting SELECT", "struck SELECT", "offer SELECT", "offer INSERT", "message INSERT", "waiting UPDATE", "slot UPDATE", "board INSERT", "audit INSERT")
	w.must(tick())
	var waits int64
	for _, waits = range w.offered() {
		break
	}
	offer := w.result(waits).Offer
	if offer == nil {
		t.Fatal("no offer")
	}
	accept := func() error { return w.accept(waits) }
	w.broken(accept, "offer SELECT", "offer UPDATE", "assignment INSERT", "waiting UPDATE", "message INSERT", "audit INSERT")
	decline := func() error {
		return w.tx(func(tx *data.Tx) error { _, err := tx.DeclineOffer(w.ctx, offer.ID, waits, person(), ""); return err })
	}
	w.broken(decline, "offer SELECT", "offer UPDATE", "struck INSERT", "message INSERT", "audit INSERT")
	leave := func() error {
		return w.tx(func(tx *data.Tx) error { _, err := tx.LeaveWaitlist(w.ctx, waits, "asked", person(), ""); return err })
	}
	w.broken(leave, "ticket_member SELECT", "offer UPDATE", "waiting UPDATE", "audit INSERT")

	w.at("2021-07-19 09:10")
	w.broken(tick, "offer UPDATE", "struck INSERT", "waiting UPDATE", "message INSERT", "audit INSERT")
	w.must(tick())
	w.at("2021-07-21 18:00")
	w.must(w.tx(func(tx *data.Tx) error { return tx.Ran(w.ctx, w.row.ID, "refill/a", seoul(t, "2021-07-21 18:00")) }))
	w.broken(tick, "assignment UPDATE", "message INSERT", "audit INSERT")
	w.must(tick())
	w.at("2021-08-06 18:00")
	for w.stats().LiveOffers > 0 { // they lapse first, and their messages are written
		w.must(w.tx(func(tx *data.Tx) error {
			_, err := tx.LapseOffers(w.ctx, w.row.ID, w.cohort.ID, 2)
			return err
		}))
	}
	w.broken(tick, "offer UPDATE", "waiting UPDATE", "cohort UPDATE", "audit INSERT")
	w.must(tick())
	w.is(cohort.Settled)
}
