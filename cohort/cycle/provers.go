package cycle

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// ErrPreparing says that a draw is being made ready for somebody else's proof:
// try again soon.
var ErrPreparing = errors.New("the proofs of this draw are being made ready")

// Provers makes citizens' proofs for a server. What the proofs of one draw
// share is computed once and kept, of one draw at a time: a published draw
// does not change. It keeps about 300 bytes a leaf and 150 a save.
type Provers struct {
	db       *data.DB
	operator *lottery.Key

	mu   sync.Mutex
	kept *prepared // nil: none yet
	busy bool      // one is being prepared
}

// prepared is what the proofs of one draw share.
type prepared struct {
	cohort int
	d      *computed
	leaves leafIndex
	prover *lottery.Prover
	log    *lottery.Tree           // of saves; nil where no receipt can be signed
	saves  map[lottery.Hash]uint32 // index in the log, by commitment
}

// NewProvers makes one. operator is as in Proof.
func NewProvers(db *data.DB, operator *lottery.Key) *Provers {
	return &Provers{db: db, operator: operator}
}

// Proof is the same as the function Proof. Its error is ErrPreparing where the
// draw is being made ready for somebody else: that takes seconds for a million
// people.
func (p *Provers) Proof(ctx context.Context, c *cohort.Campaign, person int64) (lottery.Proof, error) {
	var out lottery.Proof
	err := p.db.ReadTx(ctx, func(tx *data.Tx) error {
		result, err := tx.ResultOf(ctx, person)
		if err != nil {
			return err
		}
		o := c.CohortByKey(result.CohortKey)
		if o == nil || result.Rank == 0 {
			return refuse("there is no proof: %s", result.State)
		}
		if result.LeftOut {
			return noLeaf(ctx, tx, result.Cohort, person)
		}
		ready, err := p.prepare(ctx, tx, o, result.Cohort)
		if err != nil {
			return err
		}
		ballot, err := tx.Ballot(ctx, result.Campaign, person)
		if err != nil {
			return err
		}
		out, err = ready.proof(ballot, p.operator)
		return err
	})
	return out, err
}

// noLeaf says why there is no proof of a ballot that was left out of a draw,
// and where its record stands.
func noLeaf(ctx context.Context, tx *data.Tx, cohortID int, person int64) error {
	d, err := tx.Draw(ctx, cohortID)
	if err != nil {
		return err
	}
	list, err := tx.LeftOut(ctx, cohortID)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.Person == person {
			return refuse("draw %s: this ballot was left out, so no leaf is hers and there is no proof under its root. Its record is on the board since %s: left_out, pid %x, rank %d; the signed receipt of her save (number %d in the log of saves) proves it",
				d.DrawID, l.At.Format("2006-01-02 15:04 UTC"), l.PID, l.Rank, l.SaveIndex)
		}
	}
	return fmt.Errorf("draw %s: person %d is not among the ballots that were left out", d.DrawID, person)
}

// prepare gives what is kept of a draw, or computes it.
func (p *Provers) prepare(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID int) (*prepared, error) {
	p.mu.Lock()
	kept, busy := p.kept, p.busy
	if (kept == nil || kept.cohort != cohortID) && !busy {
		p.busy = true
	}
	p.mu.Unlock()
	if kept != nil && kept.cohort == cohortID {
		return kept, nil
	}
	if busy {
		return nil, ErrPreparing
	}
	ready, err := prepareProofs(ctx, tx, o, cohortID, p.operator)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
	if err == nil {
		p.kept = ready
	}
	return ready, err
}

func prepareProofs(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID int, operator *lottery.Key) (*prepared, error) {
	d, err := computeFor(ctx, tx, o, cohortID, 0)
	if err != nil {
		return nil, err
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	d.bundle = lottery.Bundle{} // its files are not proofs
	r := &prepared{cohort: cohortID, d: d, leaves: newIndex(d.people)}
	if r.prover, err = lottery.NewProver(d.leaves, d.order, d.k, d.outcomes, d.manifest.Sample, runtime.GOMAXPROCS(0)); err != nil {
		return nil, err
	}
	if operator == nil || operator.Public() != d.manifest.OperatorKey {
		return r, nil
	}
	r.saves = map[lottery.Hash]uint32{}
	entries, err := saveLog(ctx, tx, d.draw, d.k, func(index int, s *data.SaveRow) { r.saves[s.Commit] = uint32(index) })
	if err != nil {
		return nil, err
	}
	r.log = lottery.NewTree(entries, lottery.SaveEntrySize, runtime.GOMAXPROCS(0))
	return r, nil
}

// proof makes the proof of a person's ballot.
func (r *prepared) proof(ballot data.BallotRow, operator *lottery.Key) (lottery.Proof, error) {
	leaf := r.leaves.find(ballot.Person)
	if leaf == 0 {
		return lottery.Proof{}, refuse("draw %s: no leaf is hers: her ballot was not admitted, and there is nothing to prove; excluded.json says why", r.d.draw.DrawID)
	}
	p, err := r.prover.Proof(int(leaf), ballot.Salt, ballot.Bytes)
	if err != nil {
		return p, err
	}
	r.d.nameResult(&p)
	if err := r.d.addCutOffs(&p, ballot.Bytes); err != nil {
		return p, err
	}
	index, ok := r.saves[ballot.Commit]
	if r.log == nil || !ok {
		return p, nil
	}
	signed := saveOf(r.d.draw.DrawID, lottery.ManifestHash(r.d.draw.Manifest), r.d.k, &data.SaveRow{
		Person: ballot.Person, Key: ballot.PersonKey, Revision: ballot.Revision, Commit: ballot.Commit, Salt: ballot.Salt, SavedAt: ballot.SavedAt,
	}).Sign(operator.Private())
	signed.Index = uint64(index)
	if signed.Proof = r.log.Prove(int(index)); signed.Proof == nil {
		signed.Proof = []lottery.Hash{}
	}
	p.Save = &signed
	return p, nil
}
