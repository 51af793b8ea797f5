package data

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ReserveRow is what a freeze fixes of a slot's seats.
type ReserveRow struct {
	Slot    int64
	Reserve map[string]int // by pool
	Party   int
}

// SetReserves fixes the pools' seats and the parties' share of slots.
func (tx *Tx) SetReserves(ctx context.Context, rows []ReserveRow) error {
	ids, reserves, parties := make([]int64, len(rows)), make([]string, len(rows)), make([]int32, len(rows))
	for i, r := range rows {
		b, err := json.Marshal(r.Reserve)
		if err != nil {
			return err
		}
		ids[i], reserves[i], parties[i] = r.Slot, string(b), int32(r.Party)
	}
	_, err := tx.tx.Exec(ctx, `
		UPDATE slot SET reserve = x.reserve::jsonb, party_seats = x.party
		  FROM unnest($1::bigint[], $2::text[], $3::int[]) AS x (id, reserve, party) WHERE slot.id = x.id`, ids, reserves, parties)
	if err != nil {
		return fmt.Errorf("reserves of %d slots: %w", len(rows), err)
	}
	return nil
}

// PoolMembers counts, by slot and pool, the people who are alone and have a
// seat of a cohort or hold an offer of it.
func (tx *Tx) PoolMembers(ctx context.Context, cohortID int) (map[int64]map[string]int, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT x.slot_id, t.pool, count(*)::int
		  FROM (SELECT slot_id, rank FROM assignment WHERE cohort_id = $1 AND state IN ('assigned', 'confirmed')
		         UNION ALL SELECT slot_id, rank FROM offer WHERE cohort_id = $1 AND state = 'live') x
		  JOIN ticket t ON t.cohort_id = $1 AND t.rank = x.rank
		 WHERE t.pool <> '' AND t.size = 1 GROUP BY 1, 2`, cohortID)
	if err != nil {
		return nil, fmt.Errorf("pools of cohort %d: %w", cohortID, err)
	}
	members := map[int64]map[string]int{}
	var slot int64
	var pool string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&slot, &pool, &n}, func() error {
		if members[slot] == nil {
			members[slot] = map[string]int{}
		}
		members[slot][pool] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pools of cohort %d: %w", cohortID, err)
	}
	return members, nil
}
