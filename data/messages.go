package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// Lease asks for messages to send.
type Lease struct {
	Campaign   int
	Channel    string
	Limit      int
	For        time.Duration // how long nobody else may take them
	UrgentOnly bool          // quiet hours
	Day        time.Time     // the day of the campaign that text messages are counted on
	DailyCap   int           // text messages a day; 0: no cap. The last tenth is kept for urgent ones
}

// Outgoing is a leased message with all that its text may need, as things
// stand now. It holds personal values: it is never logged.
type Outgoing struct {
	ID       int64
	Key      string // UUID, the same on every attempt
	Channel  string
	Kind     string
	Event    string
	Params   map[string]any
	Urgent   bool
	Attempts int // this one included
	Lease    time.Time

	Name     string
	Address  string // e-mail address or phone; empty: none any more
	Language string
	Status   string // of the person; empty for clinics and officials
	Clinic   string // key, where a clinic is told
	Person   int64  // id, or 0

	Cohort    *CohortRow
	Slot      *MessageSlot // the offer's, the message's, or the one she has
	Assigned  string       // state of her place: "assigned", "confirmed", or ""
	Rank      int          // her ticket's, 0 before the draw
	Waiting   string       // "waiting", "seated", "off", or ""
	Why       string       // why she is off the waitlist
	Offer     string       // state of the offer that is told about, or ""
	Deadline  time.Time    // of that offer
	Revision  int          // of her ballot
	Commit    []byte       // of her ballot
	Withdrawn bool
	Handle    []byte    // hash of the sign-in's handle, for the code
	Expires   time.Time // of that sign-in
	Proxy     string    // name of who answers for her
	Relation  string    // how the two are related
}

// MessageSlot is where and when, for a message.
type MessageSlot struct {
	Clinic  string
	NameEn  string
	Address string
	Phone   string
	Bring   string
	Vaccine string
	Starts  time.Time
	Second  time.Time // of the second dose, at the same clinic; zero: there is none, or it is the one told of
}

// LeaseMessages takes messages that are due: each is taken by one caller until
// the lease ends. Urgent ones come first, then the oldest.
func (db *DB) LeaseMessages(ctx context.Context, l Lease) ([]Outgoing, error) {
	// Looking is cheap, and most looks find nothing.
	var due bool
	err := db.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM message WHERE state = 'queued' AND campaign_id = $1 AND channel = $2 AND (urgent OR NOT $3)
		               AND due_at <= jebi_now() AND (lease_until IS NULL OR lease_until < clock_timestamp()))`,
		l.Campaign, l.Channel, l.UrgentOnly).Scan(&due)
	if err != nil {
		return nil, fmt.Errorf("lease messages: %w", err)
	}
	if !due {
		return nil, nil
	}
	var ids []int64
	err = db.Tx(ctx, func(tx *Tx) (err error) {
		ids, err = tx.lease(ctx, l)
		return err
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return db.outgoing(ctx, ids)
}

// lease marks messages as taken. Where text messages are capped, it counts
// them in the same transaction, which others of the day wait for: so it does
// nothing else.
func (tx *Tx) lease(ctx context.Context, l Lease) ([]int64, error) {
	urgent, others := l.Limit, l.Limit
	capped := l.Channel == "sms" && l.DailyCap > 0
	if capped {
		handed, err := tx.smsHanded(ctx, l)
		if err != nil {
			return nil, err
		}
		urgent = min(l.Limit, l.DailyCap-handed)
		others = min(l.Limit, l.DailyCap-l.DailyCap/10-handed)
	}
	if l.UrgentOnly {
		others = 0
	}
	if urgent <= 0 {
		return nil, nil
	}
	ids, err := tx.leaseIDs(ctx, l, urgent, others)
	if err == nil && capped && len(ids) > 0 {
		err = tx.addHanded(ctx, l, len(ids))
	}
	return ids, err
}

// smsHanded locks the day's count until the transaction ends.
func (tx *Tx) smsHanded(ctx context.Context, l Lease) (int, error) {
	var n int
	err := tx.tx.QueryRow(ctx, `
		INSERT INTO sms_day AS d (campaign_id, day) VALUES ($1, $2)
		ON CONFLICT (campaign_id, day) DO UPDATE SET handed = d.handed RETURNING handed`, l.Campaign, l.Day).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("text messages of the day: %w", err)
	}
	return n, nil
}

func (tx *Tx) addHanded(ctx context.Context, l Lease, n int) error {
	_, err := tx.tx.Exec(ctx, `UPDATE sms_day SET handed = greatest(handed + $3, 0) WHERE campaign_id = $1 AND day = $2`, l.Campaign, l.Day, n)
	if err != nil {
		return fmt.Errorf("text messages of the day: %w", err)
	}
	return nil
}

// leaseIDs marks at most urgent messages as taken, of which at most others are
// not urgent. An attempt counts from here, so that a message which kills the
// program is not tried for ever.
func (tx *Tx) leaseIDs(ctx context.Context, l Lease, urgent, others int) ([]int64, error) {
	const take = `
		UPDATE message m SET lease_until = clock_timestamp() + $4, attempts = m.attempts + 1
		  FROM (SELECT id FROM message
		         WHERE state = 'queued' AND campaign_id = $1 AND channel = $2 AND urgent = $5
		           AND due_at <= jebi_now() AND (lease_until IS NULL OR lease_until < clock_timestamp())
		         ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) due
		 WHERE m.id = due.id RETURNING m.id`
	var ids []int64
	for _, pass := range []struct {
		urgent bool
		limit  int
	}{{true, urgent}, {false, others}} {
		n := min(pass.limit, l.Limit-len(ids))
		if n <= 0 {
			continue
		}
		rows, err := tx.tx.Query(ctx, take, l.Campaign, l.Channel, n, l.For, pass.urgent)
		some, err := many(rows, err, pgx.RowTo[int64], "lease messages")
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
	}
	return ids, nil
}

// outgoing reads what leased messages need. What most of them do without is
// read only for those that need it: one statement over everything takes longer
// to plan than to run.
func (db *DB) outgoing(ctx context.Context, ids []int64) ([]Outgoing, error) {
	var out []Outgoing
	err := db.ReadTx(ctx, func(tx *Tx) error {
		rows, err := tx.tx.Query(ctx, selectOutgoing, ids)
		if out, err = many(rows, err, scanOutgoing, "leased messages"); err != nil {
			return err
		}
		byID := make(map[int64]*Outgoing, len(out))
		var places, ballots, codes, proxies []int64
		for i := range out {
			o := &out[i]
			byID[o.ID] = o
			switch o.Kind {
			case "announce", "official", "window_changed", "corrected", "list_late", "party_joined", "party_left":
			case "receipt", "withdrawn", "answer_reminder", "entered_saved", "entered_withdrawn":
				ballots = append(ballots, o.ID)
			case "proxy_begun":
				proxies = append(proxies, o.ID)
			case "proxy_saved", "proxy_withdrawn":
				ballots, proxies = append(ballots, o.ID), append(proxies, o.ID)
			case "code", "proxy_code":
				codes = append(codes, o.ID)
			default:
				places = append(places, o.ID)
			}
		}
		for _, more := range []struct {
			ids  []int64
			sql  string
			scan func(pgx.Rows, map[int64]*Outgoing) error
		}{{places, selectOutgoingPlace, scanOutgoingPlace}, {ballots, selectOutgoingBallot, scanOutgoingBallot}, {codes, selectOutgoingCode, scanOutgoingCode}, {proxies, selectOutgoingProxy, scanOutgoingProxy}} {
			if len(more.ids) == 0 {
				continue
			}
			rows, err := tx.tx.Query(ctx, more.sql, more.ids)
			if err != nil {
				return fmt.Errorf("leased messages: %w", err)
			}
			for rows.Next() {
				if err := more.scan(rows, byID); err != nil {
					rows.Close()
					return fmt.Errorf("leased messages: %w", err)
				}
			}
			if err := rows.Err(); err != nil {
				return fmt.Errorf("leased messages: %w", err)
			}
		}
		return nil
	})
	return out, err
}

const selectOutgoing = `
	SELECT m.id, m.message_key::text, m.channel, m.kind, m.event, m.params, m.urgent, m.attempts, m.lease_until,
	       COALESCE(d.name, rc.name, x.name, ''), COALESCE(CASE m.channel WHEN 'email' THEN COALESCE(d.email, rc.email) ELSE COALESCE(d.phone, rc.phone, x.phone) END, ''),
	       COALESCE(d.language, x.language, ''), COALESCE(p.status, ''), COALESCE(rc.key, ''), COALESCE(m.person_id, 0),
	       co.id, co.campaign_id, co.key, co.ordinal, co.state, co.opens_at, co.closes_at, co.draw_at, co.publish_at, co.confirm_by, co.settle_at, co.paused_at, co.state_at
	  FROM message m
	  LEFT JOIN person p ON p.id = m.person_id
	  LEFT JOIN person_detail d ON d.person_id = p.id
	  LEFT JOIN proxy x ON x.id = CASE WHEN m.recipient LIKE 'proxy:%' THEN substr(m.recipient, 7)::bigint END
	  LEFT JOIN clinic rc ON m.person_id IS NULL AND rc.campaign_id = m.campaign_id AND m.recipient = 'clinic:' || rc.key
	  LEFT JOIN cohort co ON co.id = COALESCE((m.params ->> 'cohort')::int, p.cohort_id)
	 WHERE m.id = ANY ($1) ORDER BY m.urgent DESC, m.due_at, m.id`

func scanOutgoing(row pgx.CollectableRow) (Outgoing, error) {
	var o Outgoing
	var c struct {
		id, campaign, ordinal                             *int
		key, state                                        *string
		opens, closes, draw, publish, confirm, settle, at *time.Time
		paused                                            *time.Time
	}
	err := row.Scan(&o.ID, &o.Key, &o.Channel, &o.Kind, &o.Event, &o.Params, &o.Urgent, &o.Attempts, &o.Lease,
		&o.Name, &o.Address, &o.Language, &o.Status, &o.Clinic, &o.Person,
		&c.id, &c.campaign, &c.key, &c.ordinal, &c.state, &c.opens, &c.closes, &c.draw, &c.publish, &c.confirm, &c.settle, &c.paused, &c.at)
	if err != nil {
		return o, err
	}
	if c.id != nil {
		o.Cohort = &CohortRow{
			ID: *c.id, Campaign: *c.campaign, Key: *c.key, Ordinal: *c.ordinal, State: cohort.State(*c.state),
			Opens: c.opens.UTC(), Closes: c.closes.UTC(), DrawAt: c.draw.UTC(), PublishAt: c.publish.UTC(),
			ConfirmBy: c.confirm.UTC(), SettleAt: c.settle.UTC(), PausedAt: c.paused, StateAt: c.at.UTC(),
		}
	}
	return o, nil
}

const selectOutgoingPlace = `
	SELECT m.id, s.starts_at, z.starts_at, c.name, c.name_en, c.address, c.phone, c.bring, s.vaccine,
	       COALESCE(a.state, ''), COALESCE(l.rank, t.rank, 0), COALESCE(w.state, ''), COALESCE(w.why, ''), COALESCE(o.state, ''), o.deadline
	  FROM message m
	  LEFT JOIN person p ON p.id = m.person_id
	  LEFT JOIN offer o ON o.id = (m.params ->> 'offer')::bigint
	  LEFT JOIN assignment a ON a.campaign_id = m.campaign_id AND a.person_id = m.person_id AND a.state IN ('assigned', 'confirmed')
	  LEFT JOIN ticket_member t ON t.cohort_id = COALESCE((m.params ->> 'cohort')::int, p.cohort_id) AND t.person_id = m.person_id
	  LEFT JOIN waiting w ON w.cohort_id = t.cohort_id AND w.rank = t.rank
	  LEFT JOIN left_out l ON l.cohort_id = t.cohort_id AND l.ticket = t.rank
	  LEFT JOIN slot s ON s.id = CASE WHEN m.params ->> 'dose' = '2' THEN a.second_id ELSE COALESCE((m.params ->> 'slot')::bigint, o.slot_id, a.slot_id) END
	  LEFT JOIN slot z ON z.id = CASE s.id WHEN o.slot_id THEN o.second_id WHEN a.slot_id THEN a.second_id END
	  LEFT JOIN clinic c ON c.id = s.clinic_id
	 WHERE m.id = ANY ($1)`

func scanOutgoingPlace(rows pgx.Rows, byID map[int64]*Outgoing) error {
	var x Outgoing
	var starts, second, deadline *time.Time
	var clinic, nameEn, address, phone, bring, vaccine *string
	err := rows.Scan(&x.ID, &starts, &second, &clinic, &nameEn, &address, &phone, &bring, &vaccine, &x.Assigned, &x.Rank, &x.Waiting, &x.Why, &x.Offer, &deadline)
	if err != nil {
		return err
	}
	o := byID[x.ID]
	o.Assigned, o.Rank, o.Waiting, o.Why, o.Offer = x.Assigned, x.Rank, x.Waiting, x.Why, x.Offer
	if starts != nil {
		o.Slot = &MessageSlot{*clinic, *nameEn, *address, *phone, *bring, *vaccine, starts.UTC(), time.Time{}}
		if second != nil {
			o.Slot.Second = second.UTC()
		}
	}
	if deadline != nil {
		o.Deadline = deadline.UTC()
	}
	return nil
}

const selectOutgoingBallot = `
	SELECT m.id, b.revision, b.commit, b.withdrawn
	  FROM message m JOIN ballot b ON b.campaign_id = m.campaign_id AND b.person_id = m.person_id
	 WHERE m.id = ANY ($1)`

func scanOutgoingBallot(rows pgx.Rows, byID map[int64]*Outgoing) error {
	var x Outgoing
	err := rows.Scan(&x.ID, &x.Revision, &x.Commit, &x.Withdrawn)
	if err == nil {
		o := byID[x.ID]
		o.Revision, o.Commit, o.Withdrawn = x.Revision, x.Commit, x.Withdrawn
	}
	return err
}

const selectOutgoingCode = `
	SELECT m.id, s.handle_hash, s.expires_at FROM message m JOIN sign_in s ON s.id = (m.params ->> 'sign_in')::bigint WHERE m.id = ANY ($1)`

func scanOutgoingCode(rows pgx.Rows, byID map[int64]*Outgoing) error {
	var x Outgoing
	err := rows.Scan(&x.ID, &x.Handle, &x.Expires)
	if err == nil {
		o := byID[x.ID]
		o.Handle, o.Expires = x.Handle, x.Expires.UTC()
	}
	return err
}

const selectOutgoingProxy = `
	SELECT m.id, x.name, x.relation FROM message m JOIN session s ON s.id = (m.params ->> 'session')::bigint JOIN proxy x ON x.id = s.proxy_id
	 WHERE m.id = ANY ($1)`

func scanOutgoingProxy(rows pgx.Rows, byID map[int64]*Outgoing) error {
	var x Outgoing
	err := rows.Scan(&x.ID, &x.Proxy, &x.Relation)
	if err == nil {
		o := byID[x.ID]
		o.Proxy, o.Relation = x.Proxy, x.Relation
	}
	return err
}

// Outcome is what became of an attempt.
type Outcome string

// The outcomes of an attempt.
const (
	Sent        Outcome = "sent"
	Undelivered Outcome = "undelivered" // given up
	Cancelled   Outcome = "cancelled"   // what it told about is no longer so
	Again       Outcome = "again"       // it failed, and is tried again after a while
	Untried     Outcome = "untried"     // the relay is away: no attempt of this message
)

// Attempt is the end of a lease.
type Attempt struct {
	ID      int64
	Lease   time.Time // as leased: who lost the lease meanwhile may only say that it was sent
	Outcome Outcome
	Error   string        // a code
	After   time.Duration // for Again and Untried
}

// EndAttempts writes what became of leased messages. day and campaign are
// those of the lease; text messages that the gateway did not take are given
// back to the day's cap.
func (db *DB) EndAttempts(ctx context.Context, l Lease, as []Attempt) error {
	ids, leases := make([]int64, len(as)), make([]time.Time, len(as))
	outcomes, codes, after := make([]string, len(as)), make([]string, len(as)), make([]time.Duration, len(as))
	untaken := 0
	for i, a := range as {
		ids[i], leases[i], outcomes[i], codes[i], after[i] = a.ID, a.Lease, string(a.Outcome), a.Error, a.After
		if a.Outcome != Sent {
			untaken++
		}
	}
	return db.Tx(ctx, func(tx *Tx) error {
		_, err := tx.tx.Exec(ctx, `
			UPDATE message m
			   SET state = CASE WHEN x.outcome IN ('again', 'untried') THEN 'queued' ELSE x.outcome END,
			       ended_at = CASE WHEN x.outcome IN ('again', 'untried') THEN NULL ELSE jebi_now() END,
			       due_at = CASE WHEN x.outcome IN ('again', 'untried') THEN jebi_now() + x.after ELSE m.due_at END,
			       attempts = m.attempts - CASE WHEN x.outcome = 'untried' THEN 1 ELSE 0 END,
			       lease_until = NULL, last_error = x.code
			  FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::interval[]) x (id, lease, outcome, code, after)
			 WHERE m.id = x.id AND m.state = 'queued' AND (m.lease_until = x.lease OR x.outcome = 'sent')`,
			ids, leases, outcomes, codes, after)
		if err != nil {
			return fmt.Errorf("end of attempts: %w", err)
		}
		if l.Channel == "sms" && l.DailyCap > 0 && untaken > 0 {
			return tx.addHanded(ctx, l, -untaken)
		}
		return nil
	})
}

// MessageCount is a line of the messages' state.
type MessageCount struct {
	Kind    string     `json:"kind"`
	Channel string     `json:"channel"`
	State   string     `json:"state"`
	Error   string     `json:"error,omitempty"` // code of the last failure
	Count   int        `json:"count"`
	Oldest  *time.Time `json:"oldest_due,omitempty"` // of queued ones
}

// MessageCounts says how many messages of a campaign are in which state.
func (db *DB) MessageCounts(ctx context.Context, campaign int) ([]MessageCount, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT kind, channel, state, last_error, count(*), min(due_at) FILTER (WHERE state = 'queued')
		  FROM message WHERE campaign_id = $1
		 GROUP BY kind, channel, state, last_error ORDER BY kind, channel, state, last_error`, campaign)
	return many(rows, err, func(row pgx.CollectableRow) (MessageCount, error) {
		var c MessageCount
		err := row.Scan(&c.Kind, &c.Channel, &c.State, &c.Error, &c.Count, &c.Oldest)
		return c, err
	}, "messages")
}

// DueMessages counts the messages that could be sent now, leased ones included.
func (db *DB) DueMessages(ctx context.Context, campaign int) (int, error) {
	var n int
	err := db.pool.QueryRow(ctx, `SELECT count(*) FROM message WHERE campaign_id = $1 AND state = 'queued' AND due_at <= jebi_now()`, campaign).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("messages: %w", err)
	}
	return n, nil
}

// MessageFilter picks messages; empty fields pick all.
type MessageFilter struct {
	ID      int64
	Kind    string
	Channel string
	Event   string
}

const filterMessages = `campaign_id = $1 AND ($2::bigint = 0 OR id = $2) AND ($3 = '' OR kind = $3) AND ($4 = '' OR channel = $4) AND ($5 = '' OR event = $5)`

// RetryMessages queues undelivered messages again, with all their attempts,
// and answers how many.
func (tx *Tx) RetryMessages(ctx context.Context, campaign int, f MessageFilter, actor Actor, reason string) (int, error) {
	tag, err := tx.tx.Exec(ctx, `
		UPDATE message SET state = 'queued', ended_at = NULL, attempts = 0, lease_until = NULL, due_at = jebi_now()
		 WHERE state = 'undelivered' AND `+filterMessages, campaign, f.ID, f.Kind, f.Channel, f.Event)
	if err != nil {
		return 0, fmt.Errorf("retry messages: %w", err)
	}
	return int(tag.RowsAffected()), tx.auditMessages(ctx, campaign, "message.retry", f, actor, reason, int(tag.RowsAffected()))
}

// CancelMessages calls queued messages off and answers how many. One that is
// just being sent may go out all the same.
func (tx *Tx) CancelMessages(ctx context.Context, campaign int, f MessageFilter, actor Actor, reason string) (int, error) {
	tag, err := tx.tx.Exec(ctx, `
		UPDATE message SET state = 'cancelled', ended_at = jebi_now(), lease_until = NULL, last_error = 'called off'
		 WHERE state = 'queued' AND `+filterMessages, campaign, f.ID, f.Kind, f.Channel, f.Event)
	if err != nil {
		return 0, fmt.Errorf("cancel messages: %w", err)
	}
	return int(tag.RowsAffected()), tx.auditMessages(ctx, campaign, "message.cancel", f, actor, reason, int(tag.RowsAffected()))
}

func (tx *Tx) auditMessages(ctx context.Context, campaign int, act string, f MessageFilter, actor Actor, reason string, n int) error {
	if n == 0 {
		return nil
	}
	return tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: actor, Act: act, Subject: fmt.Sprintf("campaign:%d", campaign), Reason: reason,
		After: map[string]any{"id": f.ID, "kind": f.Kind, "channel": f.Channel, "event": f.Event, "messages": n},
	})
}

// CountMessages says how many messages in the state the filter picks.
func (db *DB) CountMessages(ctx context.Context, campaign int, f MessageFilter, state string) (int, error) {
	var n int
	err := db.pool.QueryRow(ctx, `SELECT count(*) FROM message WHERE state = $6 AND `+filterMessages,
		campaign, f.ID, f.Kind, f.Channel, f.Event, state).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("messages: %w", err)
	}
	return n, nil
}
