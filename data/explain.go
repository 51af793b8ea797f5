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

// What a person's result is made of. $1 is the person; each statement finds by
// itself what it needs, so that all of them go in one trip.
const (
	resultCohort = `(SELECT COALESCE(b.cohort_id, p.cohort_id) FROM person p LEFT JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id WHERE p.id = $1)`

	// An order that one index has and another has not makes the planner take that one, though both look alike to it while
	// the table is empty. So it is asked for where there is one row at most.
	resultRank = `(SELECT m.rank FROM ticket_member m WHERE m.cohort_id = ` + resultCohort + ` AND m.person_id >= $1 AND m.person_id <= $1 ORDER BY m.person_id LIMIT 1)`

	selectResult = `
	SELECT p.id, p.key, p.campaign_id, COALESCE(c.id, 0), COALESCE(c.key, ''), c.state, c.confirm_by, c.publish_at, c.settle_at,
	       d.published_at, jebi_now(),
	       b.person_id IS NOT NULL AND NOT b.withdrawn,
	       ` + resultRank + ` IS NOT NULL
	  FROM person p
	  LEFT JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id
	  LEFT JOIN cohort c ON c.id = COALESCE(b.cohort_id, p.cohort_id)
	  LEFT JOIN draw d ON d.cohort_id = c.id
	 WHERE p.id = $1`

	selectTicket = `
	SELECT t.rank, COALESCE(l.rank, t.rank), t.late, t.size, COALESCE((SELECT max(rank) FROM ticket x WHERE x.cohort_id = t.cohort_id AND NOT x.late), 0),
	       COALESCE(w.state, ''), COALESCE(w.why, ''), COALESCE(w.lapses, 0),
	       CASE WHEN w.state = 'waiting' THEN (SELECT count(*) FROM waiting y WHERE y.cohort_id = w.cohort_id AND y.state = 'waiting'
	         AND y.rank >= COALESCE(l.rank, w.rank) / $2 * $2 AND y.rank < COALESCE(l.rank, w.rank))::int ELSE 0 END
	  FROM (SELECT t.* FROM ticket t WHERE t.cohort_id = ` + resultCohort + ` AND t.rank = ` + resultRank + ` OFFSET 0) t
	  LEFT JOIN LATERAL (SELECT w.* FROM waiting w WHERE w.cohort_id = t.cohort_id AND w.rank = t.rank OFFSET 0) w ON true
	  LEFT JOIN LATERAL (SELECT l.rank FROM left_out l WHERE l.cohort_id = t.cohort_id AND l.ticket = t.rank OFFSET 0) l ON true`

	// By her places, and not along everybody's from the newest until one is hers.
	newestAssignment = ` WHERE a.person_id = $1 ORDER BY a.id + 0 DESC LIMIT 1`

	liveOffer = ` WHERE o.state = 'live' AND o.cohort_id = ` + resultCohort + ` AND o.rank >= ` + resultRank + ` AND o.rank <= ` + resultRank + ` ORDER BY o.rank LIMIT 1`

	selectPlaces = `
	SELECT p.* FROM (
	  SELECT v.slot FROM (SELECT a.slot_id, a.second_id FROM assignment a` + newestAssignment + `) a, LATERAL (VALUES (a.slot_id), (a.second_id)) v (slot)
	   UNION ALL
	  SELECT v.slot FROM (SELECT o.slot_id, o.second_id FROM offer o` + liveOffer + `) o, LATERAL (VALUES (o.slot_id), (o.second_id)) v (slot)
	  OFFSET 0) v
	 CROSS JOIN LATERAL (` + selectPlace + ` WHERE s.id = v.slot OFFSET 0) p`
)

// ResultOf reads a person's result as it stands. Before publication it tells
// nothing of the draw.
func (db *DB) ResultOf(ctx context.Context, person int64) (ResultRow, error) {
	return resultOf(ctx, db.pages, &db.lists, person)
}

// ResultOf is DB.ResultOf within a transaction.
func (tx *Tx) ResultOf(ctx context.Context, person int64) (ResultRow, error) {
	return resultOf(ctx, tx.tx, tx.lists, person)
}

func resultOf(ctx context.Context, from reader, lists *waitlists, person int64) (ResultRow, error) {
	what := fmt.Sprintf("result of person %d", person)
	r, found, err := readResult(ctx, from, person, what)
	if err != nil {
		return r, err
	}
	switch {
	case r.CohortState == "":
		r.State = "no_cohort"
	case r.CohortState == cohort.Void:
		r.State = "void"
	case !r.CohortState.Since(cohort.Published):
		r.State = "no_ballot"
		if found.ballot {
			r.State = "pending"
		}
	case !found.leaf && found.ballot:
		r.State = "excluded"
	case !found.leaf:
		r.State = "no_ballot"
	case found.ticket == nil:
		return r, fmt.Errorf("%s: the ticket is missing", what)
	default:
		return r, r.drawn(ctx, from, lists, found)
	}
	return r, nil
}

// found is what was read with a result.
type found struct {
	ballot, leaf bool
	ticket       *ticketFound    // nil: none
	assignments  []AssignmentRow // the newest
	offers       []OfferRow      // the live one
	places       map[int64]*Place
}

type ticketFound struct {
	ticket, rank         int
	late                 bool
	size, tickets        int
	waiting, why         string
	lapses, aheadInBlock int
}

func readResult(ctx context.Context, from reader, person int64, what string) (r ResultRow, f found, err error) {
	var q pgx.Batch
	q.Queue(selectResult, person)
	q.Queue(selectTicket, person, waitBlock)
	q.Queue(selectAssignment+newestAssignment, person)
	q.Queue(selectOffer+liveOffer, person)
	q.Queue(selectPlaces, person)
	b := from.SendBatch(ctx, &q)
	defer func() { err = errors.Join(err, b.Close()) }()

	var state *cohort.State
	var publish, confirm, settle *time.Time
	err = b.QueryRow().Scan(&r.Person, &r.Key, &r.Campaign, &r.Cohort, &r.CohortKey, &state, &confirm, &publish, &settle, &r.Published, &r.Now, &f.ballot, &f.leaf)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, f, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	if err != nil {
		return r, f, fmt.Errorf("%s: %w", what, err)
	}
	r.Now = r.Now.UTC()
	if state != nil {
		r.CohortState, r.ConfirmBy, r.PublishAt, r.SettleAt = *state, confirm.UTC(), publish.UTC(), settle.UTC()
	}
	var t ticketFound
	switch err := b.QueryRow().Scan(&t.ticket, &t.rank, &t.late, &t.size, &t.tickets, &t.waiting, &t.why, &t.lapses, &t.aheadInBlock); {
	case err == nil:
		f.ticket = &t
	case !errors.Is(err, pgx.ErrNoRows):
		return r, f, fmt.Errorf("%s: %w", what, err)
	}
	rows, err := b.Query()
	if f.assignments, err = many(rows, err, pgx.RowToStructByPos[AssignmentRow], what); err != nil {
		return r, f, err
	}
	rows, err = b.Query()
	if f.offers, err = many(rows, err, pgx.RowToStructByPos[OfferRow], what); err != nil {
		return r, f, err
	}
	rows, err = b.Query()
	places, err := many(rows, err, scanPlace, what)
	f.places = make(map[int64]*Place, len(places))
	for i := range places {
		f.places[places[i].Slot] = &places[i]
	}
	return r, f, err
}

// drawn fills in what a published draw gave to one of its tickets.
func (r *ResultRow) drawn(ctx context.Context, from reader, lists *waitlists, f found) error {
	t := f.ticket
	r.Ticket, r.Rank, r.LeftOut, r.Size, r.Tickets, r.Why, r.Lapses, r.Ahead = t.ticket, t.rank, t.late, t.size, t.tickets, t.why, t.lapses, t.aheadInBlock
	if len(f.assignments) > 0 {
		a := f.assignments[0]
		r.State, r.Choice, r.Origin, r.Assignment = a.State, a.Choice, a.Origin, a.ID
		var err error
		if r.Place, r.Second, err = f.placesOf(a.Slot, a.Second); err != nil || a.Alive() {
			return err
		}
	}
	if t.waiting == "" || t.waiting == "seated" {
		return nil
	}
	r.State, r.Place, r.Second, r.Choice, r.Origin, r.Assignment = t.waiting, nil, nil, 0, "", 0
	if r.State != "waiting" {
		return nil
	}
	n, err := lists.before(ctx, from, r.Cohort, r.Rank/waitBlock, r.Now) // those of her block are counted
	if err != nil {
		return err
	}
	r.Ahead += n
	if len(f.offers) > 0 {
		o := f.offers[0]
		first, second, err := f.placesOf(o.Slot, o.Second)
		if err != nil {
			return err
		}
		r.Offer = &OfferView{ID: o.ID, Choice: o.Choice, Size: o.Size, Place: *first, Second: second, Deadline: o.Deadline.UTC()}
	}
	return nil
}

// placesOf gives what was read of a slot, and of a second one where it is not 0.
func (f *found) placesOf(slot, second int64) (*Place, *Place, error) {
	a, b := f.places[slot], f.places[second]
	if a == nil || second != 0 && b == nil {
		return nil, nil, fmt.Errorf("slots %d and %d: %w", slot, second, ErrNotFound)
	}
	return a, b, nil
}

const selectPlace = `
	SELECT s.id, k.key, k.name, k.name_en, k.address, k.phone, k.bring, k.email, k.lat, k.lon, to_char(s.date, 'YYYY-MM-DD'), s.block, s.part, s.vaccine, s.starts_at
	  FROM slot s JOIN clinic k ON k.id = s.clinic_id`

func scanPlace(row pgx.CollectableRow) (Place, error) {
	var p Place
	err := row.Scan(&p.Slot, &p.Clinic, &p.Name, &p.NameEn, &p.Address, &p.Phone, &p.Bring, &p.ClinicMail, &p.LatLon[0], &p.LatLon[1], &p.Date, &p.Block, &p.Part, &p.Vaccine, &p.Starts)
	p.Starts = p.Starts.UTC()
	return p, err
}

func (tx *Tx) place(ctx context.Context, slot int64) (*Place, error) {
	rows, err := tx.tx.Query(ctx, selectPlace+` WHERE s.id = $1`, slot)
	p, err := one(rows, err, scanPlace, fmt.Sprintf("slot %d", slot))
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
