package data

import (
	"context"
	"fmt"
	"time"

	"jebi/cohort"
)

// ImportSupply adds the seats of a file to the supply, and changes those whose
// number has changed; none is deleted (a row of 0 seats takes them away). Then
// the slots of all draft cohorts are made anew from it. Rows that belong to a
// window that is announced already, or that an official has changed by hand,
// are errors unless they change nothing.
func (db *DB) ImportSupply(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, apply bool) (ImportReport, error) {
	r := ImportReport{Kind: "supply"}
	err := db.importTx(ctx, campaign, apply, func(tx *Tx) error {
		return tx.importSupply(ctx, c, campaign, lines, actor, apply, &r)
	})
	r.Applied = err == nil && apply
	return r, err
}

func (tx *Tx) importSupply(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, apply bool, r *ImportReport) error {
	_, err := tx.tx.Exec(ctx, `
		DROP TABLE IF EXISTS pg_temp.stage; CREATE TEMP TABLE stage (row int, clinic text, date date, block text, vaccine text, seats int) ON COMMIT DROP`)
	if err != nil {
		return fmt.Errorf("import supply: %w", err)
	}
	if err := tx.stage(ctx, "stage", []string{"row", "clinic", "date", "block", "vaccine", "seats"}, lines, r, SupplyColumns(), supplyReader(c)); err != nil {
		return err
	}
	if err := tx.checkSupply(ctx, c, campaign, r); err != nil {
		return fmt.Errorf("import supply: %w", err)
	}
	if err := r.finish(); err != nil {
		return err
	}
	err = tx.tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE p.clinic_id IS NULL), count(*) FILTER (WHERE p.imported <> s.seats), count(*) FILTER (WHERE p.imported = s.seats), COALESCE(sum(s.seats), 0)
		  FROM stage s JOIN clinic c ON c.campaign_id = $1 AND c.key = s.clinic
		  LEFT JOIN supply p ON p.campaign_id = $1 AND p.clinic_id = c.id AND p.date = s.date AND p.block = s.block AND p.vaccine = s.vaccine`,
		campaign).Scan(&r.New, &r.Changed, &r.Same, &r.Seats)
	if err != nil || !apply {
		return err
	}
	if r.New+r.Changed > 0 {
		_, err = tx.tx.Exec(ctx, `
		INSERT INTO supply AS p (campaign_id, clinic_id, date, block, vaccine, seats, imported)
		SELECT $1, c.id, s.date, s.block, s.vaccine, s.seats, s.seats FROM stage s JOIN clinic c ON c.campaign_id = $1 AND c.key = s.clinic
		ON CONFLICT (campaign_id, clinic_id, date, block, vaccine) DO UPDATE SET seats = EXCLUDED.seats, imported = EXCLUDED.imported
		WHERE p.imported <> EXCLUDED.imported`, campaign)
		if err != nil {
			return fmt.Errorf("import supply: %w", withoutValues(err))
		}
	}
	changed, err := tx.MakeSlots(ctx, c, campaign)
	if err != nil {
		return err
	}
	if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM slot s JOIN cohort c ON c.id = s.cohort_id WHERE c.campaign_id = $1 AND c.state = 'draft'`, campaign).Scan(&r.Slots); err != nil {
		return err
	}
	if r.New+r.Changed == 0 && !changed {
		return nil
	}
	return tx.auditImport(ctx, campaign, actor, r)
}

// The places of SupplyColumns.
const (
	supplyClinic = iota
	supplyDate
	supplyBlock
	supplyVaccine
	supplySeats
)

func supplyReader(c *cohort.Campaign) func(*fields) ([]any, bool) {
	from, to := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC)
	return func(f *fields) ([]any, bool) {
		clinic, code := readKey(f.must(supplyClinic))
		f.check(supplyClinic, code)
		date, code := readDate(f.must(supplyDate), f.line.Dates, from, to)
		f.check(supplyDate, code)
		block, code := readBlock(f.must(supplyBlock), f.line.Dates)
		f.check(supplyBlock, code)
		if block != "" && c.PartOf(block) == "" {
			f.check(supplyBlock, "block_outside")
		}
		vaccine := digits(f.must(supplyVaccine))
		if vaccine != "" && !wordForm.MatchString(vaccine) {
			f.check(supplyVaccine, "vaccine")
		}
		seats := 0
		if s := f.must(supplySeats); s != "" {
			seats, code = readSeats(s)
			f.check(supplySeats, code)
		}
		if f.bad {
			return []any{f.line.Row, clinic, nil, nil, nil, nil}, clinic != ""
		}
		return []any{f.line.Row, clinic, date, block, vaccine, seats}, true
	}
}

// checkSupply reports what only the database knows.
func (tx *Tx) checkSupply(ctx context.Context, c *cohort.Campaign, campaign int, r *ImportReport) error {
	if err := tx.doubles(ctx, r, "stage", "clinic, date, block, vaccine", ""); err != nil {
		return err
	}
	rows, err := tx.tx.Query(ctx, `
		SELECT s.row, 0 FROM stage s LEFT JOIN clinic c ON c.campaign_id = $1 AND c.key = s.clinic WHERE c.id IS NULL ORDER BY s.row`, campaign)
	if err != nil {
		return err
	}
	if err := r.rowErrors(rows, "clinic", "unknown_clinic"); err != nil {
		return err
	}
	// Rows that change something: that of a closed or enlarged slot, and those of announced windows.
	const changing = `
		FROM stage s JOIN clinic c ON c.campaign_id = $1 AND c.key = s.clinic
		LEFT JOIN supply p ON p.campaign_id = $1 AND p.clinic_id = c.id AND p.date = s.date AND p.block = s.block AND p.vaccine = s.vaccine
		WHERE s.seats <> COALESCE(p.imported, 0)`
	rows, err = tx.tx.Query(ctx, `SELECT s.row, 0 `+changing+` AND p.seats <> p.imported ORDER BY s.row`, campaign)
	if err != nil {
		return err
	}
	if err := r.rowErrors(rows, "seats", "by_hand"); err != nil {
		return err
	}
	cohorts, err := tx.Cohorts(ctx, campaign)
	if err != nil {
		return err
	}
	for _, row := range cohorts {
		o := c.CohortByKey(row.Key)
		if row.State == cohort.Draft || o == nil || o.Supply.Percent == 0 {
			continue
		}
		vaccines := o.Supply.Vaccines
		if vaccines == nil {
			vaccines = []string{}
		}
		rows, err := tx.tx.Query(ctx, `SELECT s.row, 0 `+changing+`
		AND s.date BETWEEN $2 AND $3 AND ($4::text[] = '{}' OR s.vaccine = ANY ($4)) ORDER BY s.row`,
			campaign, day(o.Supply.From), day(o.Supply.To), vaccines)
		if err != nil {
			return err
		}
		if err := r.rowErrors(rows, "date", "announced"); err != nil {
			return err
		}
	}
	return nil
}

// day is the date that a time has in its own zone, as pgx wants dates.
func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func subject(kind string, id any) string { return fmt.Sprintf("%s:%v", kind, id) }
