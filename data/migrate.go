package data

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the database to the newest schema, under a lock, so that
// programs which start together do it once. The login needs the right to
// create roles, or the roles jebi_owner and jebi_app granted to it.
func Migrate(ctx context.Context, url string) error { return migrateTo(ctx, url, newest) }

// newest is above every migration's number.
const newest = math.MaxInt64

// migrateTo is Migrate up to a version, for tests of what lies behind it.
func migrateTo(ctx context.Context, url string, version int64) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("the database address cannot be read; DATABASE_URL looks like postgres://user:password@host:5432/name")
	}
	cfg.RuntimeParams["application_name"] = "jebi migrate"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1, 0)`, int32(LockMigrate)); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer conn.Exec(ctx, `SELECT pg_advisory_unlock($1, 0)`, int32(LockMigrate))
	if err := prepareRoles(ctx, conn); err != nil {
		return err
	}
	own := cfg.Copy()
	own.RuntimeParams["role"] = ownerRole
	own.RuntimeParams["search_path"] = schema
	db := stdlib.OpenDB(*own)
	defer db.Close()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	store, err := database.NewStore(database.DialectPostgres, schema+".migration")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider("", db, dir, goose.WithStore(store), goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// prepareRoles makes the two roles (they belong to the whole server, so
// another database may have made them already, or make them right now) and
// the schema.
func prepareRoles(ctx context.Context, c *pgx.Conn) error {
	for _, role := range []string{ownerRole, appRole} {
		var known, member bool
		if err := c.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_roles WHERE rolname = $1`, role).Scan(&known); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if !known {
			if _, err := c.Exec(ctx, `CREATE ROLE `+role+` NOLOGIN`); err != nil && !hasCode(err, "42710", "23505") {
				return fmt.Errorf("migrate: the role %s is missing and this login may not create it; have an administrator run: CREATE ROLE %s NOLOGIN; GRANT %s TO the login: %w", role, role, role, err)
			}
		}
		if err := c.QueryRow(ctx, `SELECT pg_has_role(current_user, $1, 'MEMBER')`, role).Scan(&member); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if !member {
			if _, err := c.Exec(ctx, `GRANT `+role+` TO CURRENT_USER`); err != nil && !hasCode(err, "23505", "XX000") {
				return fmt.Errorf("migrate: this login is not in the role %s and may not join it; have an administrator run: GRANT %s TO the login: %w", role, role, err)
			}
		}
	}
	var there bool
	if err := c.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_namespace WHERE nspname = $1`, schema).Scan(&there); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if !there {
		if _, err := c.Exec(ctx, `CREATE SCHEMA `+schema+` AUTHORIZATION `+ownerRole); err != nil {
			return fmt.Errorf("migrate: create schema: %w", err)
		}
		if _, err := c.Exec(ctx, `GRANT USAGE ON SCHEMA `+schema+` TO `+appRole); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	return nil
}

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, c := range codes {
		if pg.Code == c {
			return true
		}
	}
	return false
}
