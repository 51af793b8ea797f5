package workbook

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/xuri/excelize/v2"

	"jebi/cohort/words"
)

// Letter is what a letter to one person needs.
type Letter struct {
	Key      string
	Name     string
	Address  string
	Code     string // as it is printed: "ABCD-EFGH-JKMN"
	Opens    string // her window, written out; "" where she has none yet
	Closes   string
	Language string
}

// WriteLetters writes letters as one sheet for a mail merge: one heading row,
// everything text. It streams: a million rows take no more memory than one.
// It answers how many it wrote.
func WriteLetters(out io.Writer, book *words.Book, lang string, sample bool, letters iter.Seq2[Letter, error]) (n int, err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	text := func(key string) string { return book.Text(lang, "workbook."+key, nil) }
	sheet := text("letters")
	if sample {
		sheet += " (" + text("sample") + ")"
	}
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return 0, err
	}
	s, err := f.NewStreamWriter(sheet)
	if err != nil {
		return 0, err
	}
	for i, width := range []float64{14, 18, 60, 18, 28, 28, 8} {
		if err := s.SetColWidth(i+1, i+1, width); err != nil {
			return 0, err
		}
	}
	head := []any{
		text("letter.key"), text("letter.name"), text("letter.address"), text("letter.code"),
		text("letter.opens"), text("letter.closes"), text("letter.language"),
	}
	if err := s.SetRow("A1", head); err != nil {
		return 0, err
	}
	for l, err := range letters {
		if err != nil {
			return 0, err
		}
		n++
		if n >= excelize.TotalRows {
			return 0, fmt.Errorf("letters: a sheet holds %d rows; write them by cohort", excelize.TotalRows)
		}
		if err := s.SetRow(fmt.Sprintf("A%d", n+1), []any{l.Key, l.Name, l.Address, l.Code, l.Opens, l.Closes, l.Language}); err != nil {
			return 0, err
		}
	}
	if err := s.Flush(); err != nil {
		return 0, err
	}
	return n, f.Write(out)
}
