package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DraftRow is what a person has put together and not submitted.
type DraftRow struct {
	Body []byte    // JSON; nil: she has no draft
	Kept time.Time // when it was kept last
}

// Draft reads a person's draft.
func (db *DB) Draft(ctx context.Context, campaign int, person int64) (DraftRow, error) {
	d, err := scanDraft(db.pages.QueryRow(ctx, `SELECT body, saved_at FROM draft WHERE campaign_id = $1 AND person_id = $2`, campaign, person))
	if err != nil {
		err = fmt.Errorf("draft of person %d: %w", person, err)
	}
	return d, err
}

func scanDraft(row pgx.Row) (d DraftRow, err error) {
	err = row.Scan(&d.Body, &d.Kept)
	if errors.Is(err, pgx.ErrNoRows) {
		return DraftRow{}, nil
	}
	d.Kept = d.Kept.UTC()
	return d, err
}

// ErrDraftChanged says that a draft is not any more as its writer read it:
// another window or device was faster.
var ErrDraftChanged = errors.New("the draft has changed in the meantime")

// KeepDraft stores a draft in place of the one that was read before (nil:
// there was none); the error is ErrDraftChanged where another is there. A draft
// changes nothing that counts: it has no audit row.
func (db *DB) KeepDraft(ctx context.Context, campaign int, person int64, before, body []byte) error {
	tag, err := db.pool.Exec(ctx, `
		INSERT INTO draft AS d (campaign_id, person_id, body) SELECT $1, $2, $4::jsonb
		 WHERE $3::jsonb IS NULL OR EXISTS (SELECT FROM draft WHERE campaign_id = $1 AND person_id = $2)
		ON CONFLICT (campaign_id, person_id) DO UPDATE SET body = excluded.body, saved_at = jebi_now() WHERE d.body = $3::jsonb`,
		campaign, person, before, body)
	if err != nil {
		return fmt.Errorf("draft of person %d: %w", person, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrDraftChanged
	}
	return nil
}
