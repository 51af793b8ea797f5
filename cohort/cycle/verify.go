package cycle

import (
	"io"
	"io/fs"
	"time"

	"jebi/cohort"
	"jebi/lottery"
)

// verifyOwn verifies the bundle as anybody would, before it is written; holds
// the places against what must always be so, whoever gave them; and, where the
// draw is small, audits it as a sworn auditor would, by the reference
// allocation.
func (r *Runner) verifyOwn(d *computed, c *cohort.Campaign, o *cohort.Cohort) error {
	opts := lottery.VerifyOptions{Beacon: r.Beacon}
	if d.ballots != nil {
		opts.Audit = &lottery.Audit{
			Folder: memory{lottery.FileOutcome: lottery.OutcomeBytes(d.outcomes), lottery.FileBallots: d.ballots},
			K:      d.k,
			Allocate: func(supply []byte, order []lottery.Entity, ballots lottery.Ballots) ([]lottery.Outcome, []lottery.PublicCutOff, error) {
				return reallocate(c, o, supply, order, ballots, d.poolsByKey())
			},
		}
	}
	report := lottery.Verify(memory(d.bundle.Files()), opts)
	for _, p := range report.Parts {
		if p.State == lottery.Fails {
			return unsound("draw %s: %w: %s: %s", d.draw.DrawID, errOwnBundle, p.Name, p.Detail)
		}
	}
	if err := d.layout.Check(d.places, seating(o.Seating)); err != nil {
		return unsound("draw %s: %w: %w", d.draw.DrawID, errOwnBundle, err)
	}
	return nil
}

// memory is a folder of files in memory.
type memory map[string][]byte

// Open implements fs.FS; it knows files of its own folder only.
func (m memory) Open(name string) (fs.File, error) {
	b, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memoryFile{name: name, rest: b, size: int64(len(b))}, nil
}

// ReadFile implements fs.ReadFileFS without a copy.
func (m memory) ReadFile(name string) ([]byte, error) {
	b, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return b, nil
}

type memoryFile struct {
	name string
	rest []byte
	size int64
}

func (f *memoryFile) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *memoryFile) Close() error               { return nil }
func (f *memoryFile) Stat() (fs.FileInfo, error) { return f, nil }

// A memoryFile is its own FileInfo.
func (f *memoryFile) Name() string       { return f.name }
func (f *memoryFile) Size() int64        { return f.size }
func (f *memoryFile) Mode() fs.FileMode  { return 0o444 }
func (f *memoryFile) ModTime() time.Time { return time.Time{} }
func (f *memoryFile) IsDir() bool        { return false }
func (f *memoryFile) Sys() any           { return nil }
