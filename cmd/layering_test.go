// Package cmd_test holds the rules of the house over the whole tree: who may import whom (this file), and what a
// source file may use (source_test.go). The rules are those of docs/architecture.md. It has no program.
package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the module's folder, seen from this package.
const root = ".."

// place is where a package stands. A package imports only packages of a lower layer: so imports go one way, a
// parent imports none of its children, and neighbours know nothing of each other.
type place struct {
	layer int
	// alone: it imports no other package of the module but those named.
	alone bool
	only  []string
	// by: no package but these imports it. "test" stands for the tests of any package.
	by []string
}

// tree is every package of the module. A new one must be given its place here.
func tree() map[string]place {
	return map[string]place{
		"lottery":        {layer: 0, alone: true},
		"lottery/beacon": {layer: 0, alone: true},

		"cohort":          {layer: 1},
		"cohort/campaign": {layer: 2},
		"cohort/words":    {layer: 2},

		"data":          {layer: 3},
		"data/local":    {layer: 4, alone: true, by: []string{"data/pgtest", "cohort/rehearse", "cmd/jebi", "test"}},
		"data/workbook": {layer: 4},
		"data/sample":   {layer: 4, alone: true, by: []string{"cohort/rehearse", "cmd/jebi", "test"}},
		"data/pgtest":   {layer: 5, alone: true, only: []string{"data/local"}, by: []string{"test"}},

		"cohort/intake": {layer: 5},
		"notify":        {layer: 5},

		"cohort/cycle":    {layer: 6},
		"cohort/form":     {layer: 6},
		"cohort/rehearse": {layer: 7},
		"cmd/jebi":        {layer: 8},
		"cmd":             {layer: 8},
	}
}

// outside says which packages may use what comes from elsewhere. A path stands for all below it, unless that has
// an entry of its own; "/…" at the end of a package for its children as well, "*" for any package.
type outside struct {
	path  string
	users []string
	// tests: the packages whose tests may use it as well.
	tests []string
}

func libraries() []outside {
	effects := []string{"data/…", "notify", "cohort/intake", "cohort/cycle", "cohort/form", "cohort/rehearse", "cmd/…"}
	return []outside{
		{path: "github.com/jackc/pgx", users: []string{"data/…"}},
		{path: "github.com/pressly/goose", users: []string{"data"}},
		{path: "database/sql", users: []string{"data"}},
		{path: "github.com/xuri/excelize", users: []string{"data/workbook"}},
		{path: "github.com/arran4/golang-ical", users: []string{"cohort/form"}},
		{path: "github.com/failsafe-go", users: []string{"cohort/form"}},
		{path: "github.com/spf13", users: []string{"cmd/…"}},
		// A test may have a flag of its own, to write its golden files anew.
		{path: "flag", users: []string{"cmd/…"}, tests: []string{"*"}},
		{path: "github.com/pelletier/go-toml", users: []string{"cohort/campaign"}},
		// The parser of cron expressions and the runner are one library.
		{path: "github.com/robfig/cron", users: []string{"cohort/campaign", "cohort/cycle"}},
		{path: "github.com/consensys/gnark-crypto", users: []string{"lottery/beacon"}},
		{path: "github.com/cloudflare/circl", tests: []string{"lottery", "lottery/beacon"}},

		{path: "testing", users: []string{"data/pgtest"}, tests: []string{"*"}},
		{path: "github.com/google/go-cmp", tests: []string{"*"}},
		{path: "pgregory.net/rapid", tests: []string{"*"}},
		{path: "github.com/rogpeppe/go-internal", tests: []string{"*"}},
		{path: "github.com/chromedp", tests: []string{"cohort/form", "cmd/jebi"}},

		// The draw and the rules do nothing but think: no network, no processes, and no files but the draw's
		// bundle. Addresses may be taken apart.
		{path: "net/mail", users: []string{"*"}},
		{path: "net/netip", users: []string{"*"}},
		{path: "net/url", users: []string{"*"}},
		{path: "net", users: append([]string{"cohort/campaign"}, effects...), tests: []string{"*"}},
		{path: "net/http", users: effects, tests: []string{"*"}},
		{path: "os/exec", users: effects, tests: []string{"*"}},
		{path: "os", users: append([]string{"lottery"}, effects...), tests: []string{"*"}},
		{path: "syscall", users: []string{"data/local", "data/pgtest", "cmd/…"}, tests: []string{"*"}},
		{path: "log", users: effects},
		{path: "C"},
	}
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Error        *struct{ Err string }
}

const module = "jebi"

// violations returns what breaks the rules, sorted.
func violations(packages []listed, tree map[string]place, libraries []outside) []string {
	var found []string
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if p.Error != nil {
			complain("%s cannot be listed: %s", name, p.Error.Err)
			continue
		}
		here, known := tree[name]
		if !known {
			complain("%s has no place in the tree", name)
			continue
		}
		check := func(path string, inTest bool) {
			what := name
			if inTest {
				what = "a test of " + name
			}
			if other, ours := strings.CutPrefix(path, module+"/"); ours {
				there, known := tree[other]
				switch {
				case !known:
					complain("%s imports %s, which has no place in the tree", what, other)
				case inTest && (other == name || slices.Contains(there.by, "test") || strings.HasPrefix(name, other+"/")): // its parent, too
				case there.by != nil && !slices.Contains(there.by, name):
					complain("%s imports %s, which only %s may", what, other, strings.Join(there.by, ", "))
				case here.alone && !inTest && !slices.Contains(here.only, other):
					complain("%s imports %s, and it imports nothing of this module but %v", what, other, here.only)
				case there.layer >= here.layer:
					complain("%s imports %s, which does not lie below it", what, other)
				}
				return
			}
			if l, listed := closest(path, libraries); listed && !matches(name, l.users) && !(inTest && matches(name, l.tests)) {
				complain("%s imports %s, which only %v may", what, path, l.users)
			}
		}
		for _, path := range p.Imports {
			check(path, false)
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			check(path, true)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// closest returns the entry that says the most about a path.
func closest(path string, libraries []outside) (found outside, listed bool) {
	for _, l := range libraries {
		if under(path, l.path) && len(l.path) > len(found.path) {
			found, listed = l, true
		}
	}
	return found, listed
}

// under tells whether a path is the prefix or lies below it.
func under(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// matches tells whether a package is one of those.
func matches(name string, of []string) bool {
	return slices.ContainsFunc(of, func(o string) bool {
		if parent, all := strings.CutSuffix(o, "/…"); all {
			return under(name, parent)
		}
		return name == o || o == "*"
	})
}

// Imports go one way, and each library is used in one place.
func TestLayering(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Error", "./...")
	list.Dir = root
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var packages []listed
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 5 {
		t.Fatalf("go list names only %d packages", len(packages))
	}
	for _, v := range violations(packages, tree(), libraries()) {
		t.Error(v)
	}
}

// The check finds what it is for.
func TestLayeringFindsViolations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		p    listed
		want []string
	}{
		{"what is allowed", listed{
			ImportPath: "jebi/cohort/intake", Imports: []string{"context", "jebi/cohort", "jebi/data", "jebi/lottery", "jebi/lottery/beacon"},
			TestImports: []string{"jebi/data/pgtest", "testing", "pgregory.net/rapid", "net/http"}, XTestImports: []string{"jebi/cohort/intake"},
		}, nil},
		{
			"upwards",
			listed{ImportPath: "jebi/cohort", Imports: []string{"jebi/data"}},
			[]string{"cohort imports data, which does not lie below it"},
		},
		{
			"a parent its child",
			listed{ImportPath: "jebi/data", Imports: []string{"jebi/data/workbook"}},
			[]string{"data imports data/workbook, which does not lie below it"},
		},
		{
			"a neighbour",
			listed{ImportPath: "jebi/cohort/form", Imports: []string{"jebi/cohort/cycle"}},
			[]string{"cohort/form imports cohort/cycle, which does not lie below it"},
		},
		{
			"the lottery anything",
			listed{ImportPath: "jebi/lottery", Imports: []string{"jebi/lottery/beacon"}},
			[]string{"lottery imports lottery/beacon, and it imports nothing of this module but []"},
		},
		{
			"test support in the program",
			listed{ImportPath: "jebi/cmd/jebi", Imports: []string{"jebi/data/pgtest", "testing"}},
			[]string{"cmd/jebi imports data/pgtest, which only test may", "cmd/jebi imports testing, which only [data/pgtest] may"},
		},
		{
			"the managed server from the middle",
			listed{ImportPath: "jebi/cohort/cycle", Imports: []string{"jebi/data/local"}},
			[]string{"cohort/cycle imports data/local, which only data/pgtest, cohort/rehearse, cmd/jebi, test may"},
		},
		{
			"upwards in a test",
			listed{ImportPath: "jebi/cohort", XTestImports: []string{"jebi/cohort/form"}},
			[]string{"a test of cohort imports cohort/form, which does not lie below it"},
		},
		{
			"a driver outside of data",
			listed{ImportPath: "jebi/notify", Imports: []string{"github.com/jackc/pgx/v5/pgxpool"}},
			[]string{"notify imports github.com/jackc/pgx/v5/pgxpool, which only [data/…] may"},
		},
		{
			"a driver in a test outside of data",
			listed{ImportPath: "jebi/notify", TestImports: []string{"github.com/jackc/pgx/v5"}},
			[]string{"a test of notify imports github.com/jackc/pgx/v5, which only [data/…] may"},
		},
		{"a path that only begins alike", listed{ImportPath: "jebi/cohort", Imports: []string{"network", "ossuary", "github.com/jackc/pgxnot"}}, nil},
		{
			"workbooks elsewhere",
			listed{ImportPath: "jebi/cmd/jebi", Imports: []string{"github.com/xuri/excelize/v2"}},
			[]string{"cmd/jebi imports github.com/xuri/excelize/v2, which only [data/workbook] may"},
		},
		{
			"commands elsewhere",
			listed{ImportPath: "jebi/cohort/rehearse", Imports: []string{"github.com/spf13/cobra", "flag"}},
			[]string{"cohort/rehearse imports flag, which only [cmd/…] may", "cohort/rehearse imports github.com/spf13/cobra, which only [cmd/…] may"},
		},
		{
			"a campaign's parts elsewhere",
			listed{ImportPath: "jebi/data", Imports: []string{"github.com/pelletier/go-toml/v2", "github.com/robfig/cron/v3"}},
			[]string{
				"data imports github.com/pelletier/go-toml/v2, which only [cohort/campaign] may",
				"data imports github.com/robfig/cron/v3, which only [cohort/campaign cohort/cycle] may",
			},
		},
		{"curves elsewhere", listed{
			ImportPath: "jebi/lottery", Imports: []string{"github.com/consensys/gnark-crypto/ecc"}, TestImports: []string{"github.com/cloudflare/circl/ecc"},
		}, []string{"lottery imports github.com/consensys/gnark-crypto/ecc, which only [lottery/beacon] may"}},
		{
			"the test's curve in the program",
			listed{ImportPath: "jebi/lottery/beacon", Imports: []string{"github.com/cloudflare/circl/ecc"}},
			[]string{"lottery/beacon imports github.com/cloudflare/circl/ecc, which only [] may"},
		},
		{"rules that take addresses apart", listed{ImportPath: "jebi/cohort/campaign", Imports: []string{"net", "net/mail", "net/url"}}, nil},
		{
			"rules that read files",
			listed{ImportPath: "jebi/cohort", Imports: []string{"net", "os"}},
			[]string{
				"cohort imports net, which only [cohort/campaign data/… notify cohort/intake cohort/cycle cohort/form cohort/rehearse cmd/…] may",
				"cohort imports os, which only [lottery data/… notify cohort/intake cohort/cycle cohort/form cohort/rehearse cmd/…] may",
			},
		},
		{
			"a draw that asks the network",
			listed{ImportPath: "jebi/lottery", Imports: []string{"net/http", "os/exec"}, TestImports: []string{"os/exec"}},
			[]string{
				"lottery imports net/http, which only [data/… notify cohort/intake cohort/cycle cohort/form cohort/rehearse cmd/…] may",
				"lottery imports os/exec, which only [data/… notify cohort/intake cohort/cycle cohort/form cohort/rehearse cmd/…] may",
			},
		},
		{"a package that nobody placed", listed{ImportPath: "jebi/util", Imports: []string{"jebi/data"}}, []string{"util has no place in the tree"}},
		{
			"an import that nobody placed",
			listed{ImportPath: "jebi/data", Imports: []string{"jebi/util"}},
			[]string{"data imports util, which has no place in the tree"},
		},
		{
			"a package that cannot be read",
			listed{ImportPath: "jebi/data", Error: &struct{ Err string }{"no such file"}},
			[]string{"data cannot be listed: no such file"},
		},
	} {
		if diff := cmp.Diff(c.want, violations([]listed{c.p}, tree(), libraries())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}
