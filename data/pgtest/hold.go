package pgtest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// HoldTable locks a table against everyone until release is called: whoever uses it waits there, at a moment that the
// test knows. release may be called again.
func HoldTable(t testing.TB, url, table string) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		cancel()
		t.Fatalf("pgtest: %v", err)
	}
	release = sync.OnceFunc(func() {
		conn.Close(ctx)
		cancel()
	})
	for _, s := range []string{`BEGIN`, `LOCK TABLE ` + table + ` IN ACCESS EXCLUSIVE MODE`} {
		if _, err := conn.Exec(ctx, s); err != nil {
			release()
			t.Fatalf("pgtest: %v", err)
		}
	}
	return release
}

// Waiting waits until n connections to a database wait for a lock.
func Waiting(t testing.TB, url string, n int) {
	t.Helper()
	with(t, url, func(ctx context.Context, conn *pgx.Conn) error {
		for waiting := -1; waiting < n; {
			if err := conn.QueryRow(ctx, `
				SELECT count(*)::int FROM pg_stat_activity, pg_sleep(0.005)
				 WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
				return err
			}
		}
		return nil
	})
}

// Alone waits until nobody but the caller is connected to a database, and says whether that came to be.
func Alone(t testing.TB, url string) (alone bool) {
	t.Helper()
	with(t, url, func(ctx context.Context, conn *pgx.Conn) error {
		others := 1
		for others > 0 {
			if err := conn.QueryRow(ctx, `
				SELECT count(*)::int FROM pg_stat_activity, pg_sleep(0.005)
				 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&others); err != nil {
				return err
			}
		}
		alone = true
		return nil
	})
	return alone
}
