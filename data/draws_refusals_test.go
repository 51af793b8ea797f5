package data

import (
	"context"
	"errors"
	"strings"
	"testing"

	"jebi/data/pgtest"
)

// What must never happen is refused by the schema itself, whatever the program
// does. Each case begins in the state that it names and is taken back.

// village is written past the program: cohort 1 with two slots of one and two
// seats at clinics c1 and c2, on two days; people 1 to 4, of whom 1 to 3
// answered: person 1 wants c1, the others anything.
const village = `
SET search_path = jebi;
INSERT INTO campaign (key, version, sample) VALUES ('v', 1, true);
INSERT INTO cohort (campaign_id, key, ordinal, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
VALUES (1, 'a', 0, now() - interval '1 h', now() + interval '1 h', now() + interval '2 h', now() + interval '3 h', now() + interval '4 h', now() + interval '5 h');
INSERT INTO official (name, role, secret_hash) VALUES ('ann', 'operator', 'x'), ('bob', 'approver', 'x');
INSERT INTO person (campaign_id, key, cohort_id, row_hash) SELECT 1, 'p' || i, 1, sha256('x') FROM generate_series(1, 4) i;
INSERT INTO clinic (campaign_id, key, name, kind, district, lat, lon, row_hash)
SELECT 1, 'c' || i, 'c', 'clinic', '1', 37, 127, sha256('x') FROM generate_series(1, 2) i;
INSERT INTO slot (campaign_id, cohort_id, clinic_id, date, block, part, vaccine, starts_at, seats, position, released_at)
SELECT 1, 1, i, date '2031-07-26', '0900', 'am', 'AZ', '2031-07-26', i, i - 1, now() FROM generate_series(1, 2) i;
UPDATE cohort SET state = 'announced';
INSERT INTO draw (cohort_id, draw_id, k_commit, manifest) VALUES (1, 'v-a', sha256('k'), '{"sources":[{"type":1},{"type":3}]}');
INSERT INTO draw_secret (cohort_id, k) VALUES (1, sha256('k'));
UPDATE cohort SET state = 'open';
INSERT INTO ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, saved_at)
SELECT 1, i, 1, 1, convert_to('{"choices":[{"clinics":["c1"' || CASE WHEN i > 1 THEN ',"c2"' ELSE '' END || '],"dates":["2031-07-26"],"parts":["am"]}]}', 'UTF8'),
       sha256('s'), sha256('c'), 'sample', now() FROM generate_series(1, 3) i;
INSERT INTO ballot_history (campaign_id, cohort_id, person_id, revision, act, commit, channel, saved_at) SELECT 1, 1, i, 1, 'save', sha256('c'), 'sample', now() FROM generate_series(1, 3) i;
INSERT INTO board (campaign_id, cohort_id, kind, body, body_hash) VALUES (1, 1, 'manifest', 'm', sha256('m'));
INSERT INTO audit (campaign_id, actor, act, subject) VALUES (1, 'system', 'a.b', 'c')`

// course brings the village on, a state a line.
var course = []struct{ state, sql string }{
	{"open", ``},
	{"closed", `UPDATE cohort SET state = 'closed'`},
	{"frozen", `INSERT INTO draw_leaf (cohort_id, position, person_id, pid, gid, weight, revision, commit)
		SELECT 1, i, i, substr(sha256(i::text::bytea), 1, 16), substr('\x00000000000000000000000000000000'::bytea, 1, 16), 1, 1, sha256('c') FROM generate_series(1, 3) i;
		UPDATE draw SET supply = 's', excluded = 'e', leaf_count = 4, root = sha256('r'), checkpoint = 'c', frozen_at = now();
		UPDATE slot SET drawn_seats = seats, released_seats = seats;
		UPDATE cohort SET state = 'frozen'`},
	{"drawn", `INSERT INTO draw_envelope (cohort_id, position, handed_in) VALUES (1, 0, true);
		INSERT INTO draw_source (cohort_id, position, type, present, value) VALUES (1, 1, 3, true, '123456'), (1, 0, 1, true, sha256('t'));
		INSERT INTO ticket (cohort_id, rank, entity, size, weight, ticket, choice, slot_id)
		SELECT 1, i, substr(sha256(i::text::bytea), 1, 16), 1, 1, sha256(i::text::bytea), 0, NULL FROM generate_series(1, 3) i;
		INSERT INTO ticket_member (cohort_id, person_id, rank) SELECT 1, i, i FROM generate_series(1, 3) i;
		INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, choice, origin) VALUES (1, 1, 1, 1, 1, 1, 'draw');
		INSERT INTO waiting (cohort_id, rank) VALUES (1, 2), (1, 3);
		INSERT INTO cut_off (cohort_id, slot_id, size, doses, pool, rank) VALUES (1, 1, 1, 1, '', 2);
		UPDATE draw SET seed = sha256('s'), entropy = 'e', claims = 'c', cutoffs = 'c', outcome_root = sha256('o'), drawn_at = now(), verified_at = now();
		UPDATE cohort SET state = 'drawn'`},
	{"published", `UPDATE draw SET published_at = now(); UPDATE cohort SET state = 'published';
		INSERT INTO offer (cohort_id, rank, slot_id, choice, size, batch_at, deadline) VALUES (1, 2, 2, 1, 1, now(), now() + interval '1 h')`},
	{"settled", `UPDATE offer SET state = 'withdrawn', ended_at = now(); UPDATE cohort SET state = 'settled'`},
}

const (
	newBallot = `INSERT INTO ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, official_id, session_id, saved_at) VALUES (1, 4, 1, `

	place = `INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, choice, origin) VALUES `
	offer = `INSERT INTO offer (cohort_id, rank, slot_id, choice, size, batch_at, deadline) VALUES `
)

// inVillage opens a database of the test's own with the village in it.
func inVillage(t *testing.T) (db *DB, url string) {
	t.Helper()
	url = pgtest.Template(t, "migrated", func(url string) error { return Migrate(context.Background(), url) })
	pgtest.Exec(t, url, village)
	db, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, url
}

func TestTheSchemaRefuses(t *testing.T) {
	ctx := t.Context()
	db, url := inVillage(t)
	cases := map[string][]struct{ name, sql, says string }{
		"open": {
			{"a leaf before the close", `INSERT INTO draw_leaf VALUES (1, 1, 1, substr(sha256('a'), 1, 16), substr(sha256('b'), 1, 16), 1, 1, sha256('c'))`, "takes no rows now"},
			{"a place before the draw", place + `(1, 1, 1, 1, 1, 1, 'draw')`, "no such assignment now"},
			{"a step left out", `UPDATE cohort SET state = 'frozen'`, "is not a step"},
			{"a step back", `UPDATE cohort SET state = 'announced'`, "is not a step"},
			{"a window that opened is moved", `UPDATE cohort SET opens_at = opens_at - interval '1 h'`, "its window is past"},
			{"a ballot deleted", `DELETE FROM ballot WHERE person_id = 1`, "permission denied"},
			{"another manifest", `UPDATE draw SET manifest = 'other'`, "what is written stands"},
			{"another key", `UPDATE draw_secret SET k = sha256('other')`, "permission denied"},
			{"a draw deleted", `DELETE FROM draw`, "permission denied"},
			{"a second manifest on the board", `INSERT INTO board (campaign_id, cohort_id, kind, body, body_hash) VALUES (1, 1, 'manifest', 'n', sha256('n'))`, "board_one_manifest"},
			{"a board entry whose hash is wrong", `INSERT INTO board (campaign_id, cohort_id, kind, body, body_hash) VALUES (1, 1, 'window', 'n', sha256('m'))`, "board_check"},
			{"the board changed", `UPDATE board SET body = 'x', body_hash = sha256('x')`, "permission denied"},
			{"the trail changed", `DELETE FROM audit`, "permission denied"},
			{"history changed", `UPDATE ballot_history SET revision = 2`, "permission denied"},
			{"a ballot of revision 0", newBallot + `0, '{}', sha256('s'), sha256('c'), 'sample', NULL, NULL, now())`, "is not sound"},
			{"an empty ballot", newBallot + `1, '', sha256('s'), sha256('c'), 'sample', NULL, NULL, now())`, "is not sound"},
			{"a ballot of 61 kB", newBallot + `1, convert_to(repeat('x', 61000), 'UTF8'), sha256('s'), sha256('c'), 'sample', NULL, NULL, now())`, "is not sound"},
			{"a short salt", newBallot + `1, '{}', 's', sha256('c'), 'sample', NULL, NULL, now())`, "is not sound"},
			{"a short commitment", newBallot + `1, '{}', sha256('s'), 'c', 'sample', NULL, NULL, now())`, "is not sound"},
			{"no such channel", newBallot + `1, '{}', sha256('s'), sha256('c'), 'pigeon', NULL, NULL, now())`, "is not sound"},
			{"a ballot on paper without an official", newBallot + `1, '{}', sha256('s'), sha256('c'), 'paper', NULL, NULL, now())`, "is not sound"},
			{"a ballot of her own by an official", newBallot + `1, '{}', sha256('s'), sha256('c'), 'web', 1, 1, now())`, "is not sound"},
			{"a ballot by the form without a session", newBallot + `1, '{}', sha256('s'), sha256('c'), 'web', NULL, NULL, now())`, "is not sound"},
			{"a ballot made unsound", `UPDATE ballot SET salt = 's' WHERE person_id = 1`, "is not sound"},
			{"the trail of no campaign", `INSERT INTO audit (campaign_id, actor, act, subject) VALUES (1, 'system', 'a.b', 'c'), (7, 'system', 'a.b', 'c')`, "a campaign that is not there"},
			{"the trail of no official", `INSERT INTO audit (campaign_id, actor, official_id, second_id, act, subject) VALUES (1, 'official', 1, 9, 'a.b', 'c')`, "an official who is not there"},
			{"a ballot deleted", `DELETE FROM ballot WHERE person_id = 1`, "permission denied"},
			{"a table emptied", `TRUNCATE board`, "permission denied"},
		},
		"closed": {
			{"a ballot after the close", `INSERT INTO ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, saved_at) VALUES (1, 4, 1, 1, '{}', sha256('s'), sha256('c'), 'sample', now())`, "its window is not open"},
			{"a ballot changed after the close", `UPDATE ballot SET revision = 2 WHERE person_id = 1`, "its window is not open"},
			{"a close moved", `UPDATE cohort SET closes_at = closes_at + interval '1 h'`, "its window is past"},
		},
		"frozen": {
			{"a leaf after the freeze", `INSERT INTO draw_leaf VALUES (1, 4, 4, substr(sha256('a'), 1, 16), substr(sha256('b'), 1, 16), 1, 1, sha256('c'))`, "takes no rows now"},
			{"a leaf taken out", `DELETE FROM draw_leaf WHERE position = 1`, "permission denied"},
			{"another root", `UPDATE draw SET root = sha256('x')`, "what is written stands"},
			{"supply after the freeze", `UPDATE slot SET seats = seats + 1`, "its supply is frozen"},
			{"a slot after the freeze", `INSERT INTO slot (campaign_id, cohort_id, clinic_id, date, block, part, vaccine, starts_at, seats) VALUES (1, 1, 1, '2031-07-28', '0900', 'am', 'AZ', '2031-07-28', 1)`, "its supply is frozen"},
			{"a slot gone after the freeze", `DELETE FROM slot WHERE id = 2`, "its supply is frozen"},
			{"dice before the envelopes", `INSERT INTO draw_source (cohort_id, position, type, present, value) VALUES (1, 1, 3, true, '123456')`, "before the last source"},
			{"absent dice", `INSERT INTO draw_envelope (cohort_id, position, handed_in) VALUES (1, 0, true); INSERT INTO draw_source (cohort_id, position, type, present, value) VALUES (1, 1, 3, false, '')`, "draw_source_check"},
			{"an offer before the draw", offer + `(1, 2, 2, 1, 1, now(), now() + interval '1 h')`, "takes no rows now"},
			{"more than a slot has", place + `(1, 1, 1, 1, 1, 1, 'draw'), (1, 1, 2, 2, 1, 1, 'draw')`, "slot_within_seats"},
			{"more than a slot has, one by one", place + `(1, 1, 1, 1, 1, 1, 'draw'); ` + place + `(1, 1, 2, 2, 1, 1, 'draw')`, "slot_within_seats"},
			{"outside the choices", place + `(1, 1, 1, 1, 2, 1, 'draw')`, "lies outside the choice"},
			{"a choice that was not made", place + `(1, 1, 2, 2, 2, 2, 'draw')`, "lies outside the choice"},
			{"who did not answer", place + `(1, 1, 4, 4, 2, 1, 'draw')`, "lies outside the choice"},
			{"twice", place + `(1, 1, 2, 2, 1, 1, 'draw'), (1, 1, 2, 2, 2, 1, 'draw')`, "assignment_once"},
			{"a slot that does not exist", place + `(1, 1, 2, 2, 99, 1, 'draw')`, "lies outside the choice"},
		},
		"drawn": {
			{"a ticket more", `INSERT INTO ticket (cohort_id, rank, entity, size, weight, ticket, choice) VALUES (1, 4, substr(sha256('z'), 1, 16), 1, 1, sha256('z'), 0)`, "takes no rows now"},
			{"another rank", `UPDATE ticket SET rank = 9 WHERE rank = 1`, "permission denied"},
			{"a place of the draw after it", place + `(1, 1, 2, 2, 2, 1, 'draw')`, "no such assignment now"},
			{"another seed", `UPDATE draw SET seed = sha256('x')`, "what is written stands"},
			{"a draw given up", `UPDATE cohort SET state = 'void'`, "cannot be voided"},
			{"dice again", `INSERT INTO draw_source (cohort_id, position, type, present, value) VALUES (1, 1, 3, true, '654321')`, "only while it is frozen"},
			{"supply before the result", `UPDATE slot SET seats = seats + 1`, "its supply is frozen"},
		},
		"published": {
			{"a second live offer", offer + `(1, 2, 1, 1, 1, now(), now() + interval '1 h')`, "offer_one_live"},
			{"a seat in a place and an offer", offer + `(1, 3, 1, 1, 1, now(), now() + interval '1 h')`, "slot_within_seats"},
			{"a seat in two offers", offer + `(1, 3, 2, 1, 2, now(), now() + interval '1 h')`, "slot_within_seats"},
			{"an offer outside the choices", `INSERT INTO waiting (cohort_id, rank) VALUES (1, 1); ` + offer + `(1, 1, 2, 1, 1, now(), now() + interval '1 h')`, "lies outside the choice, or was struck"},
			{"a struck slot offered", `INSERT INTO struck (cohort_id, rank, slot_id) VALUES (1, 3, 2); ` + offer + `(1, 3, 2, 1, 1, now(), now() + interval '1 h')`, "lies outside the choice, or was struck"},
			{"a slot offered again after it lapsed", `UPDATE offer SET state = 'lapsed', ended_at = now(); ` + offer + `(1, 2, 2, 1, 1, now(), now() + interval '1 h')`, "offer_slot_once"},
			{"an offer that is past", offer + `(1, 3, 2, 1, 1, now(), now() - interval '1 h')`, "offer_check"},
			{"an offer taken up again", `UPDATE offer SET state = 'declined', ended_at = now(); UPDATE offer SET state = 'live', ended_at = NULL`, "does not become"},
			{"an offer moved", `UPDATE offer SET slot_id = 1`, "does not become"},
			{"a place moved", `UPDATE assignment SET slot_id = 2`, "does not become"},
			{"a place given to another", `UPDATE assignment SET person_id = 2`, "does not become"},
			{"a place taken up again", `UPDATE assignment SET state = 'declined', ended_at = now(); UPDATE assignment SET state = 'assigned', ended_at = NULL`, "does not become"},
			{"a place deleted", `DELETE FROM assignment`, "permission denied"},
			{"seats below what is used", `UPDATE slot SET seats = 0 WHERE id = 1`, "slot_within_seats"},
			{"a second publication", `UPDATE draw SET published_at = now() + interval '1 h'`, "what is written stands"},
		},
		"settled": {
			{"an offer after the end", offer + `(1, 3, 2, 1, 1, now(), now() + interval '1 h')`, "takes no rows now"},
			{"a place from an offer after the end", place + `(1, 1, 2, 2, 2, 1, 'offer')`, "no such assignment now"},
			{"a state after the last", `UPDATE cohort SET state = 'draft'`, "is not a step"},
		},
	}
	for _, step := range course {
		if step.sql != "" {
			pgtest.Exec(t, url, `SET search_path = jebi; `+step.sql)
		}
		for _, c := range cases[step.state] {
			t.Run(step.state+"/"+c.name, func(t *testing.T) {
				err := db.Tx(ctx, func(tx *Tx) error {
					for _, sql := range strings.Split(c.sql, "; ") {
						if _, err := tx.tx.Exec(ctx, sql); err != nil {
							return err
						}
					}
					return errDry
				})
				if errors.Is(err, errDry) {
					t.Fatal("it was done")
				}
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("it says %v, not %q", err, c.says)
				}
			})
		}
		if len(cases[step.state]) == 0 {
			t.Errorf("no case in state %s", step.state)
		}
	}
}
