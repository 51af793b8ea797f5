package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// PersonRow is a person on a campaign's list, with everything personal that
// is known of her; after a purge the personal fields are empty.
type PersonRow struct {
	ID        int64
	Campaign  int
	Key       string // person_id of the protocol
	Cohort    int    // id, or 0
	CohortKey string // or ""
	Status    string // "eligible", "dead", "vaccinated", "moved" or "removed"
	Weight    int
	Corrected []string // columns that an official has set
	Purged    bool

	Name      string
	BirthDate time.Time // midnight UTC
	Phone     string    // E.164, or ""
	Email     string
	Address   string
	District  string
	Lat, Lon  *float64
	Groups    []string
	Language  string
	Letter    bool // a letter with a sign-in code was made for her
}

const selectPerson = `
	SELECT p.id, p.campaign_id, p.key, COALESCE(p.cohort_id, 0), COALESCE(c.key, ''), p.status, p.weight, p.corrected, d.person_id IS NULL,
	       COALESCE(d.name, ''), COALESCE(d.birth_date, '0001-01-01'), COALESCE(d.phone, ''), COALESCE(d.email, ''), COALESCE(d.address, ''),
	       COALESCE(d.district, ''), d.lat, d.lon, COALESCE(d.groups, '{}'), COALESCE(d.language, ''), d.letter_hash IS NOT NULL
	  FROM person p LEFT JOIN person_detail d ON d.person_id = p.id LEFT JOIN cohort c ON c.id = p.cohort_id`

func scanPerson(row pgx.CollectableRow) (PersonRow, error) {
	var p PersonRow
	err := row.Scan(&p.ID, &p.Campaign, &p.Key, &p.Cohort, &p.CohortKey, &p.Status, &p.Weight, &p.Corrected, &p.Purged,
		&p.Name, &p.BirthDate, &p.Phone, &p.Email, &p.Address, &p.District, &p.Lat, &p.Lon, &p.Groups, &p.Language, &p.Letter)
	return p, err
}

// Person finds a person by her id. The error wraps ErrNotFound.
func (tx *Tx) Person(ctx context.Context, id int64) (PersonRow, error) {
	rows, err := tx.tx.Query(ctx, selectPerson+` WHERE p.id = $1`, id)
	return one(rows, err, scanPerson, fmt.Sprintf("person %d", id))
}

// PersonByKey finds a person by her key in the campaign's list. The error
// wraps ErrNotFound and does not repeat the key.
func (tx *Tx) PersonByKey(ctx context.Context, campaign int, key string) (PersonRow, error) {
	rows, err := tx.tx.Query(ctx, selectPerson+` WHERE p.campaign_id = $1 AND p.key = $2`, campaign, key)
	return one(rows, err, scanPerson, fmt.Sprintf("person of campaign %d", campaign))
}

// LockPerson is PersonByKey with the person's row locked until the
// transaction ends.
func (tx *Tx) LockPerson(ctx context.Context, campaign int, key string) (PersonRow, error) {
	rows, err := tx.tx.Query(ctx, selectPerson+` WHERE p.campaign_id = $1 AND p.key = $2 FOR UPDATE OF p`, campaign, key)
	return one(rows, err, scanPerson, fmt.Sprintf("person of campaign %d", campaign))
}

// PersonByKey is Tx.PersonByKey on its own.
func (db *DB) PersonByKey(ctx context.Context, campaign int, key string) (p PersonRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { p, err = tx.PersonByKey(ctx, campaign, key); return err })
	return p, err
}

// Person is Tx.Person on its own.
func (db *DB) Person(ctx context.Context, id int64) (p PersonRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { p, err = tx.Person(ctx, id); return err })
	return p, err
}

// PeopleFilter narrows a list of people; zero fields ask for all.
type PeopleFilter struct {
	Cohort string // key, or "-" for those in none
	Status string
}

// EachPerson gives a campaign's people to f, by key, row by row.
func (tx *Tx) EachPerson(ctx context.Context, campaign int, filter PeopleFilter, f func(PersonRow) error) error {
	rows, err := tx.tx.Query(ctx, selectPerson+`
		 WHERE p.campaign_id = $1 AND ($2 = '' OR COALESCE(c.key, '-') = $2) AND ($3 = '' OR p.status = $3)
		 ORDER BY p.key COLLATE "C"`, campaign, filter.Cohort, filter.Status)
	if err != nil {
		return fmt.Errorf("people of campaign %d: %w", campaign, err)
	}
	defer rows.Close()
	for rows.Next() {
		p, err := scanPerson(rows)
		if err != nil {
			return fmt.Errorf("people of campaign %d: %w", campaign, err)
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return rows.Err()
}
