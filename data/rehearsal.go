package data

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrNotSample says that a database holds what is no sample, so that nothing
// may drop it.
var ErrNotSample = errors.New("the database holds a campaign that is no sample")

// Recreate drops the database that the url names and makes it anew, empty.
// Sessions that are open on it are ended. It refuses one that holds a campaign
// which is no sample, tables of somebody else, or a name without "demo",
// "rehearsal" or "sample" in it. The login needs CREATEDB.
func Recreate(ctx context.Context, url string) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("the database address cannot be read; DATABASE_URL looks like postgres://user:password@host:5432/name")
	}
	name := cfg.Database
	if !slices.ContainsFunc([]string{"demo", "rehearsal", "sample"}, func(w string) bool { return strings.Contains(name, w) }) {
		return fmt.Errorf("recreate database: %s is not named as one that may be dropped: its name needs demo, rehearsal or sample in it", name)
	}
	if err := onlySample(ctx, cfg); err != nil {
		return fmt.Errorf("recreate database %s: %w", name, err)
	}
	admin := cfg.Copy()
	admin.Database = "postgres"
	c, err := pgx.ConnectConfig(ctx, admin)
	if err != nil {
		return fmt.Errorf("recreate database %s: %w", name, err)
	}
	defer c.Close(ctx)
	quoted := pgx.Identifier{name}.Sanitize()
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)",
		"CREATE DATABASE " + quoted + " TEMPLATE template0 ENCODING 'UTF8'",
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("recreate database %s: %w", name, err)
		}
	}
	return nil
}

// onlySample looks whether nothing real lies in the database. One that does
// not exist holds nothing.
func onlySample(ctx context.Context, cfg *pgx.ConnConfig) error {
	c, err := pgx.ConnectConfig(ctx, cfg)
	if hasCode(err, "3D000") { // no such database
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var ours, others bool
	err = c.QueryRow(ctx, `
		SELECT to_regclass('jebi.campaign') IS NOT NULL,
		       EXISTS (SELECT FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
		                WHERE r.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'jebi'))`).Scan(&ours, &others)
	if err != nil {
		return err
	}
	if others {
		return errors.New("it holds tables that are not jebi's")
	}
	if !ours {
		return nil
	}
	if _, err := c.Exec(ctx, `SET ROLE `+ownerRole); err != nil {
		return err
	}
	var real int
	if err := c.QueryRow(ctx, `SELECT count(*) FROM jebi.campaign WHERE NOT sample`).Scan(&real); err != nil {
		return err
	}
	if real > 0 {
		return ErrNotSample
	}
	return nil
}

// OfferHolder is one of those to whom a live offer is made.
type OfferHolder struct {
	Offer  int64
	Person int64 // of a party: the first by id
}

// LiveOffers lists a campaign's live offers with one person each who can
// answer for it.
func (db *DB) LiveOffers(ctx context.Context, campaign int) ([]OfferHolder, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT o.id, min(m.person_id)
		  FROM offer o JOIN cohort c ON c.id = o.cohort_id JOIN ticket_member m ON m.cohort_id = o.cohort_id AND m.rank = o.rank
		 WHERE c.campaign_id = $1 AND o.state = 'live' GROUP BY o.id ORDER BY o.id`, campaign)
	return many(rows, err, pgx.RowToStructByPos[OfferHolder], "live offers")
}
