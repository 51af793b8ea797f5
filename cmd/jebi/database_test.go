package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without DATABASE_URL a command runs its own PostgreSQL under var/, keeps the
// session beside it, and leaves nothing running.
func TestPrivateDatabase(t *testing.T) {
	dir, err := os.MkdirTemp("", "jebi-private-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	// PostgreSQL's user must pass through where the tests run as root.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	jebi := func(stdin string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		args = append(args, "--dir", dir)
		if code := run(context.Background(), args, streams{strings.NewReader(stdin), &out, &errs}, func(string) string { return "" }); code != exitDone {
			t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
		}
		return out.String()
	}
	jebi("correct horse battery\n", "official", "add", "ann", "--role", "operator", "--apply")
	jebi("correct horse battery\n", "official", "sign-in", "ann")
	if got := jebi("", "official", "who"); got != "ann (operator)\n" {
		t.Errorf("who: %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, "var", "session"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the session's file is %v", info.Mode())
	}
	if got := jebi("", "doctor"); !strings.Contains(got, "ok       durability") {
		t.Errorf("doctor: %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "var", "pg", "data", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("PostgreSQL still runs: %v", err)
	}
}
