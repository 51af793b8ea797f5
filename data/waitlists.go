package data

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// waitlists knows how many tickets wait in each block of ranks, as of the last
// minute: a waitlist may have a million tickets, and on the day of its results
// everybody on it asks how many are before hers.
type waitlists struct {
	mu sync.Mutex
	of map[int]*waitlist // by cohort
}

// waitlist is one cohort's. Who needs a new count waits for the one who counts.
type waitlist struct {
	mu     sync.Mutex
	at     time.Time // when it was counted, by the database's clock
	before []int     // tickets that wait in the blocks before block i
}

const (
	// waitBlock is how many ranks are one block. The tickets of her own block are counted at each look.
	waitBlock = 1024
	// waitStands is how long a count of blocks is believed.
	waitStands = time.Minute
)

// before is how many tickets wait in the blocks of ranks before a block.
func (w *waitlists) before(ctx context.Context, from reader, cohortID, block int, now time.Time) (int, error) {
	if block == 0 {
		return 0, nil
	}
	w.mu.Lock()
	l := w.of[cohortID]
	if l == nil {
		l = &waitlist{}
		w.of[cohortID] = l
	}
	w.mu.Unlock()

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before == nil || now.Sub(l.at).Abs() > waitStands {
		before, err := countWaiting(ctx, from, cohortID)
		if err != nil {
			return 0, err
		}
		l.before, l.at = before, now
	}
	return l.before[min(block, len(l.before)-1)], nil
}

// countWaiting counts the tickets that wait before each block of ranks.
func countWaiting(ctx context.Context, from reader, cohortID int) ([]int, error) {
	rows, err := from.Query(ctx, `SELECT rank / $2, count(*) FROM waiting WHERE cohort_id = $1 AND state = 'waiting' GROUP BY 1 ORDER BY 1`, cohortID, waitBlock)
	if err != nil {
		return nil, fmt.Errorf("waitlist of cohort %d: %w", cohortID, err)
	}
	before, sum := []int{0}, 0
	var block, n int
	_, err = pgx.ForEachRow(rows, []any{&block, &n}, func() error {
		for len(before) <= block {
			before = append(before, sum)
		}
		sum += n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("waitlist of cohort %d: %w", cohortID, err)
	}
	return append(before, sum), nil
}
