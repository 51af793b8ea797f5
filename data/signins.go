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
	PhoneHour, PhoneDay int // for one phone
	AddressHour         int // for one network address
}

// TooManyCodes says which cap was reached. It is the same for people on the
// list and others.
type TooManyCodes struct{ Cap string } // "phone" or "address"

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
// date whose name sameName accepts. Whether there is one or not, the same
// statements run. A cap that is reached is a *TooManyCodes, and nothing is
// noted.
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
			       jebi_now()`, r.PhoneHash[:], r.Address[:])
		b.Queue(`
			SELECT p.id, d.name FROM person_detail d JOIN person p ON p.id = d.person_id
			 WHERE d.phone = $1 AND d.birth_date = NULLIF($2, '')::date AND p.campaign_id = $3 AND p.status NOT IN ('dead', 'removed')
			 ORDER BY p.id LIMIT 8`, r.Phone, r.BirthDate, r.Campaign)
		res := tx.tx.SendBatch(ctx, &b)
		defer res.Close()
		if _, err := res.Exec(); err != nil {
			return fmt.Errorf("ask for a code: %w", err)
		}
		var phoneHour, phoneDay, addressHour int
		if err := res.QueryRow().Scan(&phoneHour, &phoneDay, &addressHour, &asked.Now); err != nil {
			return fmt.Errorf("ask for a code: %w", err)
		}
		rows, err := res.Query()
		type candidate struct {
			Person int64
			Name   string
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
		case caps.AddressHour > 0 && addressHour >= caps.AddressHour:
			return &TooManyCodes{"address"}
		}
		for _, c := range found {
			if !sameName(c.Name) {
				continue
			}
			if asked.Person != 0 {
				asked.Person = 0 // two people alike: neither gets in this way
				break
			}
			asked.Person = c.Person
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
			 WHERE handle_hash = $1 AND attempts < 5 AND used_at IS NULL AND expires_at > jebi_now()
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
// and those that did not end in a session.
func (db *DB) CodeTries(ctx context.Context, campaign int) (tries, failures int, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT COALESCE(sum(attempts), 0), COALESCE(sum(attempts), 0) - count(used_at)
		  FROM sign_in WHERE campaign_id = $1 AND created_at > jebi_now() - interval '10 minutes'`, campaign).Scan(&tries, &failures)
	if err != nil {
		return 0, 0, fmt.Errorf("attempts at codes: %w", err)
	}
	return tries, failures, nil
}

// TextsSince counts the codes that were sent as text messages since a moment.
func (db *DB) TextsSince(ctx context.Context, campaign int, since time.Time) (int, error) {
	var n int
	err := db.pool.QueryRow(ctx, `
		SELECT count(*) FROM sign_in WHERE campaign_id = $1 AND created_at >= $2 AND way = 'sms' AND person_id IS NOT NULL`, campaign, since).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("text messages with codes: %w", err)
	}
	return n, nil
}
