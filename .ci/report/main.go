// Command report reads what `go test -json` says and tells a person: a line for each package, the whole output of
// what failed, and at the end how many tests passed and failed. It does not run tests, and it has no mercy: a
// skipped test counts as failed, and so do a package that does not build, a test that never ended, too little
// coverage, and a run in which nothing was tested.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	log := flag.String("log", "", "`file` for the whole output")
	cover := flag.String("cover", "", "coverage that is asked for, as `package=percent,…`")
	flag.Parse()
	wanted, err := parseCover(*cover)
	if err == nil {
		err = run(os.Stdin, os.Stdout, *log, wanted)
	}
	switch {
	case errors.Is(err, errFailed): // the report has said why, and its last line stays the last
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// errFailed says that the tests have failed, not their report.
var errFailed = errors.New("the tests have failed")

// run reads the stream to its end and writes the report and the log. The error is errFailed where
// the tests have failed.
func run(in io.Reader, out io.Writer, logPath string, cover map[string]float64) error {
	log := io.Discard
	if logPath != "" {
		f, err := os.Create(logPath)
		if err != nil {
			return err
		}
		defer f.Close()
		log = f
	}
	r := newReport(out, log, cover)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		r.line(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return r.end()
}

// parseCover reads "package=percent,…".
func parseCover(s string) (map[string]float64, error) {
	wanted := map[string]float64{}
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		name, percent, _ := strings.Cut(part, "=")
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil {
			return nil, fmt.Errorf("-cover %q is not package=percent", part)
		}
		wanted[name] = p
	}
	return wanted, nil
}

// event is a line of test2json: see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

// report gathers what the events say.
type report struct {
	out, log io.Writer
	cover    map[string]float64
	packages map[string]*pkg
	builds   map[string][]string // output by import path
	passed   int
	failed   int
	skipped  []string
	problems []string // other reasons to fail
}

// pkg is a package under test.
type pkg struct {
	passed int
	tests  map[string]*test
	output []string // outside of tests
	ended  bool
}

// test is a test or subtest that has begun.
type test struct {
	output []string
	ended  bool
	failed bool
}

func newReport(out, log io.Writer, cover map[string]float64) *report {
	return &report{out: out, log: log, cover: cover, packages: map[string]*pkg{}, builds: map[string][]string{}}
}

// line takes one line of the stream.
func (r *report) line(b []byte) {
	var e event
	if err := json.Unmarshal(b, &e); err != nil {
		fmt.Fprintf(r.out, "%s\n", b)
		r.problems = append(r.problems, "the stream holds a line that is no event")
		return
	}
	io.WriteString(r.log, e.Output)
	switch e.Action {
	case "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
		return
	case "build-fail":
		fmt.Fprintf(r.out, "FAIL  %s does not build\n%s", e.ImportPath, strings.Join(r.builds[e.ImportPath], ""))
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		r.packages[e.Package] = p
	}
	if e.Test == "" {
		r.packageEvent(p, e)
		return
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &test{}
		p.tests[e.Test] = t
	}
	switch e.Action {
	case "output":
		t.output = append(t.output, e.Output)
	case "pass":
		t.ended = true
		t.output = nil
		p.passed++
		r.passed++
	case "fail":
		t.ended, t.failed = true, true
		r.failed++
	case "skip":
		t.ended = true
		r.failed++
		r.skipped = append(r.skipped, e.Package+" "+e.Test)
	}
}

var coverage = regexp.MustCompile(`coverage: ([0-9.]+)% of statements`)

// packageEvent takes an event of a package as a whole.
func (r *report) packageEvent(p *pkg, e event) {
	switch e.Action {
	case "output":
		p.output = append(p.output, e.Output)
	case "skip":
		p.ended = true
		fmt.Fprintf(r.out, "none  %s has no tests\n", e.Package)
	case "pass", "fail":
		p.ended = true
		note := r.checkCoverage(p, e.Package)
		if e.Action == "pass" {
			fmt.Fprintf(r.out, "ok    %s: %d tests in %.1fs%s\n", e.Package, p.passed, e.Elapsed, note)
			return
		}
		fmt.Fprintf(r.out, "FAIL  %s in %.1fs%s\n", e.Package, e.Elapsed, note)
		r.printFailures(p, e.Package)
	}
}

// checkCoverage holds the package's coverage against what is asked for and returns it as words.
func (r *report) checkCoverage(p *pkg, name string) string {
	wanted, ok := r.cover[name]
	if !ok {
		return ""
	}
	m := coverage.FindStringSubmatch(strings.Join(p.output, ""))
	if m == nil {
		r.problems = append(r.problems, "no coverage is known of "+name)
		return ""
	}
	if got, err := strconv.ParseFloat(m[1], 64); err != nil || got < wanted {
		r.problems = append(r.problems, fmt.Sprintf("the tests of %s cover %s %% of it, and %.0f is asked for", name, m[1], wanted))
	}
	return ", " + m[1] + " % covered"
}

// printFailures prints the output of the tests that failed or never ended, and of the package if it is not explained
// by them.
func (r *report) printFailures(p *pkg, name string) {
	names := make([]string, 0, len(p.tests))
	for n, t := range p.tests {
		if t.failed || !t.ended {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		t := p.tests[n]
		if !t.ended {
			r.failed++
			fmt.Fprintf(r.out, "--- this test never ended: %s\n", n)
		}
		io.WriteString(r.out, strings.Join(t.output, ""))
	}
	if len(names) == 0 {
		r.failed++
		r.problems = append(r.problems, name+" fails outside of its tests")
	}
	io.WriteString(r.out, strings.Join(p.output, ""))
}

// end prints the reasons and, as the last line, the sum. It returns errFailed if there is a reason to fail.
func (r *report) end() error {
	for name, p := range r.packages {
		if !p.ended {
			r.problems = append(r.problems, name+" never ended")
		}
	}
	if len(r.packages) == 0 || r.passed == 0 {
		r.problems = append(r.problems, "nothing was tested")
	}
	for _, s := range r.skipped {
		fmt.Fprintf(r.out, "skipped, which counts as failed: %s\n", s)
	}
	slices.Sort(r.problems)
	for _, s := range r.problems {
		fmt.Fprintf(r.out, "FAIL  %s\n", s)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed\n", r.passed, r.failed)
	if r.failed > 0 || len(r.problems) > 0 {
		return errFailed
	}
	return nil
}
