package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// CorrectionRow is a result that was corrected on the same leaves, seed and
// order.
type CorrectionRow struct {
	Number      int // from 1
	Claims      []byte
	CutOffs     []byte
	OutcomeRoot [32]byte
	Reason      string
	At          time.Time
}

// Corrections lists those of a cohort's draw, the newest last.
func (tx *Tx) Corrections(ctx context.Context, cohortID int) ([]CorrectionRow, error) {
	rows, err := tx.tx.Query(ctx, `SELECT number, claims, cutoffs, outcome_root, reason, at FROM correction WHERE cohort_id = $1 ORDER BY number`, cohortID)
	return many(rows, err, func(row pgx.CollectableRow) (CorrectionRow, error) {
		var c CorrectionRow
		var root []byte
		err := row.Scan(&c.Number, &c.Claims, &c.CutOffs, &root, &c.Reason, &c.At)
		copy(c.OutcomeRoot[:], root)
		c.At = c.At.UTC()
		return c, err
	}, fmt.Sprintf("corrections of cohort %d", cohortID))
}

// Corrections is Tx.Corrections on its own.
func (db *DB) Corrections(ctx context.Context, cohortID int) (cs []CorrectionRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { cs, err = tx.Corrections(ctx, cohortID); return err })
	return cs, err
}

// OutcomeRow is what a result gives to a ticket.
type OutcomeRow struct {
	Rank   int
	Choice int // 0: nothing
	Slot   int64
	Second int64
}

// EachOutcome streams the result of a draw as it is recorded, in rank order:
// as it was drawn, or after a correction.
func (tx *Tx) EachOutcome(ctx context.Context, cohortID, number int, do func(OutcomeRow, [16]byte) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT t.rank, COALESCE(k.choice, t.choice), COALESCE(CASE WHEN k.rank IS NULL THEN t.slot_id ELSE k.slot_id END, 0),
		       COALESCE(CASE WHEN k.rank IS NULL THEN t.second_id ELSE k.second_id END, 0), t.entity
		  FROM ticket t
		  LEFT JOIN (SELECT DISTINCT ON (rank) rank, choice, slot_id, second_id FROM corrected_ticket
		              WHERE cohort_id = $1 AND number <= $2 ORDER BY rank, number DESC) k ON k.rank = t.rank
		 WHERE t.cohort_id = $1 AND NOT t.late ORDER BY t.rank`, cohortID, number)
	if err != nil {
		return fmt.Errorf("result of cohort %d: %w", cohortID, err)
	}
	var o OutcomeRow
	var entity []byte
	if _, err := pgx.ForEachRow(rows, []any{&o.Rank, &o.Choice, &o.Slot, &o.Second, &entity}, func() error { return do(o, [16]byte(entity)) }); err != nil {
		return fmt.Errorf("result of cohort %d: %w", cohortID, err)
	}
	return nil
}

// CutOffs lists the cut-offs of a result: as it was drawn (number 0), or after
// a correction.
func (tx *Tx) CutOffs(ctx context.Context, cohortID, number int) ([]CutOffRow, error) {
	query, args := `SELECT slot_id, size, doses, pool, rank FROM cut_off WHERE cohort_id = $1`, []any{cohortID}
	if number > 0 {
		query, args = `SELECT slot_id, size, doses, pool, rank FROM corrected_cut_off WHERE cohort_id = $1 AND number = $2`, append(args, number)
	}
	rows, err := tx.tx.Query(ctx, query, args...)
	return many(rows, err, pgx.RowToStructByPos[CutOffRow], fmt.Sprintf("cut-offs of cohort %d", cohortID))
}

// AddCorrection records a corrected result by two officials: its files, the
// tickets that it gives something else, and all of its cut-offs.
func (tx *Tx) AddCorrection(ctx context.Context, cohortID int, c CorrectionRow, tickets []OutcomeRow, cutoffs []CutOffRow, by Actor) error {
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO correction (cohort_id, number, claims, cutoffs, outcome_root, reason, proposed_by, confirmed_by)
		VALUES ($1, $2, $3, $4, $5, $6, NULLIF($7, 0), NULLIF($8, 0))`,
		cohortID, c.Number, c.Claims, c.CutOffs, c.OutcomeRoot[:], c.Reason, by.Official, by.Second); err != nil {
		return fmt.Errorf("correction of cohort %d: %w", cohortID, err)
	}
	i := -1
	if err := tx.copyRows(ctx, "corrected_ticket", cohortID, []string{"cohort_id", "number", "rank", "choice", "slot_id", "second_id"}, func() ([]any, error) {
		if i++; i == len(tickets) {
			return nil, nil
		}
		t := tickets[i]
		return []any{cohortID, c.Number, t.Rank, t.Choice, orNull(t.Slot), orNull(t.Second)}, nil
	}); err != nil {
		return err
	}
	i = -1
	return tx.copyRows(ctx, "corrected_cut_off", cohortID, []string{"cohort_id", "number", "slot_id", "size", "doses", "pool", "rank"}, func() ([]any, error) {
		if i++; i == len(cutoffs) {
			return nil, nil
		}
		k := cutoffs[i]
		return []any{cohortID, c.Number, k.Slot, k.Size, k.Doses, k.Pool, k.Rank}, nil
	})
}

// TicketState is a ticket as it stands: who is on it, what they hold, whether
// it waits.
type TicketState struct {
	Rank    int
	People  []int64 // members who are still eligible
	Places  []AssignmentRow
	Ended   string // how the last place of it ended, "" where none did
	Waiting string // "waiting", "seated", "off", or "" where it is not on the waitlist
	Why     string
}

// TicketStates reads the tickets of some ranks of a cohort, by rank.
func (tx *Tx) TicketStates(ctx context.Context, cohortID int, ranks []int) (map[int]*TicketState, error) {
	what := fmt.Sprintf("tickets of cohort %d", cohortID)
	states := make(map[int]*TicketState, len(ranks))
	at := func(rank int) *TicketState {
		if states[rank] == nil {
			states[rank] = &TicketState{Rank: rank}
		}
		return states[rank]
	}
	rows, err := tx.tx.Query(ctx, `
		SELECT m.rank, m.person_id, p.status = 'eligible', COALESCE(w.state, ''), COALESCE(w.why, '')
		  FROM ticket_member m JOIN person p ON p.id = m.person_id LEFT JOIN waiting w ON w.cohort_id = m.cohort_id AND w.rank = m.rank
		 WHERE m.cohort_id = $1 AND m.rank = ANY ($2) ORDER BY m.rank, m.person_id`, cohortID, ranks)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var rank int
	var person int64
	var eligible bool
	var waiting, why string
	if _, err := pgx.ForEachRow(rows, []any{&rank, &person, &eligible, &waiting, &why}, func() error {
		s := at(rank)
		s.Waiting, s.Why = waiting, why
		if eligible {
			s.People = append(s.People, person)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	rows, err = tx.tx.Query(ctx, selectAssignment+` WHERE a.cohort_id = $1 AND a.rank = ANY ($2) ORDER BY a.id`, cohortID, ranks)
	places, err := many(rows, err, pgx.RowToStructByPos[AssignmentRow], what)
	for _, p := range places {
		if p.Alive() {
			at(p.Rank).Places = append(at(p.Rank).Places, p)
		} else {
			at(p.Rank).Ended = p.State
		}
	}
	return states, err
}

// EndPlaces ends places as moved.
func (tx *Tx) EndPlaces(ctx context.Context, ids []int64) error {
	if _, err := tx.tx.Exec(ctx, `UPDATE assignment SET state = 'moved', ended_at = jebi_now() WHERE id = ANY ($1)`, ids); err != nil {
		return fmt.Errorf("end %d places: %w", len(ids), err)
	}
	return nil
}

// Seated takes a ticket that was given a place off the waitlist, with any live
// offer of it.
func (tx *Tx) Seated(ctx context.Context, cohortID, rank int) error {
	if _, err := tx.tx.Exec(ctx, `UPDATE offer SET state = 'withdrawn', ended_at = jebi_now() WHERE cohort_id = $1 AND rank = $2 AND state = 'live'`, cohortID, rank); err != nil {
		return fmt.Errorf("waitlist of cohort %d, rank %d: %w", cohortID, rank, err)
	}
	if _, err := tx.tx.Exec(ctx, `UPDATE waiting SET state = 'seated', why = '' WHERE cohort_id = $1 AND rank = $2`, cohortID, rank); err != nil {
		return fmt.Errorf("waitlist of cohort %d, rank %d: %w", cohortID, rank, err)
	}
	return nil
}

// NotWaiting takes tickets off the waitlist of a result that nobody was told
// of yet.
func (tx *Tx) NotWaiting(ctx context.Context, cohortID int, ranks []int) error {
	if _, err := tx.tx.Exec(ctx, `DELETE FROM waiting WHERE cohort_id = $1 AND rank = ANY ($2)`, cohortID, ranks); err != nil {
		return fmt.Errorf("waitlist of cohort %d: %w", cohortID, err)
	}
	return nil
}

// StrayPlace finds somebody whose place, of those that the draw or a
// correction of it gave, is not what its ticket says; rank 0: nobody. It is the
// first of them: for any one the planner would look for the shortest way to a
// few of many, and there are none.
func (tx *Tx) StrayPlace(ctx context.Context, cohortID int) (person int64, rank int, err error) {
	err = tx.tx.QueryRow(ctx, `
		WITH fixed AS (
		  SELECT DISTINCT ON (rank) rank, choice, slot_id, second_id FROM corrected_ticket WHERE cohort_id = $1 ORDER BY rank, number DESC
		), due AS (
		  SELECT m.person_id, t.rank, COALESCE(f.choice, t.choice) AS choice, CASE WHEN f.rank IS NULL THEN t.slot_id ELSE f.slot_id END AS slot_id,
		         CASE WHEN f.rank IS NULL THEN t.second_id ELSE f.second_id END AS second_id
		    FROM ticket t JOIN ticket_member m ON m.cohort_id = t.cohort_id AND m.rank = t.rank LEFT JOIN fixed f ON f.rank = t.rank
		   WHERE t.cohort_id = $1 AND NOT t.late
		), has AS (
		  SELECT person_id, rank, choice, slot_id, second_id FROM assignment WHERE cohort_id = $1 AND origin IN ('draw', 'correction') AND state <> 'moved'
		)
		SELECT COALESCE(h.person_id, d.person_id), COALESCE(h.rank, d.rank)
		  FROM (SELECT * FROM due WHERE choice > 0) d FULL JOIN has h ON h.person_id = d.person_id
		 WHERE (h.rank, h.choice, h.slot_id, h.second_id) IS DISTINCT FROM (d.rank, d.choice, d.slot_id, d.second_id)
		 ORDER BY 1 LIMIT 1`, cohortID).Scan(&person, &rank)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("places of cohort %d: %w", cohortID, err)
	}
	return person, rank, nil
}

// RefusedBefore says whether the audit trail has the same refusal already.
func (tx *Tx) RefusedBefore(ctx context.Context, subject, act, why string) (bool, error) {
	var ok bool
	err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM audit WHERE subject = $1 AND act = $2 AND after ->> 'why' = $3)`, subject, act, why).Scan(&ok)
	if err != nil {
		return false, fmt.Errorf("refusals of %s: %w", subject, err)
	}
	return ok, nil
}
