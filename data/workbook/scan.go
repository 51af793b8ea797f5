package workbook

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"jebi/data"
)

// The library's row reader gives a formula's cached value, or nothing, without
// saying that there is a formula, and takes a torn file for a short one. So the
// sheet's XML is scanned first, for formulas, errors and the number of rows.

// scanned is what the scan of a sheet has found.
type scanned struct {
	flaws   map[int][]data.CellFlaw // by row
	lastRow int
}

// maxFlaws bounds what a scan remembers; a file with more is refused anyway.
const maxFlaws = 100_000

// maxToken bounds one element's text: a cell holds at most 32,767 characters.
const maxToken = 256 << 10

func scan(part *zip.File) (*scanned, error) {
	damaged := &data.FileFlaw{Code: "damaged"}
	rc, err := part.Open()
	if err != nil {
		return nil, damaged
	}
	defer rc.Close()
	s := &scanned{flaws: map[int][]data.CellFlaw{}}
	r := bufio.NewReaderSize(rc, maxToken)
	var row, column, found int
	var inside, inRow, inCell bool
	for {
		chunk, err := r.ReadSlice('>')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, damaged
		}
		open := bytes.LastIndexByte(chunk, '<')
		if open < 0 {
			continue // a bare > in a text
		}
		tag := chunk[open+1 : len(chunk)-1]
		name := localName(tag)
		closing, empty := bytes.HasPrefix(tag, []byte("/")), bytes.HasSuffix(tag, []byte("/"))
		switch {
		case name == "sheetData" && !closing && !empty:
			inside = true
		case name == "sheetData":
			if inRow || inCell || inside == empty {
				return nil, damaged
			}
			return s, nil // what follows is no cell
		case !inside:
		case name == "row" && closing:
			if !inRow || inCell {
				return nil, damaged
			}
			inRow = false
		case name == "c" && closing:
			if !inCell {
				return nil, damaged
			}
			inCell = false
		case name == "row":
			if inRow {
				return nil, damaged
			}
			inRow = !empty
			n := row + 1
			if v, ok := attribute(tag, "r"); ok {
				if n, err = strconv.Atoi(v); err != nil || n <= row || n > excelize.TotalRows {
					return nil, damaged
				}
			}
			row, column, s.lastRow = n, 0, n
		case name == "c":
			if !inRow || inCell {
				return nil, damaged
			}
			inCell = !empty
			column++
			if v, ok := attribute(tag, "r"); ok {
				c, n, err := excelize.CellNameToCoordinates(v)
				if err != nil || n != row || c < column {
					return nil, damaged
				}
				column = c
			}
			if v, _ := attribute(tag, "t"); v == "e" {
				found = s.add(row, column, "excel_error", found)
			}
		case name == "f" && !closing:
			found = s.add(row, column, "formula", found)
		}
	}
	return nil, damaged
}

func (s *scanned) add(row, column int, code string, found int) int {
	cells := s.flaws[row]
	if n := len(cells); n > 0 && cells[n-1].Column == column-1 {
		cells[n-1].Code = code // a formula whose result is an error
		return found
	}
	if found < maxFlaws {
		s.flaws[row] = append(cells, data.CellFlaw{Column: column - 1, Code: code})
	}
	return found + 1
}

// localName is an element's name without its prefix; a closing tag has it too.
func localName(tag []byte) string {
	tag = bytes.TrimPrefix(tag, []byte("/"))
	if i := bytes.IndexAny(tag, " \t\r\n/"); i >= 0 {
		tag = tag[:i]
	}
	if i := bytes.IndexByte(tag, ':'); i >= 0 {
		tag = tag[i+1:]
	}
	return string(tag)
}

// attribute finds an unprefixed attribute of a tag.
func attribute(tag []byte, name string) (string, bool) {
	for rest := tag; ; {
		i := bytes.Index(rest, []byte(name+"="))
		if i < 0 || i+len(name)+1 >= len(rest) {
			return "", false
		}
		quote := rest[i+len(name)+1]
		if i > 0 && isBlank(rest[i-1]) && (quote == '"' || quote == '\'') {
			value := rest[i+len(name)+2:]
			if j := bytes.IndexByte(value, quote); j >= 0 {
				return string(value[:j]), true
			}
			return "", false
		}
		rest = rest[i+1:]
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// find gives the part and the name of a sheet, or of the first visible one.
func (b *Book) find(sheet string) (*zip.File, string, error) {
	var book struct {
		Sheets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
			Rel   string `xml:"http://schemas.openxmlformats.org/officeDocument/2006/relationships id,attr"`
			Rel2  string `xml:"http://purl.oclc.org/ooxml/officeDocument/relationships id,attr"`
		} `xml:"sheets>sheet"`
	}
	var rels struct {
		Rel []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
			Type   string `xml:"Type,attr"`
		} `xml:"Relationship"`
	}
	main := "xl/workbook.xml"
	if err := b.decode("_rels/.rels", &rels); err != nil {
		return nil, "", err
	}
	for _, r := range rels.Rel {
		if strings.HasSuffix(r.Type, "/officeDocument") {
			main = resolve("", r.Target)
		}
	}
	if err := b.decode(main, &book); err != nil {
		return nil, "", err
	}
	rels.Rel = nil
	if err := b.decode(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), &rels); err != nil {
		return nil, "", err
	}
	for _, s := range book.Sheets {
		if sheet != "" && s.Name != sheet || sheet == "" && s.State != "" && s.State != "visible" {
			continue
		}
		for _, r := range rels.Rel {
			if (r.ID == s.Rel || r.ID == s.Rel2) && strings.HasSuffix(r.Type, "/worksheet") {
				if part := b.part(resolve(path.Dir(main), r.Target)); part != nil {
					return part, s.Name, nil
				}
			}
		}
		return nil, "", &data.FileFlaw{Code: "damaged"}
	}
	return nil, "", &data.FileFlaw{Code: "no_sheet"}
}

// resolve makes the target of a relationship a path in the archive.
func resolve(dir, target string) string {
	if rest, ok := strings.CutPrefix(target, "/"); ok {
		return path.Clean(rest)
	}
	return path.Join(dir, target)
}

func (b *Book) part(name string) *zip.File {
	for _, f := range b.zip.File {
		if strings.EqualFold(strings.ReplaceAll(f.Name, "\\", "/"), name) {
			return f
		}
	}
	return nil
}

// decode reads a small part.
func (b *Book) decode(name string, v any) error {
	part := b.part(name)
	if part == nil {
		return &data.FileFlaw{Code: "damaged"}
	}
	rc, err := part.Open()
	if err != nil {
		return &data.FileFlaw{Code: "damaged"}
	}
	defer rc.Close()
	if err := xml.NewDecoder(io.LimitReader(rc, partInMem)).Decode(v); err != nil {
		return &data.FileFlaw{Code: "damaged"}
	}
	return nil
}
