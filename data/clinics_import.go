package data

import (
	"context"
	"fmt"

	"jebi/cohort"
)

// ImportClinics adds the clinics of a file and updates those whose row has
// changed; none is deleted. Without apply it only says what it would do. A
// file with errors changes nothing and answers ErrFlawed, with the report.
func (db *DB) ImportClinics(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, apply bool) (ImportReport, error) {
	r := ImportReport{Kind: "clinics"}
	err := db.importTx(ctx, campaign, apply, func(tx *Tx) error {
		return tx.importClinics(ctx, c, campaign, lines, actor, apply, &r)
	})
	r.Applied = err == nil && apply
	return r, err
}

// ImportClinicsAndSupply is ImportClinics and ImportSupply in one: where either
// file has errors, neither is taken in.
func (db *DB) ImportClinicsAndSupply(ctx context.Context, c *cohort.Campaign, campaign int, clinics, supply Lines, actor Actor, apply bool) (ImportReport, ImportReport, error) {
	k, s := ImportReport{Kind: "clinics"}, ImportReport{Kind: "supply"}
	err := db.importTx(ctx, campaign, apply, func(tx *Tx) error {
		if err := tx.importClinics(ctx, c, campaign, clinics, actor, true, &k); err != nil {
			return err
		}
		return tx.importSupply(ctx, c, campaign, supply, actor, true, &s)
	})
	k.Applied = err == nil && apply
	s.Applied = k.Applied
	return k, s, err
}

func (tx *Tx) importClinics(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, apply bool, r *ImportReport) error {
	_, err := tx.tx.Exec(ctx, `
		DROP TABLE IF EXISTS pg_temp.stage; CREATE TEMP TABLE stage (row int, key text, name text, name_en text, kind text, address text, district text,
		  lat double precision, lon double precision, phone text, email text, hours text, bring text, row_hash bytea) ON COMMIT DROP`)
	if err != nil {
		return fmt.Errorf("import clinics: %w", err)
	}
	columns := []string{"row", "key", "name", "name_en", "kind", "address", "district", "lat", "lon", "phone", "email", "hours", "bring", "row_hash"}
	if err := tx.stage(ctx, "stage", columns, lines, r, ClinicColumns(), clinicReader(c)); err != nil {
		return err
	}
	if err := tx.doubles(ctx, r, "stage", "key", "key"); err != nil {
		return fmt.Errorf("import clinics: %w", err)
	}
	if err := r.finish(); err != nil {
		return err
	}
	err = tx.tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE c.id IS NULL), count(*) FILTER (WHERE c.row_hash <> s.row_hash), count(*) FILTER (WHERE c.row_hash = s.row_hash)
		  FROM stage s LEFT JOIN clinic c ON c.campaign_id = $1 AND c.key = s.key`, campaign).Scan(&r.New, &r.Changed, &r.Same)
	if err != nil || !apply || r.New+r.Changed == 0 {
		return err
	}
	_, err = tx.tx.Exec(ctx, `
		INSERT INTO clinic AS c (campaign_id, key, name, name_en, kind, address, district, lat, lon, phone, email, hours, bring, row_hash)
		SELECT $1, key, name, name_en, kind, address, district, lat, lon, phone, email, hours, bring, row_hash FROM stage ORDER BY row
		ON CONFLICT (campaign_id, key) DO UPDATE
		  SET name = EXCLUDED.name, name_en = EXCLUDED.name_en, kind = EXCLUDED.kind, address = EXCLUDED.address,
		      district = EXCLUDED.district, lat = EXCLUDED.lat, lon = EXCLUDED.lon, phone = EXCLUDED.phone,
		      email = EXCLUDED.email, hours = EXCLUDED.hours, bring = EXCLUDED.bring, row_hash = EXCLUDED.row_hash
		WHERE c.row_hash <> EXCLUDED.row_hash`, campaign)
	if err != nil {
		return fmt.Errorf("import clinics: %w", withoutValues(err))
	}
	return tx.auditImport(ctx, campaign, actor, r)
}

// The places of ClinicColumns.
const (
	clinicKey = iota
	clinicName
	clinicNameEn
	clinicKind
	clinicAddress
	clinicDistrict
	clinicLat
	clinicLon
	clinicPhone
	clinicEmail
	clinicHours
	clinicBring
)

func clinicReader(c *cohort.Campaign) func(*fields) ([]any, bool) {
	h := newRowHash("clinic")
	return func(f *fields) ([]any, bool) {
		key, code := readKey(f.must(clinicKey))
		f.check(clinicKey, code)
		kind, code := readKind(f.must(clinicKind))
		f.check(clinicKind, code)
		district, code := readDistrict(f.must(clinicDistrict), c)
		f.check(clinicDistrict, code)
		lat, lon, code := readPosition(f.must(clinicLat), f.must(clinicLon))
		f.check(clinicLat, code)
		phone, code := readPhone(f.cell(clinicPhone))
		f.check(clinicPhone, code)
		email, code := readEmail(f.cell(clinicEmail))
		f.check(clinicEmail, code)
		name, nameEn, address := f.short(clinicName, true), f.short(clinicNameEn, false), f.short(clinicAddress, false)
		hours, bring := f.short(clinicHours, false), f.short(clinicBring, false)
		if f.bad {
			v := make([]any, 14)
			v[0], v[1] = f.line.Row, key
			return v, key != ""
		}
		phoneText, emailText := valueOr(phone, ""), valueOr(email, "")
		h.begin(0)
		for _, s := range []string{key, name, nameEn, kind, address, district, phoneText, emailText, hours, bring} {
			h.text(s)
		}
		h.number(*lat)
		h.number(*lon)
		return []any{f.line.Row, key, name, nameEn, kind, address, district, *lat, *lon, phoneText, emailText, hours, bring, h.sum()}, true
	}
}

// readKind takes the kinds and their Korean names.
func readKind(s string) (string, string) {
	switch s {
	case "", "clinic", "hospital", "centre":
		return s, ""
	case "의원":
		return "clinic", ""
	case "병원", "종합병원":
		return "hospital", ""
	case "예방접종센터", "접종센터", "center":
		return "centre", ""
	}
	return "", "kind"
}
