package data

import (
	"context"
	"fmt"
)

// SetPairs says with which slot of second doses each slot of first doses goes;
// 0 for none. Ids stand side by side.
func (tx *Tx) SetPairs(ctx context.Context, firsts, seconds []int64) error {
	_, err := tx.tx.Exec(ctx, `
		UPDATE slot SET pair_id = NULLIF(x.second, 0) FROM unnest($1::bigint[], $2::bigint[]) AS x (id, second)
		 WHERE slot.id = x.id AND slot.pair_id IS DISTINCT FROM NULLIF(x.second, 0)`, firsts, seconds)
	if err != nil {
		return fmt.Errorf("pairs of %d slots: %w", len(firsts), err)
	}
	return nil
}
