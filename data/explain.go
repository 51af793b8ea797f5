package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// ResultRow is what the draw and its offers have given one person so far.
type ResultRow struct {
	Person      int64        `json:"-"`
	Key         string       `json:"person"`
	Campaign    int          `json:"-"`
	Cohort      int          `json:"-"` // 0: in none
	CohortKey   string       `json:"cohort"`
	CohortState cohort.State `json:"cohort_state"`
	// State is one of
	//   "no_cohort"   on the list, in no cohort
	//   "no_ballot"   she has not answered, or has withdrawn
	//   "pending"     answered; the result is not published
	//   "void"        her cohort's draw was given up
	//   "excluded"    her ballot was not admitted
	//   "assigned"    she has a place and has not accepted it yet
	//   "confirmed"   she has a place
	//   "waiting"     she waits for an offer, or has one: see Offer
	//   "declined", "lapsed", "cancelled"  she had a place
	//   "off"         she has left the waitlist: see Why
	State      string     `json:"state"`
	Why        string     `json:"why,omitempty"`
	Rank       int        `json:"rank,omitempty"`     // from 1
	Ticket     int        `json:"-"`                  // rank by which the tables know it: another where it was left out of the draw
	LeftOut    bool       `json:"left_out,omitempty"` // of the draw, and recorded since
	Tickets    int        `json:"tickets,omitempty"`  // all in the draw
	Size       int        `json:"size,omitempty"`     // people on her ticket
	Choice     int        `json:"choice,omitempty"`   // that gave the place, from 1
	Lapses     int        `json:"lapses,omitempty"`
	Ahead      int        `json:"ahead,omitempty"` // tickets before hers on the waitlist
	Origin     string     `json:"origin,omitempty"`
	Assignment int64      `json:"assignment,omitempty"`
	Place      *Place     `json:"place,omitempty"`
	Second     *Place     `json:"second,omitempty"`
	ConfirmBy  time.Time  `json:"confirm_by,omitzero"`
	PublishAt  time.Time  `json:"publish_at,omitzero"`
	SettleAt   time.Time  `json:"settle_at,omitzero"`
	Published  *time.Time `json:"published,omitempty"`
	Offer      *OfferView `json:"offer,omitempty"` // the live one
	Now        time.Time  `json:"now"`
}

// OfferView is a live offer as the person reads it.
type OfferView struct {
	ID       int64     `json:"id"`
	Choice   int       `json:"choice"`
	Size     int       `json:"size"`
	Place    Place     `json:"place"`
	Second   *Place    `json:"second,omitempty"`
	Deadline time.Time `json:"deadline"`
}

// ResultOf reads a person's result as it stands. Before publication it tells
// nothing of the draw.
func (db *DB) ResultOf(ctx context.Context, person int64) (r ResultRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { r, err = tx.ResultOf(ctx, person); return err })
	return r, err
}

// ResultOf is DB.ResultOf within a transaction.
func (tx *Tx) ResultOf(ctx context.Context, person int64) (ResultRow, error) {
	what := fmt.Sprintf("result of person %d", person)
	var r ResultRow
	var state, status *string
	var ballot, leaf bool
	var publish, confirm, settle *time.Time
	err := tx.tx.QueryRow(ctx, `
		SELECT p.id, p.key, p.campaign_id, COALESCE(c.id, 0), COALESCE(c.key, ''), c.state, c.confirm_by, c.publish_at, c.settle_at,
		       d.published_at, jebi_now(), p.status,
		       b.person_id IS NOT NULL AND NOT b.withdrawn,
		       EXISTS (SELECT FROM ticket_member m WHERE m.cohort_id = c.id AND m.person_id = p.id)
		  FROM person p
		  LEFT JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id
		  LEFT JOIN cohort c ON c.id = COALESCE(b.cohort_id, p.cohort_id)
		  LEFT JOIN draw d ON d.cohort_id = c.id
		 WHERE p.id = $1`, person).Scan(&r.Person, &r.Key, &r.Campaign, &r.Cohort, &r.CohortKey, &state, &confirm, &publish, &settle,
		&r.Published, &r.Now, &status, &ballot, &leaf)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	r.Now = r.Now.UTC()
	if state == nil {
		r.State = "no_cohort"
		return r, nil
	}
	r.CohortState = cohort.State(*state)
	r.ConfirmBy, r.PublishAt, r.SettleAt = confirm.UTC(), publish.UTC(), settle.UTC()
	switch {
	case r.CohortState == cohort.Void:
		r.State = "void"
	case !r.CohortState.Since(cohort.Published):
		r.State = "no_ballot"
		if ballot {
			r.State = "pending"
		}
	case !leaf && ballot:
		r.State = "excluded"
	case !leaf:
		r.State = "no_ballot"
	default:
		return r, tx.drawnResult(ctx, &r)
	}
	return r, nil
}

// drawnResult fills in what a published draw gave to one of its tickets.
func (tx *Tx) drawnResult(ctx context.Context, r *ResultRow) error {
	what := fmt.Sprintf("result of person %d", r.Person)
	var waiting *string
	err := tx.tx.QueryRow(ctx, `
		SELECT t.rank, COALESCE(l.rank, t.rank), t.late, t.size, COALESCE((SELECT max(rank) FROM ticket x WHERE x.cohort_id = t.cohort_id AND NOT x.late), 0),
		       w.state, COALESCE(w.why, ''), COALESCE(w.lapses, 0),
		       CASE WHEN w.state = 'waiting' THEN (SELECT count(*) FROM waiting y WHERE y.cohort_id = w.cohort_id AND y.state = 'waiting'
		         AND y.rank >= COALESCE(l.rank, w.rank) / $3 * $3 AND y.rank < COALESCE(l.rank, w.rank))::int ELSE 0 END
		  FROM ticket_member m JOIN ticket t USING (cohort_id, rank) LEFT JOIN waiting w USING (cohort_id, rank)
		  LEFT JOIN left_out l ON l.cohort_id = t.cohort_id AND l.ticket = t.rank
		 WHERE m.cohort_id = $1 AND m.person_id = $2`, r.Cohort, r.Person, waitBlock).Scan(&r.Ticket, &r.Rank, &r.LeftOut, &r.Size, &r.Tickets, &waiting, &r.Why, &r.Lapses, &r.Ahead)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	as, err := tx.Assignments(ctx, r.Person)
	if err != nil {
		return err
	}
	if len(as) > 0 {
		a := as[0]
		r.State, r.Choice, r.Origin, r.Assignment = a.State, a.Choice, a.Origin, a.ID
		if r.Place, err = tx.place(ctx, a.Slot); err != nil {
			return err
		}
		if a.Second != 0 {
			if r.Second, err = tx.place(ctx, a.Second); err != nil {
				return err
			}
		}
		if a.Alive() {
			return nil
		}
	}
	if waiting == nil || *waiting == "seated" {
		return nil
	}
	if *waiting == "waiting" { // those of her block are counted
		n, err := tx.waitingBefore(ctx, r.Cohort, r.Rank/waitBlock, r.Now)
		if err != nil {
			return err
		}
		r.Ahead += n
	}
	r.State, r.Place, r.Second, r.Choice, r.Origin, r.Assignment = *waiting, nil, nil, 0, "", 0
	if r.State != "waiting" {
		return nil
	}
	rows, err := tx.tx.Query(ctx, selectOffer+` WHERE o.cohort_id = $1 AND o.rank = $2 AND o.state = 'live'`, r.Cohort, r.Ticket)
	os, err := many(rows, err, pgx.RowToStructByPos[OfferRow], what)
	if err != nil || len(os) == 0 {
		return err
	}
	o := OfferView{ID: os[0].ID, Choice: os[0].Choice, Size: os[0].Size, Deadline: os[0].Deadline.UTC()}
	p, err := tx.place(ctx, os[0].Slot)
	if err != nil {
		return err
	}
	o.Place = *p
	if os[0].Second != 0 {
		if o.Second, err = tx.place(ctx, os[0].Second); err != nil {
			return err
		}
	}
	r.Offer = &o
	return nil
}

func (tx *Tx) place(ctx context.Context, slot int64) (*Place, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT s.id, k.key, k.name, k.name_en, k.address, k.phone, k.bring, k.email, k.lat, k.lon, to_char(s.date, 'YYYY-MM-DD'), s.block, s.part, s.vaccine, s.starts_at
		  FROM slot s JOIN clinic k ON k.id = s.clinic_id WHERE s.id = $1`, slot)
	p, err := one(rows, err, func(row pgx.CollectableRow) (Place, error) {
		var p Place
		err := row.Scan(&p.Slot, &p.Clinic, &p.Name, &p.NameEn, &p.Address, &p.Phone, &p.Bring, &p.ClinicMail, &p.LatLon[0], &p.LatLon[1], &p.Date, &p.Block, &p.Part, &p.Vaccine, &p.Starts)
		p.Starts = p.Starts.UTC()
		return p, err
	}, fmt.Sprintf("slot %d", slot))
	return &p, err
}

// CutOffsFor gives the cut-offs of every slot of a draw for a class of
// tickets, as its last correction has them; 0 where nobody of the class was
// refused.
func (tx *Tx) CutOffsFor(ctx context.Context, cohortID, size, doses int, pool string) (map[int64]int, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT slot_id, rank FROM cut_off
		 WHERE cohort_id = $1 AND size = $2 AND doses = $3 AND pool = $4 AND NOT EXISTS (SELECT FROM correction WHERE cohort_id = $1)
		 UNION ALL
		SELECT slot_id, rank FROM corrected_cut_off
		 WHERE cohort_id = $1 AND size = $2 AND doses = $3 AND pool = $4 AND number = (SELECT max(number) FROM correction WHERE cohort_id = $1)`, cohortID, size, doses, pool)
	if err != nil {
		return nil, fmt.Errorf("cut-offs of cohort %d: %w", cohortID, err)
	}
	cuts := map[int64]int{}
	var slot int64
	var rank int
	_, err = pgx.ForEachRow(rows, []any{&slot, &rank}, func() error {
		cuts[slot] = rank
		return nil
	})
	return cuts, err
}

// LeafOf gives the position of a person's frozen ballot, 0 where she has none.
func (tx *Tx) LeafOf(ctx context.Context, cohortID int, person int64) (int, error) {
	var n int
	err := tx.tx.QueryRow(ctx, `SELECT position FROM draw_leaf WHERE cohort_id = $1 AND person_id = $2`, cohortID, person).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// PersonOfAssignment says whose place it is. The error wraps ErrNotFound.
func (db *DB) PersonOfAssignment(ctx context.Context, campaign int, assignment int64) (int64, error) {
	rows, err := db.pool.Query(ctx, `SELECT person_id FROM assignment WHERE id = $1 AND campaign_id = $2`, assignment, campaign)
	return one(rows, err, pgx.RowTo[int64], fmt.Sprintf("assignment %d", assignment))
}

// PersonOfOffer gives one of the people on the ticket that an offer is made
// to. The error wraps ErrNotFound.
func (db *DB) PersonOfOffer(ctx context.Context, campaign int, offer int64) (int64, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT p.id FROM offer o JOIN ticket_member m ON m.cohort_id = o.cohort_id AND m.rank = o.rank
		  JOIN person p ON p.id = m.person_id WHERE o.id = $1 AND p.campaign_id = $2 ORDER BY p.status <> 'eligible', p.id LIMIT 1`, offer, campaign)
	return one(rows, err, pgx.RowTo[int64], fmt.Sprintf("offer %d", offer))
}
