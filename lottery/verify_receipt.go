package lottery

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

func (v *verifier) checkReceipt() {
	const part = "receipt"
	if v.opts.Receipt == nil {
		v.report.absent(part, "")
		return
	}
	if !v.orderHolds {
		v.report.fails(part, "not checked: the order fails")
		return
	}
	p, err := ParseProof(v.opts.Receipt)
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	if err := v.checkPlace(p); err != nil {
		v.report.fails(part, "receipt: %v", err)
		return
	}
	if err := v.checkResult(p); err != nil {
		v.report.fails(part, "receipt: %v", err)
		return
	}
	if err := v.checkSave(p); err != nil {
		v.report.fails(part, "receipt: save: %v", err)
		return
	}
	v.report.holds(part, "rank %d of %d", p.Rank, len(v.order))
}

// checkPlace checks the fields up to rank.
func (v *verifier) checkPlace(p Proof) error {
	size := uint64(leafCount(v.leaves))
	if p.Size != size {
		return fmt.Errorf("size: %d, there are %d leaves", p.Size, size)
	}
	if p.Root != *v.root {
		return fmt.Errorf("root: %s, the leaves give %s", p.Root, v.root)
	}
	if p.Index < 1 || p.Index >= size {
		return fmt.Errorf("index: %d is not that of a ballot leaf", p.Index)
	}
	if !bytes.Equal(p.Leaf[:], v.leaves[p.Index*LeafSize:][:LeafSize]) {
		return fmt.Errorf("leaf: is not leaf %d of the bundle", p.Index)
	}
	if err := CheckInclusion(p.Leaf[:], p.Index, p.Size, p.Proof, p.Root); err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	if c := BallotCommit(p.Salt, p.Ballot); c != Hash(p.Leaf[35:]) {
		return fmt.Errorf("salt or ballot: they give the commitment %s, the leaf has %x", c, p.Leaf[35:])
	}
	if w := leafWeight(v.leaves, int(p.Index)); p.Weight != w {
		return fmt.Errorf("weight: %d, the leaf has %d", p.Weight, w)
	}
	if p.Rank < 1 || int64(p.Rank) > int64(len(v.order)) {
		return fmt.Errorf("rank: %d of %d", p.Rank, len(v.order))
	}
	e := v.order[p.Rank-1]
	if !slices.Contains(e.Members[:e.Size], uint32(p.Index)) {
		return fmt.Errorf("rank: %d is that of another ticket", p.Rank)
	}
	if p.Entity != e.ID {
		return fmt.Errorf("entity: %s, the leaf gives %s", p.Entity, e.ID)
	}
	if p.Ticket != e.Ticket {
		return fmt.Errorf("ticket: %s, the ticket key gives %s", p.Ticket, e.Ticket)
	}
	return nil
}

// checkResult checks what stands after rank, so far as it is there.
func (v *verifier) checkResult(p Proof) error {
	if r := p.Result; r != nil {
		if v.claims == nil || v.claims.OutcomeRoot.IsZero() {
			return errors.New("result: claims.json has no outcome_root")
		}
		if r.OutcomeRoot != v.claims.OutcomeRoot {
			return fmt.Errorf("result: outcome_root: %s, claims.json has %s", r.OutcomeRoot, v.claims.OutcomeRoot)
		}
		leaf := ResultLeaf(r.Salt, p.Entity, r.Outcome)
		err := CheckInclusion(leaf[:], uint64(p.Rank-1), uint64(len(v.order)), r.Proof, r.OutcomeRoot)
		if err != nil {
			return fmt.Errorf("result: proof: %w", err)
		}
		if err := v.checkSlotIDs(r); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	for i, c := range p.CutOffs {
		if !v.cutoffsHold {
			return errors.New("cutoffs: the bundle has none that hold")
		}
		if !slices.Contains(v.cutoffs, c) {
			return fmt.Errorf("cutoffs[%d]: does not stand in cutoffs.json", i)
		}
	}
	return nil
}

// checkSlotIDs compares the names of the slots with the supply.
func (v *verifier) checkSlotIDs(r *ResultProof) error {
	for _, named := range []struct {
		key, id  string
		position uint32
	}{{"slot_id", r.SlotID, r.Slot}, {"second_id", r.SecondID, r.Second}} {
		if named.id == "" {
			continue
		}
		supply, err := parseObject(FileSupply, v.supply)
		if err != nil {
			return err
		}
		slots := supply.objects("slots")
		if err := supply.failure(); err != nil {
			return err
		}
		if named.position < 1 || int64(named.position) > int64(len(slots)) {
			return fmt.Errorf("%s: slot %d of %d in the supply", named.key, named.position, len(slots))
		}
		id := slots[named.position-1].text("id")
		if err := supply.failure(); err != nil {
			return err
		}
		if id != named.id {
			return fmt.Errorf("%s: %q, the supply has %q", named.key, named.id, id)
		}
	}
	return nil
}

// checkSave compares the receipt of the save with the leaf, and with the operator's key and the log of saves where
// the bundle has them.
func (v *verifier) checkSave(p Proof) error {
	s := p.Save
	if s == nil {
		return nil
	}
	leaf, err := ParseLeaf(p.Leaf[:])
	if err != nil {
		return err
	}
	switch manifest := ManifestHash(v.manifestFile); {
	case s.DrawID != v.manifest.DrawID:
		return fmt.Errorf("draw_id: %q, this is draw %s", s.DrawID, v.manifest.DrawID)
	case s.Manifest != manifest:
		return fmt.Errorf("manifest_hash: %s, manifest.json gives %s", s.Manifest, manifest)
	case s.PID != leaf.PID:
		return fmt.Errorf("pid: %s, the leaf has %s", s.PID, leaf.PID)
	case s.Salt != p.Salt:
		return errors.New("salt: is not that of the ballot")
	case s.Commit != leaf.Commit:
		return fmt.Errorf("ballot_commit: %s, the leaf has %s", s.Commit, leaf.Commit)
	case s.Revision < 1:
		return errors.New("revision: counts from 1")
	}
	key, err := v.operatorKey()
	if err != nil {
		return err
	}
	if key != "" {
		public, err := OperatorPublic(key)
		if err != nil {
			return err
		}
		if err := s.Check(public); err != nil {
			return fmt.Errorf("signature: %w", err)
		}
	}
	if s.Proof == nil || v.checkpoint == nil || v.checkpoint.SavesRoot.IsZero() {
		return nil
	}
	entry := s.Entry()
	if err := CheckInclusion(entry[:], s.Index, v.checkpoint.Saves, s.Proof, v.checkpoint.SavesRoot); err != nil {
		return fmt.Errorf("proof in the log of saves: %w", err)
	}
	return nil
}
