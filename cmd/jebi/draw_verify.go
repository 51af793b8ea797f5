package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jebi/lottery"
	"jebi/lottery/beacon"
)

// verifyAnswer is what jebi draw verify says.
type verifyAnswer struct {
	OK     bool `json:"ok"`
	Strict bool `json:"strict"`
	lottery.Report
}

func newDrawVerifyCommand(a *app) *cobra.Command {
	var receipt, key string
	strict := false
	c := &cobra.Command{
		Use:   "verify DIR|ARCHIVE",
		Short: "Recompute a draw from its public bundle",
		Long: `Recompute everything that a bundle says: a folder, or its archive. Each part holds, fails, or is
absent (not there, or nothing to check it with). Exit code 1 if anything fails; with --strict, also
if anything is absent. It needs no database and writes nothing.`,
		Example: `  jebi draw verify bundle/1962-66
  jebi draw verify bundle/1962-66 --receipt receipt.json --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			fsys, done, err := openBundle(args[0])
			if err != nil {
				return usage(err)
			}
			defer done()
			opts := lottery.VerifyOptions{Beacon: beacon.Verify}
			if receipt != "" {
				if opts.Receipt, err = os.ReadFile(receipt); err != nil {
					return usage(err)
				}
			}
			if opts.OperatorKey, err = readText(key); err != nil {
				return err
			}
			report := lottery.Verify(fsys, opts)
			ok := report.OK(strict)
			if err := a.show(verifyAnswer{ok, strict, report}, func(w io.Writer) error { return writeReport(w, report) }); err != nil {
				return err
			}
			if !ok {
				return errors.New("the bundle does not hold")
			}
			return nil
		},
	}
	c.Flags().StringVar(&receipt, "receipt", "", "a citizen's receipt (proof) to check against the bundle")
	c.Flags().StringVar(&key, "key", "", "file with the operator's verifier key, got from elsewhere")
	c.Flags().BoolVar(&strict, "strict", false, "fail also where anything is absent")
	return c
}

// readText reads a line from a file; "" names none.
func readText(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", usage(err)
	}
	return strings.TrimSpace(string(b)), nil
}

// openBundle opens a folder or a zip archive of one.
func openBundle(name string) (fs.FS, func() error, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return os.DirFS(name), func() error { return nil }, nil
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is neither a folder nor a zip archive: %w", name, err)
	}
	return z, z.Close, nil
}

func writeReport(w io.Writer, r lottery.Report) error {
	if r.Sample {
		fmt.Fprintln(w, "SAMPLE: this draw is a demonstration, rehearsal or example.")
	}
	fmt.Fprintf(w, "draw %s\n", r.DrawID)
	for _, p := range r.Parts {
		if _, err := fmt.Fprintf(w, "  %-8s %-22s %s\n", p.State, p.Name, p.Detail); err != nil {
			return err
		}
	}
	return nil
}
