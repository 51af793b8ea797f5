package data

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// Closing is what a clinic cannot have: all of it, a day, a block or a
// vaccine, or more people than Keep.
type Closing struct {
	Clinic  string // key
	Date    string // "2021-07-26"; "": all that are to come
	Block   string // "0900"; "": all of the day
	Vaccine string // "": all
	Keep    int    // seats that stay in each slot, for all cohorts together; 0: none
}

// Closed says what became of a closing.
type Closed struct {
	Slots     int `json:"slots"`     // slots of announced cohorts that lost seats
	Seats     int `json:"seats"`     // seats that they lost
	Drafts    int `json:"drafts"`    // seats that the supply lost for cohorts that are drafts
	Moved     int `json:"moved"`     // people who have another place inside their choices
	InLine    int `json:"in_line"`   // people without, first in line for an offer
	Lost      int `json:"lost"`      // people without, after the waitlist has ended
	Withdrawn int `json:"withdrawn"` // offers that were taken back
}

// closing is one slot that loses seats.
type closing struct {
	SlotRow
	state  cohort.State
	target int // seats that stay
}

// CloseSlots takes seats away that a clinic cannot serve. Offers of them are
// withdrawn. Who has a place there is moved, best rank first, to a slot with
// room inside her ballot's choices, of the choice that gave her the place if
// there is one; a party stays together. Who finds none loses the place and is
// first in line for offers. All are told. lead is how long before its start a
// slot is still given to somebody. While a draw is frozen its supply stands
// still, so nothing of it can be closed.
func (tx *Tx) CloseSlots(ctx context.Context, c *cohort.Campaign, campaign int, k Closing, lead time.Duration, reason string, by Actor) (Closed, error) {
	var out Closed
	if err := tx.Lock(ctx, LockImport, campaign); err != nil {
		return out, err
	}
	clinic, err := tx.Clinic(ctx, campaign, k.Clinic)
	if err != nil {
		return out, err
	}
	if k.Keep < 0 {
		return out, &BadValue{ImportError{Column: "keep", Code: "seats", Text: ImportText("seats")}}
	}
	if out.Drafts, err = tx.closeSupply(ctx, campaign, clinic, k); err != nil {
		return out, err
	}
	cohorts, err := tx.lockOffers(ctx, campaign)
	if err != nil {
		return out, err
	}
	slots, err := tx.closingSlots(ctx, campaign, clinic, k, cohorts)
	if err != nil {
		return out, err
	}
	if len(slots) == 0 && out.Drafts == 0 {
		return out, refuse("clinic %s has no seats to come there, or not more than are to stay", clinic.Key)
	}
	for _, s := range slots {
		if s.state == cohort.Frozen || s.state == cohort.Drawn {
			return out, refuse("a cohort's draw is %s, and it has seats there on %s: its supply stands still until its result is published; close them after that, and everyone is moved", s.state, s.Date)
		}
	}
	displaced, err := tx.vacate(ctx, campaign, slots, &out)
	if err != nil {
		return out, err
	}
	if err := tx.reseat(ctx, campaign, slots, displaced, lead, reason, by, &out); err != nil {
		return out, err
	}
	for _, s := range slots {
		if _, err := tx.tx.Exec(ctx, `UPDATE slot SET seats = $2 WHERE id = $1`, s.ID, s.target); err != nil {
			return out, fmt.Errorf("close slot %d: %w", s.ID, err)
		}
		out.Slots++
		out.Seats += s.Seats - s.target
	}
	if out.Drafts > 0 {
		if _, err := tx.MakeSlots(ctx, c, campaign); err != nil {
			return out, err
		}
	}
	if err := tx.postClosing(ctx, c, campaign, cohorts, slots); err != nil {
		return out, err
	}
	return out, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "clinics.close", Subject: subject("clinic", clinic.Key), Reason: reason,
		Before: map[string]any{"date": k.Date, "block": k.Block, "vaccine": k.Vaccine, "keep": k.Keep}, After: out,
	})
}

// closeSupply takes the seats out of the supply, and says whether drafts lose
// any by it: how many seats fewer there are to share out.
func (tx *Tx) closeSupply(ctx context.Context, campaign int, clinic ClinicRow, k Closing) (int, error) {
	var lost int
	err := tx.tx.QueryRow(ctx, `
		WITH hit AS (
		  SELECT p.*, p.seats - COALESCE((SELECT sum(s.seats) FROM slot s JOIN cohort o ON o.id = s.cohort_id
		            WHERE o.campaign_id = $1 AND o.state NOT IN ('draft', 'void') AND s.clinic_id = p.clinic_id
		              AND s.date = p.date AND s.block = p.block AND s.vaccine = p.vaccine), 0) AS unpromised
		    FROM supply p
		   WHERE p.campaign_id = $1 AND p.clinic_id = $2 AND ($3 = '' OR p.date = $3::date) AND ($4 = '' OR p.block = $4) AND ($5 = '' OR p.vaccine = $5)
		     AND p.seats > $6
		), cut AS (
		  UPDATE supply p SET seats = $6, given = LEAST(p.given, $6) FROM hit h
		   WHERE p.campaign_id = h.campaign_id AND p.clinic_id = h.clinic_id AND p.date = h.date AND p.block = h.block AND p.vaccine = h.vaccine
		)
		SELECT COALESCE(sum(GREATEST(0, LEAST(unpromised, seats - $6))), 0)::int FROM hit`,
		campaign, clinic.ID, k.Date, k.Block, k.Vaccine, k.Keep).Scan(&lost)
	if err != nil {
		return 0, fmt.Errorf("close seats of clinic %s: %w", clinic.Key, err)
	}
	return lost, nil
}

// lockOffers holds windows, batches of offers and answers to them back until
// this transaction ends, and gives the cohorts as they then stand.
func (tx *Tx) lockOffers(ctx context.Context, campaign int) ([]CohortRow, error) {
	cohorts, err := tx.Cohorts(ctx, campaign)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(cohorts, func(a, b CohortRow) int { return cmp.Compare(a.ID, b.ID) })
	for _, o := range cohorts {
		if err := tx.LockShared(ctx, LockWindow, o.ID); err != nil {
			return nil, err
		}
		if err := tx.Lock(ctx, LockOffers, o.ID); err != nil {
			return nil, err
		}
	}
	return tx.Cohorts(ctx, campaign)
}

// closingSlots finds the slots that lose seats, and how many each keeps: of
// the slots of one block the last cohorts lose theirs first, free seats before
// taken ones.
func (tx *Tx) closingSlots(ctx context.Context, campaign int, clinic ClinicRow, k Closing, cohorts []CohortRow) ([]closing, error) {
	rows, err := tx.tx.Query(ctx, selectSlot+`
		 WHERE s.campaign_id = $1 AND s.clinic_id = $2 AND ($3 = '' OR s.date = $3::date) AND ($4 = '' OR s.block = $4) AND ($5 = '' OR s.vaccine = $5)
		   AND s.starts_at > jebi_now() AND s.seats > 0
		 ORDER BY s.id FOR NO KEY UPDATE OF s`, campaign, clinic.ID, k.Date, k.Block, k.Vaccine)
	all, err := many(rows, err, scanSlot, "slots of clinic "+clinic.Key)
	if err != nil {
		return nil, err
	}
	states := map[int]CohortRow{}
	for _, o := range cohorts {
		states[o.ID] = o
	}
	blocks := map[[3]string][]*closing{}
	var keys [][3]string
	for _, s := range all {
		state := states[s.Cohort].State
		if state == cohort.Draft || state == cohort.Void {
			continue
		}
		key := [3]string{s.Date, s.Block, s.Vaccine}
		if blocks[key] == nil {
			keys = append(keys, key)
		}
		blocks[key] = append(blocks[key], &closing{s, state, s.Seats})
	}
	var out []closing
	for _, key := range keys {
		block := blocks[key]
		slices.SortFunc(block, func(a, b *closing) int { return cmp.Compare(states[b.Cohort].Ordinal, states[a.Cohort].Ordinal) })
		over := -k.Keep
		for _, s := range block {
			over += s.Seats
		}
		for _, s := range block { // free seats first
			n := max(0, min(over, s.Free()))
			s.target, over = s.target-n, over-n
		}
		for _, s := range block {
			n := max(0, min(over, s.target))
			s.target, over = s.target-n, over-n
		}
		for _, s := range block {
			if s.target < s.Seats {
				out = append(out, *s)
			}
		}
	}
	return out, nil
}

// displacedTicket is one ticket that has lost its place: one person, or a party.
type displacedTicket struct {
	cohort, rank int
	slot         SlotRow
	choice       int
	first        int64 // slots that it had
	second       int64 // 0: one dose
	people       []displacedPerson
}

type displacedPerson struct {
	assignment, person int64
	state              string
}

// vacate withdraws offers and ends places until no slot holds more than it
// keeps, the highest ranks first, offers before places.
func (tx *Tx) vacate(ctx context.Context, campaign int, slots []closing, out *Closed) ([]displacedTicket, error) {
	var all []displacedTicket
	for i := range slots {
		s := &slots[i]
		over := s.Used + s.Held - s.target
		if over <= 0 {
			continue
		}
		n, err := tx.withdrawOffers(ctx, campaign, s.SlotRow, over, out)
		if err != nil {
			return nil, err
		}
		tickets, err := tx.displace(ctx, s.SlotRow, over-n)
		if err != nil {
			return nil, err
		}
		all = append(all, tickets...)
	}
	slices.SortFunc(all, func(a, b displacedTicket) int {
		return cmp.Or(cmp.Compare(a.cohort, b.cohort), cmp.Compare(a.rank, b.rank))
	})
	return all, nil
}

// withdrawOffers takes offers of a slot back until so many seats are free, and
// answers how many are. Their tickets come first in the next batch.
func (tx *Tx) withdrawOffers(ctx context.Context, campaign int, s SlotRow, seats int, out *Closed) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("offers of slot %d: %w", s.ID, err) }
	rows, err := tx.tx.Query(ctx, selectOffer+` WHERE (o.slot_id = $1 OR o.second_id = $1) AND o.state = 'live' ORDER BY o.rank DESC`, s.ID)
	offers, err := many(rows, err, pgx.RowToStructByPos[OfferRow], fmt.Sprintf("offers of slot %d", s.ID))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, o := range offers {
		if n >= seats {
			break
		}
		n += o.Size
		out.Withdrawn++
		if _, err := tx.tx.Exec(ctx, `UPDATE offer SET state = 'withdrawn', ended_at = jebi_now() WHERE id = $1`, o.ID); err != nil {
			return fail(err)
		}
		if _, err := tx.tx.Exec(ctx, `UPDATE waiting SET cancelled = true WHERE cohort_id = $1 AND rank = $2 AND state = 'waiting'`, o.Cohort, o.Rank); err != nil {
			return fail(err)
		}
		people, err := tx.ticketPeople(ctx, o.Cohort, o.Rank)
		if err != nil {
			return fail(err)
		}
		if err := tx.TellEach(ctx, Message{
			Campaign: campaign, Event: fmt.Sprintf("offer/%d/withdrawn", o.ID), Kind: "offer_withdrawn", Urgent: true, Params: map[string]any{"cohort": o.Cohort, "slot": s.ID},
		}, people); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (tx *Tx) ticketPeople(ctx context.Context, cohortID, rank int) ([]int64, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT p.id FROM ticket_member m JOIN person p ON p.id = m.person_id AND p.status = 'eligible' WHERE m.cohort_id = $1 AND m.rank = $2 ORDER BY p.id`, cohortID, rank)
	return many(rows, err, pgx.RowTo[int64], fmt.Sprintf("ticket %d of cohort %d", rank, cohortID))
}

// displace finds the tickets that must leave a slot, the highest ranks first,
// a party as a whole.
func (tx *Tx) displace(ctx context.Context, s SlotRow, seats int) ([]displacedTicket, error) {
	if seats <= 0 {
		return nil, nil
	}
	type place struct {
		ID, Person   int64
		Cohort, Rank int
		Choice       int
		State        string
		Slot, Second int64
	}
	rows, err := tx.tx.Query(ctx, `
		SELECT id, person_id, cohort_id, rank, choice, state, slot_id, COALESCE(second_id, 0)
		  FROM assignment WHERE (slot_id = $1 OR second_id = $1) AND state IN ('assigned', 'confirmed') ORDER BY rank DESC, person_id FOR UPDATE`, s.ID)
	places, err := many(rows, err, pgx.RowToStructByPos[place], fmt.Sprintf("places in slot %d", s.ID))
	if err != nil {
		return nil, err
	}
	var out []displacedTicket
	n := 0
	for _, p := range places {
		k := len(out) - 1
		if k < 0 || out[k].rank != p.Rank {
			if n >= seats {
				break
			}
			out = append(out, displacedTicket{cohort: p.Cohort, rank: p.Rank, slot: s, choice: p.Choice, first: p.Slot, second: p.Second})
			k++
		}
		out[k].people = append(out[k].people, displacedPerson{p.ID, p.Person, p.State})
		n++
	}
	return out, nil
}

// postClosing puts on the board, cohort by cohort, which slots have fewer seats.
func (tx *Tx) postClosing(ctx context.Context, c *cohort.Campaign, campaign int, cohorts []CohortRow, slots []closing) error {
	for _, o := range cohorts {
		var lost []ReleaseRow
		for _, s := range slots {
			if s.Cohort == o.ID {
				lost = append(lost, ReleaseRow{Slot: s.ID, Clinic: s.ClinicKey, Date: s.Date, Block: s.Block, Vaccine: s.Vaccine, Second: s.Second, Seats: s.target, Before: s.Seats})
			}
		}
		if len(lost) == 0 {
			continue
		}
		slices.SortFunc(lost, func(a, b ReleaseRow) int {
			return cmp.Or(cmp.Compare(a.Clinic, b.Clinic), cmp.Compare(a.Date, b.Date), cmp.Compare(a.Block, b.Block), cmp.Compare(a.Vaccine, b.Vaccine))
		})
		body, err := json.Marshal(struct {
			DrawID string       `json:"draw_id"`
			Sample bool         `json:"sample"`
			Slots  []ReleaseRow `json:"slots"`
		}{c.DrawID(o.Key), c.Sample, lost})
		if err != nil {
			return err
		}
		if _, err := tx.Post(ctx, campaign, o.ID, "release", body); err != nil {
			return err
		}
	}
	return nil
}
