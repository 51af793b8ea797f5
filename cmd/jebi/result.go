package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/cohort/words"
	"jebi/data"
)

func newResultCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "result",
		Short: "Show and explain a person's result; accept, decline or cancel for her",
		Long: `What a draw and its offers have given one person. REF is her key on the official list, or the
reference of her place as workbooks show it. It needs a signed-in official; what changes needs a
reason, which stands on the audit trail.`,
		Example: "  jebi result explain P000123 --language en",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(
		newResultAnswerCommand(a, "cancel", "Give a place back, accepted or not, until the campaign's cancel_lead before it", cancelResult),
		newResultAnswerCommand(a, "confirm", "Accept for a person the place that the draw gave her, until confirm_by", confirmResult),
		newResultAnswerCommand(a, "decline", "Decline for a person the place that the draw gave her, until confirm_by", declineResult),
		newResultExplainCommand(a),
		newResultProofCommand(a),
		newResultShowCommand(a),
	)
	return c
}

// person finds whom a reference means.
func (a *app) person(ctx context.Context, db *data.DB, campaignID int, ref string) (int64, error) {
	p, err := db.PersonByKey(ctx, campaignID, ref)
	if err == nil {
		return p.ID, nil
	}
	if !errors.Is(err, data.ErrNotFound) {
		return 0, err
	}
	if id, e := cohort.ParseReference(ref); e == nil {
		person, err := db.PersonOfAssignment(ctx, campaignID, id)
		if !errors.Is(err, data.ErrNotFound) {
			return person, err
		}
	}
	return 0, usage(fmt.Errorf("%q is nobody's key and no reference of a place", ref))
}

// resultAnswer is what the result commands say.
type resultAnswer struct {
	data.ResultRow
	Reference string `json:"reference,omitempty"` // of her place
	Sample    bool   `json:"sample"`
	Applied   *bool  `json:"applied,omitempty"`
}

func newResultShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show REF",
		Short:   "Show a person's place, offer or number on the waitlist",
		Long:    "Show what a person has: a place, an offer, or her number on the waitlist. Before publication it\ntells nothing of the draw.",
		Example: "  jebi result show P000123 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, c, person, _, err := a.resultOf(ctx, args[0])
			if err != nil {
				return err
			}
			r, err := db.ResultOf(ctx, person)
			if err != nil {
				return err
			}
			return a.showResult(r, c, nil)
		},
	}
}

// resultOf opens what every result command needs; any official may look.
func (a *app) resultOf(ctx context.Context, ref string, roles ...string) (*data.DB, *cohort.Campaign, int64, data.Actor, error) {
	db, err := a.database(ctx)
	if err != nil {
		return nil, nil, 0, data.Actor{}, err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return nil, nil, 0, data.Actor{}, err
	}
	by, err := a.official(ctx, db, roles...)
	if err != nil {
		return nil, nil, 0, by, err
	}
	person, err := a.person(ctx, db, row.ID, ref)
	return db, c, person, by, err
}

func (a *app) showResult(r data.ResultRow, c *cohort.Campaign, applied *bool) error {
	out := resultAnswer{ResultRow: r, Sample: c.Sample, Applied: applied}
	if r.Assignment != 0 {
		out.Reference = cohort.Reference(r.Assignment)
	}
	return a.show(out, func(w io.Writer) error {
		if c.Sample {
			fmt.Fprintln(w, "SAMPLE")
		}
		fmt.Fprintf(w, "%s  cohort %s (%s): %s\n", r.Key, r.CohortKey, r.CohortState, r.State)
		if r.Rank > 0 {
			fmt.Fprintf(w, "  number     %d of %d\n", r.Rank, r.Tickets)
		}
		if r.Place != nil {
			fmt.Fprintf(w, "  place      %s  %s  %s  %s\n", out.Reference, r.Place.Name, showMoment(r.Place.Starts, c), r.Place.Vaccine)
		}
		if r.Second != nil {
			fmt.Fprintf(w, "  second     %s  %s  %s\n", r.Second.Name, showMoment(r.Second.Starts, c), r.Second.Vaccine)
		}
		if r.State == "assigned" {
			fmt.Fprintf(w, "  confirm by %s\n", showMoment(r.ConfirmBy, c))
		}
		if r.State == "waiting" {
			fmt.Fprintf(w, "  ahead      %d\n", r.Ahead)
		}
		if o := r.Offer; o != nil {
			fmt.Fprintf(w, "  offer %d    %s  %s, until %s\n", o.ID, o.Place.Name, showMoment(o.Place.Starts, c), showMoment(o.Deadline, c))
		}
		if applied != nil && !*applied {
			_, err := fmt.Fprintln(w, "Nothing is done; do it with --apply.")
			return err
		}
		return nil
	})
}

func newResultExplainCommand(a *app) *cobra.Command {
	lang, official := "", false
	c := &cobra.Command{
		Use:   "explain REF",
		Short: "Say in words why a person got what she got",
		Long: `Say in words why a person got what she got: her number, each choice, what came of it, and how it
is checked. They are the words of her own page. With --official, say it in numbers instead: rank and
class, every slot of each choice with its cut-off, every offer, why she was passed over, the draw's
root and seed. --json has both. It names nobody else.`,
		Example: "  jebi result explain P000123 --language en\n  jebi result explain P000123 --official",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, c, person, _, err := a.resultOf(ctx, args[0])
			if err != nil {
				return err
			}
			e, err := cycle.RecordOf(ctx, db, person)
			if err != nil {
				return err
			}
			if lang == "" {
				lang = c.Languages[0]
			}
			lines := e.Words(words.New(), lang, c)
			answer := struct {
				cycle.Record
				Sample bool     `json:"sample"`
				Words  []string `json:"words"`
			}{e, c.Sample, lines}
			return a.show(answer, func(w io.Writer) error {
				if official {
					if c.Sample {
						fmt.Fprintln(w, "SAMPLE")
					}
					return e.Write(w, c)
				}
				for _, line := range lines {
					if _, err := fmt.Fprintln(w, line); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&lang, "language", "", "language of the words (default: the campaign's first)")
	c.Flags().BoolVar(&official, "official", false, "the numbers, for an official")
	return c
}

// resultAct is an answer for a person.
type resultAct func(ctx context.Context, tx *data.Tx, person int64, c *cohort.Campaign, by data.Actor, reason string) error

func confirmResult(ctx context.Context, tx *data.Tx, person int64, _ *cohort.Campaign, by data.Actor, reason string) error {
	_, err := tx.ConfirmAssignment(ctx, person, by, reason)
	return err
}

func declineResult(ctx context.Context, tx *data.Tx, person int64, _ *cohort.Campaign, by data.Actor, reason string) error {
	_, err := tx.DeclineAssignment(ctx, person, by, reason)
	return err
}

func cancelResult(ctx context.Context, tx *data.Tx, person int64, c *cohort.Campaign, by data.Actor, reason string) error {
	_, err := tx.CancelAssignment(ctx, person, c.Rules.CancelLead, by, reason)
	return err
}

func newResultAnswerCommand(a *app, verb, short string, do resultAct) *cobra.Command {
	reason, apply := "", false
	c := &cobra.Command{
		Use:     verb + " REF --reason TEXT",
		Short:   short,
		Long:    short + ".\nFor a person who telephones. She is told on her own channel.",
		Example: fmt.Sprintf(`  jebi result %s P000123 --reason "by telephone" --apply`, verb),
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, c, person, by, err := a.resultOf(ctx, args[0], data.RoleOperator, data.RoleCallCentre)
			if err != nil {
				return err
			}
			run := db.Try
			if apply {
				run = db.Tx
			}
			var r data.ResultRow
			err = run(ctx, func(tx *data.Tx) error {
				if err := do(ctx, tx, person, c, by, reason); err != nil {
					return err
				}
				r, err = tx.ResultOf(ctx, person)
				return err
			})
			if err != nil {
				return answerRefused(err, c)
			}
			return a.showResult(r, c, &apply)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

// answerRefused turns what the rules refuse into its exit code, with times of
// the campaign.
func answerRefused(err error, c *cohort.Campaign) error {
	var late *data.TooLate
	switch {
	case errors.As(err, &late):
		return refused(fmt.Errorf("too late to %s: it was possible until %s", late.Act, showMoment(late.Until.Truncate(time.Minute), c)))
	case errors.Is(err, data.ErrNoPlace), errors.Is(err, data.ErrNoOffer):
		return refused(err)
	}
	return err
}
