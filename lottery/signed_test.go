package lottery

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func testKey(t testing.TB, name string, witness bool, seed byte) Key {
	t.Helper()
	return must(NewKey(name, witness, [32]byte{seed}))(t)
}

// TestKeys: keys of plain Ed25519 are those of Go's signed notes, both ways.
func TestKeys(t *testing.T) {
	k := testKey(t, "gov.example", false, 1)
	other := must(note.NewEd25519VerifierKey("gov.example", k.private.Public().(ed25519.PublicKey)))(t)
	if k.Public() != other {
		t.Errorf("verifier key %s, note gives %s", k.Public(), other)
	}
	signer := must(note.NewSigner(k.Secret()))(t)
	signed := must(note.Sign(&note.Note{Text: "text\n"}, signer))(t)
	if _, err := openNote(signed, must(parseVerifierKey(k.Public()))(t)); err != nil {
		t.Errorf("note's signature: %v", err)
	}
	for _, k := range []Key{k, testKey(t, "witness.example", true, 2)} {
		again := must(ParseKey(k.Secret() + "\n"))(t)
		if again.Public() != k.Public() || again.Witness != k.Witness || !again.Private().Equal(k.Private()) {
			t.Errorf("%s comes back as %s", k.Public(), again.Public())
		}
		for _, broken := range []string{
			"", k.Public(), k.Secret()[1:], strings.Replace(k.Secret(), k.Name, "other", 1), k.Secret() + "AAAA",
			"PRIVATE+KEY+a b+00000000+" + base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 32)...)),
		} {
			if _, err := ParseKey(broken); err == nil {
				t.Errorf("%q is read as a secret key", broken)
			}
		}
		for _, broken := range []string{"", "name", k.Secret(), strings.Replace(k.Public(), k.Name, "other", 1), "a b" + k.Public(), k.Public() + "A"} {
			if _, err := parseVerifierKey(broken); err == nil {
				t.Errorf("%q is read as a verifier key", broken)
			}
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb", "\xff"} {
		if _, err := NewKey(name, false, [32]byte{}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if _, err := OperatorPublic(testKey(t, "w", true, 3).Public()); err == nil {
		t.Error("a witness's key is taken for the operator's")
	}
	if _, err := OperatorPublic("nothing"); err == nil {
		t.Error("nothing is taken for the operator's key")
	}
	if public := must(OperatorPublic(k.Public()))(t); !public.Equal(k.private.Public()) {
		t.Error("another public key")
	}
}

func testCheckpoint() Checkpoint {
	return Checkpoint{
		Origin: "gov.example/slotdraw/d-1", Size: 7, Root: Hash{1}, Excluded: Hash{2}, Saves: 9, SavesRoot: Hash{3}, Sample: true,
	}
}

// TestCheckpoint: the text is a checkpoint of Go's transparency log with extension lines, and comes back as it was.
func TestCheckpoint(t *testing.T) {
	c := testCheckpoint()
	signed := must(c.Sign(testKey(t, "gov.example", false, 1)))(t)
	if again := must(ParseCheckpoint(signed))(t); again != c {
		t.Errorf("%+v, want %+v", again, c)
	}
	if err := CheckSigned(signed, testKey(t, "gov.example", false, 1).Public()); err != nil {
		t.Error(err)
	}
	tree := must(tlog.ParseTree([]byte("go.sum database tree\n" + strings.SplitN(c.Text(), "\n", 2)[1])))(t)
	if tree.N != 7 || Hash(tree.Hash) != c.Root {
		t.Errorf("tlog reads %+v", tree)
	}
	bare := Checkpoint{Origin: "o/slotdraw/d", Size: 1, Root: Hash{1}}
	if again := must(ParseCheckpoint(must(bare.Sign(testKey(t, "o", false, 1)))(t)))(t); again != bare {
		t.Errorf("%+v, want %+v", again, bare)
	}
	text := c.Text()
	for name, broken := range map[string]string{
		"no signatures":        text,
		"nothing signed":       text + "\n",
		"two lines":            "o\n7\n\n— x y\n",
		"size with a zero":     strings.Replace(text, "\n7\n", "\n07\n", 1) + "\n— x y\n",
		"size with a sign":     strings.Replace(text, "\n7\n", "\n+7\n", 1) + "\n— x y\n",
		"root not base64":      strings.Replace(text, "AQAA", "!QAA", 1) + "\n— x y\n",
		"root too short":       strings.Replace(text, "AQAA", "", 1) + "\n— x y\n",
		"excluded in capitals": strings.Replace(text, "excluded 02", "excluded 0A", 1) + "\n— x y\n",
		"excluded zeros":       strings.Replace(text, "excluded 02", "excluded 00", 1) + "\n— x y\n",
		"excluded twice":       strings.Replace(text, "sample\n", "excluded "+Hash{4}.String()+"\n", 1) + "\n— x y\n",
		"saves without a root": strings.Replace(text, "saves 9 ", "saves 9", 1) + "\n— x y\n",
		"an empty line":        strings.Replace(text, "saves", "\nsaves", 1) + "— x y\n",
		"not UTF-8":            text + "\n— \xff y\n",
	} {
		if _, err := ParseCheckpoint([]byte(broken)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := must(ParseCheckpoint([]byte(text + "future words\n\n— x y\n")))(t); got != c {
		t.Errorf("an unknown extension line changes it to %+v", got)
	}
	if _, err := c.Sign(testKey(t, "w", true, 1)); err == nil {
		t.Error("a witness's key signs as operator")
	}
	for _, key := range []string{"nothing", testKey(t, "w", true, 1).Public(), testKey(t, "gov.example", false, 9).Public()} {
		if err := CheckSigned(signed, key); err == nil {
			t.Errorf("signed by %s", key)
		}
	}
}

// cosigned is a manifest with three witnesses and a checkpoint that the first of them cosigned.
func cosignedBy(t testing.TB, times ...int64) (Manifest, []byte) {
	t.Helper()
	operator := testKey(t, "gov.example", false, 1)
	m := Manifest{OperatorKey: operator.Public(), MinWitnesses: 2}
	signed := must(testCheckpoint().Sign(operator))(t)
	for i := range byte(3) {
		w := testKey(t, "witness.example", true, 10+i)
		m.Witnesses = append(m.Witnesses, w.Public())
		if int(i) < len(times) {
			signed = must(Cosign(signed, w, time.Unix(times[i], 0)))(t)
		}
	}
	return m, signed
}

func TestCosign(t *testing.T) {
	for _, c := range []struct {
		times []int64
		want  int64 // 0: too few
	}{{nil, 0}, {[]int64{100}, 0}, {[]int64{100, 50}, 100}, {[]int64{300, 100, 200}, 200}} {
		m, signed := cosignedBy(t, c.times...)
		at, err := m.CheckCosigned(signed)
		if c.want == 0 {
			if err == nil {
				t.Errorf("%v: enough witnesses", c.times)
			}
			continue
		}
		if err != nil || at.Unix() != c.want {
			t.Errorf("%v: witnessed at %v, error %v; want %d", c.times, at, err, c.want)
		}
	}
	m, signed := cosignedBy(t, 100, 200)
	first := bytes.Index(signed, []byte("— witness"))
	changed := bytes.Clone(signed)
	changed[first+30] ^= 1
	twice := must(Cosign(signed[:bytes.LastIndex(signed, []byte("— "))], testKey(t, "witness.example", true, 10), time.Unix(400, 0)))(t)
	moved := bytes.Replace(signed, []byte("\n7\n"), []byte("\n8\n"), 1)
	for name, c := range map[string]struct {
		m      Manifest
		signed []byte
	}{
		"a changed cosignature":          {m, changed},
		"one witness twice":              {m, twice},
		"over another checkpoint":        {m, moved},
		"min_witnesses 1":                {with(m, func(m *Manifest) { m.MinWitnesses = 1 }), signed},
		"min_witnesses above all":        {with(m, func(m *Manifest) { m.MinWitnesses = 4 }), signed},
		"the operator as a witness":      {with(m, func(m *Manifest) { m.Witnesses[2] = testKey(t, "w", true, 1).Public() }), signed},
		"a witness under two names":      {with(m, func(m *Manifest) { m.Witnesses[2] = testKey(t, "w", true, 10).Public() }), signed},
		"a witness with a plain key":     {with(m, func(m *Manifest) { m.Witnesses[2] = testKey(t, "w", false, 20).Public() }), signed},
		"a witness's key that is none":   {with(m, func(m *Manifest) { m.Witnesses[2] = unreadable }), signed},
		"no note":                        {m, []byte("x")},
		"witnesses that nobody knows of": {with(m, func(m *Manifest) { m.Witnesses = m.Witnesses[2:]; m.MinWitnesses = 1 }), signed},
	} {
		if _, err := c.m.CheckCosigned(c.signed); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := Cosign(signed, testKey(t, "gov.example", false, 1), time.Unix(1, 0)); err == nil {
		t.Error("the operator's key cosigns")
	}
	if _, err := Cosign([]byte("x"), testKey(t, "w", true, 1), time.Unix(1, 0)); err == nil {
		t.Error("something that is no checkpoint is cosigned")
	}
	key := must(parseVerifierKey(m.Witnesses[0]))(t)
	if key.Verify([]byte("text\n"), []byte("short")) {
		t.Error("a short cosignature verifies")
	}
}

func with[T any](v T, change func(*T)) T {
	if m, ok := any(&v).(*Manifest); ok {
		m.Witnesses = append([]string{}, m.Witnesses...)
	}
	change(&v)
	return v
}

func TestReveal(t *testing.T) {
	trustee := testKey(t, "trustee.example", false, 5)
	r := Reveal{DrawID: "d-1", Index: 3, Root: Hash{1}, Value: [32]byte{2}}
	signed := must(r.Sign(trustee))(t)
	if err := r.Check(signed, trustee.Public()); err != nil {
		t.Error(err)
	}
	for name, other := range map[string]Reveal{
		"draw":    {DrawID: "d-2", Index: 3, Root: Hash{1}, Value: [32]byte{2}},
		"trustee": {DrawID: "d-1", Index: 4, Root: Hash{1}, Value: [32]byte{2}},
		"root":    {DrawID: "d-1", Index: 3, Root: Hash{2}, Value: [32]byte{2}},
		"value":   {DrawID: "d-1", Index: 3, Root: Hash{1}, Value: [32]byte{3}},
	} {
		if other.Check(signed, trustee.Public()) == nil {
			t.Errorf("the note holds for another %s", name)
		}
	}
	for _, key := range []string{"x", testKey(t, "trustee.example", false, 6).Public(), testKey(t, "trustee.example", true, 5).Public()} {
		if r.Check(signed, key) == nil {
			t.Errorf("the note is taken for that of %s", key)
		}
	}
	if _, err := r.Sign(testKey(t, "w", true, 5)); err == nil {
		t.Error("a witness's key signs a reveal")
	}
}

// TestSave: every field is signed and stands in the entry of the log.
func TestSave(t *testing.T) {
	key := testKey(t, "gov.example", false, 1)
	s := Save{"d-1", Hash{1}, ID{2}, [32]byte{3}, 4, Hash{5}, time.UnixMicro(1626250000000006).UTC()}
	signed := s.Sign(key.Private())
	public := must(OperatorPublic(key.Public()))(t)
	if err := signed.Check(public); err != nil {
		t.Error(err)
	}
	again := must(ParseSavedBallot(must(signed.MarshalJSON())(t)))(t)
	if again.Save != s || !bytes.Equal(again.Signature, signed.Signature) || again.Proof != nil {
		t.Errorf("%+v comes back as %+v", signed, again)
	}
	entries := map[[SaveEntrySize]byte]bool{s.Entry(): true}
	for name, change := range map[string]func(*Save){
		"draw_id": func(s *Save) { s.DrawID = "d-2" }, "manifest": func(s *Save) { s.Manifest[31]++ },
		"pid": func(s *Save) { s.PID[15]++ }, "salt": func(s *Save) { s.Salt[31]++ },
		"revision": func(s *Save) { s.Revision++ }, "commit": func(s *Save) { s.Commit[31]++ },
		"time": func(s *Save) { s.Time = s.Time.Add(time.Microsecond) },
	} {
		other := signed
		change(&other.Save)
		if other.Check(public) == nil {
			t.Errorf("another %s: the signature holds", name)
		}
		entries[other.Entry()] = true
	}
	if len(entries) != 8 {
		t.Errorf("%d different entries, want 8", len(entries))
	}
	if signed.Signature = signed.Signature[:63]; signed.Check(public) == nil {
		t.Error("63 bytes are a signature")
	}
	for _, broken := range []string{"", "{}", `{"draw_id":"d-1"}`} {
		if _, err := ParseSavedBallot([]byte(broken)); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}

// TestForgedReceipts: what only signatures show, the Go verifier refuses.
func TestForgedReceipts(t *testing.T) {
	d, public, receipts := drawWithAllSources(t)
	receipt := string(receipts[1])
	verify := func(files map[string][]byte, receipt string, opts VerifyOptions) Report {
		opts.Receipt, opts.Beacon = []byte(receipt), testBeacon
		return Verify(folder(files), opts)
	}
	if r := verify(public, receipt, VerifyOptions{OperatorKey: d.m.OperatorKey + "\n"}); !r.OK(false) {
		t.Fatal(failures(r))
	}
	if r := verify(public, receipt, VerifyOptions{OperatorKey: testKey(t, "gov.example", false, 99).Public()}); r.Find("checkpoint").State != Fails || r.Find("receipt").State != Fails {
		t.Errorf("another operator's key: %+v", r)
	}
	p := must(ParseProof(receipts[1]))(t)
	for name, change := range map[string]func(*SavedBallot){
		"signed by another":      func(s *SavedBallot) { *s = s.Sign(testKey(t, "x", false, 9).Private()) },
		"another revision":       func(s *SavedBallot) { s.Revision++ },
		"revision 0":             func(s *SavedBallot) { s.Revision = 0 },
		"another time":           func(s *SavedBallot) { s.Time = s.Time.Add(time.Second) },
		"not in the log":         func(s *SavedBallot) { s.Revision += 7; *s = resign(s, d) },
		"at another place":       func(s *SavedBallot) { s.Index = (s.Index + 1) % 9 },
		"of another draw":        func(s *SavedBallot) { s.DrawID = "other"; *s = resign(s, d) },
		"of another manifest":    func(s *SavedBallot) { s.Manifest[0]++; *s = resign(s, d) },
		"of another person":      func(s *SavedBallot) { s.PID[0]++; *s = resign(s, d) },
		"of another salt":        func(s *SavedBallot) { s.Salt[0]++; *s = resign(s, d) },
		"of another ballot":      func(s *SavedBallot) { s.Commit[0]++; *s = resign(s, d) },
		"without a signature":    func(s *SavedBallot) { s.Signature = nil },
		"with a signature of 63": func(s *SavedBallot) { s.Signature = s.Signature[1:] },
	} {
		forged, save := p, *p.Save
		change(&save)
		forged.Save = &save
		if r := verify(public, string(must(forged.Marshal())(t)), VerifyOptions{}); r.Find("receipt").State != Fails {
			t.Errorf("%s: accepted", name)
		}
	}
}

// resign signs anew and keeps the place in the log.
func resign(s *SavedBallot, d *made) SavedBallot {
	out := s.Sign(d.operator.Private())
	out.Index, out.Proof = s.Index, s.Proof
	return out
}

// TestTimeRules: in a draw that is no sample, the checkpoint is witnessed after the close, and drand's round is the first
// announced one an hour after that.
func TestTimeRules(t *testing.T) {
	witnessed := RoundTime(1000).Add(-2 * time.Hour)
	build := func(rounds []uint64, closes time.Time) (*made, map[string][]byte) {
		d := makeDraw(t, 6, 5, true)
		d.m.Sample = false
		d.m.Sources, d.revealed, d.public, d.trustees = nil, nil, nil, map[uint16]Key{}
		d.m.Sources = []Source{{Type: SourceDrand, ChainHash: QuicknetChain(), Rounds: rounds}}
		d.revealed = []Revealed{{
			Type: SourceDrand, Present: true, Value: DrandValue(QuicknetChain(), 1000, unhex(signature1000)), Signature: unhex(signature1000),
		}}
		d.m.Deadlines.Closes = closes
		public, _, _ := d.files(t)
		signed := public[FileCheckpoint]
		signed = signed[:bytes.Index(signed, []byte("— witness"))]
		for i, w := range d.witness[:2] {
			signed = must(Cosign(signed, w, witnessed.Add(time.Duration(i)*time.Second)))(t)
		}
		public[FileCheckpoint] = signed
		return d, public
	}
	for name, c := range map[string]struct {
		rounds []uint64
		closes time.Time
		fails  string
	}{
		"as it must be":              {[]uint64{1000, 29800}, witnessed, ""},
		"a round too early, skipped": {[]uint64{1000}, witnessed, ""},
		"closed after the witness":   {[]uint64{1000, 29800}, witnessed.Add(time.Minute), "witnesses"},
	} {
		_, public := build(c.rounds, c.closes)
		r := Verify(folder(public), VerifyOptions{Beacon: testBeacon})
		if said := failures(r); (said == "") != (c.fails == "") || !strings.Contains(said, c.fails) {
			t.Errorf("%s: %s", name, said)
		}
	}
	s := Source{Rounds: []uint64{1000, 29800, 58600}}
	for _, c := range []struct {
		witnessed time.Time
		sample    bool
		want      uint64
	}{
		{RoundTime(1000).Add(-time.Hour), false, 1000},
		{RoundTime(1000).Add(-time.Hour + time.Second), false, 29800},
		{RoundTime(29800), false, 58600},
		{RoundTime(58600), false, 0},
		{RoundTime(58600), true, 1000},
	} {
		got, err := s.ChooseRound(c.witnessed, c.sample)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("witnessed %v: round %d, %v; want %d", c.witnessed, got, err, c.want)
		}
	}
	d, public := build([]uint64{1000, 29800}, witnessed)
	later := public[FileCheckpoint][:bytes.Index(public[FileCheckpoint], []byte("— witness"))]
	for _, w := range d.witness[:2] {
		later = must(Cosign(later, w, RoundTime(1000).Add(-time.Minute)))(t)
	}
	public[FileCheckpoint] = later
	if r := Verify(folder(public), VerifyOptions{Beacon: testBeacon}); !strings.Contains(failures(r), "the first an hour after the witnessed time is 29800") {
		t.Errorf("a round that was too near: %s", failures(r))
	}
}

func TestRoundAt(t *testing.T) {
	genesis := time.Unix(quicknetGenesis, 0)
	for _, c := range []struct {
		after time.Duration
		want  uint64
	}{
		{-time.Hour, 1},
		{0, 1},
		{1, 2},
		{time.Second, 2},
		{3 * time.Second, 2},
		{3*time.Second + 1, 3},
		{6 * time.Second, 3},
		{24 * time.Hour, 28801},
	} {
		if got := RoundAt(genesis.Add(c.after)); got != c.want {
			t.Errorf("%v after genesis: round %d, want %d", c.after, got, c.want)
		}
	}
	for _, round := range []uint64{1, 2, 1000} {
		if RoundAt(RoundTime(round)) != round {
			t.Errorf("round %d is due at %v", round, RoundTime(round))
		}
	}
}

// TestSaveBatch: receipts that have one signature each hold by themselves, and
// for nothing else.
func TestSaveBatch(t *testing.T) {
	key := testKey(t, "gov.example", false, 1)
	public := must(OperatorPublic(key.Public()))(t)
	for _, n := range []int{1, 2, 3, 5, 8, 64, 129} {
		saves := make([]Save, n)
		for i := range saves {
			saves[i] = Save{"d-1", Hash{1}, ID{byte(i), 2}, [32]byte{3, byte(i)}, uint32(i + 1), Hash{5, byte(i)}, time.UnixMicro(1626250000000006).UTC()}
		}
		signed := SignSaves(key.Private(), saves)
		if (n == 1) != (signed[0].Batch == nil) {
			t.Errorf("%d saves: batch %+v", n, signed[0].Batch)
		}
		for i, s := range signed {
			again := must(ParseSavedBallot(must(s.MarshalJSON())(t)))(t)
			if again.Save != saves[i] || again.Check(public) != nil || again.Check(must(OperatorPublic(testKey(t, "x", false, 9).Public()))(t)) == nil {
				t.Errorf("%d of %d: %+v: %v", i, n, again, again.Check(public))
			}
			if n == 1 {
				continue
			}
			for name, change := range map[string]func(*SavedBallot){
				"the next one's save":     func(s *SavedBallot) { s.Save = saves[(i+1)%n] },
				"another revision":        func(s *SavedBallot) { s.Revision++ },
				"another place":           func(s *SavedBallot) { s.Batch.Index++ },
				"past the end":            func(s *SavedBallot) { s.Batch.Index += s.Batch.Size },
				"another root":            func(s *SavedBallot) { s.Batch.Root[0]++ },
				"a root of its own":       func(s *SavedBallot) { e := s.Entry(); *s.Batch = Batch{0, 1, hashLeaf(e[:]), nil} },
				"a proof cut short":       func(s *SavedBallot) { s.Batch.Proof = s.Batch.Proof[1:] },
				"a proof too long":        func(s *SavedBallot) { s.Batch.Proof = append(s.Batch.Proof, Hash{}) },
				"another hash":            func(s *SavedBallot) { s.Batch.Proof[0][0]++ },
				"the signature by itself": func(s *SavedBallot) { s.Batch = nil },
				"no signature":            func(s *SavedBallot) { s.Signature = nil },
			} {
				b := must(ParseSavedBallot(must(s.MarshalJSON())(t)))(t)
				if change(&b); b.Check(public) == nil {
					t.Errorf("%d of %d: %s: the signature holds", i, n, name)
				}
			}
		}
	}
	lone := Save{DrawID: "d-1", Revision: 1}.Sign(key.Private())
	e := lone.Entry()
	if lone.Batch = (&Batch{0, 1, hashLeaf(e[:]), nil}); lone.Check(public) == nil {
		t.Error("the signature of one is taken for that of a batch")
	}
}
