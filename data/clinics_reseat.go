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
	var r room
	last := 0
	for _, t := range tickets {
		if t.cohort != last {
			if r, err = tx.roomIn(ctx, t.cohort, now.Add(lead), closing); err != nil {
				return err
			}
			last = t.cohort
		}
		choices, err := tx.choicesOf(ctx, campaign, t.people[0].person)
		if err != nil {
			return err
		}
		to, second, choice := r.find(t, choices)
		if to == nil {
			err = tx.firstInLine(ctx, campaign, t, reason, by, out)
		} else {
			err = tx.seatAgain(ctx, campaign, t, to, second, choice, reason, by, out)
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

// room is what a cohort has left for those who must leave a slot.
type room struct {
	slots, seconds []SlotRow     // that begin late enough, in supply order
	free           map[int64]int // seats that the board knows; a slot that is closing has none
}

// roomIn finds the room in slots that begin later than a moment and stay open.
func (tx *Tx) roomIn(ctx context.Context, cohortID int, after time.Time, closing []closing) (room, error) {
	slots, err := tx.Slots(ctx, cohortID)
	if err != nil {
		return room{}, err
	}
	r := room{}
	if r.free, err = tx.OfferedSlots(ctx, cohortID); err != nil {
		return r, err
	}
	for _, s := range closing {
		delete(r.free, s.ID)
	}
	for _, s := range slots {
		if _, open := r.free[s.ID]; !open || !s.StartsAt.After(after) {
			continue
		}
		if s.Second {
			r.seconds = append(r.seconds, s)
		} else {
			r.slots = append(r.slots, s)
		}
	}
	return r, nil
}

// find takes room for a ticket: in the first slot of the choice that gave the
// place, then of the choices in their order, with a slot for the second dose
// where it has two; both or neither. Who loses only one of the two keeps the
// other if that can be. choice counts from 1; to is nil where there is no room.
func (r *room) find(t displacedTicket, choices []cohort.Choice) (to, second *SlotRow, choice int) {
	n := len(t.people)
	for _, had := range []int64{t.first, t.second} {
		if _, open := r.free[had]; open {
			r.free[had] += n // it leaves it
		}
	}
	order := []int{t.choice}
	for i := range choices {
		if i+1 != t.choice {
			order = append(order, i+1)
		}
	}
	var keep []*SlotRow
	for i := range r.slots {
		if r.slots[i].ID == t.first {
			keep = append(keep, &r.slots[i])
		}
	}
	for _, c := range order {
		if c < 1 || c > len(choices) {
			continue
		}
		candidates := keep
		for i := range r.slots {
			candidates = append(candidates, &r.slots[i])
		}
		for _, s := range candidates {
			if r.free[s.ID] < n || !choices[c-1].Allows(s.ClinicKey, s.Date, s.Part) {
				continue
			}
			if t.second == 0 {
				r.free[s.ID] -= n
				return s, nil, c
			}
			if second = r.secondOf(s, n, t.second); second != nil {
				r.free[s.ID] -= n
				r.free[second.ID] -= n
				return s, second, c
			}
		}
	}
	return nil, nil, 0
}

// secondOf is a slot with room for the second doses of a slot: the one that
// the ticket had, its pair, then the nearest to 56 days later, the later one
// first.
func (r *room) secondOf(s *SlotRow, n int, had int64) *SlotRow {
	first, err := time.Parse(time.DateOnly, s.Date)
	if err != nil {
		return nil
	}
	var best *SlotRow
	var key [4]int
	for i := range r.seconds {
		y := &r.seconds[i]
		day, err := time.Parse(time.DateOnly, y.Date)
		days := int(day.Sub(first).Hours() / 24)
		if err != nil || r.free[y.ID] < n || y.ClinicKey != s.ClinicKey || y.Vaccine != s.Vaccine || days < cohort.SecondEarliest || days > cohort.SecondLatest {
			continue
		}
		k := [4]int{1, 1, max(days-56, 56-days), -days}
		if y.ID == had {
			k[0] = 0
		}
		if y.ID == s.Pair {
			k[1] = 0
		}
		if best == nil || slices.Compare(k[:], key[:]) < 0 {
			best, key = y, k
		}
	}
	return best
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

// seatAgain gives a ticket's people their new place; who had accepted the old
// one need not accept again, and can still cancel.
func (tx *Tx) seatAgain(ctx context.Context, campaign int, t displacedTicket, to, second *SlotRow, choice int, reason string, by Actor, out *Closed) error {
	if err := tx.leave(ctx, t, "moved"); err != nil {
		return err
	}
	secondID := int64(0)
	if second != nil {
		secondID = second.ID
	}
	for _, p := range t.people {
		var id int64
		err := tx.tx.QueryRow(ctx, `
			INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, second_id, choice, origin, state)
			VALUES ($1, $2, $3, $4, $5, NULLIF($6::bigint, 0), $7, 'move', $8) RETURNING id`,
			campaign, t.cohort, p.person, t.rank, to.ID, secondID, choice, p.state).Scan(&id)
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
			Before: map[string]any{"assignment": p.assignment, "slot": t.slot.ID, "choice": t.choice}, After: map[string]any{"assignment": id, "slot": to.ID, "second": secondID, "choice": choice},
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
