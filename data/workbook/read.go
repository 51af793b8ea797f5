package workbook

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/xuri/excelize/v2"

	"jebi/data"
)

// Limits of what a file may unpack to. A list of people packs 10 to 25 to one.
const (
	unpackRatio = 60
	unpackFloor = 64 << 20
	unpackCeil  = 6 << 30
	partInMem   = 16 << 20 // larger parts go through a temporary file
)

// oleHead begins files that are encrypted, or of Excel before 2007.
var oleHead = []byte{0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1}

// Book is an opened .xlsx file.
type Book struct {
	file *excelize.File
	zip  *zip.Reader
	days data.DateSystem
}

// Open opens an .xlsx file of so many bytes. What is wrong with the file comes
// as *data.FileFlaw. Its parts are checked for their unpacked size; large ones
// are unpacked into dir ("": the system's temporary folder), readable by this
// user only, until Close.
func Open(r io.ReaderAt, size int64, dir string) (b *Book, err error) {
	defer damaged(&err)
	head := make([]byte, len(oleHead))
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, &data.FileFlaw{Code: "damaged"}
	}
	if bytes.Equal(head, oleHead) {
		return nil, &data.FileFlaw{Code: "encrypted"}
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, &data.FileFlaw{Code: "damaged"}
	}
	limit := min(max(unpackRatio*size, unpackFloor), unpackCeil)
	f, err := excelize.OpenReader(io.NewSectionReader(r, 0, size), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: limit, UnzipXMLSizeLimit: min(partInMem, limit), TmpDir: dir,
	})
	if err != nil {
		if f != nil {
			f.Close()
		}
		if strings.Contains(err.Error(), "unzip size exceeds") {
			return nil, &data.FileFlaw{Code: "too_big"}
		}
		return nil, &data.FileFlaw{Code: "damaged"}
	}
	b = &Book{file: f, zip: z, days: data.Days1900}
	if p, err := f.GetWorkbookProps(); err == nil && p.Date1904 != nil && *p.Date1904 {
		b.days = data.Days1904
	}
	return b, nil
}

// Close removes what was unpacked.
func (b *Book) Close() error { return b.file.Close() }

// Lines reads a sheet row by row ("": the first that is not hidden). Cells
// with a formula or an error of Excel are flaws. Dates come as Excel's count
// of days.
func (b *Book) Lines(sheet string) data.Lines {
	return func(yield func(data.Line, error) bool) {
		stopped := false
		err := b.lines(sheet, func(l data.Line) bool {
			stopped = !yield(l, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(data.Line{}, err)
		}
	}
}

func (b *Book) lines(sheet string, yield func(data.Line) bool) (err error) {
	part, name, err := b.find(sheet)
	if err != nil {
		return err
	}
	s, err := scan(part)
	if err != nil {
		return err
	}
	rows, err := b.rows(name)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for {
		more, cells, err := nextRow(rows)
		if err != nil {
			return &data.FileFlaw{Row: n + 1, Code: "damaged"}
		}
		if !more {
			break
		}
		n++
		line := data.Line{Row: n, Cells: cells, Dates: b.days, Flaws: s.flaws[n]}
		if !yield(line) {
			return nil
		}
	}
	if n != s.lastRow || rows.Error() != nil {
		return &data.FileFlaw{Row: n + 1, Code: "damaged"}
	}
	return nil
}

func (b *Book) rows(sheet string) (rows *excelize.Rows, err error) {
	defer damaged(&err)
	return b.file.Rows(sheet)
}

func nextRow(rows *excelize.Rows) (more bool, cells []string, err error) {
	defer damaged(&err)
	if !rows.Next() {
		return false, nil, nil
	}
	cells, err = rows.Columns()
	return true, cells, err
}

// damaged makes a panic over a malformed file a flaw of the file. The library
// trusts indexes that a file gives.
func damaged(err *error) {
	if r := recover(); r != nil {
		*err = &data.FileFlaw{Code: "damaged"}
		return
	}
	var flaw *data.FileFlaw
	if *err != nil && !errors.As(*err, &flaw) {
		*err = &data.FileFlaw{Code: "damaged"}
	}
}
