package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
	"jebi/lottery/beacon"
)

// verifyAnswer is what jebi draw verify says.
type verifyAnswer struct {
	OK     bool `json:"ok"`
	Strict bool `json:"strict"`
	lottery.Report
}

// databaseFlag is what --database means here: alone, that the database is held
// against a copy; with a name, which one too.
type databaseFlag struct {
	on   bool
	name *string
}

func (f *databaseFlag) String() string { return "" }
func (f *databaseFlag) Type() string   { return "bool" }

func (f *databaseFlag) Set(s string) error {
	if f.on = true; s != "true" {
		*f.name = s
	}
	return nil
}

func newDrawVerifyCommand(a *app) *cobra.Command {
	var receipt, key, audit string
	var against string
	strict, database := false, databaseFlag{name: &a.dbName}
	c := &cobra.Command{
		Use:   "verify DIR|ARCHIVE, or verify COHORT --database --against COPY",
		Short: "Recompute a draw from its public bundle",
		Long: `Recompute everything that a bundle says: a folder, or its archive. Each part holds, fails, or is
absent (not there, or nothing to check it with). Exit code 1 if anything fails; with --strict, also
if anything is absent. With a sworn auditor's files (--audit, or in the same folder) every ballot is
opened and the whole allocation done again. It needs no database and writes nothing.

With --database it holds the database against a copy kept outside (--against): a bundle, or the
checkpoint alone. A ballot that was deleted, changed or inserted after the freeze is named, whoever
did it.`,
		Example: `  jebi draw verify bundle/1962-66
  jebi draw verify bundle/1962-66 --receipt receipt.json --json
  jebi draw verify 1962-66 --database --against frozen/`,
		Args: func(cc *cobra.Command, args []string) error {
			if database.on && len(args) > 1 {
				return usage(errors.New("here --database alone says that the database is held against a copy; name another one with --database=NAME"))
			}
			return cobra.ExactArgs(1)(cc, args)
		},
		RunE: func(cc *cobra.Command, args []string) error {
			if database.on != (against != "") {
				return usage(errors.New("--database and --against COPY go together"))
			}
			if database.on {
				return a.verifyDatabase(cc.Context(), args[0], against, strict)
			}
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
			folder := fsys
			if audit != "" {
				folder = os.DirFS(audit)
			}
			if audit != "" || cycle.HasAuditors(fsys) {
				manifest, err := fs.ReadFile(fsys, lottery.FileManifest)
				if err != nil {
					return usage(err)
				}
				if opts.Audit, err = cycle.Auditing(manifest, folder); err != nil {
					return err
				}
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
	c.Flags().StringVar(&audit, "audit", "", "folder of a sworn auditor's files (jebi draw audit-files)")
	c.Flags().Var(&database, "database", "hold the database against a copy; --database=NAME: that one")
	c.Flags().Lookup("database").NoOptDefVal = "true"
	c.Flags().StringVar(&against, "against", "", "the copy: a bundle, a frozen folder, or a checkpoint")
	c.Flags().BoolVar(&strict, "strict", false, "fail also where anything is absent")
	return c
}

// verifyDatabase holds a cohort's frozen draw against a copy.
func (a *app) verifyDatabase(ctx context.Context, key, against string, strict bool) error {
	var out cycle.Outside
	info, err := os.Stat(against)
	if err != nil {
		return usage(err)
	}
	if !info.IsDir() && !isArchive(against) {
		if out.Checkpoint, err = os.ReadFile(against); err != nil {
			return usage(err)
		}
	} else {
		fsys, done, err := openBundle(against)
		if err != nil {
			return usage(err)
		}
		defer done()
		for name, to := range map[string]*[]byte{
			lottery.FileCheckpoint: &out.Checkpoint, lottery.FileLeaves: &out.Leaves, lottery.FileManifest: &out.Manifest,
		} {
			if *to, err = fs.ReadFile(fsys, name); err != nil {
				return usage(err)
			}
		}
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	_, row, err := a.cohortRow(ctx, db, key)
	if err != nil {
		return err
	}
	var report lottery.Report
	err = db.ReadTx(ctx, func(tx *data.Tx) error { report, err = cycle.Against(ctx, tx, row.ID, out); return err })
	if err != nil {
		return err
	}
	ok := report.OK(strict)
	if err := a.show(verifyAnswer{ok, strict, report}, func(w io.Writer) error { return writeReport(w, report) }); err != nil {
		return err
	}
	if !ok {
		return errors.New("the database does not hold against the copy")
	}
	return nil
}

// isArchive says whether a file begins as zip archives do.
func isArchive(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "PK"
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
