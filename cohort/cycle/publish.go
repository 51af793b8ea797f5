package cycle

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// ResultEntry is what the board says when a result is published: the bundle is
// the one whose files have these hashes.
type ResultEntry struct {
	DrawID string                  `json:"draw_id"`
	Sample bool                    `json:"sample"`
	Number int                     `json:"number,omitempty"` // of the correction that it was published with
	Files  map[string]lottery.Hash `json:"files"`            // H of each file of the bundle
	Counts *lottery.Counts         `json:"counts"`
}

// verified puts the bundle together again from the database, and answers the
// hashes of its files where it holds: what is published is what was verified,
// written and put on the board. The bundle itself is not kept.
func (r *Runner) verified(ctx context.Context, tx *data.Tx, s situation) (ResultEntry, lottery.Claims, error) {
	defer debug.FreeOSMemory() // see draw
	e := ResultEntry{DrawID: s.drawID, Sample: s.campaign.Sample, Files: map[string]lottery.Hash{}}
	var claims lottery.Claims
	corrections, err := tx.Corrections(ctx, s.row.ID)
	if err != nil {
		return e, claims, err
	}
	e.Number = len(corrections)
	d, err := readFrozen(ctx, tx, s.row.ID)
	if err != nil {
		return e, claims, err
	}
	b, err := d.bundleOf(ctx, tx, e.Number)
	if err != nil {
		return e, claims, err
	}
	debug.FreeOSMemory()
	if why := bundleFault(b, r.Beacon); why != "" {
		return e, claims, unsound("draw %s is not published: %s", s.drawID, why)
	}
	if claims, err = lottery.ParseClaims(b.Claims); err != nil {
		return e, claims, err
	}
	e.Counts = claims.Counts
	if err := r.recorded(ctx, tx, d, b, claims, e.Number); err != nil {
		return e, claims, err
	}
	for name, file := range b.Files() {
		e.Files[name] = lottery.FileHash(file)
	}
	return e, claims, nil
}

// recorded holds a drawn result against the board and its own tickets and
// places.
func (r *Runner) recorded(ctx context.Context, tx *data.Tx, d *computed, b lottery.Bundle, claims lottery.Claims, result int) error {
	board, err := entriesOf(ctx, tx, d.row)
	if err != nil {
		return err
	}
	reveals, err := revealsOf(ctx, tx, d.row.ID, d.manifest)
	if err != nil {
		return err
	}
	if err := d.onRecord(board, reveals.Recorded); err != nil {
		return err
	}
	if err := resultOnRecord(d.draw.DrawID, board, result, b); err != nil {
		return err
	}
	d.leaves = nil
	return d.placesOnRecord(ctx, tx, claims, result)
}

// publish tells everyone who answered, and opens the bundle to all.
func (r *Runner) publish(ctx context.Context, tx *data.Tx, s situation) error {
	row, err := tx.LockCohort(ctx, s.row.ID) // a correction may be under way: what is verified is what is published
	if err != nil {
		return err
	}
	if row.State != cohort.Drawn {
		return &data.WrongState{Cohort: row.ID, Want: cohort.Drawn}
	}
	entry, claims, err := r.verified(ctx, tx, s)
	if err != nil {
		return err
	}
	if err := tx.PublishDraw(ctx, s.row.ID, s.campaign.Rules.MinAnswer); err != nil {
		return err
	}
	if err := tx.SetState(ctx, s.row.ID, cohort.Drawn, cohort.Published); err != nil {
		return err
	}
	// Who was found dead, vaccinated or not entitled since the freeze stands in the draw, and keeps no place.
	dropped, err := tx.DropIneligible(ctx, s.row.ID)
	if err != nil {
		return err
	}
	body, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	if _, err := tx.Post(ctx, s.row.Campaign, s.row.ID, "result", body); err != nil {
		return err
	}
	people, err := tx.Answered(ctx, s.row.ID)
	if err != nil {
		return err
	}
	if err := tx.TellPeople(ctx, data.Message{
		Campaign: s.row.Campaign, Event: fmt.Sprintf("result/%d", s.row.ID), Kind: "result", Params: map[string]any{"cohort": s.row.ID},
	}, people); err != nil {
		return err
	}
	if err := r.tellOfficials(ctx, tx, s, "published", fmt.Sprintf("published/%d", s.row.ID), map[string]any{"cutoffs": claims.CutOffs.String()}); err != nil {
		return err
	}
	return r.auditState(ctx, tx, s, cohort.Published, map[string]any{"result": lottery.FileHash(body), "told": len(people), "dropped": dropped})
}

// settle ends the waitlist and tells those who waited in vain.
func (r *Runner) settle(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Lock(ctx, data.LockOffers, s.row.ID); err != nil {
		return err
	}
	people, err := tx.SettleCohort(ctx, s.row.ID)
	if err != nil {
		return err
	}
	if err := tx.SetState(ctx, s.row.ID, cohort.Published, cohort.Settled); err != nil {
		return err
	}
	if err := tx.TellPeople(ctx, data.Message{
		Campaign: s.row.Campaign, Event: fmt.Sprintf("settled/%d", s.row.ID), Kind: "settled", Params: map[string]any{"cohort": s.row.ID},
	}, people); err != nil {
		return err
	}
	carried, err := carry(ctx, tx, s)
	if err != nil {
		return err
	}
	return r.auditState(ctx, tx, s, cohort.Settled, map[string]any{"waited": len(people), "carry_weight": carried})
}
