package lottery

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"
)

// VerifyOptions is what the verifier knows from elsewhere; all of it may be missing.
type VerifyOptions struct {
	// Receipt is the content of a citizen's proof; nil if there is none.
	Receipt []byte
	// Beacon checks the signature of a round of quicknet, its encoding included (package lottery/beacon);
	// without it the source counts as absent.
	Beacon func(round uint64, signature []byte) error
	// OperatorKey is the operator's verifier key, got from somewhere else than the bundle; the manifest must
	// then name the same.
	OperatorKey string
	// Frozen verifies a draw that is frozen and not yet drawn, as a witness does before she cosigns: there are
	// no sources, seed, order or claims yet, and the checkpoint must be there.
	Frozen bool
	// Audit is what a sworn auditor has beside the bundle; nil for everyone else.
	Audit *Audit
	// Workers is how many hash at once; 0: one for each processor.
	Workers int
}

// Verify recomputes everything that a bundle says: a folder, or an archive (zip.Reader is an fs.FS). The parts of
// the report stand in the order of the protocol; a part that cannot be judged because one before it fails,
// fails.
func Verify(fsys fs.FS, opts VerifyOptions) Report {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	v := &verifier{fsys: fsys, opts: opts}
	v.checkManifest()
	v.checkLeaves()
	v.checkRoot()
	v.checkExcluded()
	v.checkCheckpoint()
	v.checkWitnesses()
	if opts.Frozen {
		return v.report
	}
	v.checkSources()
	v.checkSeed()
	v.checkOrder()
	v.checkCounts()
	v.checkCutOffs()
	v.checkAudit()
	v.checkReceipt()
	return v.report
}

// verifier carries what the steps have found; a nil or false field means that the step before it failed.
type verifier struct {
	fsys   fs.FS
	opts   VerifyOptions
	report Report

	manifestFile []byte
	manifest     *Manifest
	supply       []byte
	leaves       []byte // sound leaves only
	claims       *Claims
	claimsError  error
	root         *Hash
	excluded     []byte      // as in the folder; nil if there is none
	checkpoint   *Checkpoint // sound, and signed if there is a key
	signed       []byte      // the file of the checkpoint
	witnessed    time.Time   // zero where too few witnesses cosigned
	revealed     []Revealed  // sound sources only
	sourcesHold  bool
	ticketKey    *Hash
	order        []Entity
	orderHolds   bool
	cutoffs      []PublicCutOff
	cutoffsHold  bool
}

// read returns nil, with no error, for a file that is not there.
func (v *verifier) read(name string) ([]byte, error) {
	b, err := fs.ReadFile(v.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// need is read for a file that every bundle has.
func (v *verifier) need(name string) ([]byte, error) {
	b, err := v.read(name)
	if err == nil && b == nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	return b, err
}

func (v *verifier) checkManifest() {
	const part = "manifest"
	file, err := v.need(FileManifest)
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	v.manifestFile = file
	m, err := ParseManifest(file)
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	v.manifest = &m
	v.report.DrawID, v.report.Sample = m.DrawID, m.Sample
	v.report.holds(part, "")
}

func (v *verifier) checkLeaves() {
	const part = "leaves"
	leaves, err := v.need(FileLeaves)
	if err == nil && v.manifest == nil {
		err = errors.New("not checked: the manifest fails")
	}
	if err == nil {
		v.supply, err = v.need(FileSupply)
	}
	if err == nil {
		err = checkFirstLeaf(leaves, ManifestHash(v.manifestFile), SupplyHash(v.supply))
	}
	if err == nil {
		err = CheckLeaves(leaves, v.manifest.MaxWeight)
	}
	if err != nil {
		v.report.fails(part, "%s: %v", FileLeaves, err)
		return
	}
	v.leaves = leaves
	v.report.holds(part, "%d ballots", leafCount(leaves)-1)
}

func checkFirstLeaf(leaves []byte, manifest, supply Hash) error {
	want := FirstLeaf(manifest, supply)
	if len(leaves) < LeafSize {
		return fmt.Errorf("%d bytes are less than leaf 0", len(leaves))
	}
	for i := range want {
		if leaves[i] == want[i] {
			continue
		}
		switch {
		case i == 0:
			return fmt.Errorf("leaf 0 begins with %02x, not 00", leaves[0])
		case i < 33:
			return fmt.Errorf("leaf 0 (byte %d): carries manifest_hash %x, manifest.json gives %s", i, leaves[1:33], manifest)
		case i < 65:
			return fmt.Errorf("leaf 0 (byte %d): carries supply_hash %x, supply.json gives %s", i, leaves[33:65], supply)
		default:
			return fmt.Errorf("leaf 0 (byte %d): does not end with 0000", i)
		}
	}
	return nil
}

func (v *verifier) checkRoot() {
	const part = "root"
	if v.opts.Frozen {
		v.checkFrozenRoot()
		return
	}
	file, err := v.need(FileClaims)
	if err == nil {
		var c Claims
		if c, err = ParseClaims(file); err == nil {
			v.claims = &c
		}
	}
	v.claimsError = err
	if v.leaves == nil {
		v.report.fails(part, "not checked: the leaves fail")
		return
	}
	root := RootOf(v.leaves, LeafSize, v.opts.Workers)
	v.root = &root
	size := uint64(leafCount(v.leaves))
	switch {
	case err != nil:
		v.report.fails(part, "%v", err)
	case v.claims.Size != size:
		v.report.fails(part, "claims.json: size %d, there are %d leaves", v.claims.Size, size)
	case v.claims.Root != root:
		v.report.fails(part, "claims.json: root %s, the leaves give %s", v.claims.Root, root)
	case v.claims.Sample && !v.manifest.Sample:
		v.report.fails(part, "claims.json: sample, the manifest is of a real draw")
	default:
		v.report.holds(part, "%s", root)
	}
}

// checkFrozenRoot recomputes the root before there are claims; the checkpoint is then compared with it.
func (v *verifier) checkFrozenRoot() {
	if v.leaves == nil {
		v.report.fails("root", "not checked: the leaves fail")
		return
	}
	root := RootOf(v.leaves, LeafSize, v.opts.Workers)
	v.root = &root
	v.report.holds("root", "%s", root)
}

func (v *verifier) checkExcluded() {
	const part = "excluded"
	file, err := v.read(FileExcluded)
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	v.excluded = file
	claimed := v.claims != nil && !v.claims.Excluded.IsZero()
	if file == nil {
		if claimed {
			v.report.fails(part, "claims.json names the hash of %s, which is missing", FileExcluded)
			return
		}
		v.report.absent(part, "")
		return
	}
	if claimed && v.claims.Excluded != FileHash(file) {
		v.report.fails(part, "claims.json: excluded %s, the file has H %s", v.claims.Excluded, FileHash(file))
		return
	}
	pids, err := ParseExcluded(file)
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	if v.leaves == nil {
		v.report.fails(part, "not checked: the leaves fail")
		return
	}
	for i, pid := range pids {
		if at := FindLeaf(v.leaves, pid); at != 0 {
			v.report.fails(part, "excluded.json: pids[%d]: %s is also leaf %d", i, pid, at)
			return
		}
	}
	v.report.holds(part, "%d", len(pids))
}

func (v *verifier) checkOrder() {
	const part = "order"
	file, err := v.need(FileOrder)
	if err == nil && v.ticketKey == nil {
		err = errors.New("not checked: the seed fails")
	}
	if err == nil {
		v.order, err = OrderWith(v.leaves, *v.ticketKey, v.opts.Workers)
	}
	if err == nil {
		err = compareOrder(file, v.order)
	}
	if err != nil {
		v.report.fails(part, "order.bin: %v", err)
		return
	}
	v.orderHolds = true
	v.report.holds(part, "%d tickets", len(v.order))
}

func compareOrder(file []byte, order []Entity) error {
	for i := range order {
		if len(file) < 16*(i+1) {
			return fmt.Errorf("%d bytes, %d ids need %d", len(file), len(order), 16*len(order))
		}
		if id := ID(file[16*i:]); id != order[i].ID {
			return fmt.Errorf("rank %d (byte %d): %s, the tickets give %s", i+1, 16*i, id, order[i].ID)
		}
	}
	if len(file) != 16*len(order) {
		return fmt.Errorf("%d bytes, %d ids need %d", len(file), len(order), 16*len(order))
	}
	return nil
}

// checkCounts compares the counts of claims.json, but for those who were assigned, which only outcome.bin shows.
func (v *verifier) checkCounts() {
	const part = "counts"
	if v.claims == nil || v.claims.Counts == nil {
		v.report.absent(part, "")
		return
	}
	if !v.orderHolds {
		v.report.fails(part, "not checked: the order fails")
		return
	}
	counted := Count(v.order, nil)
	for _, c := range []struct {
		name          string
		claimed, real *uint64
	}{
		{"ballots", v.claims.Counts.Ballots, counted.Ballots},
		{"entities", v.claims.Counts.Entities, counted.Entities},
		{"parties", v.claims.Counts.Parties, counted.Parties},
	} {
		if c.claimed != nil && *c.claimed != *c.real {
			v.report.fails(part, "claims.json: counts: %s: %d, there are %d", c.name, *c.claimed, *c.real)
			return
		}
	}
	v.report.holds(part, "")
}

func (v *verifier) checkCutOffs() {
	const part = "cut-offs"
	file, err := v.read(FileCutOffs)
	claimed := v.claims != nil && !v.claims.CutOffs.IsZero()
	switch {
	case err != nil:
		v.report.fails(part, "%v", err)
		return
	case file == nil && claimed:
		v.report.fails(part, "claims.json names the hash of %s, which is missing", FileCutOffs)
		return
	case file == nil:
		v.report.absent(part, "")
		return
	case claimed && v.claims.CutOffs != FileHash(file):
		v.report.fails(part, "claims.json: cutoffs %s, the file has H %s", v.claims.CutOffs, FileHash(file))
		return
	case !v.orderHolds:
		v.report.fails(part, "not checked: the order fails")
		return
	}
	v.cutoffs, err = ParseCutOffs(file, len(v.order))
	if err != nil {
		v.report.fails(part, "%v", err)
		return
	}
	v.cutoffsHold = true
	if !claimed {
		v.report.absent(part, "%d well-formed cut-offs; claims.json does not name their hash", len(v.cutoffs))
		return
	}
	v.report.holds(part, "%d", len(v.cutoffs))
}
