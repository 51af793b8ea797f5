package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ClinicRow is a place where people are vaccinated.
type ClinicRow struct {
	ID       int     `json:"-"`
	Key      string  `json:"key"`
	Name     string  `json:"name"`
	NameEn   string  `json:"name_en,omitempty"`
	Kind     string  `json:"kind"` // "clinic", "hospital" or "centre"
	Address  string  `json:"address,omitempty"`
	District string  `json:"district"`
	Lat      float64 `json:"lat"`
	Lon      float64 `json:"lon"`
	Phone    string  `json:"phone,omitempty"`
	Email    string  `json:"email,omitempty"`
	Hours    string  `json:"hours,omitempty"`
	Bring    string  `json:"bring,omitempty"`
}

const selectClinic = `
	SELECT id, key, name, name_en, kind, address, district, lat, lon, phone, email, hours, bring
	  FROM clinic`

func scanClinic(row pgx.CollectableRow) (ClinicRow, error) {
	var c ClinicRow
	err := row.Scan(&c.ID, &c.Key, &c.Name, &c.NameEn, &c.Kind, &c.Address, &c.District, &c.Lat, &c.Lon, &c.Phone, &c.Email, &c.Hours, &c.Bring)
	return c, err
}

// Clinics lists a campaign's clinics by key.
func (tx *Tx) Clinics(ctx context.Context, campaign int) ([]ClinicRow, error) {
	rows, err := tx.tx.Query(ctx, selectClinic+` WHERE campaign_id = $1 ORDER BY key COLLATE "C"`, campaign)
	return many(rows, err, scanClinic, fmt.Sprintf("clinics of campaign %d", campaign))
}

// Clinic finds a clinic by its key. The error wraps ErrNotFound.
func (tx *Tx) Clinic(ctx context.Context, campaign int, key string) (ClinicRow, error) {
	rows, err := tx.tx.Query(ctx, selectClinic+` WHERE campaign_id = $1 AND key = $2`, campaign, key)
	return one(rows, err, scanClinic, "clinic "+key)
}

// Clinics is Tx.Clinics on its own.
func (db *DB) Clinics(ctx context.Context, campaign int) (cs []ClinicRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { cs, err = tx.Clinics(ctx, campaign); return err })
	return cs, err
}
