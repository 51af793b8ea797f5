package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/data/pgtest"
)

// The bench prints one JSON value with every stage, and leaves no database behind. How long anything took decides
// nothing here.
func TestBenchDraw(t *testing.T) {
	url := pgtest.URL(t)
	env := func(name string) string {
		if name == "DATABASE_URL" {
			return url
		}
		return ""
	}
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"bench", "draw", "--people", "2000", "--seed", "7", "--json"}, streams{strings.NewReader(""), &out, &progress}, env)
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, progress.String())
	}
	var report struct {
		People, Slots, Seed, Cores int
		Stages                     []map[string]any
	}
	d := json.NewDecoder(&out)
	if err := d.Decode(&report); err != nil {
		t.Fatal(err)
	}
	if d.More() {
		t.Error("more than one JSON value")
	}
	if report.People != 2000 || report.Seed != 7 || report.Slots < 10 || report.Cores < 1 {
		t.Errorf("%+v", report)
	}
	keys := []string{"allocs", "baseline", "baseline_seconds", "bytes", "name", "peak_rss_bytes", "ratio", "seconds"}
	var names []string
	for _, s := range report.Stages {
		name := s["name"].(string)
		names = append(names, name)
		want := keys
		if name == "whole" {
			want = slices.Sorted(slices.Values(append([]string{"bare_copy_ratio", "bare_copy_seconds", "parts"}, keys...)))
		}
		if d := cmp.Diff(want, slices.Sorted(maps.Keys(s))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		number := func(key string) float64 { return s[key].(float64) }
		if number("seconds") <= 0 || number("baseline_seconds") <= 0 || s["baseline"] == "" {
			t.Errorf("%v", s)
		}
		if want := number("seconds") / number("baseline_seconds"); math.Abs(number("ratio")/want-1) > 1e-6 {
			t.Errorf("%s: ratio %v, want %v", name, number("ratio"), want)
		}
		if _, err := os.Stat("/proc/self/status"); err == nil && number("peak_rss_bytes") < 1<<20 {
			t.Errorf("%s: a peak of %v bytes", name, number("peak_rss_bytes"))
		}
		if name == "serial" && number("allocs") != 0 {
			t.Errorf("serial order allocates %v times", number("allocs"))
		}
	}
	if d := cmp.Diff([]string{"tree", "order", "serial", "naive", "flexible", "deferred", "whole"}, names); d != "" {
		t.Error(d)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)`, fmt.Sprintf("jebi_bench_%d_", os.Getpid())); n != 0 {
		t.Errorf("%d databases are left", n)
	}
}

func TestBenchTakesNoNonsense(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"bench", "draw", "--people", "0"}, streams{strings.NewReader(""), &out, &errs}, func(string) string { return "" })
	if code != exitUsage || !strings.Contains(errs.String(), "at least 1") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
