package lottery

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

// The signatures of two rounds of quicknet, from draw.md; the tests' beacon knows no others.
const (
	signature1    = "b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b"
	signature1000 = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
)

func testBeacon(round uint64, signature []byte) error {
	if known := map[uint64]string{1: signature1, 1000: signature1000}; known[round] != hex.EncodeToString(signature) {
		return fmt.Errorf("not quicknet's signature of round %d", round)
	}
	return nil
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// made is a draw as a test makes it: all the parts, which a test may change before files() joins them. Nothing in
// here checks a rule, so that bundles can break them and be consistent all the same.
type made struct {
	rng      *rand.Rand
	manifest string // bytes of manifest.json, made of m unless set
	m        Manifest
	supply   string
	leaves   []Leaf
	people   []string // by leaf
	salts    [][32]byte
	ballots  [][]byte
	revealed []Revealed
	public   map[uint16][]byte
	excluded *Excluded
	full     bool // with checkpoint, witnesses, cut-offs, outcome
	k        [32]byte
	operator Key
	witness  []Key
	trustees map[uint16]Key

	// what files() found
	leafBytes []byte
	root      Hash
	order     []Entity
	outcomes  []Outcome
	cutoffs   []PublicCutOff
	saves     []Save
}

func (d *made) bytes32() (b [32]byte) {
	for i := range b {
		b[i] = byte(d.rng.Uint32())
	}
	return b
}

func (d *made) key(t testing.TB, name string, witness bool) Key {
	t.Helper()
	k, err := NewKey(name, witness, d.bytes32())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// makeDraw makes a draw of up to people ballots from a seed: parties, weights, and any announced sources.
func makeDraw(t testing.TB, seed uint64, people int, full bool) *made {
	t.Helper()
	d := &made{rng: rand.New(rand.NewPCG(seed, 7)), full: full, public: map[uint16][]byte{}, trustees: map[uint16]Key{}}
	d.k = d.bytes32()
	d.m = Manifest{
		DrawID: fmt.Sprintf("test-%d", seed), Stream: Stream, GroupWeight: "min",
		MaxWeight: uint16(1 + d.rng.IntN(5)), Sample: true,
	}
	d.supply = `{"slots":[{"id":"a"},{"id":"b"},{"id":"c"}]}`
	d.addPeople(d.rng.IntN(people + 1))
	for range d.rng.IntN(3) {
		d.addSource(t, SourceTrustee)
	}
	if d.rng.IntN(2) == 0 {
		d.addSource(t, SourcePublic)
	}
	if d.rng.IntN(2) == 0 {
		d.addSource(t, SourceDrand)
	}
	d.addSource(t, []uint8{SourceDice, SourceDrand}[d.rng.IntN(2)])
	if full {
		d.m.KCommit = KCommit(d.m.DrawID, d.k)
		d.m.Audit = MinAudit
		d.m.Authority = "gov.example"
		d.operator = d.key(t, "gov.example", false)
		d.m.OperatorKey = d.operator.Public()
		for i := range 3 {
			d.witness = append(d.witness, d.key(t, fmt.Sprintf("witness%d.example", i), true))
			d.m.Witnesses = append(d.m.Witnesses, d.witness[i].Public())
		}
		d.m.MinWitnesses = 2
		d.m.Deadlines.Closes = time.Date(2021, 7, 16, 9, 0, 0, 0, time.UTC)
		d.excluded = &Excluded{PIDs: []ID{PID(d.k, d.m.DrawID, "left-out")}, Reasons: map[string]int{otherReasons: 1}}
	}
	return d
}

func (d *made) addPeople(n int) {
	for i := range n {
		person := fmt.Sprintf("p-%04d", i)
		d.people = append(d.people, person)
		d.salts = append(d.salts, d.bytes32())
		d.ballots = append(d.ballots, fmt.Appendf(nil, `{"person":%q,"choices":[%d]}`, person, i))
		d.leaves = append(d.leaves, Leaf{
			PID: PID(d.k, d.m.DrawID, person), Weight: uint16(1 + d.rng.IntN(int(d.m.MaxWeight))),
			Commit: BallotCommit(d.salts[i], d.ballots[i]),
		})
	}
	for at := 0; at+4 <= n; at += 4 {
		if size := d.rng.IntN(5); size >= 2 {
			d.join(at, size)
		}
	}
}

// join makes the ballots at … at+size−1 a party.
func (d *made) join(at, size int) {
	var pids []ID
	for i := range size {
		pids = append(pids, d.leaves[at+i].PID)
	}
	for i := range size {
		d.leaves[at+i].GID = GID(pids)
	}
}

func (d *made) addSource(t testing.TB, kind uint8) {
	t.Helper()
	s, r := Source{Type: kind}, Revealed{Type: kind, Present: true}
	switch kind {
	case SourceTrustee:
		s.Index = uint16(len(d.trustees))
		value := d.bytes32()
		s.Commit = TrusteeCommit(d.m.DrawID, s.Index, value)
		r.Value = value[:]
		d.trustees[s.Index] = d.key(t, fmt.Sprintf("trustee%d.example", s.Index), false)
		switch d.rng.IntN(4) {
		case 0:
			r.Present, r.Value = false, nil
		case 1:
			envelope := d.bytes32()
			r.Present, r.Value, r.Envelope = false, nil, envelope[:]
		case 2:
			s.Key = d.trustees[s.Index].Public()
		}
	case SourcePublic:
		s.Index = uint16(d.rng.IntN(3))
		d.public[s.Index] = []byte("contributions of the public")
		h := FileHash(d.public[s.Index])
		r.Value = h[:]
	case SourceDice:
		s.Digits = 1 + d.rng.IntN(40)
		for range s.Digits {
			r.Value = append(r.Value, byte('0'+d.rng.IntN(10)))
		}
	case SourceDrand:
		s.ChainHash, s.Rounds = QuicknetChain(), []uint64{1, 1000}
		round, signature := uint64(1), unhex(signature1)
		if d.rng.IntN(2) == 0 {
			round, signature = 1000, unhex(signature1000)
		}
		r.Value, r.Signature = DrandValue(s.ChainHash, round, signature), signature
	}
	d.m.Sources = append(d.m.Sources, s)
	d.revealed = append(d.revealed, r)
}

// rawManifest writes a manifest that need not hold: Marshal would refuse.
func (d *made) rawManifest(t testing.TB) string {
	t.Helper()
	if d.manifest != "" {
		return d.manifest
	}
	b, err := d.m.marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rawLeaves sorts and joins leaves without checking them.
func rawLeaves(manifest, supply Hash, leaves []Leaf) []byte {
	first := FirstLeaf(manifest, supply)
	out := first[:]
	for _, l := range leaves {
		b := l.Bytes()
		out = append(out, b[:]...)
	}
	return out
}

// rawOrder orders leaves by the rules as they are written, slowly and without checking them: it is the reference
// for Order too.
func rawOrder(leaves []byte, key Hash) []Entity {
	byID := map[ID]*Entity{}
	var list []*Entity
	for i := 1; i < leafCount(leaves); i++ {
		id := leafGID(leaves, i)
		if id.IsZero() {
			id = leafPID(leaves, i)
		}
		e := byID[id]
		if e == nil {
			e = &Entity{ID: id, Weight: leafWeight(leaves, i)}
			byID[id] = e
			list = append(list, e)
		}
		if e.Size < MaxParty {
			e.Members[e.Size] = uint32(i)
			e.Size++
		}
		e.Weight = min(e.Weight, leafWeight(leaves, i))
	}
	out := make([]Entity, len(list))
	for i, e := range list {
		for k := range max(e.Weight, 1) {
			h := Hash(sum(key[:], e.ID[:], binary.BigEndian.AppendUint16(nil, k)))
			if k == 0 || bytes.Compare(h[:], e.Ticket[:]) < 0 {
				e.Ticket = h
			}
		}
		out[i] = *e
	}
	slices.SortFunc(out, func(a, b Entity) int {
		if c := bytes.Compare(a.Ticket[:], b.Ticket[:]); c != 0 {
			return c
		}
		return a.ID.Compare(b.ID)
	})
	return out
}

func sum(parts ...[]byte) Hash { return FileHash(slices.Concat(parts...)) }

// files makes the bundle's files, the auditors' files and a proof for each ballot (by leaf index).
func (d *made) files(t testing.TB) (public, auditor map[string][]byte, receipts [][]byte) {
	t.Helper()
	manifest := d.rawManifest(t)
	byPID := make([]int, len(d.leaves))
	for i := range byPID {
		byPID[i] = i
	}
	slices.SortStableFunc(byPID, func(a, b int) int { return d.leaves[a].PID.Compare(d.leaves[b].PID) })
	sorted := make([]Leaf, len(d.leaves))
	for i, at := range byPID {
		sorted[i] = d.leaves[at]
	}
	d.leafBytes = rawLeaves(ManifestHash([]byte(manifest)), SupplyHash([]byte(d.supply)), sorted)
	d.root = Root(d.leafBytes)
	size := uint64(leafCount(d.leafBytes))
	public = map[string][]byte{FileManifest: []byte(manifest), FileSupply: []byte(d.supply), FileLeaves: d.leafBytes}
	for index, content := range d.public {
		public[FilePublic(index)] = content
	}
	claims := Claims{Size: size, Root: d.root, Sample: d.m.Sample}
	if d.excluded != nil {
		public[FileExcluded] = must(d.excluded.Marshal())(t)
		claims.Excluded = FileHash(public[FileExcluded])
	}
	if d.full {
		d.sign(t, public, manifest, sorted, byPID)
		for i, s := range d.m.Sources {
			if s.Type == SourceTrustee && s.Key != "" && d.revealed[i].Present {
				r := Reveal{d.m.DrawID, s.Index, d.root, [32]byte(d.revealed[i].Value)}
				d.revealed[i].Note = must(r.Sign(d.trustees[s.Index]))(t)
			}
		}
	}
	public[FileEntropy] = must(MarshalEntropy(d.revealed))(t)
	claims.Seed = Seed(size, d.root, d.revealed)
	claims.TicketKey = TicketKey(claims.Seed, d.m.Stream)
	d.order = rawOrder(d.leafBytes, claims.TicketKey)
	public[FileOrder] = OrderBytes(d.order)
	if d.full {
		d.allocate()
		public[FileCutOffs] = must(MarshalCutOffs(d.cutoffs))(t)
		claims.CutOffs = FileHash(public[FileCutOffs])
		claims.OutcomeRoot = must(OutcomeRoot(d.k, d.order, d.outcomes))(t)
		claims.Counts = Count(d.order, d.outcomes)
	}
	public[FileClaims] = must(claims.Marshal())(t)
	auditor = map[string][]byte{FileOutcome: OutcomeBytes(d.outcomes)}
	prover := must(NewProver(d.leafBytes, d.order, d.k, d.outcomes, d.m.Sample, 2))(t)
	receipts = make([][]byte, 1)
	for i, at := range byPID {
		auditor[FileBallots] = AppendBallot(auditor[FileBallots], d.salts[at], d.ballots[at])
		receipts = append(receipts, d.receipt(t, prover, i+1, at))
	}
	if auditor[FileBallots] == nil {
		auditor[FileBallots] = []byte{}
	}
	return public, auditor, receipts
}

func (d *made) receipt(t testing.TB, prover *Prover, index, at int) []byte {
	t.Helper()
	if prover.ranks[index] == 0 {
		return nil // of a party that is too large
	}
	p := must(prover.Proof(index, d.salts[at], d.ballots[at]))(t)
	if d.full {
		names := []string{"", "a", "b", "c"}
		p.Result.SlotID, p.Result.SecondID = names[p.Result.Slot], names[p.Result.Second]
		p.CutOffs = d.cutoffs[:min(1, len(d.cutoffs))]
		s := d.saves[index-1].Sign(d.operator.Private())
		var log []byte
		for _, save := range d.saves {
			e := save.Entry()
			log = append(log, e[:]...)
		}
		s.Index, s.Proof = uint64(index-1), notNil(NewTree(log, SaveEntrySize, 1).Prove(index-1))
		p.Save = &s
	}
	return must(p.Marshal())(t)
}

// sign makes the log of saves and the cosigned checkpoint.
func (d *made) sign(t testing.TB, public map[string][]byte, manifest string, sorted []Leaf, byPID []int) {
	t.Helper()
	c := Checkpoint{
		Origin: d.m.Origin(), Size: uint64(leafCount(d.leafBytes)), Root: d.root, Sample: d.m.Sample,
	}
	if d.excluded != nil {
		c.Excluded = FileHash(public[FileExcluded])
	}
	d.saves = nil
	var log []byte
	for i, l := range sorted {
		s := Save{
			d.m.DrawID, ManifestHash([]byte(manifest)), l.PID, d.salts[byPID[i]], uint32(1 + i%3), l.Commit,
			time.UnixMicro(1626250000000000 + int64(i)).UTC(),
		}
		e := s.Entry()
		log = append(log, e[:]...)
		d.saves = append(d.saves, s)
	}
	c.Saves, c.SavesRoot = uint64(len(sorted)), RootOf(log, SaveEntrySize, 1)
	signed := must(c.Sign(d.operator))(t)
	for i, w := range d.witness {
		if i < 2 {
			signed = must(Cosign(signed, w, time.Unix(1626426000+int64(i)*60, 0)))(t)
		}
	}
	public[FileCheckpoint] = signed
}

// allocate gives the first three entities a slot each, and refuses the others slot a.
func (d *made) allocate() {
	d.outcomes = make([]Outcome, len(d.order))
	d.cutoffs = []PublicCutOff{}
	for i := range d.outcomes {
		if i < 3 {
			d.outcomes[i] = Outcome{Choice: uint8(1 + i), Slot: uint32(1 + i)}
		}
	}
	if len(d.order) > 3 {
		d.cutoffs = append(d.cutoffs, PublicCutOff{"a", uint64(d.order[3].Size), 1, "", 4}, PublicCutOff{"b", 4, 2, "", 5})
		d.cutoffs[1].Rank = uint64(len(d.order))
		d.outcomes[0].Second = 3
	}
}

// must fails the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// folder is the files as an fs.FS.
func folder(files map[string][]byte) fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: content}
	}
	return m
}

func writeFolder(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
