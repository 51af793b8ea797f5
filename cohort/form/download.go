package form

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"time"

	"jebi/lottery"
)

// publicBundle shows of a folder what a public bundle has, and nothing else
// that may lie there.
type publicBundle struct{ dir fs.FS }

var contributions = regexp.MustCompile(`^public-[0-9]{1,5}\.bin$`)

func isPublic(name string) bool {
	return contributions.MatchString(name) || slices.Contains([]string{
		lottery.FileManifest, lottery.FileSupply, lottery.FileLeaves, lottery.FileCheckpoint, lottery.FileEntropy, lottery.FileOrder,
		lottery.FileCutOffs, lottery.FileExcluded, lottery.FileClaims,
	}, name)
}

// Open opens the folder or a file of the bundle.
func (p publicBundle) Open(name string) (fs.File, error) {
	if name != "." && !isPublic(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return p.dir.Open(name)
}

// ReadDir lists the files of the bundle.
func (p publicBundle) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(p.dir, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() || !isPublic(e.Name()) }), err
}

// downloadLimit is how long the download of a bundle may take; pages have the
// server's own limit.
const downloadLimit = 10 * time.Minute

// unhurried lifts the server's limit on writing for a download: the deadline
// is the network's, not any rule's.
func (f *Form) unhurried(v *visit) {
	if f.Now != nil {
		// Not every writer has deadlines (a test's has none): then there is no limit to lift.
		_ = http.NewResponseController(v.w).SetWriteDeadline(f.Now().Add(downloadLimit))
	}
}

func copyTo(w io.Writer, r io.Reader) error {
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	return nil
}
