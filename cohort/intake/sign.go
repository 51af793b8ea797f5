package intake

import (
	"context"
	"time"

	"jebi/lottery"
)

// draw is what the receipts of one window's saves have in common.
type draw struct {
	id       string
	k        [32]byte
	manifest lottery.Hash
	signs    bool // the manifest announces the key that this program holds
}

// signing is the draw that receipts of the window are signed for, or nil.
// Whatever keeps them from being signed, the ballots are saved.
func (s *Service) signing(ctx context.Context, cohortID int) *draw {
	if s.cfg.Operator == nil {
		return nil
	}
	d, err := s.drawOf(ctx, cohortID)
	if err != nil || !d.signs {
		return nil
	}
	return &d
}

// sign adds the operator's signature to the receipts of what was saved: after
// the commit, so that it vouches for nothing that may be lost.
func (s *Service) sign(ctx context.Context, cohortID int, items []*item) {
	d := s.signing(ctx, cohortID)
	if d == nil {
		return
	}
	saves, of := make([]lottery.Save, 0, len(items)), make([]*Receipt, 0, len(items))
	for _, it := range items {
		if r := &it.receipt; it.err == nil && !r.Withdrawn && r.Revision > 0 {
			saves, of = append(saves, d.save(r.Person, r.Salt, r.Revision, r.Commit, r.SavedAt)), append(of, r)
		}
	}
	if len(saves) == 0 {
		return
	}
	signed := lottery.SignSaves(s.cfg.Operator.Private(), saves)
	for i := range signed {
		of[i].Signed = &signed[i]
	}
}

// save is what is signed for a saved revision.
func (d *draw) save(person string, salt [32]byte, revision int, commit lottery.Hash, at time.Time) lottery.Save {
	return lottery.Save{
		DrawID: d.id, Manifest: d.manifest, PID: lottery.PID(d.k, d.id, person), Salt: salt,
		Revision: uint32(revision), Commit: commit, Time: at,
	}
}

// drawOf reads a window's draw once: what was announced stands.
func (s *Service) drawOf(ctx context.Context, cohortID int) (draw, error) {
	s.mu.Lock()
	d, ok := s.draws[cohortID]
	s.mu.Unlock()
	if ok {
		return d, nil
	}
	a, err := s.cfg.DB.Announced(ctx, cohortID)
	if err != nil {
		return draw{}, err
	}
	m, err := lottery.ParseManifest(a.Manifest)
	if err != nil {
		return draw{}, err
	}
	d = draw{a.DrawID, a.K, lottery.ManifestHash(a.Manifest), m.OperatorKey == s.cfg.Operator.Public()}
	s.mu.Lock()
	s.draws[cohortID] = d
	s.mu.Unlock()
	return d, nil
}
