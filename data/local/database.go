//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maintenance is the database that every cluster has and that commands about databases are given in.
const maintenance = "postgres"

// CreateDatabase creates a further database if it is missing and returns the URL that connects to it. Names of
// more than 63 bytes are refused.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	if len(name) == 0 || len(name) > 63 {
		return "", fmt.Errorf("create database %q: a name has 1 to 63 bytes", name)
	}
	target := s.DatabaseURL(name)
	return target, ensureDatabase(ctx, target)
}

// DropDatabase removes a database of this server with all that is in it, ending its connections. A database
// that is missing is no error.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	return onServer(ctx, s.URL, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		return explain(err)
	})
}

// DatabaseURL is the URL of a database of this server, whether it exists or not.
func (s *Server) DatabaseURL(name string) string { return connString(s.place.socket, name) }

// connString is the URL of a database behind a socket. It names all that PGHOST and its like could change.
func connString(socket, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(Role), Path: "/" + database,
		RawQuery: url.Values{"host": {socket}, "port": {"5432"}}.Encode(),
	}
	return u.String()
}

// ensureDatabase creates the database that the URL names if it is missing. Two that do so at once both succeed.
func ensureDatabase(ctx context.Context, target string) error {
	config, err := pgx.ParseConfig(target)
	if err != nil {
		return err
	}
	return onServer(ctx, target, func(conn *pgx.Conn) error {
		var there bool
		const exists = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`
		if err := conn.QueryRow(ctx, exists, config.Database).Scan(&there); err != nil || there {
			return err
		}
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{config.Database}.Sanitize())
		const duplicateDatabase, uniqueViolation = "42P04", "23505"
		if failed := (*pgconn.PgError)(nil); errors.As(err, &failed) &&
			(failed.Code == duplicateDatabase || failed.Code == uniqueViolation) {
			return nil
		}
		return explain(err)
	})
}

// onServer runs f on a connection to the maintenance database of the URL's server.
func onServer(ctx context.Context, target string, f func(*pgx.Conn) error) error {
	config, err := pgx.ParseConfig(target)
	if err != nil {
		return err
	}
	config.Database = maintenance
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}
