package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jebi/data"
	"jebi/data/pgtest"
)

func TestServerKey(t *testing.T) {
	ctx := context.Background()
	url := pgtest.URL(t)
	if err := data.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir := t.TempDir()
	env := map[string]string{}
	var progress bytes.Buffer
	a := &app{streams: streams{err: &progress}, env: func(k string) string { return env[k] }, dir: dir}

	key, err := a.serverKey(ctx, db)
	if err != nil || len(key) != 32 {
		t.Fatalf("the first key: %d bytes, %v", len(key), err)
	}
	file := filepath.Join(dir, "var", "key")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key's file: %v %v", info, err)
	}
	if strings.Contains(progress.String(), string(key)) || !strings.Contains(progress.String(), file) {
		t.Errorf("it says %q", progress.String())
	}
	again, err := a.serverKey(ctx, db)
	if err != nil || !bytes.Equal(again, key) {
		t.Errorf("another key the second time, or %v", err)
	}

	// Another server, without the file: no second key is made.
	b := &app{streams: a.streams, env: a.env, dir: t.TempDir()}
	if _, err := b.serverKey(ctx, db); exitCode(err) != exitUsage {
		t.Errorf("a server without the key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "var")); !os.IsNotExist(err) {
		t.Errorf("a folder was made: %v", err)
	}
	// The same key in base64, by its file's name; another one; none.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env["JEBI_KEY_FILE"] = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(env["JEBI_KEY_FILE"], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := b.serverKey(ctx, db); err != nil || !bytes.Equal(got, key) {
		t.Errorf("by its file: %v", err)
	}
	env["JEBI_KEY"] = strings.Repeat("00", 32)
	if _, err := b.serverKey(ctx, db); !errors.Is(err, data.ErrOtherKey) || exitCode(err) != exitRefused {
		t.Errorf("another key: %v", err)
	}
	env["JEBI_KEY"] = "too short"
	if _, err := b.serverKey(ctx, db); exitCode(err) != exitUsage || strings.Contains(err.Error(), "too short") {
		t.Errorf("no key: %v", err)
	}
}

func TestSessionsOfTwoDatabasesLieApart(t *testing.T) {
	env := map[string]string{"HOME": "/home/ann", "DATABASE_URL": "postgres://ann:secret@db/one"}
	a := &app{env: func(k string) string { return env[k] }}
	one := a.tokenFile()
	env["DATABASE_URL"] = "postgres://ann:another@db/one"
	if got := a.tokenFile(); got != one {
		t.Errorf("another password, another file: %s and %s", one, got)
	}
	env["DATABASE_URL"] = "postgres://ann:secret@db/two"
	if got := a.tokenFile(); got == one || strings.Contains(got, "secret") {
		t.Errorf("two databases: %s and %s", one, got)
	}
	env["DATABASE_URL"], a.dbName = "postgres://ann:secret@db/two", "one"
	if got := a.tokenFile(); got != one {
		t.Errorf("the same database, named by --database: %s and %s", got, one)
	}
	env["DATABASE_URL"] = ""
	if got := a.tokenFile(); got == filepath.Join("var", "session") {
		t.Errorf("two databases under var/pg: %s", got)
	}
	a.dbName = ""
	if got := a.tokenFile(); got != filepath.Join("var", "session") {
		t.Errorf("beside var/pg: %s", got)
	}
}
