package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/data/pgtest"
	"jebi/lottery"
)

// demoRecord is what the summary says of a draw.
type demoRecord struct {
	Cohort, Bundle, Auditor, Proof string
	DrawID                         string `json:"draw_id"`
	Sample                         bool
	Person                         string
}

// demoLeft is what a demo has left behind, as anybody looks at it.
type demoLeft struct {
	t    *testing.T
	root string // var/demo
}

func (d demoLeft) path(parts ...string) string {
	return filepath.Join(append([]string{d.root}, parts...)...)
}

// python runs docs/verify.py and says whether it accepts, and what it says.
func (d demoLeft) python(args ...string) (bool, string) {
	d.t.Helper()
	cmd := exec.Command("python3", append([]string{"-B", "docs/verify.py"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		d.t.Fatalf("python3 is needed for docs/verify.py: %v", err)
	}
	return err == nil, string(out)
}

// verify runs jebi draw verify with the operator's key and gives its exit code
// and report.
func (d demoLeft) verify(args ...string) (int, verifyAnswer) {
	d.t.Helper()
	var out, said bytes.Buffer
	args = append([]string{"draw", "verify", "--json", "--key", d.path("operator.pub")}, args...)
	code := run(context.Background(), args, streams{strings.NewReader(""), &out, &said}, func(string) string { return "" })
	var answer verifyAnswer
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		d.t.Fatalf("%v: %v: %s", args, err, said.String())
	}
	return code, answer
}

// not lists the parts of a report that are in a state other than holds.
func not(report lottery.Report) []string {
	parts := []string{}
	for _, p := range report.Parts {
		if p.State != lottery.Holds {
			parts = append(parts, string(p.State)+" "+p.Name)
		}
	}
	return parts
}

// testRecords holds the public record, the auditors' files and the proofs
// against both verifiers.
func (d demoLeft) testRecords(records []demoRecord) {
	t := d.t
	byNature := []string{"absent ballots", "absent outcome", "absent allocation", "absent receipt"}
	for _, r := range records {
		bundle, auditor, proof := d.path(r.Bundle), d.path(r.Auditor), d.path(r.Proof)
		if !r.Sample || !strings.HasSuffix(r.DrawID, r.Cohort) {
			t.Errorf("record %+v", r)
		}
		if ok, said := d.python(bundle, proof); !ok || !strings.Contains(said, "SAMPLE") || !strings.Contains(said, "receipt     holds") {
			t.Errorf("docs/verify.py %s: %s", r.Cohort, said)
		}
		code, answer := d.verify(bundle)
		if diff := cmp.Diff(byNature, not(answer.Report)); code != exitDone || diff != "" || !answer.Sample {
			t.Errorf("%s in public: exit %d, sample %v: %s", r.Cohort, code, answer.Sample, diff)
		}
		if code, _ := d.verify(bundle, "--strict"); code != exitFailed {
			t.Errorf("%s in public, strictly: exit %d, want %d: nobody but an auditor has all", r.Cohort, code, exitFailed)
		}
		for _, args := range [][]string{{auditor}, {bundle, "--audit", auditor}} {
			if code, answer := d.verify(append(args, "--strict", "--receipt", proof)...); code != exitDone {
				t.Errorf("%v: exit %d: %v", args, code, not(answer.Report))
			}
		}
		d.testClosed(auditor)
		d.testSources(r)
	}
	a, b := records[0], records[1]
	for _, x := range [][2]string{{d.path(a.Bundle), d.path(b.Proof)}, {d.path(b.Bundle), d.path(a.Proof)}} {
		if ok, _ := d.python(x[0], x[1]); ok {
			t.Error("docs/verify.py takes a proof of another draw")
		}
		if code, _ := d.verify(x[0], "--receipt", x[1]); code != exitFailed {
			t.Errorf("verify takes a proof of another draw: exit %d", code)
		}
	}
}

// testClosed looks whether anybody else could read an auditor's folder.
func (d demoLeft) testClosed(dir string) {
	d.t.Helper()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		d.t.Errorf("%s: %v, %v, want 0700", dir, info.Mode(), err)
	}
	for _, name := range list(d.t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			d.t.Errorf("%s/%s: %v, %v, want 0600", dir, name, info.Mode(), err)
		}
	}
}

// testSources looks whether a draw was announced and fed as the demo is to
// show: witnesses, an absent trustee, dice last in one cohort and drand's
// round 1000 in the other.
func (d demoLeft) testSources(r demoRecord) {
	t := d.t
	t.Helper()
	var m struct {
		Sample       bool
		KCommit      string `json:"k_commit"`
		Witnesses    []string
		MinWitnesses int `json:"min_witnesses"`
		Sources      []struct {
			Type   int
			Key    string
			Digits int
			Rounds []uint64
		}
	}
	var entropy struct {
		Sources []struct {
			Type      int
			Present   bool
			Value     string
			Signature string
			Note      string
		}
	}
	for name, to := range map[string]any{lottery.FileManifest: &m, lottery.FileEntropy: &entropy} {
		if err := json.Unmarshal(mustRead(t, d.path(r.Bundle, name)), to); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Sample || len(m.KCommit) != 64 || m.MinWitnesses != 2 || len(m.Witnesses) < 2 {
		t.Errorf("%s: manifest %+v", r.Cohort, m)
	}
	checkpoint := string(mustRead(t, d.path(r.Bundle, lottery.FileCheckpoint)))
	for _, w := range m.Witnesses {
		name, _, _ := strings.Cut(w, "+")
		if !strings.Contains(checkpoint, "\n— "+name+" ") {
			t.Errorf("%s: the checkpoint is not cosigned by %s", r.Cohort, name)
		}
	}
	trustees, absent, notes := 0, 0, 0
	for i, s := range entropy.Sources {
		if s.Type != lottery.SourceTrustee {
			continue
		}
		trustees++
		if !s.Present {
			absent++
		}
		if s.Note != "" && m.Sources[i].Key != "" {
			notes++
		}
	}
	last, given := m.Sources[len(m.Sources)-1], entropy.Sources[len(entropy.Sources)-1]
	if trustees != 3 || absent != 1 {
		t.Errorf("%s: %d trustees, %d absent, want 3 and 1", r.Cohort, trustees, absent)
	}
	switch r.Cohort {
	case "1962-66":
		if last.Type != lottery.SourceDice || notes != 0 || len(given.Value) != 2*last.Digits {
			t.Errorf("%s: last source %+v, %+v, %d notes; want dice, none", r.Cohort, last, given, notes)
		}
	case "1969-71":
		const randomness = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
		if last.Type != lottery.SourceDrand || !slices.Equal(last.Rounds, []uint64{1000}) || notes != 2 || !strings.HasSuffix(given.Value, randomness) {
			t.Errorf("%s: last source %+v, %+v, %d notes; want drand, two", r.Cohort, last, given, notes)
		}
	default:
		t.Errorf("cohort %s", r.Cohort)
	}
}

// testBoard looks whether each draw's steps stand on the board in their order.
func (d demoLeft) testBoard(url string) {
	d.t.Helper()
	for cohort, want := range map[string]string{
		"1962-66": "manifest reserve checkpoint cosignature cosignature handed_in absent handed_in dice opened opened draw",
		"1969-71": "manifest reserve checkpoint cosignature cosignature revealed revealed absent contributions beacon draw",
	} {
		got := pgtest.Value[string](d.t, url, `
			SELECT string_agg(CASE kind WHEN 'source' THEN convert_from(body, 'UTF8')::jsonb ->> 'event' ELSE kind END, ' ' ORDER BY b.id)
			  FROM jebi.board b JOIN jebi.cohort c ON c.id = b.cohort_id
			 WHERE c.key = $1 AND kind IN ('manifest', 'reserve', 'checkpoint', 'cosignature', 'source', 'draw')`, cohort)
		if got != want {
			d.t.Errorf("the board of %s: %s, want %s", cohort, got, want)
		}
	}
}

// testChangedProofs changes a proof field by field: neither verifier takes it.
func (d demoLeft) testChangedProofs(r demoRecord) {
	t := d.t
	proof := mustRead(t, d.path(r.Proof))
	changed := filepath.Join(t.TempDir(), "changed.json")
	save := func(o map[string]any) map[string]any { return o["save"].(map[string]any) }
	result := func(o map[string]any) map[string]any { return o["result"].(map[string]any) }
	itself := func(o map[string]any) map[string]any { return o }
	for _, c := range []struct {
		name   string
		of     func(map[string]any) map[string]any
		unseen bool // by docs/verify.py, which knows no signatures
	}{
		{"leaf", itself, false},
		{"index", itself, false},
		{"size", itself, false},
		{"root", itself, false},
		{"salt", itself, false},
		{"ballot", itself, false},
		{"entity", itself, false},
		{"weight", itself, false},
		{"ticket", itself, false},
		{"rank", itself, false},
		{"slot", result, false},
		{"choice", result, false},
		{"salt", result, false},
		{"outcome_root", result, false},
		{"draw_id", save, false},
		{"manifest_hash", save, false},
		{"pid", save, false},
		{"ballot_commit", save, false},
		{"signature", save, true},
		{"revision", save, true},
		{"time", save, true},
		{"index", save, true},
	} {
		var o map[string]any
		decoder := json.NewDecoder(bytes.NewReader(proof))
		decoder.UseNumber()
		if err := decoder.Decode(&o); err != nil {
			t.Fatal(err)
		}
		of := c.of(o)
		switch v := of[c.name].(type) {
		case string:
			of[c.name] = flipped(v)
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				t.Fatal(err)
			}
			of[c.name] = n + 1
		default:
			t.Fatalf("the proof's %s is %v", c.name, v)
		}
		file, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(changed, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, answer := d.verify(d.path(r.Bundle), "--receipt", changed); code != exitFailed || answer.Find("receipt").State != lottery.Fails {
			t.Errorf("%s changed: verify exits with %d: %+v", c.name, code, answer.Find("receipt"))
		}
		if ok, said := d.python(d.path(r.Bundle), changed); ok != c.unseen {
			t.Errorf("%s changed: docs/verify.py: %v, want %v: %s", c.name, ok, c.unseen, said)
		}
	}
	other := filepath.Join(t.TempDir(), "other.pub")
	if err := os.WriteFile(other, bytes.Replace(mustRead(t, d.path("operator.pub")), []byte("gwanak"), []byte("gwonak"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, answer := d.verify(d.path(r.Bundle), "--key", other); code != exitFailed || answer.Find("checkpoint").State != lottery.Fails {
		t.Errorf("another operator's key: exit %d: %+v", code, answer.Find("checkpoint"))
	}
}

// flipped is a text with its last letter changed, hex staying hex.
func flipped(s string) string {
	if s[len(s)-1] == '0' {
		return s[:len(s)-1] + "1"
	}
	return s[:len(s)-1] + "0"
}

// testPage looks whether the page in the folder says what was found.
func (d demoLeft) testPage(records []demoRecord) {
	d.t.Helper()
	page := string(mustRead(d.t, d.path("index.html")))
	for _, r := range records {
		for _, want := range []string{r.DrawID, r.Bundle + "/", r.Auditor + "/", `href="` + r.Proof + `"`} {
			if !strings.Contains(page, want) {
				d.t.Errorf("index.html does not name %s", want)
			}
		}
	}
	if n := strings.Count(page, `<td class="holds">`); n < 30 || strings.Contains(page, `class="fails"`) || !strings.Contains(page, "SAMPLE") {
		d.t.Errorf("index.html: %d parts hold, or one fails, or it is no sample", n)
	}
}

// testPrinted runs the commands that the end of the demo prints.
func (d demoLeft) testPrinted(page string) {
	t := d.t
	ran := 0
	for line := range strings.SplitSeq(page, "\n") {
		args := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "    python3 docs/verify.py "):
			if ok, said := d.python(args[2:]...); !ok {
				t.Errorf("%s: %s", line, said)
			}
		case strings.HasPrefix(line, "    var/bin/jebi draw verify "):
			var out, said bytes.Buffer
			if code := run(context.Background(), args[1:], streams{strings.NewReader(""), &out, &said}, func(string) string { return "" }); code != exitDone {
				t.Errorf("%s: exit %d: %s%s", line, code, out.String(), said.String())
			}
		default:
			continue
		}
		ran++
	}
	if ran != 6 || !strings.Contains(page, "SAMPLE") || strings.Count(page, "holds") < 30 {
		t.Errorf("%d commands to check with, want 6; the page:\n%s", ran, page)
	}
}
