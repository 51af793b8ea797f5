package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery/beacon"
)

// drawAct are the params of the draw's acts of two; each uses some.
type drawAct struct {
	Campaign    string `json:"campaign"` // key
	Cohort      string `json:"cohort"`   // key
	OperatorKey string `json:"operator_key,omitempty"`
	HandedIn    []int  `json:"handed_in,omitempty"` // trustees by index
	AbsentOnes  []int  `json:"absent_ones,omitempty"`
	Digits      string `json:"digits,omitempty"`
	Trustee     int    `json:"trustee,omitempty"`
	Value       string `json:"value,omitempty"` // hex
	Absent      bool   `json:"absent,omitempty"`
	Note        string `json:"note,omitempty"`
	Index       int    `json:"index,omitempty"` // of a source of contributions
	File        []byte `json:"file,omitempty"`
	Claim       []byte `json:"claim,omitempty"` // digest of what a citizen handed in

	receipt, ballot []byte // what she handed in: never in a proposal
}

// drawActs are the draw's part of acts.
func drawActs() map[string]act {
	does := func(f func(ctx context.Context, tx *data.Tx, d drawAct, c *cohort.Campaign, id int, reason string, by data.Actor) (effect, error)) act {
		return act{roles: twoRoles(), do: func(ctx context.Context, tx *data.Tx, params json.RawMessage, reason string, by data.Actor) (effect, error) {
			var d drawAct
			if err := json.Unmarshal(params, &d); err != nil {
				return effect{}, err
			}
			row, err := tx.Campaign(ctx, d.Campaign)
			if err != nil {
				return effect{}, err
			}
			c, err := cycle.Parse(row)
			if err != nil {
				return effect{}, err
			}
			return f(ctx, tx, d, c, row.ID, reason, by)
		}}
	}
	do := func(f func(ctx context.Context, tx *data.Tx, d drawAct, c *cohort.Campaign, id int, reason string, by data.Actor) error) act {
		return does(func(ctx context.Context, tx *data.Tx, d drawAct, c *cohort.Campaign, id int, reason string, by data.Actor) (effect, error) {
			return effect{}, f(ctx, tx, d, c, id, reason, by)
		})
	}
	return map[string]act{
		"draw.announce": do(func(ctx context.Context, tx *data.Tx, d drawAct, c *cohort.Campaign, _ int, reason string, by data.Actor) error {
			_, err := cycle.AnnounceWith(ctx, tx, c, d.Cohort, cryptoRandom, d.OperatorKey, by, reason)
			return err
		}),
		"draw.envelopes": do(func(ctx context.Context, tx *data.Tx, d drawAct, _ *cohort.Campaign, id int, reason string, by data.Actor) error {
			return cycle.Envelopes(ctx, tx, id, d.Cohort, d.HandedIn, d.AbsentOnes, reason, by)
		}),
		"draw.dice": do(func(ctx context.Context, tx *data.Tx, d drawAct, _ *cohort.Campaign, id int, reason string, by data.Actor) error {
			return cycle.Dice(ctx, tx, id, d.Cohort, d.Digits, reason, by)
		}),
		"draw.reveal": does(func(ctx context.Context, tx *data.Tx, d drawAct, _ *cohort.Campaign, id int, reason string, by data.Actor) (effect, error) {
			if d.Note != "" {
				return effect{}, cycle.RevealSigned(ctx, tx, id, d.Cohort, d.Trustee, d.Note, reason, by)
			}
			if d.Absent {
				return effect{}, cycle.Absent(ctx, tx, id, d.Cohort, d.Trustee, reason, by)
			}
			held, err := hex.DecodeString(d.Value)
			if err != nil {
				return effect{}, err
			}
			matched, err := cycle.Reveal(ctx, tx, id, d.Cohort, d.Trustee, held, reason, by)
			return revealed(d.Trustee, matched), err
		}),
		"draw.contributions": do(func(ctx context.Context, tx *data.Tx, d drawAct, _ *cohort.Campaign, id int, reason string, by data.Actor) error {
			return cycle.Contributions(ctx, tx, id, d.Cohort, d.Index, d.File, reason, by)
		}),
		"draw.correct": does(func(ctx context.Context, tx *data.Tx, d drawAct, _ *cohort.Campaign, id int, reason string, by data.Actor) (effect, error) {
			e, err := (&cycle.Runner{Beacon: beacon.Verify}).Correct(ctx, tx, id, d.Cohort, reason, by)
			return corrected(e), err
		}),
		"draw.left_out": does(func(ctx context.Context, tx *data.Tx, d drawAct, c *cohort.Campaign, id int, reason string, by data.Actor) (effect, error) {
			var claim cycle.LeftOutClaim
			var err error
			if claim.Receipt, claim.Ballot, err = tx.TakeClaim(ctx, d.Claim); err != nil {
				return effect{}, err
			}
			e, err := cycle.LeftOut(ctx, tx, c, id, d.Cohort, claim, reason, by)
			return leftOut(e), err
		}),
		"draw.void": do(func(ctx context.Context, tx *data.Tx, d drawAct, c *cohort.Campaign, id int, reason string, by data.Actor) error {
			return cycle.Void(ctx, tx, c, id, d.Cohort, reason, by)
		}),
	}
}

// proposeDraw is the first half of one of them.
func (a *app) proposeDraw(ctx context.Context, name string, d drawAct, reason string, apply bool) error {
	reason, err := checkReason(reason)
	if err != nil {
		return err
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	c, row, err := a.cohortRow(ctx, db, d.Cohort)
	if err != nil {
		return err
	}
	d.Campaign = c.Key
	return a.two(ctx, db, name, row.Campaign, d, reason, apply)
}

// keep keeps what a citizen handed in out of the proposal.
func (d drawAct) keep(ctx context.Context, tx *data.Tx, campaignID int) (any, error) {
	if d.receipt == nil {
		return d, nil
	}
	row, err := tx.CohortByKey(ctx, campaignID, d.Cohort)
	if err != nil {
		return d, err
	}
	digest, err := tx.KeepClaim(ctx, row.ID, d.receipt, d.ballot)
	d.Claim = digest[:]
	return d, err
}

func newDrawAnnounceCommand(a *app) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:   "announce COHORT --reason TEXT",
		Short: "Put a cohort's manifest on the board, before its window opens (an act of two)",
		Long: `Put a cohort's manifest on the board: the sources of randomness with the trustees' commitments,
the commitment to the draw's secret key, rules and deadlines. The order of the supply is fixed, and
everyone of the cohort is invited. Afterwards none of it changes. The window cannot open without it.`,
		Example: `  jebi draw announce 1962-66 --reason "council decision 12" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			d := drawAct{Cohort: args[0]}
			key, err := a.operatorKey()
			if err != nil {
				return err
			}
			if key != nil {
				d.OperatorKey = key.Public()
			}
			return a.proposeDraw(cc.Context(), "draw.announce", d, reason, apply)
		},
	}
	reasonAndApply(c, &reason, &apply)
	return c
}

func newDrawEnvelopesCommand(a *app) *cobra.Command {
	var reason, handedIn, absent string
	apply := false
	c := &cobra.Command{
		Use:   "envelopes COHORT --handed-in 1,2 --absent 3 --reason TEXT",
		Short: "Record who handed in a sealed envelope, before the dice (an act of two)",
		Long: `Record which trustees have handed in their sealed envelopes, and which are absent: each trustee
once, by the index in the manifest, before the first die is thrown. Who is not recorded by then
keeps the dice from being recorded.`,
		Example: `  jebi draw envelopes 1962-66 --handed-in 1,2 --absent 3 --reason "trustee 3 is ill" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			d := drawAct{Cohort: args[0]}
			var err error
			if d.HandedIn, err = indices(handedIn); err != nil {
				return err
			}
			if d.AbsentOnes, err = indices(absent); err != nil {
				return err
			}
			return a.proposeDraw(cc.Context(), "draw.envelopes", d, reason, apply)
		},
	}
	c.Flags().StringVar(&handedIn, "handed-in", "", "trustees whose envelopes are handed in, by index: 1,2")
	c.Flags().StringVar(&absent, "absent", "", "trustees who are absent, by index")
	reasonAndApply(c, &reason, &apply)
	return c
}

// indices reads "1,2,3".
func indices(list string) ([]int, error) {
	var out []int
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return nil, usage(fmt.Errorf("%q is no trustee's index: 1,2,3", s))
		}
		out = append(out, int(n))
	}
	return out, nil
}

func newDrawDiceCommand(a *app) *cobra.Command {
	var reason, digits string
	apply := false
	c := &cobra.Command{
		Use:   "dice COHORT --digits DIGITS --reason TEXT",
		Short: "Record the dice that were thrown in public (an act of two)",
		Long: `Record the ten-sided dice, all digits in the order in which they were thrown. From the first die on
the draw can never be given up: not even while this waits for the second official.`,
		Example: `  jebi draw dice 1962-66 --digits 4711230985… --reason "thrown in the town hall, minutes 7" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			digits := strings.Map(func(r rune) rune {
				if r == ' ' || r == '-' {
					return -1
				}
				return r
			}, digits)
			if digits == "" {
				return usage(errors.New("which digits? --digits 4711230985…"))
			}
			return a.proposeDraw(cc.Context(), "draw.dice", drawAct{Cohort: args[0], Digits: digits}, reason, apply)
		},
	}
	c.Flags().StringVar(&digits, "digits", "", "the digits, first to last; blanks and dashes are ignored")
	reasonAndApply(c, &reason, &apply)
	return c
}

func newDrawRevealCommand(a *app) *cobra.Command {
	var reason, value, note string
	var trustee int
	absent, apply := false, false
	c := &cobra.Command{
		Use:   "reveal COHORT --trustee N (--note FILE | --value HEX | --absent) --reason TEXT",
		Short: "Record a trustee's signed note, or what her envelope held (an act of two)",
		Long: `Record a trustee's signed note (--note, as jebi draw trustee reveal wrote it) before the last source
exists; a later one is ignored. Or record what an envelope held when it was opened, after the dice, before two witnesses. What does
not match the trustee's commitment counts as absent and is recorded with both values. --absent
records an envelope that turned out to be missing or empty.`,
		Example: `  jebi draw reveal 1962-66 --trustee 1 --value 6bf7516c… --reason "opened, minutes 8" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			d := drawAct{Cohort: args[0], Trustee: trustee, Value: strings.ToLower(value), Absent: absent}
			if !cc.Flags().Changed("trustee") {
				return usage(errors.New("which trustee? --trustee N, the index in the manifest"))
			}
			if note != "" {
				if value != "" || absent {
					return usage(errors.New("a note, or an envelope's value, or --absent: one of them"))
				}
				b, err := readInput(cc.InOrStdin(), note)
				if err != nil {
					return usage(err)
				}
				if len(b) > 4096 {
					return usage(errors.New("a reveal's note has some hundred bytes"))
				}
				d.Note = string(b)
				return a.proposeDraw(cc.Context(), "draw.reveal", d, reason, apply)
			}
			if (value == "") == !absent {
				return usage(errors.New("say what the envelope held, --value HEX, or that it was missing or empty, --absent"))
			}
			if b, err := hex.DecodeString(value); err != nil || len(b) > 1024 {
				return usage(errors.New("--value is the content of the envelope in hex: 64 digits where it is a proper one"))
			}
			return a.proposeDraw(cc.Context(), "draw.reveal", d, reason, apply)
		},
	}
	c.Flags().IntVar(&trustee, "trustee", 0, "the trustee's index in the manifest")
	c.Flags().StringVar(&value, "value", "", "what the envelope held, in hex")
	c.Flags().StringVar(&note, "note", "", "file with her signed note; - is stdin")
	c.Flags().BoolVar(&absent, "absent", false, "the envelope was missing or empty")
	reasonAndApply(c, &reason, &apply)
	return c
}

func newDrawContributionsCommand(a *app) *cobra.Command {
	var reason, file string
	var index int
	apply := false
	c := &cobra.Command{
		Use:   "contributions COHORT --index N --file FILE --reason TEXT",
		Short: "Record the file of public contributions (an act of two)",
		Long: `Record the file in which the public's contributions to the randomness were gathered, before the last
source exists. The file goes into the bundle as it is.`,
		Example: `  jebi draw contributions 1962-66 --index 4 --file letters.txt --reason "the box was opened, minutes 6" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			if !cc.Flags().Changed("index") || file == "" {
				return usage(errors.New("which source, and which file? --index N --file FILE"))
			}
			b, err := readInput(cc.InOrStdin(), file)
			if err != nil {
				return usage(err)
			}
			return a.proposeDraw(cc.Context(), "draw.contributions", drawAct{Cohort: args[0], Index: index, File: b}, reason, apply)
		},
	}
	c.Flags().IntVar(&index, "index", 0, "the source's index in the manifest")
	c.Flags().StringVar(&file, "file", "", "the file; - is stdin")
	reasonAndApply(c, &reason, &apply)
	return c
}

func newDrawVoidCommand(a *app) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:   "void COHORT --reason TEXT",
		Short: "Give a draw up for good, before the first die or reveal (an act of two)",
		Long: `Give a cohort's draw up: possible from its announcement until the first die or reveal, never
after. It cannot be taken back, and its draw_id is never used again. The reason is public.`,
		Example: `  jebi draw void 1962-66 --reason "the vaccine was recalled" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			return a.proposeDraw(cc.Context(), "draw.void", drawAct{Cohort: args[0]}, reason, apply)
		},
	}
	reasonAndApply(c, &reason, &apply)
	return c
}
