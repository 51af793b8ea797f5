package data

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/data/pgtest"
)

// What a page reads in one trip is of one moment, whatever is committed while
// it is read, and changes nothing.
func TestPagesReadOneMoment(t *testing.T) {
	ctx := t.Context()
	db, url := inVillage(t)
	const lock = 4711
	count := `SELECT count(*)::int FROM jebi.person`
	read := func(between string) (first, second int, err error) {
		var b pgx.Batch
		b.Queue(count)
		b.Queue(between)
		b.Queue(count)
		r := db.pages.SendBatch(ctx, &b)
		err = r.QueryRow().Scan(&first)
		if err == nil {
			_, err = r.Exec()
		}
		if err == nil {
			err = r.QueryRow().Scan(&second)
		}
		return first, second, errors.Join(err, r.Close())
	}
	if _, _, err := read(`SELECT 1`); err != nil { // the statements are made ready
		t.Fatal(err)
	}
	wait := fmt.Sprintf(`SELECT pg_advisory_xact_lock_shared(%d)`, lock)
	release := pgtest.Hold(t, url, fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, lock))
	done := make(chan error, 1)
	var first, second int
	go func() {
		var err error
		first, second, err = read(wait)
		done <- err
	}()
	pgtest.Waiting(t, url, 1)
	pgtest.Exec(t, url, `INSERT INTO jebi.person (campaign_id, key, row_hash) SELECT campaign_id, 'another', row_hash FROM jebi.person LIMIT 1`)
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if first == 0 || first != second {
		t.Errorf("%d people became %d while they were read", first, second)
	}
	if now := pgtest.Value[int](t, url, count); now != first+1 {
		t.Errorf("%d people, want one more than %d: nothing was tested", now, first)
	}
	if _, err := db.pages.Exec(context.Background(), `UPDATE jebi.person SET status = status`); !hasCode(err, "25006") {
		t.Errorf("a page changed something: %v", err)
	}
}

// So do pages.
func TestPagesReadByKeysAlone(t *testing.T) {
	ctx := t.Context()
	db, url := inVillage(t)
	const looks = 20
	look := func(key string, person int64) {
		t.Helper()
		token := sha256.Sum256([]byte(key))
		_, first := db.Session(ctx, token, time.Hour)
		_, d, second := db.SessionAndDraft(ctx, token, time.Hour)
		if key != "nobody" && (first != nil || second != nil || d.Body == nil) {
			t.Fatal(first, second, d)
		}
		_, third := db.Draft(ctx, 1, person)
		_, _, fourth := db.Standing(ctx, 1, person, 1)
		_, fifth := db.ResultOf(ctx, person)
		if err := errors.Join(third, fourth, fifth); err != nil {
			t.Fatal(err)
		}
	}
	pgtest.Exec(t, url, asVillage)
	pgtest.Exec(t, url, `VACUUM (ANALYZE)`) // tables that were emptied are known to be empty
	for range runtime.NumCPU() * 4 {
		look("nobody", 1) // planned for a village
	}
	pgtest.Exec(t, url, crowd)
	pgtest.Unguarded(t, url, ownerRole, schema, drawn)
	before := pgtest.Value[int64](t, url, readSoFar)
	for i := range looks {
		look(fmt.Sprintf("q%d", 1+100*i), int64(5+100*i))
	}
	mine := pgtest.Value[int64](t, url, readSoFar) - before
	db.Close()
	if read := settled(t, url) - before - mine; read > looks*60 {
		t.Errorf("%d looks at five things each read %d rows and index entries", looks, read)
	}
}

// An address may ask for a server that can be written to, and say how many
// connections there are to be; pages keep to both.
func TestPagesOfAnAddress(t *testing.T) {
	_, url := inVillage(t)
	and := "?"
	if strings.Contains(url, "?") {
		and = "&"
	}
	db, err := Open(t.Context(), url+and+"target_session_attrs=read-write&pool_max_conns=50")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Session(t.Context(), sha256.Sum256([]byte("nobody")), time.Hour); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := db.pages.Config().MaxConns; got != 50 {
		t.Errorf("pages have %d connections", got)
	}
}

// A server is on this machine where its address says so.
func TestServersOnThisMachine(t *testing.T) {
	for host, want := range map[string]bool{
		"/var/run/postgresql": true, "localhost": true, "127.0.0.1": true, "::1": true,
		"db.example.org": false, "10.0.0.1": false, "2001:db8::1": false,
	} {
		if got := here(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}
