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

// ClinicLoad is a clinic with its seats over all slots of the cohorts.
type ClinicLoad struct {
	ClinicRow
	Slots int `json:"slots"`
	Seats int `json:"seats"`
	Used  int `json:"used"` // somebody has the place
	Held  int `json:"held"` // on offer
}

// ClinicLoads lists a campaign's clinics with their seats, by key.
func (tx *Tx) ClinicLoads(ctx context.Context, campaign int) ([]ClinicLoad, error) {
	clinics, err := tx.Clinics(ctx, campaign)
	if err != nil {
		return nil, err
	}
	rows, err := tx.tx.Query(ctx, `
		SELECT s.clinic_id, count(*)::int, sum(s.seats)::int, sum(s.used)::int, sum(s.held)::int
		  FROM slot s JOIN cohort c ON c.id = s.cohort_id WHERE s.campaign_id = $1 AND c.state <> 'void' GROUP BY s.clinic_id`, campaign)
	type sum struct{ clinic, slots, seats, used, held int }
	sums, err := many(rows, err, func(row pgx.CollectableRow) (s sum, err error) {
		return s, row.Scan(&s.clinic, &s.slots, &s.seats, &s.used, &s.held)
	}, fmt.Sprintf("seats of campaign %d", campaign))
	if err != nil {
		return nil, err
	}
	loads := make([]ClinicLoad, len(clinics))
	at := map[int]int{}
	for i, c := range clinics {
		loads[i].ClinicRow = c
		at[c.ID] = i
	}
	for _, s := range sums {
		l := &loads[at[s.clinic]]
		l.Slots, l.Seats, l.Used, l.Held = s.slots, s.seats, s.used, s.held
	}
	return loads, nil
}

// ClinicSlots lists the slots of a clinic over all cohorts, by date, block,
// vaccine and cohort.
func (tx *Tx) ClinicSlots(ctx context.Context, clinic int) ([]SlotRow, error) {
	rows, err := tx.tx.Query(ctx, selectSlot+` WHERE s.clinic_id = $1 ORDER BY s.date, s.block, s.vaccine COLLATE "C", s.second, s.cohort_id`, clinic)
	return many(rows, err, scanSlot, fmt.Sprintf("slots of clinic %d", clinic))
}
