package cmd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// edges are the packages that talk to the machine; everything else is given its clock, its randomness, its
// environment and its output.
func edges() []string { return []string{"cmd", "data/local", "data/pgtest", ".ci"} }

// machine lists what only the edges may use: of these packages these names, or anything where there are none.
func machine() map[string][]string {
	return map[string][]string{
		"time":        {"Now", "Since", "Until"},
		"os":          {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Args", "Stdin", "Stdout", "Stderr", "Exit"},
		"fmt":         {"Print", "Printf", "Println"},
		"crypto/rand": nil,
		"math/rand":   nil,
		"log":         nil,
		"flag":        nil,
		// The functions that draw from the process's own source; one with a seed is a value.
		"math/rand/v2": {
			"ExpFloat64", "Float32", "Float64", "Int", "Int32", "Int32N", "Int64", "Int64N", "IntN", "N", "NormFloat64",
			"Perm", "Shuffle", "Uint", "Uint32", "Uint32N", "Uint64", "Uint64N", "UintN",
		},
	}
}

// breaches returns what a source file does that it may not. The name is its path in the module.
func breaches(name, source string) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	complain := func(at token.Pos, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: %s", name, files.Position(at).Line, fmt.Sprintf(format, args...)))
	}
	inTest := strings.HasSuffix(name, "_test.go")
	atEdge := slices.ContainsFunc(edges(), func(e string) bool { return under(path.Dir(name), e) })

	names := imports(file) // by the name that the file gives it
	for _, spec := range file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		only, listed := machine()[p]
		if listed && only == nil && !inTest && !atEdge {
			complain(spec.Pos(), "imports %s outside of %v", p, edges())
		}
		if spec.Name != nil && spec.Name.Name == "." {
			complain(spec.Pos(), "imports %s without a name", p)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			of, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			if only := machine()[names[of.Name]]; !inTest && !atEdge && slices.Contains(only, n.Sel.Name) {
				complain(n.Pos(), "uses %s.%s outside of %v", of.Name, n.Sel.Name, edges())
			}
			if names[of.Name] == "testing" && n.Sel.Name == "Short" {
				complain(n.Pos(), "asks testing.Short: every test is run every time")
			}
		case *ast.CallExpr:
			if method, ok := n.Fun.(*ast.SelectorExpr); ok && inTest && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, method.Sel.Name) {
				complain(n.Pos(), "skips a test")
			}
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				complain(n.Pos(), "has an init function")
			}
			if inTest && isTest(n) && !asserts(n) {
				complain(n.Pos(), "%s can never fail", n.Name.Name)
			}
		}
		return true
	})
	for _, group := range file.Comments {
		for _, c := range group.List {
			if inTest && buildTag.MatchString(c.Text) && !allowedTag.MatchString(c.Text) {
				complain(c.Pos(), "is left out of a plain `go test ./...` by its build tag")
			}
		}
	}
	return found, nil
}

var (
	buildTag   = regexp.MustCompile(`^//\s*(go:build|\+build)\b`)
	allowedTag = regexp.MustCompile(`^//go:build (unix|linux|!?race|unix && !linux)$`)
)

// imports maps the names that a file gives its imports to their paths.
func imports(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(strings.TrimSuffix(p, "/v2"))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// isTest tells whether a function is run by go test.
func isTest(f *ast.FuncDecl) bool {
	return f.Recv == nil && len(f.Type.Params.List) == 1 && f.Name.Name != "TestMain" &&
		(strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz"))
}

// asserts tells whether a test can fail: it calls one of its own t's methods that do, or hands its t on.
func asserts(f *ast.FuncDecl) bool {
	param := f.Type.Params.List[0]
	if len(param.Names) == 0 || f.Body == nil {
		return false
	}
	failing := []string{"Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow", "Run", "Fuzz"}
	t := param.Names[0].Name
	found := false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if method, ok := call.Fun.(*ast.SelectorExpr); ok {
			if of, ok := method.X.(*ast.Ident); ok && of.Name == t && slices.Contains(failing, method.Sel.Name) {
				found = true
			}
		}
		for _, arg := range call.Args {
			if of, ok := arg.(*ast.Ident); ok && of.Name == t {
				found = true
			}
		}
		return true
	})
	return found
}

// skipInScript is the command of a test script that leaves it.
var skipInScript = regexp.MustCompile(`(?m)^\s*(\[[^\]]*\]\s*)*skip\b`)

// Clock, randomness, environment and output are used at the edges only; no test is skipped, and each can fail.
func TestSources(t *testing.T) {
	t.Parallel()
	seen := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == "var" || d.Name() == ".git" || d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		script := strings.Contains(name, "testdata/") && (path.Ext(name) == ".txt" || path.Ext(name) == ".txtar")
		if path.Ext(name) != ".go" && !script || strings.Contains(name, "testdata/") && !script {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if script {
			if skipInScript.Match(b) {
				t.Errorf("%s skips a test", name)
			}
			return nil
		}
		seen++
		found, err := breaches(name, string(b))
		if err != nil {
			return err
		}
		for _, f := range found {
			t.Error(f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d source files were seen", seen)
	}
}

// The check finds what it is for.
func TestSourcesFindsBreaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, source string
		want         []string
	}{
		{"data/x.go", "package data\nimport \"time\"\nvar a = time.Now", []string{"data/x.go:3: uses time.Now outside of [cmd data/local data/pgtest .ci]"}},
		{"data/x.go", "package data\nimport clock \"time\"\nfunc f(t clock.Time) { clock.Since(t) }", []string{"data/x.go:3: uses clock.Since outside of [cmd data/local data/pgtest .ci]"}},
		{"cohort/x.go", "package cohort\nimport \"os\"\nfunc f() { os.Getenv(\"A\") }", []string{"cohort/x.go:3: uses os.Getenv outside of [cmd data/local data/pgtest .ci]"}},
		{"cohort/x.go", "package cohort\nimport \"crypto/rand\"\nvar r = rand.Reader", []string{"cohort/x.go:2: imports crypto/rand outside of [cmd data/local data/pgtest .ci]"}},
		{"cohort/x.go", "package cohort\nimport \"math/rand/v2\"\nvar r = rand.IntN(2)", []string{"cohort/x.go:3: uses rand.IntN outside of [cmd data/local data/pgtest .ci]"}},
		{"cohort/x.go", "package cohort\nimport \"math/rand/v2\"\nvar r = rand.New(rand.NewPCG(1, 2))", nil},
		{"cohort/x.go", "package cohort\nimport . \"fmt\"\nfunc f() { Println() }", []string{"cohort/x.go:2: imports fmt without a name"}},
		{"cohort/x.go", "package cohort\nfunc init() {}", []string{"cohort/x.go:2: has an init function"}},
		{"cohort/x.go", "package cohort\nimport \"time\"\ntype t struct { time time.Time }\nfunc (x t) f() { x.time.Unix(); time.Unix(0, 0) }", nil},
		{"cmd/jebi/x.go", "package main\nimport (\"time\"; \"os\"; \"crypto/rand\")\nvar a, b, c = time.Now, os.Args, rand.Reader", nil},
		{"data/localized/x.go", "package localized\nimport \"time\"\nvar a = time.Now", []string{"data/localized/x.go:3: uses time.Now outside of [cmd data/local data/pgtest .ci]"}},
		{"data/x_test.go", "package data\nimport (\"testing\"; \"time\")\nfunc TestA(t *testing.T) { time.Now(); t.Fatal() }", nil},
		{"data/x_test.go", "package data\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skipf(\"later\"); t.Fatal() }", []string{"data/x_test.go:3: skips a test"}},
		{"data/x_test.go", "package data\nimport \"testing\"\nfunc TestA(t *testing.T) { if testing.Short() { return }; t.Fatal() }", []string{"data/x_test.go:3: asks testing.Short: every test is run every time"}},
		{"data/x_test.go", "package data\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Parallel(); f() }", []string{"data/x_test.go:3: TestA can never fail"}},
		{"data/x_test.go", "package data\nimport \"testing\"\nfunc TestA(t *testing.T) { check(t, 1) }", nil},
		{"data/x_test.go", "//go:build slow\n\npackage data\n", []string{"data/x_test.go:1: is left out of a plain `go test ./...` by its build tag"}},
		{"data/x_test.go", "//go:build unix\n\npackage data\n", nil},
	} {
		got, err := breaches(c.name, c.source)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", c.name, diff, c.source)
		}
	}
	for script, want := range map[string]bool{
		"exec jebi\nskip 'not yet'\n": true, "[!exec:psql] skip\n": true, "exec jebi window skip\nstdout skip\n": false,
	} {
		if got := skipInScript.MatchString(script); got != want {
			t.Errorf("%q skips: %v, want %v", script, got, want)
		}
	}
}
