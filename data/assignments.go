package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// LockOffers guards a cohort's waitlist: a batch of offers takes it alone,
// everyone who answers one or gives a place back shares it.
const LockOffers LockKind = 6 // cohort id

// Place is a slot as people read it.
type Place struct {
	Slot       int64     `json:"-"`
	Clinic     string    `json:"clinic"` // key
	Name       string    `json:"name"`
	NameEn     string    `json:"name_en,omitempty"`
	Address    string    `json:"address"`
	Phone      string    `json:"phone"`
	Bring      string    `json:"bring,omitempty"`
	Date       string    `json:"date"` // "2021-07-26"
	Block      string    `json:"block"`
	Part       string    `json:"part"`
	Vaccine    string    `json:"vaccine"`
	Starts     time.Time `json:"starts"`
	LatLon     [2]float64
	ClinicMail string `json:"-"`
}

// AssignmentRow is a person's place, alive or ended.
type AssignmentRow struct {
	ID       int64
	Campaign int
	Cohort   int
	Person   int64
	Rank     int
	Slot     int64
	Second   int64 // 0: none
	Choice   int
	Origin   string // "draw", "offer" or "move"
	State    string // "assigned", "confirmed"; "declined", "lapsed", "cancelled", "closed", "moved"
	At       time.Time
	EndedAt  *time.Time
}

// Alive says whether the place is still held.
func (a AssignmentRow) Alive() bool { return a.State == "assigned" || a.State == "confirmed" }

// ErrNoPlace says that a person holds no place that this could be done with.
var ErrNoPlace = errors.New("there is no place to answer for")

// ErrNoOffer says that an offer is not live, or another's.
var ErrNoOffer = errors.New("there is no such offer any more")

// TooLate says until when something could have been done.
type TooLate struct {
	Act   string // "confirm", "decline", "cancel", "accept"
	Until time.Time
}

func (e *TooLate) Error() string {
	return fmt.Sprintf("too late to %s: it was possible until %s", e.Act, e.Until.UTC().Format(time.RFC3339))
}

const selectAssignment = `
	SELECT a.id, a.campaign_id, a.cohort_id, a.person_id, a.rank, a.slot_id, COALESCE(a.second_id, 0), a.choice, a.origin, a.state, a.at, a.ended_at
	  FROM assignment a`

// Assignments lists a person's places in a campaign, the newest first.
func (tx *Tx) Assignments(ctx context.Context, person int64) ([]AssignmentRow, error) {
	rows, err := tx.tx.Query(ctx, selectAssignment+` WHERE a.person_id = $1 ORDER BY a.id DESC`, person)
	return many(rows, err, pgx.RowToStructByPos[AssignmentRow], fmt.Sprintf("places of person %d", person))
}

// livePlace is the place that a person holds, locked, with the times that
// bound what she may do with it. The cohort's waitlist is shared until the
// transaction ends.
func (tx *Tx) livePlace(ctx context.Context, person int64) (a AssignmentRow, now, confirmBy, starts time.Time, err error) {
	rows, err := tx.tx.Query(ctx, selectAssignment+` WHERE a.person_id = $1 AND a.state IN ('assigned', 'confirmed')`, person)
	a, err = one(rows, err, pgx.RowToStructByPos[AssignmentRow], fmt.Sprintf("place of person %d", person))
	if errors.Is(err, ErrNotFound) {
		return a, now, confirmBy, starts, ErrNoPlace
	}
	if err != nil {
		return a, now, confirmBy, starts, err
	}
	if err = tx.LockShared(ctx, LockOffers, a.Cohort); err != nil {
		return a, now, confirmBy, starts, err
	}
	var published bool
	err = tx.tx.QueryRow(ctx, `
		SELECT a.state, jebi_now(), c.confirm_by, s.starts_at, c.state IN ('published', 'settled')
		  FROM assignment a JOIN cohort c ON c.id = a.cohort_id JOIN slot s ON s.id = a.slot_id
		 WHERE a.id = $1 FOR UPDATE OF a`, a.ID).Scan(&a.State, &now, &confirmBy, &starts, &published)
	if err != nil {
		return a, now, confirmBy, starts, fmt.Errorf("place of person %d: %w", person, err)
	}
	if !a.Alive() || !published {
		err = ErrNoPlace
	}
	return a, now, confirmBy, starts, err
}

// movePlace moves a place on, with its audit row and the message about it.
func (tx *Tx) movePlace(ctx context.Context, a AssignmentRow, to, act string, by Actor, reason string) error {
	ended := "jebi_now()"
	if to == "confirmed" {
		ended = "NULL"
	}
	_, err := tx.tx.Exec(ctx, `UPDATE assignment SET state = $2, ended_at = `+ended+` WHERE id = $1`, a.ID, to)
	if err != nil {
		return fmt.Errorf("%s of person %d: %w", act, a.Person, err)
	}
	kind := "declined"
	if to == "confirmed" {
		kind = "accepted"
	}
	if err := tx.TellEach(ctx, Message{
		Campaign: a.Campaign, Event: fmt.Sprintf("place/%d/%s", a.ID, to), Kind: kind, Params: map[string]any{"cohort": a.Cohort, "slot": a.Slot},
	}, []int64{a.Person}); err != nil {
		return err
	}
	return tx.Audit(ctx, AuditRow{
		Campaign: a.Campaign, Actor: by, Act: act, Subject: subject("person", a.Person), Reason: reason,
		Before: map[string]any{"assignment": a.ID, "state": a.State}, After: map[string]any{"assignment": a.ID, "state": to, "slot": a.Slot},
	})
}

// ConfirmAssignment accepts the place that the draw gave, until confirm_by.
// Doing it twice changes nothing.
func (tx *Tx) ConfirmAssignment(ctx context.Context, person int64, by Actor, reason string) (AssignmentRow, error) {
	a, now, confirmBy, _, err := tx.livePlace(ctx, person)
	switch {
	case err != nil:
		return a, err
	case a.State == "confirmed":
		return a, nil
	case !now.Before(confirmBy):
		return a, &TooLate{"confirm", confirmBy.UTC()}
	}
	if err := tx.movePlace(ctx, a, "confirmed", "place.confirm", by, reason); err != nil {
		return a, err
	}
	a.State = "confirmed"
	return a, nil
}

// DeclineAssignment gives back a place that was not accepted yet, until
// confirm_by. The seat goes to the waitlist.
func (tx *Tx) DeclineAssignment(ctx context.Context, person int64, by Actor, reason string) (AssignmentRow, error) {
	a, now, confirmBy, _, err := tx.livePlace(ctx, person)
	switch {
	case err != nil:
		return a, err
	case a.State == "confirmed":
		return a, ErrNoPlace // accepted: it can be cancelled
	case !now.Before(confirmBy):
		return a, &TooLate{"decline", confirmBy.UTC()}
	}
	if err := tx.movePlace(ctx, a, "declined", "place.decline", by, reason); err != nil {
		return a, err
	}
	a.State = "declined"
	return a, nil
}

// CancelAssignment gives back a place, accepted or not, until lead before it
// starts. The seat goes to the waitlist.
func (tx *Tx) CancelAssignment(ctx context.Context, person int64, lead time.Duration, by Actor, reason string) (AssignmentRow, error) {
	a, now, _, starts, err := tx.livePlace(ctx, person)
	if err != nil {
		return a, err
	}
	if until := starts.Add(-lead); !now.Before(until) {
		return a, &TooLate{"cancel", until.UTC()}
	}
	if err := tx.movePlace(ctx, a, "cancelled", "place.cancel", by, reason); err != nil {
		return a, err
	}
	a.State = "cancelled"
	return a, nil
}

// LapseUnconfirmed ends the places of a cohort that were not accepted by
// confirm_by, and answers whose they were.
func (tx *Tx) LapseUnconfirmed(ctx context.Context, cohortID int) ([]int64, error) {
	rows, err := tx.tx.Query(ctx, `
		UPDATE assignment a SET state = 'lapsed', ended_at = jebi_now()
		  FROM cohort c
		 WHERE c.id = $1 AND a.cohort_id = c.id AND a.state = 'assigned' AND a.at < c.confirm_by AND c.confirm_by <= jebi_now()
		RETURNING a.person_id`, cohortID)
	return many(rows, err, pgx.RowTo[int64], fmt.Sprintf("unconfirmed places of cohort %d", cohortID))
}
