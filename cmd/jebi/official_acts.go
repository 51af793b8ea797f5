package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"jebi/data"
)

// act is an act of two: what it does once a second official has confirmed it.
type act struct {
	// roles may propose and confirm it.
	roles []string
	// do does it, in the transaction of the confirmation. It has no effect but
	// through tx: it is also run, and taken back, when the act is proposed, to
	// see whether it would be allowed and what it would do; by.Second is then 0.
	// It answers what it does, where that is more than its params say.
	do func(ctx context.Context, tx *data.Tx, params json.RawMessage, reason string, by data.Actor) (effect, error)
}

// effect is what an act does, for those who propose and confirm it: a value
// for --json, and its words; the zero effect says nothing.
type effect struct {
	value any
	words string
}

// keeper is what params are whose act needs more than may stand in a proposal:
// keep puts that into the database and answers what the proposal says.
type keeper interface {
	keep(ctx context.Context, tx *data.Tx, campaignID int) (any, error)
}

// acts are all acts of two, by their names in the audit trail.
func acts() map[string]act {
	all := drawActs()
	all["people.purge"] = act{roles: twoRoles(), do: purgePeople}
	all["window.extend"] = act{roles: twoRoles(), do: extendWindow}
	return all
}

// twoRoles are those who take part in acts of two.
func twoRoles() []string { return []string{data.RoleOperator, data.RoleApprover} }

// two is the first half of an act of two: the signed-in official proposes it.
// It tries the act and takes it back first, so that what would be refused is
// not proposed. The second half is jebi official confirm.
func (a *app) two(ctx context.Context, db *data.DB, name string, campaignID int, params any, reason string, apply bool) error {
	x, ok := acts()[name]
	if !ok {
		return fmt.Errorf("there is no act of two %q", name)
	}
	if reason == "" {
		return usage(fmt.Errorf("%s needs --reason", name))
	}
	by, err := a.official(ctx, db, x.roles...)
	if err != nil {
		return err
	}
	// What goes into the proposal is public to all officials: some acts keep a part of it elsewhere.
	keep := func(tx *data.Tx) (any, []byte, error) {
		kept := params
		if k, ok := params.(keeper); ok {
			if kept, err = k.keep(ctx, tx, campaignID); err != nil {
				return nil, nil, err
			}
		}
		body, err := json.Marshal(kept)
		return kept, body, err
	}
	var body []byte
	var does effect
	if err := db.Try(ctx, func(tx *data.Tx) error {
		if _, body, err = keep(tx); err != nil {
			return err
		}
		does, err = x.do(ctx, tx, body, reason, by)
		return err
	}); err != nil {
		if apply {
			err = auditRefusal(ctx, db, campaignID, name, aboutCohort(params), reason, by, err)
		}
		return err
	}
	p := data.Proposal{Act: name, Params: body, Reason: reason}
	if apply {
		err := db.Tx(ctx, func(tx *data.Tx) error {
			kept, _, err := keep(tx)
			if err != nil {
				return err
			}
			p, err = tx.Propose(ctx, campaignID, name, kept, reason, by)
			return err
		})
		if err != nil {
			return err
		}
	}
	return a.show(proposalAnswer{Proposal: p, Applied: apply, Effect: does.value}, func(w io.Writer) error {
		if !apply {
			_, err := fmt.Fprintf(w, "would propose %s %s\n%sNothing is done. Propose it with --apply.\n", name, body, does.line("It would do this: "))
			return err
		}
		_, err := fmt.Fprintf(w, "proposed %s %s\n%sAnother official confirms it before %s with: jebi official confirm %d --apply\n",
			name, body, does.line("It would do this: "), p.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"), p.ID)
		return err
	})
}

type proposalAnswer struct {
	data.Proposal
	Applied bool            `json:"applied"`
	Effect  any             `json:"effect,omitempty"` // what it does, or would do
	Board   *data.BoardHead `json:"board,omitempty"`  // after a step of a draw
}

// boardNow is the head of the board after a step of a draw: printed, so that a
// copy of it exists outside.
func boardNow(ctx context.Context, db *data.DB) (*data.BoardHead, error) {
	h, err := db.BoardHead(ctx)
	if err != nil {
		return nil, err
	}
	return &h, nil
}

func writeBoard(w io.Writer, h *data.BoardHead) error {
	if h == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "The board's head, to keep outside: %s\n", h)
	return err
}

// confirm is the second half of an act of two.
func (a *app) confirm(ctx context.Context, db *data.DB, id int64, apply bool) error {
	p, err := db.Proposal(ctx, id)
	if err != nil {
		return err
	}
	x, ok := acts()[p.Act]
	if !ok {
		return refused(fmt.Errorf("this program does not know the act %s of proposal %d", p.Act, id))
	}
	by, err := a.official(ctx, db, x.roles...)
	if err != nil {
		return err
	}
	run := db.Try
	if apply {
		run = db.Tx
	}
	was := p
	var does effect
	err = run(ctx, func(tx *data.Tx) error {
		var both data.Actor
		if p, both, err = tx.ConfirmProposal(ctx, id, by); err != nil {
			return err
		}
		does, err = x.do(ctx, tx, p.Params, p.Reason, both)
		return err
	})
	if err != nil {
		if apply {
			err = auditRefusal(ctx, db, was.Campaign, was.Act, aboutCohort(was.Params), was.Reason, by, err)
		}
		return err
	}
	answer := proposalAnswer{Proposal: p, Applied: apply, Effect: does.value}
	if apply && strings.HasPrefix(p.Act, "draw.") {
		if answer.Board, err = boardNow(ctx, db); err != nil {
			return err
		}
	}
	return a.show(answer, func(w io.Writer) error {
		if err := writeProposal(w, p); err != nil || apply {
			if err == nil {
				_, err = fmt.Fprintf(w, "Confirmed and done.\n%s", does.line("It did this: "))
			}
			return errors.Join(err, writeBoard(w, answer.Board))
		}
		_, err := fmt.Fprintf(w, "%sNothing is done. Confirm it with --apply.\n", does.line("It would do this: "))
		return err
	})
}

func (e effect) line(before string) string {
	if e.words == "" {
		return ""
	}
	return before + e.words + "\n"
}

func writeProposal(w io.Writer, p data.Proposal) error {
	_, err := fmt.Fprintf(w, "%d  %s %s\n    by %s on %s: %s\n", p.ID, p.Act, p.Params, p.ProposedBy, p.ProposedAt.UTC().Format("2006-01-02 15:04 UTC"), p.Reason)
	return err
}
