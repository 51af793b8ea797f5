package cycle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Outside is a copy of a frozen draw that was kept outside of the database.
type Outside struct {
	Checkpoint []byte // signed, or its text alone
	Leaves     []byte // leaves.bin; nil: only the checkpoint was kept
	Manifest   []byte // nil: not kept
}

// maxFaults bounds how many rows a part names.
const maxFaults = 20

// faults gathers what is wrong in one part.
type faults struct {
	name string
	list []string
	n    int
}

func (f *faults) add(format string, args ...any) {
	if f.n++; f.n <= maxFaults {
		f.list = append(f.list, fmt.Sprintf(format, args...))
	}
}

func (f *faults) part(holds string, args ...any) lottery.Part {
	if f.n == 0 {
		return lottery.Part{Name: f.name, State: lottery.Holds, Detail: fmt.Sprintf(holds, args...)}
	}
	text := strings.Join(f.list, "; ")
	if f.n > maxFaults {
		text += fmt.Sprintf("; and %d more", f.n-maxFaults)
	}
	return lottery.Part{Name: f.name, State: lottery.Fails, Detail: text}
}

// Against holds what the database says of a frozen draw against a copy that
// was kept outside: whoever deleted, changed or inserted a ballot or a leaf
// since, past triggers and rights, is found out, and the row is named by its
// leaf and the person's number in the database. It changes nothing.
func Against(ctx context.Context, tx *data.Tx, cohortID int, out Outside) (lottery.Report, error) {
	d, err := tx.Draw(ctx, cohortID)
	if err != nil {
		return lottery.Report{}, err
	}
	report := lottery.Report{DrawID: d.DrawID}
	if d.FrozenAt == nil {
		return report, refuse("draw %s is not frozen yet", d.DrawID)
	}
	m, err := lottery.ParseManifest(d.Manifest)
	if err != nil {
		return report, err
	}
	report.Sample = m.Sample
	k, err := tx.DrawKey(ctx, cohortID)
	if err != nil {
		return report, err
	}
	kept, err := parseText(out.Checkpoint)
	if err != nil {
		return report, err
	}

	manifest := faults{name: "manifest"}
	switch {
	case kept.Origin != m.Origin():
		manifest.add("the checkpoint is of %s, the database's draw is %s", kept.Origin, m.Origin())
	case out.Manifest != nil && !bytes.Equal(out.Manifest, d.Manifest):
		manifest.add("the manifest was changed")
	case lottery.KCommit(d.DrawID, k) != m.KCommit:
		manifest.add("the secret key is not the one that was announced")
	}
	report.Parts = append(report.Parts, manifest.part("%s", lottery.ManifestHash(d.Manifest)))

	checkpoint := faults{name: "checkpoint"}
	if uint64(d.Leaves) != kept.Size || lottery.Hash(d.Root) != kept.Root {
		checkpoint.add("the copy has %d leaves with root %s, the database says %d with %x", kept.Size, kept.Root, d.Leaves, d.Root)
	}
	if !kept.Excluded.IsZero() && lottery.FileHash(d.Excluded) != kept.Excluded {
		checkpoint.add("excluded.json was changed")
	}
	report.Parts = append(report.Parts, checkpoint.part("%d leaves, root %s", kept.Size, kept.Root))

	rows, part, err := leavesAgainst(ctx, tx, d, kept, out.Leaves)
	if err != nil {
		return report, err
	}
	report.Parts = append(report.Parts, part)
	reference := out.Leaves
	if reference == nil {
		reference = rows
	}
	if part, err = ballotsAgainst(ctx, tx, d, k, reference); err != nil {
		return report, err
	}
	report.Parts = append(report.Parts, part)

	more, err := whatCameAfter(ctx, tx, d, m, k, reference)
	if err != nil {
		return report, err
	}
	report.Parts = append(report.Parts, more...)

	if kept.SavesRoot.IsZero() {
		report.Parts = append(report.Parts, lottery.Part{Name: "saves", State: lottery.Absent})
		return report, nil
	}
	saves := faults{name: "saves"}
	entries, err := saveLog(ctx, tx, d, k, nil)
	if err != nil {
		return report, err
	}
	row, err := tx.Cohort(ctx, cohortID)
	if err != nil {
		return report, err
	}
	if len(entries) == 0 && kept.Saves > 0 && ended(row.State) {
		report.Parts = append(report.Parts, lottery.Part{Name: saves.name, State: lottery.Absent, Detail: "purged"})
		return report, nil
	}
	if n := uint64(len(entries) / lottery.SaveEntrySize); n != kept.Saves {
		saves.add("%d saves in the histories, the copy has %d", n, kept.Saves)
	} else if lottery.RootOf(entries, lottery.SaveEntrySize, runtime.GOMAXPROCS(0)) != kept.SavesRoot {
		saves.add("the histories of the saves were changed")
	}
	report.Parts = append(report.Parts, saves.part("%d", kept.Saves))
	return report, nil
}

// ended says whether people's data may have been purged.
func ended(s cohort.State) bool { return s.Since(cohort.Settled) || s == cohort.Void }

// whatCameAfter is afterFreeze of a draw that need not be sound.
func whatCameAfter(ctx context.Context, tx *data.Tx, row data.DrawRow, m lottery.Manifest, k [32]byte, leaves []byte) ([]lottery.Part, error) {
	d := &computed{draw: row, manifest: m, k: k, leaves: leaves}
	var err error
	if d.row, err = tx.Cohort(ctx, row.Cohort); err != nil {
		return nil, err
	}
	if d.slots, err = drawnSlots(ctx, tx, row.Cohort); err != nil {
		return nil, err
	}
	if d.shelf, err = newShelf(d.slots); err != nil {
		return nil, err
	}
	supply := faults{name: "supply"}
	if err := supply.take(d.sameSupply()); err != nil {
		return nil, err
	}
	if d.row.State == cohort.Frozen || d.row.State == cohort.Drawn { // later they come and go, each on the board
		for _, s := range d.slots {
			if s.Seats != *s.Drawn+s.Kept {
				supply.add("slot %s has %d seats, frozen were %d and %d in reserve", slotName(s), s.Seats, *s.Drawn, s.Kept)
			}
		}
	}
	parts, err := afterFreeze(ctx, tx, d, leaves)
	return append([]lottery.Part{supply.part("%d slots", len(d.slots))}, parts...), err
}

// parseText reads a checkpoint, also one without a signature.
func parseText(checkpoint []byte) (lottery.Checkpoint, error) {
	if !bytes.Contains(checkpoint, []byte("\n\n")) {
		checkpoint = append(bytes.Clone(checkpoint), "\n— nobody AAAA\n"...)
	}
	return lottery.ParseCheckpoint(checkpoint)
}

// leavesAgainst compares the frozen rows with the kept root and, where they
// were kept, with the leaves one by one. It answers leaves.bin of the rows.
func leavesAgainst(ctx context.Context, tx *data.Tx, d data.DrawRow, kept lottery.Checkpoint, leaves []byte) ([]byte, lottery.Part, error) {
	f := faults{name: "leaves"}
	var list []lottery.Leaf
	people := map[lottery.ID]int64{}
	err := tx.EachLeaf(ctx, d.Cohort, func(_ int, l *data.LeafRow) error {
		list = append(list, lottery.Leaf{PID: l.PID, GID: l.GID, Weight: uint16(l.Weight), Commit: l.Commit})
		people[l.PID] = l.Person
		return nil
	})
	if err != nil {
		return nil, lottery.Part{}, err
	}
	rows, err := lottery.Leaves(lottery.ManifestHash(d.Manifest), lottery.SupplyHash(d.Supply), list)
	if err != nil {
		f.add("the rows are no leaves: %v", err)
		return nil, f.part(""), nil
	}
	if leaves == nil {
		if lottery.Root(rows) != kept.Root {
			f.add("the rows have the root %s, the copy has %s", lottery.Root(rows), kept.Root)
		}
		return rows, f.part("%d", len(rows)/lottery.LeafSize), nil
	}
	if len(leaves)%lottery.LeafSize != 0 || lottery.Root(leaves) != kept.Root {
		f.add("the copy's leaves have not the root of its checkpoint")
		return rows, f.part(""), nil
	}
	if !bytes.Equal(rows[:lottery.LeafSize], leaves[:min(len(leaves), lottery.LeafSize)]) {
		f.add("leaf 0: manifest or supply was changed")
	}
	for at := lottery.LeafSize; at < len(leaves); at += lottery.LeafSize {
		leaf := leaves[at:][:lottery.LeafSize]
		l, err := lottery.ParseLeaf(leaf)
		if err != nil {
			return rows, lottery.Part{}, err
		}
		switch i := lottery.FindLeaf(rows, l.PID); {
		case i == 0:
			f.add("leaf %d was deleted", at/lottery.LeafSize)
		case !bytes.Equal(rows[i*lottery.LeafSize:][:lottery.LeafSize], leaf):
			f.add("leaf %d (person %d) was changed", at/lottery.LeafSize, people[l.PID])
		}
	}
	for _, l := range list {
		if lottery.FindLeaf(leaves, l.PID) == 0 {
			f.add("a leaf of person %d was inserted", people[l.PID])
		}
	}
	return rows, f.part("%d", len(leaves)/lottery.LeafSize), nil
}

// ballotsAgainst opens every ballot of the database and holds it against its
// leaf.
func ballotsAgainst(ctx context.Context, tx *data.Tx, d data.DrawRow, k [32]byte, leaves []byte) (lottery.Part, error) {
	f := faults{name: "ballots"}
	row, err := tx.Cohort(ctx, d.Cohort)
	if err != nil {
		return lottery.Part{}, err
	}
	var excluded lottery.Excluded
	if err := json.Unmarshal(d.Excluded, &excluded); err != nil {
		return lottery.Part{}, fmt.Errorf("excluded.json: %w", err)
	}
	out := map[lottery.ID]bool{}
	for _, pid := range excluded.PIDs {
		out[pid] = true
	}
	board, err := entriesOf(ctx, tx, row)
	if err != nil {
		return lottery.Part{}, err
	}
	late, err := leftOutTold(board)
	if err != nil {
		return lottery.Part{}, err
	}
	for pid := range late {
		out[pid] = true // it came back as its receipt has it
	}
	keys := map[int64]string{}
	if err := tx.EachClosedBallot(ctx, d.Cohort, []string{}, func(b *data.ClosedBallot) error { keys[b.Person] = b.Key; return nil }); err != nil {
		return lottery.Part{}, err
	}
	seen := make([]bool, len(leaves)/lottery.LeafSize)
	n := 0
	err = tx.EachFrozenBallot(ctx, row, func(b *data.FrozenBallot) error {
		n++
		pid := lottery.PID(k, d.DrawID, keys[b.Person])
		i := lottery.FindLeaf(leaves, pid)
		switch {
		case i == 0 && !out[pid]:
			f.add("the ballot of person %d was inserted", b.Person)
		case i > 0:
			seen[i] = true
			l, err := lottery.ParseLeaf(leaves[i*lottery.LeafSize:][:lottery.LeafSize])
			if err != nil {
				return err
			}
			if len(b.Salt) != 32 || lottery.BallotCommit([32]byte(b.Salt), b.Bytes) != l.Commit {
				f.add("the ballot of leaf %d (person %d) was changed", i, b.Person)
			}
		}
		return nil
	})
	if err != nil {
		return lottery.Part{}, err
	}
	if n == 0 && len(seen) > 1 && ended(row.State) {
		return lottery.Part{Name: f.name, State: lottery.Absent, Detail: "purged"}, nil
	}
	for i := 1; i < len(seen); i++ {
		if !seen[i] {
			f.add("the ballot of leaf %d was deleted", i)
		}
	}
	return f.part("%d", n), nil
}
