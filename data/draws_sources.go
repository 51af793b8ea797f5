package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// EnvelopeRow is a trustee's envelope of the offline profile.
type EnvelopeRow struct {
	Position int // in manifest order, from 0
	HandedIn bool
	Reason   string // why it counts as absent
}

// SourceRow is randomness as it was recorded.
type SourceRow struct {
	Position  int // in manifest order, from 0
	Type      uint8
	Present   bool
	Value     []byte
	Signature []byte
	Envelope  []byte // what the envelope of a trustee counted absent held
	Note      string
}

// AddEnvelope records an envelope as handed in or absent. The database
// refuses one that comes after the first die.
func (tx *Tx) AddEnvelope(ctx context.Context, cohortID int, e EnvelopeRow, a Actor) error {
	_, err := tx.tx.Exec(ctx, `
		INSERT INTO draw_envelope (cohort_id, position, handed_in, reason, proposed_by, confirmed_by)
		VALUES ($1, $2, $3, $4, NULLIF($5, 0), NULLIF($6, 0))`, cohortID, e.Position, e.HandedIn, e.Reason, a.Official, a.Second)
	if err != nil {
		return fmt.Errorf("envelope %d of cohort %d: %w", e.Position, cohortID, err)
	}
	return nil
}

// AddSource records a source of randomness. The database refuses one out of
// the protocol's order.
func (tx *Tx) AddSource(ctx context.Context, cohortID int, s SourceRow, a Actor) error {
	value := s.Value
	if value == nil {
		value = []byte{}
	}
	_, err := tx.tx.Exec(ctx, `
		INSERT INTO draw_source (cohort_id, position, type, present, value, signature, envelope, note, proposed_by, confirmed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, NULLIF($8, ''), NULLIF($9, 0), NULLIF($10, 0))`,
		cohortID, s.Position, s.Type, s.Present, value, s.Signature, s.Envelope, s.Note, a.Official, a.Second)
	if err != nil {
		return fmt.Errorf("source %d of cohort %d: %w", s.Position, cohortID, err)
	}
	return nil
}

// Sources lists what is recorded of a draw's randomness, in manifest order.
func (tx *Tx) Sources(ctx context.Context, cohortID int) ([]EnvelopeRow, []SourceRow, error) {
	what := fmt.Sprintf("sources of cohort %d", cohortID)
	rows, err := tx.tx.Query(ctx, `SELECT position, handed_in, reason FROM draw_envelope WHERE cohort_id = $1 ORDER BY position`, cohortID)
	es, err := many(rows, err, pgx.RowToStructByPos[EnvelopeRow], what)
	if err != nil {
		return nil, nil, err
	}
	rows, err = tx.tx.Query(ctx, `
		SELECT position, type, present, value, signature, envelope, COALESCE(note, '') FROM draw_source WHERE cohort_id = $1 ORDER BY position`, cohortID)
	ss, err := many(rows, err, pgx.RowToStructByPos[SourceRow], what)
	return es, ss, err
}

// DiceProposed says whether dice or an opened envelope were ever put forward
// for a cohort, whatever became of it: they were thrown then.
func (tx *Tx) DiceProposed(ctx context.Context, cohortID int) (bool, error) {
	var ok bool
	err := tx.tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM proposal p JOIN cohort c ON c.campaign_id = p.campaign_id
		                WHERE c.id = $1 AND p.act IN ('draw.dice', 'draw.reveal') AND p.params ->> 'cohort' = c.key)`, cohortID).Scan(&ok)
	return ok, err
}
