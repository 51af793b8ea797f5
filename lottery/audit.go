package lottery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Audit is what a sworn auditor has beside the public bundle. Her folder holds outcome.bin and ballots.bin.
type Audit struct {
	Folder   fs.FS
	K        [32]byte   // K_draw
	Eligible []Eligible // the official list; nil: ballots are not held against it
	// Allocate recomputes the allocation from supply.json and the ballots in ticket order. Without it the
	// allocation counts as absent.
	Allocate func(supply []byte, order []Entity, ballots Ballots) ([]Outcome, []PublicCutOff, error)
}

// Eligible is a person of the official list with the weight that she carries into this draw.
type Eligible struct {
	PersonID string
	Weight   uint16
}

// Ballots is ballots.bin: for each ballot leaf, in order, salt[32] || u32 length || ballot bytes.
type Ballots struct {
	file   []byte
	starts []int64 // of the records
}

// AppendBallot appends one record of ballots.bin.
func AppendBallot(file []byte, salt [32]byte, ballot []byte) []byte {
	file = append(file, salt[:]...)
	file = binary.BigEndian.AppendUint32(file, uint32(len(ballot)))
	return append(file, ballot...)
}

// ParseBallots reads ballots.bin, which is kept and not copied.
func ParseBallots(file []byte) (Ballots, error) {
	b := Ballots{file: file}
	for at := 0; at < len(file); {
		if len(file)-at < 36 {
			return Ballots{}, fmt.Errorf("record %d (byte %d): %d bytes are too few", len(b.starts)+1, at, len(file)-at)
		}
		length := int(binary.BigEndian.Uint32(file[at+32:]))
		if len(file)-at-36 < length {
			return Ballots{}, fmt.Errorf("record %d (byte %d): length %d goes beyond the end", len(b.starts)+1, at+32, length)
		}
		b.starts = append(b.starts, int64(at))
		at += 36 + length
	}
	return b, nil
}

// Len is the number of ballots.
func (b Ballots) Len() int { return len(b.starts) }

// Leaf returns salt and ballot of the ballot leaf with that index; ballot leaves count from 1.
func (b Ballots) Leaf(index int) (salt [32]byte, ballot []byte) {
	at := b.starts[index-1]
	length := int64(binary.BigEndian.Uint32(b.file[at+32:]))
	return [32]byte(b.file[at:]), b.file[at+36 : at+36+length]
}

// BallotPerson is the person_id that a ballot names: the text "person" of its JSON object.
func BallotPerson(ballot []byte) (string, error) {
	o, err := parseObject("ballot", ballot)
	if err != nil {
		return "", err
	}
	person := o.text("person")
	if err := o.failure(); err != nil {
		return "", err
	}
	return person, CheckPersonID(person)
}

// checkAudit holds the ballots against leaves and list, the outcome against outcome_root, and the allocation.
func (v *verifier) checkAudit() {
	a := v.opts.Audit
	if a == nil {
		v.report.absent("ballots", "needs the auditors' files")
		v.report.absent("outcome", "needs the auditors' files")
		v.report.absent("allocation", "needs the auditors' files")
		return
	}
	if !v.orderHolds {
		for _, part := range []string{"ballots", "outcome", "allocation"} {
			v.report.fails(part, "not checked: the order fails")
		}
		return
	}
	ballots, err := v.auditBallots(a)
	if err != nil {
		v.report.fails("ballots", "%v", err)
	} else if a.Eligible == nil {
		v.report.absent("ballots", "%d as in the leaves; no list of the eligible to hold them against", ballots.Len())
	} else {
		v.report.holds("ballots", "%d, all of the eligible", ballots.Len())
	}
	outcomes, outcomeErr := v.auditOutcome(a)
	if outcomeErr != nil {
		v.report.fails("outcome", "%v", outcomeErr)
	} else {
		v.report.holds("outcome", "%s", v.claims.OutcomeRoot)
	}
	switch {
	case a.Allocate == nil:
		v.report.absent("allocation", "")
	case err != nil || outcomeErr != nil:
		v.report.fails("allocation", "not checked: ballots or outcome fail")
	default:
		v.auditAllocation(a, ballots, outcomes)
	}
}

func (v *verifier) auditFile(a *Audit, name string) ([]byte, error) {
	b, err := fs.ReadFile(a.Folder, name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	return b, nil
}

// auditBallots recomputes every commitment and pid: none outside the list, none twice (pids ascend strictly), weights
// as carried.
func (v *verifier) auditBallots(a *Audit) (Ballots, error) {
	if v.manifest.KCommit.IsZero() {
		return Ballots{}, errors.New("manifest.json has no k_commit")
	}
	if c := KCommit(v.manifest.DrawID, a.K); c != v.manifest.KCommit {
		return Ballots{}, fmt.Errorf("the given K_draw has k_commit %s, the manifest %s", c, v.manifest.KCommit)
	}
	file, err := v.auditFile(a, FileBallots)
	if err != nil {
		return Ballots{}, err
	}
	ballots, err := ParseBallots(file)
	if err != nil {
		return Ballots{}, fmt.Errorf("%s: %w", FileBallots, err)
	}
	if ballots.Len() != leafCount(v.leaves)-1 {
		return Ballots{}, fmt.Errorf("%s: %d records for %d ballot leaves", FileBallots, ballots.Len(), leafCount(v.leaves)-1)
	}
	weights := eligibleWeights(a, v.manifest.DrawID)
	for i := 1; i < leafCount(v.leaves); i++ {
		if err := v.auditBallot(a, ballots, i, weights); err != nil {
			return Ballots{}, fmt.Errorf("%s: record %d: %w", FileBallots, i, err)
		}
	}
	return ballots, nil
}

func eligibleWeights(a *Audit, drawID string) map[ID]uint16 {
	if a.Eligible == nil {
		return nil
	}
	weights := make(map[ID]uint16, len(a.Eligible))
	for _, e := range a.Eligible {
		weights[PID(a.K, drawID, e.PersonID)] = e.Weight
	}
	return weights
}

func (v *verifier) auditBallot(a *Audit, ballots Ballots, i int, weights map[ID]uint16) error {
	leaf, err := ParseLeaf(v.leaves[i*LeafSize:][:LeafSize])
	if err != nil {
		return err
	}
	salt, ballot := ballots.Leaf(i)
	if c := BallotCommit(salt, ballot); c != leaf.Commit {
		return fmt.Errorf("gives the commitment %s, leaf %d has %s", c, i, leaf.Commit)
	}
	person, err := BallotPerson(ballot)
	if err != nil {
		return err
	}
	if pid := PID(a.K, v.manifest.DrawID, person); pid != leaf.PID {
		return fmt.Errorf("its person has pid %s, leaf %d has %s", pid, i, leaf.PID)
	}
	if weights == nil {
		return nil
	}
	weight, ok := weights[leaf.PID]
	if !ok {
		return fmt.Errorf("pid %s is not of the eligible", leaf.PID)
	}
	if weight != leaf.Weight {
		return fmt.Errorf("leaf %d has weight %d, the list %d", i, leaf.Weight, weight)
	}
	return nil
}

// auditOutcome recomputes the outcome_root and the count of those who were assigned.
func (v *verifier) auditOutcome(a *Audit) ([]Outcome, error) {
	file, err := v.auditFile(a, FileOutcome)
	if err != nil {
		return nil, err
	}
	outcomes, err := ParseOutcomes(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FileOutcome, err)
	}
	root, err := OutcomeRoot(a.K, v.order, outcomes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FileOutcome, err)
	}
	if v.claims == nil || v.claims.OutcomeRoot != root {
		return nil, fmt.Errorf("%s: gives outcome_root %s, claims.json has another or none", FileOutcome, root)
	}
	for i, o := range outcomes {
		if (o.Choice == 0) != (o.Slot == 0) || o.Slot == 0 && o.Second != 0 {
			return nil, fmt.Errorf("%s: rank %d: choice %d, slot %d, second %d do not go together", FileOutcome, i+1, o.Choice, o.Slot, o.Second)
		}
	}
	assigned := *Count(v.order, outcomes).Assigned
	if c := v.claims.Counts; c != nil && c.Assigned != nil && *c.Assigned != assigned {
		return nil, fmt.Errorf("claims.json: counts: assigned: %d, %s gives %d", *c.Assigned, FileOutcome, assigned)
	}
	return outcomes, nil
}

func (v *verifier) auditAllocation(a *Audit, ballots Ballots, outcomes []Outcome) {
	const part = "allocation"
	want, cutoffs, err := a.Allocate(v.supply, v.order, ballots)
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	if len(want) != len(outcomes) {
		v.report.fails(part, "%d outcomes recomputed, %s has %d", len(want), FileOutcome, len(outcomes))
		return
	}
	for i := range want {
		if want[i] != outcomes[i] {
			v.report.fails(part, "%s: rank %d (byte %d): %+v, recomputed %+v", FileOutcome, i+1, i*OutcomeSize, outcomes[i], want[i])
			return
		}
	}
	if !v.cutoffsHold || !slices.Equal(v.cutoffs, cutoffs) {
		v.report.fails(part, "%s: %s", FileCutOffs, firstDifference(v.cutoffs, cutoffs))
		return
	}
	v.report.holds(part, "%d tickets, %d cut-offs", len(want), len(cutoffs))
}

func firstDifference(have, want []PublicCutOff) string {
	for i := range min(len(have), len(want)) {
		if have[i] != want[i] {
			return fmt.Sprintf("cutoffs[%d]: %+v, recomputed %+v", i, have[i], want[i])
		}
	}
	return fmt.Sprintf("%d cut-offs, recomputed %d", len(have), len(want))
}
