package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// The channels of messages.
const (
	ByEmail = "email"
	BySMS   = "sms"
)

// Channels are the ways by which a person can be told something.
type Channels struct{ Email, SMS bool }

// Channels reads a person's; she has none after a purge.
func (db *DB) Channels(ctx context.Context, person int64) (c Channels, err error) {
	err = db.pool.QueryRow(ctx, `SELECT email IS NOT NULL, phone IS NOT NULL FROM person_detail WHERE person_id = $1`, person).Scan(&c.Email, &c.SMS)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return c, fmt.Errorf("channels of person %d: %w", person, err)
	}
	return c, nil
}

// ErrToldOften says that a person has had enough of a kind of message.
var ErrToldOften = errors.New("sent often enough already")

// TellReceipt queues a message with the receipt number of a revision, on the
// person's own channel. It is sent once a revision and channel; ErrToldOften
// comes where she has had most of them today.
func (db *DB) TellReceipt(ctx context.Context, campaign int, person int64, revision int, channel string, most int) error {
	return db.Tx(ctx, func(tx *Tx) error {
		event := fmt.Sprintf("receipt/%d", revision)
		var today int
		var told bool
		err := tx.tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE created_at > jebi_now() - interval '1 day'), COALESCE(bool_or(event = $4), false)
			  FROM message WHERE person_id = $1 AND campaign_id = $2 AND kind = 'receipt' AND channel = $3`, person, campaign, channel, event).Scan(&today, &told)
		switch {
		case err != nil:
			return fmt.Errorf("receipts of person %d: %w", person, err)
		case told:
			return nil
		case today >= most:
			return ErrToldOften
		}
		return tx.Tell(ctx, Message{Campaign: campaign, Person: person, Event: event, Channel: channel, Kind: "receipt"})
	})
}

// Drum is what a person's ticket is in the drum: how many she has there, and
// the pool that she counts for.
type Drum struct {
	Weight int    // at least 1
	Pool   string // "": none
}

// Drum reads it; pools are the cohort's, by the order in which they count.
func (db *DB) Drum(ctx context.Context, person int64, pools []string) (d Drum, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT p.weight, COALESCE((SELECT x.pool FROM person_detail d, unnest($2::text[]) WITH ORDINALITY AS x (pool, n)
		        WHERE d.person_id = p.id AND x.pool = ANY (d.groups) ORDER BY x.n LIMIT 1), '')
		  FROM person p WHERE p.id = $1`, person, pools).Scan(&d.Weight, &d.Pool)
	if err != nil {
		return d, fmt.Errorf("ticket of person %d: %w", person, err)
	}
	return d, nil
}
