package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// DrawnTicket is what a ticket was when it was drawn.
type DrawnTicket struct {
	Pool   string // the first of the draw's pools that all of it are of, "" for none
	Weight int    // tickets in the drum
	Doses  int
}

// TicketOf reads a ticket of a draw by the rank by which the tables know it.
func (tx *Tx) TicketOf(ctx context.Context, cohortID, rank int) (DrawnTicket, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT pool, weight, 1 + EXISTS (SELECT FROM slot WHERE cohort_id = $1 AND second AND position IS NOT NULL)::int FROM ticket
		 WHERE cohort_id = $1 AND rank = $2`, cohortID, rank)
	return one(rows, err, pgx.RowToStructByPos[DrawnTicket], fmt.Sprintf("ticket %d of cohort %d", rank, cohortID))
}
