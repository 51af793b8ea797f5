package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jebi/cohort/cycle"
	"jebi/data"
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
	var round uint64
	var signature, file, relays string
	apply := false
	c := &cobra.Command{
		Use:   "beacon COHORT [--round N] (--signature HEX | --file FILE | --relays [URL,…])",
		Short: "Record the round of drand's quicknet that a draw waits for; or check one",
		Long: `Record the one round of drand's quicknet that counts for a frozen draw: the first announced one at
least an hour after the witnessed time of the checkpoint. A valid signature from any channel is final:
typed (--signature), from a file as a relay gives it (--file), or asked of several relays in turn
(--relays, or --relays=default for the public ones). It is verified here, whoever brought it.`,
		Example: "  jebi draw beacon 1962-66 --relays default --apply\n  jebi draw beacon check --round 1000 --signature b44679b9…",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			given := 0
			for _, s := range []string{signature, file, relays} {
				if s != "" {
					given++
				}
			}
			if given != 1 {
				return usage(errors.New("where from? one of --signature HEX, --file FILE, --relays URL,…"))
			}
			return a.recordBeacon(cc.Context(), args[0], round, func(ctx context.Context, round uint64) ([]byte, error) {
				switch {
				case signature != "":
					return beacon.Parse([]byte(signature), round)
				case file != "":
					b, err := readInput(cc.InOrStdin(), file)
					if err != nil {
						return nil, err
					}
					return beacon.Parse(b, round)
				}
				list := strings.FieldsFunc(relays, func(r rune) bool { return r == ',' || r == ' ' })
				if relays == "default" {
					list = beacon.Relays()
				}
				return beacon.Fetch(ctx, httpGet, list, round)
			}, apply)
		},
	}
	c.Flags().Uint64Var(&round, "round", 0, "the round, to be compared with the one that counts (default: that one)")
	c.Flags().StringVar(&signature, "signature", "", "its signature, 96 hex digits")
	c.Flags().StringVar(&file, "file", "", "a relay's answer, or the signature alone; - is stdin")
	c.Flags().StringVar(&relays, "relays", "", "relays to ask, by URL; default: the public ones")
	c.Flags().BoolVar(&apply, "apply", false, "record it")
	c.AddCommand(newDrawBeaconCheckCommand(a))
	return c
}

// recordAnswer is what jebi draw beacon COHORT says.
type recordAnswer struct {
	cycle.SourceEntry
	Applied bool            `json:"applied"`
	Board   *data.BoardHead `json:"board,omitempty"`
}

func (a *app) recordBeacon(ctx context.Context, key string, round uint64, get func(context.Context, uint64) ([]byte, error), apply bool) error {
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	_, row, err := a.cohortRow(ctx, db, key)
	if err != nil {
		return err
	}
	by, err := a.official(ctx, db, data.RoleOperator)
	if err != nil {
		return err
	}
	if round == 0 {
		err := db.Tx(ctx, func(tx *data.Tx) error { round, err = cycle.Round(ctx, tx, row.Campaign, row.Key); return err })
		if err != nil {
			return err
		}
	}
	signature, err := get(ctx, round)
	if err != nil {
		return refused(fmt.Errorf("round %d: %w", round, err))
	}
	answer := recordAnswer{Applied: apply}
	err = db.Tx(ctx, func(tx *data.Tx) error {
		answer.SourceEntry, err = cycle.Beacon(ctx, tx, row.Campaign, row.Key, round, signature, beacon.Verify, by)
		if err == nil && !apply {
			return errDry
		}
		return err
	})
	if err != nil && !errors.Is(err, errDry) {
		if apply {
			err = auditRefusal(ctx, db, row.Campaign, "draw.beacon", "cohort:"+row.Key, "", by, err)
		}
		return err
	}
	if apply {
		if answer.Board, err = boardNow(ctx, db); err != nil {
			return err
		}
	}
	return a.show(answer, func(w io.Writer) error {
		randomness := beacon.Randomness(signature)
		done := "recorded"
		if !apply {
			done = "would be recorded; do it with --apply"
		}
		_, err := fmt.Fprintf(w, "draw %s: round %d, randomness %x: %s\n", answer.DrawID, round, randomness, done)
		return errors.Join(err, writeBoard(w, answer.Board))
	})
}

// maxAnswer bounds a relay's answer, in bytes.
const maxAnswer = 1 << 16

// httpGet asks a relay, with a limit of its own.
func httpGet(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
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
