package words

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plain are keys whose placeholders may differ: each language builds dates its own way.
func plain(key string) bool { return !strings.HasPrefix(key, "time.") }

func TestLanguagesAgree(t *testing.T) {
	b := New()
	if diff := cmp.Diff([]string{"en", "ko"}, b.Languages()); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(b.Keys("en"), b.Keys("ko")); diff != "" {
		t.Errorf("keys of en and ko differ (-en +ko):\n%s", diff)
	}
	for _, k := range b.Keys("en") {
		if !plain(k) {
			continue
		}
		if diff := cmp.Diff(b.Placeholders("en", k), b.Placeholders("ko", k)); diff != "" {
			t.Errorf("placeholders of %s differ (-en +ko):\n%s", k, diff)
		}
	}
}

func TestTextsAreWhole(t *testing.T) {
	b := New()
	for _, lang := range b.Languages() {
		for _, k := range b.Keys(lang) {
			s := b.Text(lang, k, nil)
			if strings.TrimSpace(s) == "" && len(b.Placeholders(lang, k)) == 0 {
				t.Errorf("%s: %s is empty", lang, k)
			}
			if lang == "ko" && len(b.Placeholders(lang, k)) == 0 && len(s) > 40 && !strings.ContainsFunc(s, func(r rune) bool { return r >= '가' && r <= '힣' }) {
				t.Errorf("ko: %s is not in Korean: %q", k, s)
			}
			if lang == "en" && strings.ContainsFunc(s, func(r rune) bool { return r >= '가' && r <= '힣' }) {
				t.Errorf("en: %s is in Korean: %q", k, s)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	b := New()
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, seoul)
		if err != nil {
			t.Fatal(err)
		}
		return v.UTC()
	}
	for _, c := range []struct{ got, want string }{
		{b.When("ko", at("2021-07-14 09:00"), seoul), "7월 14일(수) 오전 9시"},
		{b.When("en", at("2021-07-14 09:00"), seoul), "Wednesday 14 July, 9:00"},
		{b.When("ko", at("2021-07-14 18:30"), seoul), "7월 14일(수) 오후 6시 30분"},
		{b.When("en", at("2021-07-14 18:05"), seoul), "Wednesday 14 July, 18:05"},
		{b.When("ko", at("2021-07-14 12:00"), seoul), "7월 14일(수) 오후 12시"},
		{b.When("ko", at("2021-07-14 00:00"), seoul), "7월 14일(수) 오전 0시"},
		{b.Span("ko", at("2021-07-14 09:00"), at("2021-07-16 18:00"), seoul), "7월 14일(수) 오전 9시부터 7월 16일(금) 오후 6시까지"},
		{b.Span("en", at("2021-07-14 09:00"), at("2021-07-16 18:00"), seoul), "Wednesday 14 July, 9:00 to Friday 16 July, 18:00"},
		{b.Span("en", at("2021-07-14 09:00"), at("2021-07-14 18:00"), seoul), "Wednesday 14 July, 9:00 to 18:00"},
		{b.Block("ko", "0930"), "오전 9시 30분"},
		{b.Block("en", "late"), "late"},
		{b.FullDate("ko", at("2021-07-14 09:00").In(seoul)), "2021년 7월 14일(수)"},
		{b.FullDate("en", at("2021-07-14 09:00").In(seoul)), "Wednesday 14 July 2021"},
		{b.Lasting("en", 50*time.Hour), "2 days"},
		{b.Lasting("en", time.Minute), "1 minute"},
		{b.Lasting("ko", 3*time.Hour), "3시간"},
		{b.Distance("en", 846), "850 m"},
		{b.Distance("ko", 1240), "1.2km"},
		{b.Distance("en", 2000), "2 km"},
		{b.Number("en", 1234567), "1,234,567"},
		{b.Number("ko", -1000), "-1,000"},
		{b.Number("ko", 999), "999"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestFill(t *testing.T) {
	b, err := Load(fstest.MapFS{
		"en/a.json": {Data: []byte(`{"a.seats": "{n} {n?seat|seats} at {clinic}", "a.only": "only here"}`)},
		"ko/a.json": {Data: []byte(`{"a.seats": "{clinic:은/는} {n}석", "a.road": "{clinic:으로/로}"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{b.Text("en", "a.seats", map[string]any{"n": 1, "clinic": "X"}), "1 seat at X"},
		{b.Text("en", "a.seats", map[string]any{"n": 2, "clinic": "X"}), "2 seats at X"},
		{b.Text("ko", "a.seats", map[string]any{"n": 2, "clinic": "서울의원"}), "서울의원은 2석"},
		{b.Text("ko", "a.seats", map[string]any{"n": 2, "clinic": "보건소"}), "보건소는 2석"},
		{b.Text("ko", "a.road", map[string]any{"clinic": "서울"}), "서울로"},
		{b.Text("ko", "a.road", map[string]any{"clinic": "센터"}), "센터로"},
		{b.Text("ko", "a.road", map[string]any{"clinic": "병원"}), "병원으로"},
		{b.Text("ko", "a.road", map[string]any{"clinic": "3"}), "3으로"},
		{b.Text("ko", "a.road", map[string]any{"clinic": "1"}), "1로"},
		{b.Text("ko", "a.only", nil), "only here"},
		{b.Text("en", "a.road", map[string]any{"clinic": "병원"}), "병원으로"},
		{b.Text("en", "a.nothing", nil), "a.nothing"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if !slices.Equal(b.Placeholders("en", "a.seats"), []string{"clinic", "n"}) {
		t.Errorf("placeholders: %v", b.Placeholders("en", "a.seats"))
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"an open brace":    {"en/a.json": {Data: []byte(`{"a.b": "x {n"}`)}},
		"a closing brace":  {"en/a.json": {Data: []byte(`{"a.b": "x }"}`)}},
		"nested braces":    {"en/a.json": {Data: []byte(`{"a.b": "x {n{m}}"}`)}},
		"an empty place":   {"en/a.json": {Data: []byte(`{"a.b": "x {}"}`)}},
		"one form":         {"en/a.json": {Data: []byte(`{"a.b": "{n?x}"}`)}},
		"one particle":     {"en/a.json": {Data: []byte(`{"a.b": "{n:은}"}`)}},
		"a foreign prefix": {"en/a.json": {Data: []byte(`{"b.b": "x"}`)}},
		"broken JSON":      {"en/a.json": {Data: []byte(`{`)}},
	} {
		if _, err := Load(files); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
