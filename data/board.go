package data

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// BoardEntry is one public record on the append-only board.
type BoardEntry struct {
	ID       int64
	Campaign int
	Cohort   int // id, or 0
	Kind     string
	Body     []byte
	Hash     [32]byte
	At       time.Time
}

// Post puts a record on the board and answers its id.
func (tx *Tx) Post(ctx context.Context, campaign, cohort int, kind string, body []byte) (int64, error) {
	h := sha256.Sum256(body)
	var id int64
	err := tx.tx.QueryRow(ctx, `
		INSERT INTO board (campaign_id, cohort_id, kind, body, body_hash)
		VALUES ($1, NULLIF($2, 0), $3, $4, $5) RETURNING id`,
		campaign, cohort, kind, body, h[:]).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("board %s: %w", kind, err)
	}
	return id, nil
}

// Board lists a campaign's public records in the order in which they were
// posted: all of them, or those of one cohort.
func (tx *Tx) Board(ctx context.Context, campaign, cohortID int) ([]BoardEntry, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT id, campaign_id, COALESCE(cohort_id, 0), kind, body, body_hash, at FROM board
		 WHERE campaign_id = $1 AND ($2 = 0 OR cohort_id = $2) ORDER BY id`, campaign, cohortID)
	return many(rows, err, func(row pgx.CollectableRow) (BoardEntry, error) {
		var e BoardEntry
		var hash []byte
		err := row.Scan(&e.ID, &e.Campaign, &e.Cohort, &e.Kind, &e.Body, &hash, &e.At)
		copy(e.Hash[:], hash)
		e.At = e.At.UTC()
		return e, err
	}, fmt.Sprintf("board of campaign %d", campaign))
}

// Board is Tx.Board on its own.
func (db *DB) Board(ctx context.Context, campaign, cohortID int) (es []BoardEntry, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { es, err = tx.Board(ctx, campaign, cohortID); return err })
	return es, err
}
