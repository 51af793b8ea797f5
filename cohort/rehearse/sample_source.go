package rehearse

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// list is a CSV file with a header, by column name.
type list struct {
	name string
	col  map[string]int
	rows [][]string
}

func readTable(dir, name string) (*list, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: empty", name)
	}
	t := &list{name: name, col: map[string]int{}, rows: rows[1:]}
	for i, c := range rows[0] {
		t.col[c] = i
	}
	return t, nil
}

// need says which of the columns are missing.
func (t *list) need(columns ...string) error {
	for _, c := range columns {
		if _, ok := t.col[c]; !ok {
			return fmt.Errorf("%s: no column %q", t.name, c)
		}
	}
	return nil
}

func (t *list) get(row []string, column string) string { return row[t.col[column]] }

func (t *list) number(row []string, column string) (int, error) {
	n, err := strconv.Atoi(t.get(row, column))
	if err != nil {
		return 0, fmt.Errorf("%s: column %s: %q is no whole number", t.name, column, t.get(row, column))
	}
	return n, nil
}

// where gives the rows with this value in the column.
func (t *list) where(column, value string) [][]string {
	var rows [][]string
	for _, r := range t.rows {
		if t.get(r, column) == value {
			rows = append(rows, r)
		}
	}
	return rows
}
