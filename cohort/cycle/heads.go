package cycle

import (
	"context"

	"jebi/data"
)

// tellStep queues a message about a step of a draw to the officials' mailbox,
// with the head of the board as the step leaves it: copies of roots and heads
// exist outside from then on.
func tellStep(ctx context.Context, tx *data.Tx, row data.CohortRow, drawID, about, event string, params map[string]any) error {
	head, err := tx.BoardHead(ctx)
	if err != nil {
		return err
	}
	all := map[string]any{"about": about, "cohort": row.ID, "cohort_key": row.Key, "draw_id": drawID, "board": head.String()}
	for k, v := range params {
		all[k] = v
	}
	return tx.Tell(ctx, data.Message{
		Campaign: row.Campaign, Recipient: "officials", Event: event, Channel: "email", Kind: "official", Params: all, Urgent: true,
	})
}
