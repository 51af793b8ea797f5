package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// OfferRow is a seat held for one ticket until its deadline.
type OfferRow struct {
	ID        int64
	Cohort    int
	Rank      int
	Slot      int64
	Second    int64 // 0: none
	Choice    int
	Size      int
	State     string // "live", "accepted", "declined", "lapsed", "replaced", "withdrawn"
	BatchAt   time.Time
	OfferedAt time.Time
	Deadline  time.Time
	EndedAt   *time.Time
}

const selectOffer = `
	SELECT o.id, o.cohort_id, o.rank, o.slot_id, COALESCE(o.second_id, 0), o.choice, o.size, o.state, o.batch_at, o.offered_at, o.deadline, o.ended_at
	  FROM offer o`

// Offers lists a cohort's offers, the newest first; only the live ones where
// live is true.
func (tx *Tx) Offers(ctx context.Context, cohortID int, live bool) ([]OfferRow, error) {
	rows, err := tx.tx.Query(ctx, selectOffer+` WHERE o.cohort_id = $1 AND (o.state = 'live' OR NOT $2) ORDER BY o.id DESC`, cohortID, live)
	return many(rows, err, pgx.RowToStructByPos[OfferRow], fmt.Sprintf("offers of cohort %d", cohortID))
}

// Offer finds an offer by its id. The error wraps ErrNotFound.
func (tx *Tx) Offer(ctx context.Context, id int64) (OfferRow, error) {
	rows, err := tx.tx.Query(ctx, selectOffer+` WHERE o.id = $1`, id)
	return one(rows, err, pgx.RowToStructByPos[OfferRow], fmt.Sprintf("offer %d", id))
}

// WaitingMember is one person of a waiting ticket; the members of a ticket
// come one after another. Its slices are valid until the next one is read.
type WaitingMember struct {
	Rank      int
	Lapses    int
	Cancelled bool
	Pool      string
	Ticket    []byte // 32 bytes: where in a choice it begins, with fixed seating
	Person    int64
	Status    string
	Ballot    []byte
}

// EachWaiting streams the waitlist in ticket order; a ballot that was left out
// of the draw stands where its ticket would have.
func (tx *Tx) EachWaiting(ctx context.Context, cohortID int, do func(*WaitingMember) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT w.rank, w.lapses, w.cancelled, t.pool, t.ticket, m.person_id, p.status, b.bytes
		  FROM waiting w
		  JOIN ticket t ON t.cohort_id = w.cohort_id AND t.rank = w.rank
		  JOIN ticket_member m ON m.cohort_id = w.cohort_id AND m.rank = w.rank
		  JOIN person p ON p.id = m.person_id
		  JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id
		  LEFT JOIN left_out l ON l.cohort_id = w.cohort_id AND l.ticket = w.rank
		 WHERE w.cohort_id = $1 AND w.state = 'waiting' ORDER BY COALESCE(l.rank, w.rank), l.rank IS NULL, t.ticket, m.person_id`, cohortID)
	if err != nil {
		return fmt.Errorf("waitlist of cohort %d: %w", cohortID, err)
	}
	var m WaitingMember
	_, err = pgx.ForEachRow(rows, []any{&m.Rank, &m.Lapses, &m.Cancelled, &m.Pool, (*pgtype.DriverBytes)(&m.Ticket), &m.Person, &m.Status, (*pgtype.DriverBytes)(&m.Ballot)}, func() error {
		return do(&m)
	})
	if err != nil {
		return fmt.Errorf("waitlist of cohort %d: %w", cohortID, err)
	}
	return nil
}

// Struck lists the slots that waiting tickets declined or let lapse, by rank.
func (tx *Tx) Struck(ctx context.Context, cohortID int) (map[int][]int64, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT k.rank, k.slot_id FROM struck k JOIN waiting w USING (cohort_id, rank)
		 WHERE k.cohort_id = $1 AND w.state = 'waiting' ORDER BY k.rank, k.slot_id`, cohortID)
	struck := map[int][]int64{}
	if err != nil {
		return nil, fmt.Errorf("struck slots of cohort %d: %w", cohortID, err)
	}
	var rank int
	var slot int64
	_, err = pgx.ForEachRow(rows, []any{&rank, &slot}, func() error {
		struck[rank] = append(struck[rank], slot)
		return nil
	})
	return struck, err
}

// SkipRow is why a waiting ticket was passed over at a slot with free seats.
type SkipRow struct {
	Rank   int
	Slot   int64 // 0: the reason is the ticket's
	Reason string
}

// Skips lists what is recorded already of a cohort's skips.
func (tx *Tx) Skips(ctx context.Context, cohortID int) ([]SkipRow, error) {
	rows, err := tx.tx.Query(ctx, `SELECT rank, slot_id, reason FROM offer_skip WHERE cohort_id = $1`, cohortID)
	return many(rows, err, pgx.RowToStructByPos[SkipRow], fmt.Sprintf("skips of cohort %d", cohortID))
}

// AddSkips records why tickets were passed over, once a slot and reason.
func (tx *Tx) AddSkips(ctx context.Context, cohortID int, batch time.Time, skips []SkipRow) error {
	if len(skips) == 0 {
		return nil
	}
	ranks, slots, reasons := make([]int, len(skips)), make([]int64, len(skips)), make([]string, len(skips))
	for i, s := range skips {
		ranks[i], slots[i], reasons[i] = s.Rank, s.Slot, s.Reason
	}
	_, err := tx.tx.Exec(ctx, `
		INSERT INTO offer_skip (cohort_id, rank, slot_id, reason, batch_at)
		SELECT $1, r, s, w, $2 FROM unnest($3::int[], $4::bigint[], $5::text[]) AS x (r, s, w) ON CONFLICT DO NOTHING`,
		cohortID, batch, ranks, slots, reasons)
	if err != nil {
		return fmt.Errorf("skips of cohort %d: %w", cohortID, err)
	}
	return nil
}

// NewOffer is one decision of a batch.
type NewOffer struct {
	Rank     int
	Slot     int64
	Second   int64
	Choice   int
	Size     int
	Deadline time.Time
	Replaces bool // the ticket's live offer ends with it
}

// PutOffers writes a batch: replaced offers end, new ones are held, and all
// members of the tickets are told, urgently where the deadline is nearer than
// soon.
func (tx *Tx) PutOffers(ctx context.Context, campaign, cohortID int, batch time.Time, offers []NewOffer, soon time.Duration) error {
	if len(offers) == 0 {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("offers of cohort %d: %w", cohortID, err) }
	n := len(offers)
	ranks, slots, seconds := make([]int, n), make([]int64, n), make([]int64, n)
	choices, sizes, deadlines := make([]int, n), make([]int, n), make([]time.Time, n)
	var replaced []int
	for i, o := range offers {
		ranks[i], slots[i], seconds[i], choices[i], sizes[i], deadlines[i] = o.Rank, o.Slot, o.Second, o.Choice, o.Size, o.Deadline
		if o.Replaces {
			replaced = append(replaced, o.Rank)
		}
	}
	if len(replaced) > 0 {
		if _, err := tx.tx.Exec(ctx, `
			UPDATE offer SET state = 'replaced', ended_at = jebi_now() WHERE cohort_id = $1 AND rank = ANY ($2) AND state = 'live'`, cohortID, replaced); err != nil {
			return fail(err)
		}
	}
	_, err := tx.tx.Exec(ctx, `
		WITH made AS (
		  INSERT INTO offer (cohort_id, rank, slot_id, second_id, choice, size, batch_at, offered_at, deadline)
		  SELECT $1, r, s, NULLIF(z, 0), c, n, $2, $2, d
		    FROM unnest($3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::int[], $8::timestamptz[]) AS x (r, s, z, c, n, d) ORDER BY r
		  RETURNING id, rank, deadline
		)
		INSERT INTO message (campaign_id, person_id, event, channel, kind, params, urgent)
		SELECT $9, d.person_id, 'offer/' || o.id, c.channel, 'offer', jsonb_build_object('offer', o.id), o.deadline < $2 + $10::interval
		  FROM made o
		  JOIN ticket_member m ON m.cohort_id = $1 AND m.rank = o.rank
		  JOIN person p ON p.id = m.person_id AND p.status = 'eligible'
		  JOIN person_detail d ON d.person_id = p.id
		  JOIN LATERAL (VALUES ('email', d.email), ('sms', d.phone)) c (channel, address) ON c.address IS NOT NULL
		ON CONFLICT DO NOTHING`,
		cohortID, batch, ranks, slots, seconds, choices, sizes, deadlines, campaign, soon)
	if err != nil {
		return fail(err)
	}
	return nil
}

// LapsedOffer is an offer that nobody answered in time.
type LapsedOffer struct {
	ID   int64
	Rank int
	Off  bool // its ticket has left the waitlist with it
}

// LapseOffers ends a cohort's offers whose deadline is past: the slot is
// struck off the ticket's list, and after maxLapses the ticket leaves the
// waitlist. The members are told.
func (tx *Tx) LapseOffers(ctx context.Context, campaign, cohortID, maxLapses int) ([]LapsedOffer, error) {
	rows, err := tx.tx.Query(ctx, `
		WITH due AS (
		  UPDATE offer SET state = 'lapsed', ended_at = jebi_now()
		   WHERE cohort_id = $1 AND state = 'live' AND deadline <= jebi_now()
		  RETURNING id, rank, slot_id
		), gone AS (
		  INSERT INTO struck (cohort_id, rank, slot_id) SELECT $1, rank, slot_id FROM due ON CONFLICT DO NOTHING
		), counted AS (
		  UPDATE waiting w SET lapses = w.lapses + 1,
		         state = CASE WHEN w.lapses + 1 >= $3 AND w.state = 'waiting' THEN 'off' ELSE w.state END,
		         why = CASE WHEN w.lapses + 1 >= $3 AND w.state = 'waiting' THEN 'lapses' ELSE w.why END
		    FROM due WHERE w.cohort_id = $1 AND w.rank = due.rank
		  RETURNING w.rank, w.state = 'off' AS off
		), told AS (
		  INSERT INTO message (campaign_id, person_id, event, channel, kind, params)
		  SELECT $2, d.person_id, 'offer/' || o.id || '/lapsed', c.channel, 'offer_lapsed', jsonb_build_object('offer', o.id, 'off', k.off)
		    FROM due o JOIN counted k USING (rank)
		    JOIN ticket_member m ON m.cohort_id = $1 AND m.rank = o.rank
		    JOIN person_detail d ON d.person_id = m.person_id
		    JOIN LATERAL (VALUES ('email', d.email), ('sms', d.phone)) c (channel, address) ON c.address IS NOT NULL
		  ON CONFLICT DO NOTHING
		)
		SELECT o.id, o.rank, k.off FROM due o JOIN counted k USING (rank) ORDER BY o.rank`, cohortID, campaign, maxLapses)
	return many(rows, err, pgx.RowToStructByPos[LapsedOffer], fmt.Sprintf("lapsing offers of cohort %d", cohortID))
}

// liveOffer is an offer that a person may answer, with its ticket locked and
// the waitlist shared until the transaction ends.
func (tx *Tx) liveOffer(ctx context.Context, id, person int64) (o OfferRow, campaign int, now time.Time, err error) {
	rows, err := tx.tx.Query(ctx, selectOffer+` JOIN ticket_member m ON m.cohort_id = o.cohort_id AND m.rank = o.rank WHERE o.id = $1 AND m.person_id = $2`, id, person)
	o, err = one(rows, err, pgx.RowToStructByPos[OfferRow], fmt.Sprintf("offer %d", id))
	if errors.Is(err, ErrNotFound) {
		return o, 0, now, ErrNoOffer
	}
	if err != nil {
		return o, 0, now, err
	}
	if err = tx.LockShared(ctx, LockOffers, o.Cohort); err != nil {
		return o, 0, now, err
	}
	if _, err = tx.tx.Exec(ctx, `SELECT 1 FROM waiting WHERE cohort_id = $1 AND rank = $2 FOR UPDATE`, o.Cohort, o.Rank); err != nil {
		return o, 0, now, fmt.Errorf("offer %d: %w", id, err)
	}
	err = tx.tx.QueryRow(ctx, `
		SELECT o.state, jebi_now(), c.campaign_id FROM offer o JOIN cohort c ON c.id = o.cohort_id WHERE o.id = $1`, id).Scan(&o.State, &now, &campaign)
	if err != nil {
		return o, 0, now, fmt.Errorf("offer %d: %w", id, err)
	}
	if o.State != "live" {
		return o, campaign, now, ErrNoOffer
	}
	return o, campaign, now, nil
}

// endOffer ends a live offer, with its audit row and a message to everyone on
// its ticket.
func (tx *Tx) endOffer(ctx context.Context, campaign int, o OfferRow, to string, person int64, by Actor, reason string) error {
	if _, err := tx.tx.Exec(ctx, `UPDATE offer SET state = $2, ended_at = jebi_now() WHERE id = $1`, o.ID, to); err != nil {
		return fmt.Errorf("offer %d: %w", o.ID, err)
	}
	rows, err := tx.tx.Query(ctx, `
		SELECT p.id FROM ticket_member m JOIN person p ON p.id = m.person_id AND p.status = 'eligible' WHERE m.cohort_id = $1 AND m.rank = $2 ORDER BY p.id`, o.Cohort, o.Rank)
	people, err := many(rows, err, pgx.RowTo[int64], fmt.Sprintf("offer %d", o.ID))
	if err != nil {
		return err
	}
	if err := tx.TellEach(ctx, Message{
		Campaign: campaign, Event: fmt.Sprintf("offer/%d/%s", o.ID, to), Kind: to, Params: map[string]any{"cohort": o.Cohort, "slot": o.Slot},
	}, people); err != nil {
		return err
	}
	return tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "offer." + map[string]string{"accepted": "accept", "declined": "decline"}[to],
		Subject: subject("person", person), Reason: reason,
		Before: map[string]any{"offer": o.ID, "state": "live"}, After: map[string]any{"offer": o.ID, "state": to, "slot": o.Slot},
	})
}

// AcceptOffer seats the ticket of a person in what it was offered, until the
// deadline: everyone in it who is still eligible, in one transaction.
func (tx *Tx) AcceptOffer(ctx context.Context, id, person int64, by Actor, reason string) (OfferRow, error) {
	o, campaign, now, err := tx.liveOffer(ctx, id, person)
	if err != nil {
		return o, err
	}
	if !now.Before(o.Deadline) {
		return o, &TooLate{"accept", o.Deadline.UTC()}
	}
	if err := tx.endOffer(ctx, campaign, o, "accepted", person, by, reason); err != nil {
		return o, err
	}
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO assignment (campaign_id, cohort_id, person_id, rank, slot_id, second_id, choice, origin, state)
		SELECT $1, o.cohort_id, m.person_id, o.rank, o.slot_id, o.second_id, o.choice, 'offer', 'confirmed'
		  FROM offer o JOIN ticket_member m ON m.cohort_id = o.cohort_id AND m.rank = o.rank
		  JOIN person p ON p.id = m.person_id AND p.status = 'eligible'
		 WHERE o.id = $2 ORDER BY m.person_id`, campaign, o.ID); err != nil {
		return o, fmt.Errorf("offer %d: %w", id, err)
	}
	if _, err := tx.tx.Exec(ctx, `UPDATE waiting SET state = 'seated' WHERE cohort_id = $1 AND rank = $2`, o.Cohort, o.Rank); err != nil {
		return o, fmt.Errorf("offer %d: %w", id, err)
	}
	o.State = "accepted"
	return o, nil
}

// DeclineOffer gives an offer back: its slot is struck off the ticket's list,
// which goes on waiting for others.
func (tx *Tx) DeclineOffer(ctx context.Context, id, person int64, by Actor, reason string) (OfferRow, error) {
	o, campaign, now, err := tx.liveOffer(ctx, id, person)
	if err != nil {
		return o, err
	}
	if !now.Before(o.Deadline) {
		return o, &TooLate{"decline", o.Deadline.UTC()}
	}
	if err := tx.endOffer(ctx, campaign, o, "declined", person, by, reason); err != nil {
		return o, err
	}
	if _, err := tx.tx.Exec(ctx, `INSERT INTO struck (cohort_id, rank, slot_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, o.Cohort, o.Rank, o.Slot); err != nil {
		return o, fmt.Errorf("offer %d: %w", id, err)
	}
	o.State = "declined"
	return o, nil
}

// LeaveWaitlist takes a person's ticket off the waitlist, with any live offer
// of it: because she asks ("asked") or may not be served any more
// ("ineligible", "vaccinated"). A party goes on while others of it are
// eligible, unless she asked for all. It says whether anything changed.
func (tx *Tx) LeaveWaitlist(ctx context.Context, person int64, why string, by Actor, reason string) (bool, error) {
	var cohortID, campaign, rank, others int
	err := tx.tx.QueryRow(ctx, `
		SELECT w.cohort_id, c.campaign_id, w.rank,
		       (SELECT count(*) FROM ticket_member n JOIN person p ON p.id = n.person_id
		         WHERE n.cohort_id = w.cohort_id AND n.rank = w.rank AND n.person_id <> $1 AND p.status = 'eligible')::int
		  FROM ticket_member m JOIN waiting w USING (cohort_id, rank) JOIN cohort c ON c.id = w.cohort_id
		 WHERE m.person_id = $1 AND w.state = 'waiting'`, person).Scan(&cohortID, &campaign, &rank, &others)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("waitlist of person %d: %w", person, err)
	}
	if err := tx.LockShared(ctx, LockOffers, cohortID); err != nil {
		return false, err
	}
	if _, err := tx.tx.Exec(ctx, `SELECT 1 FROM waiting WHERE cohort_id = $1 AND rank = $2 FOR UPDATE`, cohortID, rank); err != nil {
		return false, fmt.Errorf("waitlist of person %d: %w", person, err)
	}
	// An offer was for as many as they were: it is withdrawn, and the next batch looks at those who are left.
	if _, err := tx.tx.Exec(ctx, `UPDATE offer SET state = 'withdrawn', ended_at = jebi_now() WHERE cohort_id = $1 AND rank = $2 AND state = 'live'`, cohortID, rank); err != nil {
		return false, fmt.Errorf("waitlist of person %d: %w", person, err)
	}
	if why == "asked" || others == 0 {
		if _, err := tx.tx.Exec(ctx, `UPDATE waiting SET state = 'off', why = $3 WHERE cohort_id = $1 AND rank = $2 AND state = 'waiting'`, cohortID, rank, why); err != nil {
			return false, fmt.Errorf("waitlist of person %d: %w", person, err)
		}
	}
	return true, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "waitlist.leave", Subject: subject("person", person), Reason: reason,
		After: map[string]any{"rank": rank, "why": why, "others": others},
	})
}

// SettleCohort ends a cohort's waitlist: live offers are withdrawn, who still
// waits is off it. It answers the people who waited in vain.
func (tx *Tx) SettleCohort(ctx context.Context, cohortID int) ([]int64, error) {
	if _, err := tx.tx.Exec(ctx, `UPDATE offer SET state = 'withdrawn', ended_at = jebi_now() WHERE cohort_id = $1 AND state = 'live'`, cohortID); err != nil {
		return nil, fmt.Errorf("settle cohort %d: %w", cohortID, err)
	}
	rows, err := tx.tx.Query(ctx, `
		WITH ended AS (UPDATE waiting SET state = 'off', why = 'settled' WHERE cohort_id = $1 AND state = 'waiting' RETURNING rank)
		SELECT m.person_id FROM ended JOIN ticket_member m ON m.cohort_id = $1 AND m.rank = ended.rank
		  JOIN person p ON p.id = m.person_id AND p.status = 'eligible' ORDER BY m.person_id`, cohortID)
	return many(rows, err, pgx.RowTo[int64], fmt.Sprintf("settle cohort %d", cohortID))
}
