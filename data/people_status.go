package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// changeStatus writes a person's status with what follows from it for her
// place and her ticket.
func (tx *Tx) changeStatus(ctx context.Context, p PersonRow, out *Corrected, reason string, by Actor) error {
	switch out.Status {
	case "eligible", "dead", "vaccinated", "removed":
	default:
		return &BadValue{ImportError{Column: "status", Code: "status", Text: "dead, vaccinated, removed or eligible"}}
	}
	if err := tx.LockShared(ctx, LockOffers, p.Cohort); err != nil {
		return err
	}
	var state cohort.State // it stands until this is done
	err := tx.tx.QueryRow(ctx, `SELECT state FROM cohort WHERE id = $1 FOR SHARE`, p.Cohort).Scan(&state)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("status of person %d: %w", p.ID, err)
	}
	if _, err := tx.tx.Exec(ctx, `UPDATE person SET status = $2 WHERE id = $1`, p.ID, out.Status); err != nil {
		return fmt.Errorf("status of person %d: %w", p.ID, err)
	}
	if !state.Since(cohort.Published) {
		return nil // her ballot is not admitted at the freeze; after it, DropIneligible takes her out of the result that is published
	}
	if out.Status == "eligible" {
		out.InLine, err = tx.backInLine(ctx, p)
		return err
	}
	if out.Place, err = tx.cancelPlace(ctx, p.ID, p.Cohort); err != nil {
		return err
	}
	out.Off, err = tx.LeaveWaitlist(ctx, p.ID, whyOff(out.Status), by, reason)
	return err
}

func whyOff(status string) string {
	if status == "vaccinated" {
		return status
	}
	return "ineligible"
}

// cancelPlace ends a person's place, whatever the deadlines, and answers its
// id, or 0. The seat is free for the next batch of offers.
func (tx *Tx) cancelPlace(ctx context.Context, person int64, cohortID int) (int64, error) {
	if err := tx.LockShared(ctx, LockOffers, cohortID); err != nil {
		return 0, err
	}
	var id int64
	err := tx.tx.QueryRow(ctx, `
		UPDATE assignment SET state = 'cancelled', ended_at = jebi_now() WHERE person_id = $1 AND state IN ('assigned', 'confirmed') RETURNING id`, person).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("place of person %d: %w", person, err)
	}
	return id, nil
}

// backInLine puts the ticket of a person who is eligible after all before
// everyone else who waits, if she has no place. A party whose others have
// theirs cannot be served so: it is one ticket, for all or none.
func (tx *Tx) backInLine(ctx context.Context, p PersonRow) (bool, error) {
	tag, err := tx.tx.Exec(ctx, `
		INSERT INTO waiting AS w (cohort_id, rank, cancelled)
		SELECT m.cohort_id, m.rank, true FROM ticket_member m JOIN cohort c ON c.id = m.cohort_id AND c.state = 'published'
		 WHERE m.person_id = $1 AND m.cohort_id = $2
		   AND NOT EXISTS (SELECT FROM ticket_member n JOIN assignment a ON a.person_id = n.person_id AND a.cohort_id = n.cohort_id
		                    WHERE n.cohort_id = m.cohort_id AND n.rank = m.rank AND a.state IN ('assigned', 'confirmed'))
		   AND EXISTS (SELECT FROM assignment a WHERE a.person_id = $1 AND a.cohort_id = $2 AND a.state = 'cancelled'
		               UNION ALL SELECT FROM waiting x WHERE x.cohort_id = m.cohort_id AND x.rank = m.rank AND x.why IN ('ineligible', 'vaccinated'))
		ON CONFLICT (cohort_id, rank) DO UPDATE
		  SET state = 'waiting', why = '', cancelled = w.cancelled OR EXISTS (SELECT FROM assignment a WHERE a.person_id = $1 AND a.cohort_id = $2)
		WHERE w.state <> 'waiting'`, p.ID, p.Cohort)
	if err != nil {
		return false, fmt.Errorf("waitlist of person %d: %w", p.ID, err)
	}
	return tag.RowsAffected() > 0, nil
}

// DropIneligible takes everyone who was found dead, vaccinated or not entitled
// since the freeze out of a draw's result: places are cancelled, tickets leave
// the waitlist. The draw itself stands as it was drawn. For the step that
// publishes; it answers how many places came free.
func (tx *Tx) DropIneligible(ctx context.Context, cohortID int) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("ineligible of cohort %d: %w", cohortID, err) }
	rows, err := tx.tx.Query(ctx, `
		SELECT p.id, p.campaign_id, p.status FROM ticket_member m JOIN person p ON p.id = m.person_id
		 WHERE m.cohort_id = $1 AND p.status <> 'eligible' ORDER BY p.id FOR NO KEY UPDATE OF p`, cohortID)
	type gone struct {
		ID       int64
		Campaign int
		Status   string
	}
	people, err := many(rows, err, pgx.RowToStructByPos[gone], fmt.Sprintf("ineligible of cohort %d", cohortID))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range people {
		place, err := tx.cancelPlace(ctx, p.ID, cohortID)
		if err != nil {
			return fail(err)
		}
		off, err := tx.LeaveWaitlist(ctx, p.ID, whyOff(p.Status), System, "")
		if err != nil {
			return fail(err)
		}
		if place == 0 && !off {
			continue
		}
		if place != 0 {
			n++
		}
		if err := tx.Audit(ctx, AuditRow{
			Campaign: p.Campaign, Actor: System, Act: "person.drop", Subject: subject("person", p.ID),
			After: correctionAudit{Status: p.Status, Place: place, Off: off},
		}); err != nil {
			return 0, err
		}
	}
	return n, nil
}
