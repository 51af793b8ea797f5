package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// TicketRow is a person or a party in draw order, and what the draw gave it.
type TicketRow struct {
	Rank   int // from 1
	Entity [16]byte
	Size   int
	Weight int
	Pool   string
	Ticket [32]byte
	Choice int   // from 1; 0: nothing
	Slot   int64 // id; 0: nothing
	Second int64
}

// CutOffRow is the lowest rank of a class that a slot refused.
type CutOffRow struct {
	Slot  int64
	Size  int
	Doses int
	Pool  string
	Rank  int
}

// PlaceRow is a person's place as the draw gives it.
type PlaceRow struct {
	Person int64
	Rank   int
	Slot   int64
	Second int64
	Choice int
}

// CopyTickets writes all tickets of a draw; next answers false after the last.
func (tx *Tx) CopyTickets(ctx context.Context, cohortID int, next func() (TicketRow, bool)) error {
	row := make([]any, 10)
	return tx.copyRows(ctx, "ticket", cohortID,
		[]string{"cohort_id", "rank", "entity", "size", "weight", "pool", "ticket", "choice", "slot_id", "second_id"},
		func() ([]any, error) {
			t, ok := next()
			if !ok {
				return nil, nil
			}
			row[0], row[1], row[2], row[3], row[4] = cohortID, t.Rank, t.Entity[:], t.Size, t.Weight
			row[5], row[6], row[7], row[8], row[9] = t.Pool, t.Ticket[:], t.Choice, orNull(t.Slot), orNull(t.Second)
			return row, nil
		})
}

// CopyMembers writes who holds which ticket.
func (tx *Tx) CopyMembers(ctx context.Context, cohortID int, next func() (person int64, rank int, ok bool)) error {
	row := make([]any, 3)
	return tx.copyRows(ctx, "ticket_member", cohortID, []string{"cohort_id", "person_id", "rank"}, func() ([]any, error) {
		person, rank, ok := next()
		if !ok {
			return nil, nil
		}
		row[0], row[1], row[2] = cohortID, person, rank
		return row, nil
	})
}

// CopyPlaces writes the draw's assignments.
func (tx *Tx) CopyPlaces(ctx context.Context, campaign, cohortID int, next func() (PlaceRow, bool)) error {
	row := make([]any, 8)
	return tx.copyRows(ctx, "assignment", cohortID,
		[]string{"campaign_id", "cohort_id", "person_id", "rank", "slot_id", "second_id", "choice", "origin"},
		func() ([]any, error) {
			p, ok := next()
			if !ok {
				return nil, nil
			}
			row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7] = campaign, cohortID, p.Person, p.Rank, p.Slot, orNull(p.Second), p.Choice, "draw"
			return row, nil
		})
}

// CopyWaiting writes the waitlist: the ranks without a place.
func (tx *Tx) CopyWaiting(ctx context.Context, cohortID int, next func() (rank int, ok bool)) error {
	row := make([]any, 2)
	return tx.copyRows(ctx, "waiting", cohortID, []string{"cohort_id", "rank"}, func() ([]any, error) {
		rank, ok := next()
		if !ok {
			return nil, nil
		}
		row[0], row[1] = cohortID, rank
		return row, nil
	})
}

// CopyCutOffs writes the draw's cut-offs.
func (tx *Tx) CopyCutOffs(ctx context.Context, cohortID int, next func() (CutOffRow, bool)) error {
	row := make([]any, 6)
	return tx.copyRows(ctx, "cut_off", cohortID, []string{"cohort_id", "slot_id", "size", "doses", "pool", "rank"}, func() ([]any, error) {
		c, ok := next()
		if !ok {
			return nil, nil
		}
		row[0], row[1], row[2], row[3], row[4], row[5] = cohortID, c.Slot, c.Size, c.Doses, c.Pool, c.Rank
		return row, nil
	})
}

func (tx *Tx) copyRows(ctx context.Context, table string, cohortID int, columns []string, next func() ([]any, error)) error {
	if _, err := tx.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(next)); err != nil {
		return fmt.Errorf("write %s of cohort %d: %w", table, cohortID, err)
	}
	return nil
}

func orNull(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// EachEntity streams the ids of a draw's tickets, best first: order.bin.
func (tx *Tx) EachEntity(ctx context.Context, cohortID int, do func([16]byte)) error {
	rows, err := tx.tx.Query(ctx, `SELECT entity FROM ticket WHERE cohort_id = $1 AND NOT late ORDER BY rank`, cohortID)
	if err != nil {
		return fmt.Errorf("order of cohort %d: %w", cohortID, err)
	}
	var e pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&e}, func() error {
		do([16]byte(e))
		return nil
	})
	if err != nil {
		return fmt.Errorf("order of cohort %d: %w", cohortID, err)
	}
	return nil
}
