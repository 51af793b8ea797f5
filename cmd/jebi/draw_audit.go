package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"jebi/cohort/cycle"
	"jebi/data"
)

// auditFilesAnswer is what jebi draw audit-files says.
type auditFilesAnswer struct {
	Cohort  string `json:"cohort"`
	Out     string `json:"out"`
	Sample  bool   `json:"sample"`
	Applied bool   `json:"applied"`
}

func newDrawAuditFilesCommand(a *app) *cobra.Command {
	var out, reason string
	apply := false
	c := &cobra.Command{
		Use:   "audit-files COHORT --out DIR --reason TEXT",
		Short: "Write what a sworn auditor gets beside the public bundle",
		Long: `Write outcome.bin, ballots.bin, K_draw, the list of the eligible and the campaign file of a drawn
cohort: with them jebi draw verify --audit recomputes every pid, commitment and the whole allocation.
They tell who asked for what, so only a sworn auditor may have them; that they were written stands
on the audit trail.`,
		Example: `  jebi draw audit-files 1962-66 --out auditor --reason "request of the audit office" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			if out == "" {
				return usage(errors.New("where to? --out DIR"))
			}
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.cohortRow(ctx, db, args[0])
			if err != nil {
				return err
			}
			by, err := a.official(ctx, db, data.RoleOperator, data.RoleAuditor)
			if err != nil {
				return err
			}
			if apply {
				if err := db.Tx(ctx, func(tx *data.Tx) error {
					return tx.Audit(ctx, data.AuditRow{
						Campaign: row.Campaign, Actor: by, Act: "draw.audit_files", Subject: fmt.Sprintf("cohort:%d", row.ID), Reason: reason,
					})
				}); err != nil {
					return err
				}
				if err := cycle.WriteAuditors(ctx, db, c, row.ID, out); err != nil {
					return drawnLater(err)
				}
				if err := os.Chmod(out, 0o700); err != nil {
					return err
				}
			}
			return a.show(auditFilesAnswer{row.Key, out, c.Sample, apply}, func(w io.Writer) error {
				if !apply {
					_, err := fmt.Fprintf(w, "would write the auditors' files of cohort %s to %s. Nothing is done; do it with --apply.\n", row.Key, out)
					return err
				}
				_, err := fmt.Fprintf(w, "wrote the auditors' files of cohort %s to %s\n", row.Key, out)
				return err
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "the folder to write to")
	reasonAndApply(c, &reason, &apply)
	return c
}

// drawnLater refuses what a draw must be drawn or published for.
func drawnLater(err error) error {
	if errors.Is(err, cycle.ErrNotPublished) {
		return refused(err)
	}
	return err
}

func newResultProofCommand(a *app) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "proof REF --out FILE",
		Short: "Write a citizen's proof: that her ballot was in the draw, and why she got what she got",
		Long: `Write a citizen's proof of a published draw (receipt-N.json): her leaf and its proof, her ticket and
rank, what she got and its proof, the cut-offs of her choices, and the signed receipt of her save.
She checks it against the public bundle by docs/verify.py or jebi draw verify --receipt. It holds her
own ballot: give it to nobody else.`,
		Example: "  jebi result proof P000123 --out receipt.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			if out == "" {
				return usage(errors.New("where to? --out FILE, or - for stdout"))
			}
			file, err := a.proof(ctx, args[0])
			if err != nil {
				return err
			}
			if out == "-" {
				_, err = a.out.Write(file)
				return err
			}
			if err := os.WriteFile(out, file, 0o600); err != nil {
				return err
			}
			return a.show(map[string]string{"file": out}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "the proof is in %s\n", out)
				return err
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "the file to write; - is stdout")
	return c
}

func (a *app) proof(ctx context.Context, ref string) ([]byte, error) {
	db, err := a.database(ctx)
	if err != nil {
		return nil, err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return nil, err
	}
	if _, err := a.official(ctx, db, data.RoleOperator, data.RoleCallCentre, data.RoleAuditor); err != nil {
		return nil, err
	}
	person, err := a.person(ctx, db, row.ID, ref)
	if err != nil {
		return nil, err
	}
	operator, err := a.operatorKey()
	if err != nil {
		return nil, err
	}
	p, err := cycle.Proof(ctx, db, c, person, operator)
	if err != nil {
		return nil, err
	}
	return p.Marshal()
}
