package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/data"
)

func newWindowCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "window",
		Short: "Pause, resume or extend a cohort's window",
		Long: `Change a window that is announced or open. Each change needs a reason, which is public, goes
on the board and is told to everyone of the cohort.`,
		Example: `  jebi window pause 1962-66 --reason "the text messages do not arrive" --apply`,
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(
		newWindowStopCommand(a, "pause", "Take no more ballots in a window until it is resumed", (*data.Tx).PauseWindow),
		newWindowStopCommand(a, "resume", "Take ballots again in a window that was paused", (*data.Tx).ResumeWindow),
		newWindowExtendCommand(a),
	)
	return c
}

// windowAnswer is what the window commands say.
type windowAnswer struct {
	Cohort   string       `json:"cohort"`
	State    cohort.State `json:"state"`
	PausedAt *time.Time   `json:"paused_at"`
	data.Times
	Applied bool `json:"applied"`
}

func newWindowStopCommand(a *app, verb, short string, do func(*data.Tx, context.Context, int, string, data.Actor) (data.CohortRow, error)) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:     verb + " COHORT --reason TEXT",
		Short:   short,
		Long:    short + ".\nThe window's times stay as they are. It needs a signed-in operator.",
		Example: fmt.Sprintf(`  jebi window %s 1962-66 --reason "the text messages do not arrive" --apply`, verb),
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
			err = run(ctx, func(tx *data.Tx) error {
				row, err = do(tx, ctx, row.ID, reason, by)
				return err
			})
			if err != nil {
				return err
			}
			now, err := db.Now(ctx)
			if err != nil {
				return err
			}
			if verb == "resume" && !now.Before(row.Closes) {
				a.progress("The close of cohort %s came while it was paused: resumed, it closes at once. Extend it first to let people answer.", row.Key)
			}
			return a.showWindow(c, row, verb, apply)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, in public words")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

// checkReason wants a reason that can stand on the board.
func checkReason(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", usage(errors.New("say why: --reason TEXT"))
	case len(s) > 1000:
		return "", usage(errors.New("the reason is too long: at most 1000 bytes"))
	}
	return s, nil
}

// cohortRow finds a cohort of the campaign that is meant.
func (a *app) cohortRow(ctx context.Context, db *data.DB, key string) (*cohort.Campaign, data.CohortRow, error) {
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return c, data.CohortRow{}, err
	}
	r, err := db.CohortByKey(ctx, row.ID, key)
	if errors.Is(err, data.ErrNotFound) {
		var keys []string
		for _, x := range c.Cohorts {
			keys = append(keys, x.Key)
		}
		return c, r, usage(fmt.Errorf("campaign %s has no cohort %q; it has: %s", row.Key, key, strings.Join(keys, ", ")))
	}
	return c, r, err
}

func (a *app) showWindow(c *cohort.Campaign, r data.CohortRow, verb string, apply bool) error {
	return a.show(windowAnswer{r.Key, r.State, r.PausedAt, r.Times(), apply}, func(w io.Writer) error {
		done := map[string]string{"pause": "is paused", "resume": "is resumed", "extend": "is extended"}[verb]
		if !apply {
			_, err := fmt.Fprintf(w, "would %s the window of cohort %s (%s to %s). Nothing is done; do it with --apply.\n", verb, r.Key, showMoment(r.Opens, c), showMoment(r.Closes, c))
			return err
		}
		_, err := fmt.Fprintf(w, "The window of cohort %s %s (%s to %s). It is on the board, and everyone of the cohort is told.\n", r.Key, done, showMoment(r.Opens, c), showMoment(r.Closes, c))
		return err
	})
}

// extension are the params of the act of two.
type extension struct {
	Cohort int `json:"cohort"` // id
	data.Times
}

func newWindowExtendCommand(a *app) *cobra.Command {
	var reason, until, draw, publish, confirm, settle string
	apply := false
	c := &cobra.Command{
		Use:   "extend COHORT --until TIME --reason TEXT",
		Short: "Let a window close later (an act of two)",
		Long: `Let a window close later. Draw, publication and the time to confirm come as much later as the
close, if they are not given; the end of the waitlist stays where it is, if it can. It is an act
of two: an operator or approver proposes it, another confirms it. Times are campaign time.`,
		Example: `  jebi window extend 1962-66 --until "2021-07-17 18:00" --reason "power cut" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			if until == "" {
				return usage(errors.New(`until when? --until "2021-07-17 18:00"`))
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.cohortRow(ctx, db, args[0])
			if err != nil {
				return err
			}
			to, err := moment(until, c)
			if err != nil {
				return err
			}
			times := row.Times().Extended(to)
			for _, e := range []struct {
				text string
				at   *time.Time
			}{{draw, &times.DrawAt}, {publish, &times.PublishAt}, {confirm, &times.ConfirmBy}, {settle, &times.SettleAt}} {
				if e.text != "" {
					if *e.at, err = moment(e.text, c); err != nil {
						return err
					}
				}
			}
			return a.two(ctx, db, "window.extend", row.Campaign, extension{row.ID, times}, reason, apply)
		},
	}
	f := c.Flags()
	f.StringVar(&until, "until", "", `the new close, "2021-07-17 18:00"`)
	f.StringVar(&draw, "draw", "", "the new time of the draw")
	f.StringVar(&publish, "publish", "", "the new time of publication")
	f.StringVar(&confirm, "confirm-by", "", "the new time to confirm by")
	f.StringVar(&settle, "settle", "", "the new end of the waitlist")
	f.StringVar(&reason, "reason", "", "why, in public words")
	f.BoolVar(&apply, "apply", false, "propose it")
	return c
}

func extendWindow(ctx context.Context, tx *data.Tx, params json.RawMessage, reason string, by data.Actor) (effect, error) {
	var e extension
	if err := json.Unmarshal(params, &e); err != nil {
		return effect{}, err
	}
	_, err := tx.ExtendWindow(ctx, e.Cohort, e.Times, reason, by)
	return effect{}, err
}
