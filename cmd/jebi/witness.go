package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"jebi/lottery"
)

func newDrawWitnessCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "witness",
		Short: "A witness's own steps, on her machine: new, check, sign",
		Long: `A witness stands outside the authority. She makes a key once (new), and its public half goes into
the campaign file. After the freeze she checks the frozen bundle (check) and cosigns its checkpoint
(sign): from then on there is no second list. None of it needs a database.`,
		Example: "  jebi draw witness sign frozen/ --secret witness.key --out checkpoint",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newDrawWitnessCheckCommand(a), newDrawWitnessNewCommand(a), newDrawWitnessSignCommand(a))
	return c
}

func newDrawWitnessNewCommand(a *app) *cobra.Command {
	var name, file string
	c := &cobra.Command{
		Use:     "new --name NAME --out FILE",
		Short:   "Make a witness's key",
		Long:    "Make a witness's key: the secret half in a file that only its owner can read, the public half on\nstdout, for [[cohorts.witnesses]] of the campaign file.",
		Example: "  jebi draw witness new --name witness.example.org --out witness.key",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.newKey(name, true, file) },
	}
	c.Flags().StringVar(&name, "name", "", "the witness's name, without blanks and plus signs")
	c.Flags().StringVar(&file, "out", "", "the file for the secret half")
	return c
}

// checkFrozen verifies what a witness has before she cosigns.
func (a *app) checkFrozen(folder, operator string) (fs.FS, func() error, lottery.Report, error) {
	fsys, done, err := openBundle(folder)
	if err != nil {
		return nil, nil, lottery.Report{}, usage(err)
	}
	opts := lottery.VerifyOptions{Frozen: true}
	if opts.OperatorKey, err = readText(operator); err != nil {
		return nil, nil, lottery.Report{}, errors.Join(err, done())
	}
	return fsys, done, lottery.Verify(fsys, opts), nil
}

func newDrawWitnessCheckCommand(a *app) *cobra.Command {
	var operator string
	c := &cobra.Command{
		Use:   "check DIR",
		Short: "Check a frozen draw, before it is cosigned",
		Long: `Check what jebi draw freeze --out wrote: the manifest (hold it against the board), the leaves, their
root, the exclusions, and the checkpoint with the operator's signature. Exit code 1 if anything fails.`,
		Example: "  jebi draw witness check frozen/ --key operator.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, done, report, err := a.checkFrozen(args[0], operator)
			if err != nil {
				return err
			}
			defer done()
			ok := report.OK(false)
			if err := a.show(verifyAnswer{ok, false, report}, func(w io.Writer) error { return writeReport(w, report) }); err != nil {
				return err
			}
			if !ok {
				return errors.New("the frozen draw does not hold: do not cosign it")
			}
			return nil
		},
	}
	c.Flags().StringVar(&operator, "key", "", "file with the operator's verifier key, got from elsewhere")
	return c
}

// cosignedAnswer is what jebi draw witness sign says.
type cosignedAnswer struct {
	DrawID     string    `json:"draw_id"`
	Witness    string    `json:"witness"`
	At         time.Time `json:"at"`
	Checkpoint string    `json:"checkpoint"` // with the cosignature
	File       string    `json:"file,omitempty"`
}

func newDrawWitnessSignCommand(a *app) *cobra.Command {
	var operator, secret, out string
	c := &cobra.Command{
		Use:   "sign DIR --secret FILE",
		Short: "Check a frozen draw and cosign its checkpoint",
		Long: `Check a frozen draw as check does and, if everything holds, add the witness's cosignature with the
time of this machine. The checkpoint goes to stdout, or to --out; the operator adds it by
jebi draw cosign. Sign only one checkpoint of a draw, whatever you are told.`,
		Example: "  jebi draw witness sign frozen/ --secret witness.key --out checkpoint",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := readKey(secret)
			if err != nil {
				return err
			}
			fsys, done, report, err := a.checkFrozen(args[0], operator)
			if err != nil {
				return err
			}
			defer done()
			if !report.OK(false) {
				return errors.Join(writeReport(a.err, report), errors.New("the frozen draw does not hold: it is not cosigned"))
			}
			manifest, err := readManifest(fsys)
			if err != nil {
				return err
			}
			if !slices.Contains(manifest.Witnesses, key.Public()) {
				return refused(fmt.Errorf("the manifest does not announce this witness: %s", key.Public()))
			}
			checkpoint, err := fs.ReadFile(fsys, lottery.FileCheckpoint)
			if err != nil {
				return err
			}
			if _, already, err := lottery.CosignedBy(checkpoint, key.Public()); already || err != nil {
				return errors.Join(err, refused(errors.New("this witness has cosigned it already")))
			}
			at := time.Now().UTC().Truncate(time.Second)
			signed, err := lottery.Cosign(checkpoint, key, at)
			if err != nil {
				return err
			}
			if out != "" {
				if err := os.WriteFile(out, signed, 0o644); err != nil {
					return err
				}
			}
			return a.show(cosignedAnswer{manifest.DrawID, key.Name, at, string(signed), out}, func(w io.Writer) error {
				if out != "" {
					return nil
				}
				_, err := w.Write(signed)
				return err
			})
		},
	}
	c.Flags().StringVar(&secret, "secret", "", "file with the witness's secret key")
	c.Flags().StringVar(&operator, "key", "", "file with the operator's verifier key, got from elsewhere")
	c.Flags().StringVar(&out, "out", "", "file for the cosigned checkpoint (default: stdout)")
	return c
}

func readManifest(fsys fs.FS) (lottery.Manifest, error) {
	b, err := fs.ReadFile(fsys, lottery.FileManifest)
	if err != nil {
		return lottery.Manifest{}, usage(err)
	}
	m, err := lottery.ParseManifest(b)
	if err != nil {
		return m, usage(err)
	}
	return m, nil
}
