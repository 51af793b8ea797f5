package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// CohortStats are one cohort's counts as things stand. They are counted from
// the rows themselves; OverCapacity and OutsideChoices by queries that share
// nothing with the triggers which forbid them.
type CohortStats struct {
	Cohort         string       `json:"cohort"`
	State          cohort.State `json:"state"`
	Eligible       int          `json:"eligible"`     // people on the list
	Ballots        int          `json:"ballots"`      // not withdrawn
	Parties        int          `json:"parties"`      // tickets of two and more
	Tickets        int          `json:"tickets"`      // in the draw
	Assigned       int          `json:"assigned"`     // people with a place now
	Confirmed      int          `json:"confirmed"`    // of them, those who accepted
	FirstChoice    int          `json:"first_choice"` // of them, those in their first choice
	AnyChoice      int          `json:"any_choice"`   // of them, those in any of their choices
	DrawAssigned   int          `json:"draw_assigned"`
	OfferAssigned  int          `json:"offer_assigned"`
	Declined       int          `json:"declined"` // places given back or not accepted in time
	Waiting        int          `json:"waiting"`  // people without a place who wait
	Offers         int          `json:"offers"`   // made
	LiveOffers     int          `json:"live_offers"`
	Seats          int          `json:"seats"`
	SeatsLeft      int          `json:"seats_left"`
	OverCapacity   int          `json:"over_capacity"`   // seats given above what slots have
	OutsideChoices int          `json:"outside_choices"` // places outside the ballot
}

const cohortStats = `
SELECT c.key, c.state,
  (SELECT count(*) FROM person p WHERE p.cohort_id = c.id AND p.status = 'eligible'),
  (SELECT count(*) FROM ballot b WHERE b.cohort_id = c.id AND NOT b.withdrawn),
  (SELECT count(*) FROM ticket t WHERE t.cohort_id = c.id AND t.size > 1),
  (SELECT count(*) FROM ticket t WHERE t.cohort_id = c.id AND NOT t.late),
  a.alive, a.confirmed, a.first, a.inside, a.drawn, a.offered, a.ended,
  (SELECT count(*) FROM waiting w JOIN ticket_member m USING (cohort_id, rank) WHERE w.cohort_id = c.id AND w.state = 'waiting'),
  (SELECT count(*) FROM offer o WHERE o.cohort_id = c.id),
  (SELECT count(*) FROM offer o WHERE o.cohort_id = c.id AND o.state = 'live'),
  s.seats, s.seats - s.taken, s.over, a.alive - a.inside
FROM cohort c
CROSS JOIN LATERAL (
  WITH x AS MATERIALIZED ( -- each place is looked up in its ballot once
    SELECT y.state, y.choice, y.origin, y.state IN ('assigned', 'confirmed') AS alive,
           COALESCE((SELECT k.key IN (SELECT jsonb_array_elements_text(ch.j -> 'clinics'))
                     AND to_char(z.date, 'YYYY-MM-DD') IN (SELECT jsonb_array_elements_text(ch.j -> 'dates'))
                     AND z.part IN (SELECT jsonb_array_elements_text(ch.j -> 'parts'))
                FROM ballot b, slot z, clinic k, LATERAL (SELECT convert_from(b.bytes, 'UTF8')::jsonb -> 'choices' -> (y.choice - 1) AS j) ch
               WHERE b.campaign_id = y.campaign_id AND b.person_id = y.person_id AND NOT b.withdrawn AND z.id = y.slot_id AND k.id = z.clinic_id), false) AS inside
      FROM assignment y WHERE y.cohort_id = c.id)
  SELECT count(*) FILTER (WHERE alive) AS alive,
         count(*) FILTER (WHERE x.state = 'confirmed') AS confirmed,
         count(*) FILTER (WHERE alive AND x.choice = 1 AND inside) AS first,
         count(*) FILTER (WHERE alive AND inside) AS inside,
         count(*) FILTER (WHERE alive AND x.origin IN ('draw', 'correction')) AS drawn,
         count(*) FILTER (WHERE alive AND x.origin = 'offer') AS offered,
         count(*) FILTER (WHERE NOT alive) AS ended
    FROM x
) a
CROSS JOIN LATERAL (
  SELECT COALESCE(sum(z.seats), 0) AS seats, COALESCE(sum(t.n), 0) AS taken, COALESCE(sum(GREATEST(t.n - z.seats, 0)), 0) AS over
    FROM slot z
    LEFT JOIN (
      SELECT u.slot_id, sum(u.n) AS n FROM (
        SELECT y.slot_id, 1 AS n FROM assignment y WHERE y.campaign_id = c.campaign_id AND y.state IN ('assigned', 'confirmed')
        UNION ALL SELECT y.second_id, 1 FROM assignment y WHERE y.campaign_id = c.campaign_id AND y.state IN ('assigned', 'confirmed') AND y.second_id IS NOT NULL
        UNION ALL SELECT o.slot_id, o.size FROM offer o WHERE o.state = 'live'
        UNION ALL SELECT o.second_id, o.size FROM offer o WHERE o.state = 'live' AND o.second_id IS NOT NULL) u
       GROUP BY u.slot_id) t ON t.slot_id = z.id
   WHERE z.cohort_id = c.id
) s
WHERE c.campaign_id = $1 AND ($2 = 0 OR c.id = $2)
ORDER BY c.ordinal`

// Stats counts a campaign's cohorts, or the one that is named.
func (db *DB) Stats(ctx context.Context, campaign, cohortID int) (ss []CohortStats, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error {
		rows, err := tx.tx.Query(ctx, cohortStats, campaign, cohortID)
		ss, err = many(rows, err, pgx.RowToStructByPos[CohortStats], fmt.Sprintf("counts of campaign %d", campaign))
		return err
	})
	return ss, err
}
