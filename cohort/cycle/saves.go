package cycle

import (
	"context"

	"jebi/data"
	"jebi/lottery"
)

// saveOf is a save as the operator signs it.
func saveOf(drawID string, manifest lottery.Hash, k [32]byte, s *data.SaveRow) lottery.Save {
	return lottery.Save{
		DrawID: drawID, Manifest: manifest, PID: lottery.PID(k, drawID, s.Key), Salt: s.Salt,
		Revision: uint32(s.Revision), Commit: s.Commit, Time: s.SavedAt,
	}
}

// saveLog makes the entries of a draw's log of saves again from the histories,
// joined. each, where it is not nil, is shown every save with its index.
func saveLog(ctx context.Context, tx *data.Tx, d data.DrawRow, k [32]byte, each func(index int, s *data.SaveRow)) ([]byte, error) {
	manifest := lottery.ManifestHash(d.Manifest)
	var entries []byte
	err := tx.EachSave(ctx, d.Cohort, func(s *data.SaveRow) error {
		if each != nil {
			each(len(entries)/lottery.SaveEntrySize, s)
		}
		e := saveOf(d.DrawID, manifest, k, s).Entry()
		entries = append(entries, e[:]...)
		return nil
	})
	return entries, err
}
