package data

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
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
