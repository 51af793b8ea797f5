package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// SaveRow is one saved revision of a ballot, as the log of saves has it.
type SaveRow struct {
	Person   int64
	Key      string // person_id of the protocol
	Revision int
	Commit   [32]byte
	Salt     [32]byte
	SavedAt  time.Time
}

// EachSave streams the saves of a cohort in the order of the log: that of
// their history rows. Withdrawals have no entry.
func (tx *Tx) EachSave(ctx context.Context, cohortID int, do func(*SaveRow) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT h.person_id, p.key, h.revision, h.commit, h.salt, h.saved_at
		  FROM ballot_history h JOIN person p ON p.id = h.person_id
		 WHERE h.cohort_id = $1 AND h.act = 'save' AND h.salt IS NOT NULL ORDER BY h.id`, cohortID)
	if err != nil {
		return fmt.Errorf("saves of cohort %d: %w", cohortID, err)
	}
	var s SaveRow
	var commit, salt pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&s.Person, &s.Key, &s.Revision, &commit, &salt, &s.SavedAt}, func() error {
		copy(s.Commit[:], commit)
		copy(s.Salt[:], salt)
		s.SavedAt = s.SavedAt.UTC()
		return do(&s)
	})
	if err != nil {
		return fmt.Errorf("saves of cohort %d: %w", cohortID, err)
	}
	return nil
}

// Announced is what the receipt of a save says of its draw.
type Announced struct {
	DrawID   string
	K        [32]byte // K_draw: for pids
	Manifest []byte
}

// Announced reads it for a cohort. It never changes once it is there; the
// error wraps ErrNotFound before.
func (db *DB) Announced(ctx context.Context, cohortID int) (a Announced, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error {
		d, err := tx.Draw(ctx, cohortID)
		if err != nil {
			return err
		}
		a.DrawID, a.Manifest = d.DrawID, d.Manifest
		a.K, err = tx.DrawKey(ctx, cohortID)
		return err
	})
	return a, err
}
