package lottery

import (
	"strings"
	"testing"
)

// broken is a draw that is consistent in itself and breaks one rule; says is what the Go verifier must name.
type broken struct {
	name string
	says string
	with func(t *testing.T, d *made)
}

// brokenRules are the rules of draw.md that a bundle can break while every hash in it is right.
func brokenRules() []broken {
	manifest := func(old, replacement string) func(*testing.T, *made) {
		return func(t *testing.T, d *made) {
			raw := d.rawManifest(t)
			d.manifest = strings.Replace(raw, old, replacement, 1)
			if d.manifest == raw {
				t.Fatalf("%s does not stand in %s", old, raw)
			}
		}
	}
	lastSource := func(kind uint8) func(*testing.T, *made) {
		return func(t *testing.T, d *made) { d.addSource(t, kind) }
	}
	dice := func(change func(d *made, i int)) func(*testing.T, *made) {
		return func(t *testing.T, d *made) {
			d.addSource(t, SourceDice)
			change(d, len(d.m.Sources)-1)
		}
	}
	drand := func(change func(s *Source, r *Revealed)) func(*testing.T, *made) {
		return func(t *testing.T, d *made) {
			d.addSource(t, SourceDrand)
			n := len(d.m.Sources) - 1
			change(&d.m.Sources[n], &d.revealed[n])
		}
	}
	trustee := func(change func(d *made, s *Source, r *Revealed)) func(*testing.T, *made) {
		return func(t *testing.T, d *made) {
			n := 0 // always present
			for d.addSource(t, SourceTrustee); !d.revealed[len(d.revealed)-1].Present; {
				n++
				d.addSource(t, SourceTrustee)
			}
			at := len(d.m.Sources) - 1
			change(d, &d.m.Sources[at], &d.revealed[at])
			d.addSource(t, SourceDice)
		}
	}
	value := func(text string) func(d *made, i int) {
		return func(d *made, i int) {
			d.m.Sources[i].Digits = 4
			d.revealed[i].Value = []byte(text)
		}
	}
	return []broken{
		{"party of one", "a party has 2 to 4", func(_ *testing.T, d *made) { d.join(0, 1) }},
		{"party of five", "a party has 2 to 4", func(_ *testing.T, d *made) { d.join(0, 5) }},
		{"gid of others", "is not that of its members", func(_ *testing.T, d *made) {
			d.join(0, 3)
			d.leaves[2].GID = ID{}
		}},
		{"gid of nobody", "is not that of its members", func(_ *testing.T, d *made) {
			d.leaves[0].GID, d.leaves[1].GID = ID{1}, ID{1}
		}},
		{"a party's gid as a pid", "is also the gid of a party", func(_ *testing.T, d *made) {
			d.join(0, 2)
			d.leaves[4].PID = d.leaves[0].GID
		}},
		{"one person in two leaves", "is not above", func(_ *testing.T, d *made) { d.leaves[3].PID = d.leaves[4].PID }},
		{"weight 0", "weight 0 is not in", func(_ *testing.T, d *made) { d.leaves[3].Weight = 0 }},
		{"weight above the cap", "is not in 1 …", func(_ *testing.T, d *made) { d.leaves[3].Weight = d.m.MaxWeight + 1 }},
		{"weight 65535", "is not in 1 …", func(_ *testing.T, d *made) { d.leaves[3].Weight = 65535 }},
		{"max_weight 101", "max_weight: 101", func(_ *testing.T, d *made) { d.m.MaxWeight = 101 }},
		{"max_weight 0", "max_weight: 0", func(_ *testing.T, d *made) { d.m.MaxWeight = 0 }},
		{"trustee last", "the last source is of type 1", lastSource(SourceTrustee)},
		{"public file last", "the last source is of type 2", lastSource(SourcePublic)},
		{"no sources", "sources: there are none", func(_ *testing.T, d *made) { d.m.Sources, d.revealed = nil, nil }},
		{"unknown type", "type 5 is unknown", func(t *testing.T, d *made) {
			d.m.Sources = append(d.m.Sources, Source{Type: 5})
			d.revealed = append(d.revealed, Revealed{Type: 5, Present: true, Value: []byte{1}})
			d.addSource(t, SourceDice)
		}},
		{"unknown type last", "type 9 is unknown", func(_ *testing.T, d *made) {
			d.m.Sources = append(d.m.Sources, Source{Type: 9})
			d.revealed = append(d.revealed, Revealed{Type: 9, Present: true, Value: []byte{1}})
		}},
		{"type 0", "type 0 is unknown", func(_ *testing.T, d *made) {
			d.m.Sources = append([]Source{{}}, d.m.Sources...)
			d.revealed = append([]Revealed{{Present: true}}, d.revealed...)
		}},
		{"a source not announced", "sources, the manifest has", func(_ *testing.T, d *made) {
			d.revealed = append(d.revealed, Revealed{Type: SourceDice, Present: true, Value: []byte("1")})
		}},
		{"a source that is not there", "sources, the manifest has", func(_ *testing.T, d *made) { d.revealed = d.revealed[1:] }},
		{"sources in another order", "where the manifest has", func(t *testing.T, d *made) {
			d.addSource(t, SourceDice)
			d.addSource(t, SourceDrand)
			n := len(d.revealed)
			d.revealed[n-1], d.revealed[n-2] = d.revealed[n-2], d.revealed[n-1]
		}},
		{"dice absent", "only a trustee may be absent", dice(func(d *made, i int) { d.revealed[i].Present, d.revealed[i].Value = false, nil })},
		{"drand absent", "only a trustee may be absent", drand(func(_ *Source, r *Revealed) { r.Present, r.Value = false, nil })},
		{"public file absent", "only a trustee may be absent", func(t *testing.T, d *made) {
			d.addSource(t, SourcePublic)
			d.revealed[len(d.revealed)-1].Present, d.revealed[len(d.revealed)-1].Value = false, nil
			d.addSource(t, SourceDice)
		}},
		{"too few dice", "4 digits were announced, there are 3", dice(value("123"))},
		{"too many dice", "4 digits were announced, there are 5", dice(value("12345"))},
		{"dice with a letter", "not an ASCII digit", dice(value("12a4"))},
		{"dice with a line end", "not an ASCII digit", dice(value("123\n"))},
		{"dice with a space", "not an ASCII digit", dice(value(" 123"))},
		{"dice as bytes", "not an ASCII digit", dice(value("\x01\x02\x03\x04"))},
		{"dice in other digits", "digits were announced", dice(value("１２３４"))},
		{"no dice at all", "digits: 0 is not in", func(t *testing.T, d *made) {
			d.addSource(t, SourceDice)
			n := len(d.revealed) - 1
			d.m.Sources[n].Digits, d.revealed[n].Value = 4, nil
			manifest(`"digits":4`, `"digits":0`)(t, d)
		}},
		{"round not announced", "was not announced", drand(func(s *Source, r *Revealed) {
			s.Rounds = []uint64{2, 28802}
		})},
		{"no rounds", "rounds: there are none", func(t *testing.T, d *made) {
			d.addSource(t, SourceDrand)
			manifest(`"rounds":[1,1000]`, `"rounds":[]`)(t, d)
		}},
		{"round 0", "drand counts from 1", drand(func(s *Source, _ *Revealed) { s.Rounds = []uint64{0, 1, 1000} })},
		{"rounds that descend", "is not above", drand(func(s *Source, _ *Revealed) { s.Rounds = []uint64{1000, 1} })},
		{"a round twice", "is not above", drand(func(s *Source, _ *Revealed) { s.Rounds = []uint64{1, 1, 1000} })},
		{"rounds less than a day apart", "less than a day", func(t *testing.T, d *made) {
			d.m.Sample = false
			d.addSource(t, SourceDrand)
		}},
		{"another chain announced", "is not quicknet's", drand(func(s *Source, r *Revealed) {
			s.ChainHash = Hash{1}
			r.Value = DrandValue(s.ChainHash, r.Round(), r.Signature)
		})},
		{"another chain given", "announced was", drand(func(_ *Source, r *Revealed) {
			r.Value = DrandValue(Hash{1}, r.Round(), r.Signature)
		})},
		{"randomness of another signature", "is not H(signature)", drand(func(s *Source, r *Revealed) {
			r.Value = DrandValue(s.ChainHash, r.Round(), []byte("another"))
		})},
		{"a second encoding", "a signature has 48 bytes", drand(func(s *Source, r *Revealed) {
			r.Signature = append(r.Signature, 0)
			r.Value = DrandValue(s.ChainHash, r.Round(), r.Signature)
		})},
		{"drand value with a rest", "drand's value has 72 bytes", drand(func(_ *Source, r *Revealed) { r.Value = append(r.Value, 0) })},
		{"trustee's value is another", "gives commitment", trustee(func(_ *made, _ *Source, r *Revealed) { r.Value[0] ^= 1 })},
		{"trustee's value of 33 bytes", "has 32 bytes", trustee(func(_ *made, _ *Source, r *Revealed) { r.Value = append(r.Value, 0) })},
		{"trustee's commitment of another draw", "gives commitment", trustee(func(_ *made, s *Source, r *Revealed) {
			s.Commit = TrusteeCommit("another", s.Index, [32]byte(r.Value))
		})},
		{"trustee's commitment of another index", "gives commitment", trustee(func(_ *made, s *Source, r *Revealed) {
			s.Commit = TrusteeCommit("test-77", s.Index+1, [32]byte(r.Value))
		})},
		{"absent with a value", "absent, yet with a value", trustee(func(_ *made, _ *Source, r *Revealed) { r.Present = false })},
		{"absent with the right envelope", "counted absent", trustee(func(_ *made, _ *Source, r *Revealed) {
			r.Present, r.Envelope, r.Value = false, r.Value, nil
		})},
		{"absent with a note", "absent, yet with a signed note", trustee(func(_ *made, _ *Source, r *Revealed) {
			r.Present, r.Value, r.Note = false, nil, "a note"
		})},
		{"a trustee's index twice", "stands twice", trustee(func(d *made, s *Source, r *Revealed) {
			d.m.Sources, d.revealed = append(d.m.Sources, *s), append(d.revealed, *r)
		})},
		{"public contributions of another hash", "the value is another", func(t *testing.T, d *made) {
			d.addSource(t, SourcePublic)
			d.revealed[len(d.revealed)-1].Value = make([]byte, 32)
			d.addSource(t, SourceDice)
		}},
		{"public contributions missing", "is missing", func(t *testing.T, d *made) {
			d.addSource(t, SourcePublic)
			d.public = nil
			d.addSource(t, SourceDice)
		}},
		{"excluded with a leaf", "is also leaf", func(_ *testing.T, d *made) {
			d.excluded = &Excluded{PIDs: []ID{{9}, d.leaves[2].PID}}
		}},
		{"excluded twice", "stands twice", func(_ *testing.T, d *made) { d.excluded = &Excluded{PIDs: []ID{{9}, {9}}} }},
		{"draw_id with capitals", "is not one of a-z", func(_ *testing.T, d *made) { d.m.DrawID = "Test" }},
		{"draw_id of 65 characters", "1 to 64", func(_ *testing.T, d *made) { d.m.DrawID = strings.Repeat("a", 65) }},
		{"draw_id empty", "1 to 64", func(_ *testing.T, d *made) { d.m.DrawID = "" }},
		{"draw_id with a line end", "is not one of a-z", func(_ *testing.T, d *made) { d.m.DrawID = "test\n" }},
		{"another stream", "stream", func(_ *testing.T, d *made) { d.m.Stream = "second" }},
		{"another group_weight", "group_weight", func(_ *testing.T, d *made) { d.m.GroupWeight = "sum" }},
		{"a small audit", "audit", func(_ *testing.T, d *made) { d.m.Audit = 299 }},
		{"sample as a number", "true or false is needed", manifest(`"sample":true`, `"sample":1`)},
		{"max_weight with a point", "plain integer", manifest(`"max_weight":`, `"max_weight":0.0e0,"max":`)},
		{"max_weight as a text", "plain integer", manifest(`"max_weight":5`, `"max_weight":"5"`)},
		{"a key twice", "stands twice", manifest(`{`, `{"stream":"main",`)},
		{"a key twice in another case", "stands twice", manifest(`{`, `{"STREAM":"main",`)},
		{"a key twice with a long s", "stands twice", manifest(`{`, `{"\u017fample":true,`)},
		{"an unknown key twice inside", "stands twice", manifest(`{`, `{"x":[{"a":1,"A":2}],`)},
		{"a text after the end", "manifest.json", manifest(`"stream":"main"}`, `"stream":"main"} {}`)},
		{"not a number", "manifest.json", manifest(`{`, `{"x":NaN,`)},
		{"a control character", "manifest.json", manifest(`{`, "{\"x\":\"\x01\",")},
		{"not UTF-8", "not UTF-8", manifest(`{`, "{\"x\":\"\xff\",")},
		{"a byte order mark", "manifest.json", manifest(`{`, "\ufeff{")},
		{"capital hex", "lower-case hex", func(t *testing.T, d *made) {
			commit := d.m.KCommit.String()
			manifest(commit, strings.ToUpper(commit))(t, d)
		}},
	}
}

// TestBrokenRules: bundles that are consistent in themselves and break a rule are refused by both verifiers, and the Go
// verifier names the rule.
func TestBrokenRules(t *testing.T) {
	p := startPython(t)
	cases := brokenRules()
	for _, c := range cases {
		d := makeDraw(t, 77, 1, false)
		d.m.MaxWeight = 5
		d.m.Sources, d.revealed, d.public, d.trustees = nil, nil, map[uint16][]byte{}, map[uint16]Key{}
		d.addSource(t, SourceDice)
		d.leaves, d.people, d.salts, d.ballots = nil, nil, nil, nil
		d.addPeople(7)
		for i := range d.leaves {
			d.leaves[i].GID = ID{}
		}
		d.m.KCommit = KCommit(d.m.DrawID, d.k)
		if r := p.judge(c.name, must3(d.files(t)), nil); !r.OK(false) {
			t.Fatalf("unbroken: %s", failures(r))
		}
		c.with(t, d)
		files, _, _ := d.files(t)
		r := Verify(folder(files), VerifyOptions{Beacon: testBeacon})
		if said := failures(r); !strings.Contains(said, c.says) {
			t.Errorf("%s: Go says %q, not %q", c.name, said, c.says)
		}
		if ok, _ := p.verify(files, nil); ok {
			t.Errorf("%s: Python accepts", c.name)
		}
	}
	if len(cases) < 50 {
		t.Errorf("only %d rules", len(cases))
	}
}

func must3[A, B, C any](a A, _ B, _ C) A { return a }
