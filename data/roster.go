package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// RosterRow is one appointment on a clinic's list.
type RosterRow struct {
	Assignment int64
	Date       string // "2021-07-26"
	Block      string // "0900"
	Vaccine    string
	Dose       int
	Name       string // "" after a purge
	BirthYear  int    // 0 after a purge
	Phone      string
	State      string // "assigned" or "confirmed"
}

// Roster lists who comes to a clinic, by date, block, vaccine and name, one
// row a dose. Places of draws that are not published yet are nobody's business.
func (tx *Tx) Roster(ctx context.Context, clinic int) ([]RosterRow, error) {
	rows, err := tx.tx.Query(ctx, `
		WITH mine AS MATERIALIZED (
		  SELECT s.id, s.date, s.block, s.vaccine FROM slot s JOIN cohort c ON c.id = s.cohort_id AND c.state IN ('published', 'settled')
		   WHERE s.clinic_id = $1
		), doses AS (
		  SELECT s.date, s.block, s.vaccine, 1 AS dose, a.id, a.person_id, a.state FROM mine s JOIN assignment a ON a.slot_id = s.id
		  UNION ALL
		  SELECT s.date, s.block, s.vaccine, 2, a.id, a.person_id, a.state FROM mine s JOIN assignment a ON a.second_id = s.id
		)
		SELECT x.id, to_char(x.date, 'YYYY-MM-DD'), x.block, x.vaccine, x.dose,
		       COALESCE(d.name, ''), COALESCE(extract(year FROM d.birth_date), 0)::int, COALESCE(d.phone, ''), x.state
		  FROM doses x
		  LEFT JOIN person_detail d ON d.person_id = x.person_id
		 WHERE x.state IN ('assigned', 'confirmed')
		 ORDER BY x.date, x.block, x.vaccine, COALESCE(d.name, '') COLLATE "C", x.id`, clinic)
	return many(rows, err, pgx.RowToStructByPos[RosterRow], fmt.Sprintf("list of clinic %d", clinic))
}

// ClinicsWithSlots lists the clinics of published cohorts' slots, by key:
// those that need a list, even one of nobody.
func (tx *Tx) ClinicsWithSlots(ctx context.Context, campaign int) ([]ClinicRow, error) {
	rows, err := tx.tx.Query(ctx, selectClinic+`
		 WHERE campaign_id = $1 AND EXISTS (SELECT FROM slot s JOIN cohort c ON c.id = s.cohort_id
		         WHERE s.clinic_id = clinic.id AND c.state IN ('published', 'settled') AND (s.seats > 0 OR s.used > 0))
		 ORDER BY key COLLATE "C"`, campaign)
	return many(rows, err, scanClinic, fmt.Sprintf("clinics of campaign %d", campaign))
}
