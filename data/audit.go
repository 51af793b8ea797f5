package data

import (
	"context"
	"encoding/json"
	"fmt"
)

// Actor is who acts: an official (with a second one, for an act of two), a
// person, her proxy, or the program itself.
type Actor struct {
	Kind     string // "official", "person", "proxy", "system"
	Official int    // id, for officials
	Second   int    // id of the official who confirmed, or 0
}

// System is the program acting on its own: the scheduler, a purge.
var System = Actor{Kind: "system"}

// AuditRow is one line of the audit trail. Before and After are marshalled as
// JSON and hold ids, hashes and codes only.
type AuditRow struct {
	Campaign int // id, or 0
	Actor    Actor
	Act      string // "window.extend"
	Subject  string // "cohort:3"
	Reason   string
	Before   any
	After    any
}

// Audit writes the row of what this transaction does.
func (tx *Tx) Audit(ctx context.Context, a AuditRow) error {
	before, err := jsonOrNull(a.Before)
	if err != nil {
		return err
	}
	after, err := jsonOrNull(a.After)
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(ctx, `
		INSERT INTO audit (campaign_id, actor, official_id, second_id, act, subject, reason, before, after)
		VALUES (NULLIF($1, 0), $2, NULLIF($3, 0), NULLIF($4, 0), $5, $6, $7, $8, $9)`,
		a.Campaign, a.Actor.Kind, a.Actor.Official, a.Actor.Second, a.Act, a.Subject, a.Reason, before, after)
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", a.Act, a.Subject, err)
	}
	return nil
}

func jsonOrNull(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}
