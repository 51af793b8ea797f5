package data

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Column is a column that an import knows.
type Column struct {
	Name     string
	Required bool     // the header must have it
	Also     []string // other headings for it
}

// PeopleColumns, ClinicColumns and SupplyColumns say what the three files hold.
func PeopleColumns() []Column {
	return []Column{
		{"key", true, []string{"id", "번호", "관리번호"}},
		{"name", true, []string{"이름", "성명"}},
		{"birth_date", true, []string{"생년월일"}},
		{"phone", false, []string{"전화", "전화번호", "휴대전화"}},
		{"email", false, []string{"e-mail", "이메일", "전자우편"}},
		{"address", false, []string{"주소"}},
		{"district", false, []string{"행정구역", "행정구역코드"}},
		{"lat", false, []string{"위도"}},
		{"lon", false, []string{"경도"}},
		{"groups", false, []string{"대상군"}},
		{"language", false, []string{"언어"}},
	}
}

// ClinicColumns are those of the clinics' file.
func ClinicColumns() []Column {
	return []Column{
		{"key", true, []string{"id", "번호", "기관번호"}},
		{"name", true, []string{"기관명", "의료기관명"}},
		{"name_en", false, []string{"영문명"}},
		{"kind", true, []string{"종류", "종별"}},
		{"address", false, []string{"주소"}},
		{"district", true, []string{"행정구역", "행정구역코드"}},
		{"lat", true, []string{"위도"}},
		{"lon", true, []string{"경도"}},
		{"phone", false, []string{"전화", "전화번호"}},
		{"email", false, []string{"e-mail", "이메일"}},
		{"hours", false, []string{"진료시간"}},
		{"bring", false, []string{"준비물"}},
	}
}

// SupplyColumns are those of the supply's file.
func SupplyColumns() []Column {
	return []Column{
		{"clinic", true, []string{"기관번호", "의료기관"}},
		{"date", true, []string{"날짜", "접종일"}},
		{"block", true, []string{"시각", "시간"}},
		{"vaccine", true, []string{"백신"}},
		{"seats", true, []string{"인원", "좌석"}},
	}
}

// header finds the known columns in a file's first row. The text of a heading
// is never repeated: a file without a header begins with a person.
func (r *ImportReport) header(head Line, layout []Column) ([]int, bool) {
	at := make([]int, len(layout))
	for i := range at {
		at[i] = -1
	}
	before := len(r.Errors)
	for _, flaw := range head.Flaws {
		name := ""
		if flaw.Column >= 0 {
			name = columnNumber(flaw.Column)
		}
		r.add(head.Row, name, flaw.Code)
	}
	for i, cell := range head.Cells {
		name := heading(cell)
		if name == "" {
			if strings.TrimSpace(cell) == "" && !slices.ContainsFunc(head.Cells[i:], func(s string) bool { return strings.TrimSpace(s) != "" }) {
				break // empty columns at the end
			}
			r.add(head.Row, columnNumber(i), "unknown_column")
			continue
		}
		k := slices.IndexFunc(layout, func(c Column) bool { return heading(c.Name) == name || slices.Contains(c.Also, name) })
		switch {
		case k < 0:
			r.add(head.Row, columnNumber(i), "unknown_column")
		case at[k] >= 0:
			r.add(head.Row, layout[k].Name, "column_twice")
		default:
			at[k] = i
		}
	}
	for k, c := range layout {
		if c.Required && at[k] < 0 {
			r.add(head.Row, c.Name, "missing_column")
		}
	}
	return at, len(r.Errors) == before
}

// heading brings a heading into a form in which blanks and case say nothing.
func heading(s string) string {
	return strings.NewReplacer(" ", "", "_", "").Replace(strings.ToLower(strings.TrimSpace(norm.NFKC.String(s))))
}

// columnNumber names a column that has no known heading: "column 3 (C)".
func columnNumber(i int) string {
	var letters string
	for n := i + 1; n > 0; n = (n - 1) / 26 {
		letters = string(rune('A'+(n-1)%26)) + letters
	}
	return fmt.Sprintf("column %d (%s)", i+1, letters)
}

// fields gives the cells of one row by the layout's columns and reports what
// is wrong with them.
type fields struct {
	layout []Column
	at     []int // position of each column in the file, -1 where it is absent
	report *ImportReport
	line   Line
	bad    bool
	count  int // errors of this row so far
}

// begin takes up a row; it answers false where no cell of it can be read.
func (f *fields) begin(l Line) bool {
	f.line, f.bad, f.count = l, false, 0
	for _, flaw := range l.Flaws {
		f.bad = true
		if flaw.Column < 0 {
			f.report.add(l.Row, "", flaw.Code)
			return false
		}
		k := slices.Index(f.at, flaw.Column)
		if k < 0 {
			f.report.add(l.Row, columnNumber(flaw.Column), flaw.Code)
			continue
		}
		f.report.add(l.Row, f.layout[k].Name, flaw.Code)
	}
	for i := slices.Max(f.at) + 1; i < len(l.Cells); i++ {
		if strings.TrimSpace(l.Cells[i]) != "" {
			f.fail(columnNumber(i), "extra_cell")
		}
	}
	return true
}

func (f *fields) has(column int) bool { return f.at[column] >= 0 }

// cell gives the cleaned text of the layout's column, "" where it is absent.
func (f *fields) cell(column int) string {
	i := f.at[column]
	if i < 0 || i >= len(f.line.Cells) || f.flawed(i) {
		return ""
	}
	s, code := cleanText(f.line.Cells[i])
	if code != "" {
		f.fail(f.layout[column].Name, code)
	}
	return s
}

// must is cell, where an empty one is an error.
func (f *fields) must(column int) string {
	count := f.count
	s := f.cell(column)
	if s == "" && f.count == count && !f.flawed(f.at[column]) {
		f.fail(f.layout[column].Name, "empty_cell")
	}
	return s
}

func (f *fields) flawed(i int) bool {
	return slices.ContainsFunc(f.line.Flaws, func(c CellFlaw) bool { return c.Column == i })
}

func (f *fields) fail(column, code string) {
	f.bad = true
	f.count++
	f.report.add(f.line.Row, column, code)
}

// check reports the code, if there is one, at the layout's column.
func (f *fields) check(column int, code string) {
	if code != "" {
		f.fail(f.layout[column].Name, code)
	}
}
