package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"jebi/lottery/beacon"
)

// beaconAnswer is what jebi draw beacon check says.
type beaconAnswer struct {
	Round      uint64 `json:"round"`
	Valid      bool   `json:"valid"`
	Randomness string `json:"randomness,omitempty"` // hex
	Why        string `json:"why,omitempty"`        // it is not valid
}

func newDrawBeaconCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "beacon",
		Short:   "Rounds of drand's quicknet: check one",
		Long:    "Rounds of drand's quicknet, the public beacon. check needs no database.",
		Example: "  jebi draw beacon check --round 1000 --signature b44679b9…",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newDrawBeaconCheckCommand(a))
	return c
}

func newDrawBeaconCheckCommand(a *app) *cobra.Command {
	var round uint64
	var signature string
	c := &cobra.Command{
		Use:   "check --round N --signature HEX",
		Short: "Say whether a signature is quicknet's of that round, and canonical",
		Long: `Say whether a signature is the one valid encoding of quicknet's signature of a round, and print the
round's randomness in hex, which is SHA-256 of the signature. Exit code 0 if so, 1 if not. It needs no
database, no network and no folder.`,
		Example: "  jebi draw beacon check --round 1000 --signature b44679b9a59af2ec…",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			if !cc.Flags().Changed("round") || signature == "" {
				return usage(errors.New("which round, and what signature? --round N --signature HEX"))
			}
			raw, err := hex.DecodeString(signature)
			if err != nil {
				err = fmt.Errorf("the signature is not hex: %w", err)
			} else if round < 1 {
				err = errors.New("drand counts its rounds from 1")
			} else {
				err = beacon.Verify(round, raw)
			}
			out := beaconAnswer{Round: round, Valid: err == nil}
			if err == nil {
				r := beacon.Randomness(raw)
				out.Randomness = hex.EncodeToString(r[:])
			} else {
				out.Why = err.Error()
			}
			if a.json || err == nil {
				if e := a.show(out, func(w io.Writer) error { _, err := fmt.Fprintln(w, out.Randomness); return err }); e != nil {
					return e
				}
			}
			if err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
			return nil
		},
	}
	c.Flags().Uint64Var(&round, "round", 0, "the round's number")
	c.Flags().StringVar(&signature, "signature", "", "its signature, 96 hex digits")
	return c
}
