package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CampaignFile finds a version of a campaign's file by its hash. The error
// wraps ErrNotFound.
func (tx *Tx) CampaignFile(ctx context.Context, hash [32]byte) ([]byte, error) {
	rows, err := tx.tx.Query(ctx, `SELECT convert_to(file, 'UTF8') FROM campaign_version WHERE file_hash = $1 LIMIT 1`, hash[:])
	return one(rows, err, pgx.RowTo[[]byte], "the campaign file that was announced")
}

// EachEligible streams the people of a cohort by key, with the weight that
// each carried into the draw and her pool. Who has a leaf stands with what was
// frozen, whatever became of her since.
func (tx *Tx) EachEligible(ctx context.Context, cohortID int, do func(key string, weight int, pool string) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT p.key, COALESCE(l.weight::int, p.weight::int), COALESCE(l.pool, '')
		  FROM person p LEFT JOIN draw_leaf l ON l.cohort_id = $1 AND l.person_id = p.id
		 WHERE p.cohort_id = $1 AND (p.status = 'eligible' OR l.person_id IS NOT NULL) ORDER BY p.key`, cohortID)
	if err != nil {
		return fmt.Errorf("the eligible of cohort %d: %w", cohortID, err)
	}
	var key, pool string
	var weight int
	if _, err = pgx.ForEachRow(rows, []any{&key, &weight, &pool}, func() error { return do(key, weight, pool) }); err != nil {
		return fmt.Errorf("the eligible of cohort %d: %w", cohortID, err)
	}
	return nil
}
