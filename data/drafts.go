package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Draft reads what a person has put together and not submitted: JSON, or nil.
func (db *DB) Draft(ctx context.Context, campaign int, person int64) ([]byte, error) {
	var body []byte
	err := db.pool.QueryRow(ctx, `SELECT body FROM draft WHERE campaign_id = $1 AND person_id = $2`, campaign, person).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("draft of person %d: %w", person, err)
	}
	return body, nil
}

// KeepDraft stores a draft in place of the one before. A draft changes
// nothing that counts: it has no audit row.
func (db *DB) KeepDraft(ctx context.Context, campaign int, person int64, body []byte) error {
	_, err := db.pool.Exec(ctx, `
		INSERT INTO draft (campaign_id, person_id, body) VALUES ($1, $2, $3)
		ON CONFLICT (campaign_id, person_id) DO UPDATE SET body = excluded.body, saved_at = jebi_now()`, campaign, person, body)
	if err != nil {
		return fmt.Errorf("draft of person %d: %w", person, err)
	}
	return nil
}

// DropDraft forgets a draft.
func (db *DB) DropDraft(ctx context.Context, campaign int, person int64) error {
	if _, err := db.pool.Exec(ctx, `DELETE FROM draft WHERE campaign_id = $1 AND person_id = $2`, campaign, person); err != nil {
		return fmt.Errorf("draft of person %d: %w", person, err)
	}
	return nil
}
