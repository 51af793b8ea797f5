package cycle

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// afterFreeze holds what came after the freeze against the board: sources,
// seed, order, the files and tickets of the result, its places, and the
// ballots that were recorded as left out. leaves are those of the copy, or the
// database's where only a checkpoint was kept.
func afterFreeze(ctx context.Context, tx *data.Tx, d *computed, leaves []byte) ([]lottery.Part, error) {
	board, err := entriesOf(ctx, tx, d.row)
	if err != nil {
		return nil, err
	}
	reveals, err := revealsOf(ctx, tx, d.row.ID, d.manifest)
	if err != nil {
		return nil, err
	}
	sources := faults{name: "sources"}
	if err := sources.take(d.onRecord(board, reveals.Recorded)); err != nil {
		return nil, err
	}
	parts := []lottery.Part{sources.part("%d of %d recorded", len(reveals.Recorded), len(d.manifest.Sources))}
	if d.draw.DrawnAt == nil {
		return parts, nil
	}
	seed := faults{name: "seed"}
	of := lottery.Seed(uint64(d.draw.Leaves), d.draw.Root, reveals.Revealed())
	if !reveals.Complete() {
		seed.add("the draw is done, and not all of its sources are recorded")
	} else if of != lottery.Hash(d.draw.Seed) {
		seed.add("%x is recorded, the sources give %s", d.draw.Seed, of)
	}
	parts = append(parts, seed.part("%s", of))
	order, err := orderAgainst(ctx, tx, d, leaves, of)
	if err != nil {
		return nil, err
	}
	result, err := resultAgainst(ctx, tx, d, board)
	if err != nil {
		return nil, err
	}
	left, err := leftOutAgainst(ctx, tx, d, board)
	return append(parts, order, result, left), err
}

// take adds what is unsound, and answers any other error.
func (f *faults) take(err error) error {
	var u *Unsound
	if errors.As(err, &u) {
		f.add("%s", u.Text)
		return nil
	}
	return err
}

func orderAgainst(ctx context.Context, tx *data.Tx, d *computed, leaves []byte, seed lottery.Hash) (lottery.Part, error) {
	f := faults{name: "order"}
	order, err := lottery.Order(leaves, lottery.TicketKey(seed, d.manifest.Stream))
	if err != nil {
		f.add("%v", err)
		return f.part(""), nil
	}
	n := 0
	err = tx.EachEntity(ctx, d.row.ID, func(id [16]byte) {
		if n++; n > len(order) {
			f.add("rank %d is one too many", n)
		} else if order[n-1].ID != id {
			f.add("rank %d is the ticket of %x, leaves and seed give %s", n, id, order[n-1].ID)
		}
	})
	if err == nil && n < len(order) {
		f.add("%d tickets of %d are there", n, len(order))
	}
	return f.part("%d tickets", n), err
}

func resultAgainst(ctx context.Context, tx *data.Tx, d *computed, board map[string][]data.BoardEntry) (lottery.Part, error) {
	f := faults{name: "result"}
	corrections, err := tx.Corrections(ctx, d.row.ID)
	if err != nil {
		return lottery.Part{}, err
	}
	for n := range len(corrections) + 1 {
		b, err := d.bundleOf(ctx, tx, n)
		if err != nil {
			return lottery.Part{}, err
		}
		if err := f.take(resultOnRecord(d.draw.DrawID, board, n, b)); err != nil {
			return lottery.Part{}, err
		}
		claims, err := lottery.ParseClaims(b.Claims)
		if err != nil {
			f.add("claims.json: %v", err)
			continue
		}
		if err := f.take(d.outcomeOnRecord(ctx, tx, claims, n)); err != nil {
			return lottery.Part{}, err
		}
	}
	// Once offers go round, places come and go by acts of their own, each on the trail.
	if d.row.State == cohort.Drawn {
		if err := f.take(d.givenOnRecord(ctx, tx)); err != nil {
			return lottery.Part{}, err
		}
	}
	return f.part("%d corrections", len(corrections)), nil
}

func leftOutAgainst(ctx context.Context, tx *data.Tx, d *computed, board map[string][]data.BoardEntry) (lottery.Part, error) {
	f := faults{name: "left out"}
	told, err := leftOutTold(board)
	if err != nil {
		return lottery.Part{}, err
	}
	list, err := tx.LeftOut(ctx, d.row.ID)
	if err != nil {
		return lottery.Part{}, err
	}
	for _, l := range list {
		if e, ok := told[l.PID]; !ok {
			f.add("the ballot of person %d is recorded as left out; the board knows nothing of it", l.Person)
		} else if e.Rank != l.Rank {
			f.add("the ballot of person %d is recorded with rank %d, the board has %d", l.Person, l.Rank, e.Rank)
		} else if err := f.take(d.restoredOnRecord(ctx, tx, l.Person, e)); err != nil {
			return lottery.Part{}, err
		}
		delete(told, l.PID)
	}
	for pid := range told {
		f.add("the board tells of a ballot left out, pid %s, that the database does not have", pid)
	}
	return f.part("%d", len(list)), nil
}

// restoredOnRecord holds a ballot that came back against the entry of its
// receipt in the log of saves, which the board has.
func (d *computed) restoredOnRecord(ctx context.Context, tx *data.Tx, person int64, e LeftOutEntry) error {
	b, err := tx.Ballot(ctx, d.row.Campaign, person)
	if errors.Is(err, data.ErrNotFound) {
		if ended(d.row.State) {
			return nil // purged
		}
		return unsound("the ballot of person %d, which was left out and came back, was deleted", person)
	}
	if err != nil {
		return err
	}
	entry := saveOf(d.draw.DrawID, lottery.ManifestHash(d.draw.Manifest), d.k, &data.SaveRow{
		Person: b.Person, Key: b.PersonKey, Revision: b.Revision, Commit: b.Commit, Salt: b.Salt, SavedAt: b.SavedAt,
	}).Entry()
	if hex.EncodeToString(entry[:]) != e.SaveEntry || lottery.BallotCommit(b.Salt, b.Bytes) != b.Commit {
		return unsound("the ballot of person %d, which was left out and came back, is not that of its receipt", person)
	}
	return nil
}

// leftOutTold are the board's entries of ballots that were left out, by pid.
func leftOutTold(board map[string][]data.BoardEntry) (map[lottery.ID]LeftOutEntry, error) {
	told := map[lottery.ID]LeftOutEntry{}
	for _, e := range board["left_out"] {
		var l LeftOutEntry
		if err := json.Unmarshal(e.Body, &l); err != nil {
			return nil, fmt.Errorf("board, record %d: %w", e.ID, err)
		}
		told[l.PID] = l
	}
	return told, nil
}
