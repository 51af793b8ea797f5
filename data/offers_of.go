package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// OffersOf lists what a ticket was offered, in order.
func (tx *Tx) OffersOf(ctx context.Context, cohortID, ticket int) ([]OfferRow, error) {
	rows, err := tx.tx.Query(ctx, selectOffer+` WHERE o.cohort_id = $1 AND o.rank = $2 ORDER BY o.id`, cohortID, ticket)
	return many(rows, err, pgx.RowToStructByPos[OfferRow], fmt.Sprintf("offers of ticket %d", ticket))
}

// PassedOver is a SkipRow of one ticket, with the first batch of which it was
// true.
type PassedOver struct {
	Slot   int64 // 0: the reason is the ticket's
	Reason string
	Batch  time.Time
}

// SkipsOf lists why a ticket was passed over, by slot and reason.
func (tx *Tx) SkipsOf(ctx context.Context, cohortID, ticket int) ([]PassedOver, error) {
	rows, err := tx.tx.Query(ctx, `SELECT slot_id, reason, batch_at FROM offer_skip WHERE cohort_id = $1 AND rank = $2 ORDER BY slot_id, reason`, cohortID, ticket)
	return many(rows, err, pgx.RowToStructByPos[PassedOver], fmt.Sprintf("skips of ticket %d", ticket))
}
