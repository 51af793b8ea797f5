package data

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"jebi/cohort"
)

// reseat gives displaced tickets, best rank first, another place inside their
// choices, in none of the slots that are closing, or puts them first in line.
func (tx *Tx) reseat(ctx context.Context, campaign int, closing []closing, tickets []displacedTicket, lead time.Duration, reason string, by Actor, out *Closed) error {
	if len(tickets) == 0 {
		return nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	var slots []SlotRow
	var free map[int64]int
	last := 0
	for _, t := range tickets {
		if t.cohort != last {
			if slots, free, err = tx.roomIn(ctx, t.cohort, now.Add(lead), closing); err != nil {
				return err
			}
			last = t.cohort
		}
		choices, err := tx.choicesOf(ctx, campaign, t.people[0].person)
		if err != nil {
			return err
		}
		var to *SlotRow
		choice := 0
		if !t.two { // two doses belong together: a pair is found by an offer
			to, choice = findRoom(slots, free, choices, t.choice, len(t.people))
		}
		if to == nil {
			err = tx.firstInLine(ctx, campaign, t, reason, by, out)
		} else {
			free[to.ID] -= len(t.people)
			err = tx.seatAgain(ctx, campaign, t, to, choice, reason, by, out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave ends the places of a ticket.
func (tx *Tx) leave(ctx context.Context, t displacedTicket, state string) error {
	for _, p := range t.people {
		if _, err := tx.tx.Exec(ctx, `UPDATE assignment SET state = $2, ended_at = jebi_now() WHERE id = $1`, p.assignment, state); err != nil {
			return fmt.Errorf("end the place of person %d: %w", p.person, err)
		}
	}
	return nil
}

// roomIn gives a cohort's slots that begin later than a moment and stay open,
// in supply order, with their free seats that the board knows.
func (tx *Tx) roomIn(ctx context.Context, cohortID int, after time.Time, closing []closing) ([]SlotRow, map[int64]int, error) {
	slots, err := tx.Slots(ctx, cohortID)
	if err != nil {
		return nil, nil, err
	}
	free, err := tx.OfferedSlots(ctx, cohortID)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range closing {
		delete(free, s.ID)
	}
	slots = slices.DeleteFunc(slots, func(s SlotRow) bool { return free[s.ID] <= 0 || s.Second || !s.StartsAt.After(after) })
	return slots, free, nil
}

func (tx *Tx) choicesOf(ctx context.Context, campaign int, person int64) ([]cohort.Choice, error) {
	var body []byte
	if err := tx.tx.QueryRow(ctx, `SELECT bytes FROM ballot WHERE campaign_id = $1 AND person_id = $2`, campaign, person).Scan(&body); err != nil {
		return nil, fmt.Errorf("ballot of person %d: %w", person, err)
	}
	var b cohort.Ballot
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("ballot of person %d cannot be read", person)
	}
	return b.Choices, nil
}

// findRoom finds the first slot with room for so many: of the choice that gave
// the place, then of the choices in their order. choice counts from 1.
func findRoom(slots []SlotRow, free map[int64]int, choices []cohort.Choice, choice, size int) (*SlotRow, int) {
	order := []int{choice}
	for i := range choices {
		if i+1 != choice {
			order = append(order, i+1)
		}
	}
	for _, n := range order {
		if n < 1 || n > len(choices) {
			continue
		}
		for i := range slots {
			s := &slots[i]
			if free[s.ID] >= size && choices[n-1].Allows(s.ClinicKey, s.Date, s.Part) {
				return s, n
			}
		}
	}
	return nil, 0
}

// seatAgain gives a ticket's people their new place; who had accepted the old
// one need not accept again, and can still cancel.
func (tx *Tx) seatAgain(ctx context.Context, campaign int, t displacedTicket, to *SlotRow, choice int, reason string, by Actor, out *Closed) error {
	if err := tx.leave(ctx, t, "moved"); err != nil {
		return err
	}
	for _, p := range t.people {
		var id int64
		err := tx.tx.QueryRow(ctx, `
			INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, choice, origin, state) VALUES ($1, $2, $3, $4, $5, $6, 'move', $7) RETURNING id`,
			campaign, t.cohort, p.person, t.rank, to.ID, choice, p.state).Scan(&id)
		if err != nil {
			return fmt.Errorf("move person %d: %w", p.person, err)
		}
		if err := tx.TellEach(ctx, Message{
			Campaign: campaign, Event: fmt.Sprintf("place/%d/moved", id), Kind: "moved", Params: map[string]any{"cohort": t.cohort, "slot": to.ID},
		}, []int64{p.person}); err != nil {
			return err
		}
		if err := tx.Audit(ctx, AuditRow{
			Campaign: campaign, Actor: by, Act: "place.move", Subject: subject("person", p.person), Reason: reason,
			Before: map[string]any{"assignment": p.assignment, "slot": t.slot.ID, "choice": t.choice}, After: map[string]any{"assignment": id, "slot": to.ID, "choice": choice},
		}); err != nil {
			return err
		}
		out.Moved++
	}
	return nil
}

// firstInLine puts a ticket that has lost its place before everyone who waits,
// while there is a waitlist.
func (tx *Tx) firstInLine(ctx context.Context, campaign int, t displacedTicket, reason string, by Actor, out *Closed) error {
	if err := tx.leave(ctx, t, "closed"); err != nil {
		return err
	}
	tag, err := tx.tx.Exec(ctx, `
		INSERT INTO waiting (cohort_id, rank, cancelled) SELECT $1, $2, true FROM cohort WHERE id = $1 AND state = 'published'
		ON CONFLICT (cohort_id, rank) DO UPDATE SET state = 'waiting', why = '', cancelled = true`, t.cohort, t.rank)
	if err != nil {
		return fmt.Errorf("waitlist of cohort %d: %w", t.cohort, err)
	}
	waits := tag.RowsAffected() > 0
	kind := "cancelled"
	if !waits {
		kind = "place_ended"
	}
	for _, p := range t.people {
		if waits {
			out.InLine++
		} else {
			out.Lost++
		}
		if err := tx.TellEach(ctx, Message{
			Campaign: campaign, Event: fmt.Sprintf("place/%d/closed", p.assignment), Kind: kind, Params: map[string]any{"cohort": t.cohort, "slot": t.slot.ID},
		}, []int64{p.person}); err != nil {
			return err
		}
		if err := tx.Audit(ctx, AuditRow{
			Campaign: campaign, Actor: by, Act: "place.close", Subject: subject("person", p.person), Reason: reason,
			Before: map[string]any{"assignment": p.assignment, "slot": t.slot.ID}, After: map[string]any{"waiting": waits},
		}); err != nil {
			return err
		}
	}
	return nil
}
