package data

import (
	"slices"
	"testing"

	"jebi/data/pgtest"
)

// Ballots that were saved in partitions are there after the migration that puts
// them into one table, and its triggers hold.
func TestBallotsMoveIntoOneTable(t *testing.T) {
	ctx, url := t.Context(), pgtest.URL(t)
	if err := migrateTo(ctx, url, 15); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, url, village)
	const ballots = `SELECT b::text FROM jebi.ballot b ORDER BY person_id`
	if n := pgtest.Value[int](t, url, `SELECT count(DISTINCT tableoid)::int FROM jebi.ballot`); n < 2 {
		t.Fatalf("the ballots are in %d tables before", n)
	}
	before := pgtest.Values[string](t, url, ballots)
	if err := migrateTo(ctx, url, 17); err != nil {
		t.Fatal(err)
	}
	if after := pgtest.Values[string](t, url, ballots); len(before) != 3 || !slices.Equal(after, before) {
		t.Errorf("%q became %q", before, after)
	}
	pgtest.Exec(t, url, `UPDATE jebi.cohort SET state = 'closed'`)
	pgtest.Exec(t, url, `DO $$ BEGIN
		BEGIN UPDATE jebi.ballot SET revision = 2; RAISE 'updated'; EXCEPTION WHEN restrict_violation THEN NULL; END;
		BEGIN DELETE FROM jebi.ballot; RAISE 'deleted'; EXCEPTION WHEN restrict_violation THEN NULL; END;
	END $$`)
}

// When the answer was saved that another replaced moves from the history to the
// ballots, of closed windows as well, and they stay as they are otherwise.
func TestWhatWasReplacedMovesToTheBallots(t *testing.T) {
	ctx, url := t.Context(), pgtest.URL(t)
	if err := migrateTo(ctx, url, 17); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, url, village)
	// Person 1 saved once more, person 2 after a withdrawal, person 3 once.
	pgtest.Exec(t, url, `
		UPDATE jebi.ballot SET revision = 2 WHERE person_id = 1;
		UPDATE jebi.ballot SET revision = 3 WHERE person_id = 2;
		INSERT INTO jebi.ballot_history (campaign_id, cohort_id, person_id, revision, act, commit, channel, saved_at)
		VALUES (1, 1, 1, 2, 'save', sha256('c'), 'sample', now()), (1, 1, 2, 2, 'withdraw', sha256('c'), 'sample', now()), (1, 1, 2, 3, 'save', sha256('c'), 'sample', now());
		UPDATE jebi.cohort SET state = 'closed';`)
	const ballots = `SELECT row(person_id, revision, bytes, salt, commit, withdrawn, channel, saved_at)::text FROM jebi.ballot ORDER BY person_id`
	before := pgtest.Values[string](t, url, ballots)
	if err := Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	if after := pgtest.Values[string](t, url, ballots); len(before) != 3 || !slices.Equal(after, before) {
		t.Errorf("%q became %q", before, after)
	}
	if who := pgtest.Values[int64](t, url, `SELECT b.person_id FROM jebi.ballot b JOIN jebi.ballot_history h ON h.person_id = b.person_id AND h.revision = 1
		WHERE b.replaced_at = h.saved_at ORDER BY 1`); !slices.Equal(who, []int64{1}) {
		t.Errorf("ballots of %d replaced their first, want that of person 1", who)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(replaced_at)::int FROM jebi.ballot`); n != 1 {
		t.Errorf("%d ballots replaced one, want 1", n)
	}
	pgtest.Exec(t, url, `DO $$ BEGIN
		UPDATE jebi.ballot SET revision = 9;
		RAISE 'updated';
	EXCEPTION WHEN restrict_violation THEN NULL;
	END $$`)
}
