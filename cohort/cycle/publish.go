package cycle

import (
	"context"
	"encoding/json"
	"fmt"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// ResultEntry is what the board says when a result is published: the bundle is
// the one whose files have these hashes.
type ResultEntry struct {
	DrawID string                  `json:"draw_id"`
	Sample bool                    `json:"sample"`
	Files  map[string]lottery.Hash `json:"files"` // H of each file of the bundle
	Counts *lottery.Counts         `json:"counts"`
}

// publish tells everyone who answered, and opens the bundle to all.
func (r *Runner) publish(ctx context.Context, tx *data.Tx, s situation) error {
	b, err := readBundle(ctx, tx, s.row.ID)
	if err != nil {
		return err
	}
	claims, err := lottery.ParseClaims(b.Claims)
	if err != nil {
		return err
	}
	// The bundle is put together again from the database: what is published is what was verified and written.
	if report := lottery.Verify(memory(b.Files()), lottery.VerifyOptions{Beacon: r.Beacon}); !report.OK(false) {
		for _, p := range report.Parts {
			if p.State == lottery.Fails {
				return fmt.Errorf("draw %s is not published: %s: %s", s.drawID, p.Name, p.Detail)
			}
		}
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
	entry := ResultEntry{DrawID: s.drawID, Sample: s.campaign.Sample, Files: map[string]lottery.Hash{}, Counts: claims.Counts}
	for name, file := range b.Files() {
		entry.Files[name] = lottery.FileHash(file)
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
	return r.auditState(ctx, tx, s, cohort.Settled, map[string]any{"waited": len(people)})
}
