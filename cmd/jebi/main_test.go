package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"jebi/data"
	"jebi/data/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jebi": main})
}

// TestScripts runs testdata/script. Each script has a migrated database of its
// own in DATABASE_URL, whose clock stands with the machine's until the script
// moves it, and the campaign file example.toml, as a sample. Beside jebi there
// are:
//
//	clock TIME        moves the database's clock, "2027-03-02T00:00:00Z"
//	sql STATEMENT     does something behind the program's back
//	owner STATEMENT   the same with audit's and seal's triggers off, as only the owner can
//	killed TABLE ARGS runs jebi until it waits for the table, and kills it there
//	super STATEMENT   the same past all triggers, as a superuser can
//	value QUERY       prints the one value of a query to stdout
func TestScripts(t *testing.T) {
	file, err := os.ReadFile("../../cohort/campaign/testdata/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	example := strings.Replace(string(file), "sample = false", "sample = true", 1)
	example = strings.Replace(example, "smtp.gwanak.example:587", "localhost:587", 1)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			tb := e.T().(testing.TB)
			url := pgtest.Template(tb, "script", func(url string) error {
				if err := data.Migrate(context.Background(), url); err != nil {
					return err
				}
				return data.MakeClockMovable(context.Background(), url)
			})
			e.Setenv("DATABASE_URL", url)
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Values["url"], e.Values["t"] = url, tb
			return os.WriteFile(filepath.Join(e.WorkDir, "example.toml"), []byte(example), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"clock": func(s *testscript.TestScript, _ bool, args []string) {
				at, err := time.Parse(time.RFC3339, args[0])
				s.Check(err)
				pgtest.Exec(s.Value("t").(testing.TB), s.Value("url").(string), `UPDATE jebi.clock_shift SET shift = $1 - clock_timestamp()`, at)
			},
			"sql": func(s *testscript.TestScript, _ bool, args []string) {
				pgtest.Exec(s.Value("t").(testing.TB), s.Value("url").(string), `SET search_path = jebi; `+args[0])
			},
			"owner": func(s *testscript.TestScript, _ bool, args []string) {
				pgtest.Exec(s.Value("t").(testing.TB), s.Value("url").(string), `SET ROLE jebi_owner; ALTER TABLE jebi.audit DISABLE TRIGGER USER; ALTER TABLE jebi.seal DISABLE TRIGGER USER; `+args[0])
			},
			"killed": killed,
			"super": func(s *testscript.TestScript, _ bool, args []string) {
				pgtest.Unguarded(s.Value("t").(testing.TB), s.Value("url").(string), "jebi_owner", "jebi", args[0])
			},
			"value": func(s *testscript.TestScript, _ bool, args []string) {
				v := pgtest.Value[string](s.Value("t").(testing.TB), s.Value("url").(string), args[0])
				_, err := s.Stdout().Write([]byte(v + "\n"))
				s.Check(err)
			},
		},
	})
}

// Every command says in a line what it does, shows an example, and takes only
// what it understands.
func TestEveryCommandIsExplained(t *testing.T) {
	root := (&app{}).rootCommand()
	root.InitDefaultCompletionCmd()
	n := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion" || c.Name() == "help" {
			return // cobra's own
		}
		n++
		path := c.CommandPath()
		switch {
		case c.Short == "" || strings.HasSuffix(c.Short, "."):
			t.Errorf("%s: Short is %q", path, c.Short)
		case c.HasParent() && !strings.Contains(c.Example, path):
			t.Errorf("%s: its example does not show it: %q", path, c.Example)
		case c.Args == nil:
			t.Errorf("%s: takes any argument", path)
		case c.RunE == nil:
			t.Errorf("%s: does nothing", path)
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if line != "" && !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example's line %q is not indented", path, line)
			}
		}
	}
	walk(root)
	if n < 20 {
		t.Errorf("%d commands were looked at", n)
	}
}

//go:generate go test -run TestCommandsAreDocumented -args -update

var update = flag.Bool("update", false, "write the list in docs/commands.md anew")

// docs/commands.md ends with every command as its help describes it.
func TestCommandsAreDocumented(t *testing.T) {
	const file, mark = "../../docs/commands.md", "<!-- from here on written by: go generate ./cmd/jebi -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, had, ok := strings.Cut(string(b), mark)
	if !ok {
		t.Fatalf("%s has no line %q", file, mark)
	}
	var w strings.Builder
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasParent() {
			fmt.Fprintf(&w, "\n## %s\n\n", strings.TrimSuffix(c.UseLine(), " [flags]"))
			text := c.Long
			if text == "" {
				text = c.Short + "."
			}
			fmt.Fprintf(&w, "%s\n\n```\n%s\n```\n", text, c.Example)
			if f := c.NonInheritedFlags().FlagUsages(); f != "" {
				fmt.Fprintf(&w, "\n```\n%s```\n", f)
			}
		}
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk((&app{}).rootCommand())
	if *update {
		if err := os.WriteFile(file, []byte(head+mark+w.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		had = w.String()
	}
	if d := cmp.Diff(strings.Split(had, "\n"), strings.Split(w.String(), "\n")); d != "" {
		t.Errorf("docs/commands.md is not what the commands say; go generate ./cmd/jebi writes it anew (-file +commands):\n%s", d)
	}
}
