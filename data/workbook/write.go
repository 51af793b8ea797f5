package workbook

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/nyaruka/phonenumbers"
	"github.com/xuri/excelize/v2"

	"jebi/cohort/words"
)

// Format is the version of the workbooks' shape. It stands in the hidden
// column of every row, so that a filled workbook can be read back.
const Format = 1

// Clinic is what a workbook says about its clinic and campaign.
type Clinic struct {
	Key       string
	Name      string
	NameEn    string
	Address   string
	Phone     string
	Campaign  string         // name, in the first language
	Sample    bool           // every sheet says so
	Made      time.Time      // when it was written
	Zone      *time.Location // of the campaign
	Contact   string         // telephone for questions
	Languages []string       // headings in the first, and below in the second where there is one
}

// Entry is one appointment.
type Entry struct {
	Assignment int64
	Reference  string
	Date       string // "2021-07-26"
	Block      string // "0900"
	Vaccine    string
	Dose       int
	Name       string
	BirthYear  int    // 0: unknown (purged)
	Phone      string // E.164, or ""
}

// The columns of a day's sheet. Assignment and version are hidden.
const (
	columnNumber = iota
	columnReference
	columnDate
	columnBlock
	columnVaccine
	columnDose
	columnName
	columnBirthYear
	columnPhone
	columnResult
	columnNote
	columnAssignment
	columnVersion
	columns
)

var headings = [...]string{
	"number", "reference", "date", "block", "vaccine", "dose", "name", "birth_year", "phone", "result", "note", "", "",
}

// Results are the values that a clinic may choose from, as keys of words.
func Results() []string { return []string{"done", "absent", "postponed", "unfit"} }

// headRows are the title, the headings and the headings in the second language.
const headRows = 3

// maxCell is the most that Excel holds in a cell, in UTF-16 units; the library
// would cut the rest off without a word.
const maxCell = 32767

// writer is one workbook being written.
type writer struct {
	file   *excelize.File
	words  *words.Book
	clinic Clinic
	style  styles
}

type styles struct {
	title, head, second, cell, open, label int
}

// Write writes a clinic's workbook: a cover with totals, and one sheet a day
// with the entries, which must come ascending by date. With a password the file
// is encrypted. It answers how many entries it wrote.
func Write(out io.Writer, c Clinic, book *words.Book, entries []Entry, password string) (n int, err error) {
	w := &writer{file: excelize.NewFile(), words: book, clinic: c}
	defer func() { err = errors.Join(err, w.file.Close()) }()
	if err := w.makeStyles(); err != nil {
		return 0, err
	}
	cover := w.text(0, "cover", nil)
	if err := w.file.SetSheetName("Sheet1", cover); err != nil {
		return 0, err
	}
	days := byDay(entries)
	for _, d := range days {
		if err := w.day(d); err != nil {
			return 0, fmt.Errorf("workbook of clinic %s, %s: %w", c.Key, d[0].Date, err)
		}
		n += len(d)
	}
	if err := w.cover(cover, days); err != nil {
		return 0, fmt.Errorf("workbook of clinic %s: %w", c.Key, err)
	}
	if err := w.properties(); err != nil {
		return 0, err
	}
	return n, w.file.Write(out, excelize.Options{Password: password})
}

func byDay(entries []Entry) [][]Entry {
	var days [][]Entry
	for i := range entries {
		if k := len(days) - 1; k >= 0 && days[k][0].Date == entries[i].Date {
			days[k] = days[k][:len(days[k])+1]
			continue
		}
		days = append(days, entries[i:i+1])
	}
	return days
}

// text is a text of words in the workbook's first (0) or second (1) language,
// or "" where there is no second.
func (w *writer) text(language int, key string, args map[string]any) string {
	if language >= len(w.clinic.Languages) {
		return ""
	}
	return w.words.Text(w.clinic.Languages[language], "workbook."+key, args)
}

// sampleMark is "*sample / 예시*", or "".
func (w *writer) sampleMark() string {
	if !w.clinic.Sample {
		return ""
	}
	return "*" + w.words.Text("en", "workbook.sample", nil) + " / " + w.words.Text("ko", "workbook.sample", nil) + "*"
}

// day writes the list of one day. Drop-downs, protection and print set-up come
// before the stream begins: after it they would be dropped silently.
func (w *writer) day(entries []Entry) error {
	sheet := entries[0].Date
	if _, err := w.file.NewSheet(sheet); err != nil {
		return err
	}
	if err := w.prepareDay(sheet, len(entries)); err != nil {
		return err
	}
	s, err := w.file.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	for i, width := range []float64{6, 12, 16, 8, 12, 6, 18, 10, 17, 12, 28, 12, 12} {
		if err := s.SetColWidth(i+1, i+1, width); err != nil {
			return err
		}
	}
	if err := s.SetColVisible(columnAssignment+1, columnVersion+1, false); err != nil {
		return err
	}
	if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: headRows, TopLeftCell: fmt.Sprintf("A%d", headRows+1), ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if err := w.head(s, entries[0].Date); err != nil {
		return err
	}
	version := fmt.Sprintf("%d/%s", Format, w.clinic.Made.UTC().Format(time.RFC3339))
	for i, e := range entries {
		row, err := w.entry(i+1, e, version)
		if err != nil {
			return err
		}
		if err := s.SetRow(fmt.Sprintf("A%d", headRows+1+i), row, excelize.RowOpts{Height: 20}); err != nil {
			return err
		}
	}
	return s.Flush()
}

// head writes the title and the headings.
func (w *writer) head(s *excelize.StreamWriter, date string) error {
	title := w.text(0, "day", map[string]any{"clinic": w.clinic.Name, "date": w.date(0, date)})
	if mark := w.sampleMark(); mark != "" {
		title += "  " + mark
	}
	cell, err := w.cell(title, w.style.title)
	if err != nil {
		return err
	}
	if err := s.SetRow("A1", []any{cell}, excelize.RowOpts{Height: 26}); err != nil {
		return err
	}
	for language := range headRows - 1 {
		row := make([]any, columns)
		for i, key := range headings {
			style := w.style.head
			if language == 1 {
				style = w.style.second
			}
			label := ""
			if key != "" {
				label = w.text(language, key, nil)
			}
			row[i] = excelize.Cell{StyleID: style, Value: label}
		}
		if err := s.SetRow(fmt.Sprintf("A%d", language+2), row); err != nil {
			return err
		}
	}
	return nil
}

// entry makes the cells of one appointment. Numbers that are counted or sorted
// are numbers; everything else is text.
func (w *writer) entry(n int, e Entry, version string) ([]any, error) {
	var born any
	if e.BirthYear > 0 {
		born = e.BirthYear
	}
	block := e.Block
	if len(block) == 4 {
		block = block[:2] + ":" + block[2:]
	}
	row := make([]any, columns)
	for i, v := range []any{n, e.Reference, w.date(0, e.Date), block, e.Vaccine, e.Dose, e.Name, born, phone(e.Phone), "", "", e.Assignment, version} {
		style := w.style.cell
		if i == columnResult || i == columnNote {
			style = w.style.open
		}
		if s, ok := v.(string); ok {
			c, err := w.cell(s, style)
			if err != nil {
				return nil, err
			}
			row[i] = c
			continue
		}
		row[i] = excelize.Cell{StyleID: style, Value: v}
	}
	return row, nil
}

// cell is a cell of text; nothing in it is ever a formula.
func (w *writer) cell(s string, style int) (excelize.Cell, error) {
	if len(s) > maxCell && len(utf16.Encode([]rune(s))) > maxCell {
		return excelize.Cell{}, errors.New("a text is longer than a cell can hold")
	}
	return excelize.Cell{StyleID: style, Value: s}, nil
}

// date writes "2021-07-26 (월)": it sorts, and it can be read back.
func (w *writer) date(language int, date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil || language >= len(w.clinic.Languages) {
		return date
	}
	day := w.words.Text(w.clinic.Languages[language], fmt.Sprintf("time.weekday.short.%d", int(t.Weekday())), nil)
	return date + " (" + day + ")"
}

// phone writes a number as it is dialled at home, or with its country.
func phone(e164 string) string {
	n, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return e164
	}
	if phonenumbers.GetRegionCodeForNumber(n) == "KR" {
		return phonenumbers.Format(n, phonenumbers.NATIONAL)
	}
	return phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
}

// headerText escapes text for a page's header or footer, where & commands.
func headerText(s string) string { return strings.ReplaceAll(s, "&", "&&") }
