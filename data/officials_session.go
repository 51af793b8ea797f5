package data

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SessionLength is how long an official stays signed in.
const SessionLength = 8 * time.Hour

// How many wrong passwords lock an official's sign-in, and for how long.
const (
	maxFailures = 5
	lockLength  = 15 * time.Minute
)

// ErrSignIn says that name and password, or the key, are not an official's. It
// does not say which.
var ErrSignIn = errors.New("name or password is wrong, or the official is disabled")

// ErrSignInLocked says that an official's sign-in rests after too many wrong
// passwords.
var ErrSignInLocked = fmt.Errorf("sign-in is locked for %v after %d wrong passwords", lockLength, maxFailures)

// SignIn checks a name and a password and begins a session, whose token the
// caller has drawn at random (32 bytes) and of which the hash alone is stored.
// The attempt is counted before the password is looked at.
func (db *DB) SignIn(ctx context.Context, name, password string, token []byte) (Official, error) {
	var id int
	var hash string
	locked := false
	err := db.Tx(ctx, func(tx *Tx) error {
		id, hash, locked = 0, noOnesHash, false
		err := tx.tx.QueryRow(ctx, `
			SELECT id, COALESCE(secret_hash, ''), locked_until IS NOT NULL AND locked_until > jebi_now()
			  FROM official WHERE name = $1 AND disabled_at IS NULL FOR UPDATE`, name).Scan(&id, &hash, &locked)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil || locked {
			return err
		}
		// After a lock has run out one more wrong password locks again.
		_, err = tx.tx.Exec(ctx, `
			UPDATE official SET failures = LEAST(failures + 1, $2::int),
			       locked_until = CASE WHEN failures + 1 >= $2 THEN jebi_now() + $3::interval END
			 WHERE id = $1`, id, maxFailures, lockLength)
		return err
	})
	if err != nil {
		return Official{}, fmt.Errorf("sign in: %w", err)
	}
	if locked {
		return Official{}, ErrSignInLocked
	}
	fits := false
	if hash != "" {
		if fits, err = passwordFits(password, hash); err != nil {
			return Official{}, fmt.Errorf("sign in: %w", err)
		}
	}
	if id == 0 {
		return Official{}, ErrSignIn
	}
	if !fits {
		err := db.Tx(ctx, func(tx *Tx) error {
			return tx.Audit(ctx, AuditRow{Actor: System, Act: "official.sign_in_failed", Subject: fmt.Sprintf("official:%d", id)})
		})
		return Official{}, errors.Join(ErrSignIn, err)
	}
	var o Official
	err = db.Tx(ctx, func(tx *Tx) error {
		if _, err := tx.tx.Exec(ctx, `UPDATE official SET failures = 0, locked_until = NULL WHERE id = $1`, id); err != nil {
			return err
		}
		o, err = tx.beginOfficialSession(ctx, id, token, "password")
		return err
	})
	if err != nil {
		return Official{}, fmt.Errorf("sign in: %w", err)
	}
	return o, nil
}

// SignInByKey begins a session for the official whose Ed25519 public key this
// is; the caller has seen the private half.
func (db *DB) SignInByKey(ctx context.Context, public, token []byte) (Official, error) {
	o, err := db.OfficialByKey(ctx, public)
	if err != nil {
		return o, err
	}
	err = db.Tx(ctx, func(tx *Tx) error {
		o, err = tx.beginOfficialSession(ctx, o.ID, token, "key")
		return err
	})
	return o, err
}

// OfficialByKey finds the enabled official whose public key this is. The error
// is ErrSignIn where there is none.
func (db *DB) OfficialByKey(ctx context.Context, public []byte) (Official, error) {
	rows, err := db.pool.Query(ctx, selectOfficial+` WHERE public_key = $1 AND disabled_at IS NULL`, public)
	o, err := one(rows, err, scanOfficial, "official by key")
	if errors.Is(err, ErrNotFound) {
		return o, ErrSignIn
	}
	return o, err
}

func (tx *Tx) beginOfficialSession(ctx context.Context, id int, token []byte, way string) (Official, error) {
	if len(token) != 32 {
		return Official{}, errors.New("a session's token has 32 bytes")
	}
	h := sha256.Sum256(token)
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO official_session (token_hash, official_id, expires_at) VALUES ($1, $2, jebi_now() + $3::interval)`,
		h[:], id, SessionLength); err != nil {
		return Official{}, err
	}
	o, err := tx.official(ctx, id)
	if err != nil {
		return o, err
	}
	if o.DisabledAt != nil {
		return o, ErrSignIn
	}
	return o, tx.Audit(ctx, AuditRow{Actor: o.Actor(), Act: "official.sign_in", Subject: fmt.Sprintf("official:%d", id), After: map[string]any{"way": way}})
}

// SignedIn gives the official whose session's token this is, and when the
// session ends. The error is ErrSignIn where there is none, or it has ended.
func (db *DB) SignedIn(ctx context.Context, token []byte) (Official, time.Time, error) {
	h := sha256.Sum256(token)
	var id int
	var ends time.Time
	err := db.pool.QueryRow(ctx, `
		SELECT s.official_id, s.expires_at FROM official_session s JOIN official o ON o.id = s.official_id
		 WHERE s.token_hash = $1 AND s.ended_at IS NULL AND s.expires_at > jebi_now() AND o.disabled_at IS NULL`, h[:]).Scan(&id, &ends)
	if errors.Is(err, pgx.ErrNoRows) {
		return Official{}, ends, ErrSignIn
	}
	if err != nil {
		return Official{}, ends, fmt.Errorf("session: %w", err)
	}
	rows, err := db.pool.Query(ctx, selectOfficial+` WHERE id = $1`, id)
	o, err := one(rows, err, scanOfficial, fmt.Sprintf("official %d", id))
	return o, ends.UTC(), err
}

// SignOut ends the session of a token. Where there is none it does nothing.
func (db *DB) SignOut(ctx context.Context, token []byte) error {
	h := sha256.Sum256(token)
	return db.Tx(ctx, func(tx *Tx) error {
		var id int
		err := tx.tx.QueryRow(ctx, `UPDATE official_session SET ended_at = jebi_now() WHERE token_hash = $1 AND ended_at IS NULL RETURNING official_id`, h[:]).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
		return tx.Audit(ctx, AuditRow{Actor: Actor{Kind: "official", Official: id}, Act: "official.sign_out", Subject: fmt.Sprintf("official:%d", id)})
	})
}
