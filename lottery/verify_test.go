package lottery

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// failures lists the parts that fail, with what is said of them.
func failures(r Report) string {
	var b strings.Builder
	for _, p := range r.Parts {
		if p.State == Fails {
			b.WriteString(p.Name + ": " + p.Detail + "\n")
		}
	}
	return b.String()
}

// TestMadeDrawsVerify: whole and minimal bundles of many draws hold, with every receipt.
func TestMadeDrawsVerify(t *testing.T) {
	for seed := range uint64(60) {
		d := makeDraw(t, seed, 30, seed%2 == 0)
		public, auditor, receipts := d.files(t)
		fsys := folder(public)
		for _, receipt := range receipts {
			r := Verify(fsys, VerifyOptions{Receipt: receipt, Beacon: testBeacon, OperatorKey: d.m.OperatorKey})
			if !r.OK(false) {
				t.Fatalf("seed %d: %s\n%s", seed, failures(r), receipt)
			}
		}
		if !d.full {
			continue
		}
		var eligible []Eligible
		for i, p := range d.people {
			eligible = append(eligible, Eligible{p, d.leaves[i].Weight})
		}
		audit := &Audit{
			Folder: folder(auditor), K: d.k, Eligible: append(eligible, Eligible{"left-out", 1}),
			Allocate: func([]byte, []Entity, Ballots) ([]Outcome, []PublicCutOff, error) { return d.outcomes, d.cutoffs, nil },
		}
		r := Verify(fsys, VerifyOptions{Receipt: receipts[len(receipts)-1], Beacon: testBeacon, Audit: audit})
		if strict := len(receipts) > 1; r.OK(strict) != true {
			t.Fatalf("seed %d: strict: %+v", seed, r)
		}
	}
}

// TestFrozen is what a witness checks before she cosigns.
func TestFrozen(t *testing.T) {
	d := makeDraw(t, 4, 20, true)
	all, _, _ := d.files(t)
	public := map[string][]byte{}
	for _, name := range []string{FileManifest, FileSupply, FileLeaves, FileCheckpoint, FileExcluded} {
		public[name] = all[name]
	}
	r := Verify(folder(public), VerifyOptions{Frozen: true})
	if !r.OK(true) {
		t.Errorf("%+v", r)
	}
	at := bytes.Index(public[FileCheckpoint], []byte("\n— witness"))
	public[FileCheckpoint] = public[FileCheckpoint][:at+1]
	r = Verify(folder(public), VerifyOptions{Frozen: true})
	if !r.OK(false) || r.Find("witnesses").State != Absent {
		t.Errorf("not yet cosigned: %+v", r)
	}
	delete(public, FileCheckpoint)
	if r := Verify(folder(public), VerifyOptions{Frozen: true}); r.Find("checkpoint").State != Fails {
		t.Errorf("without checkpoint: %+v", r)
	}
}

// TestNothingThere: an empty folder fails in every part that a bundle must have, and panics nowhere.
func TestNothingThere(t *testing.T) {
	r := Verify(folder(nil), VerifyOptions{Receipt: []byte("{}"), Audit: &Audit{Folder: folder(nil)}})
	for _, part := range []string{"manifest", "leaves", "root", "sources", "seed", "order", "ballots", "outcome", "allocation", "receipt"} {
		if p := r.Find(part); p.State != Fails || p.Detail == "" {
			t.Errorf("%+v", p)
		}
	}
	if (Report{}).OK(false) {
		t.Error("a report without parts is OK")
	}
	if p := r.Find("no such part"); p.State != "" {
		t.Errorf("%+v", p)
	}
}

// TestReportJSON holds the form that others read.
func TestReportJSON(t *testing.T) {
	r := Report{DrawID: "d", Sample: true}
	r.holds("manifest", "")
	r.fails("leaves", "leaf %d", 3)
	got := string(must(json.Marshal(r))(t))
	want := `{"draw_id":"d","sample":true,"parts":[{"name":"manifest","state":"holds"},{"name":"leaves","state":"fails","detail":"leaf 3"}]}`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
