package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// CourseRow is what the scheduler asks about one cohort beside its times.
type CourseRow struct {
	Now         time.Time
	Sources     bool // all announced randomness is recorded
	Verified    bool
	Unconfirmed bool      // someone has not accepted in time
	Waiting     bool      // someone waits for an offer
	Lapse       time.Time // the nearest deadline of a live offer; zero: none
}

// Course reads it, with the database's time.
func (tx *Tx) Course(ctx context.Context, c CohortRow) (CourseRow, error) {
	var r CourseRow
	var lapse *time.Time
	err := tx.tx.QueryRow(ctx, `
		SELECT jebi_now(),
		       COALESCE((SELECT jsonb_array_length(convert_from(d.manifest, 'UTF8')::jsonb -> 'sources') = (SELECT count(*) FROM draw_source s WHERE s.cohort_id = d.cohort_id)
		                   FROM draw d WHERE d.cohort_id = c.id AND c.state = 'frozen'), false),
		       COALESCE((SELECT d.verified_at IS NOT NULL FROM draw d WHERE d.cohort_id = c.id), false),
		       c.state = 'published' AND EXISTS (SELECT FROM assignment a WHERE a.cohort_id = c.id AND a.state = 'assigned' AND a.at < c.confirm_by),
		       c.state = 'published' AND EXISTS (SELECT FROM waiting w WHERE w.cohort_id = c.id AND w.state = 'waiting'),
		       (SELECT min(o.deadline) FROM offer o WHERE o.cohort_id = c.id AND o.state = 'live')
		  FROM cohort c WHERE c.id = $1`, c.ID).Scan(&r.Now, &r.Sources, &r.Verified, &r.Unconfirmed, &r.Waiting, &lapse)
	if err != nil {
		return r, fmt.Errorf("course of cohort %d: %w", c.ID, err)
	}
	r.Now = r.Now.UTC()
	if lapse != nil {
		r.Lapse = lapse.UTC()
	}
	return r, nil
}

// LastRun says when recurring work ran last; zero where it never did.
func (tx *Tx) LastRun(ctx context.Context, campaign int, name string) (time.Time, error) {
	var t time.Time
	err := tx.tx.QueryRow(ctx, `SELECT last_at FROM recurring WHERE campaign_id = $1 AND name = $2`, campaign, name).Scan(&t)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return t, fmt.Errorf("last %s of campaign %d: %w", name, campaign, err)
	}
	return t.UTC(), nil
}

// Ran remembers that recurring work ran.
func (tx *Tx) Ran(ctx context.Context, campaign int, name string, at time.Time) error {
	_, err := tx.tx.Exec(ctx, `
		INSERT INTO recurring (campaign_id, name, last_at) VALUES ($1, $2, $3)
		ON CONFLICT (campaign_id, name) DO UPDATE SET last_at = GREATEST(recurring.last_at, EXCLUDED.last_at)`, campaign, name, at)
	if err != nil {
		return fmt.Errorf("last %s of campaign %d: %w", name, campaign, err)
	}
	return nil
}

// TellCohort queues a message to every eligible person of a cohort.
func (tx *Tx) TellCohort(ctx context.Context, m Message, cohortID int) error {
	people, err := tx.peopleOf(ctx, cohortID)
	if err != nil {
		return err
	}
	return tx.TellPeople(ctx, m, people)
}

// tellChunk bounds the people of one statement.
const tellChunk = 20_000

// TellPeople queues a message to each of the people, however many they are.
func (tx *Tx) TellPeople(ctx context.Context, m Message, people []int64) error {
	for len(people) > 0 {
		n := min(tellChunk, len(people))
		if err := tx.TellEach(ctx, m, people[:n]); err != nil {
			return err
		}
		people = people[n:]
	}
	return nil
}

// Answered lists everyone who answered a cohort's window and did not withdraw.
func (tx *Tx) Answered(ctx context.Context, cohortID int) ([]int64, error) {
	rows, err := tx.tx.Query(ctx, `SELECT person_id FROM ballot WHERE cohort_id = $1 AND NOT withdrawn ORDER BY person_id`, cohortID)
	return many(rows, err, pgx.RowTo[int64], fmt.Sprintf("who answered in cohort %d", cohortID))
}

// Unanswered lists the eligible people of a cohort who have not answered.
func (tx *Tx) Unanswered(ctx context.Context, cohortID int) ([]int64, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT p.id FROM person p LEFT JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id
		 WHERE p.cohort_id = $1 AND p.status = 'eligible' AND (b.person_id IS NULL OR b.withdrawn) ORDER BY p.id`, cohortID)
	return many(rows, err, pgx.RowTo[int64], fmt.Sprintf("who has not answered in cohort %d", cohortID))
}

// Unconfirmed lists the people of a cohort who have not accepted their place.
func (tx *Tx) Unconfirmed(ctx context.Context, cohortID int) ([]int64, error) {
	rows, err := tx.tx.Query(ctx, `SELECT person_id FROM assignment WHERE cohort_id = $1 AND state = 'assigned' ORDER BY person_id`, cohortID)
	return many(rows, err, pgx.RowTo[int64], fmt.Sprintf("who has not accepted in cohort %d", cohortID))
}

// Appointment is a place on a day, for a reminder.
type Appointment struct {
	Dose   int
	ID     int64
	Person int64
}

// Appointments lists the places of a cohort on a date ("2021-07-26"), of
// first and of second doses.
func (tx *Tx) Appointments(ctx context.Context, cohortID int, date string) ([]Appointment, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT x.dose, a.id, a.person_id
		  FROM assignment a CROSS JOIN LATERAL (VALUES (1, a.slot_id), (2, a.second_id)) x (dose, slot_id) JOIN slot s ON s.id = x.slot_id
		 WHERE a.cohort_id = $1 AND a.state IN ('assigned', 'confirmed') AND s.date = $2::text::date ORDER BY x.dose, a.id`, cohortID, date)
	return many(rows, err, pgx.RowToStructByPos[Appointment], fmt.Sprintf("appointments of cohort %d on %s", cohortID, date))
}

// LastSlot is the last date of a cohort's slots, "" where it has none.
func (tx *Tx) LastSlot(ctx context.Context, cohortID int) (string, error) {
	var d string
	err := tx.tx.QueryRow(ctx, `SELECT COALESCE(to_char(max(date), 'YYYY-MM-DD'), '') FROM slot WHERE cohort_id = $1`, cohortID).Scan(&d)
	return d, err
}

// VoidCohort gives a cohort's draw up. The database refuses it after the
// first die or reveal.
func (tx *Tx) VoidCohort(ctx context.Context, c CohortRow) error {
	return tx.SetState(ctx, c.ID, c.State, cohort.Void)
}
