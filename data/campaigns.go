package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// CampaignRow is a campaign with the version of its file that is in force.
type CampaignRow struct {
	ID        int
	Key       string
	Version   int
	File      []byte
	Hash      [32]byte // SHA-256 of File
	Sample    bool
	AppliedAt time.Time
}

// CohortRow is a cohort with its times as they stand now: the file's, or as
// an official has extended them since.
type CohortRow struct {
	ID        int
	Campaign  int
	Key       string
	Ordinal   int // place in the file, from 0
	State     cohort.State
	Opens     time.Time
	Closes    time.Time
	DrawAt    time.Time
	PublishAt time.Time
	ConfirmBy time.Time
	SettleAt  time.Time
	PausedAt  *time.Time // nil: not paused
	StateAt   time.Time  // when it came into its state
}

const selectCampaign = `
	SELECT c.id, c.key, c.version, v.file, v.file_hash, c.sample, v.applied_at
	  FROM campaign c JOIN campaign_version v ON v.campaign_id = c.id AND v.version = c.version`

func scanCampaign(row pgx.CollectableRow) (CampaignRow, error) {
	var c CampaignRow
	var file string
	var hash []byte
	err := row.Scan(&c.ID, &c.Key, &c.Version, &file, &hash, &c.Sample, &c.AppliedAt)
	c.File = []byte(file)
	copy(c.Hash[:], hash)
	c.AppliedAt = c.AppliedAt.UTC()
	return c, err
}

const selectCohort = `
	SELECT id, campaign_id, key, ordinal, state, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at, paused_at, state_at
	  FROM cohort`

func scanCohort(row pgx.CollectableRow) (CohortRow, error) {
	var c CohortRow
	err := row.Scan(&c.ID, &c.Campaign, &c.Key, &c.Ordinal, &c.State, &c.Opens, &c.Closes, &c.DrawAt,
		&c.PublishAt, &c.ConfirmBy, &c.SettleAt, &c.PausedAt, &c.StateAt)
	for _, t := range []*time.Time{&c.Opens, &c.Closes, &c.DrawAt, &c.PublishAt, &c.ConfirmBy, &c.SettleAt, c.PausedAt, &c.StateAt} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return c, err
}

// one gives the only row, or ErrNotFound with what was looked for.
func one[T any](rows pgx.Rows, err error, scan pgx.RowToFunc[T], what string) (T, error) {
	var none T
	if err != nil {
		return none, fmt.Errorf("%s: %w", what, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return none, fmt.Errorf("%s: %w", what, ErrNotFound)
	case err != nil:
		return none, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// many gives all rows.
func many[T any](rows pgx.Rows, err error, scan pgx.RowToFunc[T], what string) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	vs, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return vs, nil
}

// Campaign finds a campaign by its key. The error wraps ErrNotFound.
func (tx *Tx) Campaign(ctx context.Context, key string) (CampaignRow, error) {
	rows, err := tx.tx.Query(ctx, selectCampaign+` WHERE c.key = $1`, key)
	return one(rows, err, scanCampaign, "campaign "+key)
}

// Campaigns lists all campaigns in the order in which they came.
func (tx *Tx) Campaigns(ctx context.Context) ([]CampaignRow, error) {
	rows, err := tx.tx.Query(ctx, selectCampaign+` ORDER BY c.id`)
	return many(rows, err, scanCampaign, "campaigns")
}

// Cohorts lists a campaign's cohorts in the order of its file.
func (tx *Tx) Cohorts(ctx context.Context, campaign int) ([]CohortRow, error) {
	rows, err := tx.tx.Query(ctx, selectCohort+` WHERE campaign_id = $1 ORDER BY ordinal`, campaign)
	return many(rows, err, scanCohort, fmt.Sprintf("cohorts of campaign %d", campaign))
}

// Cohort finds a cohort by its id. The error wraps ErrNotFound.
func (tx *Tx) Cohort(ctx context.Context, id int) (CohortRow, error) {
	rows, err := tx.tx.Query(ctx, selectCohort+` WHERE id = $1`, id)
	return one(rows, err, scanCohort, fmt.Sprintf("cohort %d", id))
}

// CohortByKey finds a campaign's cohort by its key. The error wraps ErrNotFound.
func (tx *Tx) CohortByKey(ctx context.Context, campaign int, key string) (CohortRow, error) {
	rows, err := tx.tx.Query(ctx, selectCohort+` WHERE campaign_id = $1 AND key = $2`, campaign, key)
	return one(rows, err, scanCohort, "cohort "+key)
}

// LockCohort is Cohort with its row locked until the transaction ends. Where
// a window's lock is needed too, it is taken first.
func (tx *Tx) LockCohort(ctx context.Context, id int) (CohortRow, error) {
	rows, err := tx.tx.Query(ctx, selectCohort+` WHERE id = $1 FOR UPDATE`, id)
	return one(rows, err, scanCohort, fmt.Sprintf("cohort %d", id))
}

// WrongState says that a cohort is not in the state that a step begins in.
type WrongState struct {
	Cohort int
	Want   cohort.State
}

func (e *WrongState) Error() string {
	return fmt.Sprintf("cohort %d is not %s any more", e.Cohort, e.Want)
}

// SetState moves a cohort one step. It changes nothing and answers
// *WrongState where the cohort is not in from.
func (tx *Tx) SetState(ctx context.Context, id int, from, to cohort.State) error {
	tag, err := tx.tx.Exec(ctx, `UPDATE cohort SET state = $3 WHERE id = $1 AND state = $2`, id, from, to)
	if err != nil {
		return fmt.Errorf("cohort %d from %s to %s: %w", id, from, to, err)
	}
	if tag.RowsAffected() == 0 {
		return &WrongState{id, from}
	}
	return nil
}

// Campaign is Tx.Campaign on its own.
func (db *DB) Campaign(ctx context.Context, key string) (c CampaignRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { c, err = tx.Campaign(ctx, key); return err })
	return c, err
}

// Campaigns is Tx.Campaigns on its own.
func (db *DB) Campaigns(ctx context.Context) (cs []CampaignRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { cs, err = tx.Campaigns(ctx); return err })
	return cs, err
}

// Cohorts is Tx.Cohorts on its own.
func (db *DB) Cohorts(ctx context.Context, campaign int) (cs []CohortRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { cs, err = tx.Cohorts(ctx, campaign); return err })
	return cs, err
}

// CohortByKey is Tx.CohortByKey on its own.
func (db *DB) CohortByKey(ctx context.Context, campaign int, key string) (c CohortRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { c, err = tx.CohortByKey(ctx, campaign, key); return err })
	return c, err
}
