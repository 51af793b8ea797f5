package cycle

import (
	"context"
	"errors"
	"fmt"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/lottery"
)

// Explanation is why a person got what she got, from her rank and public
// numbers alone.
type Explanation struct {
	data.ResultRow
	Choices []ChoiceResult `json:"choices"` // in her order; empty before publication, and after her data was deleted
	Doses   int            `json:"doses,omitempty"`
	Pool    string         `json:"pool,omitempty"`    // the first of the draw's pools that her ticket was of
	Weight  int            `json:"weight,omitempty"`  // tickets in the drum: more than 1 were carried over from earlier draws
	Carries int            `json:"carries,omitempty"` // with which she goes into the next draw, once this one has ended; 0: no more than 1
	Draw    *DrawnBy       `json:"draw,omitempty"`    // the draw that gave the number
}

// DrawnBy is by what anybody can check a number: the public files of the draw,
// and where in them she stands.
type DrawnBy struct {
	DrawID string       `json:"draw_id"`
	Leaf   int          `json:"leaf,omitempty"` // her ballot's position among the frozen ones; 0: it was left out
	Root   lottery.Hash `json:"root"`
	Seed   lottery.Hash `json:"seed"`
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
		if err := e.readDraw(ctx, tx, person); err != nil {
			return err
		}
		row, err := tx.Ballot(ctx, e.Campaign, person)
		if errors.Is(err, data.ErrNotFound) { // deleted after the end
			return nil
		}
		if err != nil {
			return err
		}
		b, err := cohort.ParseBallot(row.Bytes)
		if err != nil {
			return fmt.Errorf("ballot of person %d: %w", person, err)
		}
		cuts, err := tx.CutOffsFor(ctx, e.Cohort, e.Size, e.Doses, e.Pool)
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

// readDraw fills in what her ticket was, and by what it can be checked.
func (e *Explanation) readDraw(ctx context.Context, tx *data.Tx, person int64) error {
	ticket, err := tx.TicketOf(ctx, e.Cohort, e.Ticket)
	if err != nil {
		return err
	}
	e.Pool, e.Weight, e.Doses = ticket.Pool, ticket.Weight, ticket.Doses
	d, err := tx.Draw(ctx, e.Cohort)
	if err != nil {
		return err
	}
	e.Draw = &DrawnBy{DrawID: d.DrawID, Root: d.Root, Seed: d.Seed}
	if e.Draw.Leaf, err = tx.LeafOf(ctx, e.Cohort, person); err != nil {
		return err
	}
	if e.CohortState == cohort.Settled {
		p, err := tx.Person(ctx, person)
		if err != nil {
			return err
		}
		if p.Weight > 1 && e.Place == nil {
			e.Carries = p.Weight
		}
	}
	return nil
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
	if e.LeftOut {
		say("left_out", nil)
	}
	if e.Weight > 1 {
		say("weight", map[string]any{"weight": e.Weight})
	}
	if e.Pool != "" && e.Size == 1 {
		say("pool", map[string]any{"pool": e.Pool})
	}
	if e.Doses == 2 {
		say("doses", nil)
	}
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
		case r.Latest == 0:
			say("refused.all", map[string]any{"choice": r.Choice, "seats": r.Seats})
		default:
			say("refused", map[string]any{"choice": r.Choice, "seats": r.Seats, "latest": r.Latest})
		}
		if r.Granted {
			break
		}
	}
	args := map[string]any{"ahead": e.Ahead}
	second := e.Second
	switch {
	case e.Offer != nil:
		args = when(&e.Offer.Place)
		args["deadline"] = book.When(lang, e.Offer.Deadline, c.Location)
		say("offer", args)
		second = e.Offer.Second
	case e.Place != nil:
		args = when(e.Place)
		args["confirm_by"] = book.When(lang, e.ConfirmBy, c.Location)
		say("state."+e.State, args)
	case e.State == "off":
		say("state.off."+e.Why, args)
	default:
		say("state."+e.State, args)
	}
	if second != nil {
		say("second", when(second))
	}
	if e.Carries > 1 {
		say("carries", map[string]any{"weight": e.Carries})
	}
	if e.Draw != nil {
		say("proof", map[string]any{"draw": e.Draw.DrawID})
	}
	return lines
}
