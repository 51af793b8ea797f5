package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ProposalLife is how long a proposal waits for the second official.
const ProposalLife = 24 * time.Hour

// Proposal is an act of two that one official has proposed.
type Proposal struct {
	ID         int64           `json:"id"`
	Campaign   int             `json:"-"`
	Act        string          `json:"act"` // "window.extend"
	Params     json.RawMessage `json:"params"`
	Reason     string          `json:"reason"`
	ProposedBy string          `json:"proposed_by"` // login
	ProposedAt time.Time       `json:"proposed_at"`
	ExpiresAt  time.Time       `json:"expires_at"`
	EndedBy    string          `json:"ended_by"` // login, or empty
	EndedAt    *time.Time      `json:"ended_at"`
	Outcome    string          `json:"outcome"` // "", "confirmed", "refused", "expired"

	proposer int
	disabled bool // the proposer is, by now
}

const selectProposal = `
	SELECT p.id, COALESCE(p.campaign_id, 0), p.act, p.params, p.reason, a.name, p.proposed_at, p.expires_at,
	       COALESCE(b.name, ''), p.ended_at, COALESCE(p.outcome, ''), p.proposed_by, a.disabled_at IS NOT NULL
	  FROM proposal p JOIN official a ON a.id = p.proposed_by LEFT JOIN official b ON b.id = p.ended_by`

func scanProposal(row pgx.CollectableRow) (Proposal, error) {
	var p Proposal
	err := row.Scan(&p.ID, &p.Campaign, &p.Act, &p.Params, &p.Reason, &p.ProposedBy, &p.ProposedAt, &p.ExpiresAt,
		&p.EndedBy, &p.EndedAt, &p.Outcome, &p.proposer, &p.disabled)
	return p, err
}

// Propose writes down an act of two for another official to confirm. params
// is marshalled as JSON and holds ids, times and codes only.
func (tx *Tx) Propose(ctx context.Context, campaign int, act string, params any, reason string, by Actor) (Proposal, error) {
	body, err := json.Marshal(params)
	if err != nil {
		return Proposal{}, err
	}
	var id int64
	err = tx.tx.QueryRow(ctx, `
		INSERT INTO proposal (campaign_id, act, params, reason, proposed_by, expires_at)
		VALUES (NULLIF($1, 0), $2, $3, $4, $5, jebi_now() + $6::interval) RETURNING id`,
		campaign, act, body, reason, by.Official, ProposalLife).Scan(&id)
	if err != nil {
		return Proposal{}, fmt.Errorf("propose %s: %w", act, err)
	}
	p, err := tx.proposal(ctx, id)
	if err != nil {
		return p, err
	}
	return p, tx.auditProposal(ctx, p, by, "proposal.propose", reason)
}

func (tx *Tx) proposal(ctx context.Context, id int64) (Proposal, error) {
	rows, err := tx.tx.Query(ctx, selectProposal+` WHERE p.id = $1 FOR UPDATE OF p`, id)
	return one(rows, err, scanProposal, fmt.Sprintf("proposal %d", id))
}

func (tx *Tx) auditProposal(ctx context.Context, p Proposal, by Actor, act, reason string) error {
	return tx.Audit(ctx, AuditRow{
		Campaign: p.Campaign, Actor: by, Act: act, Subject: fmt.Sprintf("proposal:%d", p.ID), Reason: reason,
		After: map[string]any{"act": p.Act, "params": p.Params},
	})
}

// Proposal finds a proposal by its number. The error wraps ErrNotFound.
func (db *DB) Proposal(ctx context.Context, id int64) (Proposal, error) {
	rows, err := db.pool.Query(ctx, selectProposal+` WHERE p.id = $1`, id)
	return one(rows, err, scanProposal, fmt.Sprintf("proposal %d", id))
}

// Proposals lists the proposals that wait, or all of them, newest first.
func (db *DB) Proposals(ctx context.Context, all bool) ([]Proposal, error) {
	rows, err := db.pool.Query(ctx, selectProposal+` WHERE $1 OR p.outcome IS NULL AND p.expires_at > jebi_now() ORDER BY p.id DESC LIMIT 1000`, all)
	return many(rows, err, scanProposal, "proposals")
}

// ConfirmProposal ends a proposal as confirmed, in the transaction that then
// does the act, and answers the actor of that act: both officials. It answers
// *Refusal where the proposal has ended, is too old, or is the official's own.
func (tx *Tx) ConfirmProposal(ctx context.Context, id int64, by Actor) (Proposal, Actor, error) {
	p, err := tx.waitingProposal(ctx, id)
	if err != nil {
		return p, Actor{}, err
	}
	if p.proposer == by.Official {
		return p, Actor{}, refuse("proposal %d is your own: another official must confirm it", id)
	}
	if p.disabled {
		return p, Actor{}, refuse("%s, who proposed it, is disabled: propose it again", p.ProposedBy)
	}
	if err := tx.endProposal(ctx, id, by, "confirmed"); err != nil {
		return p, Actor{}, err
	}
	both := Actor{Kind: "official", Official: p.proposer, Second: by.Official}
	return p, both, tx.auditProposal(ctx, p, both, "proposal.confirm", p.Reason)
}

// RefuseProposal ends a proposal without doing anything: another's, or one's
// own that one takes back.
func (tx *Tx) RefuseProposal(ctx context.Context, id int64, reason string, by Actor) (Proposal, error) {
	p, err := tx.waitingProposal(ctx, id)
	if err != nil {
		return p, err
	}
	if err := tx.endProposal(ctx, id, by, "refused"); err != nil {
		return p, err
	}
	return p, tx.auditProposal(ctx, p, by, "proposal.refuse", reason)
}

func (tx *Tx) waitingProposal(ctx context.Context, id int64) (Proposal, error) {
	p, err := tx.proposal(ctx, id)
	if err != nil {
		return p, err
	}
	if p.Outcome != "" {
		return p, refuse("proposal %d was %s already", id, p.Outcome)
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return p, err
	}
	if !now.Before(p.ExpiresAt) {
		return p, refuse("proposal %d waited longer than %v: propose it again", id, ProposalLife)
	}
	return p, nil
}

func (tx *Tx) endProposal(ctx context.Context, id int64, by Actor, outcome string) error {
	_, err := tx.tx.Exec(ctx, `UPDATE proposal SET outcome = $2, ended_by = $3, ended_at = jebi_now() WHERE id = $1`, id, outcome, by.Official)
	if err != nil {
		return fmt.Errorf("proposal %d: %w", id, err)
	}
	return nil
}

// Try runs f in a transaction that is always taken back: to see whether, and
// how, something would be done.
func (db *DB) Try(ctx context.Context, f func(*Tx) error) error {
	err := db.Tx(ctx, func(tx *Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}
