package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Chains are the tables whose rows are chained by hashes.
var chains = []string{"audit", "board", "ballot_history"}

// sealBatch bounds the rows of one seal: while it is made, nobody writes to
// the chain's table.
const sealBatch = 50_000

// ErrSealBusy says that a chain could not be sealed now because a long
// transaction writes to its table; the next sealing catches up.
var ErrSealBusy = errors.New("the chain is being written to; it is sealed the next time")

// Seal adds up to sealBatch rows to a chain and seals it there. It answers how
// many it added.
func (tx *Tx) Seal(ctx context.Context, chain string) (int64, error) {
	if _, err := tx.tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'`); err != nil {
		return 0, fmt.Errorf("seal %s: %w", chain, err)
	}
	var n int64
	err := tx.tx.QueryRow(ctx, `SELECT seal_chain($1, $2)`, chain, sealBatch).Scan(&n)
	if hasCode(err, "55P03") {
		return 0, fmt.Errorf("seal %s: %w", chain, ErrSealBusy)
	}
	if err != nil {
		return 0, fmt.Errorf("seal %s: %w", chain, err)
	}
	return n, nil
}

// SealAll seals all chains up to now, in batches, each in a transaction of its
// own, and answers how many rows that added.
func (db *DB) SealAll(ctx context.Context) (int64, error) {
	var all int64
	for _, chain := range chains {
		for {
			var n int64
			err := db.Tx(ctx, func(tx *Tx) (err error) { n, err = tx.Seal(ctx, chain); return err })
			if err != nil {
				return all, err
			}
			all += n
			if n < sealBatch {
				break
			}
		}
	}
	return all, nil
}

// SealRow is the head of a chain after its last sealed row.
type SealRow struct {
	Chain string    `json:"chain"`
	Seq   int64     `json:"seq"`  // from 1
	Upto  int64     `json:"upto"` // id of the last row
	Rows  int64     `json:"rows"` // that this sealing added
	Head  Hex       `json:"head"`
	At    time.Time `json:"at"`
}

// Hex is bytes that are shown in lower-case hex.
type Hex []byte

// MarshalText is the hex form.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText reads the hex form.
func (h *Hex) UnmarshalText(b []byte) error {
	d, err := hex.DecodeString(string(b))
	*h = d
	return err
}

func (h Hex) String() string { return hex.EncodeToString(h) }

func scanSeal(row pgx.CollectableRow) (SealRow, error) {
	var s SealRow
	err := row.Scan(&s.Chain, &s.Seq, &s.Upto, &s.Rows, &s.Head, &s.At)
	return s, err
}

// Heads gives the newest seal of each chain that has one.
func (db *DB) Heads(ctx context.Context) ([]SealRow, error) {
	rows, err := db.pool.Query(ctx, `SELECT DISTINCT ON (chain) chain, seq, upto, rows, head, at FROM seal ORDER BY chain, seq DESC`)
	return many(rows, err, scanSeal, "seals")
}

// ChainReport says what a chain's verification found.
type ChainReport struct {
	Chain    string `json:"chain"`
	Rows     int64  `json:"rows"`     // sealed rows that were read
	Seals    int64  `json:"seals"`    // heads that were compared
	Unsealed int64  `json:"unsealed"` // rows since the last seal: nothing vouches for them yet
	Head     Hex    `json:"head"`     // as recomputed
	Fault    string `json:"fault"`    // what does not hold, or empty
}

// VerifyChains recomputes every chain from its rows and compares it with its
// seals, and with heads that were kept outside of the database. A row that was
// changed, deleted or put in between shows in the first seal that covers it.
func (db *DB) VerifyChains(ctx context.Context, kept []SealRow) (reports []ChainReport, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error {
		reports = nil
		for _, chain := range chains {
			r, err := tx.verifyChain(ctx, chain, kept)
			if err != nil {
				return err
			}
			reports = append(reports, r)
		}
		return nil
	})
	return reports, err
}

// The lines of the chains, from the columns themselves: the database's own
// functions are what is checked.
const (
	auditLines = `
		SELECT id, ARRAY[id::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), campaign_id::text, actor, official_id::text,
		       second_id::text, act, subject, reason, before::text, after::text] FROM audit ORDER BY id`
	boardLines = `
		SELECT id, ARRAY[id::text, campaign_id::text, cohort_id::text, kind, encode(sha256(body), 'hex'),
		       to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')] FROM board ORDER BY id`
	historyLines = `
		SELECT id, ARRAY[id::text, campaign_id::text, cohort_id::text, person_id::text, revision::text, act, encode(commit, 'hex'), channel,
		       official_id::text, session_id::text, to_char(saved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')] FROM ballot_history ORDER BY id`
)

func linesOf(chain string) string {
	switch chain {
	case "audit":
		return auditLines
	case "board":
		return boardLines
	}
	return historyLines
}

// appendLine writes a row's line: each field as "length:text,", null as "-,".
func appendLine(b []byte, fields []*string) []byte {
	for _, f := range fields {
		if f == nil {
			b = append(b, "-,"...)
			continue
		}
		b = strconv.AppendInt(b, int64(len(*f)), 10)
		b = append(b, ':')
		b = append(b, *f...)
		b = append(b, ',')
	}
	return b
}

func (tx *Tx) verifyChain(ctx context.Context, chain string, kept []SealRow) (ChainReport, error) {
	report := ChainReport{Chain: chain}
	what := "verify " + chain
	rows, err := tx.tx.Query(ctx, `SELECT chain, seq, upto, rows, head, at FROM seal WHERE chain = $1 ORDER BY seq`, chain)
	seals, err := many(rows, err, scanSeal, what)
	if err != nil {
		return report, err
	}
	report.Fault = checkKept(chain, seals, kept)
	rows, err = tx.tx.Query(ctx, linesOf(chain))
	if err != nil {
		return report, fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	fold := chainFold{seals: seals, head: sha256.Sum256([]byte("jebi/chain/v1/" + chain))}
	var line []byte
	for rows.Next() {
		var id int64
		var fields []*string
		if err := rows.Scan(&id, &fields); err != nil {
			return report, fmt.Errorf("%s: %w", what, err)
		}
		line = appendLine(line[:0], fields)
		fold.row(id, line)
	}
	if err := rows.Err(); err != nil {
		return report, fmt.Errorf("%s: %w", what, err)
	}
	fold.end()
	report.Rows, report.Seals, report.Unsealed, report.Head = fold.sealed, int64(len(seals)), fold.unsealed, fold.last
	if report.Fault == "" {
		report.Fault = fold.fault
	}
	return report, nil
}

// checkKept compares the seals with heads that were kept outside.
func checkKept(chain string, seals, kept []SealRow) string {
	for _, k := range kept {
		if k.Chain != chain {
			continue
		}
		if k.Seq < 1 || k.Seq > int64(len(seals)) {
			return fmt.Sprintf("seal %d, kept outside, is not in the database", k.Seq)
		}
		if !bytes.Equal(seals[k.Seq-1].Head, k.Head) {
			return fmt.Sprintf("seal %d is another than the one kept outside", k.Seq)
		}
	}
	return ""
}

// chainFold recomputes a chain row by row, seal by seal.
type chainFold struct {
	seals    []SealRow
	head     [32]byte
	done     int   // seals that are compared
	inSeal   int64 // rows since the last seal
	first    int64 // id of the first of them
	sealed   int64
	unsealed int64
	last     Hex // head at the last seal
	fault    string
}

func (f *chainFold) row(id int64, line []byte) {
	for f.done < len(f.seals) && id > f.seals[f.done].Upto {
		f.compare()
	}
	if f.done == len(f.seals) {
		f.unsealed++
		return
	}
	if f.inSeal == 0 {
		f.first = id
	}
	f.inSeal++
	f.sealed++
	h := sha256.New()
	h.Write(f.head[:])
	h.Write(line)
	h.Sum(f.head[:0])
}

func (f *chainFold) end() {
	for f.done < len(f.seals) {
		f.compare()
	}
}

// compare holds what was recomputed against the next seal.
func (f *chainFold) compare() {
	s := f.seals[f.done]
	where := fmt.Sprintf("seal %d (up to row %d)", s.Seq, s.Upto)
	switch {
	case f.fault != "":
	case s.Seq != int64(f.done)+1:
		f.fault = fmt.Sprintf("seal %d is missing", f.done+1)
	case f.inSeal < s.Rows:
		f.fault = fmt.Sprintf("%s: %d of its %d rows are missing", where, s.Rows-f.inSeal, s.Rows)
	case f.inSeal > s.Rows:
		f.fault = fmt.Sprintf("%s: %d rows were put in that it did not cover", where, f.inSeal-s.Rows)
	case !bytes.Equal(f.head[:], s.Head):
		f.fault = fmt.Sprintf("%s: a row from %d on was changed, or its seal", where, f.first)
	}
	copy(f.head[:], s.Head) // later seals are judged on their own
	f.last = bytes.Clone(f.head[:])
	f.done++
	f.inSeal = 0
}
