package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/workbook"
)

// importOptions are what every import has.
type importOptions struct {
	sheet string
	apply bool
}

func (o *importOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.sheet, "sheet", "", "sheet of an .xlsx file (default: the first that is not hidden)")
	c.Flags().BoolVar(&o.apply, "apply", false, "do it")
}

// importLoad takes files that are open in, and answers a report for each that
// it has looked at.
type importLoad func(ctx context.Context, db *data.DB, c *cohort.Campaign, campaign int, files []data.Lines, by data.Actor, apply bool) ([]data.ImportReport, error)

// oneFile is the load of a single file.
func oneFile(load func(*data.DB, context.Context, *cohort.Campaign, int, data.Lines, data.Actor, bool) (data.ImportReport, error)) importLoad {
	return func(ctx context.Context, db *data.DB, c *cohort.Campaign, campaign int, files []data.Lines, by data.Actor, apply bool) ([]data.ImportReport, error) {
		r, err := load(db, ctx, c, campaign, files[0], by, apply)
		return []data.ImportReport{r}, err
	}
}

// importFiles takes files in; where one has errors, all are listed and nothing
// is taken in.
func (a *app) importFiles(ctx context.Context, o importOptions, load importLoad, names ...string) (err error) {
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	by, err := a.official(ctx, db, data.RoleOperator)
	if err != nil {
		return err
	}
	files := make([]data.Lines, len(names))
	for i, name := range names {
		var end func() error
		if files[i], end, err = a.openLines(name, o.sheet); err != nil {
			return err
		}
		defer func() {
			if e := end(); err == nil {
				err = e
			}
		}()
	}
	reports, failed := load(ctx, db, c, row.ID, files, by, o.apply)
	switch {
	case errors.Is(failed, data.ErrFlawed):
		failed = usage(failed)
	case failed != nil:
		return failed
	}
	var v any = reports
	if len(names) == 1 {
		v = reports[0]
	}
	if err := a.show(v, func(w io.Writer) error {
		for i, r := range reports {
			if err := writeImport(w, filepath.Base(names[i]), r); err != nil {
				return err
			}
		}
		if failed == nil {
			_, err := fmt.Fprint(w, notDone(o.apply))
			return err
		}
		return nil
	}); err != nil {
		return err
	}
	return failed
}

// openLines opens a CSV or .xlsx file row by row; what it is its first bytes
// say.
func (a *app) openLines(name, sheet string) (data.Lines, func() error, error) {
	none := func() error { return nil }
	if name == "-" {
		return data.CSV(a.in), none, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, none, usage(err)
	}
	r := bufio.NewReader(f)
	head, _ := r.Peek(4)
	if !bytes.Equal(head, []byte("PK\x03\x04")) && !strings.EqualFold(filepath.Ext(name), ".xlsx") {
		if sheet != "" {
			return nil, none, errors.Join(usage(fmt.Errorf("%s is no .xlsx file: it has no sheets", filepath.Base(name))), f.Close())
		}
		return data.CSV(r), f.Close, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, none, errors.Join(err, f.Close())
	}
	b, err := workbook.Open(f, info.Size(), "")
	var flaw *data.FileFlaw
	if errors.As(err, &flaw) {
		return nil, none, errors.Join(usage(fmt.Errorf("%s: %s", filepath.Base(name), data.ImportText(flaw.Code))), f.Close())
	}
	if err != nil {
		return nil, none, errors.Join(err, f.Close())
	}
	return b.Lines(sheet), func() error { return errors.Join(b.Close(), f.Close()) }, nil
}

// writeImport tells what an import did, or would do, or every error, as
// FILE:ROW: column: text.
func writeImport(w io.Writer, file string, r data.ImportReport) error {
	out := bufio.NewWriter(w)
	for _, e := range r.Errors {
		at := fmt.Sprintf("%s:%d: ", file, e.Row)
		if e.Column != "" {
			at += e.Column + ": "
		}
		fmt.Fprint(out, at+e.Text)
		if e.Other != 0 {
			fmt.Fprintf(out, " (row %d)", e.Other)
		}
		fmt.Fprintln(out)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "… and %d more errors\n", r.More)
	}
	if len(r.Errors) > 0 {
		fmt.Fprintf(out, "%s: %d rows, %d errors: nothing is imported\n", file, r.Rows, len(r.Errors)+r.More)
		return out.Flush()
	}
	fmt.Fprintf(out, "%s: %d rows of %s: %d new, %d changed, %d as they are", file, r.Rows, r.Kind, r.New, r.Changed, r.Same)
	if r.Unknown > 0 {
		fmt.Fprintf(out, "; %d are not on the list", r.Unknown)
	}
	if r.Kept > 0 {
		fmt.Fprintf(out, "; %d changed ones keep what an official has corrected", r.Kept)
	}
	if r.Late > 0 {
		fmt.Fprintf(out, "; the window of %d new ones is past, so they join the next or wait", r.Late)
	}
	fmt.Fprintln(out)
	if r.Kind == "supply" && r.Applied {
		fmt.Fprintf(out, "%d seats; the cohorts that are drafts have %d slots\n", r.Seats, r.Slots)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Cohorts)) {
		label := "cohort " + key
		if key == "" {
			label = "no cohort"
		}
		fmt.Fprintf(out, "  %-24s %d\n", label, r.Cohorts[key])
	}
	return out.Flush()
}
