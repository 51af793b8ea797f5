package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"jebi/data"
)

func newAuditCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read the audit trail, seal and verify its hash chains",
		Long: `Who did what, when and why. The trail, the board and the history of ballots are chained by
hashes: whoever changes, deletes or inserts a row that is sealed already is found out, and, with
heads that were kept outside, even one who can change the whole database.`,
		Example: "  jebi audit list --subject cohort:3",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newAuditListCommand(a), newAuditSealCommand(a), newAuditShowCommand(a), newAuditVerifyCommand(a))
	return c
}

func newAuditListCommand(a *app) *cobra.Command {
	var f data.AuditFilter
	var since string
	c := &cobra.Command{
		Use:   "list",
		Short: "List lines of the audit trail, the newest first",
		Long:  "List lines of the audit trail, the newest first. It needs a signed-in auditor, operator or approver.",
		Example: "  jebi audit list --act window --limit 20\n" +
			"  jebi audit list --official ann --since 2021-07-14T00:00:00Z --json",
		Args: cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			if since != "" {
				t, err := time.Parse(time.RFC3339, since)
				if err != nil {
					return usage(fmt.Errorf("--since: %q is not a time like 2021-07-14T00:00:00Z", since))
				}
				f.Since = t
			}
			db, err := a.auditDatabase(cc)
			if err != nil {
				return err
			}
			f.Newest = true
			es, err := db.AuditTrail(cc.Context(), f)
			if err != nil {
				return err
			}
			return a.show(append([]data.AuditEntry{}, es...), func(w io.Writer) error {
				for _, e := range es {
					fmt.Fprintf(w, "%-7d %s  %-22s %-14s %s", e.ID, e.At.Format("2006-01-02 15:04:05Z"), e.Act, e.Subject, who(e))
					if e.Reason != "" {
						fmt.Fprintf(w, ": %s", e.Reason)
					}
					fmt.Fprintln(w)
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&f.Subject, "subject", "", `"cohort:3", "person:17", …`)
	c.Flags().StringVar(&f.Act, "act", "", `"window.extend", or all of "window"`)
	c.Flags().StringVar(&f.Official, "official", "", "login of the one who acted or confirmed")
	c.Flags().StringVar(&since, "since", "", "not before this time, 2021-07-14T00:00:00Z")
	c.Flags().IntVar(&f.Limit, "limit", 50, "lines at most")
	return c
}

// auditDatabase opens the database for one who may read the trail.
func (a *app) auditDatabase(cc *cobra.Command) (*data.DB, error) {
	db, err := a.database(cc.Context())
	if err != nil {
		return nil, err
	}
	_, err = a.official(cc.Context(), db, data.RoleAuditor, data.RoleOperator, data.RoleApprover)
	return db, err
}

func who(e data.AuditEntry) string {
	switch {
	case e.Second != "":
		return e.Official + " and " + e.Second
	case e.Official != "":
		return e.Official
	}
	return e.Actor
}

func newAuditShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show NUMBER",
		Short:   "Show one line of the audit trail with what was before and after",
		Example: "  jebi audit show 17",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usage(fmt.Errorf("%q is not a line's number", args[0]))
			}
			db, err := a.auditDatabase(cc)
			if err != nil {
				return err
			}
			e, err := db.AuditLine(cc.Context(), id)
			if err != nil {
				return err
			}
			return a.show(e, func(w io.Writer) error {
				fmt.Fprintf(w, "%d  %s\n%s of %s by %s\n", e.ID, e.At.Format(time.RFC3339Nano), e.Act, e.Subject, who(e))
				for _, x := range []struct{ what, value string }{{"campaign", e.Campaign}, {"reason", e.Reason}, {"before", string(e.Before)}, {"after", string(e.After)}} {
					if x.value != "" {
						fmt.Fprintf(w, "  %-9s %s\n", x.what, x.value)
					}
				}
				return nil
			})
		},
	}
}

func newAuditSealCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "seal",
		Short: "Seal the hash chains now and print their heads, to be kept outside",
		Long: `Seal the hash chains up to now and print their heads. The scheduler does the same at the times
of the campaign file. Keep the output where the database's administrators cannot change it; jebi
audit verify --against FILE compares.`,
		Example: "  jebi audit seal --json > heads-$(date +%F).json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			db, err := a.auditDatabase(cc)
			if err != nil {
				return err
			}
			if _, err := db.SealAll(cc.Context()); err != nil {
				return err
			}
			heads, err := db.Heads(cc.Context())
			if err != nil {
				return err
			}
			return a.show(append([]data.SealRow{}, heads...), func(w io.Writer) error {
				for _, h := range heads {
					fmt.Fprintf(w, "%-15s seal %-6d up to row %-10d %s\n", h.Chain, h.Seq, h.Upto, h.Head)
				}
				return nil
			})
		},
	}
}

func newAuditVerifyCommand(a *app) *cobra.Command {
	var against string
	var boards []string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Recompute the hash chains and compare them with their seals",
		Long: `Recompute the hash chains of the audit trail, the board and the ballots' history from their
rows and compare them with their seals and, with --against, with heads that were kept outside.
--board takes a head of the board as the steps of a draw print and mail it.
Exit code 0: all hold; 1: one does not, and it says where.`,
		Example: "  jebi audit verify\n  jebi audit verify --against heads-2021-07-16.json --board 17:5f0c…",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			kept, err := readHeads(against)
			if err != nil {
				return usage(err)
			}
			heads := make([]data.BoardHead, len(boards))
			for i, s := range boards {
				if heads[i], err = data.ParseBoardHead(s); err != nil {
					return usage(err)
				}
			}
			db, err := a.auditDatabase(cc)
			if err != nil {
				return err
			}
			rs, err := db.VerifyChains(cc.Context(), kept)
			if err != nil {
				return err
			}
			fault, err := db.CheckBoard(cc.Context(), heads)
			if err != nil {
				return err
			}
			for i := range rs {
				if rs[i].Chain == "board" && rs[i].Fault == "" {
					rs[i].Fault = fault
				}
			}
			holds := true
			for _, r := range rs {
				holds = holds && r.Fault == ""
			}
			err = a.show(map[string]any{"holds": holds, "chains": rs}, func(w io.Writer) error {
				for _, r := range rs {
					says := "holds"
					if r.Fault != "" {
						says = "FAILS: " + r.Fault
					}
					fmt.Fprintf(w, "%-15s %s (%d rows under %d seals, %d not sealed yet)\n", r.Chain, says, r.Rows, r.Seals, r.Unsealed)
				}
				return nil
			})
			if err == nil && !holds {
				err = errors.New("a hash chain does not hold")
			}
			return err
		},
	}
	c.Flags().StringVar(&against, "against", "", "file of heads that was kept outside")
	c.Flags().StringArrayVar(&boards, "board", nil, "a head of the board that was printed or mailed, RECORD:HASH")
	return c
}

// readHeads reads what jebi audit seal --json printed.
func readHeads(file string) ([]data.SealRow, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var heads []data.SealRow
	if err := json.Unmarshal(b, &heads); err != nil || len(heads) == 0 {
		return nil, fmt.Errorf("%s does not hold heads as jebi audit seal --json prints them", file)
	}
	return heads, nil
}
