package data

import (
	"context"
	"fmt"

	"jebi/cohort"
)

// AddPerson puts a person on the list who was missing from it, with the
// values of PeopleColumns as in a file. Before her window closes she may
// answer in it; after that she joins the next window that her region and
// groups belong to, or is told that she hears later. Errors are *BadValue,
// *Refusal.
func (tx *Tx) AddPerson(ctx context.Context, c *cohort.Campaign, campaign int, values map[string]string, reason string, by Actor) (Corrected, error) {
	var out Corrected
	cohorts, err := tx.Cohorts(ctx, campaign)
	if err != nil {
		return out, err
	}
	if err := tx.Lock(ctx, LockImport, campaign); err != nil {
		return out, err
	}
	if err := tx.lockTaking(ctx, campaign, cohorts); err != nil {
		return out, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return out, err
	}
	layout := PeopleColumns()
	cells := make([]string, len(layout))
	known := 0
	for i, column := range layout {
		if v, ok := values[column.Name]; ok {
			cells[i] = v
			known++
		}
	}
	if known != len(values) {
		return out, &BadValue{ImportError{Column: "column", Code: "unknown_column", Text: ImportText("unknown_column")}}
	}
	reader := newPersonReader(c, cohorts, now)
	p, err := readPerson(c, cohorts, now, cells)
	if err != nil {
		return out, err
	}
	var id int64
	err = tx.tx.QueryRow(ctx, `
		INSERT INTO person (campaign_id, key, cohort_id, row_hash) VALUES ($1, $2, NULLIF($3, 0), $4) RETURNING id`,
		campaign, p.key, p.late, reader.sum(&p)).Scan(&id)
	if violated(err, "person_campaign_id_key_key") {
		return out, refuse("the list has a person with this key already: jebi people show KEY")
	}
	if err == nil {
		_, err = tx.tx.Exec(ctx, `
			INSERT INTO person_detail (person_id, name, birth_date, phone, email, address, district, lat, lon, groups, language)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			id, p.name, p.birth, p.phone, p.email, p.address, p.district, p.lat, p.lon, p.groups, p.language)
	}
	if err != nil {
		return out, fmt.Errorf("add a person: %w", withoutValues(err))
	}
	own, _ := find(cohorts, p.own)
	in, _ := find(cohorts, p.late)
	out = Corrected{Person: id, Key: p.key, Status: "eligible", Cohort: in.Key, From: own.Key, Kept: p.own != p.late, Changed: true}
	for i, cell := range cells {
		if cell != "" {
			out.Fields = append(out.Fields, layout[i].Name)
		}
	}
	if own.ID != 0 { // somebody whom no cohort admits is not told about any
		if err := tx.invite(ctx, campaign, id, cohorts, in.Key); err != nil {
			return out, err
		}
	}
	return out, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "person.add", Subject: subject("person", id), Reason: reason,
		After: correctionAudit{Fields: out.Fields, Status: "eligible", Cohort: in.Key},
	})
}
