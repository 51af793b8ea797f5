package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDrawCorrectCommand(a *app) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:   "correct COHORT --reason TEXT",
		Short: "Put a wrong result right, on the same ballots, seed and order (an act of two)",
		Long: `A draw is never held twice. Where its result is not what the frozen ballots, the recorded randomness
and the announced rules give (a mistake in the program that gave the places, or a result that was
changed in the database), this gives the places again from the same leaves, supply, seed and order, by
the campaign file that the manifest names, verifies them as the draw did, and records what differs.
Both results stay public, each with its bundle; the board says what changed and why.

Before publication the corrected places simply take effect. After it nobody loses a place that she was
told of: she keeps it. Who should have had one, or one of an earlier choice, gets it out of the free
seats and the reserve, in ticket order, or is first in line for the next; everyone concerned is told.

The supply is what was frozen, so seats that were recorded wrongly are no matter of a correction: add
them as a release (jebi clinics add), or close them (jebi clinics close). It is refused where there is
nothing to correct, and where leaves, seed or order themselves were changed: jebi draw verify
--database names that.`,
		Example: `  jebi draw correct 1962-66 --reason "version 1.3 gave parties too few seats" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			return a.proposeDraw(cc.Context(), "draw.correct", drawAct{Cohort: args[0]}, reason, apply)
		},
	}
	reasonAndApply(c, &reason, &apply)
	return c
}

// maxReceipt bounds the file of a receipt, in bytes: a proof in the log of
// saves has some dozen hashes, a ballot at most 60,000 bytes.
const maxReceipt = 256 << 10

func newDrawLeftOutCommand(a *app) *cobra.Command {
	var reason, receipt, ballot string
	apply := false
	c := &cobra.Command{
		Use:   "left-out COHORT --receipt FILE --reason TEXT",
		Short: "Serve a ballot that was left out of a published draw (an act of two)",
		Long: `Serve a ballot that a citizen can prove was left out: she brings the signed receipt of her save, the
file that the form gave her. It holds if the operator signed it, it is of her last revision and she did
not withdraw it, its entry stands in the log of saves under the checkpoint, and no leaf has its pid.
Otherwise it is refused, and the answer says why; which revision of a ballot counted is never reopened.

The ballot gets the ticket of its pid, and with it the rank that it would have had. Where that is below
the cut-off of one of her choices she gets a seat there: of the reserve (rules.reserve of the campaign
file), else a free one, else one of a later choice, else she is first in line for the next that comes
free. Where it is not, she waits in line at her rank. Each case stands on the board, with pid, ticket,
rank and both officials, and without her name or where she is served. She is told.`,
		Example: `  jebi draw left-out 1962-66 --receipt jebi-receipt.json --reason "her leaf was lost, inquiry 4" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			if receipt == "" {
				return usage(errors.New("which receipt? --receipt FILE, the one that she was given; - is stdin"))
			}
			d := drawAct{Cohort: args[0]}
			var err error
			if d.receipt, err = readInput(cc.InOrStdin(), receipt); err != nil {
				return usage(err)
			}
			if ballot != "" {
				if d.ballot, err = readInput(cc.InOrStdin(), ballot); err != nil {
					return usage(err)
				}
			}
			if len(d.receipt) > maxReceipt || len(d.ballot) > maxReceipt {
				return usage(errors.New("a receipt's file has some thousand bytes"))
			}
			return a.proposeDraw(cc.Context(), "draw.left_out", d, reason, apply)
		},
	}
	c.Flags().StringVar(&receipt, "receipt", "", "file of the signed receipt; - is stdin")
	c.Flags().StringVar(&ballot, "ballot", "", "file with the bytes of her ballot, where the receipt's file and the database have them not")
	reasonAndApply(c, &reason, &apply)
	return c
}
