package lottery

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// audited is a draw with what its auditors hold, ready to be tampered with.
type audited struct {
	d        *made
	public   map[string][]byte
	auditor  map[string][]byte
	eligible []Eligible
	k        [32]byte
	outcomes []Outcome
	cutoffs  []PublicCutOff
	err      error
}

func auditedDraw(t testing.TB) *audited {
	t.Helper()
	d, _, _ := drawWithAllSources(t)
	a := &audited{d: d, k: d.k}
	a.public, a.auditor, _ = d.files(t)
	for i, p := range d.people {
		a.eligible = append(a.eligible, Eligible{p, d.leaves[i].Weight})
	}
	a.outcomes, a.cutoffs = slices.Clone(d.outcomes), slices.Clone(d.cutoffs)
	return a
}

func (a *audited) verify() Report {
	return Verify(folder(a.public), VerifyOptions{Beacon: testBeacon, Audit: &Audit{
		Folder: folder(a.auditor), K: a.k, Eligible: a.eligible,
		Allocate: func(supply []byte, order []Entity, ballots Ballots) ([]Outcome, []PublicCutOff, error) {
			if string(supply) != a.d.supply || len(order) != len(a.d.order) || ballots.Len() != len(a.d.people) {
				return nil, nil, errors.New("the allocation was given something else")
			}
			return a.outcomes, a.cutoffs, a.err
		},
	}})
}

// TestAudit: each thing that only auditors can see is found by the part that it belongs to.
func TestAudit(t *testing.T) {
	if r := auditedDraw(t).verify(); !r.OK(false) || r.Find("allocation").State != Holds {
		t.Fatalf("%+v", r)
	}
	for _, c := range []struct {
		name, part, says string
		change           func(*audited)
	}{
		{"another K_draw", "ballots", "k_commit", func(a *audited) { a.k[0]++ }},
		{"no ballots.bin", "ballots", "cannot be read", func(a *audited) { delete(a.auditor, FileBallots) }},
		{"half a record", "ballots", "too few", func(a *audited) { a.auditor[FileBallots] = append(a.auditor[FileBallots], 0) }},
		{"a length beyond the end", "ballots", "goes beyond", func(a *audited) { a.auditor[FileBallots][32] = 1 }},
		{"a ballot more", "ballots", "10 records for 9", func(a *audited) {
			a.auditor[FileBallots] = AppendBallot(a.auditor[FileBallots], [32]byte{}, []byte("{}"))
		}},
		{"another salt", "ballots", "record 1: gives the commitment", func(a *audited) { a.auditor[FileBallots][0]++ }},
		{"another ballot", "ballots", "record 1: gives the commitment", func(a *audited) { a.auditor[FileBallots][40]++ }},
		{"not on the list", "ballots", "is not of the eligible", func(a *audited) { a.eligible = a.eligible[1:] }},
		{"another weight", "ballots", "the list", func(a *audited) { a.eligible[3].Weight += 7 }},
		{"no outcome.bin", "outcome", "cannot be read", func(a *audited) { delete(a.auditor, FileOutcome) }},
		{"half an outcome", "outcome", "whole number", func(a *audited) { a.auditor[FileOutcome] = a.auditor[FileOutcome][1:] }},
		{"an outcome less", "outcome", "outcomes for", func(a *audited) { a.auditor[FileOutcome] = a.auditor[FileOutcome][OutcomeSize:] }},
		{"another slot", "outcome", "outcome_root", func(a *audited) { a.auditor[FileOutcome][4]++ }},
		{"another allocation", "allocation", "rank 3 (byte 18)", func(a *audited) { a.outcomes[2].Choice++ }},
		{"fewer outcomes", "allocation", "5 outcomes recomputed", func(a *audited) { a.outcomes = a.outcomes[:5] }},
		{"another cut-off", "allocation", "cutoffs[1]", func(a *audited) { a.cutoffs[1].Rank++ }},
		{"a cut-off less", "allocation", "2 cut-offs, recomputed 1", func(a *audited) { a.cutoffs = a.cutoffs[:1] }},
		{"an allocation that fails", "allocation", "no supply", func(a *audited) { a.err = errors.New("no supply") }},
		{"no cut-offs", "allocation", "", func(a *audited) { a.public[FileCutOffs] = []byte("{}") }},
		{"assigned miscounted", "outcome", "assigned: 1,", func(a *audited) { a.claim(`"assigned":`, `"assigned":1,"was":`) }},
		{"assigned no number", "outcome", "assigned: ", func(a *audited) { a.claim(`"assigned":`, `"assigned":"x","was":`) }},
		{"no outcome_root", "outcome", "another or none", func(a *audited) { a.claim(`"outcome_root"`, `"root_of_outcome"`) }},
	} {
		a := auditedDraw(t)
		c.change(a)
		r := a.verify()
		if p := r.Find(c.part); p.State != Fails || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	a := auditedDraw(t)
	a.eligible = nil
	if p := a.verify().Find("ballots"); p.State != Absent {
		t.Errorf("without a list: %+v", p)
	}
	r := Verify(folder(a.public), VerifyOptions{Audit: &Audit{Folder: folder(a.auditor), K: a.k}})
	if p := r.Find("allocation"); p.State != Absent {
		t.Errorf("without an allocator: %+v", p)
	}
}

func (a *audited) claim(old, replacement string) {
	a.public[FileClaims] = bytes.Replace(a.public[FileClaims], []byte(old), []byte(replacement), 1)
}

// TestAuditRules: auditors' files that are consistent in themselves and break a rule.
func TestAuditRules(t *testing.T) {
	build := func(change func(*made)) Report {
		d, _, _ := drawWithAllSources(t)
		change(d)
		a := &audited{d: d, k: d.k}
		a.public, a.auditor, _ = d.files(t)
		for i, p := range d.people {
			a.eligible = append(a.eligible, Eligible{p, d.leaves[i].Weight})
		}
		a.outcomes, a.cutoffs = d.outcomes, d.cutoffs
		return a.verify()
	}
	stuff := func(ballot string) func(*made) {
		return func(d *made) {
			d.ballots[4] = []byte(ballot)
			d.leaves[4].Commit = BallotCommit(d.salts[4], d.ballots[4])
		}
	}
	for name, c := range map[string]struct {
		says   string
		change func(*made)
	}{
		"a ballot of another person": {"its person has pid", stuff(`{"person":"p-0000"}`)},
		"a ballot without a person":  {"a text is needed", stuff(`{"who":"p-0004"}`)},
		"a ballot that is no JSON":   {"ballot: ", stuff(`p-0004`)},
		"a person id with a letter":  {"is not ASCII", stuff(`{"person":"é"}`)},
		"an empty person id":         {"is empty", stuff(`{"person":""}`)},
	} {
		if p := build(c.change).Find("ballots"); p.State != Fails || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	a := auditedDraw(t)
	a.public[FileManifest] = bytes.Replace(a.public[FileManifest], []byte(`"k_commit"`), []byte(`"k_commitment"`), 1)
	if p := a.verify().Find("ballots"); p.State != Fails {
		t.Errorf("no k_commit: %+v", p)
	}
	for name, o := range map[string]Outcome{
		"a choice without a slot": {Choice: 1}, "a slot without a choice": {Slot: 1}, "a second without a first": {Second: 1},
	} {
		d, _, _ := drawWithAllSources(t)
		a := &audited{d: d, k: d.k}
		a.public, a.auditor, _ = d.files(t)
		outcomes := slices.Clone(d.outcomes)
		outcomes[5] = o
		a.auditor[FileOutcome] = OutcomeBytes(outcomes)
		root := must(OutcomeRoot(d.k, d.order, outcomes))(t)
		old := must(OutcomeRoot(d.k, d.order, d.outcomes))(t)
		a.claim(old.String(), root.String())
		if p := a.verify().Find("outcome"); p.State != Fails || !strings.Contains(p.Detail, "rank 6") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestOutcomes: outcome.bin comes back, and the salt of a result depends on draw key and id alone.
func TestOutcomes(t *testing.T) {
	outcomes := []Outcome{{}, {1, 2, 3}, {255, 1<<32 - 1, 1 << 31}}
	if got := must(ParseOutcomes(OutcomeBytes(outcomes)))(t); !slices.Equal(got, outcomes) {
		t.Errorf("%v comes back as %v", outcomes, got)
	}
	seen := map[[32]byte]bool{}
	for _, k := range [][32]byte{{}, {1}} {
		for _, id := range []ID{{}, {1}} {
			seen[ResultSalt(k, id)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d different salts, want 4", len(seen))
	}
	if _, err := NewProver(benchLeavesOf(2), nil, [32]byte{}, outcomes, false, 1); err == nil {
		t.Error("outcomes of other entities are proved")
	}
}

func benchLeavesOf(n int) []byte {
	first := FirstLeaf(Hash{}, Hash{})
	out := first[:]
	for i := range n {
		b := Leaf{PID: ID{byte(i + 1)}, Weight: 1}.Bytes()
		out = append(out, b[:]...)
	}
	return out
}

// TestProver refuses what it cannot prove.
func TestProver(t *testing.T) {
	leaves := benchLeavesOf(3)
	p := must(NewProver(leaves, must(Order(leaves, Hash{}))(t), [32]byte{}, nil, true, 1))(t)
	for _, index := range []int{-1, 0, 4} {
		if _, err := p.Proof(index, [32]byte{}, nil); err == nil {
			t.Errorf("leaf %d is proved", index)
		}
	}
	if _, err := p.Proof(1, [32]byte{}, []byte("another ballot")); err == nil {
		t.Error("another ballot is proved")
	}
}
