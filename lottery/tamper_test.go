package lottery

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// python runs docs/verify.py over many folders in one process.
type python struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
	dir string
	has map[string][]byte // what lies in dir
	n   int
}

func startPython(t testing.TB) *python {
	t.Helper()
	script := must(filepath.Abs("../docs/verify.py"))(t)
	cmd := exec.Command("python3", "-B", "testdata/batch.py", script)
	in := must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("python3 is needed for docs/verify.py: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("python3: %v\n%s", err, stderr.String())
		}
	})
	dir := t.TempDir()
	writeFolder(t, filepath.Join(dir, "bundle"), nil)
	return &python{t: t, in: in, out: bufio.NewScanner(out), dir: dir, has: map[string][]byte{}}
}

// verify says whether verify.py accepts, and what it says if not.
func (p *python) verify(files map[string][]byte, receipt []byte) (bool, string) {
	p.t.Helper()
	p.n++
	want := map[string][]byte{}
	for name, content := range files {
		want[filepath.Join(p.dir, "bundle", name)] = content
	}
	path := ""
	if receipt != nil {
		path = filepath.Join(p.dir, "receipt.json")
		want[path] = receipt
	}
	p.lay(want)
	if _, err := fmt.Fprintf(p.in, "%s\t%s\n", filepath.Join(p.dir, "bundle"), path); err != nil {
		p.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("python3 ended: %v", p.out.Err())
	}
	verdict, reason, _ := strings.Cut(p.out.Text(), " ")
	return verdict == "1", reason
}

// lay writes what differs from the bundle before.
func (p *python) lay(want map[string][]byte) {
	p.t.Helper()
	for path := range p.has {
		if _, keep := want[path]; !keep {
			if err := os.Remove(path); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	for path, content := range want {
		if old, there := p.has[path]; there && bytes.Equal(old, content) {
			continue
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	p.has = want
}

// onSignature: what failed is a signature, or stands in what only a signature covers; Python says of it "not checked here".
func onSignature(r Report) bool {
	for _, p := range r.Parts {
		if p.State != Fails {
			continue
		}
		switch {
		case p.Name == "witnesses":
		case p.Name == "checkpoint" && (strings.Contains(p.Detail, "not signed by") || strings.Contains(p.Detail, "line ")):
		case strings.HasPrefix(p.Name, "source") && (strings.Contains(p.Detail, "note: ") || strings.Contains(p.Detail, "quicknet's signature")):
		case p.Name == "seed" && p.Detail == "not checked: a source fails":
		case strings.HasPrefix(p.Detail, "not checked: "):
		case p.Name == "order" && strings.HasSuffix(p.Detail, "not checked: the seed fails"):
		case p.Name == "receipt" && (strings.Contains(p.Detail, "save") || strings.Contains(p.Detail, "signature")):
		default:
			return false
		}
	}
	return true
}

// judge runs both verifiers and fails the test where they differ in more than a signature.
func (p *python) judge(name string, files map[string][]byte, receipt []byte) Report {
	p.t.Helper()
	r := Verify(folder(files), VerifyOptions{Receipt: receipt, Beacon: testBeacon})
	ok, reason := p.verify(files, receipt)
	switch {
	case r.OK(false) && !ok:
		p.t.Errorf("%s: Go accepts, Python says %s", name, reason)
	case !r.OK(false) && ok && !onSignature(r):
		p.t.Errorf("%s: Python accepts, Go says\n%s", name, failures(r))
	}
	return r
}

// node is a JSON value that keeps order and doubled keys.
type node struct {
	keys   []string
	values []*node // of an object or a list
	leaf   any
	kind   byte // '{', '[' or 0
}

func parseNode(t testing.TB, file []byte) *node {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(file))
	d.UseNumber()
	var read func() *node
	read = func() *node {
		token := must(d.Token())(t)
		delim, ok := token.(json.Delim)
		if !ok {
			return &node{leaf: token}
		}
		n := &node{kind: byte(delim)}
		for d.More() {
			if n.kind == '{' {
				n.keys = append(n.keys, must(d.Token())(t).(string))
			}
			n.values = append(n.values, read())
		}
		must(d.Token())(t)
		return n
	}
	return read()
}

func (n *node) write(b *bytes.Buffer) {
	if n.kind == 0 {
		text, err := json.Marshal(n.leaf)
		if err != nil {
			panic(err)
		}
		b.Write(text)
		return
	}
	b.WriteByte(n.kind)
	for i, v := range n.values {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.kind == '{' {
			fmt.Fprintf(b, "%q:", n.keys[i])
		}
		v.write(b)
	}
	b.WriteByte(n.kind + 2)
}

func (n *node) bytes() []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

// tampered calls yield with every small change of a JSON file: each value changed in several ways, each key and element
// dropped, doubled, renamed, swapped with the next.
func tampered(t testing.TB, file []byte, yield func(what string, file []byte)) {
	t.Helper()
	root := parseNode(t, file)
	untouched := root.bytes()
	try := func(what string) {
		if b := root.bytes(); !bytes.Equal(b, untouched) {
			yield(what, b)
		}
	}
	var walk func(path string, n *node)
	walk = func(path string, n *node) {
		if n.kind == 0 {
			old := n.leaf
			for what, changed := range changes(old) {
				n.leaf = changed
				try(path + " " + what)
			}
			n.leaf = old
			return
		}
		for i := range n.values {
			at := fmt.Sprintf("%s[%d]", path, i)
			if n.kind == '{' {
				at = path + "." + n.keys[i]
			}
			walk(at, n.values[i])
			tamperChild(n, i, func(what string) { try(at + " " + what) })
		}
	}
	walk("", root)
}

func changes(leaf any) map[string]any {
	switch v := leaf.(type) {
	case string:
		out := map[string]any{"longer": v + "0", "a number": json.Number("7"), "null": nil, "a list": []any{v}}
		if v != "" {
			last := byte('0')
			if v[len(v)-1] == '0' {
				last = '1'
			}
			out["changed"] = v[:len(v)-1] + string(last)
			out["shorter"] = v[:len(v)-1]
			out["empty"] = ""
			if upper := strings.ToUpper(v); upper != v {
				out["upper case"] = upper
			}
			out["spaced"] = " " + v
		}
		return out
	case json.Number:
		return map[string]any{
			"plus one": json.Number(fmt.Sprint(must64(v) + 1)), "a text": v.String(), "with a point": json.Number(v.String() + ".0"),
			"with an exponent": json.Number(v.String() + "e0"), "negative": json.Number("-" + v.String()), "true": true,
			"huge": json.Number("18446744073709551616"),
		}
	case bool:
		return map[string]any{"turned": !v, "a number": json.Number("1"), "a text": fmt.Sprint(v)}
	}
	return map[string]any{"zero": json.Number("0")}
}

func must64(n json.Number) int64 {
	v, err := n.Int64()
	if err != nil {
		panic(err)
	}
	return v
}

func tamperChild(n *node, i int, yield func(string)) {
	keys, values := n.keys, n.values
	restore := func() { n.keys, n.values = keys, values }
	with := func(what string, k []string, v []*node) {
		n.keys, n.values = k, v
		yield(what)
		restore()
	}
	drop := slices.Delete(slices.Clone(values), i, i+1)
	double := slices.Insert(slices.Clone(values), i, values[i])
	if n.kind == '[' {
		with("dropped", nil, drop)
		with("doubled", nil, double)
		if i+1 < len(values) {
			swapped := slices.Clone(values)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			with("swapped with the next", nil, swapped)
		}
		return
	}
	with("dropped", slices.Delete(slices.Clone(keys), i, i+1), drop)
	with("doubled", slices.Insert(slices.Clone(keys), i, keys[i]), double)
	with("doubled in capitals", slices.Insert(slices.Clone(keys), i, strings.ToUpper(keys[i])), double)
	renamed := slices.Clone(keys)
	renamed[i] = strings.ToUpper(keys[i])
	with("renamed", renamed, values)
	if i+1 < len(values) {
		swapped := slices.Clone(values)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		with("swapped with the next", keys, swapped)
	}
}

// tamperedBytes changes a binary file: bits, lengths, records.
func tamperedBytes(file []byte, record int, yield func(what string, file []byte)) {
	for at := 0; at < len(file); at += max(1, len(file)/40) {
		b := bytes.Clone(file)
		b[at] ^= 1 << (at % 8)
		yield(fmt.Sprintf("byte %d", at), b)
	}
	yield("emptied", []byte{})
	if len(file) > 0 {
		yield("one byte less", file[:len(file)-1])
	}
	yield("one byte more", append(bytes.Clone(file), 0))
	for at := 0; at+record <= len(file); at += record {
		yield(fmt.Sprintf("record %d dropped", at/record), slices.Delete(bytes.Clone(file), at, at+record))
		yield(fmt.Sprintf("record %d doubled", at/record), slices.Insert(bytes.Clone(file), at, file[at:at+record]...))
		if at+2*record <= len(file) {
			b := bytes.Clone(file)
			copy(b[at:], file[at+record:at+2*record])
			copy(b[at+record:], file[at:at+record])
			yield(fmt.Sprintf("record %d swapped with the next", at/record), b)
		}
	}
}

// harmless: a change that takes something optional away, or touches what nobody reads; a strict check sees most of them.
func harmless(file, what string) bool {
	if strings.HasSuffix(what, " dropped") || strings.HasSuffix(what, " renamed") {
		key := strings.TrimSuffix(strings.TrimSuffix(what, " dropped"), " renamed")
		switch file {
		case FileClaims:
			return slices.Contains([]string{
				".counts", ".counts.ballots", ".counts.entities", ".counts.parties", ".counts.assigned",
				".cutoffs", ".excluded", ".outcome_root", ".sample",
			}, key)
		case FileEntropy:
			return strings.HasSuffix(key, ".note") || strings.HasSuffix(key, ".envelope")
		case "receipt":
			return slices.Contains([]string{
				".cutoffs", ".cutoffs[0]", ".result", ".save", ".sample", ".result.slot_id", ".result.second_id", ".save.proof",
			}, key)
		}
		return file == FileCheckpoint && what == " dropped"
	}
	switch file {
	case FileClaims: // read by auditors only, or it says "sample" no more
		return strings.HasPrefix(what, ".counts.assigned ") && !strings.Contains(what, "doubled") ||
			what == ".sample turned" || what == ".counts.assigned swapped with the next"
	case FileEntropy: // an envelope that is not the right one stays one
		return strings.HasSuffix(what, ".envelope changed") || strings.HasSuffix(what, ".envelope empty") ||
			strings.HasSuffix(what, ".note empty")
	case "receipt":
		return what == ".sample turned"
	}
	return false
}

// TestTampered changes every field of every file of whole bundles and runs both verifiers: nothing wrong passes, and they
// agree on all but signatures.
func TestTampered(t *testing.T) {
	p := startPython(t)
	d, public, receipts := drawWithAllSources(t)
	receipt := receipts[len(receipts)-1]
	if r := p.judge("untouched", public, receipt); !r.OK(false) {
		t.Fatalf("%s", failures(r))
	}
	try := func(file string) func(what string, content []byte) {
		return func(what string, content []byte) {
			files, receipt := public, receipt
			if file == "receipt" {
				if bytes.Equal(content, receipt) {
					return
				}
				receipt = content
			} else {
				files = map[string][]byte{}
				for name, old := range public {
					files[name] = old
				}
				if bytes.Equal(content, files[file]) {
					return
				}
				if files[file] = content; content == nil {
					delete(files, file)
				}
			}
			r := p.judge(file+what, files, receipt)
			if r.OK(false) && !harmless(file, what) {
				t.Errorf("%s%s: accepted", file, what)
			}
		}
	}
	for name := range public {
		try(name)(" dropped", nil)
	}
	for _, name := range []string{FileManifest, FileSupply, FileEntropy, FileClaims, FileCutOffs, FileExcluded} {
		tampered(t, public[name], try(name))
	}
	tampered(t, receipt, try("receipt"))
	tamperedBytes(public[FileLeaves], LeafSize, try(FileLeaves))
	tamperedBytes(public[FileOrder], 16, try(FileOrder))
	tamperedBytes(public[FileCheckpoint], len(public[FileCheckpoint])+1, try(FileCheckpoint))
	for index := range d.public {
		tamperedBytes(public[FilePublic(index)], 5, try(FilePublic(index)))
	}
	if p.n < 1000 {
		t.Errorf("only %d bundles were tried", p.n)
	}
}

// drawWithAllSources is a whole draw with parties and every type of source, trustees present with and without a note, and
// absent with and without an envelope.
func drawWithAllSources(t testing.TB) (*made, map[string][]byte, [][]byte) {
	t.Helper()
	d := makeDraw(t, 2, 1, true)
	d.m.Sources, d.revealed, d.public, d.trustees = nil, nil, map[uint16][]byte{}, map[uint16]Key{}
	d.m.MaxWeight = 5
	d.leaves, d.people, d.salts, d.ballots = nil, nil, nil, nil
	d.addPeople(9)
	for i := range d.leaves {
		d.leaves[i].GID = ID{}
	}
	d.join(0, 3)
	d.join(5, 2)
	wanted := []func(Source, Revealed) bool{
		func(s Source, _ Revealed) bool { return s.Key != "" },
		func(_ Source, r Revealed) bool { return !r.Present && r.Envelope == nil },
		func(s Source, r Revealed) bool { return r.Present && s.Key == "" },
		func(_ Source, r Revealed) bool { return r.Envelope != nil },
		func(s Source, _ Revealed) bool { return s.Key != "" },
	}
	for _, like := range wanted {
		for n := len(d.m.Sources); ; {
			d.addSource(t, SourceTrustee)
			if like(d.m.Sources[n], d.revealed[n]) {
				break
			}
			delete(d.trustees, d.m.Sources[n].Index)
			d.m.Sources, d.revealed = d.m.Sources[:n], d.revealed[:n]
		}
	}
	d.addSource(t, SourceDice)
	d.addSource(t, SourcePublic)
	d.addSource(t, SourceDrand)
	public, _, receipts := d.files(t)
	return d, public, receipts
}

// TestForeignStyle: what verify.py and Go make of the bundles of many draws, whole and minimal.
func TestForeignStyle(t *testing.T) {
	p := startPython(t)
	for seed := range uint64(200) {
		d := makeDraw(t, 1000+seed, 12, seed%3 == 0)
		public, _, receipts := d.files(t)
		receipt := receipts[len(receipts)-1] // nil in a draw without ballots
		if r := p.judge(fmt.Sprint("seed ", seed), public, receipt); !r.OK(false) {
			t.Errorf("seed %d: %s", seed, failures(r))
		}
	}
}
