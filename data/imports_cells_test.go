package data

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"jebi/cohort"
)

func TestReadPhone(t *testing.T) {
	for in, want := range map[string]string{
		"010-2345-6789": "+821023456789", "01023456789": "+821023456789", "1023456789": "+821023456789", "+82 10-2345-6789": "+821023456789",
		"+82 (0)10 2345 6789": "+821023456789", "０１０－２３４５－６７８９": "+821023456789", "010.5970.1234": "+821059701234", "02-880-0001": "+8228800001",
		"+1 650 253 0000": "+16502530000", "070-1234-5678": "+827012345678", "": "",
		"010-2345-678x": "!", "12": "!", "010-2345-67890": "!", "+": "!", "전화없음": "!", "010-2345-6789 ext. 5": "!", strings.Repeat("1", 500): "!", "+830102345678": "!",
	} {
		got, code := readPhone(in)
		switch {
		case want == "!" && code != "phone", want != "!" && (code != "" || valueOr(got, "") != want):
			t.Errorf("%q is %q, %q; want %q", in, valueOr(got, ""), code, want)
		}
	}
}

func TestReadDate(t *testing.T) {
	from, to := time.Date(1880, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in     string
		system DateSystem
		want   string
	}{
		{"1962-03-14", TextDates, "1962-03-14"},
		{"19620314", TextDates, "1962-03-14"},
		{"1962.3.14", TextDates, "1962-03-14"},
		{"1962. 3. 14.", TextDates, "1962-03-14"},
		{"1962/03/14", TextDates, "1962-03-14"},
		{"1962년 3월 14일", TextDates, "1962-03-14"},
		{"１９６２０３１４", TextDates, "1962-03-14"},
		{"1964-02-29", TextDates, "1964-02-29"},
		{"", TextDates, ""},
		{"22719", Days1900, "1962-03-14"},
		{"22719.0", Days1900, "1962-03-14"},
		{"21257", Days1904, "1962-03-14"},
		{"1", Days1900, "1900-01-01"},
		{"59", Days1900, "1900-02-28"},
		{"61", Days1900, "1900-03-01"},
		{"19620314", Days1900, "1962-03-14"},
		{"22719", TextDates, "date"},
		{"22719.5", Days1900, "date"},
		{"620314", TextDates, "date"},
		{"14.3.1962", TextDates, "date"},
		{"1963-02-29", TextDates, "date"},
		{"1962-13-01", TextDates, "date"},
		{"1962-00-10", TextDates, "date"},
		{"1962-3", TextDates, "date"},
		{"NaN", Days1900, "date"},
		{"Inf", Days1900, "date"},
		{"1879-12-31", TextDates, "date_range"},
		{"2021-07-02", TextDates, "date_range"},
		{"620314", Days1900, "date_range"},
		{"-5", Days1900, "1899-12-26"},
	} {
		got, code := readDate(c.in, c.system, from, to)
		text := code
		if code == "" && !got.IsZero() {
			text = got.Format(time.DateOnly)
		}
		if text != c.want {
			t.Errorf("%q in system %d is %s, want %s", c.in, c.system, text, c.want)
		}
	}
}

func TestReadBlock(t *testing.T) {
	for in, want := range map[string]string{
		"0900": "0900", "900": "0900", "09:00": "0900", "9:30": "0930", "09:00:00": "0900", "２３：５９": "2359", "0000": "0000", "": "",
		"2400": "block", "9": "block", "0960": "block", "24:00": "block", "-900": "block", "09:0": "block", "noon": "block",
	} {
		if got, code := readBlock(in, TextDates); got+code != want {
			t.Errorf("%q is %q %q, want %q", in, got, code, want)
		}
	}
	for in, want := range map[string]string{"0.375": "0900", "0": "0000", "0.99930555555555556": "2359", "900": "0900", "1.5": "block", "0.9999999": "block"} {
		if got, code := readBlock(in, Days1900); got+code != want {
			t.Errorf("%q in a spreadsheet is %q %q, want %q", in, got, code, want)
		}
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"  김하나\u00a0": "김하나", "\ufeff김": "김", "\u1100\u1161": "가", "a\u200db": "a\u200db", "　전각　": "전각",
	} {
		if got, code := cleanText(in); got != want || code != "" {
			t.Errorf("%q is %q %q, want %q", in, got, code, want)
		}
	}
	for in, want := range map[string]string{
		"a\x00b": "control", "a\nb": "control", "a\u202eb": "control", "a\u200bb": "control", "a\u2028b": "control", "\xff": "not_utf8", "a\x7fb": "control", "a\ufffdb": "control",
	} {
		if got, code := cleanText(in); code != want || got != "" {
			t.Errorf("%q is %q %q, want %s", in, got, code, want)
		}
	}
}

func TestEmailsGroupsPositionsDistricts(t *testing.T) {
	for in, ok := range map[string]bool{
		"": true, "a@example.org": true, "a.b+c@sub.example.org": true, "a@localhost": false, "A <a@example.org>": false, "a@example.org, b@example.org": false,
		"a b@example.org": false, "@": false, strings.Repeat("a", 250) + "@example.org": false,
	} {
		if _, code := readEmail(in); (code == "") != ok {
			t.Errorf("e-mail %q: %q", in, code)
		}
	}
	if got, code := readGroups("care; work,care"); code != "" || strings.Join(got, " ") != "care work" {
		t.Errorf("groups %v %q", got, code)
	}
	if _, code := readGroups("Care!"); code != "groups" {
		t.Errorf("groups: %q", code)
	}
	for _, in := range [][2]string{{"91", "0"}, {"0", "181"}, {"NaN", "0"}, {"1", ""}, {"", "1"}, {"x", "y"}} {
		if _, _, code := readPosition(in[0], in[1]); code != "position" {
			t.Errorf("position %v: %q", in, code)
		}
	}
	c := &cohort.Campaign{Districts: []cohort.District{{Code: "11620", Name: cohort.Text{"ko": "관악구"}}}}
	for in, want := range map[string]string{"11620": "11620", "관악구": "11620", "１１６２０": "11620", "": ""} {
		if got, code := readDistrict(in, c); got != want || code != "" {
			t.Errorf("district %q is %q %q", in, got, code)
		}
	}
	if _, code := readDistrict("11590", c); code != "district" {
		t.Errorf("district: %q", code)
	}
}

// Whatever a cell holds, what comes out obeys the schema's rules.
func FuzzCells(f *testing.F) {
	for _, s := range []string{"", "010-2345-6789", "1962-03-14", "22719", "0.375", "0900", "김하나", "a@b.c", "37.5", "care;work", "\ufeff\u202e", "１２３", "=1+1", "+82 10"} {
		f.Add(s, uint8(1))
	}
	from, to := time.Date(1880, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string, system uint8) {
		clean, code := cleanText(s)
		if code != "" {
			return
		}
		if !utf8.ValidString(clean) || !norm.NFC.IsNormalString(clean) || strings.ContainsFunc(clean, unicode.IsControl) || clean != strings.TrimSpace(clean) {
			t.Errorf("%q came through as %q", s, clean)
		}
		d := DateSystem(system % 3)
		if v, code := readDate(clean, d, from, to); code == "" && !v.IsZero() && (v.Before(from) || v.After(to)) {
			t.Errorf("date %q is %v", clean, v)
		}
		if v, code := readBlock(clean, d); code == "" && v != "" && (len(v) != 4 || v > "2359" || v[2] > '5') {
			t.Errorf("block %q is %q", clean, v)
		}
		if v, code := readPhone(clean); code == "" && v != nil && (len(*v) < 8 || len(*v) > 16 || (*v)[0] != '+' || strings.Trim((*v)[1:], "0123456789") != "") {
			t.Errorf("phone %q is %q", clean, *v)
		}
		if v, code := readKey(clean); code == "" && v != "" && !keyForm.MatchString(v) {
			t.Errorf("key %q is %q", clean, v)
		}
		if v, code := readEmail(clean); code == "" && v != nil && (len(*v) > 254 || !strings.Contains(*v, "@")) {
			t.Errorf("e-mail %q is %q", clean, *v)
		}
		if v, code := readSeats(clean); code == "" && (v < 0 || v > 10000) {
			t.Errorf("seats %q is %d", clean, v)
		}
		if lat, lon, code := readPosition(clean, clean); code == "" && lat != nil && (*lat != *lat || *lat < -90 || *lat > 90 || *lon < -180 || *lon > 180) {
			t.Errorf("position %q", clean)
		}
		if gs, code := readGroups(clean); code == "" {
			for _, g := range gs {
				if !groupForm.MatchString(g) {
					t.Errorf("group %q", g)
				}
			}
		}
	})
}

// Any bytes make lines or one error, never a panic, and rows ascend.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", "a,b\r\n1,2\r\n", "\ufeffa;b\n\"x\ny\";2\n", "a\t\"b\n", "\xff\xfea", "PK\x03\x04", "a,b\n\"1\"2,3\n4,5\n", "\n\n,,\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		last := 0
		for l, err := range CSV(strings.NewReader(string(b))) {
			if err != nil {
				if _, ok := err.(*FileFlaw); !ok {
					t.Errorf("error %v", err)
				}
				continue
			}
			if l.Row <= last {
				t.Errorf("row %d after row %d", l.Row, last)
			}
			last = l.Row
			for i, c := range l.Cells {
				if !utf8.ValidString(c) && !l.flawAt(i) {
					t.Errorf("row %d: a cell is no UTF-8", l.Row)
				}
			}
		}
	})
}

func (l Line) flawAt(i int) bool {
	for _, f := range l.Flaws {
		if f.Column == i || f.Column == -1 {
			return true
		}
	}
	return false
}
