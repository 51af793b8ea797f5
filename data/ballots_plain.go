package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Most saves are plain: somebody who is alone, whose key is known, answers for
// herself while the window is open. Many such saves take one trip to the
// database: the window's lock, shared, and then one statement that looks at
// everything under it and writes. Whom it does not save goes the way that says
// why.

const (
	lockPlain = `SELECT pg_advisory_xact_lock_shared($1, $2)`

	// plainSave writes the ballots of those for whom all is as it should be: a little stricter than what may be saved at
	// all. Rows come in the order of the people, so that two batches never wait for each other in a ring.
	plainSave = `
	WITH w AS MATERIALIZED (
	  SELECT c.id, c.campaign_id, g.sample, c.now
	    FROM (SELECT c.*, jebi_now() AS now FROM cohort c WHERE c.id = $1) c JOIN campaign g ON g.id = c.campaign_id
	   WHERE g.key = $2 AND c.state = 'open' AND c.paused_at IS NULL AND c.opens_at <= c.now AND c.now < c.closes_at
	), saved AS (
	  INSERT INTO ballot AS b (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, session_id, saved_at)
	  SELECT w.campaign_id, p.id, w.id, 1, i.bytes, i.salt, i.commit, i.channel, NULLIF(i.session_id, 0), w.now
	    FROM w, unnest($3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::text[], $9::bigint[])
	           AS i (person_id, key, bytes, salt, commit, channel, session_id)
	   CROSS JOIN LATERAL (SELECT p.* FROM person p WHERE p.id = i.person_id OFFSET 0) p
	   WHERE p.key = i.key AND p.campaign_id = w.campaign_id AND p.cohort_id = w.id AND p.status = 'eligible'
	     AND (i.channel IN ('web', 'proxy') OR i.channel = 'sample' AND w.sample)
	     AND (SELECT m.party_id FROM party_member m WHERE m.campaign_id = p.campaign_id AND m.person_id = p.id) IS NULL
	   ORDER BY p.id
	  ON CONFLICT (campaign_id, person_id) DO UPDATE
	     SET revision = b.revision + 1, bytes = excluded.bytes, salt = excluded.salt, commit = excluded.commit,
	         withdrawn = false, channel = excluded.channel, official_id = NULL, session_id = excluded.session_id, saved_at = excluded.saved_at,
	         replaced_at = ` + replacedAt + `
	   WHERE b.cohort_id = excluded.cohort_id AND b.party_id IS NULL
	  RETURNING b.campaign_id, b.cohort_id, b.person_id, b.revision, b.commit, b.salt, b.channel, b.session_id, b.saved_at
	), history AS (
	  INSERT INTO ballot_history (campaign_id, cohort_id, person_id, revision, act, commit, channel, session_id, saved_at, salt)
	  SELECT campaign_id, cohort_id, person_id, revision, 'save', commit, channel, session_id, saved_at, salt FROM saved
	), audited AS (
	  INSERT INTO audit (at, campaign_id, actor, act, subject, before, after)
	  SELECT s.saved_at, s.campaign_id, ` + ballotActor + `, 'ballot.save', 'person:' || s.person_id,` + ballotChange + `
	    FROM saved s
	)
	SELECT person_id, revision, saved_at FROM saved`

	// The draft goes that became a ballot of this batch, unless it was changed since. It is found first and deleted
	// where it was found: a plan that deletes what it finds among all drafts is none that can be chosen. Its time is
	// asked for there once more: it may be changed while the deletion waits for it.
	plainDrafts = `
	DELETE FROM draft USING (
	  SELECT d.ctid AS at, i.kept
	    FROM unnest($1::bigint[], $2::timestamptz[], $3::bytea[]) AS i (person_id, kept, commit)
	   CROSS JOIN LATERAL (
	     SELECT d.ctid, d.campaign_id, d.saved_at FROM draft d
	      WHERE d.campaign_id = (SELECT c.campaign_id FROM cohort c WHERE c.id = $4) AND d.person_id = i.person_id OFFSET 0) d
	   CROSS JOIN LATERAL (
	     SELECT b.cohort_id, b.commit FROM ballot b WHERE b.campaign_id = d.campaign_id AND b.person_id = i.person_id OFFSET 0) b
	   WHERE d.saved_at = i.kept AND b.cohort_id = $4 AND b.commit = i.commit
	) gone WHERE draft.ctid = gone.at AND draft.saved_at = gone.kept`
)

// plainConfig is of the connections that SavePlain has for itself, made from
// the pool's. They find rows by their keys. A whole trip is with the server at
// once; so one that waits for a lock must end by itself before its caller is told
// that nothing is saved.
func plainConfig(pool *pgxpool.Config) *pgxpool.Config {
	c := byKeys(pool)
	c.ConnConfig.RuntimeParams["lock_timeout"] = "8s"
	return c
}

// PlainSaved tells when a ballot was saved, and as what revision.
type PlainSaved struct {
	Person   int64
	Revision int
	At       time.Time
}

// ErrNotPlain says that nothing was saved, because something in the batch was
// refused by a rule of the schema.
var ErrNotPlain = errors.New("not saved the plain way")

// ErrLocked says that nothing was saved, because others held a lock too long.
var ErrLocked = errors.New("waited too long for a lock")

// SavePlain saves ballots of the channels web, proxy and sample, one a person,
// by rising ids, of people with these keys, in one transaction of its own under
// the window's lock. It answers those that it saved, once they are committed.
// ErrNotPlain means that none was; with another error the caller is in doubt, as
// with any commit. unlocked leaves the lock out, for the test that shows why it
// is there.
func (db *DB) SavePlain(ctx context.Context, campaignKey string, cohortID int, keys []string, ballots []*Ballot, unlocked bool) ([]PlainSaved, error) {
	var b pgx.Batch // one trip and, without a BEGIN, one transaction that ends with it; each statement has its own snapshot
	if !unlocked {
		b.Queue(lockPlain, int32(LockWindow), int32(cohortID))
	}
	b.Queue(plainSave, append([]any{cohortID, campaignKey}, plainColumns(keys, ballots)...)...)
	if people, kept, commits := plainKept(ballots); len(people) > 0 {
		b.Queue(plainDrafts, people, kept, commits, cohortID)
	}
	r := db.plain.SendBatch(ctx, &b)
	var err error
	if !unlocked {
		_, err = r.Exec()
	}
	saved := make([]PlainSaved, 0, len(ballots))
	if err == nil {
		rows, _ := r.Query() // its error comes with the rows
		var s PlainSaved
		_, err = pgx.ForEachRow(rows, []any{&s.Person, &s.Revision, &s.At}, func() error {
			saved = append(saved, s)
			return nil
		})
	}
	if e := r.Close(); err == nil { // what comes after, and the commit
		err = e
	}
	switch {
	case err == nil:
		return saved, nil
	case RowFault(err), retryable(err), violated(err, "ballot_window_open"):
		return nil, ErrNotPlain
	case hasCode(err, "55P03"):
		return nil, ErrLocked
	default:
		return nil, fmt.Errorf("save %d ballots of cohort %d: %w", len(ballots), cohortID, err)
	}
}

// plainColumns turns ballots into the arrays of unnest.
func plainColumns(keys []string, ballots []*Ballot) []any {
	n := len(ballots)
	people, sessions, channels := make([]int64, n), make([]int64, n), make([]string, n)
	bytes, salts, commits := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, b := range ballots {
		people[i], sessions[i], channels[i] = b.Person, b.Session, b.Channel
		bytes[i], salts[i], commits[i] = b.Bytes, b.Salt[:], b.Commit[:]
	}
	return []any{
		pgtype.FlatArray[int64](people), pgtype.FlatArray[string](keys), pgtype.FlatArray[[]byte](bytes), pgtype.FlatArray[[]byte](salts), pgtype.FlatArray[[]byte](commits),
		pgtype.FlatArray[string](channels), pgtype.FlatArray[int64](sessions),
	}
}

func plainKept(ballots []*Ballot) (people []int64, kept []time.Time, commits [][]byte) {
	for _, b := range ballots {
		if !b.Draft.IsZero() {
			people, kept, commits = append(people, b.Person), append(kept, b.Draft), append(commits, b.Commit[:])
		}
	}
	return people, kept, commits
}
