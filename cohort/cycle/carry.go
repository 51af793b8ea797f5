package cycle

import (
	"context"
	"fmt"

	"jebi/data"
	"jebi/lottery"
)

// carry gives the people of a draw that has ended the weight with which they
// go into the next one, and says how many go with more than 1.
func carry(ctx context.Context, tx *data.Tx, s situation) (int, error) {
	rules := s.campaign.Rules
	limit := uint16(min(rules.MaxWeight, lottery.MaxWeight))
	if limit <= 1 {
		return 0, nil
	}
	all, err := tx.Slots(ctx, s.row.ID)
	if err != nil {
		return 0, err
	}
	slots := all[:0]
	for _, slot := range all {
		if slot.Position != nil { // of the draw: what came later she could not have listed
			slots = append(slots, slot)
		}
	}
	h, err := newShelf(slots)
	if err != nil {
		return 0, err
	}
	var people []int64
	var weights []int
	seen := make([]int64, len(slots)) // by whom the slot was listed last
	err = tx.EachUnserved(ctx, s.row.ID, func(m *data.UnservedMember) error {
		choices, err := h.choices(m.Ballot)
		if err != nil {
			return fmt.Errorf("person %d: %w", m.Person, err)
		}
		listed := 0
		for _, choice := range choices {
			for _, x := range choice {
				if seen[x] != m.Person {
					seen[x] = m.Person
					listed++
				}
			}
		}
		if w := lottery.CarriedWeight(uint16(m.Weight), limit, false, m.Declined, listed, rules.MinSlots); w > 1 {
			people, weights = append(people, m.Person), append(weights, int(w))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return tx.CarryWeights(ctx, s.row.Campaign, s.row.ID, people, weights)
}
