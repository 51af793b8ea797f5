package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/data/pgtest"
)

// demoSummary is what issue and readers rely on in summary.json.
type demoSummary struct {
	Sample   bool `json:"sample"`
	Total    demoCounts
	Cohorts  []demoCounts
	Received struct{ Mail, SMS, Again int }
	ByForm   int `json:"by_form"`
	Signed   int `json:"signed_by_form"`
	Records  []demoRecord
	SignInAs struct{ Name, Phone string } `json:"sign_in_as"`
}

type demoCounts struct {
	Cohort         string
	Eligible       int
	Ballots        int
	Assigned       int
	FirstChoice    int `json:"first_choice"`
	Seats          int
	SeatsLeft      int `json:"seats_left"`
	OverCapacity   int `json:"over_capacity"`
	OutsideChoices int `json:"outside_choices"`
}

func TestDemoRunsAWholeLottery(t *testing.T) {
	const people = 600
	base := pgtest.URL(t)
	name := pgtest.Value[string](t, base, `SELECT current_database()`) + "_demo"
	t.Cleanup(func() { pgtest.Exec(t, base, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`) })
	dir := t.TempDir()
	env := func(key string) string { return map[string]string{"DATABASE_URL": base}[key] }
	demo := func(args ...string) (demoSummary, []byte) {
		t.Helper()
		var out, progress bytes.Buffer
		args = append([]string{"demo", "--people", "600", "--dir", dir, "--database", name}, args...)
		if code := run(context.Background(), args, streams{strings.NewReader(""), &out, &progress}, env); code != exitDone {
			t.Fatalf("exit code %d\n%s", code, progress.String())
		}
		var written demoSummary
		if err := json.Unmarshal(mustRead(t, filepath.Join(dir, "var", "demo", "summary.json")), &written); err != nil {
			t.Fatal(err)
		}
		return written, out.Bytes()
	}
	s, page := demo()
	root := filepath.Join(dir, "var", "demo")
	url := withDatabase(base, name)

	t.Run("counts", func(t *testing.T) {
		var sum demoCounts
		for _, c := range s.Cohorts {
			if c.Eligible == 0 || c.Ballots == 0 || c.Assigned == 0 || c.FirstChoice == 0 || c.Assigned != c.Seats-c.SeatsLeft {
				t.Errorf("cohort %+v", c)
			}
			sum.Eligible += c.Eligible
			sum.Ballots += c.Ballots
			sum.Assigned += c.Assigned
			sum.FirstChoice += c.FirstChoice
			sum.Seats += c.Seats
			sum.SeatsLeft += c.SeatsLeft
			sum.OverCapacity += c.OverCapacity
			sum.OutsideChoices += c.OutsideChoices
		}
		if d := cmp.Diff(sum, s.Total); d != "" {
			t.Errorf("the total is not the sum of the cohorts:\n%s", d)
		}
		if !s.Sample || len(s.Cohorts) != 2 || s.Total.Eligible != people || s.Total.OverCapacity != 0 || s.Total.OutsideChoices != 0 {
			t.Errorf("summary %+v", s)
		}
		if share := float64(s.Total.Ballots) / people; share < 0.78 || share > 0.92 {
			t.Errorf("%.2f of the people answered, want about 0.85", share)
		}
		if used := float64(s.Total.Assigned) / float64(s.Total.Seats); used <= 0.85 {
			t.Errorf("%.2f of the seats are assigned, want more than 0.85", used)
		}
		if s.ByForm < people/4 {
			t.Errorf("%d answered by the form, want at least %d", s.ByForm, people/4)
		}
	})
	t.Run("database", func(t *testing.T) {
		for what, c := range map[string]struct {
			sql  string
			want int
		}{
			"places":                   {`SELECT count(*)::int FROM jebi.assignment WHERE state IN ('assigned', 'confirmed')`, s.Total.Assigned},
			"ballots":                  {`SELECT count(*)::int FROM jebi.ballot WHERE NOT withdrawn`, s.Total.Ballots},
			"ballots by the form":      {`SELECT count(*)::int FROM jebi.ballot WHERE channel = 'web'`, s.ByForm},
			"people told their result": {`SELECT count(DISTINCT person_id)::int FROM jebi.message WHERE kind = 'result' AND state = 'sent'`, s.Total.Ballots},
			"messages that came in":    {`SELECT count(*)::int FROM jebi.message WHERE state = 'sent'`, s.Received.Mail + s.Received.SMS},
			"messages undelivered":     {`SELECT count(*)::int FROM jebi.message WHERE state = 'undelivered'`, 0},
			"slots over their seats":   {`SELECT count(*)::int FROM jebi.slot s WHERE (SELECT count(*) FROM jebi.assignment a WHERE a.slot_id = s.id AND a.state IN ('assigned', 'confirmed')) > s.seats`, 0},
			"people with two places":   {`SELECT count(*)::int FROM (SELECT 1 FROM jebi.assignment WHERE state IN ('assigned', 'confirmed') GROUP BY person_id HAVING count(*) > 1) x`, 0},
			"acts of two by one":       {`SELECT count(*)::int FROM jebi.audit WHERE act LIKE 'draw.%' AND act NOT IN ('draw.cosign', 'draw.beacon') AND actor = 'official' AND second_id IS NULL`, 0},
			"parties that are torn":    {`SELECT count(*)::int FROM (SELECT 1 FROM jebi.ticket_member m JOIN jebi.ticket t USING (cohort_id, rank) LEFT JOIN jebi.assignment a ON a.person_id = m.person_id AND a.origin = 'draw' WHERE t.size > 1 GROUP BY m.cohort_id, m.rank HAVING count(DISTINCT a.slot_id) > 1 OR count(a.id) NOT IN (0, count(*))) x`, 0},
		} {
			if got := pgtest.Value[int](t, url, c.sql); got != c.want {
				t.Errorf("%s: %d, want %d", what, got, c.want)
			}
		}
	})
	t.Run("pages explain", func(t *testing.T) { pagesExplain(t, url, filepath.Join(root, "bundle")) })
	t.Run("files", func(t *testing.T) {
		if d := cmp.Diff([]string{"1962-66", "1969-71"}, list(t, filepath.Join(root, "bundle"))); d != "" {
			t.Errorf("bundle (-want +got):\n%s", d)
		}
		if n := len(list(t, filepath.Join(root, "mail"))); n != s.Received.Mail {
			t.Errorf("%d e-mails are kept, %d came in", n, s.Received.Mail)
		}
		if n := len(list(t, filepath.Join(root, "sms"))); n != s.Received.SMS {
			t.Errorf("%d text messages are kept, %d came in", n, s.Received.SMS)
		}
		if s.Received.Again != 0 {
			t.Errorf("%d messages came twice", s.Received.Again)
		}
		rows := 0
		books := list(t, filepath.Join(root, "workbooks"))
		for _, b := range books {
			rows += appointments(t, filepath.Join(root, "workbooks", b))
		}
		if rows != s.Total.Assigned || len(books) < 10 {
			t.Errorf("%d workbooks with %d rows in all, want %d rows", len(books), rows, s.Total.Assigned)
		}
		if info, err := os.Stat(filepath.Join(root, "officials.txt")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("officials.txt: %v, %v, want 0600", info.Mode(), err)
		}
	})
	t.Run("records", func(t *testing.T) {
		left := demoLeft{t, root}
		if len(s.Records) != 2 {
			t.Fatalf("%d records of draws", len(s.Records))
		}
		left.testRecords(s.Records)
		left.testBoard(url)
		left.testChangedProofs(s.Records[1])
		left.testPrinted(string(page))
		left.testPage(s.Records)
		if s.Signed != s.ByForm {
			t.Errorf("%d signed receipts out of the form, want all %d", s.Signed, s.ByForm)
		}
	})
	t.Run("order", func(t *testing.T) {
		for _, c := range s.Cohorts {
			dir := filepath.Join(root, "bundle", c.Cohort)
			want, got := recomputeOrder(t, dir), mustRead(t, filepath.Join(dir, "order.bin"))
			if !bytes.Equal(want, got) || len(got) < 16*50 {
				t.Errorf("cohort %s: order.bin (%d bytes) is not the order that its leaves and randomness give (%d bytes)", c.Cohort, len(got), len(want))
			}
		}
	})
	t.Run("again", func(t *testing.T) {
		again, out := demo("--json")
		if again.Total.Eligible != people || again.Total.OverCapacity != 0 {
			t.Errorf("the second run came to %+v", again.Total)
		}
		var printed demoSummary
		if err := json.Unmarshal(out, &printed); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(printed, again); d != "" {
			t.Errorf("printed and written summaries differ:\n%s", d)
		}
		if n := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.campaign`); n != 1 {
			t.Errorf("%d campaigns after the second run, want 1: it starts afresh", n)
		}
	})
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var sheetRow = regexp.MustCompile(`<row [^>]*r="([0-9]+)"`)

// appointments counts the rows below the three headings in the days' sheets
// of a workbook: all but its first sheet, which is the cover.
func appointments(t *testing.T, name string) int {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	n := 0
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "xl/worksheets/sheet") || f.Name == "xl/worksheets/sheet1.xml" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range sheetRow.FindAllSubmatch(b, -1) {
			if len(m[1]) > 1 || m[1][0] > '3' {
				n++
			}
		}
	}
	return n
}
