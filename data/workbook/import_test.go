package workbook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/data/workbook"
)

// A list that was made in Excel comes in as it looks there: dates, times,
// numbers that were phones, and no formula at all.
func TestPeopleFromExcel(t *testing.T) {
	ctx := context.Background()
	url := pgtest.URL(t)
	if err := data.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := &cohort.Campaign{
		Key: "sample", Sample: true, Location: time.FixedZone("KST", 9*3600), Languages: []string{"ko"},
		Cohorts: []cohort.Cohort{{Key: "b62", BirthFrom: 1960, BirthTo: 1969}},
	}
	pgtest.Exec(t, url, `INSERT INTO jebi.campaign (key, version, sample) VALUES ('sample', 1, true)`)
	pgtest.Exec(t, url, `INSERT INTO jebi.cohort (campaign_id, key, ordinal, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
		SELECT id, 'b62', 0, now(), now() + '1 h', now() + '2 h', now() + '3 h', now() + '4 h', now() + '5 h' FROM jebi.campaign`)
	id := pgtest.Value[int](t, url, `SELECT id FROM jebi.campaign`)

	load := func(fill func(*excelize.File)) (data.ImportReport, error) {
		f := excelize.NewFile()
		defer f.Close()
		for i, h := range []any{"관리번호", "이름", "생년월일", "전화번호", "위도", "경도"} {
			set(t, f, i+1, 1, h)
		}
		fill(f)
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		book, err := workbook.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer book.Close()
		return db.ImportPeople(ctx, c, id, book.Lines(""), data.System, true)
	}
	good := func(f *excelize.File) {
		for row, v := range [][]any{
			{"P1", "김하나", time.Date(1962, 3, 14, 0, 0, 0, 0, time.UTC), 1023456701, 37.48, 126.93},
			{"P2", "이두리", 19630101, "010-2345-6702"},
			{"P3", "=박세나", "1964. 2. 29."},
		} {
			for i, x := range v {
				set(t, f, i+1, row+2, x)
			}
		}
	}
	report, err := load(good)
	if err != nil || report.New != 3 || report.Cohorts["b62"] != 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	got := pgtest.Values[string](t, url, `SELECT p.key || ' ' || d.name || ' ' || d.birth_date || ' ' || COALESCE(d.phone, '-') || ' ' || COALESCE(d.lat::text, '-') FROM jebi.person p JOIN jebi.person_detail d ON d.person_id = p.id ORDER BY 1`)
	want := []string{"P1 김하나 1962-03-14 +821023456701 37.48", "P2 이두리 1963-01-01 +821023456702 -", "P3 =박세나 1964-02-29 - -"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if report, err := load(good); err != nil || report.Same != 3 {
		t.Errorf("again: %+v, %v", report, err)
	}
	report, err = load(func(f *excelize.File) {
		good(f)
		if err := f.SetCellFormula("Sheet1", "B3", `CONCATENATE("이","두리")`); err != nil {
			t.Fatal(err)
		}
		set(t, f, 3, 5, "62.3.14")
		set(t, f, 1, 6, "P1")
		set(t, f, 2, 6, "x\x07y")
		set(t, f, 3, 6, "1962-01-01")
	})
	var codes []string
	for _, e := range report.Errors {
		codes = append(codes, fmt.Sprint(e.Row, " ", e.Column, " ", e.Code))
	}
	// Excel itself cannot hold the control character: what is left in its place is refused too.
	if want := []string{"3 name formula", "5 key empty_cell", "5 name empty_cell", "5 birth_date date", "6 key twice", "6 name control"}; !errors.Is(err, data.ErrFlawed) || !cmp.Equal(codes, want) {
		t.Errorf("%v\n%q\n%q", err, codes, want)
	}
}

func set(t *testing.T, f *excelize.File, column, row int, v any) {
	t.Helper()
	at, err := excelize.CoordinatesToCellName(column, row)
	if err == nil {
		err = f.SetCellValue("Sheet1", at, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A folder holds one workbook a clinic, for its owner only, and a failed write
// leaves the old one alone.
func TestFolder(t *testing.T) {
	c := &cohort.Campaign{Key: "sample", Sample: true, Name: cohort.Text{"ko": "표본"}, Location: time.UTC, Languages: []string{"ko"}}
	folder := workbook.Folder{Dir: t.TempDir(), Campaign: c, Words: words.New(), Made: time.Date(2021, 7, 25, 0, 0, 0, 0, time.UTC)}
	rows := []data.RosterRow{{Assignment: 7, Date: "2021-07-26", Block: "0900", Vaccine: "AZ", Dose: 1, Name: "김하나", BirthYear: 1962}}
	w, err := folder.Write(data.ClinicRow{Key: "C1", Name: "하나의원"}, rows)
	if err != nil || w != (workbook.Written{Clinic: "C1", File: "C1.xlsx", People: 1}) {
		t.Fatalf("%+v, %v", w, err)
	}
	checkFolder(t, folder.Dir, "C1.xlsx")
	if err := workbook.Private(folder.Dir+"/C1.xlsx", failing); err == nil {
		t.Error("a failed write was not noticed")
	}
	f := checkFolder(t, folder.Dir, "C1.xlsx")
	if v, err := f.GetCellValue("2021-07-26", "B4"); err != nil || v != cohort.Reference(7) {
		t.Errorf("reference %q, %v", v, err)
	}
}

func failing(*os.File) error { return errors.New("full disk") }

// checkFolder wants exactly one file, of mode 0600, and opens it.
func checkFolder(t *testing.T, dir, name string) *excelize.File {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Fatalf("the folder holds %v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	f, err := excelize.OpenFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
