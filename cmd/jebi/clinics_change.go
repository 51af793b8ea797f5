package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"jebi/data"
)

func newClinicsAddCommand(a *app) *cobra.Command {
	var m data.MoreSeats
	var reason string
	apply := false
	c := &cobra.Command{
		Use:   "add CLINIC --date DATE --block HHMM --vaccine NAME --seats N --reason TEXT",
		Short: "Add seats to a slot, or a new slot",
		Long: `Add seats after the import. Without --cohort they are shared out to the cohorts that are drafts, as
the campaign file says. With --cohort they go to that cohort: a slot that its draw knows grows while
the draw is not frozen, anything else is a later release, put on the board before it is offered to
those who wait. With --second they are for second doses. While a draw is frozen its supply stands
still. It needs a signed-in operator.`,
		Example: "  jebi clinics add C-17 --date 2021-07-28 --block 1400 --vaccine AZ --seats 12 --cohort 1962-66 --reason \"a second nurse\" --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			m.Clinic = args[0]
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.campaign(ctx, db)
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
			var out data.SeatsAdded
			err = run(ctx, func(tx *data.Tx) error {
				out, err = tx.AddSeats(ctx, c, row.ID, m, reason, by)
				return err
			})
			if err != nil && apply {
				err = auditRefusal(ctx, db, row.ID, "clinics.add", "clinic:"+m.Clinic, reason, by, err)
			}
			if err != nil {
				return badValue(err)
			}
			return a.show(struct {
				data.SeatsAdded
				Clinic  string `json:"clinic"`
				Applied bool   `json:"applied"`
			}{out, m.Clinic, apply}, func(w io.Writer) error {
				whose := "the cohorts that are drafts share"
				if out.Cohort != "" {
					whose = "cohort " + out.Cohort + " has"
				}
				later := ""
				if !out.Draw {
					later = "; they are offered to those who wait, after they stand on the board"
				}
				_, err := fmt.Fprintf(w, "%s %s %s %s: %s %d seats instead of %d%s\n%s", m.Clinic, m.Date, m.Block, m.Vaccine, whose, out.After, out.Before, later, notDone(apply))
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&m.Date, "date", "", "2021-07-28")
	f.StringVar(&m.Block, "block", "", "when it begins, 1400")
	f.StringVar(&m.Vaccine, "vaccine", "", "as in the supply's file")
	f.IntVar(&m.Seats, "seats", 0, "how many more")
	f.StringVar(&m.Cohort, "cohort", "", "who gets them (default: the drafts)")
	f.BoolVar(&m.Second, "second", false, "for second doses; with --cohort")
	f.StringVar(&reason, "reason", "", "why, without names")
	f.BoolVar(&apply, "apply", false, "do it")
	return c
}

// notDone is the last line of a dry run.
func notDone(apply bool) string {
	if apply {
		return ""
	}
	return "Nothing is done. Do it with --apply.\n"
}

func newClinicsCloseCommand(a *app) *cobra.Command {
	var k data.Closing
	var reason string
	apply := false
	c := &cobra.Command{
		Use:   "close CLINIC --reason TEXT",
		Short: "Take seats away that a clinic cannot serve, and move their people",
		Long: `Take away the seats of a clinic that are still to come: all, or a day's, a block's, a vaccine's; with
--keep, only those over so many a slot. Whoever has a place there is moved inside the choices of her
ballot, where there is room, or else loses the place and is first in line for the next that comes
free; parties stay together; offers are taken back. All are told, and the board says which seats are
gone. Draws that are frozen must be published before their seats can be closed. It needs a signed-in
operator. Without --apply it says how many people it would meet.`,
		Example: "  jebi clinics close C-17 --date 2021-07-28 --reason \"no power\" --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			k.Clinic = args[0]
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.campaign(ctx, db)
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
			var out data.Closed
			err = run(ctx, func(tx *data.Tx) error {
				out, err = tx.CloseSlots(ctx, c, row.ID, k, c.Rules.OfferLead, reason, by)
				return err
			})
			if err != nil && apply {
				err = auditRefusal(ctx, db, row.ID, "clinics.close", "clinic:"+k.Clinic, reason, by, err)
			}
			if err != nil {
				return badValue(err)
			}
			return a.show(struct {
				data.Closed
				Clinic  string `json:"clinic"`
				Applied bool   `json:"applied"`
			}{out, k.Clinic, apply}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: %d slots lose %d seats, the drafts %d\n%d people are moved inside their choices, %d are first in line, %d have no place any more, %d offers are taken back\n%s",
					k.Clinic, out.Slots, out.Seats, out.Drafts, out.Moved, out.InLine, out.Lost, out.Withdrawn, notDone(apply))
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&k.Date, "date", "", "only this day, 2021-07-28")
	f.StringVar(&k.Block, "block", "", "only this block, 0900")
	f.StringVar(&k.Vaccine, "vaccine", "", "only this vaccine")
	f.IntVar(&k.Keep, "keep", 0, "seats that stay in each slot, for all cohorts together")
	f.StringVar(&reason, "reason", "", "why, without names")
	f.BoolVar(&apply, "apply", false, "do it")
	return c
}
