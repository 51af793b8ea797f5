package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
	"jebi/lottery/beacon"
)

// drawAnswer is what jebi draw show says.
type drawAnswer struct {
	Cohort      string         `json:"cohort"`
	State       cohort.State   `json:"state"`
	DrawID      string         `json:"draw_id"`
	Sample      bool           `json:"sample"`
	Manifest    string         `json:"manifest_hash,omitempty"`
	KCommit     string         `json:"k_commit,omitempty"`
	Opens       time.Time      `json:"opens"`
	Closes      time.Time      `json:"closes"`
	DrawAt      time.Time      `json:"draw_at"`
	PublishAt   time.Time      `json:"publish_at"`
	Leaves      int            `json:"leaves,omitempty"`
	Root        string         `json:"root,omitempty"`
	Sources     []sourceAnswer `json:"sources"`
	Seed        string         `json:"seed,omitempty"`
	OutcomeRoot string         `json:"outcome_root,omitempty"`
	FrozenAt    *time.Time     `json:"frozen_at"`
	DrawnAt     *time.Time     `json:"drawn_at"`
	VerifiedAt  *time.Time     `json:"verified_at"`
	PublishedAt *time.Time     `json:"published_at"`
	// Corrections of the result, the newest last; Outcome above is of the draw itself.
	Corrections []correctionAnswer `json:"corrections,omitempty"`
	LeftOut     int                `json:"left_out,omitempty"` // ballots that were left out, and recorded since
	Reserve     int                `json:"reserve,omitempty"`  // seats that are still kept for such
}

type correctionAnswer struct {
	Number      int       `json:"number"`
	At          time.Time `json:"at"`
	Reason      string    `json:"reason"`
	OutcomeRoot string    `json:"outcome_root"`
}

type sourceAnswer struct {
	Position int    `json:"position"`
	Type     uint8  `json:"type"`
	Name     string `json:"name"`
	Index    uint16 `json:"index,omitempty"`
	State    string `json:"state"` // "missing", "handed_in", "absent", "recorded", "mismatch"
	Value    string `json:"value,omitempty"`
}

func newDrawShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show COHORT",
		Short:   "Show how far a cohort's draw is",
		Long:    "Show a cohort's draw: its times, the root of the frozen ballots, and which sources of randomness\nare recorded. Everything shown is public.",
		Example: "  jebi draw show 1962-66 --json",
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
			d, err := showDraw(ctx, db, c, row)
			if err != nil {
				return err
			}
			return a.show(d, func(w io.Writer) error { return d.write(w, c) })
		},
	}
}

func showDraw(ctx context.Context, db *data.DB, c *cohort.Campaign, row data.CohortRow) (drawAnswer, error) {
	d := drawAnswer{
		Cohort: row.Key, State: row.State, DrawID: c.DrawID(row.Key), Sample: c.Sample,
		Opens: row.Opens, Closes: row.Closes, DrawAt: row.DrawAt, PublishAt: row.PublishAt, Sources: []sourceAnswer{},
	}
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		draw, err := tx.Draw(ctx, row.ID)
		if errors.Is(err, data.ErrNotFound) { // a draft
			return nil
		}
		if err != nil {
			return err
		}
		d.Manifest, d.KCommit = lottery.ManifestHash(draw.Manifest).String(), hex.EncodeToString(draw.KCommit[:])
		d.FrozenAt, d.DrawnAt, d.VerifiedAt, d.PublishedAt = draw.FrozenAt, draw.DrawnAt, draw.VerifiedAt, draw.PublishedAt
		if d.FrozenAt != nil {
			d.Leaves, d.Root = draw.Leaves, hex.EncodeToString(draw.Root[:])
		}
		if d.DrawnAt != nil {
			d.Seed, d.OutcomeRoot = hex.EncodeToString(draw.Seed[:]), hex.EncodeToString(draw.OutcomeRoot[:])
		}
		r, err := cycle.Reveals(ctx, tx, draw)
		if err != nil {
			return err
		}
		o := c.CohortByKey(row.Key)
		for i, s := range r.Announced {
			out := sourceAnswer{Position: i, Type: s.Type, Index: s.Index, State: "missing"}
			if o != nil && i < len(o.Sources) {
				out.Name = o.Sources[i].Name
			}
			handed, known := r.HandedIn[i]
			v, recorded := r.Recorded[i]
			switch {
			case recorded && v.Present:
				out.State, out.Value = "recorded", sourceValue(v)
			case recorded && len(v.Envelope) > 0:
				out.State = "mismatch"
			case recorded || known && !handed:
				out.State = "absent"
			case known:
				out.State = "handed_in"
			}
			d.Sources = append(d.Sources, out)
		}
		return d.since(ctx, tx, row.ID)
	})
	return d, err
}

// since reads what came after the draw.
func (d *drawAnswer) since(ctx context.Context, tx *data.Tx, cohortID int) error {
	corrections, err := tx.Corrections(ctx, cohortID)
	if err != nil {
		return err
	}
	for _, c := range corrections {
		d.Corrections = append(d.Corrections, correctionAnswer{c.Number, c.At, c.Reason, hex.EncodeToString(c.OutcomeRoot[:])})
	}
	left, err := tx.LeftOut(ctx, cohortID)
	if err != nil {
		return err
	}
	d.LeftOut = len(left)
	slots, err := tx.Slots(ctx, cohortID)
	for _, s := range slots {
		if !s.Second {
			d.Reserve += s.Kept
		}
	}
	return err
}

func sourceValue(v lottery.Revealed) string {
	if v.Type == lottery.SourceDice {
		return string(v.Value)
	}
	return hex.EncodeToString(v.Value)
}

func (d drawAnswer) write(w io.Writer, c *cohort.Campaign) error {
	if d.Sample {
		fmt.Fprintln(w, "SAMPLE")
	}
	fmt.Fprintf(w, "draw %s: %s\n", d.DrawID, d.State)
	fmt.Fprintf(w, "  window       %s to %s\n", showMoment(d.Opens, c), showMoment(d.Closes, c))
	fmt.Fprintf(w, "  draw         %s, published %s\n", showMoment(d.DrawAt, c), showMoment(d.PublishAt, c))
	for _, line := range [][2]string{{"manifest", d.Manifest}, {"k_commit", d.KCommit}, {"root", d.Root}, {"seed", d.Seed}, {"outcome", d.OutcomeRoot}} {
		if line[1] != "" {
			fmt.Fprintf(w, "  %-12s %s\n", line[0], line[1])
		}
	}
	if d.Leaves > 0 {
		fmt.Fprintf(w, "  ballots      %d\n", d.Leaves-1)
	}
	if d.Reserve > 0 {
		fmt.Fprintf(w, "  reserve      %d seats\n", d.Reserve)
	}
	if d.LeftOut > 0 {
		fmt.Fprintf(w, "  left out     %d ballots, recorded since\n", d.LeftOut)
	}
	for _, s := range d.Sources {
		kind := map[uint8]string{lottery.SourceTrustee: "trustee", lottery.SourcePublic: "public", lottery.SourceDice: "dice", lottery.SourceDrand: "drand"}[s.Type]
		if s.Type == lottery.SourceTrustee {
			kind = fmt.Sprintf("trustee %d", s.Index)
		}
		if _, err := fmt.Fprintf(w, "  source %d     %-10s %-10s %s %s\n", s.Position, kind, s.State, s.Name, s.Value); err != nil {
			return err
		}
	}
	for _, k := range d.Corrections {
		if _, err := fmt.Fprintf(w, "  correction %d %s  outcome %s: %s\n", k.Number, showMoment(k.At, c), k.OutcomeRoot, k.Reason); err != nil {
			return err
		}
	}
	return nil
}

// runAnswer is what jebi draw run says.
type runAnswer struct {
	Cohort  string          `json:"cohort"`
	State   cohort.State    `json:"state"`
	Due     []cohort.Action `json:"due"`
	Applied bool            `json:"applied"`
	Board   *data.BoardHead `json:"board,omitempty"`
}

func newDrawRunCommand(a *app) *cobra.Command {
	apply := false
	c := &cobra.Command{
		Use:   "run COHORT",
		Short: "Do now what is due for a cohort, as the scheduler would",
		Long: `Do what is due for a cohort: open, close, freeze, draw, publish, lapse, offer. jebi serve does the
same every few seconds. Nothing is done before its time, and no draw without all of its randomness. A
draw is carried out once: to ask for it again is refused, and stands on the audit trail.`,
		Example: "  jebi draw run 1962-66 --apply",
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
			by, err := a.official(ctx, db, data.RoleOperator)
			if err != nil {
				return err
			}
			r, err := a.runner(db)
			if err != nil {
				return err
			}
			due, err := r.Due(ctx, c, row.ID)
			if err != nil {
				return err
			}
			out := runAnswer{Cohort: row.Key, State: row.State, Due: due, Applied: apply}
			if apply {
				err := again(ctx, db, row, due)
				if err == nil {
					err = r.TickCohort(ctx, c.Key, row.Key)
				}
				if err != nil {
					return auditRefusal(ctx, db, row.Campaign, "draw.run", "cohort:"+row.Key, "", by, err)
				}
				if row, err = db.CohortByKey(ctx, row.Campaign, row.Key); err != nil {
					return err
				}
				out.State = row.State
				if out.Board, err = boardNow(ctx, db); err != nil {
					return err
				}
			}
			return a.show(out, func(w io.Writer) error {
				switch {
				case apply:
					_, err = fmt.Fprintf(w, "cohort %s is %s\n", row.Key, row.State)
					err = errors.Join(err, writeBoard(w, out.Board))
				case len(due) == 0:
					_, err = fmt.Fprintf(w, "cohort %s is %s; nothing is due\n", row.Key, row.State)
				default:
					_, err = fmt.Fprintf(w, "cohort %s is %s; due: %v. Nothing is done; do it with --apply.\n", row.Key, row.State, due)
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

// again refuses to carry out a draw that was carried out: where nothing else is
// due, that is what was asked for.
func again(ctx context.Context, db *data.DB, row data.CohortRow, due []cohort.Action) error {
	if len(due) > 0 || !row.State.Since(cohort.Drawn) {
		return nil
	}
	d, err := db.Draw(ctx, row.ID)
	if err != nil {
		return err
	}
	return &data.Refusal{Text: fmt.Sprintf("draw %s was carried out at %s with the seed %x: it is never held again, and nothing else is due; a wrong result is put right with jebi draw correct",
		d.DrawID, d.DrawnAt.Format("2006-01-02 15:04 UTC"), d.Seed)}
}

// publishAnswer is what jebi draw publish says.
type publishAnswer struct {
	cycle.Published
	Applied bool `json:"applied"`
}

func newDrawPublishCommand(a *app) *cobra.Command {
	var out string
	apply := false
	c := &cobra.Command{
		Use:   "publish --out DIR",
		Short: "Write the board and the bundles of published draws as static files",
		Long: `Write what /board and /draws of the web form serve into a folder, for another web server: the
board's list with a file for each entry, and for each published draw a folder and its archive.
Everything in it is public. The same database gives the same bytes.`,
		Example: "  jebi draw publish --out public --apply",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			ctx := cc.Context()
			if out == "" {
				return usage(errors.New("where to? --out DIR"))
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			c, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			p, err := planned(ctx, db, c, row.ID, out)
			if err == nil && apply {
				p, err = cycle.Publish(ctx, db, c, row.ID, out, beacon.Verify)
			}
			if why := refusedWhy(err); why != "" {
				return errors.Join(err, auditPublish(ctx, db, row.ID, why))
			}
			if err != nil {
				return err
			}
			return a.show(publishAnswer{p, apply}, func(w io.Writer) error {
				done := "would write"
				if apply {
					done = "wrote"
				}
				if p.Sample {
					done = "SAMPLE: " + done
				}
				_, err := fmt.Fprintf(w, "%s %d entries of the board to %s and %d bundles to %s\n", done, p.Entries, filepath.Join(out, "board"), len(p.Bundles), filepath.Join(out, "draws"))
				if err == nil && !apply {
					_, err = fmt.Fprintln(w, "Nothing is done; do it with --apply.")
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "the folder to write to")
	c.Flags().BoolVar(&apply, "apply", false, "write it")
	return c
}

// auditPublish puts on the audit trail that a bundle which does not hold was
// to be published. The command asks for no sign-in: what it writes is public.
func auditPublish(ctx context.Context, db *data.DB, campaignID int, why string) error {
	return db.Tx(ctx, func(tx *data.Tx) error {
		return tx.Audit(ctx, data.AuditRow{Campaign: campaignID, Actor: data.System, Act: "draw.publish.refused", After: map[string]any{"why": why}})
	})
}

// planned says what Publish would write.
func planned(ctx context.Context, db *data.DB, c *cohort.Campaign, campaignID int, dir string) (cycle.Published, error) {
	p := cycle.Published{Dir: dir, Sample: c.Sample, Bundles: []string{}}
	entries, err := db.Board(ctx, campaignID, 0)
	if err != nil {
		return p, err
	}
	p.Entries = len(entries)
	cohorts, err := db.Cohorts(ctx, campaignID)
	for _, o := range cohorts {
		if o.State.Since(cohort.Published) {
			corrections, err := db.Corrections(ctx, o.ID)
			if err != nil {
				return p, err
			}
			for n := range len(corrections) + 1 {
				p.Bundles = append(p.Bundles, cohort.BundleName(c.DrawID(o.Key), n))
			}
		}
	}
	return p, err
}
