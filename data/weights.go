package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// UnservedMember is a person of a draw who never had a place of it that she
// could have gone to. Ballot is valid until the next one is read.
type UnservedMember struct {
	Person   int64
	Weight   int
	Declined bool // an offer, or let one lapse
	Ballot   []byte
}

// EachUnserved streams the people of a cohort's tickets who got nothing, by
// id. A place that the clinic closed, and that nothing took the place of, is
// nothing; one that was declined, cancelled or not accepted is something.
func (tx *Tx) EachUnserved(ctx context.Context, cohortID int, do func(*UnservedMember) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT m.person_id, p.weight,
		       EXISTS (SELECT FROM offer o WHERE o.cohort_id = m.cohort_id AND o.rank = m.rank AND o.state IN ('declined', 'lapsed')), b.bytes
		  FROM ticket_member m
		  JOIN person p ON p.id = m.person_id AND p.status = 'eligible'
		  JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id
		 WHERE m.cohort_id = $1
		   AND NOT EXISTS (SELECT FROM assignment a WHERE a.cohort_id = $1 AND a.person_id = m.person_id AND a.state NOT IN ('closed', 'moved'))
		 ORDER BY m.person_id`, cohortID)
	if err != nil {
		return fmt.Errorf("people without a place of cohort %d: %w", cohortID, err)
	}
	var m UnservedMember
	_, err = pgx.ForEachRow(rows, []any{&m.Person, &m.Weight, &m.Declined, (*pgtype.DriverBytes)(&m.Ballot)}, func() error { return do(&m) })
	if err != nil {
		return fmt.Errorf("people without a place of cohort %d: %w", cohortID, err)
	}
	return nil
}

// CarryWeights gives people of a cohort whose draw is over the weight with
// which they go into the next one: those that are named theirs, all others of
// its tickets 1. Each change has its audit row. It answers how many carry more
// than 1.
func (tx *Tx) CarryWeights(ctx context.Context, campaign, cohortID int, people []int64, weights []int) (int, error) {
	var n int
	err := tx.tx.QueryRow(ctx, `
		WITH next AS (
		  SELECT m.person_id, COALESCE(x.weight, 1) AS weight
		    FROM ticket_member m LEFT JOIN unnest($3::bigint[], $4::int[]) AS x (person_id, weight) USING (person_id)
		   WHERE m.cohort_id = $2
		), changed AS (
		  UPDATE person p SET weight = n.weight FROM next n, person old
		   WHERE p.id = n.person_id AND old.id = p.id AND p.weight <> n.weight
		  RETURNING p.id, old.weight AS before, p.weight AS after
		), told AS (
		  INSERT INTO audit (campaign_id, actor, act, subject, reason, before, after)
		  SELECT $1, 'system', 'person.weight', 'person:' || id, 'carried over', jsonb_build_object('weight', before), jsonb_build_object('weight', after, 'cohort', $2::int)
		    FROM changed ORDER BY id
		)
		SELECT count(*)::int FROM next WHERE weight > 1`, campaign, cohortID, people, weights).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("carried weights of cohort %d: %w", cohortID, err)
	}
	return n, nil
}

// DropWeights takes the carried weight from people who were given a place of
// their draw after it had been reckoned. Each change has its audit row.
func (tx *Tx) DropWeights(ctx context.Context, campaign, cohortID int, people []int64) error {
	_, err := tx.tx.Exec(ctx, `
		WITH changed AS (
		  UPDATE person p SET weight = 1 FROM person old WHERE p.id = ANY ($3) AND old.id = p.id AND p.weight > 1 RETURNING p.id, old.weight AS before
		)
		INSERT INTO audit (campaign_id, actor, act, subject, reason, before, after)
		SELECT $1, 'system', 'person.weight', 'person:' || id, 'given a place by a correction', jsonb_build_object('weight', before), jsonb_build_object('weight', 1, 'cohort', $2::int)
		  FROM changed ORDER BY id`, campaign, cohortID, people)
	if err != nil {
		return fmt.Errorf("carried weights of cohort %d: %w", cohortID, err)
	}
	return nil
}
