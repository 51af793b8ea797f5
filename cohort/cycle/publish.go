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
	Files  map[string]lottery.Hash `json:"files"` // H of each file of the bundle
	Counts *lottery.Counts         `json:"counts"`
}

// verified puts the bundle together again from the database, and answers the
// hashes of its files where it holds: what is published is what was verified
// and written. The bundle itself is not kept.
func (r *Runner) verified(ctx context.Context, tx *data.Tx, s situation) (map[string]lottery.Hash, lottery.Claims, error) {
	defer debug.FreeOSMemory() // see draw
	b, err := readBundle(ctx, tx, s.row.ID)
	if err != nil {
		return nil, lottery.Claims{}, err
	}
	debug.FreeOSMemory()
	claims, err := lottery.ParseClaims(b.Claims)
	if err != nil {
		return nil, claims, err
	}
	if report := lottery.Verify(memory(b.Files()), lottery.VerifyOptions{Beacon: r.Beacon}); !report.OK(false) {
		for _, p := range report.Parts {
			if p.State == lottery.Fails {
				return nil, claims, fmt.Errorf("draw %s is not published: %s: %s", s.drawID, p.Name, p.Detail)
			}
		}
	}
	files := map[string]lottery.Hash{}
	for name, file := range b.Files() {
		files[name] = lottery.FileHash(file)
	}
	return files, claims, nil
}

// publish tells everyone who answered, and opens the bundle to all.
func (r *Runner) publish(ctx context.Context, tx *data.Tx, s situation) error {
	files, claims, err := r.verified(ctx, tx, s)
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
	body, err := json.Marshal(ResultEntry{DrawID: s.drawID, Sample: s.campaign.Sample, Files: files, Counts: claims.Counts})
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
