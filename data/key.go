package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// KeyFingerprint is what the database keeps of the server's key, by which
// codes, links and sessions are hashed.
func KeyFingerprint(key []byte) [32]byte {
	return sha256.Sum256(append([]byte("jebi/server-key/v1\x00"), key...))
}

// ErrOtherKey says that this database belongs to another server key.
var ErrOtherKey = errors.New("this is not the server key that the database was begun with: codes, links and sessions of the other servers would not hold")

// HasKey says whether the database was begun with a server key already.
func (db *DB) HasKey(ctx context.Context) (bool, error) {
	var has bool
	err := db.pool.QueryRow(ctx, `SELECT count(*) > 0 FROM server_key`).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("server key: %w", err)
	}
	return has, nil
}

// CheckKey compares the server's key with the one that the database was begun
// with; a database without one takes this. The error is ErrOtherKey where they
// differ.
func (db *DB) CheckKey(ctx context.Context, key []byte) error {
	want := KeyFingerprint(key)
	return db.Tx(ctx, func(tx *Tx) error {
		var kept []byte
		err := tx.tx.QueryRow(ctx, `SELECT fingerprint FROM server_key`).Scan(&kept)
		if errors.Is(err, pgx.ErrNoRows) {
			if _, err = tx.tx.Exec(ctx, `INSERT INTO server_key (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING`, want[:]); err == nil {
				err = tx.tx.QueryRow(ctx, `SELECT fingerprint FROM server_key`).Scan(&kept)
			}
		}
		if err != nil {
			return fmt.Errorf("server key: %w", err)
		}
		if !bytes.Equal(kept, want[:]) {
			return ErrOtherKey
		}
		return nil
	})
}
