package data

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// CodeRequest is someone's wish for a one-time code. The hashes are keyed:
// nobody reads a phone number or a network address from them.
type CodeRequest struct {
	Campaign  int
	Handle    [32]byte // hash of the browser's half
	CodeHash  [32]byte
	Way       string // "sms" or "email"
	Phone     string // E.164; "" where none was understood
	BirthDate string // "1964-05-17"; "" where none was understood
	PhoneHash [32]byte
	Address   [32]byte      // of the network address
	Lasts     time.Duration // of the code
}

// CodeCaps bound how many codes are given out; 0 is no bound.
type CodeCaps struct {
	PhoneHour, PhoneDay     int // for one phone
	AddressHour, AddressDay int // for one network address
}

// TooManyCodes says which cap was reached: "phone", "address" or "money" for
// codes that are sent, "tries", "person" or "campaign" for attempts. It is the
// same for people on the list and others.
type TooManyCodes struct{ Cap string }

func (e *TooManyCodes) Error() string { return "too many codes for one " + e.Cap }

// CodeAsked tells what was done; nothing of it may be shown to the asker.
type CodeAsked struct {
	ID     int64
	Person int64 // 0: nobody matched, and no message was queued
	Now    time.Time
}

const lockPhone LockKind = 7 // 32 bits of the phone's hash: two requests for one phone count each other

// AskCode notes that a code was asked for and queues the message that brings
// it, if there is exactly one person on the list with this phone and birth
// date whose name sameName accepts. Who is on the list of another campaign of
// this database only gets a code as well, to be told so. Whether there is
// anyone or not, the same statements run. A cap that is reached is a
// *TooManyCodes, and nothing is noted.
func (db *DB) AskCode(ctx context.Context, r CodeRequest, caps CodeCaps, sameName func(string) bool) (CodeAsked, error) {
	var asked CodeAsked
	err := db.Tx(ctx, func(tx *Tx) error {
		asked = CodeAsked{}
		var b pgx.Batch
		b.Queue(`SELECT pg_advisory_xact_lock($1, $2)`, int32(lockPhone), int32(binary.BigEndian.Uint32(r.PhoneHash[:4])))
		b.Queue(`
			SELECT (SELECT count(*) FROM sign_in WHERE phone_hash = $1 AND created_at > jebi_now() - interval '1 hour'),
			       (SELECT count(*) FROM sign_in WHERE phone_hash = $1 AND created_at > jebi_now() - interval '1 day'),
			       (SELECT count(*) FROM sign_in WHERE address_hash = $2 AND created_at > jebi_now() - interval '1 hour'),
			       (SELECT count(*) FROM sign_in WHERE address_hash = $2 AND created_at > jebi_now() - interval '1 day'),
			       jebi_now()`, r.PhoneHash[:], r.Address[:])
		b.Queue(`
			SELECT p.id, d.name, p.campaign_id = $3 FROM person_detail d JOIN person p ON p.id = d.person_id
			 WHERE d.phone = $1 AND d.birth_date = NULLIF($2, '')::date AND p.status <> 'dead'
			 ORDER BY p.campaign_id = $3 DESC, p.id LIMIT 16`, r.Phone, r.BirthDate, r.Campaign)
		res := tx.tx.SendBatch(ctx, &b)
		defer res.Close()
		if _, err := res.Exec(); err != nil {
			return fmt.Errorf("ask for a code: %w", err)
		}
		var phoneHour, phoneDay, addressHour, addressDay int
		if err := res.QueryRow().Scan(&phoneHour, &phoneDay, &addressHour, &addressDay, &asked.Now); err != nil {
			return fmt.Errorf("ask for a code: %w", err)
		}
		rows, err := res.Query()
		type candidate struct {
			Person int64
			Name   string
			Here   bool // on this campaign's list
		}
		found, err := many(rows, err, pgx.RowToStructByPos[candidate], "ask for a code")
		if err != nil {
			return err
		}
		if err := res.Close(); err != nil {
			return fmt.Errorf("ask for a code: %w", err)
		}
		switch {
		case caps.PhoneHour > 0 && phoneHour >= caps.PhoneHour, caps.PhoneDay > 0 && phoneDay >= caps.PhoneDay:
			return &TooManyCodes{"phone"}
		case caps.AddressHour > 0 && addressHour >= caps.AddressHour, caps.AddressDay > 0 && addressDay >= caps.AddressDay:
			return &TooManyCodes{"address"}
		}
		here, alike := false, false
		for _, c := range found {
			switch {
			case !sameName(c.Name) || here && !c.Here:
			case asked.Person != 0:
				alike = true // two people alike: neither gets in this way
			default:
				asked.Person, here = c.Person, c.Here
			}
		}
		if alike {
			asked.Person = 0
		}
		err = tx.tx.QueryRow(ctx, `
			WITH asked AS (
			  INSERT INTO sign_in (campaign_id, handle_hash, person_id, way, code_hash, phone_hash, address_hash, expires_at)
			  VALUES ($1, $2, NULLIF($3::bigint, 0), $4, $5, $6, $7, jebi_now() + $8::interval) RETURNING id, person_id
			), told AS (
			  INSERT INTO message (campaign_id, person_id, event, channel, kind, params, urgent)
			  SELECT $1, a.person_id, 'code/' || a.id, $4, 'code', jsonb_build_object('sign_in', a.id), true
			    FROM asked a JOIN person_detail d ON d.person_id = a.person_id
			   WHERE CASE $4 WHEN 'email' THEN d.email IS NOT NULL ELSE d.phone IS NOT NULL END
			)
			SELECT id FROM asked`,
			r.Campaign, r.Handle[:], asked.Person, r.Way, r.CodeHash[:], r.PhoneHash[:], r.Address[:], r.Lasts).Scan(&asked.ID)
		if err != nil {
			return fmt.Errorf("ask for a code: %w", err)
		}
		return nil
	})
	return asked, err
}

// ErrCodeOver says that a sign-in has expired, was used, or has no attempt left.
var ErrCodeOver = errors.New("this code is over")

// WrongCode says that the code was another, and how many attempts are left.
type WrongCode struct{ Left int }

func (e *WrongCode) Error() string { return fmt.Sprintf("wrong code, %d attempts left", e.Left) }

// UseCode consumes one attempt of a sign-in and, if same finds the code right,
// begins a session under the token's hash, all in one transaction: an attempt
// counts even if the program dies at once. same compares in constant time. The
// error is ErrCodeOver, *WrongCode, or the database's.
func (db *DB) UseCode(ctx context.Context, handle [32]byte, same func(codeHash []byte) bool, token [32]byte, idle time.Duration) (session int64, err error) {
	var wrong error
	err = db.Tx(ctx, func(tx *Tx) error {
		session, wrong = 0, nil
		var id, person int64
		var campaign, left int
		var way string
		var hash []byte
		err := tx.tx.QueryRow(ctx, `
			UPDATE sign_in SET attempts = attempts + 1
			 WHERE handle_hash = $1 AND way IN ('sms', 'email') AND proxy_id IS NULL AND attempts < 5 AND used_at IS NULL AND expires_at > jebi_now()
			RETURNING id, campaign_id, COALESCE(person_id, 0), way, code_hash, 5 - attempts`, handle[:]).
			Scan(&id, &campaign, &person, &way, &hash, &left)
		if errors.Is(err, pgx.ErrNoRows) {
			wrong = ErrCodeOver
			return nil
		}
		if err != nil {
			return fmt.Errorf("use a code: %w", err)
		}
		if !same(hash) || person == 0 {
			wrong = &WrongCode{left}
			return nil
		}
		if _, err := tx.tx.Exec(ctx, `UPDATE sign_in SET used_at = jebi_now() WHERE id = $1`, id); err != nil {
			return fmt.Errorf("use a code: %w", err)
		}
		session, err = tx.beginVisit(ctx, campaign, person, id, way, token, idle)
		return err
	})
	if err == nil {
		err = wrong
	}
	return session, err
}

// CodeTries counts, in a campaign's last ten minutes, the attempts at codes
// and links, and those that failed.
func (db *DB) CodeTries(ctx context.Context, campaign int) (tries, failures int, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT COALESCE(sum(n), 0), COALESCE(sum(bad), 0) FROM (
		  SELECT sum(attempts) AS n, sum(attempts) - count(used_at) AS bad
		    FROM sign_in WHERE campaign_id = $1 AND way IN ('sms', 'email') AND created_at > jebi_now() - interval '10 minutes'
		   UNION ALL
		  SELECT count(*), count(*) FILTER (WHERE failed) FROM entry_try WHERE campaign_id = $1 AND at > jebi_now() - interval '10 minutes') x`, campaign).Scan(&tries, &failures)
	if err != nil {
		return 0, 0, fmt.Errorf("attempts at codes: %w", err)
	}
	return tries, failures, nil
}

// Alarm tells the officials that codes are being guessed, once an hour of the
// database's clock however many servers notice it. It answers whether this
// call told them.
func (db *DB) Alarm(ctx context.Context, campaign, tries, failures int) (bool, error) {
	tag, err := db.pool.Exec(ctx, `
		INSERT INTO message (campaign_id, recipient, event, channel, kind, params, urgent)
		SELECT $1, 'officials', 'guessing/' || to_char(jebi_now() AT TIME ZONE 'UTC', 'YYYY-MM-DD-HH24'), 'email', 'official',
		       jsonb_build_object('about', 'guessing', 'attempts', $2::int, 'failures', $3::int), true
		ON CONFLICT DO NOTHING`, campaign, tries, failures)
	if err != nil {
		return false, fmt.Errorf("alarm: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// AskedRow is what became of a wish for a code, for who asks by telephone why
// none came. It holds nothing of what was typed.
type AskedRow struct {
	ID       int64
	At       time.Time
	Way      string
	Person   string // key, where the three things were those of one person
	Attempts int
	Used     bool
	Over     bool   // expired
	Message  string // state of the message with the code: "queued", "sent" …; "" where none was written
	Error    string // code of its last failure
}

// Asked finds a wish for a code by its number. The error wraps ErrNotFound.
func (db *DB) Asked(ctx context.Context, campaign int, id int64) (AskedRow, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT s.id, s.created_at, s.way, COALESCE(p.key, ''), s.attempts, s.used_at IS NOT NULL, s.expires_at <= jebi_now(), COALESCE(m.state, ''), COALESCE(m.last_error, '')
		  FROM sign_in s LEFT JOIN person p ON p.id = s.person_id LEFT JOIN message m ON m.campaign_id = s.campaign_id AND m.event = 'code/' || s.id
		 WHERE s.campaign_id = $1 AND s.id = $2 AND s.way IN ('sms', 'email')`, campaign, id)
	return one(rows, err, pgx.RowToStructByPos[AskedRow], "sign-in")
}

// AskedID is the number of the wish for a code behind a browser's handle. The
// error wraps ErrNotFound.
func (db *DB) AskedID(ctx context.Context, handle [32]byte) (int64, error) {
	rows, err := db.pool.Query(ctx, `SELECT id FROM sign_in WHERE handle_hash = $1`, handle[:])
	return one(rows, err, pgx.RowTo[int64], "sign-in")
}

// TextsSince counts the codes that were sent as text messages since a moment.
func (db *DB) TextsSince(ctx context.Context, campaign int, since time.Time) (int, error) {
	var n int
	err := db.pool.QueryRow(ctx, `
		SELECT count(*) FROM sign_in WHERE campaign_id = $1 AND created_at >= $2 AND way = 'sms' AND (person_id IS NOT NULL OR proxy_id IS NOT NULL)`, campaign, since).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("text messages with codes: %w", err)
	}
	return n, nil
}
