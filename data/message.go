package data

import (
	"context"
	"fmt"
	"time"
)

// Message is one thing to tell one person by one channel. It holds ids and
// codes; address and text are made when it is sent.
type Message struct {
	Campaign  int
	Person    int64     // id, or 0
	Recipient string    // "clinic:KEY" or "officials" where Person is 0
	Event     string    // "result/3": once an event, recipient and channel
	Channel   string    // "email" or "sms"
	Kind      string    // key of the texts in cohort/words
	Params    any       // marshalled as JSON; nil for none
	Urgent    bool      // goes at night too
	DueAt     time.Time // zero: now
}

// Tell queues messages in this transaction. One that is queued already, for
// the same event, recipient and channel, stays as it is.
func (tx *Tx) Tell(ctx context.Context, ms ...Message) error {
	for _, m := range ms {
		params, err := jsonOrNull(m.Params)
		if err != nil {
			return err
		}
		if params == nil {
			params = []byte("{}")
		}
		var due *time.Time
		if !m.DueAt.IsZero() {
			due = &m.DueAt
		}
		_, err = tx.tx.Exec(ctx, `
			INSERT INTO message (campaign_id, person_id, recipient, event, channel, kind, params, urgent, due_at)
			VALUES ($1, NULLIF($2::bigint, 0), $3, $4, $5, $6, $7, $8, COALESCE($9, jebi_now()))
			ON CONFLICT DO NOTHING`,
			m.Campaign, m.Person, m.Recipient, m.Event, m.Channel, m.Kind, params, m.Urgent, due)
		if err != nil {
			return fmt.Errorf("message %s: %w", m.Event, err)
		}
	}
	return nil
}

// TellEach queues one message to each of the people, by every channel that
// she can be reached on (email where there is an address, sms where there is a
// phone), in one statement. For results and announcements to many.
func (tx *Tx) TellEach(ctx context.Context, m Message, people []int64) error {
	params, err := jsonOrNull(m.Params)
	if err != nil {
		return err
	}
	if params == nil {
		params = []byte("{}")
	}
	var due *time.Time
	if !m.DueAt.IsZero() {
		due = &m.DueAt
	}
	_, err = tx.tx.Exec(ctx, `
		INSERT INTO message (campaign_id, person_id, event, channel, kind, params, urgent, due_at)
		SELECT $1, d.person_id, $2, c.channel, $3, $4, $5, COALESCE($6, jebi_now())
		  FROM unnest($7::bigint[]) p (id)
		  JOIN person_detail d ON d.person_id = p.id
		  JOIN LATERAL (VALUES ('email', d.email), ('sms', d.phone)) c (channel, address) ON c.address IS NOT NULL
		ON CONFLICT DO NOTHING`,
		m.Campaign, m.Event, m.Kind, params, m.Urgent, due, people)
	if err != nil {
		return fmt.Errorf("message %s: %w", m.Event, err)
	}
	return nil
}
