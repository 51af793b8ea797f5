package data

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// BoardHead is the head of the board's hash chain after a record: the same
// chain that is sealed on schedule, up to now.
type BoardHead struct {
	Record int64 `json:"record"` // id of the last record; 0: the board is empty
	Head   Hex   `json:"head"`
}

func (h BoardHead) String() string { return fmt.Sprintf("%d:%s", h.Record, h.Head) }

// BoardHead gives it with what this transaction has posted. Whoever keeps it
// can hold the board against it later: jebi audit verify --board.
func (tx *Tx) BoardHead(ctx context.Context) (BoardHead, error) { return tx.boardHead(ctx, 1<<62) }

// BoardHead is Tx.BoardHead on its own.
func (db *DB) BoardHead(ctx context.Context) (h BoardHead, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error { h, err = tx.BoardHead(ctx); return err })
	return h, err
}

// boardHead begins at the newest seal that lies before the record.
func (tx *Tx) boardHead(ctx context.Context, upto int64) (BoardHead, error) {
	first := sha256.Sum256([]byte("jebi/chain/v1/board"))
	h := BoardHead{Head: first[:]}
	err := tx.tx.QueryRow(ctx, `SELECT upto, head FROM seal WHERE chain = 'board' AND upto <= $1 ORDER BY seq DESC LIMIT 1`, upto).Scan(&h.Record, &h.Head)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return h, fmt.Errorf("head of the board: %w", err)
	}
	return h, tx.foldBoard(ctx, &h, upto)
}

// foldBoard goes on from a head to the last record that is not after upto.
func (tx *Tx) foldBoard(ctx context.Context, h *BoardHead, upto int64) error {
	rows, err := tx.tx.Query(ctx, `SELECT * FROM (`+boardLines+`) x (id, fields) WHERE id > $1 AND id <= $2 ORDER BY id`, h.Record, upto)
	if err != nil {
		return fmt.Errorf("head of the board: %w", err)
	}
	var line []byte
	var fields []*string
	head := [32]byte(h.Head)
	if _, err := pgx.ForEachRow(rows, []any{&h.Record, &fields}, func() error {
		line = appendLine(append(line[:0], head[:]...), fields)
		head = sha256.Sum256(line)
		return nil
	}); err != nil {
		return fmt.Errorf("head of the board: %w", err)
	}
	h.Head = head[:]
	return nil
}

// CheckBoard recomputes the board's chain from its first record and says what
// differs from heads that were printed or mailed; "" where nothing does.
func (db *DB) CheckBoard(ctx context.Context, kept []BoardHead) (fault string, err error) {
	err = db.ReadTx(ctx, func(tx *Tx) error {
		for _, k := range kept {
			first := sha256.Sum256([]byte("jebi/chain/v1/board"))
			h := BoardHead{Head: first[:]}
			if err := tx.foldBoard(ctx, &h, k.Record); err != nil {
				return err
			}
			switch {
			case h.Record != k.Record:
				fault = fmt.Sprintf("record %d of the board, whose head was kept outside, is not in the database", k.Record)
				return nil
			case h.Head.String() != k.Head.String():
				fault = fmt.Sprintf("a record of the board up to %d is another than when its head was kept outside", k.Record)
				return nil
			}
		}
		return nil
	})
	return fault, err
}

// ParseBoardHead reads a head as it was printed or mailed: RECORD:HEX.
func ParseBoardHead(s string) (BoardHead, error) {
	record, head, ok := strings.Cut(strings.TrimSpace(s), ":")
	n, err := strconv.ParseInt(record, 10, 64)
	h := BoardHead{Record: n}
	if err == nil {
		err = h.Head.UnmarshalText([]byte(head))
	}
	if err != nil || !ok || n < 0 || len(h.Head) != sha256.Size {
		return h, fmt.Errorf("%q is no head of the board: RECORD:HASH, as it was printed and mailed", s)
	}
	return h, nil
}
