package lottery

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The names of the files of a bundle.
const (
	FileManifest   = "manifest.json"
	FileSupply     = "supply.json"
	FileLeaves     = "leaves.bin"
	FileCheckpoint = "checkpoint"
	FileEntropy    = "entropy.json"
	FileOrder      = "order.bin"
	FileCutOffs    = "cutoffs.json"
	FileExcluded   = "excluded.json"
	FileClaims     = "claims.json"
	FileOutcome    = "outcome.bin" // sworn auditors only
	FileBallots    = "ballots.bin" // sworn auditors only
)

// FilePublic is the name of a source's file of public contributions.
func FilePublic(index uint16) string { return fmt.Sprintf("public-%d.bin", index) }

// Bundle is the public record of a draw: files as bytes. A nil file is left out.
type Bundle struct {
	Manifest, Supply, Leaves, Checkpoint, Entropy, Order, CutOffs, Excluded, Claims []byte
	Public                                                                          map[uint16][]byte // by the source's index
}

// Files returns the files of the bundle by name.
func (b Bundle) Files() map[string][]byte {
	files := map[string][]byte{
		FileManifest: b.Manifest, FileSupply: b.Supply, FileLeaves: b.Leaves, FileCheckpoint: b.Checkpoint,
		FileEntropy: b.Entropy, FileOrder: b.Order, FileCutOffs: b.CutOffs, FileExcluded: b.Excluded,
		FileClaims: b.Claims,
	}
	for index, content := range b.Public {
		files[FilePublic(index)] = content
	}
	for name, content := range files {
		if content == nil {
			delete(files, name)
		}
	}
	return files
}

// WriteBundle writes the public folder. Each file appears whole or not at all, so that a program that was killed
// may simply write again; a file in dir that is no part of the bundle is an error.
func WriteBundle(dir string, b Bundle) error { return WriteFiles(dir, b.Files()) }

// WriteFiles writes a folder of files as WriteBundle does; the auditors' folder is one too.
func WriteFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if filepath.Ext(name) == unfinished {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("bundle: %w", err)
			}
			continue
		}
		if _, ours := files[name]; !ours {
			return fmt.Errorf("bundle: %s holds %s, which is no part of it", dir, name)
		}
	}
	for _, name := range sortedNames(files) {
		if err := writeWhole(filepath.Join(dir, name), files[name]); err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
	}
	return nil
}

// unfinished marks a file that is being written.
const unfinished = ".unfinished"

func writeWhole(path string, content []byte) (err error) {
	f, err := os.Create(path + unfinished)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+unfinished, path)
}

func sortedNames(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// WriteArchive writes the files of a bundle's folder as one zip: sorted by name, stored without compression, all
// dated 1980, so that the same folder gives the same bytes with every version of every program.
func WriteArchive(w io.Writer, fsys fs.FS) error {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	z := zip.NewWriter(w)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return fmt.Errorf("archive: %s is not a file", e.Name())
		}
		if err := archiveFile(z, fsys, e.Name()); err != nil {
			return fmt.Errorf("archive: %s: %w", e.Name(), err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

func archiveFile(z *zip.Writer, fsys fs.FS, name string) error {
	in, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := z.CreateHeader(&zip.FileHeader{
		Name: name, Method: zip.Store, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}
