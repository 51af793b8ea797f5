package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A bench fills a database of its own by COPY, past the use cases but under
// every rule of the schema, and times COPY itself beside the program.

// benchPrefix begins the names of the databases that a bench makes and drops.
const benchPrefix = "jebi_bench_"

// CreateBench makes an empty database on the server of the url and answers its
// own url. The login needs CREATEDB. from, where it is not empty, is the name
// of another bench's database that it becomes a copy of; nobody may be
// connected to that one.
func CreateBench(ctx context.Context, url, name, from string) (string, error) {
	template := "template0 ENCODING 'UTF8'"
	if from != "" {
		template = pgx.Identifier{benchPrefix + from}.Sanitize()
	}
	cfg, err := onServer(ctx, url, "CREATE DATABASE "+pgx.Identifier{benchPrefix + name}.Sanitize()+" TEMPLATE "+template)
	if err != nil {
		return "", fmt.Errorf("create database %s%s: %w", benchPrefix, name, err)
	}
	return withName(cfg, url, benchPrefix+name), nil
}

// DropBench drops a database that CreateBench made.
func DropBench(ctx context.Context, url, name string) error {
	if _, err := onServer(ctx, url, "DROP DATABASE IF EXISTS "+pgx.Identifier{benchPrefix + name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s%s: %w", benchPrefix, name, err)
	}
	return nil
}

// onServer gives a command that cannot run in a transaction.
func onServer(ctx context.Context, url, sql string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database address cannot be read; DATABASE_URL looks like postgres://user:password@host:5432/name")
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql)
	return cfg, err
}

// withName is the url with another database's name.
func withName(cfg *pgx.ConnConfig, url, name string) string {
	if head, tail, ok := strings.Cut(url, "://"); ok {
		host, query, _ := strings.Cut(tail, "?")
		host, _, _ = strings.Cut(host, "/")
		if query != "" {
			query = "?" + query
		}
		return head + "://" + host + "/" + name + query
	}
	return url + " dbname=" + name // keywords and values: the last one counts
}

// BenchClinic is a clinic with the seats that it has to give.
type BenchClinic struct {
	Key, District string
	Supply        []BenchSupply
}

// BenchSupply is a line of the supply.
type BenchSupply struct {
	Date  time.Time
	Block string // "0900"
	Seats int
}

// BenchPerson is a person with her ballot.
type BenchPerson struct {
	ID      int64 // from 1, one after the other
	Key     string
	Name    string
	Birth   time.Time
	Phone   string // "": none
	Email   string // "": none
	Party   int64  // id, or 0; members follow each other, of the same party once each
	Saved   time.Time
	Ballot  []byte
	Salt    [32]byte
	Commit  [32]byte
	Carried int // weight
}

// CopyBenchSupply writes the clinics of a campaign and their supply; their
// ids are counted from 1.
func (tx *Tx) CopyBenchSupply(ctx context.Context, campaign int, clinics []BenchClinic) error {
	_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"clinic"},
		[]string{"id", "campaign_id", "key", "name", "kind", "address", "district", "lat", "lon", "row_hash"},
		pgx.CopyFromSlice(len(clinics), func(i int) ([]any, error) {
			c := &clinics[i]
			return []any{i + 1, campaign, c.Key, "Clinic " + c.Key, "clinic", "Road " + c.Key, c.District, 37.5, 127.0, make([]byte, 32)}, nil
		}))
	if err != nil {
		return fmt.Errorf("clinics of the bench: %w", err)
	}
	clinic, line := 0, -1
	_, err = tx.tx.CopyFrom(ctx, pgx.Identifier{"supply"}, []string{"campaign_id", "clinic_id", "date", "block", "vaccine", "seats", "imported"},
		pgx.CopyFromFunc(func() ([]any, error) {
			for line++; clinic < len(clinics) && line == len(clinics[clinic].Supply); line = 0 {
				clinic++
			}
			if clinic == len(clinics) {
				return nil, nil
			}
			s := &clinics[clinic].Supply[line]
			return []any{campaign, clinic + 1, s.Date, s.Block, "AZ", s.Seats, s.Seats}, nil
		}))
	if err != nil {
		return fmt.Errorf("supply of the bench: %w", err)
	}
	return nil
}

// benchChunk is how many people one COPY takes: triggers keep its rows until
// it ends.
const benchChunk = 100_000

// CopyBenchPeople writes n people of a sample campaign with their ballots, in
// an open window. each is called for 0 … n−1, in chunks and for several tables
// in turn: for one number it must give the same person every time.
func (db *DB) CopyBenchPeople(ctx context.Context, c CohortRow, n int, each func(i int) BenchPerson) error {
	for from := 0; from < n; from += benchChunk {
		people := make([]BenchPerson, min(benchChunk, n-from))
		for i := range people {
			people[i] = each(from + i)
		}
		if err := db.Tx(ctx, func(tx *Tx) error { return tx.copyBenchPeople(ctx, c, people) }); err != nil {
			return fmt.Errorf("people of the bench: %w", err)
		}
	}
	return nil
}

func (tx *Tx) copyBenchPeople(ctx context.Context, c CohortRow, people []BenchPerson) error {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	row := make([]any, 12) // CopyFrom encodes a row before it asks for the next
	fill := func(values ...any) []any { return append(row[:0], values...) }
	var none [32]byte
	var parties []BenchPerson
	for _, p := range people {
		if p.Party != 0 && (len(parties) == 0 || parties[len(parties)-1].Party != p.Party) {
			parties = append(parties, p)
		}
	}
	for _, t := range []struct {
		table   string
		columns []string
		rows    []BenchPerson
		row     func(p *BenchPerson) []any
	}{
		{"person", []string{"id", "campaign_id", "key", "cohort_id", "weight", "row_hash"}, people, func(p *BenchPerson) []any {
			return fill(p.ID, c.Campaign, p.Key, c.ID, p.Carried, none[:])
		}},
		{"person_detail", []string{"person_id", "name", "birth_date", "phone", "email", "address", "district"}, people, func(p *BenchPerson) []any {
			return fill(p.ID, p.Name, p.Birth, text(p.Phone), text(p.Email), "Road 1", "")
		}},
		{"party", []string{"id", "campaign_id", "cohort_id", "key"}, parties, func(p *BenchPerson) []any {
			return fill(p.Party, c.Campaign, c.ID, fmt.Sprintf("p-%d", p.Party))
		}},
		{"ballot", []string{"campaign_id", "person_id", "cohort_id", "revision", "bytes", "salt", "commit", "party_id", "channel", "saved_at"}, people, func(p *BenchPerson) []any {
			return fill(c.Campaign, p.ID, c.ID, 1, p.Ballot, p.Salt[:], p.Commit[:], orNull(p.Party), ChannelSample, p.Saved)
		}},
	} {
		_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{t.table}, t.columns,
			pgx.CopyFromSlice(len(t.rows), func(i int) ([]any, error) { return t.row(&t.rows[i]), nil }))
		if err != nil {
			return fmt.Errorf("%s: %w", t.table, err)
		}
	}
	return nil
}

// BenchCopies is a connection over which tables are copied in and out as they
// are, by the owner of the schema.
type BenchCopies struct{ c *pgx.Conn }

// OpenBenchCopies connects to a migrated database.
func OpenBenchCopies(ctx context.Context, url string) (*BenchCopies, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the bench's database address cannot be read")
	}
	cfg.RuntimeParams["role"] = ownerRole
	cfg.RuntimeParams["search_path"] = schema
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return &BenchCopies{c}, nil
}

// Close closes the connection.
func (b *BenchCopies) Close(ctx context.Context) { b.c.Close(ctx) }

// Settle lets PostgreSQL do what it would have done by itself in the days of a
// window: statistics, dead rows, a checkpoint where the login may ask for one.
func (b *BenchCopies) Settle(ctx context.Context) error {
	if _, err := b.c.Exec(ctx, `VACUUM (ANALYZE)`); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if _, err := b.c.Exec(ctx, `SET ROLE NONE; CHECKPOINT`); err != nil && !hasCode(err, "42501") {
		return fmt.Errorf("bench: %w", err)
	}
	_, err := b.c.Exec(ctx, `SET ROLE `+ownerRole)
	return err
}

// RealClock gives a bench's database back the clock that every real one has
// (the movable one costs a look at a table wherever a row takes the time), and
// puts off what comes after the draws for a century.
func (b *BenchCopies) RealClock(ctx context.Context) error {
	_, err := b.c.Exec(ctx, `
		CREATE OR REPLACE FUNCTION jebi_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT clock_timestamp()';
		DROP TABLE clock_shift;
		UPDATE cohort SET publish_at = publish_at + interval '100 years', confirm_by = confirm_by + interval '100 years', settle_at = settle_at + interval '100 years'`)
	if err != nil {
		return fmt.Errorf("bench: clock: %w", err)
	}
	return nil
}

// Publishable makes the publication of a cohort due.
func (b *BenchCopies) Publishable(ctx context.Context, cohortID int) error {
	if _, err := b.c.Exec(ctx, `UPDATE cohort SET publish_at = draw_at WHERE id = $1`, cohortID); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// frozenRows is what a draw reads.
func frozenRows(cohortID int) []string {
	return []string{
		fmt.Sprintf(`SELECT position, person_id, pid, gid, weight, revision, commit FROM draw_leaf WHERE cohort_id = %d`, cohortID),
		fmt.Sprintf(`SELECT person_id, salt, bytes FROM ballot WHERE cohort_id = %d`, cohortID),
		fmt.Sprintf(`SELECT * FROM slot WHERE cohort_id = %d`, cohortID),
	}
}

// Out copies what a draw reads out, and drops it; it answers the bytes.
func (b *BenchCopies) Out(ctx context.Context, cohortID int) (int64, error) {
	var n counter
	for _, sql := range frozenRows(cohortID) {
		if _, err := b.c.PgConn().CopyTo(ctx, &n, "COPY ("+sql+") TO STDOUT (FORMAT binary)"); err != nil {
			return int64(n), fmt.Errorf("bench: copy out: %w", err)
		}
	}
	return int64(n), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// resultTables are those into which a draw and its publication write a row a
// person, a ticket or a slot, in the order in which they can be filled.
func resultTables() []string {
	return []string{"ticket", "ticket_member", "assignment", "waiting", "cut_off", "message"}
}

// Save keeps the rows of a published draw as files of a folder, and answers
// how many there are.
func (b *BenchCopies) Save(ctx context.Context, cohortID int, dir string) (int64, error) {
	total := int64(0)
	for _, table := range resultTables() {
		which := fmt.Sprintf("cohort_id = %d", cohortID)
		if table == "message" {
			which = "kind = 'result'"
		}
		f, err := os.Create(filepath.Join(dir, table))
		if err != nil {
			return 0, fmt.Errorf("bench: %w", err)
		}
		tag, err := b.c.PgConn().CopyTo(ctx, f, fmt.Sprintf("COPY (SELECT * FROM %s WHERE %s) TO STDOUT (FORMAT binary)", table, which))
		if err := errors.Join(err, f.Close()); err != nil {
			return 0, fmt.Errorf("bench: save %s: %w", table, err)
		}
		total += tag.RowsAffected()
	}
	return total, nil
}

// In copies the kept rows into the tables of a draw that is frozen, in one
// transaction, or into tables of their own without indexes, constraints and
// triggers where bare is set.
func (b *BenchCopies) In(ctx context.Context, dir string, bare bool) (int64, error) {
	total := int64(0)
	err := pgx.BeginFunc(ctx, b.c, func(tx pgx.Tx) error {
		for _, table := range resultTables() {
			f, err := os.Open(filepath.Join(dir, table))
			if err != nil {
				return err
			}
			into := table
			if bare {
				into = "bench_bare_" + table
			}
			tag, err := tx.Conn().PgConn().CopyFrom(ctx, io.Reader(f), "COPY "+into+" FROM STDIN (FORMAT binary)")
			f.Close()
			if err != nil {
				return fmt.Errorf("%s: %w", into, err)
			}
			total += tag.RowsAffected()
		}
		return nil
	})
	if err != nil {
		return total, fmt.Errorf("bench: copy in: %w", err)
	}
	return total, nil
}

// Bare makes the tables without indexes, constraints and triggers.
func (b *BenchCopies) Bare(ctx context.Context) error {
	for _, table := range resultTables() {
		if _, err := b.c.Exec(ctx, fmt.Sprintf("CREATE TABLE bench_bare_%s AS TABLE %s WITH NO DATA", table, table)); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	return nil
}
