package workbook

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
)

var hostile = []string{
	"=1+1", "+82-10", "@SUM(A1)", "-2+3", "\t=1", `=HYPERLINK("http://example.org","a")`, "=cmd|' /C calc'!A0",
	"'=1", `{=1}`, "</t></is><f>1+1</f>", "&amp;<f>1</f>", "김\"하나\"", "O'Neil & 아들", strings.Repeat("가", 130), "  공백  ",
}

func someClinic() Clinic {
	return Clinic{
		Key: "C1", Name: "=하나 & '의원'", NameEn: "Hana <Clinic>", Address: "+관악로 1", Phone: "+8228800001", Campaign: "@예방접종 & 추첨",
		Sample: true, Made: time.Date(2021, 7, 25, 3, 0, 0, 0, time.UTC), Zone: time.FixedZone("KST", 9*3600), Contact: "1339", Languages: []string{"ko", "en"},
	}
}

func someEntries() []Entry {
	var es []Entry
	for day := range 2 {
		for i, name := range hostile {
			id := int64(100*day + i + 1)
			es = append(es, Entry{
				Assignment: id, Reference: cohort.Reference(id), Date: fmt.Sprintf("2021-07-%d", 26+day), Block: "0930", Vaccine: "AZ",
				Dose: 1, Name: name, BirthYear: 1962, Phone: "+821023456701",
			})
		}
	}
	return es
}

func written(t *testing.T, c Clinic, es []Entry, password string) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := Write(&b, c, words.New(), es, password)
	if err != nil || n != len(es) {
		t.Fatalf("wrote %d of %d: %v", n, len(es), err)
	}
	return b.Bytes()
}

func opened(t *testing.T, b []byte, o excelize.Options) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestWorkbookHoldsTheDaysLists(t *testing.T) {
	es := someEntries()
	b := written(t, someClinic(), es, "")
	f := opened(t, b, excelize.Options{})
	if got := f.GetSheetList(); !cmp.Equal(got, []string{"표지", "2021-07-26", "2021-07-27"}) {
		t.Fatalf("sheets %q", got)
	}
	sum := 0
	for day, sheet := range f.GetSheetList()[1:] {
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		if title := rows[0][0]; !strings.Contains(title, "하나") || !strings.Contains(title, "*sample / 예시*") {
			t.Errorf("title %q", title)
		}
		if got := rows[1][:11]; !cmp.Equal(got, []string{"번호", "예약번호", "날짜", "시각", "백신", "차수", "이름", "출생연도", "전화", "결과", "비고"}) {
			t.Errorf("headings %q", got)
		}
		if got := rows[2][1]; got != "Reference" {
			t.Errorf("second heading %q", got)
		}
		for i, row := range rows[headRows:] {
			e := es[day*len(hostile)+i]
			want := []string{
				fmt.Sprint(i + 1), e.Reference, map[int]string{0: "2021-07-26 (월)", 1: "2021-07-27 (화)"}[day], "09:30", "AZ", "1",
				e.Name, "1962", "010-2345-6701", "", "", fmt.Sprint(e.Assignment), "1/2021-07-25T03:00:00Z",
			}
			if diff := cmp.Diff(want, row); diff != "" {
				t.Errorf("row %d of %s:\n%s", i, sheet, diff)
			}
			sum++
		}
		for _, column := range []string{"L", "M"} {
			if visible, err := f.GetColVisible(sheet, column); err != nil || visible {
				t.Errorf("column %s of %s can be seen", column, sheet)
			}
		}
		dv, err := f.GetDataValidations(sheet)
		if err != nil || len(dv) != 1 || !strings.Contains(dv[0].Formula1, "접종완료,미방문,연기,부적합") || dv[0].Sqref != fmt.Sprintf("J4:J%d", len(hostile)+3) {
			t.Errorf("drop-downs of %s: %+v", sheet, dv)
		}
		panes, err := f.GetPanes(sheet)
		if err != nil || !panes.Freeze || panes.YSplit != headRows {
			t.Errorf("panes of %s: %+v", sheet, panes)
		}
		p, err := f.GetSheetProtection(sheet)
		if err != nil || p.InsertRows || p.DeleteRows || !p.SelectUnlockedCells {
			t.Errorf("protection of %s: %+v, %v", sheet, p, err)
		}
		id, err := f.GetCellStyle(sheet, "J4")
		if err != nil {
			t.Fatal(err)
		}
		if s, err := f.GetStyle(id); err != nil || s.Protection == nil || s.Protection.Locked {
			t.Errorf("the result of %s cannot be filled in", sheet)
		}
	}
	if sum != len(es) {
		t.Errorf("%d rows for %d appointments", sum, len(es))
	}
	cover, err := f.GetRows("표지")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(cover)
	for _, want := range []string{"*sample / 예시*", "@예방접종 & 추첨", "Hana <Clinic>", "2021-07-26 (월) 15", fmt.Sprintf("합계 / Total %d", len(es)), "1339", "02-880-0001"} {
		if !strings.Contains(text, want) {
			t.Errorf("the cover lacks %q", want)
		}
	}
}

// The XML itself, not what a library makes of it.
func TestNoTextIsEverAFormula(t *testing.T) {
	b := written(t, someClinic(), someEntries(), "")
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	formula := regexp.MustCompile(`<(\w+:)?f[\s/>]`)
	sheets := 0
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		x, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Name, "worksheets/") {
			sheets++
			if m := formula.Find(x); m != nil {
				t.Errorf("%s holds %s", f.Name, m)
			}
			if strings.Contains(f.Name, "sheet2") {
				for _, want := range []string{"=1+1", "+82-10", "@SUM(A1)"} {
					if !bytes.Contains(x, []byte(">"+want+"</t>")) {
						t.Errorf("%s lacks the text %s", f.Name, want)
					}
				}
			}
		}
		if strings.Contains(f.Name, "calcChain") || strings.Contains(f.Name, "externalLink") || strings.Contains(f.Name, "vba") {
			t.Errorf("there is a part %s", f.Name)
		}
	}
	if sheets != 3 {
		t.Errorf("%d sheets", sheets)
	}
}

func TestEncryptedWorkbook(t *testing.T) {
	b := written(t, someClinic(), someEntries(), "비밀 번호")
	if !bytes.HasPrefix(b, oleHead) || bytes.Contains(b, []byte("sheetData")) {
		t.Error("the file is not encrypted")
	}
	if _, err := excelize.OpenReader(bytes.NewReader(b), excelize.Options{Password: "other"}); err == nil {
		t.Error("opened with another password")
	}
	f := opened(t, b, excelize.Options{Password: "비밀 번호"})
	if v, err := f.GetCellValue("2021-07-26", "G4"); err != nil || v != "=1+1" {
		t.Errorf("G4 is %q, %v", v, err)
	}
}

func TestEmptyWorkbook(t *testing.T) {
	c := someClinic()
	c.Languages, c.Sample = []string{"en"}, false
	f := opened(t, written(t, c, nil, ""), excelize.Options{})
	rows, err := f.GetRows(f.GetSheetList()[0])
	if text := fmt.Sprint(rows); err != nil || !strings.Contains(text, "Nobody has an appointment") || strings.Contains(text, "sample") {
		t.Errorf("cover %s, %v", text, err)
	}
}

func TestLettersAreText(t *testing.T) {
	letters := func(yield func(Letter, error) bool) {
		for i, name := range hostile {
			if !yield(Letter{fmt.Sprint("P", i), name, "+주소", "ABCD-EFGH-JKMN", "", "", "ko"}, nil) {
				return
			}
		}
	}
	var b bytes.Buffer
	n, err := WriteLetters(&b, words.New(), "ko", true, letters)
	if err != nil || n != len(hostile) {
		t.Fatalf("%d letters, %v", n, err)
	}
	f := opened(t, b.Bytes(), excelize.Options{})
	rows, err := f.GetRows("우편물 (예시)")
	if err != nil || len(rows) != len(hostile)+1 || rows[1][1] != "=1+1" || rows[1][3] != "ABCD-EFGH-JKMN" {
		t.Errorf("rows %q, %v", rows, err)
	}
	if formula, err := f.GetCellFormula("우편물 (예시)", "B2"); err != nil || formula != "" {
		t.Errorf("formula %q, %v", formula, err)
	}
}

func TestLettersStopAtAnError(t *testing.T) {
	_, err := WriteLetters(io.Discard, words.New(), "en", false, func(yield func(Letter, error) bool) { yield(Letter{}, io.ErrUnexpectedEOF) })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestTooLongTextIsNotCut(t *testing.T) {
	es := someEntries()[:1]
	es[0].Name = strings.Repeat("가", maxCell+1)
	if _, err := Write(io.Discard, someClinic(), words.New(), es, ""); err == nil {
		t.Error("a text was cut off without a word")
	}
}

func read(t *testing.T, b []byte, sheet string) ([]data.Line, error) {
	t.Helper()
	book, err := Open(bytes.NewReader(b), int64(len(b)), t.TempDir())
	if err != nil {
		return nil, err
	}
	defer book.Close()
	var lines []data.Line
	for l, err := range book.Lines(sheet) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func sheetOf(t *testing.T, fill func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f)
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRowsAreReadAsTheyStand(t *testing.T) {
	b := sheetOf(t, func(f *excelize.File) {
		date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		if err != nil {
			t.Fatal(err)
		}
		for at, v := range map[string]any{
			"A1": "key", "B1": "birth_date", "A2": "P1", "B2": time.Date(1962, 3, 14, 0, 0, 0, 0, time.UTC), "A4": "=1+1", "C4": 0.375, "B5": 19620314, "D5": true,
		} {
			if err := f.SetCellValue("Sheet1", at, v); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.SetCellStyle("Sheet1", "B2", "B2", date); err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellFormula("Sheet1", "B4", "1+1"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.NewSheet("hidden"); err != nil {
			t.Fatal(err)
		}
	})
	lines, err := read(t, b, "")
	want := []data.Line{
		{Row: 1, Cells: []string{"key", "birth_date"}, Dates: data.Days1900},
		{Row: 2, Cells: []string{"P1", "22719"}, Dates: data.Days1900},
		{Row: 3, Dates: data.Days1900},
		{Row: 4, Cells: []string{"=1+1", "", "0.375"}, Dates: data.Days1900, Flaws: []data.CellFlaw{{Column: 1, Code: "formula"}}},
		{Row: 5, Cells: []string{"", "19620314", "", "1"}, Dates: data.Days1900},
	}
	if diff := cmp.Diff(want, lines); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := read(t, b, "other"); flaw(err) != "no_sheet" {
		t.Errorf("a sheet that is not there: %v", err)
	}
}

func TestFirstVisibleSheetAndDatesFrom1904(t *testing.T) {
	yes := true
	b := sheetOf(t, func(f *excelize.File) {
		if _, err := f.NewSheet("list"); err != nil {
			t.Fatal(err)
		}
		f.SetActiveSheet(1)
		if err := f.SetSheetVisible("Sheet1", false); err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellValue("list", "A1", "here"); err != nil {
			t.Fatal(err)
		}
		if err := f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes}); err != nil {
			t.Fatal(err)
		}
	})
	lines, err := read(t, b, "")
	if err != nil || len(lines) != 1 || lines[0].Cells[0] != "here" || lines[0].Dates != data.Days1904 {
		t.Errorf("%+v, %v", lines, err)
	}
}

func flaw(err error) string {
	if f, ok := err.(*data.FileFlaw); ok {
		return f.Code
	}
	return fmt.Sprint(err)
}

// rezip changes one part of an archive.
func rezip(t *testing.T, b []byte, part string, change func([]byte) []byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		x, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == part {
			x = change(x)
		}
		p, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDamagedAndHostileFilesAreRefused(t *testing.T) {
	good := sheetOf(t, func(f *excelize.File) {
		for i := range 50 {
			if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &[]any{"P", i, "name"}); err != nil {
				t.Fatal(err)
			}
		}
	})
	const sheet = "xl/worksheets/sheet1.xml"
	replace := func(old, to string) func([]byte) []byte {
		return func(x []byte) []byte {
			if !bytes.Contains(x, []byte(old)) {
				t.Fatalf("the sheet lacks %s", old)
			}
			return bytes.Replace(x, []byte(old), []byte(to), 1)
		}
	}
	for name, b := range map[string][]byte{
		"empty":                nil,
		"text":                 []byte("key,name,birth_date\n"),
		"cut off":              good[:len(good)/2],
		"encrypted":            append(bytes.Clone(oleHead), good...),
		"torn sheet":           rezip(t, good, sheet, func(x []byte) []byte { return x[:len(x)/2] }),
		"torn and closed":      rezip(t, good, sheet, func(x []byte) []byte { return append(x[:len(x)/2], "</sheetData></worksheet>"...) }),
		"rows out of order":    rezip(t, good, sheet, replace(`<row r="7"`, `<row r="3"`)),
		"cells out of order":   rezip(t, good, sheet, replace(`<c r="C7"`, `<c r="A7"`)),
		"a cell of elsewhere":  rezip(t, good, sheet, replace(`<c r="B7"`, `<c r="B8"`)),
		"broken element":       rezip(t, good, sheet, replace(`<row r="7"`, `<row r=7`)),
		"no such row":          rezip(t, good, sheet, replace(`<row r="50"`, `<row r="2000000"`)),
		"shared string beyond": rezip(t, good, sheet, replace(`<v>1</v>`, `<v>-99</v>`)),
		"a bomb":               rezip(t, good, sheet, func([]byte) []byte { return bytes.Repeat([]byte(" "), 80<<20) }),
	} {
		lines, err := read(t, b, "")
		if name == "shared string beyond" {
			if err == nil && len(lines) != 50 {
				t.Errorf("%s: %d rows", name, len(lines))
			}
			continue
		}
		want := map[string]string{"encrypted": "encrypted", "a bomb": "too_big"}[name]
		if want == "" {
			want = "damaged"
		}
		if flaw(err) != want {
			t.Errorf("%s: %v after %d rows, want %s", name, err, len(lines), want)
		}
	}
	if lines, err := read(t, rezip(t, good, sheet, func(x []byte) []byte { return x }), ""); err != nil || len(lines) != 50 {
		t.Errorf("the untouched file: %d rows, %v", len(lines), err)
	}
}

func TestFormulasAndErrorsAreFound(t *testing.T) {
	good := sheetOf(t, func(f *excelize.File) {
		if err := f.SetSheetRow("Sheet1", "A1", &[]any{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
	})
	for cell, want := range map[string][]data.CellFlaw{
		`<c r="B1"><f>1+1</f><v>2</v></c>`:                           {{Column: 1, Code: "formula"}},
		`<c r="B1" t="e"><f>1/0</f><v>#DIV/0!</v></c>`:               {{Column: 1, Code: "formula"}},
		`<c r="B1" t="e"><v>#N/A</v></c>`:                            {{Column: 1, Code: "excel_error"}},
		`<c t='e' r='B1'><v>#N/A</v></c>`:                            {{Column: 1, Code: "excel_error"}},
		`<c r="B1"><f t="shared" si="0"/><v>2</v></c>`:               {{Column: 1, Code: "formula"}},
		`<c r="B1"><f t="array" ref="B1:B1">A1&gt;0</f><v>1</v></c>`: {{Column: 1, Code: "formula"}},
		`<c r="B1" t="inlineStr"><is><t>a &gt; b > c</t></is></c>`:   nil,
	} {
		b := rezip(t, good, "xl/worksheets/sheet1.xml", func(x []byte) []byte {
			return regexp.MustCompile(`<c r="B1">.*?</c>`).ReplaceAll(x, []byte(cell))
		})
		lines, err := read(t, b, "")
		if err != nil || len(lines) != 1 || !cmp.Equal(lines[0].Flaws, want) {
			t.Errorf("%s: %+v, %v", cell, lines, err)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`<sheetData/>`, `<worksheet><sheetData><row r="1"><c r="A1"><f>1</f></c></row></sheetData></worksheet>`, `<sheetData><row><c t="e"/></row></sheetData>`, "<", "<>", "</>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sheet []byte) {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		p, err := w.Create("s")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(sheet); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scan(z.File[0])
		if err == nil && (s.lastRow < 0 || s.lastRow > excelize.TotalRows) {
			t.Errorf("row %d", s.lastRow)
		}
		if err != nil && flaw(err) != "damaged" {
			t.Errorf("error %v", err)
		}
	})
}
