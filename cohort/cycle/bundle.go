package cycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// readBundle puts a drawn cohort's public record together from the database:
// as it was drawn (0), or after a correction (its number).
func readBundle(ctx context.Context, tx *data.Tx, cohortID, result int) (lottery.Bundle, error) {
	d, err := readFrozen(ctx, tx, cohortID)
	if err != nil {
		return lottery.Bundle{}, err
	}
	return d.bundleOf(ctx, tx, result)
}

// bundleOf is readBundle of a draw whose frozen part is read.
func (d *computed) bundleOf(ctx context.Context, tx *data.Tx, result int) (lottery.Bundle, error) {
	b := lottery.Bundle{
		Manifest: d.draw.Manifest, Supply: d.draw.Supply, Leaves: d.leaves, Checkpoint: signedOnly(d.manifest, d.draw.Checkpoint),
		Excluded: d.draw.Excluded,
	}
	if d.draw.DrawnAt == nil {
		return b, nil
	}
	b.Entropy, b.CutOffs, b.Claims = d.draw.Entropy, d.draw.CutOffs, d.draw.Claims
	if result > 0 {
		corrections, err := tx.Corrections(ctx, d.row.ID)
		if err != nil {
			return b, err
		}
		if result > len(corrections) {
			return b, fmt.Errorf("correction %d of draw %s: %w", result, d.draw.DrawID, data.ErrNotFound)
		}
		b.CutOffs, b.Claims = corrections[result-1].CutOffs, corrections[result-1].Claims
	}
	var err error
	if b.Public, err = publicFiles(ctx, tx, d.row.ID, d.manifest); err != nil {
		return lottery.Bundle{}, err
	}
	b.Order = make([]byte, 0, 16*len(d.people))
	err = tx.EachEntity(ctx, d.row.ID, func(id [16]byte) { b.Order = append(b.Order, id[:]...) })
	return b, err
}

// ErrNotPublished says that a draw's bundle is not public yet.
var ErrNotPublished = errors.New("the draw is not published yet")

// Bundle gives the public record of a published draw, as it was drawn.
func Bundle(ctx context.Context, db *data.DB, cohortID int) (lottery.Bundle, error) {
	return BundleOf(ctx, db, cohortID, 0)
}

// BundleOf gives the public record of a published draw: as it was drawn (0),
// or after a correction (its number). The error wraps data.ErrNotFound where
// there is no such correction.
func BundleOf(ctx context.Context, db *data.DB, cohortID, result int) (b lottery.Bundle, err error) {
	err = db.ReadTx(ctx, func(tx *data.Tx) error {
		row, err := tx.Cohort(ctx, cohortID)
		if err != nil {
			return err
		}
		if !row.State.Since(cohort.Published) {
			return fmt.Errorf("cohort %s: %w", row.Key, ErrNotPublished)
		}
		b, err = readBundle(ctx, tx, cohortID, result)
		return err
	})
	return b, err
}

// WriteBundle writes the public folder of a published draw, as it was drawn.
// Each file appears whole or not at all.
func WriteBundle(ctx context.Context, db *data.DB, cohortID int, dir string) error {
	return WriteBundleOf(ctx, db, cohortID, 0, dir)
}

// WriteBundleOf writes the public folder of a result, as BundleOf gives it.
func WriteBundleOf(ctx context.Context, db *data.DB, cohortID, result int, dir string) error {
	b, err := BundleOf(ctx, db, cohortID, result)
	if err != nil {
		return err
	}
	return lottery.WriteBundle(dir, b)
}

// WriteArchive writes the folder of a bundle as one file beside it.
func WriteArchive(dir, file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	err = lottery.WriteArchive(f, os.DirFS(dir))
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// BoardLine is an entry of the board as it is published.
type BoardLine struct {
	ID     int64        `json:"id"`
	At     string       `json:"at"` // UTC
	Cohort string       `json:"cohort,omitempty"`
	Kind   string       `json:"kind"`
	Hash   lottery.Hash `json:"hash"` // SHA-256 of the body
	File   string       `json:"file"` // in which the body stands, beside this list
}

// Published is what Publish wrote.
type Published struct {
	Dir     string   `json:"dir"`
	Sample  bool     `json:"sample"`
	Entries int      `json:"entries"`
	Bundles []string `json:"bundles"`
}

// Publish writes the board and the bundles of all published draws of a
// campaign as static files: board/index.json with a file for each entry, and
// draws/DRAW_ID/ with an archive beside it; a corrected result stands beside
// the first in draws/DRAW_ID-correction-N/. A bundle that does not verify, or is
// not the one that the board tells of, is refused, and nothing of it written.
// beacon checks drand's signatures; nil leaves them out.
func Publish(ctx context.Context, db *data.DB, c *cohort.Campaign, campaignID int, dir string, beacon func(uint64, []byte) error) (Published, error) {
	out := Published{Dir: dir, Sample: c.Sample, Bundles: []string{}}
	cohorts, err := db.Cohorts(ctx, campaignID)
	if err != nil {
		return out, err
	}
	keys := map[int]string{}
	for _, o := range cohorts {
		keys[o.ID] = o.Key
	}
	entries, err := db.Board(ctx, campaignID, 0)
	if err != nil {
		return out, err
	}
	files := map[string][]byte{}
	lines := make([]BoardLine, len(entries))
	for i, e := range entries {
		name := fmt.Sprintf("%06d-%s%s", e.ID, e.Kind, extension(e.Kind))
		lines[i] = BoardLine{ID: e.ID, At: e.At.UTC().Format("2006-01-02T15:04:05.000Z"), Cohort: keys[e.Cohort], Kind: e.Kind, Hash: e.Hash, File: name}
		files[name] = e.Body
	}
	index, err := json.MarshalIndent(struct {
		Campaign string      `json:"campaign"`
		Sample   bool        `json:"sample"`
		Entries  []BoardLine `json:"entries"`
	}{c.Key, c.Sample, lines}, "", " ")
	if err != nil {
		return out, err
	}
	files["index.json"] = append(index, '\n')
	if err := lottery.WriteFiles(filepath.Join(dir, "board"), files); err != nil {
		return out, err
	}
	out.Entries = len(entries)
	for _, o := range cohorts {
		if !o.State.Since(cohort.Published) {
			continue
		}
		corrections, err := db.Corrections(ctx, o.ID)
		if err != nil {
			return out, err
		}
		for result := range len(corrections) + 1 {
			b, err := BundleOf(ctx, db, o.ID, result)
			if err != nil {
				return out, err
			}
			if err := onBoard(c.DrawID(o.Key), b, entries, o.ID, result, beacon); err != nil {
				return out, err
			}
			name := cohort.BundleName(c.DrawID(o.Key), result)
			folder := filepath.Join(dir, "draws", name)
			if err := lottery.WriteBundle(folder, b); err != nil {
				return out, err
			}
			if err := WriteArchive(folder, folder+".zip"); err != nil {
				return out, err
			}
			out.Bundles = append(out.Bundles, name)
		}
	}
	return out, nil
}

// onBoard verifies a bundle as anybody would, and holds its files against the
// hashes that the board tells of its result.
func onBoard(drawID string, b lottery.Bundle, entries []data.BoardEntry, cohortID, result int, beacon func(uint64, []byte) error) error {
	if why := bundleFault(b, beacon); why != "" {
		return refuse("draw %s is not published: %s", drawID, why)
	}
	board := map[string][]data.BoardEntry{}
	for _, e := range entries {
		if e.Cohort == cohortID {
			board[e.Kind] = append(board[e.Kind], e)
		}
	}
	err := resultOnRecord(drawID, board, result, b)
	var u *Unsound
	if errors.As(err, &u) {
		return refuse("%s", u.Text)
	}
	return err
}

// bundleFault is the first part of a bundle that fails, "" where it holds.
func bundleFault(b lottery.Bundle, beacon func(uint64, []byte) error) string {
	report := lottery.Verify(memory(b.Files()), lottery.VerifyOptions{Beacon: beacon})
	for _, p := range report.Parts {
		if p.State == lottery.Fails {
			return p.Name + ": " + p.Detail
		}
	}
	return ""
}

func extension(kind string) string {
	if kind == "checkpoint" {
		return ".txt"
	}
	return ".json"
}
