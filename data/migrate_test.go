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
	if err := Migrate(ctx, url); err != nil {
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
