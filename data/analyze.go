package data

import (
	"context"
	"fmt"
)

// AnalyzeBallots tells the planner what the ballots are like: those of a window
// came within days, and what it knows may be from before.
func (db *DB) AnalyzeBallots(ctx context.Context) error { return db.analyze(ctx, "ballot") }

// AnalyzeDraws tells it what the results are like, which came at once.
func (db *DB) AnalyzeDraws(ctx context.Context) error {
	return db.analyze(ctx, "ticket", "ticket_member", "waiting", "assignment")
}

func (db *DB) analyze(ctx context.Context, tables ...string) error {
	if _, err := db.pool.Exec(ctx, `SELECT analyze_tables($1)`, tables); err != nil {
		return fmt.Errorf("statistics of %v: %w", tables, err)
	}
	return nil
}
