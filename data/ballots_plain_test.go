package data

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"jebi/data/pgtest"
)

// crowd makes a village grow without its tables being looked at: 30,000
// more people with a ballot, a draft and a session each. Before it comes
// asVillage, so that statements are planned for a village and those plans stand.
const (
	crowdSize = 30000
	asVillage = `
SET search_path = jebi;
ALTER TABLE person SET (autovacuum_enabled = false);
ALTER TABLE ballot SET (autovacuum_enabled = false);
ALTER TABLE draft SET (autovacuum_enabled = false);
ALTER TABLE session SET (autovacuum_enabled = false);
ALTER TABLE slot SET (autovacuum_enabled = false);
ALTER TABLE ticket SET (autovacuum_enabled = false);
ALTER TABLE ticket_member SET (autovacuum_enabled = false);
ALTER TABLE waiting SET (autovacuum_enabled = false);
ALTER TABLE assignment SET (autovacuum_enabled = false);
ALTER TABLE offer SET (autovacuum_enabled = false)`
	crowd = `
SET search_path = jebi;
INSERT INTO person (campaign_id, key, cohort_id, row_hash) SELECT 1, 'q' || i, 1, sha256('x') FROM generate_series(1, 30000) i;
INSERT INTO ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, saved_at)
SELECT 1, id, 1, 1, convert_to('{"choices":[{"clinics":["c1","c2"],"dates":["2031-07-26"],"parts":["am"]}]}', 'UTF8'), sha256('s'), sha256('c'), 'sample', now() FROM person WHERE key LIKE 'q%';
INSERT INTO draft (campaign_id, person_id, body, saved_at) SELECT 1, id, '{}', '2031-07-01' FROM person WHERE key LIKE 'q%';
INSERT INTO session (token_hash, campaign_id, person_id, way, expires_at) SELECT sha256(key::bytea), 1, id, 'sms', '2131-07-01' FROM person WHERE key LIKE 'q%';
SELECT pg_stat_force_next_flush()`

	// drawn gives each of the crowd a ticket, a place that ended and an offer, as nothing in the product would.
	drawn = `
INSERT INTO slot (campaign_id, cohort_id, clinic_id, date, block, part, vaccine, starts_at, seats)
SELECT 1, 1, 1, date '2031-08-01' + i, '0900', 'am', 'v', now(), 100 FROM generate_series(1, 3000) i;
INSERT INTO ticket_member (cohort_id, person_id, rank) SELECT 1, id, row_number() OVER (ORDER BY id) FROM person WHERE key LIKE 'q%';
INSERT INTO ticket (cohort_id, rank, entity, size, weight, ticket, choice)
SELECT 1, rank, substr(sha256('e'), 1, 16), 1, 1, sha256('t'), 0 FROM ticket_member WHERE rank <= 30000;
INSERT INTO waiting (cohort_id, rank, state, why) SELECT 1, rank, 'off', 'asked' FROM ticket_member;
INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, choice, origin, state, ended_at)
SELECT 1, 1, person_id, rank, (SELECT max(id) FROM slot) - rank % 1000, 1, 'draw', 'declined', now() FROM ticket_member;
INSERT INTO offer (cohort_id, rank, slot_id, choice, size, batch_at, offered_at, deadline)
SELECT 1, rank, (SELECT max(id) FROM slot) - rank % 1000, 1, 1, now(), now(), now() + interval '1 d' FROM ticket_member;
SELECT pg_stat_force_next_flush()`

	// readSoFar is how many rows and index entries of the large tables were read, by all connections that have ended.
	readSoFar = `SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ` + largeTables + `)::bigint
		+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ` + largeTables + `)::bigint`
	largeTables = `('person', 'ballot', 'draft', 'party_member', 'session', 'slot', 'ticket', 'ticket_member', 'waiting', 'left_out', 'assignment', 'offer')`
)

// A save reads what belongs to it and no more, whatever the planner believes of
// the tables: read whole once a commit, they would end a window's last hour.
func TestSavesReadByKeysAlone(t *testing.T) {
	ctx := t.Context()
	db, url := inVillage(t)
	const few, rounds = 20, 4
	save := func(first int64) {
		t.Helper()
		var keys []string
		var ballots []*Ballot
		for i := range int64(few) {
			id := first + i
			b := &Ballot{Person: id, Channel: ChannelSample, Bytes: fmt.Appendf(nil, `{"choices":[],"n":%d}`, id), Draft: time.Date(2031, 7, 1, 0, 0, 0, 0, time.UTC)}
			b.Salt, b.Commit = sha256.Sum256([]byte{byte(i)}), sha256.Sum256(b.Bytes)
			keys, ballots = append(keys, fmt.Sprintf("q%d", id-4)), append(ballots, b)
		}
		saved, err := db.SavePlain(ctx, "v", 1, keys, ballots, false)
		if err != nil || len(saved) > few {
			t.Fatal(len(saved), err)
		}
	}
	pgtest.Exec(t, url, asVillage)
	pgtest.Exec(t, url, `VACUUM (ANALYZE)`) // tables that were emptied are known to be empty
	save(5)                                 // nobody of the crowd is there yet: the statements are planned for a village
	pgtest.Exec(t, url, crowd)
	before := pgtest.Value[int64](t, url, readSoFar)
	for r := range int64(rounds) {
		save(5 + 100*r)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.ballot WHERE revision = 2`); n != few*rounds {
		t.Fatalf("%d ballots were saved, want %d", n, few*rounds)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.draft`); n != crowdSize-few*rounds {
		t.Errorf("%d drafts are left, want %d", n, crowdSize-few*rounds)
	}
	mine := pgtest.Value[int64](t, url, readSoFar) - before
	db.Close()
	if read := settled(t, url) - before - mine; read > few*rounds*20 {
		t.Errorf("%d saves read %d rows and index entries", few*rounds, read)
	}
}

// settled is readSoFar, once all connections have ended and said what they read.
func settled(t *testing.T, url string) int64 {
	t.Helper()
	if !pgtest.Alone(t, url) {
		t.Fatal("somebody is still connected")
	}
	return pgtest.Value[int64](t, url, readSoFar)
}
