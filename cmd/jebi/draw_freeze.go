package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
)

// freezeAnswer is what jebi draw freeze says.
type freezeAnswer struct {
	Cohort     string       `json:"cohort"`
	State      cohort.State `json:"state"`
	Checkpoint string       `json:"checkpoint,omitempty"`
	Out        string       `json:"out,omitempty"`
	Applied    bool         `json:"applied"`
	// Board is its head after the step.
	Board *data.BoardHead `json:"board,omitempty"`
}

func newDrawFreezeCommand(a *app) *cobra.Command {
	var out string
	apply := false
	c := &cobra.Command{
		Use:   "freeze COHORT [--out DIR]",
		Short: "Freeze a closed window's ballots now, and write what witnesses check",
		Long: `Do what is due for a cohort up to its freeze, as the scheduler would, and write the frozen draw for
its witnesses and trustees: manifest, supply, leaves, exclusions and the signed checkpoint. All of it
is public. A window is not frozen before it closes, and only once.`,
		Example: "  jebi draw freeze 1962-66 --out frozen --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.cohortRow(ctx, db, args[0])
			if err != nil {
				return err
			}
			if _, err := a.official(ctx, db, data.RoleOperator); err != nil {
				return err
			}
			if apply && !row.State.Since(cohort.Frozen) {
				r, err := a.runner(db)
				if err != nil {
					return err
				}
				if err := r.TickCohort(ctx, c.Key, row.Key); err != nil {
					return err
				}
				if row, err = db.CohortByKey(ctx, row.Campaign, row.Key); err != nil {
					return err
				}
			}
			answer := freezeAnswer{Cohort: row.Key, State: row.State, Applied: apply}
			if row.State.Since(cohort.Frozen) {
				d, err := db.Draw(ctx, row.ID)
				if err != nil {
					return err
				}
				answer.Checkpoint = string(d.Checkpoint)
				if answer.Board, err = boardNow(ctx, db); err != nil {
					return err
				}
				if out != "" && apply {
					if err := cycle.WriteFrozen(ctx, db, row.ID, out); err != nil {
						return err
					}
					answer.Out = out
				}
			} else if apply {
				return refused(fmt.Errorf("cohort %s is %s: it is frozen once its window has closed", row.Key, row.State))
			}
			return a.show(answer, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "cohort %s is %s\n%s", row.Key, row.State, answer.Checkpoint)
				err = errors.Join(err, writeBoard(w, answer.Board))
				switch {
				case err != nil || apply:
				case !row.State.Since(cohort.Frozen):
					_, err = fmt.Fprintln(w, "Nothing is done; do it with --apply.")
				default:
					_, err = fmt.Fprintln(w, "It is frozen already. Nothing is done; write its files with --out DIR --apply.")
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "folder for the frozen draw")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

// cosignAnswer is what jebi draw cosign says.
type cosignAnswer struct {
	cycle.CosignEntry
	Applied bool            `json:"applied"`
	Board   *data.BoardHead `json:"board,omitempty"`
}

// errDry takes a transaction back that was only to be looked at.
var errDry = errors.New("dry run")

func newDrawCosignCommand(a *app) *cobra.Command {
	var file string
	apply := false
	c := &cobra.Command{
		Use:   "cosign COHORT --file NOTE",
		Short: "Add witnesses' cosignatures to a frozen draw's checkpoint",
		Long: `Add the cosignatures that a witness sent: the checkpoint with her line, as jebi draw witness sign
wrote it. Only announced witnesses' lines that verify are taken, each witness once, and only before
any randomness is recorded. The board shows it. With fewer than min_witnesses nothing is revealed.`,
		Example: "  jebi draw cosign 1962-66 --file checkpoint --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			if file == "" {
				return usage(errors.New("which note? --file NOTE, or - for stdin"))
			}
			signed, err := readInput(cc.InOrStdin(), file)
			if err != nil {
				return usage(err)
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			_, row, err := a.cohortRow(ctx, db, args[0])
			if err != nil {
				return err
			}
			by, err := a.official(ctx, db, data.RoleOperator)
			if err != nil {
				return err
			}
			answer := cosignAnswer{Applied: apply}
			err = db.Tx(ctx, func(tx *data.Tx) error {
				answer.CosignEntry, err = cycle.Cosign(ctx, tx, row.Campaign, row.Key, signed, by)
				if err == nil && !apply {
					return errDry
				}
				return err
			})
			if err != nil && !errors.Is(err, errDry) {
				if apply {
					err = auditRefusal(ctx, db, row.Campaign, "draw.cosign", "cohort:"+row.Key, "", by, err)
				}
				return err
			}
			if apply {
				if answer.Board, err = boardNow(ctx, db); err != nil {
					return err
				}
			}
			return a.show(answer, func(w io.Writer) error {
				done := "cosigned by"
				if !apply {
					done = "would be cosigned by"
				}
				_, err := fmt.Fprintf(w, "draw %s: %s %s; enough: %t\n", answer.DrawID, done, strings.Join(answer.Witnesses, ", "), answer.Enough)
				err = errors.Join(err, writeBoard(w, answer.Board))
				if err == nil && !apply {
					_, err = fmt.Fprintln(w, "Nothing is done; do it with --apply.")
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&file, "file", "", "the cosigned checkpoint; - is stdin")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}
