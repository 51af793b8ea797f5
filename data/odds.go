package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// LockOdds is held by the program that makes a cohort's trial draws.
const LockOdds LockKind = 7 // cohort id

// OddsRow is what the newest trial draws of a cohort say.
type OddsRow struct {
	Cohort int
	MadeAt time.Time // the ballots are as they were then
	Odds   cohort.Odds
	Reach  *cohort.Reach // for Chance; it may be shared by many readers
}

const selectOdds = `SELECT cohort_id, made_at, body, reach FROM odds WHERE cohort_id = $1`

func scanOdds(row pgx.CollectableRow) (OddsRow, error) {
	var o OddsRow
	var reach []byte
	err := row.Scan(&o.Cohort, &o.MadeAt, &o.Odds, &reach)
	if err == nil {
		o.Reach, err = cohort.ParseReach(reach)
	}
	o.MadeAt = o.MadeAt.UTC()
	return o, err
}

// OddsOf reads a cohort's odds, some 10 bytes for each slot and trial. The
// error wraps ErrNotFound before the first trial draws.
func (db *DB) OddsOf(ctx context.Context, cohortID int) (OddsRow, error) {
	rows, err := db.pool.Query(ctx, selectOdds, cohortID)
	return one(rows, err, scanOdds, fmt.Sprintf("odds of cohort %d", cohortID))
}

// OddsAfter is OddsOf for a reader who has those made at known already: the
// error wraps ErrNotFound where there are no newer ones.
func (db *DB) OddsAfter(ctx context.Context, cohortID int, known time.Time) (OddsRow, error) {
	rows, err := db.pool.Query(ctx, selectOdds+` AND made_at > $2`, cohortID, known)
	return one(rows, err, scanOdds, fmt.Sprintf("odds of cohort %d after %s", cohortID, known.Format(time.RFC3339)))
}

// OddsMade says when a cohort's odds were made; zero: never.
func (tx *Tx) OddsMade(ctx context.Context, cohortID int) (time.Time, error) {
	var t *time.Time
	if err := tx.tx.QueryRow(ctx, `SELECT max(made_at) FROM odds WHERE cohort_id = $1`, cohortID).Scan(&t); err != nil {
		return time.Time{}, fmt.Errorf("odds of cohort %d: %w", cohortID, err)
	}
	if t == nil {
		return time.Time{}, nil
	}
	return t.UTC(), nil
}

// PutOdds keeps odds in place of older ones, and says whether there were no
// newer ones.
func (tx *Tx) PutOdds(ctx context.Context, o OddsRow) (bool, error) {
	tag, err := tx.tx.Exec(ctx, `
		INSERT INTO odds AS o (cohort_id, made_at, body, reach) VALUES ($1, $2, $3, $4)
		ON CONFLICT (cohort_id) DO UPDATE SET made_at = excluded.made_at, body = excluded.body, reach = excluded.reach WHERE o.made_at < excluded.made_at`,
		o.Cohort, o.MadeAt, o.Odds, o.Reach.Encode())
	if err != nil {
		return false, fmt.Errorf("odds of cohort %d: %w", o.Cohort, err)
	}
	return tag.RowsAffected() == 1, nil
}
