package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/workbook"
)

func newWorkbookCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "workbook",
		Short:   "Excel workbooks for the clinics",
		Long:    "One .xlsx workbook a clinic: who comes when, with a column to fill in.",
		Example: "  jebi workbook write --out workbooks",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newWorkbookWriteCommand(a))
	return c
}

// workbookOptions are the flags of workbook write.
type workbookOptions struct {
	out, clinic, passwordFile string
}

func newWorkbookWriteCommand(a *app) *cobra.Command {
	var o workbookOptions
	c := &cobra.Command{
		Use:   "write --out DIR",
		Short: "Write the clinics' workbooks",
		Long: `Write one workbook a clinic, CLINIC.xlsx, with a cover and a sheet a day: block, vaccine, dose,
reference, name, birth year, phone and a result to fill in. It lists the places of published draws
as they stand now. The files hold personal data: only you can read them, and with --password-file
they are encrypted. The audit trail notes that they were written. It needs a signed-in operator.`,
		Example: "  jebi workbook write --out workbooks --password-file password.txt",
		Args:    cobra.NoArgs,
		RunE:    func(cc *cobra.Command, _ []string) error { return a.writeWorkbooks(cc.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "folder to write to; it is made where it is missing")
	f.StringVar(&o.clinic, "clinic", "", "only this clinic (key)")
	f.StringVar(&o.passwordFile, "password-file", "", "encrypt the files: file whose first line is the password (-: stdin)")
	return c
}

func (a *app) writeWorkbooks(ctx context.Context, o workbookOptions) error {
	if o.out == "" {
		return usage(errors.New("where to? --out DIR"))
	}
	password := ""
	if o.passwordFile != "" {
		var err error
		if password, err = a.password(o.passwordFile, "password", true); err != nil {
			return err
		}
	}
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
	if err := os.MkdirAll(o.out, 0o700); err != nil {
		return usage(err)
	}
	written, err := writeFolder(ctx, db, c, row.ID, o, password, a.progress)
	if err != nil {
		return err
	}
	people := 0
	for _, w := range written {
		people += w.People
	}
	if err := db.Tx(ctx, func(tx *data.Tx) error {
		return tx.Audit(ctx, data.AuditRow{
			Campaign: row.ID, Actor: by, Act: "workbook.write", Subject: fmt.Sprintf("campaign:%d", row.ID),
			After: map[string]any{"workbooks": len(written), "places": people, "clinic": o.clinic, "encrypted": password != ""},
		})
	}); err != nil {
		return err
	}
	return a.show(struct {
		Workbooks []workbook.Written `json:"workbooks"`
		Places    int                `json:"places"`
		Folder    string             `json:"folder"`
		Sample    bool               `json:"sample"`
		Encrypted bool               `json:"encrypted"`
	}{written, people, o.out, c.Sample, password != ""}, func(w io.Writer) error {
		mark := ""
		if c.Sample {
			mark = " *sample*"
		}
		_, err := fmt.Fprintf(w, "%d workbooks with %d places are in %s%s\n", len(written), people, o.out, mark)
		return err
	})
}

// writeFolder writes the workbooks from one snapshot of the database.
func writeFolder(ctx context.Context, db *data.DB, c *cohort.Campaign, campaign int, o workbookOptions, password string, progress func(string, ...any)) ([]workbook.Written, error) {
	written := []workbook.Written{}
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		written = written[:0]
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		folder := workbook.Folder{Dir: o.out, Campaign: c, Words: words.New(), Made: now, Password: password}
		clinics, err := tx.ClinicsWithSlots(ctx, campaign)
		if err != nil {
			return err
		}
		if o.clinic != "" {
			one, err := tx.Clinic(ctx, campaign, o.clinic)
			if err != nil {
				return err
			}
			clinics = []data.ClinicRow{one}
		}
		for i, k := range clinics {
			rows, err := tx.Roster(ctx, k.ID)
			if err != nil {
				return err
			}
			w, err := folder.Write(k, rows)
			if err != nil {
				return err
			}
			written = append(written, w)
			if (i+1)%100 == 0 {
				progress("%d of %d workbooks", i+1, len(clinics))
			}
		}
		return nil
	})
	return written, err
}
