package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const selectBoard = `
	SELECT b.id, b.campaign_id, COALESCE(b.cohort_id, 0), b.kind, b.body, b.body_hash, b.at FROM board b`

func scanBoard(row pgx.CollectableRow) (BoardEntry, error) {
	var e BoardEntry
	var hash []byte
	err := row.Scan(&e.ID, &e.Campaign, &e.Cohort, &e.Kind, &e.Body, &hash, &e.At)
	copy(e.Hash[:], hash)
	e.At = e.At.UTC()
	return e, err
}

// BoardPage lists at most limit records of a campaign's board that are older
// than the record before (0: from the newest), newest first, without bodies.
func (db *DB) BoardPage(ctx context.Context, campaign int, before int64, limit int) ([]BoardEntry, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT b.id, b.campaign_id, COALESCE(b.cohort_id, 0), b.kind, NULL::bytea, b.body_hash, b.at FROM board b
		 WHERE b.campaign_id = $1 AND ($2::bigint = 0 OR b.id < $2) ORDER BY b.id DESC LIMIT $3`, campaign, before, limit)
	return many(rows, err, scanBoard, fmt.Sprintf("board of campaign %d", campaign))
}

// BoardRecord reads one record of a campaign's board. The error wraps
// ErrNotFound.
func (db *DB) BoardRecord(ctx context.Context, campaign int, id int64) (BoardEntry, error) {
	rows, err := db.pool.Query(ctx, selectBoard+` WHERE b.campaign_id = $1 AND b.id = $2`, campaign, id)
	return one(rows, err, scanBoard, fmt.Sprintf("record %d of the board", id))
}
