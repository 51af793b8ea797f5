package data_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"jebi/data"
	"jebi/data/pgtest"
)

// named gives the address of another database on the same server.
func named(t *testing.T, url, name string) string {
	t.Helper()
	old := pgtest.Value[string](t, url, `SELECT current_database()`)
	if !strings.Contains(url, "/"+old) {
		t.Fatalf("the address does not name %s", old)
	}
	return strings.Replace(url, "/"+old, "/"+name, 1)
}

func TestRecreateTakesOnlySamples(t *testing.T) {
	ctx := context.Background()
	base := pgtest.URL(t)
	own := pgtest.Value[string](t, base, `SELECT current_database()`)
	if err := data.Recreate(ctx, base); err == nil || !strings.Contains(err.Error(), "not named") {
		t.Errorf("Recreate of %s: %v, want a refusal of the name", own, err)
	}
	url := named(t, base, own+"_demo")
	t.Cleanup(func() { pgtest.Exec(t, base, `DROP DATABASE IF EXISTS `+own+`_demo WITH (FORCE)`) })
	for range 2 {
		if err := data.Recreate(ctx, url); err != nil {
			t.Fatal(err)
		}
		if err := data.Migrate(ctx, url); err != nil {
			t.Fatal(err)
		}
		pgtest.Exec(t, url, `INSERT INTO jebi.campaign (key, version, sample) VALUES ('s', 1, true)`)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.campaign`); n != 1 {
		t.Errorf("%d campaigns after the second time, want that of the second alone", n)
	}
	pgtest.Exec(t, url, `INSERT INTO jebi.campaign (key, version, sample) VALUES ('real', 1, false)`)
	if err := data.Recreate(ctx, url); !errors.Is(err, data.ErrNotSample) {
		t.Errorf("Recreate over a real campaign: %v, want ErrNotSample", err)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.campaign`); n != 2 {
		t.Errorf("%d campaigns after the refusal, want both", n)
	}
	pgtest.Exec(t, url, `DROP SCHEMA jebi CASCADE`)
	pgtest.Exec(t, url, `CREATE TABLE public.theirs (x int)`)
	if err := data.Recreate(ctx, url); err == nil || !strings.Contains(err.Error(), "not jebi's") {
		t.Errorf("Recreate over somebody's tables: %v, want a refusal", err)
	}
}
