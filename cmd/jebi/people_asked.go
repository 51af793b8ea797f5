package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/data"
)

func newPeopleAskedCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "asked NUMBER",
		Short: "Say what became of somebody's wish for a sign-in code, by the number on her page",
		Long: `Say why no code came to somebody who calls. NUMBER is what her page shows her under "Number to give
when I call". It tells whether name, birth date and phone were those of one person on the list, and
whether the message with the code left. What she typed is kept nowhere. It needs a signed-in
operator or somebody of the call centre.`,
		Example: "  jebi people asked K7Q4-2M9T",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			id, err := cohort.ParseReference(args[0])
			if err != nil {
				return usage(errors.New("this is no such number: compare it sign by sign"))
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			_, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			if _, err := a.official(ctx, db, data.RoleOperator, data.RoleCallCentre); err != nil {
				return err
			}
			k, err := db.Asked(ctx, row.ID, id)
			if errors.Is(err, data.ErrNotFound) {
				return refused(errors.New("nobody has asked for a code under this number"))
			}
			if err != nil {
				return err
			}
			return a.show(struct {
				At       time.Time `json:"at"`
				Way      string    `json:"way"`
				Person   string    `json:"person,omitempty"`
				Attempts int       `json:"attempts"`
				Used     bool      `json:"used"`
				Over     bool      `json:"over"`
				Message  string    `json:"message,omitempty"`
				Error    string    `json:"error,omitempty"`
			}{k.At.UTC(), k.Way, k.Person, k.Attempts, k.Used, k.Over, k.Message, k.Error}, func(w io.Writer) error {
				var err error
				switch {
				case k.Person == "":
					_, err = fmt.Fprintln(w, "name, birth date and phone are not those of one person on the list: no code was sent")
				case k.Message == "":
					_, err = fmt.Fprintf(w, "it was %s, who has no address for %s on the list: no code was sent\n", k.Person, k.Way)
				default:
					_, err = fmt.Fprintf(w, "it was %s; the message with the code is %s %s; %d attempts, used: %v, over: %v\n", k.Person, k.Message, k.Error, k.Attempts, k.Used, k.Over)
				}
				return err
			})
		},
	}
}
