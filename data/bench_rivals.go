package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// First come, first served, in two ways of booking, for a bench to compare
// with. Their tables have what such a booking needs and nothing else.

// Rivals book places first come, first served.
type Rivals struct{ pool *pgxpool.Pool }

// MakeRivals makes the tables in an empty database of a bench: so many slots,
// numbered from 0, of so many seats each.
func MakeRivals(ctx context.Context, url string, slots, seats int) error {
	return onRivals(ctx, url, func(c *pgx.Conn) error {
		for _, sql := range []string{
			`CREATE TABLE fc_slot (slot int PRIMARY KEY, seats_left int NOT NULL CHECK (seats_left >= 0))`,
			`CREATE TABLE fc_booking (person bigint PRIMARY KEY, slot int NOT NULL, at timestamptz NOT NULL DEFAULT now())`,
			fmt.Sprintf(`INSERT INTO fc_slot SELECT s, %d FROM generate_series(0, %d) s`, seats, slots-1),
			`VACUUM ANALYZE fc_slot`,
		} {
			if _, err := c.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// RivalsServed counts the bookings.
func RivalsServed(ctx context.Context, url string) (n int, err error) {
	err = onRivals(ctx, url, func(c *pgx.Conn) error { return c.QueryRow(ctx, `SELECT count(*) FROM fc_booking`).Scan(&n) })
	return n, err
}

func onRivals(ctx context.Context, url string, do func(*pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("rivals: %w", err)
	}
	defer c.Close(ctx)
	if err := do(c); err != nil {
		return fmt.Errorf("rivals: %w", err)
	}
	return nil
}

// OpenRivals opens a pool of connections.
func OpenRivals(ctx context.Context, url string, conns int) (*Rivals, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the bench's database address cannot be read")
	}
	cfg.MaxConns = int32(conns)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("rivals: %w", err)
	}
	return &Rivals{pool}, nil
}

// Close ends the connections.
func (r *Rivals) Close() { r.pool.Close() }

// Weak books as a simple booking page does: for one wish after the other the
// page is read with what is left of all wishes, the slot's row is locked,
// looked at and decremented, and the booking inserted. It says whether the
// person got a place.
func (r *Rivals) Weak(ctx context.Context, person int64, wishes []int32) (bool, error) {
	for _, slot := range wishes {
		rows, err := r.pool.Query(ctx, `SELECT slot, seats_left FROM fc_slot WHERE slot = ANY($1)`, wishes)
		if err != nil {
			return false, err
		}
		if _, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Slot, Left int32 }]); err != nil {
			return false, err
		}
		got := false
		err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
			var left int
			if err := tx.QueryRow(ctx, `SELECT seats_left FROM fc_slot WHERE slot = $1 FOR UPDATE`, slot).Scan(&left); err != nil || left == 0 {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE fc_slot SET seats_left = seats_left - 1 WHERE slot = $1`, slot); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO fc_booking (person, slot) VALUES ($1, $2)`, person, slot)
			got = err == nil
			return err
		})
		if got || err != nil {
			return got, err
		}
	}
	return false, nil
}

// Strong books by one statement a wish, and reads no page.
func (r *Rivals) Strong(ctx context.Context, person int64, wishes []int32) (bool, error) {
	for _, slot := range wishes {
		tag, err := r.pool.Exec(ctx, `
			WITH taken AS (UPDATE fc_slot SET seats_left = seats_left - 1 WHERE slot = $2 AND seats_left > 0 RETURNING slot)
			INSERT INTO fc_booking (person, slot) SELECT $1, slot FROM taken`, person, slot)
		if err != nil {
			return false, err
		}
		if tag.RowsAffected() == 1 {
			return true, nil
		}
	}
	return false, nil
}
