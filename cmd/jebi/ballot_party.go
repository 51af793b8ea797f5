package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

func newBallotTogetherCommand(a *app) *cobra.Command {
	var o ballotOptions
	c := &cobra.Command{
		Use:   "together PERSON PERSON...",
		Short: "Let people who ask for it answer together",
		Long: `Let two to four people of one cohort answer together, as they could themselves on their pages: one
ticket, one answer for all. An answer that one of them has becomes everyone's. Each must have agreed.`,
		Example: "  jebi ballot together P000123 P000124 --by telephone --reason \"a couple, both on the line\" --apply",
		Args:    cobra.RangeArgs(2, 4),
		RunE:    func(c *cobra.Command, args []string) error { return a.together(c.Context(), args, o) },
	}
	o.flags(c)
	return c
}

func newBallotApartCommand(a *app) *cobra.Command {
	var o ballotOptions
	c := &cobra.Command{
		Use:   "apart PERSON",
		Short: "Take a person who asks for it out of her party",
		Long: `Take a person out of the party with whom she answers. She keeps their answer for herself alone; the
others keep it for the rest of them. They are told.`,
		Example: "  jebi ballot apart P000123 --by telephone --reason \"she asked for it\" --apply",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.apart(c.Context(), args[0], o) },
	}
	o.flags(c)
	return c
}

// partyRequest is what intake must know of a person in whose name an official
// acts.
func (a *app) partyRequest(ctx context.Context, key string, o ballotOptions) (*data.DB, data.PersonRow, intake.Request, error) {
	var r intake.Request
	channel, err := o.way()
	if err != nil {
		return nil, data.PersonRow{}, r, err
	}
	if o.reason == "" {
		return nil, data.PersonRow{}, r, usage(errors.New("why is it done for her? --reason"))
	}
	db, c, p, by, err := a.ballotOf(ctx, key)
	if err != nil {
		return nil, p, r, err
	}
	if p.Cohort == 0 {
		return nil, p, r, refused(fmt.Errorf("%s is in no cohort", p.Key))
	}
	return db, p, intake.Request{Campaign: c, Person: p.ID, Cohort: p.Cohort, Channel: channel, Official: by.Official, Reason: o.reason}, nil
}

type partyAnswer struct {
	People  []string `json:"people"`
	Sample  bool     `json:"sample"`
	Applied bool     `json:"applied"`
}

func (a *app) together(ctx context.Context, keys []string, o ballotOptions) error {
	var db *data.DB
	requests := make([]intake.Request, len(keys))
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			return usage(fmt.Errorf("%s is named twice", key))
		}
		var p data.PersonRow
		var err error
		if db, p, requests[i], err = a.partyRequest(ctx, key, o); err != nil {
			return err
		}
		if requests[i].Cohort != requests[0].Cohort {
			return refused(fmt.Errorf("%s and %s have not the same window", keys[0], key))
		}
		if _, err := db.Party(ctx, p.Campaign, requests[i].Person); err == nil {
			return refused(fmt.Errorf("%s answers together with others already: jebi ballot apart %s", key, key))
		} else if !errors.Is(err, data.ErrNotFound) {
			return err
		}
	}
	c := requests[0].Campaign
	if len(keys) > c.Rules.MaxParty {
		return refused(fmt.Errorf("at most %d people can answer together", c.Rules.MaxParty))
	}
	if o.apply {
		if err := a.joinAll(ctx, db, c, requests); err != nil {
			return err
		}
	}
	return a.show(partyAnswer{keys, c.Sample, o.apply}, func(w io.Writer) error {
		var err error
		if o.apply {
			_, err = fmt.Fprintf(w, "%d people answer together\n", len(keys))
		} else {
			_, err = fmt.Fprintf(w, "%d people would answer together. Nothing is done: do it with --apply.\n", len(keys))
		}
		return err
	})
}

// joinAll makes a party of the first and lets the others join it, as their
// pages would.
func (a *app) joinAll(ctx context.Context, db *data.DB, c *cohort.Campaign, requests []intake.Request) error {
	key, err := a.serverKey(ctx, db)
	if err != nil {
		return err
	}
	var hashes [][32]byte
	s := intake.New(intake.Config{DB: db, Random: rand.Reader})
	err = s.StartParty(ctx, requests[0], func() (nonce, hash [32]byte, err error) {
		nonce = [32]byte(randomBytes(32))
		hash = cohort.EntryHandle(key, cohort.WayParty, c.Key, cohort.PartyCode(key, nonce[:]))
		hashes = append(hashes, hash)
		return nonce, hash, nil
	})
	if err != nil {
		return ballotError(err)
	}
	for i, r := range requests[1:] {
		if err := s.JoinParty(ctx, intake.Joining{Request: r, CodeHash: hashes[i]}); err != nil {
			return fmt.Errorf("person %d of them could not join, those before her have: %w", i+2, ballotError(err))
		}
	}
	return nil
}

func (a *app) apart(ctx context.Context, key string, o ballotOptions) error {
	db, p, r, err := a.partyRequest(ctx, key, o)
	if err != nil {
		return err
	}
	if _, err := db.Party(ctx, p.Campaign, p.ID); errors.Is(err, data.ErrNotFound) {
		return refused(fmt.Errorf("%s answers alone", p.Key))
	} else if err != nil {
		return err
	}
	if o.apply {
		if err := intake.New(intake.Config{DB: db, Random: rand.Reader}).LeaveParty(ctx, r); err != nil {
			return ballotError(err)
		}
	}
	return a.show(partyAnswer{[]string{p.Key}, r.Campaign.Sample, o.apply}, func(w io.Writer) error {
		var err error
		if o.apply {
			_, err = fmt.Fprintf(w, "%s answers alone now, with the answer that they had\n", p.Key)
		} else {
			_, err = fmt.Fprintf(w, "%s would answer alone. Nothing is done: do it with --apply.\n", p.Key)
		}
		return err
	})
}
