//go:build unix

// Package pgtest gives a test a fresh PostgreSQL database of its own, which is dropped when the test ends.
//
// The server is the one that DATABASE_URL names, whose login needs CREATEDB (and CREATEROLE where the code
// under test makes roles), or else a private one that each test process starts through data/local when it
// first needs it, with every guard of durability on, and that ends and is removed with the process however that
// ends.
//
// It refuses to skip: without a server the test fails. It knows no schema; a test that wants one passes the
// function that makes it to Template. It is imported by tests only.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// limit bounds one command on the server: creating, cloning, dropping.
const limit = time.Minute

// server is the server of this test process.
type server struct {
	admin  string    // the URL of a database to give commands in
	prefix string    // begins the names of this process's databases
	conn   *pgx.Conn // holds the lock that says that this process lives
	alive  *os.File  // kept open for the process's life, see exit.go
	count  atomic.Int64

	mu        sync.Mutex
	templates map[string]*template
}

// process starts the server when it is first called. A failure stays: every test that needs it then fails.
var process = sync.OnceValues(begin)

// URL returns the connection string of a fresh, empty database. At the end of the test it is dropped, and
// connections that are still open are ended. The test fails where there is no server.
func URL(t testing.TB) string {
	t.Helper()
	s := get(t)
	// template0 takes any encoding, and holds nothing that somebody added to the server's template1.
	return s.create(t, "TEMPLATE template0 ENCODING 'UTF8'")
}

// Exec runs one statement in the database of the URL, for what a test does behind the program's back. Other
// packages have no driver of their own: SQL belongs under data.
func Exec(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	with(t, url, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

// Value returns the one value of the one row that a query gives.
func Value[T any](t testing.TB, url, sql string, args ...any) T {
	t.Helper()
	var value T
	with(t, url, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		value, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
		return err
	})
	return value
}

// Values returns the one column that a query gives.
func Values[T any](t testing.TB, url, sql string, args ...any) []T {
	t.Helper()
	var values []T
	with(t, url, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		values, err = pgx.CollectRows(rows, pgx.RowTo[T])
		return err
	})
	return values
}

// Hold runs one statement in a transaction of its own, such as LOCK TABLE, and
// keeps what it took until release is called, or the test ends.
func Hold(t testing.TB, url, sql string) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	release = sync.OnceFunc(func() {
		if err := conn.Close(context.Background()); err != nil { // with the transaction
			t.Errorf("pgtest: %v", err)
		}
	})
	t.Cleanup(release)
	for _, s := range []string{"BEGIN", sql} {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatalf("pgtest: %s: %v", s, err)
		}
	}
	return release
}

// with runs f on a connection of its own and fails the test on an error.
func with(t testing.TB, url string, f func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer conn.Close(ctx)
	if err := f(ctx, conn); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

// get returns the process's server or fails the test.
func get(t testing.TB) *server {
	t.Helper()
	s, err := process()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s
}

// create makes a database for the test with these options.
func (s *server) create(t testing.TB, options string) string {
	t.Helper()
	name := fmt.Sprintf("%s_%d", s.prefix, s.count.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " " + options); err != nil {
		t.Fatalf("pgtest: create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: drop the test's database: %v", err)
		}
	})
	url, err := withDatabase(s.admin, name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return url
}

// exec gives a command that cannot run in a transaction. Each takes a connection of its own, so that parallel
// tests do not wait for each other.
func (s *server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
