package rehearse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// finish writes what the draws leave behind, verifies it, and counts how
// things stand.
func (r *Rehearsal) finish(ctx context.Context) (string, error) {
	for _, g := range r.cohorts {
		if err := r.record(ctx, g); err != nil {
			return "", err
		}
	}
	stats, err := r.DB.Stats(ctx, r.row.ID, 0)
	if err != nil {
		return "", err
	}
	s := &r.summary
	s.count(r.campaign, stats)
	s.Received = r.receivers.Counts()
	s.Offers = r.offered.made
	for _, g := range r.cohorts {
		s.ByForm += g.viaForm
	}
	if s.Clock, err = r.DB.Now(ctx); err != nil {
		return "", err
	}
	if s.Total.OverCapacity != 0 || s.Total.OutsideChoices != 0 {
		return "", fmt.Errorf("%d seats over capacity, %d places outside choices", s.Total.OverCapacity, s.Total.OutsideChoices)
	}
	return fmt.Sprintf("%d of %d seats in use", s.Total.Assigned, s.Total.Seats), nil
}

// Afresh removes what an earlier run left in the folder, and nothing else.
func Afresh(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{
		folderBundle, folderAuditor, folderProof, folderFrozen, OperatorSecret, OperatorPublic, "workbooks", "mail", "sms", "input", "summary.json", PageFile, "campaign.toml", "officials.txt",
	} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
