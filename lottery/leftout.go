package lottery

import (
	"crypto/ed25519"
	"fmt"
)

// CheckLeftOut says why a signed save is no proof that its ballot was left out of a frozen draw. It is one if the
// operator signed it, its entry stands in the log of saves under the checkpoint, and no leaf has its pid; whether
// another revision of a ballot that has a leaf should have counted is never reopened.
func CheckLeftOut(leaves []byte, c Checkpoint, s SavedBallot, operator ed25519.PublicKey) error {
	if err := s.Check(operator); err != nil {
		return err
	}
	if i := FindLeaf(leaves, s.PID); i != 0 {
		return fmt.Errorf("pid %s has leaf %d", s.PID, i)
	}
	entry := s.Entry()
	if err := CheckInclusion(entry[:], s.Index, c.Saves, s.Proof, c.SavesRoot); err != nil {
		return fmt.Errorf("not in the log of saves: %w", err)
	}
	return nil
}
