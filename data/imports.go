package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Line is one row of a file to import, its cells as text.
type Line struct {
	Row   int        // as an editor or Excel numbers it, from 1
	Cells []string   // valid until the next line is asked for
	Dates DateSystem // how a bare number in a date or time column reads
	Flaws []CellFlaw // cells that cannot be read at all
}

// CellFlaw is a cell that the file's reader refuses.
type CellFlaw struct {
	Column int // from 0; -1: the row as a whole, which is then not looked at
	Code   string
}

// DateSystem is how a spreadsheet counts days.
type DateSystem uint8

// A text file has no bare numbers for dates; Excel counts from 1900 or, in
// files that began on an old Macintosh, from 1904.
const (
	TextDates DateSystem = iota
	Days1900
	Days1904
)

// Lines is a file read row by row, its header first. An error ends it.
type Lines = iter.Seq2[Line, error]

// ImportError is one thing wrong with a file, at its place. It never holds
// what the cell says.
type ImportError struct {
	Row    int    `json:"row"`    // 0: the file as a whole
	Column string `json:"column"` // name in the header; "" where the row as a whole is meant
	Code   string `json:"code"`
	Text   string `json:"text"`
	Other  int    `json:"other,omitempty"` // the row that it collides with
}

func (e ImportError) Error() string {
	at := fmt.Sprintf("row %d", e.Row)
	if e.Column != "" {
		at += ", " + e.Column
	}
	if e.Other != 0 {
		return fmt.Sprintf("%s: %s (row %d)", at, e.Text, e.Other)
	}
	return at + ": " + e.Text
}

// ImportReport is what an import did, or would do.
type ImportReport struct {
	Kind    string         `json:"kind"` // "people", "clinics", "supply" or "weights"
	Applied bool           `json:"applied"`
	Rows    int            `json:"rows"`
	New     int            `json:"new"`
	Changed int            `json:"changed"`
	Same    int            `json:"same"`
	Kept    int            `json:"kept"`              // changed rows of which some value stays as an official has corrected it
	Cohorts map[string]int `json:"cohorts,omitempty"` // rows of people by cohort; "" for none
	Late    int            `json:"late,omitempty"`    // new people whose own window is past: they may answer in a later one, or wait
	Unknown int            `json:"unknown,omitempty"` // rows of weights whose person is not on the list
	Slots   int            `json:"slots,omitempty"`   // of draft cohorts, after the import
	Seats   int            `json:"seats,omitempty"`   // in the file
	Errors  []ImportError  `json:"errors,omitempty"`  // all of them, by row and column
	More    int            `json:"more,omitempty"`    // errors beyond the first million, only counted

	layout []Column
}

// ErrFlawed says that a file was refused as a whole: its report lists why.
var ErrFlawed = errors.New("the file has errors; nothing was imported")

// maxErrors bounds the memory of a report.
const maxErrors = 1_000_000

func (r *ImportReport) add(row int, column, code string) {
	r.addOther(row, column, code, 0)
}

func (r *ImportReport) addOther(row int, column, code string, other int) {
	if len(r.Errors) == maxErrors {
		r.More++
		return
	}
	r.Errors = append(r.Errors, ImportError{row, column, code, ImportText(code), other})
}

// finish sorts the errors and says whether there are any.
func (r *ImportReport) finish() error {
	place := func(e ImportError) int {
		if k := slices.IndexFunc(r.layout, func(c Column) bool { return c.Name == e.Column }); k >= 0 {
			return k
		}
		return len(r.layout)
	}
	slices.SortStableFunc(r.Errors, func(a, b ImportError) int {
		return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(place(a), place(b)))
	})
	if len(r.Errors) > 0 {
		return ErrFlawed
	}
	return nil
}

// errUnapplied ends the transaction of a dry run.
var errUnapplied = errors.New("dry run")

// importTx runs f in a transaction that is never begun again by itself (the
// file has been read by then) and is rolled back unless apply is set.
func (db *DB) importTx(ctx context.Context, campaign int, apply bool, f func(*Tx) error) error {
	err := pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{}, func(t pgx.Tx) error {
		tx := &Tx{t, &db.lists}
		if err := tx.Lock(ctx, LockImport, campaign); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		if !apply {
			return errUnapplied
		}
		return nil
	})
	switch {
	case errors.Is(err, errUnapplied):
		return nil
	case retryable(err):
		return errors.New("the import met another change at the same rows; nothing was imported, try again")
	}
	return err
}

// stage streams the rows of a file into a table; read turns a line into its
// values, and reports what is wrong. Of a row with errors it gives what tells
// it from others, for the checks that the database makes, or answers false.
func (tx *Tx) stage(ctx context.Context, table string, columns []string, lines Lines, r *ImportReport, layout []Column, read func(*fields) ([]any, bool)) error {
	r.layout = layout
	next, stop := iter.Pull2(lines)
	defer stop()
	head, err, ok := next()
	switch {
	case !ok:
		r.add(0, "", "empty")
		return nil
	case err != nil:
		return r.fileFlaw(err)
	}
	at, ok := r.header(head, layout)
	if !ok {
		return nil
	}
	s := &staging{next: next, report: r, read: read, fields: fields{layout: layout, at: at, report: r}}
	if _, err := tx.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, s); err != nil {
		return fmt.Errorf("import %s: %w", r.Kind, withoutValues(err))
	}
	if s.err != nil {
		return r.fileFlaw(s.err)
	}
	if r.Rows == 0 {
		r.add(0, "", "empty")
	}
	_, err = tx.tx.Exec(ctx, `ANALYZE `+table)
	return err
}

// FileFlaw is what is wrong with a file before its cells can be read.
type FileFlaw struct {
	Row  int
	Code string
}

func (e *FileFlaw) Error() string { return fmt.Sprintf("row %d: %s", e.Row, ImportText(e.Code)) }

// fileFlaw makes a flaw of the file an entry of the report, and gives every
// other error back.
func (r *ImportReport) fileFlaw(err error) error {
	var flaw *FileFlaw
	if errors.As(err, &flaw) {
		r.add(flaw.Row, "", flaw.Code)
		return nil
	}
	return err
}

// staging is the rows of a file on their way into COPY.
type staging struct {
	next   func() (Line, error, bool)
	read   func(*fields) ([]any, bool)
	report *ImportReport
	fields fields
	values []any
	err    error
}

// Next reads on to the next row that can be told from others.
func (s *staging) Next() bool {
	for {
		line, err, ok := s.next()
		switch {
		case !ok:
			return false
		case err != nil:
			s.err = err
			return false
		case line.blank():
			continue
		}
		s.report.Rows++
		if ok = s.fields.begin(line); ok {
			s.values, ok = s.read(&s.fields)
		}
		if ok {
			return true
		}
	}
}

func (s *staging) Values() ([]any, error) { return s.values, nil }

// Err keeps the file's error from the server, which would abort and log it.
func (s *staging) Err() error { return nil }

// withoutValues keeps of an error of COPY what cannot hold a person's data.
func withoutValues(err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		return &pgconn.PgError{Severity: pg.Severity, Code: pg.Code, Message: "the database refused the rows", ConstraintName: pg.ConstraintName}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), pgconn.SafeToRetry(err):
		return err
	}
	return errors.New("the rows could not be written")
}

func (l Line) blank() bool {
	for _, c := range l.Cells {
		if c != "" {
			return false
		}
	}
	return len(l.Flaws) == 0
}

// doubles reports rows of the staged table whose key, one or more columns,
// stands in an earlier row too.
func (tx *Tx) doubles(ctx context.Context, r *ImportReport, table, key, column string) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT row, first FROM (SELECT row, min(row) OVER (PARTITION BY `+key+`) AS first FROM `+table+` WHERE (`+key+`) IS NOT NULL) d
		 WHERE row <> first ORDER BY row`)
	if err != nil {
		return err
	}
	return r.rowErrors(rows, column, "twice")
}

// rowErrors reports one error a row of (row, other row or 0).
func (r *ImportReport) rowErrors(rows pgx.Rows, column, code string) error {
	var row, other int
	_, err := pgx.ForEachRow(rows, []any{&row, &other}, func() error {
		r.addOther(row, column, code, other)
		return nil
	})
	return err
}
