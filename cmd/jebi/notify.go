package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/notify"
)

func newNotifyCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "notify",
		Short:   "Messages to people: how they stand, send, try again, call off",
		Example: "  jebi notify status",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newNotifyStatusCommand(a), newNotifyDrainCommand(a), newNotifyRetryCommand(a), newNotifyCancelCommand(a))
	return c
}

func newNotifyStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Count the messages by kind, channel and state",
		Example: "  jebi notify status\n  jebi notify status --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.notifyStatus(c.Context()) },
	}
}

func (a *app) notifyStatus(ctx context.Context) error {
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	_, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	counts, err := db.MessageCounts(ctx, row.ID)
	if err != nil {
		return err
	}
	if counts == nil {
		counts = []data.MessageCount{}
	}
	return a.show(counts, func(w io.Writer) error {
		if len(counts) == 0 {
			_, err := fmt.Fprintln(w, "There are no messages.")
			return err
		}
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.AppendHeader(table.Row{"kind", "channel", "state", "last failure", "messages"})
		for _, c := range counts {
			t.AppendRow(table.Row{c.Kind, c.Channel, c.State, c.Error, c.Count})
		}
		_, err := fmt.Fprintln(w, t.Render())
		return err
	})
}

// notifyOptions pick messages.
type notifyOptions struct {
	filter data.MessageFilter
	reason string
	apply  bool
}

func (o *notifyOptions) flags(c *cobra.Command) {
	c.Flags().Int64Var(&o.filter.ID, "id", 0, "one message")
	c.Flags().StringVar(&o.filter.Kind, "kind", "", "messages of a kind, as in: jebi notify status")
	c.Flags().StringVar(&o.filter.Channel, "channel", "", "email or sms")
	c.Flags().StringVar(&o.filter.Event, "event", "", "messages of one event")
	c.Flags().StringVar(&o.reason, "reason", "", "why; it stands in the audit trail")
	c.Flags().BoolVar(&o.apply, "apply", false, "do it; without this, only count them")
}

func newNotifyRetryCommand(a *app) *cobra.Command {
	o := &notifyOptions{}
	c := &cobra.Command{
		Use:     "retry",
		Short:   "Queue undelivered messages again",
		Example: "  jebi notify retry --channel sms --reason \"gateway repaired\" --apply",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.changeMessages(c.Context(), o, "undelivered", "queued again", (*data.Tx).RetryMessages)
		},
	}
	o.flags(c)
	return c
}

func newNotifyCancelCommand(a *app) *cobra.Command {
	o := &notifyOptions{}
	c := &cobra.Command{
		Use:     "cancel",
		Short:   "Call queued messages off",
		Example: "  jebi notify cancel --kind reminder --reason \"told by telephone\" --apply",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.changeMessages(c.Context(), o, "queued", "called off", (*data.Tx).CancelMessages)
		},
	}
	o.flags(c)
	return c
}

type messagesChanged struct {
	Messages int  `json:"messages"`
	Applied  bool `json:"applied"`
}

func (a *app) changeMessages(ctx context.Context, o *notifyOptions, state, done string,
	do func(*data.Tx, context.Context, int, data.MessageFilter, data.Actor, string) (int, error),
) error {
	if o.filter == (data.MessageFilter{}) {
		return usage(errors.New("which messages? Name --id, --kind, --channel or --event"))
	}
	if o.apply && o.reason == "" {
		return usage(errors.New("this needs --reason"))
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	_, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	by, err := a.official(ctx, db, data.RoleOperator)
	if err != nil {
		return err
	}
	answer := messagesChanged{Applied: o.apply}
	if o.apply {
		err = db.Tx(ctx, func(tx *data.Tx) (err error) {
			answer.Messages, err = do(tx, ctx, row.ID, o.filter, by, o.reason)
			return err
		})
	} else {
		answer.Messages, err = db.CountMessages(ctx, row.ID, o.filter, state)
	}
	if err != nil {
		return err
	}
	return a.show(answer, func(w io.Writer) error {
		if !o.apply {
			_, err := fmt.Fprintf(w, "%d messages are %s. Nothing is done; add --apply.\n", answer.Messages, state)
			return err
		}
		_, err := fmt.Fprintf(w, "%d messages %s.\n", answer.Messages, done)
		return err
	})
}

func newNotifyDrainCommand(a *app) *cobra.Command {
	var apply bool
	var rate float64
	c := &cobra.Command{
		Use:   "drain",
		Short: "Send what is due now, and end",
		Long: `Send the messages that are due now, and end. A server that runs does this all the time;
both may work at once, no message goes twice. What is not urgent rests at night.`,
		Example: "  jebi notify drain --apply",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.drain(c.Context(), rate, apply) },
	}
	c.Flags().BoolVar(&apply, "apply", false, "send; without this, only count")
	c.Flags().Float64Var(&rate, "rate", 20, "messages a second on each channel, 0 for as fast as it goes")
	return c
}

func (a *app) drain(ctx context.Context, rate float64, apply bool) error {
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	if !apply {
		n, err := db.DueMessages(ctx, row.ID)
		if err != nil {
			return err
		}
		return a.show(messagesChanged{Messages: n}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%d messages are due. Nothing is sent; add --apply.\n", n)
			return err
		})
	}
	if _, err := a.official(ctx, db, data.RoleOperator); err != nil {
		return err
	}
	key, err := a.serverKey(ctx, db)
	if err != nil {
		return err
	}
	if rate == 0 {
		rate = -1
	}
	d, err := a.dispatcher(db, c, row.ID, key, rate)
	if err != nil {
		return err
	}
	r, err := d.Drain(ctx)
	if err != nil {
		return err
	}
	if err := a.show(r, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d sent, %d to be tried again, %d undelivered, %d no longer needed\n", r.Sent, r.Again, r.Undelivered, r.Cancelled)
		return err
	}); err != nil {
		return err
	}
	if r.Relay != "" {
		return fmt.Errorf("a relay is away or refuses us: %s; %d messages wait for it", r.Relay, r.Untried)
	}
	return nil
}

// usualRate is how many messages a second a server sends on each channel, so
// that they come spread out and a relay is not overrun.
const usualRate = 50

// dispatcher sends a campaign's messages as its file says, with the passwords
// that the environment holds. A channel without a sender stays queued. A rate
// of 0 is the usual one, as fast as it goes for a sample; below 0 it is none.
func (a *app) dispatcher(db *data.DB, c *cohort.Campaign, id int, key []byte, rate float64) (*notify.Dispatcher, error) {
	if rate == 0 && !c.Sample {
		rate = usualRate
	}
	d := &notify.Dispatcher{
		DB: db, Campaign: c, CampaignID: id, Words: words.New(), Key: key, Rate: max(rate, 0),
		Log: slog.New(slog.NewTextHandler(a.err, nil)),
	}
	if s := c.Senders.Email; s.Host != "" {
		relay, err := notify.NewRelay(s, a.secret(s.PasswordEnv), nil)
		if err != nil {
			return nil, usage(err)
		}
		d.Email = relay
	}
	if s := c.Senders.SMS; s.URL != "" {
		gateway, err := notify.NewGateway(s, a.secret(s.TokenEnv))
		if err != nil {
			return nil, usage(err)
		}
		d.SMS = gateway
	}
	return d, nil
}

// secret reads an environment variable that the campaign file names.
func (a *app) secret(name string) string {
	if name == "" {
		return ""
	}
	return a.env(name)
}
