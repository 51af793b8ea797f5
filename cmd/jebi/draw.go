package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"jebi/cohort/cycle"
	"jebi/cohort/rehearse"
	"jebi/data"
	"jebi/lottery"
	"jebi/lottery/beacon"
)

func newDrawCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "draw",
		Short: "Announce, carry out, publish and verify draws",
		Long: `A cohort's draw in its order: announce (before the window opens), then, after the freeze,
envelopes, dice, reveal, run, publish; and where something went wrong, void (before the first die or
reveal), correct and left-out (after the draw). Most of these are acts of two.
Everything is a dry run without --apply. verify and allocate need no database.`,
		Example: `  jebi draw show 1962-66
  jebi draw verify var/demo/bundle/1962-66`,
		Args: cobra.NoArgs,
		RunE: help,
	}
	c.AddCommand(
		newDrawAllocateCommand(a),
		newDrawAnnounceCommand(a),
		newDrawAuditFilesCommand(a),
		newDrawBeaconCommand(a),
		newDrawContributionsCommand(a),
		newDrawCorrectCommand(a),
		newDrawCosignCommand(a),
		newDrawDiceCommand(a),
		newDrawEnvelopesCommand(a),
		newDrawFreezeCommand(a),
		newDrawLeftOutCommand(a),
		newDrawOddsCommand(a),
		newDrawOperatorCommand(a),
		newDrawPublishCommand(a),
		newDrawRevealCommand(a),
		newDrawRunCommand(a),
		newDrawShowCommand(a),
		newDrawTrusteeCommand(a),
		newDrawVerifyCommand(a),
		newDrawVoidCommand(a),
		newDrawWitnessCommand(a),
	)
	return c
}

// runner is what does the steps that are due.
func (a *app) runner(db *data.DB) (*cycle.Runner, error) {
	key, err := a.operatorKey()
	if err != nil {
		return nil, err
	}
	return &cycle.Runner{
		DB: db, Operator: key, Beacon: beacon.Verify, Random: cryptoRandom,
		Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}, nil
}

// operatorKey signs checkpoints: from JEBI_OPERATOR_KEY (its text), the file
// that JEBI_OPERATOR_KEY_FILE names, or var/operator.key; with the demo's
// database it is the demo's. Nil where there is none: then nothing is signed,
// and manifests announce no key.
func (a *app) operatorKey() (*lottery.Key, error) {
	text := a.env("JEBI_OPERATOR_KEY")
	if text == "" {
		file, must := a.env("JEBI_OPERATOR_KEY_FILE"), true
		if file == "" {
			file, must = filepath.Join(a.varDir(), "operator.key"), false
			if a.dbName == demoDatabase {
				file = filepath.Join(a.demoDir(), rehearse.OperatorSecret)
			}
		}
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) && !must {
			return nil, nil
		}
		if err != nil {
			return nil, usage(fmt.Errorf("the operator's key: %w", err))
		}
		text = string(b)
	}
	key, err := lottery.ParseKey(strings.TrimSpace(text))
	if err != nil {
		return nil, usage(fmt.Errorf("the operator's key: %w", err))
	}
	return &key, nil
}

// reasonAndApply are the flags of every act of two.
func reasonAndApply(c *cobra.Command, reason *string, apply *bool) {
	c.Flags().StringVar(reason, "reason", "", "why, in public words")
	c.Flags().BoolVar(apply, "apply", false, "propose it; another official confirms it")
}

// cryptoRandom is the machine's source of randomness.
var cryptoRandom = rand.Reader
