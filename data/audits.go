package data

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// AuditEntry is a line of the audit trail as it is read.
type AuditEntry struct {
	ID       int64           `json:"id"`
	At       time.Time       `json:"at"`
	Campaign string          `json:"campaign"` // key, or empty
	Actor    string          `json:"actor"`    // "official", "person", "proxy", "system"
	Official string          `json:"official"` // login, or empty
	Second   string          `json:"second"`   // login of the one who confirmed, or empty
	Act      string          `json:"act"`
	Subject  string          `json:"subject"`
	Reason   string          `json:"reason"`
	Before   json.RawMessage `json:"before"`
	After    json.RawMessage `json:"after"`
}

// AuditFilter chooses lines of the audit trail; what is zero chooses all.
type AuditFilter struct {
	Subject  string // "cohort:3"
	Act      string // "window.extend", or a beginning of it: "window"
	Official string // login of either official
	Since    time.Time
	After    int64 // id
	Limit    int   // lines; 0: 100
	Newest   bool  // the last ones, newest first
}

const selectAudit = `
	SELECT a.id, a.at, COALESCE(c.key, ''), a.actor, COALESCE(o.name, ''), COALESCE(s.name, ''), a.act, a.subject, a.reason, a.before, a.after
	  FROM audit a LEFT JOIN campaign c ON c.id = a.campaign_id LEFT JOIN official o ON o.id = a.official_id LEFT JOIN official s ON s.id = a.second_id`

func scanAudit(row pgx.CollectableRow) (AuditEntry, error) {
	var e AuditEntry
	err := row.Scan(&e.ID, &e.At, &e.Campaign, &e.Actor, &e.Official, &e.Second, &e.Act, &e.Subject, &e.Reason, &e.Before, &e.After)
	e.At = e.At.UTC()
	return e, err
}

// AuditTrail lists lines of the audit trail.
func (db *DB) AuditTrail(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	order := ` ORDER BY a.id LIMIT $6`
	if f.Newest {
		order = ` ORDER BY a.id DESC LIMIT $6`
	}
	var since *time.Time
	if !f.Since.IsZero() {
		since = &f.Since
	}
	rows, err := db.pool.Query(ctx, selectAudit+`
		 WHERE ($1 = '' OR a.subject = $1) AND ($2 = '' OR a.act = $2 OR starts_with(a.act, $2 || '.')) AND ($3 = '' OR o.name = $3 OR s.name = $3)
		   AND ($4::timestamptz IS NULL OR a.at >= $4) AND a.id > $5`+order,
		f.Subject, f.Act, f.Official, since, f.After, f.Limit)
	return many(rows, err, scanAudit, "audit trail")
}

// AuditLine gives one line of the audit trail. The error wraps ErrNotFound.
func (db *DB) AuditLine(ctx context.Context, id int64) (AuditEntry, error) {
	rows, err := db.pool.Query(ctx, selectAudit+` WHERE a.id = $1`, id)
	return one(rows, err, scanAudit, fmt.Sprintf("audit line %d", id))
}
