package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const passes = `{"Action":"run","Package":"jebi/a","Test":"TestA"}
{"Action":"output","Package":"jebi/a","Test":"TestA","Output":"quiet words\n"}
{"Action":"pass","Package":"jebi/a","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"jebi/a","Output":"coverage: 93.4% of statements\n"}
{"Action":"pass","Package":"jebi/a","Elapsed":1.25}
`
	for _, c := range []struct {
		name   string
		stream string
		cover  map[string]float64
		fails  bool
		says   []string
		last   string
	}{
		{
			name: "all pass", stream: passes, cover: map[string]float64{"jebi/a": 90},
			says: []string{"ok    jebi/a: 1 tests in 1.2s, 93.4 % covered"}, last: "1 passed, 0 failed",
		},
		{
			name: "a package without tests",
			stream: passes + `{"Action":"output","Package":"jebi/b","Output":"?   \tjebi/b\t[no test files]\n"}
{"Action":"skip","Package":"jebi/b","Elapsed":0}`,
			says: []string{"none  jebi/b has no tests"}, last: "1 passed, 0 failed",
		},
		{
			name: "one fails",
			stream: passes + `{"Action":"output","Package":"jebi/b","Test":"TestB/x","Output":"loud words\n"}
{"Action":"fail","Package":"jebi/b","Test":"TestB/x"}
{"Action":"fail","Package":"jebi/b","Test":"TestB"}
{"Action":"fail","Package":"jebi/b","Elapsed":2}`,
			fails: true, says: []string{"FAIL  jebi/b", "loud words"}, last: "1 passed, 2 failed",
		},
		{
			name: "one is skipped",
			stream: passes + `{"Action":"skip","Package":"jebi/b","Test":"TestB"}
{"Action":"pass","Package":"jebi/b","Elapsed":2}`,
			fails: true, says: []string{"skipped, which counts as failed: jebi/b TestB"}, last: "1 passed, 1 failed",
		},
		{
			name: "one does not build",
			stream: passes + `{"ImportPath":"jebi/b","Action":"build-output","Output":"b.go:1: undefined: x\n"}
{"ImportPath":"jebi/b","Action":"build-fail"}
{"Action":"output","Package":"jebi/b","Output":"FAIL\tjebi/b [build failed]\n"}
{"Action":"fail","Package":"jebi/b","Elapsed":0,"FailedBuild":"jebi/b"}`,
			fails: true, says: []string{"jebi/b does not build", "undefined: x", "fails outside of its tests"}, last: "1 passed, 1 failed",
		},
		{
			name: "one panics and takes its package along",
			stream: passes + `{"Action":"run","Package":"jebi/b","Test":"TestB"}
{"Action":"output","Package":"jebi/b","Test":"TestB","Output":"panic: no\n"}
{"Action":"fail","Package":"jebi/b","Elapsed":2}`,
			fails: true, says: []string{"never ended: TestB", "panic: no"}, last: "1 passed, 1 failed",
		},
		{
			name: "the stream breaks off", stream: passes + `{"Action":"run","Package":"jebi/b","Test":"TestB"}`,
			fails: true, says: []string{"jebi/b never ended"}, last: "1 passed, 0 failed",
		},
		{
			name: "too little is covered", stream: passes, cover: map[string]float64{"jebi/a": 95},
			fails: true, says: []string{"cover 93.4 % of it, and 95"}, last: "1 passed, 0 failed",
		},
		{
			name: "no coverage is told", stream: strings.ReplaceAll(passes, "coverage", "nothing"), cover: map[string]float64{"jebi/a": 90},
			fails: true, says: []string{"no coverage is known of jebi/a"}, last: "1 passed, 0 failed",
		},
		{name: "nothing", fails: true, says: []string{"nothing was tested"}, last: "0 passed, 0 failed"},
		{
			name: "a line that is no event", stream: passes + "go: cannot find main module\n",
			fails: true, says: []string{"go: cannot find main module"}, last: "1 passed, 0 failed",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			log := filepath.Join(t.TempDir(), "log")
			err := run(strings.NewReader(c.stream), &out, log, c.cover)
			if errors.Is(err, errFailed) != c.fails || (err != nil) != c.fails {
				t.Errorf("the error is %v, want failed: %v", err, c.fails)
			}
			for _, want := range c.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, out.String())
				}
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; last != c.last {
				t.Errorf("the last line is %q, want %q", last, c.last)
			}
			if strings.Contains(out.String(), "quiet words") {
				t.Error("it prints what a passing test says")
			}
			b, err := os.ReadFile(log)
			if err != nil || strings.Contains(c.stream, "quiet words") != strings.Contains(string(b), "quiet words") {
				t.Errorf("the log holds %q (%v)", b, err)
			}
		})
	}
}

func TestParseCover(t *testing.T) {
	got, err := parseCover("jebi/a=90,jebi/b=87.5")
	if err != nil || len(got) != 2 || got["jebi/a"] != 90 || got["jebi/b"] != 87.5 {
		t.Errorf("parsed as %v (%v)", got, err)
	}
	if _, err := parseCover("jebi/a"); err == nil {
		t.Error("a package without a number is taken")
	}
	if got, err := parseCover(""); err != nil || len(got) != 0 {
		t.Errorf("nothing is parsed as %v (%v)", got, err)
	}
}
