package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
)

func newOfferCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "offer",
		Short: "Offers of free seats to those who wait",
		Long: `Seats that come free are gathered and offered in ticket order, each held for one ticket until a
deadline. jebi serve does a batch whenever the campaign's refill expression comes true.`,
		Example: "  jebi offer list 1962-66",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(
		newOfferAnswerCommand(a, "accept", "Accept an offer for the people on its ticket", (*data.Tx).AcceptOffer),
		newOfferAnswerCommand(a, "decline", "Decline an offer for the people on its ticket", (*data.Tx).DeclineOffer),
		newOfferListCommand(a),
		newOfferRunCommand(a),
	)
	return c
}

// offerLine is an offer as it is listed.
type offerLine struct {
	ID       int64      `json:"id"`
	Rank     int        `json:"rank"`
	Size     int        `json:"size"`
	Choice   int        `json:"choice"`
	Slot     int64      `json:"slot"`
	State    string     `json:"state"`
	Offered  time.Time  `json:"offered"`
	Deadline time.Time  `json:"deadline"`
	Ended    *time.Time `json:"ended"`
}

func newOfferListCommand(a *app) *cobra.Command {
	all := false
	c := &cobra.Command{
		Use:     "list COHORT",
		Short:   "List a cohort's offers",
		Long:    "List a cohort's live offers, or with --all every one that was made. Offers are listed by the\ntickets' numbers, not by name.",
		Example: "  jebi offer list 1962-66 --all --json",
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
			if _, err := a.official(ctx, db); err != nil {
				return err
			}
			lines := []offerLine{}
			err = db.ReadTx(ctx, func(tx *data.Tx) error {
				os, err := tx.Offers(ctx, row.ID, !all)
				for _, o := range os {
					lines = append(lines, offerLine{o.ID, o.Rank, o.Size, o.Choice, o.Slot, o.State, o.OfferedAt.UTC(), o.Deadline.UTC(), o.EndedAt})
				}
				return err
			})
			if err != nil {
				return err
			}
			return a.show(lines, func(w io.Writer) error {
				if len(lines) == 0 {
					none := "live offers; --all shows those that ended too"
					if all {
						none = "offers"
					}
					_, err := fmt.Fprintf(w, "cohort %s has no %s\n", row.Key, none)
					return err
				}
				for _, o := range lines {
					if _, err := fmt.Fprintf(w, "%d\trank %d\tsize %d\tchoice %d\tslot %d\t%s\tuntil %s\n",
						o.ID, o.Rank, o.Size, o.Choice, o.Slot, o.State, showMoment(o.Deadline, c)); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that have ended")
	return c
}

func newOfferRunCommand(a *app) *cobra.Command {
	reason, apply := "", false
	c := &cobra.Command{
		Use:   "run COHORT --reason TEXT",
		Short: "Do a batch of offers now, without waiting for the next",
		Long: `Do a batch of offers now: lapse what is past its deadline, then offer the free seats in ticket order.
Seats that came since the last batch are put on the board first and offered by the next one.`,
		Example: `  jebi offer run 1962-66 --reason "clinic added seats" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
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
			by, err := a.official(ctx, db, data.RoleOperator)
			if err != nil {
				return err
			}
			run := db.Try
			if apply {
				run = db.Tx
			}
			var rep cycle.BatchReport
			err = run(ctx, func(tx *data.Tx) error {
				rep, err = cycle.BatchNow(ctx, tx, c, row, by, reason)
				return err
			})
			if err != nil {
				return err
			}
			answer := struct {
				cycle.BatchReport
				Applied bool `json:"applied"`
			}{rep, apply}
			return a.show(answer, func(w io.Writer) error {
				done := "made"
				if !apply {
					done = "would make"
				}
				_, err := fmt.Fprintf(w, "%s %d offers (%d of them better ones) for %d free seats; %d tickets wait; %d new seats on the board\n",
					done, rep.Offers, rep.Replaced, rep.Free, rep.Waiting, rep.Released)
				if err == nil && !apply {
					_, err = fmt.Fprintln(w, "Nothing is done; do it with --apply.")
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func newOfferAnswerCommand(a *app, verb, short string, do func(*data.Tx, context.Context, int64, int64, data.Actor, string) (data.OfferRow, error)) *cobra.Command {
	reason, apply := "", false
	c := &cobra.Command{
		Use:     verb + " OFFER --reason TEXT",
		Short:   short,
		Long:    short + ", who telephone.\nThey are told on their own channels. OFFER is its number in jebi offer list or jebi result show.",
		Example: fmt.Sprintf(`  jebi offer %s 991 --reason "by telephone" --apply`, verb),
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usage(fmt.Errorf("%q is no number of an offer", args[0]))
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			by, err := a.official(ctx, db, data.RoleOperator, data.RoleCallCentre)
			if err != nil {
				return err
			}
			person, err := db.PersonOfOffer(ctx, row.ID, id)
			if err != nil {
				return usage(fmt.Errorf("there is no offer %d in campaign %s", id, row.Key))
			}
			run := db.Try
			if apply {
				run = db.Tx
			}
			var o data.OfferRow
			err = run(ctx, func(tx *data.Tx) error {
				o, err = do(tx, ctx, id, person, by, reason)
				return err
			})
			if err != nil {
				return answerRefused(err, c)
			}
			return a.showAnswered(o, c, apply)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func (a *app) showAnswered(o data.OfferRow, c *cohort.Campaign, apply bool) error {
	answer := struct {
		offerLine
		Sample  bool `json:"sample"`
		Applied bool `json:"applied"`
	}{offerLine{o.ID, o.Rank, o.Size, o.Choice, o.Slot, o.State, o.OfferedAt.UTC(), o.Deadline.UTC(), o.EndedAt}, c.Sample, apply}
	return a.show(answer, func(w io.Writer) error {
		done := "is"
		if !apply {
			done = "would be"
		}
		_, err := fmt.Fprintf(w, "offer %d %s %s\n", o.ID, done, o.State)
		if err == nil && !apply {
			_, err = fmt.Fprintln(w, "Nothing is done; do it with --apply.")
		}
		return err
	})
}
