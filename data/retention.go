package data

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Swept counts what a sweep has deleted, by table.
type Swept struct {
	Sessions  int `json:"session"`
	SignIns   int `json:"sign_in"`
	Drafts    int `json:"draft"`
	Tries     int `json:"entry_try"`
	Officials int `json:"official_session"`
	Claims    int `json:"left_out_file"`
}

// Any says whether anything was deleted.
func (s Swept) Any() bool { return s != Swept{} }

// Sweep deletes what a campaign needs no more while it goes on: sessions and
// sign-in requests that ended or ran out, and tries of codes, before a moment, drafts of people
// whose window has been frozen, and sessions of officials that ran out before
// it, and what was handed in for proposals that nobody confirmed. A session behind a ballot stays until the ballot is frozen: before that
// it is looked for.
func (tx *Tx) Sweep(ctx context.Context, campaign int, before time.Time) (Swept, error) {
	var s Swept
	err := tx.tx.QueryRow(ctx, `
		WITH live AS (
		  SELECT id FROM cohort WHERE campaign_id = $1 AND state IN ('draft', 'announced', 'open', 'closed')
		), gone AS (
		  DELETE FROM session s
		   WHERE s.campaign_id = $1 AND LEAST(s.expires_at, s.ended_at) < $2
		     AND NOT EXISTS (SELECT FROM ballot b WHERE b.session_id = s.id AND b.cohort_id IN (SELECT id FROM live))
		  RETURNING s.id
		), drafts AS (
		  DELETE FROM draft d USING person p
		   WHERE d.campaign_id = $1 AND p.id = d.person_id AND p.cohort_id NOT IN (SELECT id FROM live) RETURNING 1
		), officials AS (
		  DELETE FROM official_session o WHERE LEAST(o.expires_at, o.ended_at) < $2 RETURNING 1
		)
		SELECT (SELECT count(*) FROM gone)::int, (SELECT count(*) FROM drafts)::int, (SELECT count(*) FROM officials)::int`, campaign, before).
		Scan(&s.Sessions, &s.Drafts, &s.Officials)
	if err != nil {
		return s, fmt.Errorf("sweep campaign %d: %w", campaign, err)
	}
	tag, err := tx.tx.Exec(ctx, `
		DELETE FROM sign_in s
		 WHERE s.campaign_id = $1 AND LEAST(s.expires_at, s.used_at) < $2 AND NOT EXISTS (SELECT FROM session n WHERE n.sign_in_id = s.id)`, campaign, before)
	if err != nil {
		return s, fmt.Errorf("sweep campaign %d: %w", campaign, err)
	}
	s.SignIns = int(tag.RowsAffected())
	if s.Claims, err = tx.sweepClaims(ctx); err != nil {
		return s, err
	}
	if err := tx.tx.QueryRow(ctx, `SELECT sweep_tries($1, $2)`, campaign, before).Scan(&s.Tries); err != nil {
		return s, fmt.Errorf("sweep campaign %d: %w", campaign, err)
	}
	return s, nil
}

// KeptRow is a cohort that has ended and of whose people something personal is
// still held.
type KeptRow struct {
	Cohort int
	Key    string
	Ended  time.Time // settled or void since
	Last   string    // the last day of a place that is held, "2021-08-07"; "": there is none
}

// Kept lists a campaign's cohorts that have ended and whose people's data is
// still held.
func (tx *Tx) Kept(ctx context.Context, campaign int) ([]KeptRow, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT c.id, c.key, c.state_at, COALESCE(to_char((
		         SELECT max(GREATEST(s.date, z.date)) FROM assignment a JOIN slot s ON s.id = a.slot_id LEFT JOIN slot z ON z.id = a.second_id
		          WHERE a.cohort_id = c.id AND a.state IN ('assigned', 'confirmed')), 'YYYY-MM-DD'), '')
		  FROM cohort c
		 WHERE c.campaign_id = $1 AND c.state IN ('settled', 'void')
		   AND (EXISTS (SELECT FROM person p JOIN person_detail d ON d.person_id = p.id WHERE p.cohort_id = c.id)
		        OR EXISTS (SELECT FROM ballot b WHERE b.cohort_id = c.id))
		 ORDER BY c.ordinal`, campaign)
	return many(rows, err, pgx.RowToStructByPos[KeptRow], fmt.Sprintf("ended cohorts of campaign %d", campaign))
}

// PurgeCohort deletes everything personal of the people of a cohort that has
// ended. It answers *Refusal before the end.
func (tx *Tx) PurgeCohort(ctx context.Context, cohortID int, reason string) (Purged, error) {
	var p Purged
	err := tx.tx.QueryRow(ctx, `SELECT purge_cohort($1, $2)`, cohortID, reason).Scan(&p)
	if violated(err, "purge_after_end") {
		return p, refuse("cohort %d has not ended; people's data is deleted after the end only", cohortID)
	}
	if err != nil {
		return p, fmt.Errorf("purge cohort %d: %w", cohortID, err)
	}
	return p, nil
}

// Leftover says since when every cohort of a campaign has ended, where there
// are people of none of them whose data is still held; zero otherwise.
func (tx *Tx) Leftover(ctx context.Context, campaign int) (time.Time, error) {
	var t *time.Time
	err := tx.tx.QueryRow(ctx, `
		SELECT max(c.state_at) FROM cohort c
		 WHERE c.campaign_id = $1
		   AND EXISTS (SELECT FROM person p JOIN person_detail d ON d.person_id = p.id WHERE p.campaign_id = $1 AND p.cohort_id IS NULL)
		HAVING bool_and(c.state IN ('settled', 'void'))`, campaign).Scan(&t)
	if err == pgx.ErrNoRows || err == nil && t == nil {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("people of no cohort of campaign %d: %w", campaign, err)
	}
	return t.UTC(), nil
}
