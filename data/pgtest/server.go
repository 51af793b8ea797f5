//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"jebi/data/local"
)

// begin finds or starts the server of this process.
func begin() (*server, error) {
	if admin := os.Getenv("DATABASE_URL"); admin != "" {
		s, err := use(admin, "DATABASE_URL")
		if err == nil {
			s.alive, err = dropAtExit(s.conn.Config(), s.prefix)
		}
		return s, err
	}
	admin, alive, err := startPrivate()
	if err != nil {
		return nil, err
	}
	s, err := use(admin, "the private PostgreSQL")
	if err == nil {
		s.alive = alive
	}
	return s, err
}

// use checks that the server will do and clears away what earlier processes left on it.
func use(admin, what string) (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", what, err)
	}
	var login string
	var createDatabase, createRole bool
	var version int
	const rights = `SELECT rolname, rolcreatedb OR rolsuper, rolcreaterole OR rolsuper, current_setting('server_version_num')::int
		FROM pg_roles WHERE rolname = current_user`
	if err := conn.QueryRow(ctx, rights).Scan(&login, &createDatabase, &createRole, &version); err != nil {
		return nil, fmt.Errorf("ask %s for the rights of its login: %w", what, err)
	}
	if !createDatabase || !createRole {
		return nil, fmt.Errorf("the login of %s may not create databases and roles, which the tests need: "+
			`run ALTER ROLE "%s" CREATEDB CREATEROLE there as a superuser, or name another server`, what, login)
	}
	if version < local.MinVersion*10000 {
		return nil, fmt.Errorf("%s is PostgreSQL %d, and %d or later is needed", what, version/10000, local.MinVersion)
	}

	var random [8]byte
	rand.Read(random[:]) // never fails
	token := int64(binary.BigEndian.Uint64(random[:]) >> 1)
	s := &server{
		admin: admin, prefix: fmt.Sprintf("jebi_test_%016x", token), conn: conn, templates: map[string]*template{},
	}
	// The connection holds this lock for the process's life: it tells others that its databases are in use.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, token); err != nil {
		return nil, fmt.Errorf("take the lock of this process on %s: %w", what, err)
	}
	if err := s.sweep(ctx); err != nil {
		return nil, fmt.Errorf("drop what earlier tests left on %s: %w", what, err)
	}
	return s, nil
}

var testDatabase = regexp.MustCompile(`^jebi_test_([0-9a-f]{16})_\d+$`)

// sweep drops the databases of test processes that have ended without doing so: theirs is the lock that can
// be had. Of two processes that sweep at once, one drops and the other finds nothing.
func (s *server) sweep(ctx context.Context) error {
	const own = `SELECT datname FROM pg_database WHERE datname LIKE 'jebi\_test\_%'
		AND pg_has_role(datdba, 'USAGE') ORDER BY datname`
	rows, err := s.conn.Query(ctx, own)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		m := testDatabase.FindStringSubmatch(name)
		if m == nil || strings.HasPrefix(name, s.prefix) {
			continue
		}
		token, err := strconv.ParseInt(m[1], 16, 64)
		if err != nil {
			continue
		}
		var free bool
		if err := s.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, token).Scan(&free); err != nil {
			return err
		}
		if !free {
			continue
		}
		_, err = s.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_, unlock := s.conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, token)
		if err := errors.Join(err, unlock); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the database of a template and closes it to connections, so that it can be copied at any time.
func (s *server) prepare(fill func(url string) error) (string, error) {
	name := fmt.Sprintf("%s_%d", s.prefix, s.count.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
		return "", err
	}
	target, err := withDatabase(s.admin, name)
	if err != nil {
		return "", err
	}
	if err := fill(target); err != nil {
		return "", err
	}
	return name, s.exec("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false")
}

// startPrivate starts a PostgreSQL for this process in a folder of its own and returns its URL and the pipe
// that keeps it alive.
func startPrivate() (string, *os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "jebi-pgtest-")
	if err != nil {
		return "", nil, err
	}
	// PostgreSQL's user must pass through when the tests run as root; the server's own folder is private.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", nil, err
	}
	server, err := local.Start(ctx, local.Config{Dir: filepath.Join(dir, "pg")})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	alive, err := removeAtExit(dir, server.Dir)
	if err != nil {
		return "", nil, errors.Join(err, server.Stop(), os.RemoveAll(dir))
	}
	return server.URL, alive, nil
}

// withDatabase changes the database that a connection string names, in either of its forms.
func withDatabase(connString, name string) (string, error) {
	if !strings.HasPrefix(connString, "postgres://") && !strings.HasPrefix(connString, "postgresql://") {
		return connString + " dbname=" + name, nil // the last one counts
	}
	u, err := url.Parse(connString)
	if err != nil {
		return "", errors.New("the connection string is not a URL") // the error would quote its password
	}
	u.Path = "/" + name
	query := u.Query()
	query.Del("dbname")
	u.RawQuery = query.Encode()
	return u.String(), nil
}
