package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/data"
)

func newClinicsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "clinics",
		Short: "Clinics and their seats: import, more seats, closed days",
		Long: `Clinics and their supply of seats. Both come from files, before a window is announced; after that
seats are added and closed one by one, on the board for everyone to see.`,
		Example: "  jebi clinics import clinics.csv --supply supply.csv --apply\n  jebi clinics close C-17 --date 2021-07-28 --reason \"no power\" --apply",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newClinicsAddCommand(a), newClinicsCloseCommand(a), newClinicsImportCommand(a), newClinicsListCommand(a))
	return c
}

func newClinicsImportCommand(a *app) *cobra.Command {
	var o importOptions
	var supply string
	c := &cobra.Command{
		Use:   "import [FILE] [--supply FILE]",
		Short: "Import clinics and their supply from CSV or .xlsx files",
		Long: `Import clinics, and with --supply their seats, from CSV files (- for stdin) or sheets of .xlsx files.
Columns of clinics: key, name, kind (clinic, hospital or centre), district, lat, lon, and, where there
are, name_en, address, phone, email, hours, bring. Columns of supply: clinic (a key), date, block
(0900), vaccine, seats. Rows are added and changed, never deleted; a supply row of 0 seats takes them
away. The same file twice changes nothing. If anything is wrong, all of it is listed by row and
column and nothing is imported, of neither file. The slots of cohorts that are drafts follow the supply;
rows that belong to a window which is announced are refused: see jebi clinics add and close. It needs
a signed-in operator. See docs/imports.md.`,
		Example: "  jebi clinics import clinics.csv --supply supply.xlsx --apply",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			switch {
			case len(args) == 0 && supply == "":
				return usage(errors.New("which file? jebi clinics import FILE, or --supply FILE, or both"))
			case len(args) == 0:
				return a.importFiles(ctx, o, oneFile((*data.DB).ImportSupply), supply)
			case supply == "":
				return a.importFiles(ctx, o, oneFile((*data.DB).ImportClinics), args[0])
			case supply == "-" && args[0] == "-":
				return usage(errors.New("only one of the files can be stdin"))
			}
			return a.importFiles(ctx, o, loadClinicsAndSupply, args[0], supply)
		},
	}
	c.Flags().StringVar(&supply, "supply", "", "file of seats")
	o.flags(c)
	return c
}

func loadClinicsAndSupply(ctx context.Context, db *data.DB, c *cohort.Campaign, campaign int, files []data.Lines, by data.Actor, apply bool) ([]data.ImportReport, error) {
	clinics, supply, err := db.ImportClinicsAndSupply(ctx, c, campaign, files[0], files[1], by, apply)
	if len(clinics.Errors) > 0 { // the supply has not been looked at
		return []data.ImportReport{clinics}, err
	}
	return []data.ImportReport{clinics, supply}, err
}

func newClinicsListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list [KEY]",
		Short:   "List clinics with their seats, or one clinic's slots",
		Long:    "List the clinics of the campaign with their seats over all cohorts; with a key, the slots of that\nclinic.",
		Example: "  jebi clinics list C-17",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			_, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.clinicSlots(ctx, db, row.ID, args[0])
			}
			clinics := []data.ClinicLoad{}
			if err := db.ReadTx(ctx, func(tx *data.Tx) (err error) { clinics, err = tx.ClinicLoads(ctx, row.ID); return err }); err != nil {
				return err
			}
			return a.show(clinics, func(w io.Writer) error {
				t := table.NewWriter()
				t.SetStyle(table.StyleLight)
				t.AppendHeader(table.Row{"key", "name", "kind", "district", "slots", "seats", "used", "on offer"})
				for _, c := range clinics {
					t.AppendRow(table.Row{c.Key, c.Name, c.Kind, c.District, c.Slots, c.Seats, c.Used, c.Held})
				}
				_, err := fmt.Fprintln(w, t.Render())
				return err
			})
		},
	}
}

// slotLine is a slot in a list.
type slotLine struct {
	Cohort  string `json:"cohort"`
	Date    string `json:"date"`
	Block   string `json:"block"`
	Vaccine string `json:"vaccine"`
	Seats   int    `json:"seats"`
	Used    int    `json:"used"`
	Held    int    `json:"held"`
	Later   bool   `json:"later"` // it came after the announcement: the draw does not know it
}

func (a *app) clinicSlots(ctx context.Context, db *data.DB, campaign int, key string) error {
	lines := []slotLine{}
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		c, err := tx.Clinic(ctx, campaign, key)
		if err != nil {
			return err
		}
		slots, err := tx.ClinicSlots(ctx, c.ID)
		if err != nil {
			return err
		}
		cohorts, err := tx.Cohorts(ctx, campaign)
		if err != nil {
			return err
		}
		lines = lines[:0]
		for _, s := range slots {
			l := slotLine{Date: s.Date, Block: s.Block, Vaccine: s.Vaccine, Seats: s.Seats, Used: s.Used, Held: s.Held}
			for _, o := range cohorts {
				if o.ID == s.Cohort {
					l.Cohort, l.Later = o.Key, o.State != "draft" && s.Position == nil
				}
			}
			lines = append(lines, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(lines, func(w io.Writer) error {
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.AppendHeader(table.Row{"date", "block", "vaccine", "cohort", "seats", "used", "on offer", ""})
		for _, l := range lines {
			t.AppendRow(table.Row{l.Date, l.Block, l.Vaccine, l.Cohort, l.Seats, l.Used, l.Held, map[bool]string{true: "later"}[l.Later]})
		}
		_, err := fmt.Fprintln(w, t.Render())
		return err
	})
}
