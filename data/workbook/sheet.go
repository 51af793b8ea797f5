package workbook

import (
	"fmt"
	"time"

	"github.com/xuri/excelize/v2"
)

// makeStyles makes the few styles of a workbook: plain, with thin lines, so
// that it prints well.
func (w *writer) makeStyles() error {
	line := func(color string) []excelize.Border {
		var b []excelize.Border
		for _, side := range []string{"left", "right", "top", "bottom"} {
			b = append(b, excelize.Border{Type: side, Color: color, Style: 1})
		}
		return b
	}
	const grey = "B7BDC6"
	fill := func(color string) excelize.Fill {
		return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{color}}
	}
	text := 49 // "@": what is typed stays what it is
	for _, s := range []struct {
		id    *int
		style excelize.Style
	}{
		{&w.style.title, excelize.Style{Font: &excelize.Font{Bold: true, Size: 14}, Alignment: &excelize.Alignment{Vertical: "center"}}},
		{&w.style.head, excelize.Style{Font: &excelize.Font{Bold: true}, Fill: fill("E6EBF2"), Border: line(grey), Alignment: &excelize.Alignment{Horizontal: "center"}}},
		{&w.style.second, excelize.Style{Font: &excelize.Font{Color: "4A5361", Size: 9}, Fill: fill("E6EBF2"), Border: line(grey), Alignment: &excelize.Alignment{Horizontal: "center"}}},
		{&w.style.cell, excelize.Style{Border: line(grey), Alignment: &excelize.Alignment{Vertical: "center"}}},
		{&w.style.open, excelize.Style{
			Border: line(grey), Fill: fill("FFF9E0"), NumFmt: text, Alignment: &excelize.Alignment{Vertical: "center"},
			Protection: &excelize.Protection{Locked: false},
		}},
		{&w.style.label, excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{Vertical: "top"}}},
	} {
		id, err := w.file.NewStyle(&s.style)
		if err != nil {
			return fmt.Errorf("workbook: %w", err)
		}
		*s.id = id
	}
	return nil
}

// prepareDay sets what must stand before a sheet's rows are streamed.
func (w *writer) prepareDay(sheet string, rows int) error {
	choose := excelize.NewDataValidation(true)
	column, err := excelize.ColumnNumberToName(columnResult + 1)
	if err != nil {
		return err
	}
	choose.SetSqref(fmt.Sprintf("%s%d:%s%d", column, headRows+1, column, headRows+rows))
	var results []string
	for _, r := range Results() {
		results = append(results, w.text(0, "result."+r, nil))
	}
	if err := choose.SetDropList(results); err != nil {
		return err
	}
	choose.SetError(excelize.DataValidationErrorStyleStop, w.text(0, "result", nil), w.text(0, "wrong", nil))
	if err := w.file.AddDataValidation(sheet, choose); err != nil {
		return err
	}
	// Against slips, not against anybody: a password here would protect nothing.
	if err := w.file.ProtectSheet(sheet, &excelize.SheetProtectionOptions{
		SelectLockedCells: true, SelectUnlockedCells: true, FormatColumns: true, FormatRows: true,
	}); err != nil {
		return err
	}
	return w.page(sheet, "landscape", fmt.Sprintf("'%s'!$1:$%d", sheet, headRows))
}

// page sets a sheet up for A4, all columns on one page's width, with the head
// on every page.
func (w *writer) page(sheet, orientation, titles string) error {
	paper, wide, high, fit := 9, 1, 0, true
	if err := w.file.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return err
	}
	if err := w.file.SetPageLayout(sheet, &excelize.PageLayoutOptions{Size: &paper, Orientation: &orientation, FitToWidth: &wide, FitToHeight: &high}); err != nil {
		return err
	}
	pages := w.text(0, "page", map[string]any{"page": "&P", "pages": "&N"})
	if err := w.file.SetHeaderFooter(sheet, &excelize.HeaderFooterOptions{
		OddHeader: "&L" + headerText(w.clinic.Campaign) + "&R" + headerText(w.sampleMark()),
		OddFooter: "&L" + headerText(w.clinic.Name) + "&R" + pages,
	}); err != nil {
		return err
	}
	if titles == "" {
		return nil
	}
	return w.file.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: titles, Scope: sheet})
}

// cover fills the first sheet: whose list this is, how many come on which day,
// and what to do with it.
func (w *writer) cover(sheet string, days [][]Entry) error {
	c := w.clinic
	row := 0
	line := func(style int, cells ...any) error {
		row++
		for i, v := range cells {
			at, err := excelize.CoordinatesToCellName(i+1, row)
			if err != nil {
				return err
			}
			switch v := v.(type) {
			case string:
				if _, err = w.cell(v, 0); err == nil {
					err = w.file.SetCellStr(sheet, at, v)
				}
			case int:
				err = w.file.SetCellInt(sheet, at, int64(v))
			}
			if err == nil && i == 0 {
				err = w.file.SetCellStyle(sheet, at, at, style)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	both := func(key string) string {
		a, b := w.text(0, key, nil), w.text(1, key, nil)
		if b == "" || a == b {
			return a
		}
		return a + " / " + b
	}
	name := c.Name
	if c.NameEn != "" {
		name += " / " + c.NameEn
	}
	total := 0
	lines := [][]any{
		{both("campaign"), c.Campaign},
		{both("clinic"), name},
		{both("key"), c.Key},
		{both("address"), c.Address},
		{both("phone_of_clinic"), phone(c.Phone)},
		{both("made"), c.Made.In(c.Zone).Format("2006-01-02 15:04 MST")},
		{both("contact"), c.Contact},
		{},
		{both("totals"), both("people")},
	}
	for _, d := range days {
		lines = append(lines, []any{w.date(0, d[0].Date), len(d)})
		total += len(d)
	}
	lines = append(lines, []any{both("total"), total}, []any{})
	if err := line(w.style.title, w.text(0, "title", map[string]any{"clinic": c.Name})); err != nil {
		return err
	}
	if err := line(w.style.title, w.sampleMark()); err != nil {
		return err
	}
	for _, l := range lines {
		if err := line(w.style.label, l...); err != nil {
			return err
		}
	}
	results := map[string]any{}
	for _, r := range Results() {
		results[r] = w.text(0, "result."+r, nil)
	}
	for language := range c.Languages[:min(2, len(c.Languages))] {
		if total == 0 {
			if err := line(0, w.text(language, "no_entries", nil)); err != nil {
				return err
			}
			continue
		}
		for i := range 3 {
			if err := line(0, w.text(language, fmt.Sprintf("how.%d", i+1), results)); err != nil {
				return err
			}
		}
	}
	for column, width := range map[string]float64{"A": 34, "B": 60} {
		if err := w.file.SetColWidth(sheet, column, column, width); err != nil {
			return err
		}
	}
	if err := w.file.ProtectSheet(sheet, &excelize.SheetProtectionOptions{SelectLockedCells: true, SelectUnlockedCells: true}); err != nil {
		return err
	}
	return w.page(sheet, "portrait", "")
}

// properties sets what a file manager shows.
func (w *writer) properties() error {
	made := w.clinic.Made.UTC().Format(time.RFC3339)
	title := w.text(0, "title", map[string]any{"clinic": w.clinic.Name})
	if mark := w.sampleMark(); mark != "" {
		title += " " + mark
	}
	if err := w.file.SetDocProps(&excelize.DocProperties{Creator: "jebi", Title: title, Created: made, Modified: made, Language: w.clinic.Languages[0]}); err != nil {
		return fmt.Errorf("workbook: %w", err)
	}
	w.file.SetActiveSheet(0)
	return nil
}
