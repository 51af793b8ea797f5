package rehearse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"jebi/cohort/cycle"
	"jebi/lottery"
)

// finish writes the public folders of the draws, verifies them as a stranger
// would, and counts how things stand.
func (r *Rehearsal) finish(ctx context.Context) (string, error) {
	for _, g := range r.cohorts {
		dir := filepath.Join(r.Dir, "bundle", g.rule.Key)
		if err := cycle.WriteBundle(ctx, r.DB, g.id, dir); err != nil {
			return "", err
		}
		if report := lottery.Verify(os.DirFS(dir), lottery.VerifyOptions{}); !report.OK(false) {
			return "", fmt.Errorf("the bundle of cohort %s does not verify: %+v", g.rule.Key, report.Parts)
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
	if err := r.chooseGuest(ctx); err != nil {
		return "", err
	}
	if s.Total.OverCapacity != 0 || s.Total.OutsideChoices != 0 {
		return "", fmt.Errorf("%d seats over capacity, %d places outside choices", s.Total.OverCapacity, s.Total.OutsideChoices)
	}
	return fmt.Sprintf("%d of %d seats in use", s.Total.Assigned, s.Total.Seats), nil
}

// chooseGuest picks somebody to look at the form as: alone, with a phone and
// a place that she has accepted.
func (r *Rehearsal) chooseGuest(ctx context.Context) error {
	for _, g := range r.cohorts {
		for _, a := range g.answers {
			if a.mate != 0 || a.person.Phone == "" || a.person.Language != "ko" {
				continue
			}
			result, err := r.DB.ResultOf(ctx, a.person.ID)
			if err != nil {
				return err
			}
			if result.State == "confirmed" {
				r.summary.SignInAs = SignInAs{a.person.Name, a.person.BirthDate.Format("2006-01-02"), a.person.Phone}
				return nil
			}
		}
	}
	return nil
}

// Afresh removes what an earlier run left in the folder, and nothing else.
func Afresh(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"bundle", "workbooks", "mail", "sms", "input", "summary.json", "campaign.toml", "officials.txt"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
