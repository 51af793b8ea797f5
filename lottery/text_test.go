package lottery

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"strings"
	"testing"
)

// TestStrictJSON holds what a file of JSON may look like.
func TestStrictJSON(t *testing.T) {
	for _, good := range []string{
		`{}`, ` {"a" : [1, {"b":null}] } `, `{"a":1,"b":2}`, `{"é":1,"è":2}`, `{"x":1.5e3,"y":-7}`, "{\"a\":\"\\ud800\"}",
		strings.Repeat(`{"a":`, maxDepth-1) + "{}" + strings.Repeat("}", maxDepth-1),
	} {
		if _, err := parseObject("f", []byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		``, ` `, `[]`, `1`, `"a"`, `null`, `{`, `{}{}`, `{} x`, `{"a":1,}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{'a':1}`, `{a:1}`,
		`{"a":NaN}`, `{"a":Infinity}`, "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "\ufeff{}", `{"a":1 "b":2}`,
		`{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"é":1,"É":2}`, `{"k":1,"\u212a":2}`, `{"s":1,"\u017f":2}`,
		`{"ss":1,"ß":2}`, `{"x":{"a":1,"a":2}}`, `{"x":[[{"a":1,"A":1}]]}`, `{"\ud800":1}`,
		strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1),
		strings.Repeat(`{"a":[`, maxDepth) + strings.Repeat("]}", maxDepth),
	} {
		if _, err := parseObject("f", []byte(bad)); err == nil {
			t.Errorf("%q: accepted", bad)
		} else if !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("%q: the error does not name the file: %v", bad, err)
		}
	}
}

// TestPythonReadsTheSame: verify.py accepts and refuses the same texts as values of a manifest's unknown key.
func TestPythonReadsTheSame(t *testing.T) {
	p := startPython(t)
	for _, value := range []string{
		`1`, `-1`, `1.5`, `1e9`, `0`, `00`, `-0`, `"a"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\x"`, `[]`, `[1,]`, `{"a":1}`, `{"a":1,"a":1}`,
		`{"a":1,"A":1}`, `{"ss":1,"ß":2}`, `{"k":1,"\u212a":2}`, `{"I":1,"ı":2}`, `null`, `nul`, `NaN`, `-Infinity`, "\"\t\"", "\"\u007f\"",
		`99999999999999999999999`, `1E400`, strings.Repeat("[", 30) + strings.Repeat("]", 30), `"` + strings.Repeat("9", 5000) + `"`,
		strings.Repeat("9", 5000), `{"İ":1,"i̇":2}`, "\v1", "\u00a01", "/**/1", "tru", "True",
	} {
		d := makeDraw(t, 5, 3, false)
		raw := d.rawManifest(t)
		d.manifest = `{"unknown":` + value + `,` + raw[1:]
		files, _, _ := d.files(t)
		p.judge("a manifest with "+value, files, nil)
	}
	if p.n != 36 {
		t.Errorf("%d texts", p.n)
	}
}

// TestFields: what is read is of its type and form, and the first that is not is named by its path.
func TestFields(t *testing.T) {
	o := must(parseObject("f", []byte(`{"t":"x","n":7,"b":true,"h":"0g","l":[1],"o":{"i":-1},"odd":"abc","z":null,"e":"","s":[{"k":[]},3]}`)))(t)
	for says, read := range map[string]func(o object){
		"f: n: a text is needed, there is a number":         func(o object) { o.text("n") },
		"f: missing: a text is needed, there is nothing":    func(o object) { o.text("missing") },
		"f: z: a text is needed, there is null":             func(o object) { o.text("z") },
		"f: t: true or false is needed, there is a text":    func(o object) { o.boolean("t") },
		"f: b: a list is needed, there is true or false":    func(o object) { o.list("b") },
		"f: l: an object is needed, there is a list":        func(o object) { o.object("l") },
		"f: o: a list is needed, there is an object":        func(o object) { o.objects("o") },
		"f: s[1]: an object is needed":                      func(o object) { o.objects("s") },
		"f: l[0]: a text is needed":                         func(o object) { o.hashes("l") },
		"f: missing: is missing":                            func(o object) { o.number("missing", 9) },
		"f: n: 7 is above 6":                                func(o object) { o.number("n", 6) },
		"f: o: i: -1 is not a plain integer":                func(o object) { o.object("o").number("i", 9) },
		"f: h: 2 hex digits where 64 are needed":            func(o object) { o.hash("h") },
		"f: h: 2 hex digits where 32 are needed":            func(o object) { o.id("h") },
		"f: h: character 2 is not a lower-case hex digit":   func(o object) { o.bytes("h") },
		"f: odd: 3 hex digits are no whole number of bytes": func(o object) { o.bytes("odd") },
		"f: e: is empty":                                    func(o object) { o.optionalName("e") },
		"f: s[0]: k: an object is needed, there is a list": func(o object) {
			one := maps.Clone(o.fields)
			one["s"] = one["s"].([]any)[:1]
			object{path: o.path, fields: one, err: o.err}.objects("s")[0].object("k")
		},
	} {
		fresh := object{path: o.path, fields: o.fields, err: new(error)}
		read(fresh)
		if fresh.failure() == nil || fresh.failure().Error() != says {
			t.Errorf("%v, want %s", fresh.failure(), says)
		}
	}
}

func TestHexForms(t *testing.T) {
	h, id := sum(nil), ID{0xab, 1}
	if again := must(ParseHash(h.String()))(t); again != h {
		t.Errorf("%s comes back as %s", h, again)
	}
	if again := must(ParseID(string(must(id.MarshalText())(t))))(t); again != id {
		t.Errorf("%s comes back as %s", id, again)
	}
	if got := string(must(h.MarshalText())(t)); got != h.String() {
		t.Errorf("%s is written as %s", h, got)
	}
	var other Hash
	if err := other.UnmarshalText([]byte(h.String())); err != nil || other != h {
		t.Errorf("%s is read as %s, %v", h, other, err)
	}
	var otherID ID
	if err := otherID.UnmarshalText([]byte(strings.ToUpper(id.String()))); err == nil {
		t.Error("capital hex is read")
	}
	for _, bad := range []string{"", h.String()[1:], h.String() + "0", " " + h.String()[1:], strings.Repeat("g", 64), strings.Repeat("A", 64)} {
		if _, err := ParseHash(bad); err == nil {
			t.Errorf("%q is read as a hash", bad)
		}
	}
}

func TestPersonID(t *testing.T) {
	for id, good := range map[string]bool{"p-1": true, "\x7f": true, "": false, "a\x00": false, "é": false, "\x80": false} {
		if (CheckPersonID(id) == nil) != good {
			t.Errorf("%q: %v", id, CheckPersonID(id))
		}
	}
}

// TestManifestComesBack: what Marshal writes, ParseManifest reads; what it must not write, it refuses.
func TestManifestComesBack(t *testing.T) {
	for seed := range uint64(30) {
		d := makeDraw(t, seed, 3, seed%2 == 0)
		d.m.Rules, d.m.Campaign, d.m.Cohort, d.m.Reserve = Hash{1}, Hash{2}, "born-1962", 12
		file := must(d.m.Marshal())(t)
		again := must(ParseManifest(file))(t)
		if twice := must(again.Marshal())(t); !bytes.Equal(file, twice) {
			t.Fatalf("seed %d:\n%s\n%s", seed, file, twice)
		}
	}
	m := Manifest{DrawID: "d", Stream: Stream, GroupWeight: "min", MaxWeight: 1, Sources: []Source{{Type: SourceTrustee}}}
	if _, err := m.Marshal(); err == nil {
		t.Error("a manifest with a trustee last is written")
	}
	foreign := `{"draw_id":"d","stream":"main","group_weight":"min","max_weight":1,"sources":[{"type":1,"index":0,"commit":"` +
		Hash{}.String() + `","key":7},{"type":3,"digits":1}],"authority":{},"operator_key":"","witnesses":{"a":1},"min_witnesses":"two",` +
		`"rules":[1],"campaign":"x","cohort":5,"reserve":-1,"deadlines":{"opens":3}}`
	got := must(ParseManifest([]byte(foreign)))(t)
	if got.OperatorKey != unreadable || got.Authority != unreadable || len(got.Witnesses) != 1 || got.Sources[0].Key != unreadable || got.Sample {
		t.Errorf("foreign forms: %+v", got)
	}
}

func FuzzParsers(f *testing.F) {
	d := makeDraw(f, 8, 5, true)
	public, auditor, receipts := d.files(f)
	for _, files := range []map[string][]byte{public, auditor} {
		for _, content := range files {
			f.Add(content)
		}
	}
	f.Add(receipts[len(receipts)-1])
	f.Fuzz(func(t *testing.T, file []byte) {
		if m, err := ParseManifest(file); err == nil {
			if again, err := m.Marshal(); err != nil || len(again) == 0 {
				t.Errorf("a manifest that was read cannot be written: %v", err)
			}
		}
		if p, err := ParseProof(file); err == nil {
			if again, err := ParseProof(must(p.Marshal())(t)); err != nil || again.Index != p.Index {
				t.Errorf("a proof does not come back: %v", err)
			}
		}
		if c, err := ParseCheckpoint(file); err == nil && c.Origin != strings.SplitN(string(file), "\n", 2)[0] {
			t.Errorf("origin %q", c.Origin)
		}
		if e, err := ParseEntropy(file); err == nil {
			if again, err := ParseEntropy(must(MarshalEntropy(e))(t)); err != nil || len(again) != len(e) {
				t.Errorf("entropy does not come back: %v", err)
			}
		}
		if b, err := ParseBallots(file); err == nil {
			var again []byte
			for i := 1; i <= b.Len(); i++ {
				salt, ballot := b.Leaf(i)
				again = AppendBallot(again, salt, ballot)
			}
			if !bytes.Equal(again, file) {
				t.Error("ballots do not come back")
			}
		}
		if _, err := ParseClaims(file); err == nil && len(file) < 100 {
			t.Error("claims of less than 100 bytes")
		}
		if r := Verify(folder(map[string][]byte{FileManifest: file, FileLeaves: file}), VerifyOptions{Receipt: file}); r.OK(false) {
			t.Error("half a bundle holds")
		}
	})
}

// TestKeyed holds our HMAC against the standard library's, for messages of any length.
func TestKeyed(t *testing.T) {
	for n := range 300 {
		key := sum([]byte{byte(n)})
		message := bytes.Repeat([]byte{byte(n)}, n)
		mac := hmac.New(sha256.New, key[:])
		mac.Write(message)
		if got := keyed((*[32]byte)(&key), message); !hmac.Equal(got[:], mac.Sum(nil)) {
			t.Errorf("%d bytes: %s", n, got)
		}
		if got, want := D("tag", message, key[:]), sum([]byte("slotdraw/v1/tag\x00"), message, key[:]); got != want {
			t.Errorf("D of %d bytes: %s, want %s", n, got, want)
		}
	}
}
