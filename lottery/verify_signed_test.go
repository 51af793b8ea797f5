package lottery

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestWrongCheckpoints: checkpoints that the operator and the witnesses signed, and that are not of this draw, are refused by
// both verifiers.
func TestWrongCheckpoints(t *testing.T) {
	p := startPython(t)
	d, public, receipts := drawWithAllSources(t)
	right := must(ParseCheckpoint(public[FileCheckpoint]))(t)
	for says, change := range map[string]func(*Checkpoint){
		"":                                      func(*Checkpoint) {},
		"origin \"gov.example/slotdraw/other\"": func(c *Checkpoint) { c.Origin = "gov.example/slotdraw/other" },
		"origin \"other/slotdraw/test-2\"":      func(c *Checkpoint) { c.Origin = "other/slotdraw/test-2" },
		"line 2: size 11":                       func(c *Checkpoint) { c.Size++ },
		"line 3: root":                          func(c *Checkpoint) { c.Root[0]++ },
		"it carries excluded":                   func(c *Checkpoint) { c.Excluded[0]++ },
	} {
		c := right
		change(&c)
		signed := must(c.Sign(d.operator))(t)
		for _, w := range d.witness {
			signed = must(Cosign(signed, w, time.Unix(1626426000, 0)))(t)
		}
		public[FileCheckpoint] = signed
		said := failures(Verify(folder(public), VerifyOptions{Receipt: receipts[1], Beacon: testBeacon}))
		if ok, reason := p.verify(public, receipts[1]); ok != (says == "") {
			t.Errorf("%q: Python says %v %s", says, ok, reason)
		}
		if (said == "") != (says == "") || !strings.Contains(said, says) {
			t.Errorf("Go says %q, not %q", said, says)
		}
	}
	delete(public, FileExcluded)
	if r := Verify(folder(public), VerifyOptions{}); !strings.Contains(failures(r), "which is missing") {
		t.Errorf("without excluded.json: %s", failures(r))
	}
}

// TestWithoutKeys: a manifest that names no keys leaves the signatures absent; a key from elsewhere checks them.
func TestWithoutKeys(t *testing.T) {
	d, _, _ := drawWithAllSources(t)
	key := d.m.OperatorKey
	d.m.OperatorKey, d.m.Witnesses, d.m.MinWitnesses, d.m.Authority = "", nil, 0, ""
	public, _, receipts := d.files(t)
	r := Verify(folder(public), VerifyOptions{Receipt: receipts[1], Beacon: testBeacon})
	if !r.OK(false) || r.Find("checkpoint").State != Absent || r.Find("witnesses").State != Absent {
		t.Errorf("%+v", r)
	}
	r = Verify(folder(public), VerifyOptions{Receipt: receipts[1], Beacon: testBeacon, OperatorKey: key})
	if r.Find("checkpoint").State != Holds {
		t.Errorf("under the right key: %+v", r.Find("checkpoint"))
	}
	if r := Verify(folder(public), VerifyOptions{OperatorKey: testKey(t, "x", false, 77).Public()}); r.Find("checkpoint").State != Fails {
		t.Errorf("under another's key: %+v", r.Find("checkpoint"))
	}
	d.m.OperatorKey = unreadable
	public, _, _ = d.files(t)
	if r := Verify(folder(public), VerifyOptions{}); r.Find("checkpoint").State != Fails {
		t.Errorf("under an unreadable key: %+v", r.Find("checkpoint"))
	}
}

// TestSlotNames: the names of the slots in a receipt are those of the supply.
func TestSlotNames(t *testing.T) {
	p := startPython(t)
	d, public, receipts := drawWithAllSources(t)
	for _, receipt := range receipts[1:] {
		proof := must(ParseProof(receipt))(t)
		for name, change := range map[string]func(r *ResultProof){
			"another slot": func(r *ResultProof) { r.SlotID = map[bool]string{true: "b", false: "a"}[r.SlotID == "a"] },
			"a second":     func(r *ResultProof) { r.SecondID += "b" },
			"no such slot": func(r *ResultProof) { r.SlotID = "z" },
			"another":      func(r *ResultProof) { r.Slot++ },
			"beyond":       func(r *ResultProof) { r.Slot, r.SlotID = 4, "a" },
		} {
			forged, result := proof, *proof.Result
			change(&result)
			forged.Result = &result
			if r := p.judge(name, public, must(forged.Marshal())(t)); r.Find("receipt").State != Fails {
				t.Errorf("%s: accepted in %s", name, d.m.DrawID)
			}
		}
	}
	for _, supply := range []string{`{}`, `[]`, `{"slots":[1]}`, `{"slots":[]}`, `{"slots":[{"id":1},{"id":2},{"id":3}]}`} {
		d.supply = supply
		public, _, receipts := d.files(t)
		for i, receipt := range receipts[1:] {
			named := bytes.Contains(receipt, []byte(`"slot_id"`))
			if r := p.judge(supply, public, receipt); (r.Find("receipt").State == Fails) != named {
				t.Errorf("supply %s, receipt %d: %+v", supply, i+1, r.Find("receipt"))
			}
		}
	}
}
