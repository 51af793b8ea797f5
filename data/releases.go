package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ReleaseRow is a slot whose seats grew after the freeze, or that came later.
type ReleaseRow struct {
	Slot    int64  `json:"-"`
	Clinic  string `json:"clinic"`
	Date    string `json:"date"`
	Block   string `json:"block"`
	Vaccine string `json:"vaccine"`
	Second  bool   `json:"second,omitempty"` // for second doses
	Seats   int    `json:"seats"`            // now
	Before  int    `json:"before"`
}

// ReleaseSeats marks the seats of a published cohort that the board has not
// told of yet as released, and lists them: to be put on the board in this
// transaction, before a batch uses them. What is left of the reserve is among
// them once confirm_by is past.
func (tx *Tx) ReleaseSeats(ctx context.Context, cohortID int) ([]ReleaseRow, error) {
	rows, err := tx.tx.Query(ctx, `
		WITH grown AS (
		  SELECT s.id, s.released_seats AS before, CASE WHEN c.confirm_by <= jebi_now() THEN 0 ELSE s.kept_seats END AS kept
		    FROM slot s JOIN cohort c ON c.id = s.cohort_id
		   WHERE s.cohort_id = $1 AND c.state = 'published'
		     AND s.seats - CASE WHEN c.confirm_by <= jebi_now() THEN 0 ELSE s.kept_seats END > s.released_seats ORDER BY s.id FOR UPDATE OF s
		), told AS (
		  UPDATE slot s SET kept_seats = g.kept, released_seats = s.seats - g.kept, released_at = COALESCE(s.released_at, jebi_now())
		    FROM grown g WHERE s.id = g.id
		  RETURNING s.id, s.clinic_id, s.date, s.block, s.vaccine, s.second, s.released_seats AS seats, g.before
		)
		SELECT t.id, k.key, to_char(t.date, 'YYYY-MM-DD'), t.block, t.vaccine, t.second, t.seats, t.before
		  FROM told t JOIN clinic k ON k.id = t.clinic_id ORDER BY k.key COLLATE "C", t.date, t.block, t.vaccine COLLATE "C", t.id`, cohortID)
	return many(rows, err, pgx.RowToStructByPos[ReleaseRow], fmt.Sprintf("releases of cohort %d", cohortID))
}

// OfferedSlots gives what a batch may offer: for each slot, the released seats
// that nobody sits on and nobody is offered, by slot id.
func (tx *Tx) OfferedSlots(ctx context.Context, cohortID int) (map[int64]int, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT id, LEAST(seats - kept_seats, released_seats) - used - held FROM slot WHERE cohort_id = $1 AND released_at IS NOT NULL`, cohortID)
	if err != nil {
		return nil, fmt.Errorf("free seats of cohort %d: %w", cohortID, err)
	}
	free := map[int64]int{}
	var id int64
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		free[id] = max(0, n)
		return nil
	})
	return free, err
}
