package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command that the README and the pages for officials and citizens show exists, with the flags that they show.
func TestPagesShowCommandsThatExist(t *testing.T) {
	shown := regexp.MustCompile("(?m)(?:^    |`)(?:var/bin/)?jebi ([a-z][^`\n]*)")
	dots := regexp.MustCompile(`\s*….*$|\s*\.\.\..*$`)
	quoted := regexp.MustCompile(`"[^"]*"`)
	seen := 0
	for _, page := range []string{"README.md", "docs/operations.md", "docs/campaign.md", "docs/imports.md", "docs/verify.md", "docs/privacy.md", "docs/lifecycle.md", "data/sample/README.md"} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
			line := strings.ReplaceAll(m[1], " … ", " ")
			args := strings.Fields(quoted.ReplaceAllString(dots.ReplaceAllString(line, ""), "X"))
			root := (&app{env: func(string) string { return "" }}).rootCommand()
			root.InitDefaultHelpCmd()
			root.InitDefaultCompletionCmd()
			c, rest, err := root.Find(args)
			if err != nil || c == root {
				t.Errorf("%s shows `jebi %s`, which is no command: %v", page, m[1], err)
				continue
			}
			seen++
			for _, a := range rest {
				if name, isFlag := strings.CutPrefix(a, "--"); isFlag && !hasFlag(c, name) {
					t.Errorf("%s shows `jebi %s`: %s has no flag --%s", page, m[1], c.CommandPath(), name)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands were found on the pages", seen)
	}
}

func hasFlag(c *cobra.Command, name string) bool {
	name, _, _ = strings.Cut(strings.TrimRight(name, ",.;:"), "=")
	return name == "help" || c.Flags().Lookup(name) != nil || c.InheritedFlags().Lookup(name) != nil
}
