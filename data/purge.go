package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Purged counts what a purge has deleted, by table; of messages, what was
// still to be sent and is cancelled.
type Purged struct {
	Details  int `json:"person_detail"`
	Ballots  int `json:"ballot"`
	Drafts   int `json:"draft"`
	Sessions int `json:"session"`
	SignIns  int `json:"sign_in"`
	Messages int `json:"message"`
}

// Purge deletes everything personal of a campaign whose cohorts are all
// settled or void. The database's function does it and writes the audit row;
// the program itself may not delete these rows. What is left (ids, ranks,
// places, hashes) still verifies. It answers *Refusal before the end.
func (tx *Tx) Purge(ctx context.Context, campaign int, reason string, by Actor) (Purged, error) {
	var p Purged
	err := tx.tx.QueryRow(ctx, `SELECT purge_campaign($1, NULLIF($2, 0), NULLIF($3, 0), $4)`, campaign, by.Official, by.Second, reason).Scan(&p)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.ConstraintName == "purge_after_end" {
		return p, refuse("%s; people's data is deleted after the end only", pg.Message)
	}
	if err != nil {
		return p, fmt.Errorf("purge campaign %d: %w", campaign, err)
	}
	return p, nil
}
