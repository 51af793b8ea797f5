package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DrawRow is a cohort's draw as far as it has come. Files are the bytes that
// are published; nil where they are not written yet.
type DrawRow struct {
	Cohort      int
	DrawID      string
	KCommit     [32]byte
	Manifest    []byte
	AnnouncedAt time.Time
	Supply      []byte
	Excluded    []byte
	Leaves      int // leaf 0 included; 0 before the freeze
	Root        [32]byte
	Checkpoint  []byte
	FrozenAt    *time.Time
	Entropy     []byte
	Seed        [32]byte
	OutcomeRoot [32]byte
	Claims      []byte
	CutOffs     []byte
	DrawnAt     *time.Time
	VerifiedAt  *time.Time
	PublishedAt *time.Time
}

const selectDraw = `
	SELECT cohort_id, draw_id, k_commit, manifest, announced_at, supply, excluded, COALESCE(leaf_count, 0), root, checkpoint, frozen_at,
	       entropy, seed, outcome_root, claims, cutoffs, drawn_at, verified_at, published_at
	  FROM draw`

func scanDraw(row pgx.CollectableRow) (DrawRow, error) {
	var d DrawRow
	var k, root, seed, outcome []byte
	err := row.Scan(&d.Cohort, &d.DrawID, &k, &d.Manifest, &d.AnnouncedAt, &d.Supply, &d.Excluded, &d.Leaves, &root, &d.Checkpoint, &d.FrozenAt,
		&d.Entropy, &seed, &outcome, &d.Claims, &d.CutOffs, &d.DrawnAt, &d.VerifiedAt, &d.PublishedAt)
	copy(d.KCommit[:], k)
	copy(d.Root[:], root)
	copy(d.Seed[:], seed)
	copy(d.OutcomeRoot[:], outcome)
	for _, t := range []*time.Time{&d.AnnouncedAt, d.FrozenAt, d.DrawnAt, d.VerifiedAt, d.PublishedAt} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return d, err
}

// Draw reads a cohort's draw. The error wraps ErrNotFound before it is announced.
func (tx *Tx) Draw(ctx context.Context, cohortID int) (DrawRow, error) {
	rows, err := tx.tx.Query(ctx, selectDraw+` WHERE cohort_id = $1`, cohortID)
	return one(rows, err, scanDraw, fmt.Sprintf("draw of cohort %d", cohortID))
}

// Draw is Tx.Draw on its own.
func (db *DB) Draw(ctx context.Context, cohortID int) (d DrawRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { d, err = tx.Draw(ctx, cohortID); return err })
	return d, err
}

// DrawByID finds a draw by its draw_id. The error wraps ErrNotFound.
func (db *DB) DrawByID(ctx context.Context, drawID string) (d DrawRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error {
		rows, err := tx.tx.Query(ctx, selectDraw+` WHERE draw_id = $1`, drawID)
		d, err = one(rows, err, scanDraw, "draw "+drawID)
		return err
	})
	return d, err
}

// NewDraw is what is written when a window is announced.
type NewDraw struct {
	Cohort   int
	DrawID   string
	K        [32]byte // K_draw: stays in the database, apart from what is public
	KCommit  [32]byte
	Manifest []byte
}

// AnnounceDraw writes the draw and its secret key.
func (tx *Tx) AnnounceDraw(ctx context.Context, d NewDraw) error {
	_, err := tx.tx.Exec(ctx, `INSERT INTO draw (cohort_id, draw_id, k_commit, manifest) VALUES ($1, $2, $3, $4)`,
		d.Cohort, d.DrawID, d.KCommit[:], d.Manifest)
	if err == nil {
		_, err = tx.tx.Exec(ctx, `INSERT INTO draw_secret (cohort_id, k) VALUES ($1, $2)`, d.Cohort, d.K[:])
	}
	if err != nil {
		return fmt.Errorf("announce draw %s: %w", d.DrawID, err)
	}
	return nil
}

// DrawKey reads K_draw.
func (tx *Tx) DrawKey(ctx context.Context, cohortID int) (k [32]byte, err error) {
	var b []byte
	err = tx.tx.QueryRow(ctx, `SELECT k FROM draw_secret WHERE cohort_id = $1`, cohortID).Scan(&b)
	if err != nil {
		return k, fmt.Errorf("key of the draw of cohort %d: %w", cohortID, err)
	}
	copy(k[:], b)
	return k, nil
}

// FrozenDraw is what a freeze writes once.
type FrozenDraw struct {
	Cohort     int
	Supply     []byte
	Excluded   []byte
	Leaves     int // leaf 0 included
	Root       [32]byte
	Checkpoint []byte
}

// FreezeDraw writes the frozen draw and fixes the seats that it has: all but
// those of the reserve.
func (tx *Tx) FreezeDraw(ctx context.Context, d FrozenDraw) error {
	_, err := tx.tx.Exec(ctx, `
		UPDATE draw SET supply = $2, excluded = $3, leaf_count = $4, root = $5, checkpoint = $6, frozen_at = jebi_now()
		 WHERE cohort_id = $1`, d.Cohort, d.Supply, d.Excluded, d.Leaves, d.Root[:], d.Checkpoint)
	if err == nil {
		_, err = tx.tx.Exec(ctx, `UPDATE slot SET drawn_seats = seats - kept_seats, released_seats = seats - kept_seats WHERE cohort_id = $1 AND position IS NOT NULL`, d.Cohort)
	}
	if err != nil {
		return fmt.Errorf("freeze the draw of cohort %d: %w", d.Cohort, err)
	}
	return nil
}

// DoneDraw is what a draw writes once, verified.
type DoneDraw struct {
	Cohort      int
	Entropy     []byte
	Seed        [32]byte
	OutcomeRoot [32]byte
	Claims      []byte
	CutOffs     []byte
}

// FinishDraw writes the draw's files and that its bundle was verified.
func (tx *Tx) FinishDraw(ctx context.Context, d DoneDraw) error {
	_, err := tx.tx.Exec(ctx, `
		UPDATE draw SET entropy = $2, seed = $3, outcome_root = $4, claims = $5, cutoffs = $6, drawn_at = jebi_now(), verified_at = jebi_now()
		 WHERE cohort_id = $1`, d.Cohort, d.Entropy, d.Seed[:], d.OutcomeRoot[:], d.Claims, d.CutOffs)
	if err != nil {
		return fmt.Errorf("write the draw of cohort %d: %w", d.Cohort, err)
	}
	return nil
}

// PublishDraw writes when the result was published, and gives people their
// full time to answer it: confirm_by is at least minAnswer ahead.
func (tx *Tx) PublishDraw(ctx context.Context, cohortID int, minAnswer time.Duration) error {
	_, err := tx.tx.Exec(ctx, `UPDATE draw SET published_at = jebi_now() WHERE cohort_id = $1`, cohortID)
	if err == nil {
		_, err = tx.tx.Exec(ctx, `
			UPDATE cohort SET confirm_by = GREATEST(confirm_by, jebi_now() + $2::interval),
			                  settle_at = GREATEST(settle_at, confirm_by, jebi_now() + $2::interval) WHERE id = $1`, cohortID, minAnswer)
	}
	if err != nil {
		return fmt.Errorf("publish the draw of cohort %d: %w", cohortID, err)
	}
	return nil
}
