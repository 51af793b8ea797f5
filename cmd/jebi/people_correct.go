package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"jebi/data"
)

// correctOptions are the flags of people correct.
type correctOptions struct {
	values                                        map[string]*string // by column
	moved, reason                                 string
	dead, vaccinated, remove, restore, add, apply bool
}

// columnsOf lists the columns that a flag can set, with their flags' names.
func columnsOf() []string {
	var names []string
	for _, c := range data.PeopleColumns() {
		if c.Name != "key" {
			names = append(names, c.Name)
		}
	}
	return names
}

func newPeopleCorrectCommand(a *app) *cobra.Command {
	o := correctOptions{values: map[string]*string{}}
	c := &cobra.Command{
		Use:   "correct KEY --reason TEXT",
		Short: "Set one person's data or status right, or add who is missing",
		Long: `Set one person's data right, or her status, with a reason (no names in it). What follows:
  --phone, --email     sessions and codes that were out end; she is told at the new address
  --birth-date, --moved, --district, --groups
                       she belongs to another cohort, if neither window is past and she has not
                       answered; who has answered keeps her ballot
  --dead, --vaccinated, --remove
                       before the freeze her ballot is not admitted to it; once the result is
                       published her place goes to the next, and she is off the waitlist
  --restore            none of these after all; a place that is gone does not come back, but
                       she is first in line for the next; before the publication nothing is gone
  --add                who was missing from the list: before her window closes she may answer;
                       later she joins the next window, or is told that she hears later
Values are read as in an import. It needs a signed-in operator or somebody of the call centre.`,
		Example: "  jebi people correct P-1041 --phone 010-2345-6789 --reason \"called, identity checked\" --apply\n" +
			"  jebi people correct P-2207 --moved \"11590/상도로 1\" --reason \"told at the counter\" --apply\n" +
			"  jebi people correct P-3001 --vaccinated --reason \"clinic's list of 12 July\" --apply",
		Args: cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			set := map[string]string{}
			for name, v := range o.values {
				if cc.Flags().Changed(strings.ReplaceAll(name, "_", "-")) {
					set[name] = *v
				}
			}
			return a.correct(cc.Context(), args[0], set, o)
		},
	}
	f := c.Flags()
	for _, name := range columnsOf() {
		o.values[name] = f.String(strings.ReplaceAll(name, "_", "-"), "", "new "+strings.ReplaceAll(name, "_", " "))
	}
	f.StringVar(&o.moved, "moved", "", "DISTRICT/ADDRESS where she lives now")
	f.BoolVar(&o.dead, "dead", false, "she has died")
	f.BoolVar(&o.vaccinated, "vaccinated", false, "she has been vaccinated already")
	f.BoolVar(&o.remove, "remove", false, "she should not be on the list")
	f.BoolVar(&o.restore, "restore", false, "she is eligible after all")
	f.BoolVar(&o.add, "add", false, "she is missing from the list: add her")
	f.StringVar(&o.reason, "reason", "", "why, without names")
	f.BoolVar(&o.apply, "apply", false, "do it")
	c.MarkFlagsMutuallyExclusive("dead", "vaccinated", "remove", "restore", "add")
	return c
}

// correction makes of the flags what is to be done.
func (o correctOptions) correction(key string, set map[string]string) (data.Correction, error) {
	k := data.Correction{Key: key, Set: set}
	if o.moved != "" {
		district, address, ok := strings.Cut(o.moved, "/")
		if !ok {
			return k, usage(errors.New(`--moved takes DISTRICT/ADDRESS, as in --moved "11590/상도로 1"`))
		}
		for name, v := range map[string]string{"district": strings.TrimSpace(district), "address": strings.TrimSpace(address), "lat": "", "lon": ""} {
			if _, twice := set[name]; !twice {
				set[name] = v
			}
		}
	}
	for status, on := range map[string]bool{"dead": o.dead, "vaccinated": o.vaccinated, "removed": o.remove, "eligible": o.restore} {
		if on {
			k.Status = status
		}
	}
	if len(set) == 0 && k.Status == "" {
		return k, usage(errors.New("nothing to correct: give a value, a status, or --add; see jebi people correct --help"))
	}
	return k, nil
}

func (a *app) correct(ctx context.Context, key string, set map[string]string, o correctOptions) error {
	reason, err := checkReason(o.reason)
	if err != nil {
		return err
	}
	k, err := o.correction(key, set)
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
	by, err := a.official(ctx, db, data.RoleOperator, data.RoleCallCentre)
	if err != nil {
		return err
	}
	run := db.Try
	if o.apply {
		run = db.Tx
	}
	var out data.Corrected
	err = run(ctx, func(tx *data.Tx) error {
		if o.add {
			values := map[string]string{"key": key}
			for name, v := range k.Set {
				values[name] = v
			}
			out, err = tx.AddPerson(ctx, c, row.ID, values, reason, by)
			return err
		}
		out, err = tx.CorrectPerson(ctx, c, row.ID, k, reason, by)
		return err
	})
	if err != nil {
		return badValue(err)
	}
	return a.show(struct {
		data.Corrected
		Added   bool `json:"added"`
		Applied bool `json:"applied"`
	}{out, o.add, o.apply}, func(w io.Writer) error { return writeCorrected(w, out, o) })
}

// badValue makes a value that cannot be read a mistake of the call.
func badValue(err error) error {
	var bad *data.BadValue
	if errors.As(err, &bad) {
		return usage(err)
	}
	return err
}

func writeCorrected(w io.Writer, c data.Corrected, o correctOptions) error {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	inNone := func(key string) string {
		if key == "" {
			return "no cohort"
		}
		return "cohort " + key
	}
	switch {
	case !c.Changed:
		say("nothing changes: this is what the list says already")
	case o.add:
		say("%s is added, in %s", c.Key, inNone(c.Cohort))
		if c.Kept {
			say("her own window (%s) is past", inNone(c.From))
		}
	default:
		if len(c.Fields) > 0 {
			say("%s: corrected %s", c.Key, strings.Join(c.Fields, ", "))
		}
		if c.Status != c.Was {
			say("%s: from %s to %s", c.Key, c.Was, c.Status)
		}
	}
	if !o.add && c.Cohort != c.From {
		say("from %s to %s", inNone(c.From), inNone(c.Cohort))
	}
	if c.Kept && !o.add {
		say("by her data she would belong to another cohort, but she has answered or a window is past: she stays in %s", inNone(c.Cohort))
	}
	if c.Ended > 0 {
		say("%d sign-ins and sessions end", c.Ended)
	}
	if c.Place != 0 {
		say("her place is cancelled; the seat goes to the next")
	}
	if c.Off {
		say("she is off the waitlist")
	}
	if c.InLine {
		say("she waits for a place, before or among the others")
	}
	if !o.apply && c.Changed {
		say("Nothing is done. Do it with --apply.")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
