package data_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

func TestImportFillsTheTables(t *testing.T) {
	r := filled(t)
	p := r.person("P1")
	if p.Phone != "+821023456701" || p.CohortKey != "b62" || p.Status != "eligible" || p.Name != "김하나" || p.BirthDate.Format("2006-01-02") != "1962-03-14" {
		t.Errorf("P1 is %+v", p)
	}
	if p := r.person("P3"); p.CohortKey != "b69" || !cmp.Equal(p.Groups, []string{"care", "work"}) || p.Language != "en" || p.Phone != "" {
		t.Errorf("P3 is %+v", p)
	}
	if p := r.person("P4"); p.CohortKey != "" || p.Language != "ko" {
		t.Errorf("P4 is %+v", p)
	}
	// 50, 30 and 20 % of 4, 4, 4 seats, rounded down over the clinic's seats so far.
	for key, want := range map[string][]int{"b62": {2, 2, 2, 2}, "b69": {1, 1, 1, 1}, "b72": {1, 1}} {
		slots, err := r.db.Slots(r.ctx, r.cohort(key))
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, s := range slots {
			got = append(got, s.Seats)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%s has slots of %v, want %v", key, got, want)
		}
	}
}

func TestSameFileTwiceChangesNothing(t *testing.T) {
	r := filled(t)
	dump := func() []string {
		return pgtest.Values[string](t, r.url, `
			SELECT x FROM (SELECT 1 AS o, p::text || xmin::text AS x FROM jebi.person p UNION ALL SELECT 2, p::text || xmin::text FROM jebi.person_detail p
			UNION ALL SELECT 3, c::text || xmin::text FROM jebi.clinic c UNION ALL SELECT 4, s::text || xmin::text FROM jebi.supply s
			UNION ALL SELECT 5, s::text || xmin::text FROM jebi.slot s UNION ALL SELECT 6, a::text FROM jebi.audit a) y ORDER BY o, x`)
	}
	before := dump()
	for _, f := range []struct {
		f    importer
		text string
		rows int
	}{{r.db.ImportClinics, clinicsFile, 2}, {r.db.ImportSupply, supplyFile, 4}, {r.db.ImportPeople, peopleFile, 4}} {
		report := r.load(f.f, "\ufeff"+strings.ReplaceAll(strings.ReplaceAll(f.text, "\r", ""), "\n", "\r\n"))
		if report.Same != f.rows || report.New != 0 || report.Changed != 0 {
			t.Errorf("%s again: %+v", report.Kind, report)
		}
	}
	if diff := cmp.Diff(before, dump()); diff != "" {
		t.Errorf("the second import changed:\n%s", diff)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	r := newRoster(t)
	report, err := r.db.ImportClinics(r.ctx, r.campaign, r.id, data.CSV(strings.NewReader(clinicsFile)), r.actor, false)
	if err != nil || report.New != 2 || report.Applied {
		t.Errorf("dry run: %+v, %v", report, err)
	}
	if n := count(t, r.url, "jebi.clinic"); n != 0 {
		t.Errorf("%d clinics after a dry run", n)
	}
}

func TestAllErrorsByRowAndColumnAndNothingHalfDone(t *testing.T) {
	r := newRoster(t)
	r.load(r.db.ImportClinics, clinicsFile)
	for _, c := range []struct {
		name string
		f    importer
		text string
		want string
	}{
		{
			"people", r.db.ImportPeople, peopleFile +
				"P5,,1962-02-30,12,no,x,11620,37.1,,UPPER,fr\n" +
				"P1,같은열쇠,1962-01-01,,,,99999,,,,\n" +
				"P 6,이름\x01,620314,,,,,,,,\n" +
				"P7,\xff\xfe,1862-01-01,,,,,,,,\n" +
				"P8,a\"b,1962-01-01\n" +
				"P9,넷,2999-01-01,,,,,,,,,too many\n",
			"6 name empty_cell;6 birth_date date;6 phone phone;6 email email;6 lat position;6 groups groups;6 language language;" +
				"7 key twice;7 district district;8 key key;8 name control;8 birth_date date;9 name not_utf8;9 birth_date date_range;10  quote;11 birth_date date_range;11 column 12 (L) extra_cell;",
		},
		{"double key", r.db.ImportPeople, "key,name,birth_date\nP1,a,1962-01-01\nP2,b,1962-01-01\nP1,c,1963-01-01\n", "4 key twice;"},
		{"header", r.db.ImportPeople, "key,phnoe,name,name\n김하나,1,2,3\n", "1 name column_twice;1 birth_date missing_column;1 column 2 (B) unknown_column;"},
		{"nothing", r.db.ImportPeople, "", "0  empty;"},
		{"only a header", r.db.ImportPeople, "key,name,birth_date\n\n,,\n", "0  empty;"},
		{"another code page", r.db.ImportPeople, "\xff\xfek\x00", "1  not_utf8;"},
		{"endless quotation", r.db.ImportPeople, "key,name,birth_date\n\"" + strings.Repeat("x", 2<<20), "2  too_long;"},
		{"clinics", r.db.ImportClinics, "key;name;kind;district;lat;lon\nC3;가;tent;1;91;x\n", "2 kind kind;2 district district;2 lat position;"},
		{
			"supply", r.db.ImportSupply, supplyFile + "C9,2021-07-26,0900,AZ,4\nC1,2021-13-26,2500,A Z,-1\nC1,2021-07-26,0700,AZ,4\nC1,2021/7/26,09:00,AZ,9\n",
			"6 clinic unknown_clinic;7 date date;7 block block;7 vaccine vaccine;7 seats seats;8 block block_outside;9  twice;",
		},
	} {
		report, err := c.f(r.ctx, r.campaign, r.id, data.CSV(strings.NewReader(c.text)), r.actor, true)
		if !errors.Is(err, data.ErrFlawed) || report.Applied {
			t.Errorf("%s: %v, applied %v", c.name, err, report.Applied)
		}
		if got := codes(report); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		for _, e := range report.Errors {
			if e.Text == e.Code || strings.ContainsAny(e.Error(), "김같이") {
				t.Errorf("%s: %q says too little or too much", c.name, e.Error())
			}
		}
	}
	if n := count(t, r.url, "jebi.person") + count(t, r.url, "jebi.supply"); n != 0 {
		t.Errorf("%d rows came in", n)
	}
}

func TestImportAfterTheAnnouncement(t *testing.T) {
	r := filled(t)
	r.state("b62", cohort.Open)
	// Supply of an announced window is not changed by a file …
	report, err := r.db.ImportSupply(r.ctx, r.campaign, r.id, data.CSV(strings.NewReader(strings.Replace(supplyFile, "0900,AZ,4", "0900,AZ,9", 1))), r.actor, true)
	if !errors.Is(err, data.ErrFlawed) || codes(report) != "2 date announced;" {
		t.Errorf("supply of an announced window: %v %s", err, codes(report))
	}
	// … missing people may still come, and may answer while their window is to come or open.
	more := peopleFile + "P5,늦은이,1964-01-01,010-2345-6705,,,11620,,,,\n"
	if got := r.load(r.db.ImportPeople, more); got.New != 1 || got.Same != 4 || got.Late != 0 || r.person("P5").CohortKey != "b62" {
		t.Errorf("late person: %+v", got)
	}
	if got := r.messages("P5"); !slices.Equal(got, []string{"announce queued"}) || len(r.messages("P1")) != 0 {
		t.Errorf("the late person is told %v", got)
	}
	r.state("b62", cohort.Frozen)
	more += "P6,더늦은이,1965-01-01,,,,11620,,,,\n"
	if got := r.load(r.db.ImportPeople, more); got.New != 1 || got.Late != 1 || r.person("P6").CohortKey != "b69" {
		t.Errorf("person after the freeze: %+v in %s", got, r.person("P6").CohortKey)
	}
	r.state("b69", cohort.Frozen)
	r.state("b72", cohort.Frozen)
	more += "P7,가장늦은이,1965-01-01,010-2345-6707,,,11620,,,,\n"
	if got := r.load(r.db.ImportPeople, more); got.Late != 1 || r.person("P7").CohortKey != "" || !slices.Equal(r.messages("P7"), []string{"list_late queued"}) {
		t.Errorf("person after all: %+v in %s", got, r.person("P7").CohortKey)
	}
}

func TestChangedRowsHaveTheirConsequences(t *testing.T) {
	r := filled(t)
	p1, p2 := r.person("P1"), r.person("P2")
	for _, p := range []data.PersonRow{p1, p2} {
		r.exec(`INSERT INTO jebi.session (token_hash, campaign_id, person_id, way, expires_at) VALUES (sha256($1::text::bytea), $2, $3, 'sms', jebi.jebi_now() + '1 hour')`,
			p.Key, r.id, p.ID)
	}
	r.exec(`UPDATE jebi.person SET corrected = '{address}' WHERE key = 'P1'`)
	r.exec(`UPDATE jebi.person_detail SET address = 'corrected' WHERE person_id = $1`, p1.ID)
	text := strings.NewReplacer("010-2345-6701", "010-9999-6701", "신림로 1", "신림로 99", "19630101", "19700101").Replace(peopleFile)
	if got := r.load(r.db.ImportPeople, text); got.Changed != 2 || got.Same != 2 || got.Kept != 1 {
		t.Errorf("report %+v", got)
	}
	if p := r.person("P1"); p.Phone != "+821099996701" || p.Address != "corrected" {
		t.Errorf("P1 is %+v", p)
	}
	if p := r.person("P2"); p.CohortKey != "b69" {
		t.Errorf("P2 is in %s", p.CohortKey)
	}
	if n := count(t, r.url, "jebi.session WHERE ended_at IS NOT NULL AND person_id = $1", p1.ID); n != 1 {
		t.Error("the session of the wrong phone goes on")
	}
	if n := count(t, r.url, "jebi.session WHERE ended_at IS NULL AND person_id = $1", p2.ID); n != 1 {
		t.Error("a session ended for nothing")
	}
	// A file without the column leaves what is known alone.
	r.load(r.db.ImportPeople, "key,name,birth_date\nP1,김하나,1962-03-14\n")
	if p := r.person("P1"); p.Phone != "+821099996701" || p.District != "11620" {
		t.Errorf("P1 lost %+v", p)
	}
}
