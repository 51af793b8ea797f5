package cycle

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Proof makes a citizen's proof of a published draw: her leaf, her ticket and
// rank, what she got with the cut-offs of her choices, and the receipt of the
// save that counted. operator signs that receipt as it was signed then; nil
// leaves it out.
func Proof(ctx context.Context, db *data.DB, c *cohort.Campaign, person int64, operator *lottery.Key) (lottery.Proof, error) {
	var p lottery.Proof
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		result, err := tx.ResultOf(ctx, person)
		if err != nil {
			return err
		}
		o := c.CohortByKey(result.CohortKey)
		if o == nil || result.Rank == 0 {
			return refuse("there is no proof: %s", result.State)
		}
		d, err := computeFor(ctx, tx, o, result.Cohort, 0)
		if err != nil {
			return err
		}
		if err := d.finish(); err != nil {
			return err
		}
		leaf := slices.Index(d.people, person)
		if leaf < 1 {
			return fmt.Errorf("draw %s: no leaf of person %d", d.draw.DrawID, person)
		}
		ballot, err := tx.Ballot(ctx, result.Campaign, person)
		if err != nil {
			return err
		}
		prover, err := lottery.NewProver(d.leaves, d.order, d.k, d.outcomes, d.manifest.Sample, runtime.GOMAXPROCS(0))
		if err != nil {
			return err
		}
		if p, err = prover.Proof(leaf, ballot.Salt, ballot.Bytes); err != nil {
			return err
		}
		d.nameResult(&p)
		if err := d.addCutOffs(&p, ballot.Bytes); err != nil {
			return err
		}
		if operator == nil || operator.Public() != d.manifest.OperatorKey {
			return nil
		}
		p.Save, err = savedOf(ctx, tx, d, person, ballot.Commit, operator)
		return err
	})
	return p, err
}

// nameResult adds the slots' names to a proof's result.
func (d *computed) nameResult(p *lottery.Proof) {
	if p.Result == nil {
		return
	}
	if p.Result.Slot > 0 {
		p.Result.SlotID = d.shelf.ids[p.Result.Slot-1]
	}
	if p.Result.Second > 0 {
		p.Result.SecondID = d.shelf.ids[p.Result.Second-1]
	}
}

// addCutOffs adds the cut-offs of her class at the slots of her choices.
func (d *computed) addCutOffs(p *lottery.Proof, ballot []byte) error {
	choices, err := d.shelf.choices(ballot)
	if err != nil {
		return err
	}
	e := &d.order[p.Rank-1]
	pool := poolOf(e, d.pools)
	mine := map[int32]bool{}
	for _, c := range choices {
		for _, x := range c {
			mine[x] = true
		}
	}
	for i, c := range d.places.CutOffs {
		if mine[c.Slot] && c.Class.Size == e.Size && c.Class.Pool == pool {
			p.CutOffs = append(p.CutOffs, d.publicCutOffs(d.places.CutOffs[i:i+1])...)
		}
	}
	return nil
}

// savedOf is the signed receipt of a person's save with that commitment, with
// its place in the log of saves; nil where the log has none.
func savedOf(ctx context.Context, tx *data.Tx, d *computed, person int64, commit [32]byte, operator *lottery.Key) (*lottery.SavedBallot, error) {
	var saved *lottery.SavedBallot
	entries, err := saveLog(ctx, tx, d.draw, d.k, func(index int, s *data.SaveRow) {
		if s.Person == person && s.Commit == commit {
			signed := saveOf(d.draw.DrawID, lottery.ManifestHash(d.draw.Manifest), d.k, s).Sign(operator.Private())
			signed.Index = uint64(index)
			saved = &signed
		}
	})
	if err != nil || saved == nil {
		return nil, err
	}
	saved.Proof = lottery.NewTree(entries, lottery.SaveEntrySize, runtime.GOMAXPROCS(0)).Prove(int(saved.Index))
	if saved.Proof == nil {
		saved.Proof = []lottery.Hash{}
	}
	return saved, nil
}
