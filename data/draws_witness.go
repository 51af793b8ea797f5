package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SetCheckpoint writes a frozen draw's checkpoint with more cosignatures. The
// database refuses any other change of it, and any after the first source.
func (tx *Tx) SetCheckpoint(ctx context.Context, cohortID int, checkpoint []byte) error {
	if _, err := tx.tx.Exec(ctx, `UPDATE draw SET checkpoint = $2 WHERE cohort_id = $1`, cohortID, checkpoint); err != nil {
		return fmt.Errorf("checkpoint of cohort %d: %w", cohortID, err)
	}
	return nil
}

// AddPublic keeps the file of a source of public contributions.
func (tx *Tx) AddPublic(ctx context.Context, cohortID, position int, file []byte) error {
	if _, err := tx.tx.Exec(ctx, `INSERT INTO draw_public (cohort_id, position, file) VALUES ($1, $2, $3)`, cohortID, position, file); err != nil {
		return fmt.Errorf("contributions of cohort %d: %w", cohortID, err)
	}
	return nil
}

// Public gives the files of public contributions by their source's position.
func (tx *Tx) Public(ctx context.Context, cohortID int) (map[int][]byte, error) {
	rows, err := tx.tx.Query(ctx, `SELECT position, file FROM draw_public WHERE cohort_id = $1`, cohortID)
	if err != nil {
		return nil, fmt.Errorf("contributions of cohort %d: %w", cohortID, err)
	}
	files := map[int][]byte{}
	var position int
	var file []byte
	if _, err := pgx.ForEachRow(rows, []any{&position, &file}, func() error { files[position] = file; return nil }); err != nil {
		return nil, fmt.Errorf("contributions of cohort %d: %w", cohortID, err)
	}
	return files, nil
}
