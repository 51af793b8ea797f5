package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The clock of a database of tests, demo or rehearsal: clock_timestamp() plus
// an offset that MoveClock sets. Real databases never get these statements.
const movableClock = `
CREATE TABLE clock_shift (one boolean PRIMARY KEY DEFAULT true CHECK (one), shift interval NOT NULL);
INSERT INTO clock_shift (shift) VALUES ('0');
GRANT SELECT, UPDATE ON clock_shift TO jebi_app;
CREATE OR REPLACE FUNCTION jebi_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
  AS 'SELECT clock_timestamp() + (SELECT shift FROM jebi.clock_shift)';`

// MakeClockMovable gives a database the variant of jebi_now() that can be
// moved. It refuses a database that holds a campaign which is no sample.
func MakeClockMovable(ctx context.Context, url string) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("movable clock: the database address cannot be read")
	}
	cfg.RuntimeParams["role"] = ownerRole
	cfg.RuntimeParams["search_path"] = schema
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("movable clock: %w", err)
	}
	defer c.Close(ctx)
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		var real int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM campaign WHERE NOT sample`).Scan(&real); err != nil {
			return err
		}
		if real > 0 {
			return fmt.Errorf("movable clock: refused, the database holds a campaign that is no sample")
		}
		var has bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass('jebi.clock_shift') IS NOT NULL`).Scan(&has); err != nil || has {
			return err
		}
		_, err := tx.Exec(ctx, movableClock)
		return err
	})
}

// ClockMovable says whether this database's clock can be moved: never trust
// such a database with a real campaign.
func (db *DB) ClockMovable(ctx context.Context) (bool, error) {
	var ok bool
	err := db.pool.QueryRow(ctx, `SELECT to_regclass('jebi.clock_shift') IS NOT NULL OR pg_get_functiondef('jebi.jebi_now'::regproc) NOT LIKE '%SELECT clock_timestamp()''%' AND pg_get_functiondef('jebi.jebi_now'::regproc) NOT LIKE '%SELECT clock_timestamp()$function$%'`).Scan(&ok)
	return ok, err
}

// MoveClock sets the clock of a movable database to t; it goes on from there.
func (db *DB) MoveClock(ctx context.Context, t time.Time) error {
	tag, err := db.pool.Exec(ctx, `UPDATE clock_shift SET shift = $1 - clock_timestamp()`, t)
	if err != nil {
		return fmt.Errorf("move clock: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("move clock: this database's clock stands with the machine's")
	}
	return nil
}
