package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"jebi/data/pgtest"
)

// killed runs jebi until it waits for a table that somebody else holds, kills
// it there as kill -9 does, and comes back when the database has forgotten it:
// killed TABLE ARGUMENTS.
func killed(s *testscript.TestScript, _ bool, args []string) {
	t, url := s.Value("t").(testing.TB), s.Value("url").(string)
	if len(args) < 2 {
		s.Fatalf("killed TABLE ARGUMENTS")
	}
	release := pgtest.HoldTable(t, url, "jebi."+args[0])
	defer release()
	self, err := os.Executable()
	s.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, self, args[1:]...)
	c.Args[0] = "jebi"
	c.Dir = s.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "DATABASE_URL", "XDG_STATE_HOME", "JEBI_KEY", "JEBI_SESSION"} {
		if v := s.Getenv(name); v != "" {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	s.Check(c.Start())
	waiting := 0
	for waiting == 0 && ctx.Err() == nil {
		waiting = pgtest.Value[int](t, url, `SELECT COALESCE(min(pid), 0) FROM pg_locks WHERE NOT granted AND relation = $1::regclass`, "jebi."+args[0])
	}
	s.Check(c.Process.Kill())
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Exited() || waiting == 0 {
		s.Fatalf("it was not killed while it waited for %s: %v", args[0], err)
	}
	release()
	if !pgtest.Alone(t, url) {
		s.Fatalf("the database has not forgotten it")
	}
}
