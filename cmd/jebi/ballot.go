package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/lottery"
)

func newBallotCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ballot",
		Short:   "Answers by telephone or on paper: enter, show, withdraw, together, apart",
		Example: "  jebi ballot show P000123",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBallotApartCommand(a), newBallotEnterCommand(a), newBallotShowCommand(a), newBallotTogetherCommand(a), newBallotWithdrawCommand(a))
	return c
}

// ballotOptions are what an official says of an answer that she enters.
type ballotOptions struct {
	choices []string
	file    string
	channel string
	reason  string
	apply   bool
}

func (o *ballotOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.channel, "by", "", "how it came: telephone or paper")
	c.Flags().StringVar(&o.reason, "reason", "", "why it is entered for her; it stands in the audit trail")
	c.Flags().BoolVar(&o.apply, "apply", false, "do it; without this, only say what would be done")
}

// way is the channel of the words that officials use.
func (o *ballotOptions) way() (string, error) {
	switch o.channel {
	case "telephone":
		return data.ChannelCallCentre, nil
	case "paper":
		return data.ChannelPaper, nil
	}
	return "", usage(errors.New("how did it come? --by telephone or --by paper"))
}

func newBallotEnterCommand(a *app) *cobra.Command {
	var o ballotOptions
	c := &cobra.Command{
		Use:   "enter PERSON",
		Short: "Enter the answer of a person who calls or writes",
		Long: `Enter the answer of a person who calls or writes, in her name and with a reason. It counts like
one from the form, and replaces the one she has. PERSON is her key in the list.

Each --choice is a wish, the best first: clinics=KEY,KEY or district=CODE or near=METRES, then
dates= and parts=, parted by semicolons; "all" stands for all dates or day parts. Or --file names a
JSON file: [{"target": "clinics", "clinics": ["A1100047"], "dates": ["2021-07-26"], "parts": ["am"]}].`,
		Example: "  jebi ballot enter P000123 --by telephone --reason \"cannot use the form\" \\\n    --choice \"district=1162010200; dates=2021-07-26,2021-07-27; parts=all\" --apply",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.enterBallot(c.Context(), args[0], o) },
	}
	c.Flags().StringArrayVar(&o.choices, "choice", nil, "a wish, the best first")
	c.Flags().StringVar(&o.file, "file", "", "JSON file with the wishes")
	o.flags(c)
	return c
}

func newBallotShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show PERSON",
		Short:   "Show a person's answer as it is saved",
		Example: "  jebi ballot show P000123 --json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.showBallot(c.Context(), args[0]) },
	}
}

func newBallotWithdrawCommand(a *app) *cobra.Command {
	var o ballotOptions
	c := &cobra.Command{
		Use:     "withdraw PERSON",
		Short:   "Take back the answer of a person who asks for it",
		Example: "  jebi ballot withdraw P000123 --by telephone --reason \"she asked for it\" --apply",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.withdrawBallot(c.Context(), args[0], o) },
	}
	o.flags(c)
	return c
}

// ballotOf opens what the ballot commands need.
func (a *app) ballotOf(ctx context.Context, key string) (*data.DB, *cohort.Campaign, data.PersonRow, data.Actor, error) {
	var none data.PersonRow
	db, err := a.database(ctx)
	if err != nil {
		return nil, nil, none, data.Actor{}, err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return nil, nil, none, data.Actor{}, err
	}
	by, err := a.official(ctx, db, data.RoleCallCentre, data.RoleOperator)
	if err != nil {
		return nil, nil, none, by, err
	}
	p, err := db.PersonByKey(ctx, row.ID, key)
	if errors.Is(err, data.ErrNotFound) {
		err = usage(fmt.Errorf("%q is nobody's key", key))
	}
	return db, c, p, by, err
}

type ballotAnswer struct {
	Person    string          `json:"person"`
	Draw      string          `json:"draw_id,omitempty"`
	Receipt   string          `json:"receipt,omitempty"`
	Revision  int             `json:"revision,omitempty"`
	SavedAt   *time.Time      `json:"saved_at,omitempty"`
	Channel   string          `json:"channel,omitempty"`
	Withdrawn bool            `json:"withdrawn"`
	Choices   []cohort.Choice `json:"choices"`
	Commit    string          `json:"commit,omitempty"`
	Sample    bool            `json:"sample"`
	Applied   *bool           `json:"applied,omitempty"`
	// Signed is the receipt as the operator signed it, for her to keep.
	Signed *lottery.SavedBallot `json:"signed,omitempty"`
}

func (a *app) printBallot(b ballotAnswer, headline string) error {
	return a.show(b, func(w io.Writer) error {
		if b.Sample {
			fmt.Fprintln(w, "SAMPLE")
		}
		if headline != "" {
			fmt.Fprintln(w, headline)
		}
		if b.Receipt != "" {
			fmt.Fprintf(w, "receipt %s, version %d, saved %s by %s\n", b.Receipt, b.Revision, b.SavedAt.UTC().Format("2006-01-02 15:04:05 UTC"), b.Channel)
		}
		if b.Withdrawn {
			fmt.Fprintln(w, "withdrawn")
		}
		for i, ch := range b.Choices {
			fmt.Fprintf(w, "%d. %s: %s; %s; %s\n", i+1, ch.Target, strings.Join(ch.Clinics, ","), strings.Join(ch.Dates, ","), strings.Join(ch.Parts, ","))
		}
		return nil
	})
}

func (a *app) showBallot(ctx context.Context, key string) error {
	db, c, p, _, err := a.ballotOf(ctx, key)
	if err != nil {
		return err
	}
	b, err := db.Ballot(ctx, p.Campaign, p.ID)
	if errors.Is(err, data.ErrNotFound) {
		return refused(fmt.Errorf("%s has not answered", p.Key))
	}
	if err != nil {
		return err
	}
	parsed, err := cohort.ParseBallot(b.Bytes)
	if err != nil {
		return err
	}
	return a.printBallot(ballotAnswer{
		Person: p.Key, Draw: parsed.Draw, Receipt: cohort.ReceiptNumber(b.Commit), Revision: b.Revision, SavedAt: &b.SavedAt, Channel: b.Channel,
		Withdrawn: b.Withdrawn, Choices: parsed.Choices, Commit: hex.EncodeToString(b.Commit[:]), Sample: c.Sample,
	}, "")
}

func (a *app) enterBallot(ctx context.Context, key string, o ballotOptions) error {
	channel, err := o.way()
	if err != nil {
		return err
	}
	if o.reason == "" {
		return usage(errors.New("why is it entered for her? --reason"))
	}
	db, c, p, by, err := a.ballotOf(ctx, key)
	if err != nil {
		return err
	}
	if p.Cohort == 0 {
		return refused(fmt.Errorf("%s is in no cohort", p.Key))
	}
	choices, err := a.readChoices(ctx, db, c, p, o)
	if err != nil {
		return err
	}
	r := intake.Request{Campaign: c, Person: p.ID, Cohort: p.Cohort, Choices: choices, Channel: channel, Official: by.Official, Reason: o.reason}
	operator, err := a.operatorKey()
	if err != nil {
		return err
	}
	s := intake.New(intake.Config{DB: db, Random: rand.Reader, Operator: operator})
	if !o.apply {
		if err := s.Allowed(ctx, r); err != nil {
			return ballotError(err)
		}
		return a.printBallot(ballotAnswer{Person: p.Key, Choices: choices, Sample: c.Sample, Applied: &o.apply}, "would save this answer for "+p.Key+". Nothing is done: do it with --apply.")
	}
	receipt, err := s.Save(ctx, r)
	if err != nil {
		return ballotError(auditRefusal(ctx, db, p.Campaign, "ballot.enter", fmt.Sprintf("person:%d", p.ID), o.reason, by, err))
	}
	return a.printBallot(receiptAnswer(receipt, channel, choices, c.Sample), "saved for "+p.Key)
}

func (a *app) withdrawBallot(ctx context.Context, key string, o ballotOptions) error {
	channel, err := o.way()
	if err != nil {
		return err
	}
	if o.reason == "" {
		return usage(errors.New("why is it withdrawn for her? --reason"))
	}
	db, c, p, by, err := a.ballotOf(ctx, key)
	if err != nil {
		return err
	}
	r := intake.Request{Campaign: c, Person: p.ID, Cohort: p.Cohort, Channel: channel, Official: by.Official, Reason: o.reason}
	s := intake.New(intake.Config{DB: db, Random: rand.Reader})
	if !o.apply {
		if err := s.MayWithdraw(ctx, r); err != nil {
			return ballotError(err)
		}
		return a.printBallot(ballotAnswer{Person: p.Key, Choices: []cohort.Choice{}, Sample: c.Sample, Applied: &o.apply}, "would withdraw the answer of "+p.Key+". Nothing is done: do it with --apply.")
	}
	receipt, err := s.Withdraw(ctx, r)
	if err != nil {
		return ballotError(auditRefusal(ctx, db, p.Campaign, "ballot.withdraw", fmt.Sprintf("person:%d", p.ID), o.reason, by, err))
	}
	return a.printBallot(receiptAnswer(receipt, channel, []cohort.Choice{}, c.Sample), "withdrawn for "+p.Key)
}

func receiptAnswer(r intake.Receipt, channel string, choices []cohort.Choice, sample bool) ballotAnswer {
	done := true
	return ballotAnswer{
		Person: r.Person, Draw: r.Draw, Receipt: r.Number, Revision: r.Revision, SavedAt: &r.SavedAt, Channel: channel, Withdrawn: r.Withdrawn,
		Choices: choices, Commit: hex.EncodeToString(r.Commit[:]), Sample: sample, Applied: &done, Signed: r.Signed,
	}
}

// ballotError gives what intake refused its exit code, and flaws their words.
func ballotError(err error) error {
	var flawed *intake.Flawed
	var closed *intake.Closed
	var not *intake.NotEligible
	switch {
	case errors.As(err, &flawed):
		book := words.New()
		var lines []string
		for _, f := range flawed.Flaws {
			text := book.Text("en", "flaws."+f.Code, map[string]any{"value": f.Value})
			if f.Choice > 0 {
				text = fmt.Sprintf("choice %d: %s", f.Choice, text)
			}
			lines = append(lines, text)
		}
		return usage(errors.New(strings.Join(lines, "\n")))
	case errors.As(err, &closed), errors.As(err, &not), errors.Is(err, intake.ErrNoBallot), errors.Is(err, intake.ErrBusy):
		return refused(err)
	}
	return err
}
