package data

import (
	"testing"
	"time"

	"jebi/data/pgtest"
)

// How many wait before a block is what a count says, for a minute.
func TestWaitingBefore(t *testing.T) {
	ctx := t.Context()
	db, url := inVillage(t)
	// Every third is off the list, and so are all of the third block.
	pgtest.Unguarded(t, url, "jebi_owner", "jebi", `
		INSERT INTO waiting (cohort_id, rank, state) SELECT 1, i, CASE WHEN i % 3 = 0 OR i / 1024 = 2 THEN 'off' ELSE 'waiting' END FROM generate_series(1, 6000) i;
		INSERT INTO waiting (cohort_id, rank) SELECT 2, i FROM generate_series(1, 2000) i`)
	now := time.Date(2021, 7, 17, 14, 0, 0, 0, time.UTC)
	before := func(block int, at time.Time) (n int) {
		t.Helper()
		err := db.ReadTx(ctx, func(tx *Tx) (err error) { n, err = db.lists.before(ctx, tx.tx, 1, block, at); return err })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for block := range 9 {
		want := 0
		for i := 1; i <= min(6000, block*waitBlock-1); i++ {
			if i%3 != 0 && i/waitBlock != 2 {
				want++
			}
		}
		if got := before(block, now); got != want {
			t.Errorf("%d wait before block %d, want %d", got, block, want)
		}
	}
	pgtest.Unguarded(t, url, "jebi_owner", "jebi", `UPDATE waiting SET state = 'off' WHERE rank <= 10`)
	then := before(1, now)
	if n := before(1, now.Add(waitStands)); n != then {
		t.Errorf("within the minute %d became %d", then, n)
	}
	if n := before(1, now.Add(waitStands+time.Second)); n != then-7 {
		t.Errorf("after the minute %d became %d, want 7 less", then, n)
	}
}
