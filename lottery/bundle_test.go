package lottery

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func bundleOf(d *made, public map[string][]byte) Bundle {
	return Bundle{
		Manifest: public[FileManifest], Supply: public[FileSupply], Leaves: public[FileLeaves],
		Checkpoint: public[FileCheckpoint], Entropy: public[FileEntropy], Order: public[FileOrder],
		CutOffs: public[FileCutOffs], Excluded: public[FileExcluded], Claims: public[FileClaims], Public: d.public,
	}
}

// TestWriteBundle: the folder holds the files and nothing else, may be written again, and verifies; so does its archive.
func TestWriteBundle(t *testing.T) {
	d, public, receipts := drawWithAllSources(t)
	b := bundleOf(d, public)
	if diff := cmp.Diff(public, b.Files()); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	dir := filepath.Join(t.TempDir(), "bundles", d.m.DrawID)
	if err := WriteBundle(dir, b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "order.bin"+unfinished), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteBundle(dir, b); err != nil {
		t.Errorf("a second time: %v", err)
	}
	entries := must(os.ReadDir(dir))(t)
	if len(entries) != len(public) {
		t.Errorf("%d files, want %d", len(entries), len(public))
	}
	opts := VerifyOptions{Receipt: receipts[1], Beacon: testBeacon}
	if r := Verify(os.DirFS(dir), opts); !r.OK(false) {
		t.Error(failures(r))
	}
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := WriteArchive(w, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of one folder differ")
	}
	z := must(zip.NewReader(bytes.NewReader(first.Bytes()), int64(first.Len())))(t)
	if r := Verify(z, opts); !r.OK(false) {
		t.Error("the archive: " + failures(r))
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteBundle(dir, b); err == nil {
		t.Error("a foreign file in the folder is passed over")
	}
}

// TestWriteFails: where a folder cannot be written or read, the error says so.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteFiles(filepath.Join(file, "below"), nil); err == nil {
		t.Error("a folder below a file is made")
	}
	if err := WriteFiles(dir, map[string][]byte{"file": nil, "sub/other": nil}); err == nil {
		t.Error("a file in a folder that is not there is written")
	}
	if err := WriteArchive(&bytes.Buffer{}, os.DirFS(filepath.Join(dir, "nothing"))); err == nil {
		t.Error("nothing is archived")
	}
	if err := WriteArchive(&bytes.Buffer{}, fstest.MapFS{"sub/file": {}}); err == nil {
		t.Error("a folder in a folder is archived")
	}
	d, public, _ := drawWithAllSources(t)
	files := folder(public)
	delete(files, FileOrder)
	files[FileOrder+"/x"] = &fstest.MapFile{}
	if r := Verify(files, VerifyOptions{}); r.Find("order").State != Fails {
		t.Errorf("order.bin is a folder: %+v of %s", r.Find("order"), d.m.DrawID)
	}
}

// TestExcluded merges the rare reasons.
func TestExcluded(t *testing.T) {
	reasons := map[ID]string{}
	for i := range byte(25) {
		reasons[ID{25 - i}] = []string{"not eligible", "moved"}[min(i/12, 1)]
	}
	reasons[ID{99}], reasons[ID{98}] = "dead", "withdrawn"
	e := NewExcluded(reasons)
	if diff := cmp.Diff(map[string]int{"not eligible": 12, "moved": 13, otherReasons: 2}, e.Reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	pids := must(ParseExcluded(must(e.Marshal())(t)))(t)
	if len(pids) != 27 || pids[0] != (ID{1}) || pids[26] != (ID{99}) {
		t.Errorf("%d pids from %s", len(pids), pids[0])
	}
	if none := NewExcluded(nil); string(must(none.Marshal())(t)) != "{\"pids\":[],\"reasons\":{}}\n" {
		t.Errorf("none: %s", must(none.Marshal())(t))
	}
}

// TestCutOffs: none is an empty list, not null.
func TestCutOffs(t *testing.T) {
	if got := string(must(MarshalCutOffs(nil))(t)); got != "{\"cutoffs\":[]}\n" {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{
		`{}`, `{"cutoffs":[{}]}`, `{"cutoffs":[{"slot":"a","size":0,"doses":1,"pool":"","rank":1}]}`,
		`{"cutoffs":[{"slot":"a","size":5,"doses":1,"pool":"","rank":1}]}`, `{"cutoffs":[{"slot":"a","size":1,"doses":3,"pool":"","rank":1}]}`,
		`{"cutoffs":[{"slot":"a","size":1,"doses":1,"pool":"","rank":4}]}`, `{"cutoffs":[{"slot":"a","size":1,"doses":1,"pool":"","rank":0}]}`,
		`{"cutoffs":[{"slot":"a","size":1,"doses":1,"pool":"","rank":1},{"slot":"a","size":1,"doses":1,"pool":"","rank":2}]}`, `[]`,
	} {
		if _, err := ParseCutOffs([]byte(bad), 3); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
