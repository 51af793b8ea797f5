package intake

import (
	"context"
	"errors"

	"jebi/data"
	"jebi/lottery"
)

// Signed gives the operator's signature on the receipt of a ballot as it
// stands, the same bytes as when it was saved; nil where no key was announced,
// and of a withdrawal.
func (s *Service) Signed(ctx context.Context, b data.BallotRow) (*lottery.SavedBallot, error) {
	if s.cfg.Operator == nil || b.Withdrawn {
		return nil, nil
	}
	d, err := s.drawOf(ctx, b.Cohort)
	if errors.Is(err, data.ErrNotFound) || err == nil && !d.signs {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	signed := d.save(b.PersonKey, b.Salt, b.Revision, b.Commit, b.SavedAt).Sign(s.cfg.Operator.Private())
	return &signed, nil
}
