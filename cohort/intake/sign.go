package intake

import (
	"context"

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

// sign adds the operator's signature to a receipt: after the commit, so that it
// vouches for nothing that may be lost, and by each caller for herself, so that
// the next batch does not wait for it.
func (s *Service) sign(r *Receipt, d *draw) {
	if r.Withdrawn || r.Revision == 0 {
		return
	}
	signed := lottery.Save{
		DrawID: d.id, Manifest: d.manifest, PID: lottery.PID(d.k, d.id, r.Person), Salt: r.Salt,
		Revision: uint32(r.Revision), Commit: r.Commit, Time: r.SavedAt,
	}.Sign(s.cfg.Operator.Private())
	r.Signed = &signed
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
