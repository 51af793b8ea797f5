package data

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// What a bench of the intake does past the use cases: people with sessions and
// drafts by COPY, the window's end, and what the server counted.

// BenchVoter is a person who may answer, signed in, with a draft.
type BenchVoter struct {
	ID    int64 // from 1, one after the other
	Key   string
	Token [32]byte // hash of her session's cookie
	Draft []byte   // JSON; nil: none
}

// CopyBenchVoters writes n people of a cohort with a session each that lasts a
// day and has agreed to the notice. Ids of sessions are those of the people.
func (db *DB) CopyBenchVoters(ctx context.Context, c CohortRow, n int, each func(i int) BenchVoter) error {
	copies := []struct {
		table   string
		columns []string
		row     func(v BenchVoter, now time.Time) []any
	}{
		{"person", []string{"id", "campaign_id", "key", "cohort_id", "row_hash"}, func(v BenchVoter, _ time.Time) []any {
			return []any{v.ID, c.Campaign, v.Key, c.ID, make([]byte, 32)}
		}},
		{"person_detail", []string{"person_id", "name", "birth_date", "phone", "address", "district"}, func(v BenchVoter, _ time.Time) []any {
			return []any{v.ID, "Person " + v.Key, time.Date(1962, 1, 1, 0, 0, 0, 0, time.UTC), fmt.Sprintf("+8210%08d", v.ID), "Road 1", ""}
		}},
		{"session", []string{"token_hash", "campaign_id", "person_id", "way", "expires_at", "consented_at"}, func(v BenchVoter, now time.Time) []any {
			return []any{v.Token[:], c.Campaign, v.ID, "sms", now.Add(24 * time.Hour), now}
		}},
	}
	err := db.Tx(ctx, func(tx *Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		for _, t := range copies {
			_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) { return t.row(each(i), now), nil }))
			if err != nil {
				return fmt.Errorf("%s: %w", t.table, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("people of the bench: %w", err)
	}
	return nil
}

// CopyBenchDrafts puts a draft of each of n people in place of what drafts
// there are.
func (db *DB) CopyBenchDrafts(ctx context.Context, campaign, n int, each func(i int) BenchVoter) error {
	err := db.Tx(ctx, func(tx *Tx) error {
		if _, err := tx.tx.Exec(ctx, `DELETE FROM draft WHERE campaign_id = $1`, campaign); err != nil {
			return err
		}
		_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"draft"}, []string{"campaign_id", "person_id", "body"}, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
			v := each(i)
			return []any{campaign, v.ID, v.Draft}, nil
		}))
		return err
	})
	if err != nil {
		return fmt.Errorf("drafts of the bench: %w", err)
	}
	return nil
}

// EachBenchSave streams what is stored of a cohort: every saved revision in
// history, with the bytes of those that still count (nil of the others).
func (db *DB) EachBenchSave(ctx context.Context, cohortID int, do func(person int64, revision int, commit [32]byte, bytes []byte) error) error {
	return db.ReadTx(ctx, func(tx *Tx) error {
		rows, err := tx.tx.Query(ctx, `
			SELECT h.person_id, h.revision, h.commit, CASE WHEN b.revision = h.revision AND b.commit = h.commit THEN b.bytes END
			  FROM ballot_history h LEFT JOIN ballot b ON b.campaign_id = h.campaign_id AND b.person_id = h.person_id
			 WHERE h.cohort_id = $1 AND h.act = 'save'`, cohortID)
		if err != nil {
			return fmt.Errorf("saves of the bench: %w", err)
		}
		var person int64
		var revision int
		var commit, bytes []byte
		_, err = pgx.ForEachRow(rows, []any{&person, &revision, &commit, &bytes}, func() error {
			return do(person, revision, [32]byte(commit), bytes)
		})
		if err != nil {
			return fmt.Errorf("saves of the bench: %w", err)
		}
		return nil
	})
}

// EndWindow makes the close, the draw and the publication of a cohort due. The
// database's clock stands with the machine's.
func (b *BenchCopies) EndWindow(ctx context.Context, cohortID int) error {
	_, err := b.c.Exec(ctx, `UPDATE cohort SET closes_at = clock_timestamp(), draw_at = clock_timestamp(), publish_at = clock_timestamp() WHERE id = $1`, cohortID)
	if err != nil {
		return fmt.Errorf("bench: end of the window: %w", err)
	}
	return nil
}

// BenchEnvironment is what PostgreSQL's own programs need to be told to reach a
// bench's database in the role of the schema's owner.
func BenchEnvironment(url string) ([]string, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the bench's database address cannot be read")
	}
	return []string{
		"PGHOST=" + cfg.Host, "PGPORT=" + strconv.Itoa(int(cfg.Port)), "PGUSER=" + cfg.User, "PGPASSWORD=" + cfg.Password, "PGDATABASE=" + cfg.Database,
		"PGOPTIONS=-c role=" + ownerRole + " -c search_path=" + schema,
	}, nil
}

// BenchUpsert is the script that pgbench gets: one row a person, with the
// columns that make up a ballot, in a table that has nothing but its primary
// key. Its variables are people, body, salt and commit.
const BenchUpsert = `\set p random(1, :people)
INSERT INTO bench_upsert (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, saved_at)
VALUES (1, :p, 1, 1, :body, :salt, :commit, now())
ON CONFLICT (campaign_id, person_id) DO UPDATE SET revision = bench_upsert.revision + 1, bytes = excluded.bytes, salt = excluded.salt, commit = excluded.commit, saved_at = excluded.saved_at;
`

// MakeUpsert makes the table of BenchUpsert, with a row for each of n people.
func (b *BenchCopies) MakeUpsert(ctx context.Context, n int, body []byte) error {
	_, err := b.c.Exec(ctx, `
		CREATE TABLE bench_upsert (
		  campaign_id int NOT NULL, person_id bigint NOT NULL, cohort_id int NOT NULL, revision int NOT NULL,
		  bytes bytea NOT NULL, salt bytea NOT NULL, commit bytea NOT NULL, saved_at timestamptz NOT NULL,
		  PRIMARY KEY (campaign_id, person_id)
		)`)
	if err == nil {
		_, err = b.c.Exec(ctx, `INSERT INTO bench_upsert SELECT 1, p, 1, 1, $1, sha256(''), sha256(''), now() FROM generate_series(1, $2::int) p`, body, n)
	}
	if err != nil {
		return fmt.Errorf("bench: table of the single-row upsert: %w", err)
	}
	return nil
}

// Checkpoint lets every run begin alike, where the login may ask for one.
func (b *BenchCopies) Checkpoint(ctx context.Context) error {
	if _, err := b.c.Exec(ctx, `SET ROLE NONE; CHECKPOINT`); err != nil && !hasCode(err, "42501") {
		return fmt.Errorf("bench: %w", err)
	}
	_, err := b.c.Exec(ctx, `SET ROLE `+ownerRole)
	return err
}

// Work is what clients had a database do, as its server counted.
type Work struct {
	Transactions int64 // committed and rolled back
	Statements   int64 // BEGIN and COMMIT among them; -1: the server does not count them
}

// Sub is the work between two counts.
func (w Work) Sub(before Work) Work {
	d := Work{w.Transactions - before.Transactions, -1}
	if w.Statements >= 0 && before.Statements >= 0 {
		d.Statements = w.Statements - before.Statements
	}
	return d
}

// CountStatements lets the server count the statements of connections that are
// opened from now on, where it has pg_stat_statements loaded and the login may
// ask for it.
func (b *BenchCopies) CountStatements(ctx context.Context) error {
	_, err := b.c.Exec(ctx, `SET ROLE NONE; CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public`)
	if err == nil {
		_, err = b.c.Exec(ctx, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET pg_stat_statements.track = %L', current_database(), 'top'); END $$`)
	}
	if err != nil && !hasCode(err, "42501", "0A000", "58P01") { // not allowed, not installed
		return fmt.Errorf("bench: %w", err)
	}
	_, err = b.c.Exec(ctx, `SET ROLE `+ownerRole)
	return err
}

// Work asks the server what was done in this database. A connection may report
// late, and does as it ends: those that worked must have been closed before, and
// their ends are waited for.
func (b *BenchCopies) Work(ctx context.Context) (Work, error) {
	w := Work{Statements: -1}
	others := 1
	for range 1000 { // 10 s
		err := b.c.QueryRow(ctx, `
			SELECT count(*)::int FROM pg_stat_activity, pg_sleep(0.01)
			 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&others)
		if err != nil {
			return w, fmt.Errorf("bench: connections at work: %w", err)
		}
		if others == 0 {
			break
		}
	}
	if others > 0 {
		return w, fmt.Errorf("bench: %d connections of others are open to the bench's database, so its transactions cannot be counted", others)
	}
	err := b.c.QueryRow(ctx, `SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()`).Scan(&w.Transactions)
	if err != nil {
		return w, fmt.Errorf("bench: count of transactions: %w", err)
	}
	err = b.c.QueryRow(ctx, `SELECT COALESCE(sum(calls), 0)::bigint FROM public.pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&w.Statements)
	if err != nil && !hasCode(err, "42P01", "55000", "42501") { // not there, not loaded, not allowed
		return w, fmt.Errorf("bench: count of statements: %w", err)
	}
	return w, nil
}
