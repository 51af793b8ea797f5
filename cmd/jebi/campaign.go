package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
)

func newCampaignCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "campaign",
		Short: "Check, compare and apply campaign files",
		Long: `A campaign is one file: cohorts, windows, rules, senders (docs/campaign.md). It is checked
as a whole, shown as a difference before it is applied, kept in every version, and what an
announced cohort was promised stands.`,
		Example: "  jebi campaign check gwanak.toml",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newCampaignApplyCommand(a), newCampaignCheckCommand(a), newCampaignDiffCommand(a), newCampaignListCommand(a), newCampaignShowCommand(a))
	return c
}

// help is what a command does that only has others under it.
func help(c *cobra.Command, _ []string) error { return c.Help() }

// checkedFile is what jebi campaign check says.
type checkedFile struct {
	File     string             `json:"file"`
	OK       bool               `json:"ok"`
	Campaign string             `json:"campaign"` // key, where it could be read
	Hash     string             `json:"hash"`
	Cohorts  int                `json:"cohorts"`
	Problems []campaign.Problem `json:"problems"`
}

func newCampaignCheckCommand(a *app) *cobra.Command {
	strict := false
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong in a campaign file, by line and column",
		Long: `Say what is wrong in a campaign file, by line and column. It touches no database and makes
no folder. Exit code 0: nothing is wrong (there may be warnings); 2: there are errors, or,
with --strict, warnings.`,
		Example: "  jebi campaign check gwanak.toml\n  jebi campaign check gwanak.toml --strict --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, _, err := a.checkFile(args[0], strict)
			return err
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "take warnings for errors")
	return c
}

// checkFile reads a campaign file, and shows what is wrong in it.
func (a *app) checkFile(name string, strict bool) (*cohort.Campaign, []byte, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, usage(err)
	}
	c, problems := campaign.Parse(file)
	r := checkedFile{File: name, OK: c != nil && (!strict || len(problems) == 0), Problems: problems}
	if problems == nil {
		r.Problems = []campaign.Problem{}
	}
	if c != nil {
		r.Campaign, r.Hash, r.Cohorts = c.Key, hex.EncodeToString(c.FileHash[:]), len(c.Cohorts)
	}
	err = a.show(r, func(w io.Writer) error {
		writeProblems(w, name, problems)
		if r.OK {
			_, err := fmt.Fprintf(w, "%s: campaign %s with %d cohorts, hash %s\n", name, r.Campaign, r.Cohorts, r.Hash)
			return err
		}
		return nil
	})
	if err == nil && !r.OK {
		err = usage(fmt.Errorf("%s: %s", name, countProblems(problems)))
	}
	return c, file, err
}

func writeProblems(w io.Writer, name string, ps []campaign.Problem) {
	for _, p := range ps {
		fmt.Fprintf(w, "%s:%s\n", name, p)
	}
}

func countProblems(ps []campaign.Problem) string {
	errs := len(campaign.Errors(ps))
	return fmt.Sprintf("%d errors, %d warnings", errs, len(ps)-errs)
}

// readCampaign reads a campaign file for a command that goes on with it:
// problems go to stderr, errors end it.
func (a *app) readCampaign(name string) (*cohort.Campaign, []byte, error) {
	file, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, usage(err)
	}
	c, problems := campaign.Parse(file)
	writeProblems(a.err, name, problems)
	if c == nil {
		return nil, nil, usage(fmt.Errorf("%s: %s", name, countProblems(problems)))
	}
	return c, file, nil
}

// applied is what jebi campaign diff and apply say.
type applied struct {
	Campaign string            `json:"campaign"`
	Version  int               `json:"version"` // that is in force, or would be
	Hash     string            `json:"hash"`
	Changes  []campaign.Change `json:"changes"`
	People   int               `json:"people"` // who come into another cohort
	Slots    bool              `json:"slots"`  // of draft cohorts are made anew
	Applied  bool              `json:"applied"`
}

func newCampaignApplyCommand(a *app) *cobra.Command {
	apply := false
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make a campaign file the version in force",
		Long: `Make a campaign file the version in force. Without --apply it shows what would change, and
whether it is allowed. Once a cohort is announced, its section, the rules, the day parts, the
authority and the zone stand; new cohorts may come, and drafts may change. People who are in
no cohort or in a draft come into the first cohort that admits them, and the slots of drafts
are made anew. With --apply it needs a signed-in operator.`,
		Example: "  jebi campaign apply gwanak.toml\n  jebi campaign apply gwanak.toml --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			return a.applyCampaign(cc.Context(), args[0], apply)
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func newCampaignDiffCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "diff FILE [OTHER]",
		Short:   "Show what a campaign file changes against the version in force, or another file",
		Long:    `Show what a campaign file changes against the version in force or, with two files, what OTHER changes against FILE (that needs no database).`,
		Example: "  jebi campaign diff gwanak.toml\n  jebi campaign diff old.toml new.toml --json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cc *cobra.Command, args []string) error {
			if len(args) == 2 {
				return a.diffFiles(args[0], args[1])
			}
			return a.applyCampaign(cc.Context(), args[0], false)
		},
	}
}

func (a *app) diffFiles(old, new string) error {
	before, _, err := a.readCampaign(old)
	if err != nil {
		return err
	}
	after, _, err := a.readCampaign(new)
	if err != nil {
		return err
	}
	changes := campaign.Diff(before, after)
	if changes == nil {
		changes = []campaign.Change{}
	}
	return a.show(map[string]any{"changes": changes}, func(w io.Writer) error { return writeChanges(w, changes) })
}

func writeChanges(w io.Writer, cs []campaign.Change) error {
	if len(cs) == 0 {
		_, err := fmt.Fprintln(w, "nothing changes")
		return err
	}
	for _, c := range cs {
		if _, err := fmt.Fprintln(w, c); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) applyCampaign(ctx context.Context, name string, apply bool) error {
	c, file, err := a.readCampaign(name)
	if err != nil {
		return err
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	by := data.System // of a dry run, which is taken back
	if apply {
		if by, err = a.official(ctx, db, data.RoleOperator); err != nil {
			return err
		}
	}
	r, err := db.ApplyCampaign(ctx, c, file, by, apply)
	if err != nil {
		return err
	}
	answer := applied{c.Key, r.Campaign.Version, hex.EncodeToString(r.Campaign.Hash[:]), r.Changes, r.People, r.Slots, apply}
	if r.Changes == nil {
		answer.Changes = []campaign.Change{}
	}
	return a.show(answer, func(w io.Writer) error {
		if r.Changes == nil {
			_, err := fmt.Fprintf(w, "version %d of campaign %s is this very file\n", answer.Version, c.Key)
			return err
		}
		if answer.Version == 1 {
			fmt.Fprintf(w, "a new campaign, %s (times in %s)\n", c.Name.In(c.Languages[0]), c.Zone)
			for _, x := range c.Cohorts {
				fmt.Fprintf(w, "+ cohort %s, born %d–%d: %s to %s, draw %s\n", x.Key, x.BirthFrom, x.BirthTo, showMoment(x.Opens, c), showMoment(x.Closes, c), showMoment(x.DrawAt, c))
			}
		} else if err := writeChanges(w, r.Changes); err != nil {
			return err
		}
		if r.People > 0 {
			fmt.Fprintf(w, "%d people come into another cohort\n", r.People)
		}
		if r.Slots {
			fmt.Fprintln(w, "the slots of draft cohorts are made anew")
		}
		if !apply {
			_, err := fmt.Fprintf(w, "It would be version %d of campaign %s. Nothing is done; do it with --apply.\n", answer.Version, c.Key)
			return err
		}
		_, err := fmt.Fprintf(w, "Version %d of campaign %s is in force, hash %s.\n", answer.Version, c.Key, answer.Hash)
		return err
	})
}

// listedCampaign is a line of jebi campaign list.
type listedCampaign struct {
	Key       string    `json:"key"`
	Version   int       `json:"version"`
	Hash      string    `json:"hash"`
	Sample    bool      `json:"sample"`
	AppliedAt time.Time `json:"applied_at"`
}

func listed(r data.CampaignRow) listedCampaign {
	return listedCampaign{r.Key, r.Version, hex.EncodeToString(r.Hash[:]), r.Sample, r.AppliedAt}
}

func newCampaignListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the campaigns of the database",
		Example: "  jebi campaign list --json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			db, err := a.database(cc.Context())
			if err != nil {
				return err
			}
			rows, err := db.Campaigns(cc.Context())
			if err != nil {
				return err
			}
			list := []listedCampaign{}
			for _, r := range rows {
				list = append(list, listed(r))
			}
			return a.show(list, func(w io.Writer) error {
				for _, r := range list {
					sample := ""
					if r.Sample {
						sample = "  sample"
					}
					fmt.Fprintf(w, "%-40s version %d  %s%s\n", r.Key, r.Version, r.Hash[:16], sample)
				}
				return nil
			})
		},
	}
}

// shownCohort is a cohort of jebi campaign show.
type shownCohort struct {
	Key      string       `json:"key"`
	Name     cohort.Text  `json:"name"`
	State    cohort.State `json:"state"`
	PausedAt *time.Time   `json:"paused_at"`
	Birth    [2]int       `json:"birth_years"`
	Regions  []string     `json:"regions"`
	Groups   []string     `json:"groups"`
	data.Times
}

func newCampaignShowCommand(a *app) *cobra.Command {
	file := false
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the campaign in force: its cohorts, their states and times",
		Long:  `Show the campaign in force: its cohorts, their states and their times as they stand now (in campaign time; with --json in UTC). With --file: the file itself, as it was applied.`,
		Example: "  jebi campaign show\n" +
			"  jebi campaign show --file > gwanak.toml",
		Args: cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			return a.showCampaign(cc.Context(), file)
		},
	}
	c.Flags().BoolVar(&file, "file", false, "the file as it was applied")
	return c
}

func (a *app) showCampaign(ctx context.Context, file bool) error {
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	if file {
		if a.json {
			return usage(errors.New("--file shows the file as it is; it has no --json"))
		}
		_, err := a.out.Write(row.File)
		return err
	}
	rows, err := db.Cohorts(ctx, row.ID)
	if err != nil {
		return err
	}
	answer := struct {
		listedCampaign
		Zone    string        `json:"zone"`
		Name    cohort.Text   `json:"name"`
		Cohorts []shownCohort `json:"cohorts"`
	}{listed(row), c.Zone, c.Name, []shownCohort{}}
	for _, r := range rows {
		x := c.CohortByKey(r.Key)
		answer.Cohorts = append(answer.Cohorts, shownCohort{r.Key, x.Name, r.State, r.PausedAt, [2]int{x.BirthFrom, x.BirthTo}, x.Regions, x.Groups, r.Times()})
	}
	return a.show(answer, func(w io.Writer) error {
		sample := ""
		if row.Sample {
			sample = ", sample"
		}
		fmt.Fprintf(w, "campaign %s, version %d%s: %s\nhash %s, times in %s\n", row.Key, row.Version, sample, c.Name.In(c.Languages[0]), answer.Hash, c.Zone)
		for _, x := range answer.Cohorts {
			state := string(x.State)
			if x.PausedAt != nil {
				state += ", paused"
			}
			who := fmt.Sprintf("born %d–%d", x.Birth[0], x.Birth[1])
			if len(x.Regions) > 0 {
				who += " in " + strings.Join(x.Regions, ", ")
			}
			if len(x.Groups) > 0 {
				who += ", " + strings.Join(x.Groups, " or ")
			}
			fmt.Fprintf(w, "\n%s  %s  (%s)\n", x.Key, state, who)
			for _, e := range []struct {
				what string
				at   time.Time
			}{{"opens", x.Opens}, {"closes", x.Closes}, {"draw", x.DrawAt}, {"publish", x.PublishAt}, {"confirm by", x.ConfirmBy}, {"settle", x.SettleAt}} {
				fmt.Fprintf(w, "  %-10s %s\n", e.what, showMoment(e.at, c))
			}
		}
		return nil
	})
}
