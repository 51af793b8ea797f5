package data

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// SlotRow is a place at a time for one cohort.
type SlotRow struct {
	ID         int64
	Cohort     int
	Clinic     int
	ClinicKey  string
	Date       string // "2021-07-26"
	Block      string // "0900"
	Part       string
	Vaccine    string
	StartsAt   time.Time
	Seats      int
	Kept       int  // of the reserve: no offer uses them
	Drawn      *int // seats that the draw had; nil before the freeze and for later slots
	Used       int
	Held       int
	Reserve    map[string]int
	PartySeats int
	Second     bool
	Pair       int64      // id, or 0
	Position   *int       // in supply.json, from 0; nil: not announced yet, or came later
	ReleasedAt *time.Time // nil: not yet released
}

// Free is how many seats nobody sits on and nobody is offered, those of the
// reserve among them.
func (s SlotRow) Free() int { return s.Seats - s.Used - s.Held }

// supplyOrder is the order of the slots of a draw.
const supplyOrder = `k.key COLLATE "C", s.date, s.block, s.vaccine COLLATE "C", s.second`

const selectSlot = `
	SELECT s.id, s.cohort_id, s.clinic_id, k.key, to_char(s.date, 'YYYY-MM-DD'), s.block, s.part, s.vaccine, s.starts_at,
	       s.seats, s.kept_seats, s.drawn_seats, s.used, s.held, s.reserve, s.party_seats, s.second, COALESCE(s.pair_id, 0), s.position, s.released_at
	  FROM slot s JOIN clinic k ON k.id = s.clinic_id`

func scanSlot(row pgx.CollectableRow) (SlotRow, error) {
	var s SlotRow
	err := row.Scan(&s.ID, &s.Cohort, &s.Clinic, &s.ClinicKey, &s.Date, &s.Block, &s.Part, &s.Vaccine, &s.StartsAt,
		&s.Seats, &s.Kept, &s.Drawn, &s.Used, &s.Held, &s.Reserve, &s.PartySeats, &s.Second, &s.Pair, &s.Position, &s.ReleasedAt)
	s.StartsAt = s.StartsAt.UTC()
	return s, err
}

// Slots lists a cohort's slots: those of the draw in supply order, then those
// that came later, by clinic, date, block and vaccine.
func (tx *Tx) Slots(ctx context.Context, cohortID int) ([]SlotRow, error) {
	rows, err := tx.tx.Query(ctx, selectSlot+` WHERE s.cohort_id = $1 ORDER BY s.position NULLS LAST, `+supplyOrder, cohortID)
	return many(rows, err, scanSlot, fmt.Sprintf("slots of cohort %d", cohortID))
}

// Slots is Tx.Slots on its own.
func (db *DB) Slots(ctx context.Context, cohortID int) (ss []SlotRow, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { ss, err = tx.Slots(ctx, cohortID); return err })
	return ss, err
}

// Slot finds a slot by its id. The error wraps ErrNotFound.
func (tx *Tx) Slot(ctx context.Context, id int64) (SlotRow, error) {
	rows, err := tx.tx.Query(ctx, selectSlot+` WHERE s.id = $1`, id)
	return one(rows, err, scanSlot, fmt.Sprintf("slot %d", id))
}

// FixSupplyOrder gives the slots of a cohort that is about to be announced
// their positions in supply order, and releases them to the draw. It answers
// how many there are.
func (tx *Tx) FixSupplyOrder(ctx context.Context, cohortID int) (int, error) {
	tag, err := tx.tx.Exec(ctx, `
		UPDATE slot SET position = o.n, released_at = COALESCE(released_at, jebi_now())
		  FROM (SELECT s.id, row_number() OVER (ORDER BY `+supplyOrder+`)::int - 1 AS n
		          FROM slot s JOIN clinic k ON k.id = s.clinic_id WHERE s.cohort_id = $1) o
		 WHERE slot.id = o.id`, cohortID)
	if err != nil {
		return 0, fmt.Errorf("supply order of cohort %d: %w", cohortID, err)
	}
	return int(tag.RowsAffected()), nil
}

// MakeSlots makes the slots of the campaign's draft cohorts from the supply,
// as the campaign file shares it out, and says whether anything changed. Seats
// promised to windows that are announced stay with them.
func (tx *Tx) MakeSlots(ctx context.Context, c *cohort.Campaign, campaign int) (bool, error) {
	fail := func(err error) (bool, error) { return false, fmt.Errorf("slots of campaign %d: %w", campaign, err) }
	cohorts, err := tx.Cohorts(ctx, campaign)
	if err != nil {
		return false, err
	}
	var drafts []draftRelease
	for _, o := range c.Cohorts { // in the file's order, which decides who is first at a rounded seat
		for _, row := range cohorts {
			if row.Key == o.Key && row.State == cohort.Draft {
				drafts = append(drafts, draftRelease{row.ID, false, o.Supply})
			}
		}
	}
	for _, d := range slices.Clone(drafts) { // first doses come before second ones at a rounded seat
		if r := d.Second(); r.Percent > 0 {
			drafts = append(drafts, draftRelease{d.cohort, true, r})
		}
	}
	if len(drafts) == 0 {
		return false, nil
	}
	if _, err := tx.tx.Exec(ctx, `
		CREATE TEMP TABLE made (cohort_id int, clinic_id int, date date, block text, part text, vaccine text, starts_at timestamptz, seats int, second boolean) ON COMMIT DROP`); err != nil {
		return fail(err)
	}
	made, err := tx.shareSupply(ctx, c, campaign, drafts)
	if err != nil {
		return fail(err)
	}
	if _, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"made"},
		[]string{"cohort_id", "clinic_id", "date", "block", "part", "vaccine", "starts_at", "seats", "second"},
		pgx.CopyFromSlice(len(made), func(i int) ([]any, error) {
			m := &made[i]
			return []any{m.cohort, m.clinic, m.date, m.block, m.part, m.vaccine, m.starts, m.seats, m.second}, nil
		})); err != nil {
		return fail(err)
	}
	const same = `s.cohort_id = m.cohort_id AND s.clinic_id = m.clinic_id AND s.date = m.date AND s.block = m.block AND s.vaccine = m.vaccine AND s.second = m.second`
	ids := make([]int, len(drafts))
	for i, d := range drafts {
		ids[i] = d.cohort
	}
	gone, err := tx.tx.Exec(ctx, `DELETE FROM slot s WHERE s.cohort_id = ANY ($1) AND NOT EXISTS (SELECT FROM made m WHERE `+same+`)`, ids)
	if err != nil {
		return fail(err)
	}
	other, err := tx.tx.Exec(ctx, `
		UPDATE slot s SET seats = m.seats, part = m.part, starts_at = m.starts_at FROM made m
		 WHERE `+same+` AND (s.seats, s.part, s.starts_at) IS DISTINCT FROM (m.seats, m.part, m.starts_at)`)
	if err != nil {
		return fail(err)
	}
	come, err := tx.tx.Exec(ctx, `
		INSERT INTO slot (campaign_id, cohort_id, clinic_id, date, block, part, vaccine, starts_at, seats, second)
		SELECT $1, m.cohort_id, m.clinic_id, m.date, m.block, m.part, m.vaccine, m.starts_at, m.seats, m.second FROM made m
		ON CONFLICT (cohort_id, clinic_id, date, block, vaccine, second) DO NOTHING`, campaign)
	if err != nil {
		return fail(err)
	}
	_, err = tx.tx.Exec(ctx, `DROP TABLE made`)
	return gone.RowsAffected()+other.RowsAffected()+come.RowsAffected() > 0, err
}

type madeSlot struct {
	cohort, clinic       int
	date                 time.Time
	block, part, vaccine string
	starts               time.Time
	seats                int
	second               bool
}

// draftRelease is what of the supply one draft gets for its first or for its
// second doses.
type draftRelease struct {
	cohort int
	second bool
	cohort.Release
}

// shareSupply computes the slots of the drafts.
func (tx *Tx) shareSupply(ctx context.Context, c *cohort.Campaign, campaign int, drafts []draftRelease) ([]madeSlot, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT p.clinic_id, p.date, p.block, p.vaccine, p.seats - p.given,
		       p.seats - COALESCE((SELECT sum(s.seats) FROM slot s JOIN cohort o ON o.id = s.cohort_id
		                            WHERE o.campaign_id = $1 AND o.state NOT IN ('draft', 'void') AND s.clinic_id = p.clinic_id
		                              AND s.date = p.date AND s.block = p.block AND s.vaccine = p.vaccine), 0)
		  FROM supply p JOIN clinic k ON k.id = p.clinic_id
		 WHERE p.campaign_id = $1
		 ORDER BY k.key COLLATE "C", p.date, p.block, p.vaccine COLLATE "C"`, campaign)
	if err != nil {
		return nil, err
	}
	var made []madeSlot
	releases := make([]cohort.Release, len(drafts))
	for i, d := range drafts {
		releases[i] = d.Release
	}
	sharing := cohort.NewSharing(releases)
	var clinic, last, seats, left int
	var date time.Time
	var block, vaccine string
	var shares []int
	_, err = pgx.ForEachRow(rows, []any{&clinic, &date, &block, &vaccine, &seats, &left}, func() error {
		if clinic != last {
			sharing.Clinic()
			last = clinic
		}
		part := c.PartOf(block)
		if part == "" {
			return fmt.Errorf("the supply has seats at %s, which is in none of the campaign's day parts", block)
		}
		starts := startsAt(date, block, c.Location)
		shares = sharing.Slot(date.Format(time.DateOnly), vaccine, seats, max(0, left), shares)
		for i, n := range shares {
			if n > 0 {
				made = append(made, madeSlot{drafts[i].cohort, clinic, date, block, part, vaccine, starts, n, drafts[i].second})
			}
		}
		return nil
	})
	return made, err
}
