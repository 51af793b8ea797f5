package data

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"jebi/cohort"
)

// ImportPeople adds the people of a file and updates those whose row has
// changed; none is deleted. What an official has corrected stays as it is.
// Without apply it only says what it would do. A file with errors changes
// nothing and answers ErrFlawed, with the report.
//
// A person belongs to the first cohort that admits her. One who is new and
// whose window is past joins a later one (cohort.LateCohort), or none. One
// who is known changes cohort only while neither window is past and she has
// no ballot.
func (db *DB) ImportPeople(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, apply bool) (ImportReport, error) {
	r := ImportReport{Kind: "people"}
	err := db.importTx(ctx, campaign, apply, func(tx *Tx) error {
		_, err := tx.tx.Exec(ctx, `
			CREATE TEMP TABLE stage (row int, key text, cohort_id int, late_id int, name text, birth_date date, phone text, email text,
			  address text, district text, lat double precision, lon double precision, groups text[], language text, row_hash bytea) ON COMMIT DROP`)
		if err != nil {
			return fmt.Errorf("import people: %w", err)
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		cohorts, err := tx.Cohorts(ctx, campaign)
		if err != nil {
			return err
		}
		reader := newPersonReader(c, cohorts, now)
		if err := tx.stage(ctx, "stage", reader.columns(), lines, &r, PeopleColumns(), reader.values); err != nil {
			return err
		}
		if err := tx.doubles(ctx, &r, "stage", "key", "key"); err != nil {
			return fmt.Errorf("import people: %w", err)
		}
		if err := r.finish(); err != nil {
			return err
		}
		if err := tx.countPeople(ctx, campaign, &r); err != nil || !apply || r.New+r.Changed == 0 {
			return err
		}
		if err := tx.lockTaking(ctx, campaign, cohorts); err != nil {
			return err
		}
		if err := tx.mergePeople(ctx, campaign, reader.has, reader.decides()); err != nil {
			return fmt.Errorf("import people: %w", withoutValues(err))
		}
		if err := tx.tellImported(ctx, campaign, now); err != nil {
			return fmt.Errorf("import people: %w", withoutValues(err))
		}
		return tx.auditImport(ctx, campaign, actor, &r)
	})
	r.Applied = err == nil && apply
	return r, err
}

// The places of PeopleColumns.
const (
	personKey = iota
	personName
	personBirthDate
	personPhone
	personEmail
	personAddress
	personDistrict
	personLat
	personLon
	personGroups
	personLanguage
	personColumns
)

// personReader turns rows into people.
type personReader struct {
	campaign *cohort.Campaign
	ids      map[string]int // cohort key -> id
	takes    func(*cohort.Cohort) bool
	today    time.Time
	hash     *rowHash
	has      [personColumns]bool // columns that the file has
}

func newPersonReader(c *cohort.Campaign, cohorts []CohortRow, now time.Time) *personReader {
	r := &personReader{campaign: c, ids: map[string]int{}, today: day(now.In(c.Location)), hash: newRowHash("person")}
	takes := map[string]bool{}
	for _, o := range cohorts {
		r.ids[o.Key], takes[o.Key] = o.ID, taking(o.State)
	}
	r.takes = func(o *cohort.Cohort) bool { return takes[o.Key] }
	return r
}

// taking says whether a cohort's window is still to come or open.
func taking(s cohort.State) bool {
	return s == cohort.Draft || s == cohort.Announced || s == cohort.Open
}

// decides says whether the file holds everything that cohorts are decided by.
func (r *personReader) decides() bool {
	for _, o := range r.campaign.Cohorts {
		if len(o.Regions) > 0 && !r.has[personDistrict] || len(o.Groups) > 0 && !r.has[personGroups] {
			return false
		}
	}
	return true
}

func (*personReader) columns() []string {
	return []string{"row", "key", "cohort_id", "late_id", "name", "birth_date", "phone", "email", "address", "district", "lat", "lon", "groups", "language", "row_hash"}
}

// listed is a person as a row of the list has her.
type listed struct {
	key, name, address, district, language string
	birth                                  time.Time
	phone, email                           *string
	lat, lon                               *float64
	groups                                 []string
	own, late                              int // cohort ids, or 0: by the rules, and as a late comer
}

func (p *listed) facts() cohort.PersonFacts {
	return cohort.PersonFacts{BirthYear: p.birth.Year(), District: p.district, Groups: p.groups}
}

// values is a row for the staging table.
func (r *personReader) values(f *fields) ([]any, bool) {
	p, ok := r.read(f)
	if !ok {
		v := make([]any, len(r.columns()))
		v[0], v[1] = f.line.Row, p.key
		return v, p.key != ""
	}
	own := r.campaign.CohortFor(p.facts())
	if own == nil {
		f.report.countCohort("")
	} else {
		f.report.countCohort(own.Key)
	}
	return []any{
		f.line.Row, p.key, orNull(int64(p.own)), orNull(int64(p.late)), p.name, p.birth, p.phone, p.email,
		p.address, p.district, p.lat, p.lon, p.groups, p.language, r.sum(&p),
	}, true
}

// read reads a row; it answers false where it has reported an error.
func (r *personReader) read(f *fields) (listed, bool) {
	var p listed
	var code string
	for i := range r.has {
		r.has[i] = f.has(i)
	}
	p.key, code = readKey(f.must(personKey))
	f.check(personKey, code)
	p.name = f.short(personName, true)
	p.birth, code = readDate(f.must(personBirthDate), f.line.Dates, time.Date(1880, 1, 1, 0, 0, 0, 0, time.UTC), r.today)
	f.check(personBirthDate, code)
	p.phone, code = readPhone(f.cell(personPhone))
	f.check(personPhone, code)
	p.email, code = readEmail(f.cell(personEmail))
	f.check(personEmail, code)
	p.address = f.short(personAddress, false)
	p.district, code = readDistrict(f.cell(personDistrict), r.campaign)
	f.check(personDistrict, code)
	p.lat, p.lon, code = readPosition(f.cell(personLat), f.cell(personLon))
	f.check(personLat, code)
	p.groups, code = readGroups(f.cell(personGroups))
	f.check(personGroups, code)
	p.language = f.cell(personLanguage)
	if p.language == "" {
		p.language = r.campaign.Languages[0]
	} else if !slices.Contains(r.campaign.Languages, p.language) {
		f.check(personLanguage, "language")
	}
	if f.bad {
		return p, false
	}
	if o := r.campaign.CohortFor(p.facts()); o != nil {
		p.own = r.ids[o.Key]
	}
	if o := r.campaign.LateCohort(p.facts(), r.takes); o != nil {
		p.late = r.ids[o.Key]
	}
	return p, true
}

// sum is the hash of the row, bound to the columns that the file has.
func (r *personReader) sum(p *listed) []byte {
	columns := uint32(0)
	for i, has := range r.has {
		if has {
			columns |= 1 << i
		}
	}
	h := r.hash
	h.begin(columns)
	for _, s := range []string{p.key, p.name, p.birth.Format(time.DateOnly), valueOr(p.phone, ""), valueOr(p.email, ""), p.address, p.district, p.language} {
		h.text(s)
	}
	for _, g := range p.groups {
		h.text(g)
	}
	if p.lat != nil {
		h.number(*p.lat)
		h.number(*p.lon)
	}
	return h.sum()
}

func (r *ImportReport) countCohort(key string) {
	if r.Cohorts == nil {
		r.Cohorts = map[string]int{}
	}
	r.Cohorts[key]++
}

func (tx *Tx) countPeople(ctx context.Context, campaign int, r *ImportReport) error {
	err := tx.tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE p.id IS NULL), count(*) FILTER (WHERE p.row_hash <> s.row_hash), count(*) FILTER (WHERE p.row_hash = s.row_hash),
		       count(*) FILTER (WHERE p.row_hash <> s.row_hash AND p.corrected <> '{}'),
		       count(*) FILTER (WHERE p.id IS NULL AND s.late_id IS DISTINCT FROM s.cohort_id)
		  FROM stage s LEFT JOIN person p ON p.campaign_id = $1 AND p.key = s.key`, campaign).
		Scan(&r.New, &r.Changed, &r.Same, &r.Kept, &r.Late)
	if err != nil {
		return fmt.Errorf("import people: %w", err)
	}
	return nil
}

// lockTaking holds back the close of every window that is to come or open
// until this transaction ends, and refuses where one has closed since it was
// read.
func (tx *Tx) lockTaking(ctx context.Context, campaign int, known []CohortRow) error {
	for _, o := range known {
		if taking(o.State) {
			if err := tx.LockShared(ctx, LockWindow, o.ID); err != nil {
				return err
			}
		}
	}
	now, err := tx.Cohorts(ctx, campaign)
	if err != nil {
		return err
	}
	for i, o := range now {
		if i >= len(known) || known[i].ID != o.ID || taking(known[i].State) != taking(o.State) {
			return errors.New("a window closed during the import; nothing was imported, try again")
		}
	}
	return nil
}

// mergePeople moves the staged rows into person and person_detail. has says
// which columns the file has: of known people the others stay as they are;
// decides, whether a known person's cohort may follow from the file.
func (tx *Tx) mergePeople(ctx context.Context, campaign int, has [personColumns]bool, decides bool) error {
	// Known people whose row has changed, with what may follow from it.
	_, err := tx.tx.Exec(ctx, `
		CREATE TEMP TABLE changed ON COMMIT DROP AS
		SELECT p.id, s.*, p.corrected, p.cohort_id AS old_cohort,
		       CASE WHEN $4 AND NOT (p.corrected && '{birth_date,district,groups,cohort}')
		             AND (p.cohort_id IS NULL OR o.state IN ('draft', 'announced', 'open'))
		             AND (s.cohort_id IS NULL OR n.state IN ('draft', 'announced', 'open'))
		             AND NOT EXISTS (SELECT FROM ballot b WHERE b.campaign_id = $1 AND b.person_id = p.id)
		            THEN s.cohort_id ELSE p.cohort_id END AS new_cohort,
		       $2 AND NOT 'phone' = ANY (p.corrected) AND d.phone IS DISTINCT FROM s.phone
		         OR $3 AND NOT 'email' = ANY (p.corrected) AND d.email IS DISTINCT FROM s.email AS reached
		  FROM stage s JOIN person p ON p.campaign_id = $1 AND p.key = s.key AND p.row_hash <> s.row_hash
		  LEFT JOIN person_detail d ON d.person_id = p.id
		  LEFT JOIN cohort o ON o.id = p.cohort_id LEFT JOIN cohort n ON n.id = s.cohort_id`,
		campaign, has[personPhone], has[personEmail], decides)
	if err != nil {
		return err
	}
	for _, sql := range []string{
		`UPDATE person p SET row_hash = c.row_hash, cohort_id = c.new_cohort FROM changed c WHERE p.id = c.id`,
		`DELETE FROM party_member m USING changed c WHERE m.person_id = c.id AND c.new_cohort IS DISTINCT FROM c.old_cohort`,
		`UPDATE session s SET ended_at = jebi_now() FROM changed c WHERE s.person_id = c.id AND c.reached AND s.ended_at IS NULL`,
		`UPDATE sign_in s SET used_at = jebi_now() FROM changed c WHERE s.person_id = c.id AND c.reached AND s.used_at IS NULL AND s.way <> 'letter'`,
	} {
		if _, err := tx.tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	_, err = tx.tx.Exec(ctx, `
		UPDATE person_detail d SET
		  name = CASE WHEN 'name' = ANY (c.corrected) THEN d.name ELSE c.name END,
		  birth_date = CASE WHEN 'birth_date' = ANY (c.corrected) THEN d.birth_date ELSE c.birth_date END,
		  phone = CASE WHEN $1 AND NOT 'phone' = ANY (c.corrected) THEN c.phone ELSE d.phone END,
		  email = CASE WHEN $2 AND NOT 'email' = ANY (c.corrected) THEN c.email ELSE d.email END,
		  address = CASE WHEN $3 AND NOT 'address' = ANY (c.corrected) THEN c.address ELSE d.address END,
		  district = CASE WHEN $4 AND NOT 'district' = ANY (c.corrected) THEN c.district ELSE d.district END,
		  lat = CASE WHEN $5 AND NOT 'position' = ANY (c.corrected) THEN c.lat ELSE d.lat END,
		  lon = CASE WHEN $5 AND NOT 'position' = ANY (c.corrected) THEN c.lon ELSE d.lon END,
		  groups = CASE WHEN $6 AND NOT 'groups' = ANY (c.corrected) THEN c.groups ELSE d.groups END,
		  language = CASE WHEN $7 AND NOT 'language' = ANY (c.corrected) THEN c.language ELSE d.language END
		FROM changed c WHERE d.person_id = c.id`,
		has[personPhone], has[personEmail], has[personAddress], has[personDistrict], has[personLat] && has[personLon], has[personGroups], has[personLanguage])
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(ctx, `
		WITH come AS (
		  INSERT INTO person (campaign_id, key, cohort_id, row_hash)
		  SELECT $1, s.key, s.late_id, s.row_hash FROM stage s
		   WHERE NOT EXISTS (SELECT FROM person p WHERE p.campaign_id = $1 AND p.key = s.key) ORDER BY s.row
		  RETURNING id, key)
		INSERT INTO person_detail (person_id, name, birth_date, phone, email, address, district, lat, lon, groups, language)
		SELECT come.id, s.name, s.birth_date, s.phone, s.email, s.address, s.district, s.lat, s.lon, s.groups, s.language
		  FROM come JOIN stage s ON s.key = come.key`, campaign)
	return err
}

// tellImported tells people who came to an announced window by this import
// what everyone in it was told, and those whose window is past that they hear
// later. It knows them by their time: since is when the import began.
func (tx *Tx) tellImported(ctx context.Context, campaign int, since time.Time) error {
	_, err := tx.tx.Exec(ctx, `
		INSERT INTO message (campaign_id, person_id, event, channel, kind, params)
		SELECT $1, p.id, CASE WHEN o.id IS NULL THEN 'late/' || p.id ELSE 'announce/' || o.id END, c.channel,
		       CASE WHEN o.id IS NULL THEN 'list_late' ELSE 'announce' END,
		       CASE WHEN o.id IS NULL THEN '{}' ELSE jsonb_build_object('cohort', o.id) END
		  FROM stage s JOIN person p ON p.campaign_id = $1 AND p.key = s.key AND p.status = 'eligible'
		  LEFT JOIN changed x ON x.id = p.id
		  LEFT JOIN cohort o ON o.id = p.cohort_id
		  JOIN person_detail d ON d.person_id = p.id
		  JOIN LATERAL (VALUES ('email', d.email), ('sms', d.phone)) c (channel, address) ON c.address IS NOT NULL
		 WHERE CASE WHEN x.id IS NULL THEN p.created_at >= $2 ELSE x.new_cohort IS DISTINCT FROM x.old_cohort END
		   AND (o.state IN ('announced', 'open') OR o.id IS NULL AND s.cohort_id IS NOT NULL)
		 ORDER BY p.id
		ON CONFLICT DO NOTHING`, campaign, since)
	return err
}
