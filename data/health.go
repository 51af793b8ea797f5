package data

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Durable says whether what the database acknowledges survives a crash of
// anything. why names the settings that are off, in words for an official. A
// window is not opened on a database that is not durable.
func (db *DB) Durable(ctx context.Context) (ok bool, why string, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) (err error) { ok, why, err = tx.Durable(ctx); return err })
	return ok, why, err
}

// Durable is DB.Durable within a transaction.
func (tx *Tx) Durable(ctx context.Context) (ok bool, why string, err error) {
	var fsync, pages, commit string
	err = tx.tx.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')`).Scan(&fsync, &pages, &commit)
	if err != nil {
		return false, "", fmt.Errorf("settings of the database: %w", err)
	}
	var off []string
	for _, s := range [][2]string{{"fsync", fsync}, {"full_page_writes", pages}, {"synchronous_commit", commit}} {
		if s[1] == "off" {
			off = append(off, s[0]+" = off")
		}
	}
	if len(off) > 0 {
		return false, "the database does not keep what it acknowledges: " + strings.Join(off, ", ") + "; turn it on", nil
	}
	return true, "", nil
}

// Health is what jebi doctor asks a database.
type Health struct {
	Version        string     `json:"version"`     // of the server
	VersionNum     int        `json:"version_num"` // 150018
	Encoding       string     `json:"encoding"`    // of the database
	Collation      string     `json:"collation"`   // of the database
	Size           int64      `json:"size"`        // bytes
	Connections    int        `json:"connections"` // in use, on the whole server
	MaxConnections int        `json:"max_connections"`
	Recovery       bool       `json:"recovery"` // a standby
	ReadOnly       bool       `json:"read_only"`
	Checksums      bool       `json:"checksums"` // of data pages
	Clock          time.Time  `json:"clock"`     // clock_timestamp()
	Now            time.Time  `json:"now"`       // jebi_now()
	Migration      int64      `json:"migration"` // applied last
	Newest         int64      `json:"newest"`    // that this program has
	HasKey         bool       `json:"has_key"`   // begun with a server key
	Officials      int        `json:"officials"` // that are enabled
	Campaigns      int        `json:"campaigns"`
	RealCampaigns  int        `json:"real_campaigns"` // that are no samples
	Queued         int        `json:"queued"`         // messages that are due
	QueuedSince    *time.Time `json:"queued_since"`   // the oldest of them
	Undelivered    int        `json:"undelivered"`
	Owner          bool       `json:"owner"`     // the program's role owns a table, which it must not
	Superuser      bool       `json:"superuser"` // the program's role is one
}

// Health asks the database how it is.
func (db *DB) Health(ctx context.Context) (Health, error) {
	var h Health
	err := db.ReadTx(ctx, func(tx *Tx) error {
		return tx.tx.QueryRow(ctx, `
			SELECT current_setting('server_version'), current_setting('server_version_num')::int,
			       pg_encoding_to_char(d.encoding), d.datcollate, pg_database_size(d.oid),
			       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), current_setting('max_connections')::int,
			       pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on', current_setting('data_checksums') = 'on',
			       clock_timestamp(), jebi_now(), (SELECT COALESCE(max(version_id), 0) FROM migration WHERE is_applied),
			       (SELECT count(*) > 0 FROM server_key), (SELECT count(*) FROM official WHERE disabled_at IS NULL),
			       (SELECT count(*) FROM campaign), (SELECT count(*) FROM campaign WHERE NOT sample),
			       (SELECT count(*) FROM message WHERE state = 'queued' AND due_at <= jebi_now()),
			       (SELECT min(due_at) FROM message WHERE state = 'queued' AND due_at <= jebi_now()),
			       (SELECT count(*) FROM message WHERE state = 'undelivered'),
			       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'jebi'::regnamespace AND c.relowner = r.oid), r.rolsuper
			  FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user`).
			Scan(&h.Version, &h.VersionNum, &h.Encoding, &h.Collation, &h.Size, &h.Connections, &h.MaxConnections,
				&h.Recovery, &h.ReadOnly, &h.Checksums, &h.Clock, &h.Now, &h.Migration, &h.HasKey, &h.Officials,
				&h.Campaigns, &h.RealCampaigns, &h.Queued, &h.QueuedSince, &h.Undelivered, &h.Owner, &h.Superuser)
	})
	if err != nil {
		return h, fmt.Errorf("health of the database: %w", err)
	}
	h.Newest = newestMigration()
	return h, nil
}

// newestMigration is the number of the last migration that is built in.
func newestMigration() int64 {
	entries, err := migrations.ReadDir("migrations")
	if err != nil { // the folder is built in
		panic(err)
	}
	var newest int64
	for _, e := range entries {
		var n int64
		if _, err := fmt.Sscanf(e.Name(), "%d_", &n); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}
