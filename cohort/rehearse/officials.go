package rehearse

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"jebi/data"
)

// officials are the two that every act of two needs.
type officials struct {
	operator, approver data.Official
}

// addOfficials makes an operator and an approver with random passwords, which
// are kept in a file that only its owner can read.
func (r *Rehearsal) addOfficials(ctx context.Context) error {
	list := "SAMPLE officials of the demo: jebi official sign-in NAME\n"
	for _, o := range []struct {
		name, role string
		to         *data.Official
	}{
		{"demo-operator", data.RoleOperator, &r.officials.operator},
		{"demo-approver", data.RoleApprover, &r.officials.approver},
	} {
		secret := make([]byte, 12+data.SaltLength)
		if _, err := io.ReadFull(r.Random, secret); err != nil {
			return fmt.Errorf("randomness: %w", err)
		}
		password := base64.RawURLEncoding.EncodeToString(secret[:12])
		hash, err := data.HashPassword(password, secret[12:])
		if err != nil {
			return err
		}
		*o.to, _, err = r.DB.AddOfficial(ctx, data.NewOfficial{Name: o.name, Role: o.role, SecretHash: hash}, r.officials.operator.Actor(), true)
		if err != nil {
			return err
		}
		list += fmt.Sprintf("%-14s %-9s %s\n", o.name, o.role, password)
	}
	return os.WriteFile(filepath.Join(r.Dir, "officials.txt"), []byte(list), 0o600)
}

// two carries out an act of two: the operator proposes it, the approver
// confirms it, and it is done in the transaction of the confirmation.
func (r *Rehearsal) two(ctx context.Context, act string, params any, do func(*data.Tx, data.Actor) error) error {
	const reason = "rehearsal"
	var p data.Proposal
	err := r.DB.Tx(ctx, func(tx *data.Tx) (err error) {
		p, err = tx.Propose(ctx, r.row.ID, act, params, reason, r.officials.operator.Actor())
		return err
	})
	if err != nil {
		return err
	}
	return r.DB.Tx(ctx, func(tx *data.Tx) error {
		_, both, err := tx.ConfirmProposal(ctx, p.ID, r.officials.approver.Actor())
		if err != nil {
			return err
		}
		return do(tx, both)
	})
}
