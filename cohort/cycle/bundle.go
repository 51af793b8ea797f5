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

// readBundle puts a drawn cohort's public record together from the database.
func readBundle(ctx context.Context, tx *data.Tx, cohortID int) (lottery.Bundle, error) {
	d, err := readFrozen(ctx, tx, cohortID)
	if err != nil {
		return lottery.Bundle{}, err
	}
	b := lottery.Bundle{
		Manifest: d.draw.Manifest, Supply: d.draw.Supply, Leaves: d.leaves, Checkpoint: signedOnly(d.manifest, d.draw.Checkpoint),
		Excluded: d.draw.Excluded,
	}
	if d.draw.DrawnAt == nil {
		return b, nil
	}
	b.Entropy, b.CutOffs, b.Claims = d.draw.Entropy, d.draw.CutOffs, d.draw.Claims
	if b.Public, err = publicFiles(ctx, tx, cohortID, d.manifest); err != nil {
		return lottery.Bundle{}, err
	}
	b.Order = make([]byte, 0, 16*len(d.people))
	err = tx.EachEntity(ctx, cohortID, func(id [16]byte) { b.Order = append(b.Order, id[:]...) })
	return b, err
}

// ErrNotPublished says that a draw's bundle is not public yet.
var ErrNotPublished = errors.New("the draw is not published yet")

// Bundle gives the public record of a published draw.
func Bundle(ctx context.Context, db *data.DB, cohortID int) (b lottery.Bundle, err error) {
	err = db.ReadTx(ctx, func(tx *data.Tx) error {
		row, err := tx.Cohort(ctx, cohortID)
		if err != nil {
			return err
		}
		if !row.State.Since(cohort.Published) {
			return fmt.Errorf("cohort %s: %w", row.Key, ErrNotPublished)
		}
		b, err = readBundle(ctx, tx, cohortID)
		return err
	})
	return b, err
}

// WriteBundle writes the public folder of a published draw. Each file appears
// whole or not at all.
func WriteBundle(ctx context.Context, db *data.DB, cohortID int, dir string) error {
	b, err := Bundle(ctx, db, cohortID)
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
// draws/DRAW_ID/ with an archive beside it.
func Publish(ctx context.Context, db *data.DB, c *cohort.Campaign, campaignID int, dir string) (Published, error) {
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
		id := c.DrawID(o.Key)
		folder := filepath.Join(dir, "draws", id)
		if err := WriteBundle(ctx, db, o.ID, folder); err != nil {
			return out, err
		}
		if err := WriteArchive(folder, folder+".zip"); err != nil {
			return out, err
		}
		out.Bundles = append(out.Bundles, id)
	}
	return out, nil
}

func extension(kind string) string {
	if kind == "checkpoint" {
		return ".txt"
	}
	return ".json"
}
