package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
)

// frozenFolder is what witnesses and trustees get of a frozen draw.
func (r *Rehearsal) frozenFolder(g *group) string {
	return filepath.Join(r.Dir, folderFrozen, g.rule.Key)
}

// cosign lets the witnesses look at the frozen draw and cosign its checkpoint,
// each with her own key and what anybody can see.
func (r *Rehearsal) cosign(ctx context.Context, g *group) error {
	if err := r.readAnnounced(ctx, g); err != nil {
		return err
	}
	dir := r.frozenFolder(g)
	for _, w := range r.Sample.Witnesses {
		if !slices.ContainsFunc(g.announced.Witnesses, func(key string) bool { return key == w.Key }) {
			continue
		}
		if err := cycle.WriteFrozen(ctx, r.DB, g.id, dir); err != nil {
			return err
		}
		now, err := r.DB.Now(ctx)
		if err != nil {
			return err
		}
		signed, err := w.sign(dir, r.operator.Public(), now)
		if err != nil {
			return fmt.Errorf("witness %s: %w", w.Name, err)
		}
		err = r.DB.Tx(ctx, func(tx *data.Tx) error {
			_, err := cycle.Cosign(ctx, tx, r.row.ID, g.rule.Key, signed, r.officials.operator.Actor())
			return err
		})
		if err != nil {
			return err
		}
	}
	return cycle.WriteFrozen(ctx, r.DB, g.id, dir)
}

// sign is what jebi draw witness sign does: check everything, then cosign.
func (w Witness) sign(dir, operator string, at time.Time) ([]byte, error) {
	key, err := lottery.ParseKey(w.Secret)
	if err != nil {
		return nil, err
	}
	if err := checkFrozen(dir, operator); err != nil {
		return nil, err
	}
	checkpoint, err := os.ReadFile(filepath.Join(dir, lottery.FileCheckpoint))
	if err != nil {
		return nil, err
	}
	return lottery.Cosign(checkpoint, key, at.Truncate(time.Second))
}

// checkFrozen verifies a frozen draw as one does who is about to sign.
func checkFrozen(dir, operator string) error {
	report := lottery.Verify(os.DirFS(dir), lottery.VerifyOptions{Frozen: true, OperatorKey: operator})
	if !report.OK(false) {
		return fmt.Errorf("the frozen draw does not hold: %+v", report.Parts)
	}
	return nil
}

// readAnnounced keeps what a cohort's manifest says.
func (r *Rehearsal) readAnnounced(ctx context.Context, g *group) error {
	d, err := r.DB.Draw(ctx, g.id)
	if err != nil {
		return err
	}
	g.announced, err = lottery.ParseManifest(d.Manifest)
	if err == nil && len(g.announced.Sources) == 0 {
		err = errors.New("the manifest announces no sources")
	}
	return err
}
