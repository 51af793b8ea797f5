package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"unicode/utf8"
)

// maxRecord bounds one row of a text file, in bytes: an opened quotation mark
// must not swallow the rest of it.
const maxRecord = 1 << 20

// CSV reads a text file of rows, with or without a byte order mark, its lines
// ended by LF or CRLF, its cells separated by commas, or, as its first line shows, by semicolons
// or tabs. Cells that are no UTF-8 and bad quotation marks are flaws.
func CSV(r io.Reader) Lines {
	return func(yield func(Line, error) bool) {
		bound := &bounded{r: r, left: maxRecord}
		b := bufio.NewReaderSize(bound, 64<<10)
		start, _ := b.Peek(4)
		switch {
		case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
			b.Discard(3)
		case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
			yield(Line{}, &FileFlaw{1, "not_utf8"})
			return
		case bytes.HasPrefix(start, []byte("PK\x03\x04")):
			yield(Line{}, &FileFlaw{1, "damaged"})
			return
		}
		c := csv.NewReader(b)
		c.Comma = separator(b)
		c.FieldsPerRecord = -1
		c.ReuseRecord = true
		c.LazyQuotes = false
		row := 0
		for {
			bound.left = maxRecord
			cells, err := c.Read()
			var bad *csv.ParseError
			switch {
			case err == io.EOF:
				return
			case errors.Is(err, errTooLong):
				yield(Line{}, &FileFlaw{row + 1, "too_long"})
				return
			case errors.As(err, &bad):
				// The reader goes on behind the line; the row is lost to us.
				row = bad.StartLine
				if !yield(Line{Row: row, Flaws: []CellFlaw{{-1, "quote"}}}, nil) {
					return
				}
				continue
			case err != nil:
				yield(Line{}, err)
				return
			}
			row, _ = c.FieldPos(0)
			line := Line{Row: row, Cells: cells}
			for i, cell := range cells {
				if !utf8.ValidString(cell) {
					line.Flaws = append(line.Flaws, CellFlaw{i, "not_utf8"})
				}
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// separator looks at the first line, outside of quotation marks.
func separator(b *bufio.Reader) rune {
	first, _ := b.Peek(4 << 10)
	if i := bytes.IndexAny(first, "\r\n"); i >= 0 {
		first = first[:i]
	}
	counts := map[byte]int{}
	quoted := false
	for _, c := range first {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted:
			counts[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return rune(best)
}

var errTooLong = errors.New("row too long")

// bounded lets so many bytes through between two rows; the buffers above it
// read ahead a little.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
