package rehearse

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"jebi/cohort/campaign"
	"jebi/lottery"
)

// The operator's key of a rehearsal, in its folder.
const (
	OperatorSecret = "operator.key" // as jebi draw operator new writes it
	OperatorPublic = "operator.pub" // as verifiers take it
)

// makeOperator makes the key that signs this rehearsal's checkpoints and
// receipts, and keeps it in its folder. A real authority's key is another.
func makeOperator(c Config) (*lottery.Key, error) {
	parsed, problems := campaign.Parse(c.Sample.Campaign)
	if parsed == nil {
		return nil, fmt.Errorf("campaign file: %s", campaign.Errors(problems)[0])
	}
	var seed [32]byte
	if _, err := io.ReadFull(c.Random, seed[:]); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	key, err := lottery.NewKey(parsed.Authority, false, seed)
	if err != nil {
		return nil, err
	}
	return &key, errors.Join(
		os.WriteFile(filepath.Join(c.Dir, OperatorSecret), []byte(key.Secret()+"\n"), 0o600),
		os.WriteFile(filepath.Join(c.Dir, OperatorPublic), []byte(key.Public()+"\n"), 0o644),
	)
}
