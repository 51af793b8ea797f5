package data

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The roles of the schema: the owner of every table, which only migrations
// take, and the program's own, which may not change what is append-only.
const (
	ownerRole = "jebi_owner"
	appRole   = "jebi_app"
	schema    = "jebi"
)

// DB is three pools of connections in the program's role: one for most work, one
// for what citizens' pages read, and one of SavePlain.
type DB struct {
	pool  *pgxpool.Pool
	pages *pgxpool.Pool // reads that wait for no lock
	plain *pgxpool.Pool // of SavePlain
	lists waitlists
}

// ErrNotFound says that what was asked for does not exist.
var ErrNotFound = errors.New("not found")

// Open connects to a migrated database. The url is a PostgreSQL connection
// string; pool_max_conns in it sets the pool's size (default 16).
func Open(ctx context.Context, url string) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database address cannot be read; DATABASE_URL looks like postgres://user:password@host:5432/name")
	}
	if cfg.MaxConns < 16 {
		cfg.MaxConns = 16
	}
	cfg.ConnConfig.RuntimeParams["role"] = appRole
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["jit"] = "off" // statements are short: compiling them took longer than running them
	cfg.ConnConfig.RuntimeParams["application_name"] = "jebi"
	few := here(cfg.ConnConfig.Host) && !strings.Contains(url, "pool_max_conns") // who says how many has them all
	db := &DB{lists: waitlists{of: map[int]*waitlist{}}}
	for _, p := range []struct {
		pool **pgxpool.Pool
		cfg  *pgxpool.Config
	}{{&db.pool, cfg}, {&db.pages, pagesConfig(cfg, few)}, {&db.plain, plainConfig(cfg)}} {
		if *p.pool, err = pgxpool.NewWithConfig(ctx, p.cfg); err != nil {
			db.Close()
			return nil, fmt.Errorf("open database: %w", err)
		}
	}
	if err := db.pool.Ping(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// byKeys makes of the pool's connections such as plan their statements once, for
// to plan them takes longer than to run them, and whatever the tables are like:
// rows are found by their keys, and the statements are written so that no other
// way is open. What the server knows of the tables may be from before the window,
// or from a moment in which they were empty; the plan that was the best then
// reads them whole. None is open before it is needed.
func byKeys(pool *pgxpool.Config) *pgxpool.Config {
	c := pool.Copy()
	c.MinConns, c.MinIdleConns = 0, 0
	for name, value := range map[string]string{
		"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
	} {
		c.ConnConfig.RuntimeParams[name] = value
	}
	return c
}

// pagesConfig is of the connections that citizens' pages read by, made from the
// pool's. What is read in one trip is of one moment: it is a transaction of its
// own, with one snapshot. Rows are found by their keys. Where the server shares
// this machine's processors they are few: more reads at once would not end
// sooner, and this program, which has to send away whom it cannot serve, would
// get no turn among them.
func pagesConfig(pool *pgxpool.Config, few bool) *pgxpool.Config {
	c := byKeys(pool)
	c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "repeatable read"
	// Not before it is connected: an address may ask for a server that can be written to.
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SET default_transaction_read_only = on`)
		return err
	}
	if few {
		c.MaxConns = min(c.MaxConns, int32(runtime.NumCPU())+1)
	}
	return c
}

// here says whether a server's address is this machine's own: a socket's folder
// or the loopback interface.
func here(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close waits for connections in use and closes the pools.
func (db *DB) Close() {
	for _, p := range []*pgxpool.Pool{db.plain, db.pages, db.pool} {
		if p != nil {
			p.Close()
		}
	}
}

// Tx is one transaction: one use case with its audit rows and its messages.
type Tx struct {
	tx    pgx.Tx
	lists *waitlists
}

// reader is a transaction, or a pool whose every trip is one.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// maxTries bounds how often a transaction is begun again after a deadlock or
// a serialization failure.
const maxTries = 5

// Tx runs f in a read committed transaction and commits it when f returns nil.
// f may run again, after a deadlock: it must have no effect outside.
func (db *DB) Tx(ctx context.Context, f func(*Tx) error) error {
	return db.begin(ctx, pgx.TxOptions{}, f)
}

// ReadTx runs f in a read-only snapshot, for answers that must fit together.
func (db *DB) ReadTx(ctx context.Context, f func(*Tx) error) error {
	return db.begin(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

func (db *DB) begin(ctx context.Context, o pgx.TxOptions, f func(*Tx) error) error {
	var err error
	for range maxTries {
		err = pgx.BeginTxFunc(ctx, db.pool, o, func(tx pgx.Tx) error { return f(&Tx{tx, &db.lists}) })
		if !retryable(err) {
			return err
		}
	}
	return err
}

func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// violated says whether err is the named constraint's refusal.
func violated(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}

// Now is the database's time, the only clock of every rule.
func (tx *Tx) Now(ctx context.Context) (time.Time, error) {
	var t time.Time
	err := tx.tx.QueryRow(ctx, `SELECT jebi_now()`).Scan(&t)
	return t.UTC(), err
}

// Now is the database's time outside a transaction.
func (db *DB) Now(ctx context.Context) (time.Time, error) {
	var t time.Time
	err := db.pool.QueryRow(ctx, `SELECT jebi_now()`).Scan(&t)
	return t.UTC(), err
}

// LockKind names what an advisory lock guards; the second half of its key is
// a campaign's or a cohort's id.
type LockKind int32

// The advisory locks. A window's is taken shared by each save and exclusively
// by close and freeze; the others exclusively by whoever does the step.
const (
	LockWindow   LockKind = 1 // cohort id
	LockCampaign LockKind = 2 // campaign id: short steps of the scheduler
	LockDraw     LockKind = 3 // cohort id: the draw's computation
	LockMigrate  LockKind = 4 // 0
	LockImport   LockKind = 5 // campaign id
)

// LockShared takes the lock with others that share it, until the transaction ends.
func (tx *Tx) LockShared(ctx context.Context, k LockKind, id int) error {
	_, err := tx.tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1, $2)`, int32(k), int32(id))
	return err
}

// Lock takes the lock alone, until the transaction ends.
func (tx *Tx) Lock(ctx context.Context, k LockKind, id int) error {
	_, err := tx.tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, int32(k), int32(id))
	return err
}

// TryLock takes the lock if nobody has it, and says whether it did.
func (tx *Tx) TryLock(ctx context.Context, k LockKind, id int) (bool, error) {
	var ok bool
	err := tx.tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1, $2)`, int32(k), int32(id)).Scan(&ok)
	return ok, err
}

// HoldLock runs f while this program holds a lock of the session kind that no
// other holds; it answers false, without running f, where another has it. For
// work that is computed outside a transaction.
func (db *DB) HoldLock(ctx context.Context, k LockKind, id int, f func(context.Context) error) (bool, error) {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer c.Release()
	var ok bool
	if err := c.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, int32(k), int32(id)).Scan(&ok); err != nil || !ok {
		return false, err
	}
	defer func() {
		// A connection whose lock cannot be given back is not given back either.
		if _, e := c.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1, $2)`, int32(k), int32(id)); e != nil {
			c.Conn().Close(context.WithoutCancel(ctx))
		}
	}()
	return true, f(ctx)
}
