package cycle

import (
	"context"
	"errors"
	"fmt"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
)

// Explanation is why a person got what she got, from her rank and public
// numbers alone.
type Explanation struct {
	data.ResultRow
	Choices []ChoiceResult `json:"choices"` // in her order; empty before publication
}

// ChoiceResult is one choice and its cut-offs.
type ChoiceResult struct {
	Choice  int           `json:"choice"` // from 1
	Wish    cohort.Choice `json:"wish"`
	Slots   []SlotResult  `json:"slots"`
	Seats   int           `json:"seats"`
	Open    int           `json:"open"`   // slots that would have taken her rank
	Latest  int           `json:"latest"` // the highest rank below a cut-off: beyond it everyone was refused here
	Granted bool          `json:"granted"`
}

// SlotResult is a slot of a choice: its cut-off is the lowest rank of the
// person's class that it refused, 0 where it refused nobody.
type SlotResult struct {
	Slot   string `json:"slot"`
	Seats  int    `json:"seats"`
	CutOff int    `json:"cut_off"`
}

// Explain reads a person's result with the cut-offs of her choices.
func Explain(ctx context.Context, db *data.DB, person int64) (Explanation, error) {
	var e Explanation
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		var err error
		if e.ResultRow, err = tx.ResultOf(ctx, person); err != nil {
			return err
		}
		e.Choices = []ChoiceResult{}
		if e.Rank == 0 {
			return nil
		}
		row, err := tx.Ballot(ctx, e.Campaign, person)
		if errors.Is(err, data.ErrNotFound) { // purged
			return nil
		}
		if err != nil {
			return err
		}
		b, err := cohort.ParseBallot(row.Bytes)
		if err != nil {
			return fmt.Errorf("ballot of person %d: %w", person, err)
		}
		pool, err := tx.TicketPool(ctx, e.Cohort, e.Rank)
		if err != nil {
			return err
		}
		cuts, err := tx.CutOffsFor(ctx, e.Cohort, e.Size, 1, pool)
		if err != nil {
			return err
		}
		slots, err := tx.Slots(ctx, e.Cohort)
		if err != nil {
			return err
		}
		granted := false
		for i, c := range b.Choices {
			r := explainChoice(i+1, c, slots, cuts, e.Rank)
			r.Granted = r.Open > 0 && !granted
			granted = granted || r.Granted
			e.Choices = append(e.Choices, r)
		}
		return nil
	})
	return e, err
}

func explainChoice(n int, c cohort.Choice, slots []data.SlotRow, cuts map[int64]int, rank int) ChoiceResult {
	r := ChoiceResult{Choice: n, Wish: c, Slots: []SlotResult{}}
	for _, s := range slots {
		if s.Drawn == nil || s.Second || !c.Allows(s.ClinicKey, s.Date, s.Part) {
			continue
		}
		cut := cuts[s.ID]
		r.Slots = append(r.Slots, SlotResult{slotName(s), *s.Drawn, cut})
		r.Seats += *s.Drawn
		if cut == 0 || rank < cut {
			r.Open++
		}
		r.Latest = max(r.Latest, cut-1)
	}
	return r
}

// Words says it for a person, in her language, line by line.
func (e Explanation) Words(book *words.Book, lang string, c *cohort.Campaign) []string {
	var lines []string
	say := func(key string, args map[string]any) { lines = append(lines, book.Text(lang, "explain."+key, args)) }
	when := func(p *data.Place) map[string]any {
		name := p.Name
		if lang != "ko" && p.NameEn != "" {
			name = p.NameEn
		}
		return map[string]any{"where": name, "when": book.When(lang, p.Starts, c.Location)}
	}
	if c.Sample {
		say("sample", nil)
	}
	if e.Rank == 0 {
		say("state."+e.State, map[string]any{"publish": book.When(lang, e.PublishAt, c.Location)})
		return lines
	}
	say("rank", map[string]any{"rank": e.Rank, "tickets": e.Tickets})
	if e.Size > 1 {
		say("party", map[string]any{"size": e.Size})
	}
	for _, r := range e.Choices {
		switch {
		case r.Granted:
			say("granted", map[string]any{"choice": r.Choice, "seats": r.Seats})
		case r.Open > 0: // after the one that was granted
		case len(r.Slots) == 0:
			say("empty", map[string]any{"choice": r.Choice})
		default:
			say("refused", map[string]any{"choice": r.Choice, "seats": r.Seats, "latest": r.Latest})
		}
		if r.Granted {
			break
		}
	}
	args := map[string]any{"ahead": e.Ahead}
	switch {
	case e.Offer != nil:
		args = when(&e.Offer.Place)
		args["deadline"] = book.When(lang, e.Offer.Deadline, c.Location)
		say("offer", args)
	case e.Place != nil:
		args = when(e.Place)
		args["confirm_by"] = book.When(lang, e.ConfirmBy, c.Location)
		say("state."+e.State, args)
	default:
		if e.State == "off" {
			say("state.off."+e.Why, args)
			break
		}
		say("state."+e.State, args)
	}
	return lines
}
