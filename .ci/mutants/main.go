// Mutants breaks the rules of the draw on purpose, one at a time, and runs the tests of package lottery against each
// broken copy (through go's -overlay: the tree itself is not touched). A mistake that no test notices is a failure,
// and so is one whose place in the code cannot be found any more.
//
//	go run ./.ci/mutants            all of them
//	go run ./.ci/mutants -only seed those whose name contains "seed"
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// perMutant bounds one run of the tests: a mistake may make a search endless, and that is caught, too.
const perMutant = 4 * time.Minute

func main() {
	only := flag.String("only", "", "run only mistakes whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, run := 0, 0
	for _, m := range mutants {
		if !strings.Contains(m.name, *only) {
			continue
		}
		run++
		began := time.Now()
		verdict, err := m.try(ctx)
		if err != nil {
			failed++
			verdict = "FAIL: " + err.Error()
		}
		fmt.Printf("%-34s %-10s %5.1f s\n", m.name, verdict, time.Since(began).Seconds())
		if ctx.Err() != nil {
			os.Exit(1)
		}
	}
	fmt.Printf("%d passed, %d failed\n", run-failed, failed)
	if failed > 0 || run == 0 {
		os.Exit(1)
	}
}

// try answers how the mistake was caught, or an error if it was not.
func (m mutant) try(ctx context.Context) (string, error) {
	path, err := filepath.Abs(filepath.Join("lottery", m.file))
	if err != nil {
		return "", err
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(code), m.right); n != 1 {
		return "", fmt.Errorf("the place to break stands %d times in lottery/%s, not once", n, m.file)
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	broken := filepath.Join(dir, m.file)
	if err := os.WriteFile(broken, []byte(strings.Replace(string(code), m.right, m.wrong, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-overlay", list, "./lottery").CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile, which proves nothing: %s", out)
	}
	ctx, cancel := context.WithTimeout(ctx, perMutant)
	defer cancel()
	test := exec.CommandContext(ctx, "go", "test", "-overlay", list, "-count=1", "-failfast", "-vet=off", "./lottery", "-rapid.nofailfile")
	out, err := test.CombinedOutput()
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return "caught (endless)", nil
	case err == nil:
		return "", fmt.Errorf("no test noticed")
	case strings.Contains(string(out), "--- FAIL") || strings.Contains(string(out), "panic:"):
		return "caught", nil
	}
	return "", fmt.Errorf("the tests did not run: %s", out)
}
