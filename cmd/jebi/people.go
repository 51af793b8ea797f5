package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/data"
)

func newPeopleCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "people",
		Short: "The list of people: import, corrections, letters, weights, deletion",
		Long: `The list of the people of a campaign. It comes from a file; what is wrong about one person is
corrected by an official, before and after the freeze, and stays corrected when a later file
comes. The personal part of it is deleted once the campaign has ended.`,
		Example: "  jebi people import people.csv --apply\n  jebi people correct P-1041 --phone 010-2345-6789 --reason \"called, identity checked\" --apply",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(
		newPeopleAskedCommand(a), newPeopleCorrectCommand(a), newPeopleImportCommand(a), newPeopleLettersCommand(a),
		newPeopleListCommand(a), newPeoplePurgeCommand(a), newPeopleShowCommand(a),
		newPeopleWeightsCommand(a),
	)
	return c
}

func newPeopleImportCommand(a *app) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import people from a CSV or .xlsx file",
		Long: `Import people from a CSV file (- for stdin) or a sheet of an .xlsx file. Columns: key, name,
birth_date, and, where there are, phone, email, address, district, lat, lon, groups, language.
People are added and updated, never deleted; the same file twice changes nothing; what an
official has corrected stays. If anything in the file is wrong, all of it is listed by row and
column and nothing is imported. It needs a signed-in operator. See docs/imports.md.`,
		Example: "  jebi people import people.xlsx --sheet list --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			return a.importFiles(cc.Context(), o, oneFile((*data.DB).ImportPeople), args[0])
		},
	}
	o.flags(c)
	return c
}

// personLine is a person in a list: nothing personal.
type personLine struct {
	Key    string `json:"key"`
	Cohort string `json:"cohort"`
	Status string `json:"status"`
	Phone  bool   `json:"phone"` // she can be reached so
	Email  bool   `json:"email"`
	Letter bool   `json:"letter"` // a sign-in code was made for her
	Purged bool   `json:"purged,omitempty"`
}

func newPeopleListCommand(a *app) *cobra.Command {
	var filter data.PeopleFilter
	var limit int
	c := &cobra.Command{
		Use:     "list",
		Short:   "List people by key, without personal data",
		Long:    "List people by key: cohort, status and how they can be reached. Names are shown one at a time, by\njebi people show. It needs a signed-in official.",
		Example: "  jebi people list --cohort 1962-66 --status dead",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			ctx := cc.Context()
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			_, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			if _, err := a.official(ctx, db); err != nil {
				return err
			}
			people := []personLine{}
			enough := errors.New("enough")
			err = db.ReadTx(ctx, func(tx *data.Tx) error {
				people = people[:0]
				return tx.EachPerson(ctx, row.ID, filter, func(p data.PersonRow) error {
					if limit > 0 && len(people) == limit {
						return enough
					}
					people = append(people, personLine{p.Key, p.CohortKey, p.Status, p.Phone != "", p.Email != "", p.Letter, p.Purged})
					return nil
				})
			})
			if err != nil && !errors.Is(err, enough) {
				return err
			}
			return a.show(people, func(w io.Writer) error {
				t := table.NewWriter()
				t.SetStyle(table.StyleLight)
				t.AppendHeader(table.Row{"key", "cohort", "status", "phone", "e-mail", "letter"})
				yes := map[bool]string{true: "yes", false: "-"}
				for _, p := range people {
					t.AppendRow(table.Row{p.Key, p.Cohort, p.Status, yes[p.Phone], yes[p.Email], yes[p.Letter]})
				}
				_, err := fmt.Fprintln(w, t.Render())
				return err
			})
		},
	}
	c.Flags().StringVar(&filter.Cohort, "cohort", "", "only this cohort (-: those in none)")
	c.Flags().StringVar(&filter.Status, "status", "", "only eligible, dead, vaccinated or removed")
	c.Flags().IntVar(&limit, "limit", 100, "at most so many (0: all)")
	return c
}

// personAnswer is what an official sees of one person.
type personAnswer struct {
	Key       string   `json:"key"`
	Cohort    string   `json:"cohort"`
	State     string   `json:"state"`
	Status    string   `json:"status"`
	Name      string   `json:"name"`
	BirthDate string   `json:"birth_date"`
	Phone     string   `json:"phone"`
	Email     string   `json:"email"`
	Address   string   `json:"address"`
	District  string   `json:"district"`
	Groups    []string `json:"groups"`
	Language  string   `json:"language"`
	Corrected []string `json:"corrected"`
	Letter    bool     `json:"letter"`
	Purged    bool     `json:"purged"`
}

func newPeopleShowCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "show KEY --reason TEXT",
		Short: "Show one person's data to an official; the audit trail notes it",
		Long: `Show what is known of one person. Whoever looks, and why, goes on the audit trail. It needs a
signed-in operator or somebody of the call centre.`,
		Example: `  jebi people show P-1041 --reason "she calls about her phone number"`,
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
			_, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			by, err := a.official(ctx, db, data.RoleOperator, data.RoleCallCentre)
			if err != nil {
				return err
			}
			var p data.PersonRow
			var state string
			err = db.Tx(ctx, func(tx *data.Tx) error {
				if p, err = tx.PersonByKey(ctx, row.ID, args[0]); err != nil {
					return err
				}
				if p.Cohort != 0 {
					o, err := tx.Cohort(ctx, p.Cohort)
					if err != nil {
						return err
					}
					state = string(o.State)
				}
				return tx.Audit(ctx, data.AuditRow{Campaign: row.ID, Actor: by, Act: "person.show", Subject: fmt.Sprintf("person:%d", p.ID), Reason: reason})
			})
			if err != nil {
				return err
			}
			answer := personAnswer{
				p.Key, p.CohortKey, state, p.Status, p.Name, p.BirthDate.Format("2006-01-02"), p.Phone, p.Email, p.Address,
				p.District, p.Groups, p.Language, p.Corrected, p.Letter, p.Purged,
			}
			if p.Purged {
				answer.BirthDate = ""
			}
			return a.show(answer, func(w io.Writer) error {
				for _, l := range [][2]string{
					{"key", p.Key},
					{"cohort", strings.TrimSpace(p.CohortKey + " " + state)},
					{"status", p.Status},
					{"name", p.Name},
					{"birth date", answer.BirthDate},
					{"phone", p.Phone},
					{"e-mail", p.Email},
					{"address", p.Address},
					{"district", p.District},
					{"groups", strings.Join(p.Groups, "; ")},
					{"language", p.Language},
					{"corrected", strings.Join(p.Corrected, ", ")},
				} {
					if l[1] == "" {
						l[1] = "-"
					}
					if _, err := fmt.Fprintf(w, "%-11s %s\n", l[0], l[1]); err != nil {
						return err
					}
				}
				if p.Purged {
					_, err := fmt.Fprintln(w, "Her personal data has been deleted.")
					return err
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why you look, without names")
	return c
}

func newPeoplePurgeCommand(a *app) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:   "purge --reason TEXT",
		Short: "Delete everything personal once the campaign has ended (an act of two)",
		Long: `Delete everything personal of a campaign whose cohorts have all ended: names, addresses, birth
dates, ballots, drafts, sessions and sign-ins. Ranks, places, hashes and the audit trail stay, and
everything public still verifies. It cannot be taken back. It is an act of two: an operator or
approver proposes it, another confirms it.`,
		Example: `  jebi people purge --reason "retention of 30 days is over" --apply`,
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			ctx := cc.Context()
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			_, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			return a.two(ctx, db, "people.purge", row.ID, purge{row.ID}, reason, apply)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, without names")
	c.Flags().BoolVar(&apply, "apply", false, "propose it")
	return c
}

// purge are the params of the act of two.
type purge struct {
	Campaign int `json:"campaign"` // id
}

func purgePeople(ctx context.Context, tx *data.Tx, params json.RawMessage, reason string, by data.Actor) (effect, error) {
	var p purge
	if err := json.Unmarshal(params, &p); err != nil {
		return effect{}, err
	}
	counts, err := tx.Purge(ctx, p.Campaign, reason, by)
	return effect{counts, fmt.Sprintf("%d people's data, %d ballots, %d drafts, %d sign-ins and %d sessions deleted, %d queued messages called off; it cannot be undone.",
		counts.Details, counts.Ballots, counts.Drafts, counts.SignIns, counts.Sessions, counts.Messages)}, err
}
