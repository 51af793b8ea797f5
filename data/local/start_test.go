//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

// A fresh folder becomes a server with safe settings that only its owner reaches, whatever environment and
// locale the program was started with.
func TestFirstStart(t *testing.T) {
	for name, v := range map[string]string{
		"LC_ALL": "ko_KR.UTF-8", "LANG": "xx_XX", "PGDATA": "/nonexistent", "PGPORT": "1", "PGHOST": "/nonexistent",
		"PGUSER": "nobody-here", "PGDATABASE": "nothing",
	} {
		t.Setenv(name, v)
	}
	dir := folder(t)
	s := start(t, Config{Dir: dir, Database: "first"})
	if s.Attached() {
		t.Error("the first program is attached")
	}
	if s.Dir != dir {
		t.Errorf("it lives in %s, want %s", s.Dir, dir)
	}

	got := map[string]string{}
	for _, name := range []string{
		"server_encoding", "lc_collate", "data_checksums", "listen_addresses", "unix_socket_permissions", "fsync",
		"full_page_writes", "synchronous_commit", "max_connections", "max_wal_size", "timezone", "jit",
		"log_min_messages", "log_min_error_statement", "log_error_verbosity",
	} {
		got[name] = value(t, s.URL, "SHOW "+name)
	}
	want := map[string]string{
		"server_encoding": "UTF8", "lc_collate": "C.UTF-8", "data_checksums": "on", "listen_addresses": "",
		"unix_socket_permissions": "0700", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
		"max_connections": "120", "max_wal_size": "2GB", "timezone": "UTC", "jit": "off",
		"log_min_messages": "log", "log_min_error_statement": "panic", "log_error_verbosity": "terse",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	const who = "SELECT current_database() || ' ' || rolname || ' ' || rolsuper FROM pg_roles WHERE rolname = current_user"
	if got := value(t, s.URL, who); got != "first jebi true" {
		t.Errorf("connected as %s", got)
	}

	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v", info.Mode())
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "starting up") && strings.Contains(string(log), "FATAL") {
		t.Errorf("somebody connected before it was ready:\n%s", log)
	}
}

// Peer authentication with a map is the only way in: for the account that owns the server and root, as jebi.
func TestOnlyOneWayIn(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: folder(t)})
	const rules = `SELECT string_agg(concat_ws(' ', type, database, user_name, auth_method, options), E'\n') FROM pg_hba_file_rules`
	if got, want := value(t, s.URL, rules), "local {all} {jebi} peer {map=owner}"; got != want {
		t.Errorf("the rules are %q, want %q", got, want)
	}
	execute(t, s.URL, "CREATE ROLE other LOGIN SUPERUSER")
	config, err := pgconn.ParseConfig(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.User = "other"
	if conn, err := pgconn.ConnectConfig(t.Context(), config); err == nil {
		conn.Close(t.Context())
		t.Error("a role that the map does not name gets in")
	}
	info, err := os.Lstat(filepath.Join(s.place.socket, socketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o700 {
		t.Errorf("the socket's mode is %v", info.Mode())
	}
}

// Errors of statements quote values: they reach the client and never the log.
func TestLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: folder(t)})
	conn := connect(t, s.URL)
	for _, sql := range []string{
		"CREATE TABLE person (name text PRIMARY KEY, born date)",
		"INSERT INTO person VALUES ('Kim Cheolsu', '1962-01-01')",
		"INSERT INTO person VALUES ('Kim Cheolsu', '1962-01-01')",
		"INSERT INTO person VALUES ('Kim Cheolsu', 'Kim Cheolsu')",
		"SELECT 'Kim Cheolsu'::int",
	} {
		_, err := conn.Exec(t.Context(), sql)
		if failed := (*pgconn.PgError)(nil); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "Cheolsu") {
		t.Errorf("the log holds a name:\n%s", log)
	}
}

// The server never runs as root, and sits in a process group of its own, so that ^C reaches the program first.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: folder(t)})
	pid := readPidFile(s.place.data).pid
	uid, err := strconv.Atoi(strings.Fields(kernelSays(t, pid, "Uid"))[1])
	if err != nil {
		t.Fatal(err)
	}
	if uid == 0 || (os.Geteuid() != 0 && uid != os.Geteuid()) {
		t.Errorf("it runs as uid %d, the program as %d", uid, os.Geteuid())
	}
	if got, err := syscall.Getpgid(pid); err != nil || got != pid {
		t.Errorf("its process group is %d (%v), want its own, %d", got, err, pid)
	}
	if os.Geteuid() == 0 {
		if groups := kernelSays(t, pid, "Groups"); groups != "" {
			t.Errorf("it keeps root's groups: %s", groups)
		}
	}
}

// Where a parent is closed to PostgreSQL's user, root's data goes to a folder under /var/lib/jebi, a line
// names it, and later starts find it; for another user the own folder does.
func TestClosedParent(t *testing.T) {
	t.Parallel()
	closed := t.TempDir() // its parent is 0700
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "var", "pg")
	var lines said
	s := start(t, Config{Dir: dir, Logf: lines.logf})
	execute(t, s.URL, "CREATE TABLE kept (a int)")
	if os.Geteuid() != 0 {
		if s.Dir != dir || lines.all() != "" {
			t.Errorf("it lives in %s, want %s, and says %q", s.Dir, dir, lines.all())
		}
		return
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(s.Dir); err != nil {
			t.Error(err)
		}
	})
	if filepath.Dir(s.Dir) != fallbackRoot {
		t.Errorf("it lives in %s, want a folder under %s", s.Dir, fallbackRoot)
	}
	if got := lines.all(); !strings.Contains(got, s.Dir) || strings.Count(got, "\n") != 0 {
		t.Errorf("it says %q, want one line that names %s", got, s.Dir)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder that is not used is left behind: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// Opened later, the data is still where it was.
	for _, d := range []string{filepath.Dir(closed), closed} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again := start(t, Config{Dir: dir})
	if again.Dir != s.Dir {
		t.Errorf("the second start lives in %s, the first in %s", again.Dir, s.Dir)
	}
	value(t, again.URL, "SELECT count(*)::text FROM kept")
}

// A cluster whose parents were closed after it was made is not replaced by an empty one elsewhere.
func TestClosedLater(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, Config{Dir: dir})
	execute(t, s.URL, "CREATE TABLE kept (a int)")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Config{Dir: dir})
	if os.Geteuid() == 0 {
		if err == nil || !strings.Contains(err.Error(), "cannot enter") {
			t.Errorf("the error is %v, want one that says who cannot enter", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	value(t, s.URL, "SELECT count(*)::text FROM kept")
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// A path too long for a socket's address gets a private folder under the temporary one, which goes with the
// server; a folder or link that somebody else put there is refused.
func TestLongPath(t *testing.T) {
	t.Parallel()
	base := folder(t)
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, strings.Repeat("long", 30), "pg")
	s := start(t, Config{Dir: dir})
	socket := s.place.socket
	if s.Dir != dir || socket == dir || !fits(socket) {
		t.Errorf("the data is in %s, the socket in %s", s.Dir, socket)
	}
	info, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("the socket's folder has mode %v", info.Mode())
	}
	second := start(t, Config{Dir: dir})
	if !second.Attached() || second.URL != s.URL {
		t.Errorf("a second program gets %s (attached: %v), want %s", second.URL, second.Attached(), s.URL)
	}
	if err := errors.Join(second.Stop(), s.Stop()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket's folder is still there: %v", err)
	}

	t.Cleanup(func() { os.Remove(socket) })
	for _, plant := range []struct {
		what string
		put  func() error
	}{
		{"a link", func() error { return os.Symlink(base, socket) }},
		{"a file", func() error { return os.WriteFile(socket, nil, 0o600) }},
		{"a folder that others can enter", func() error {
			return errors.Join(os.Mkdir(socket, 0o700), os.Chmod(socket, 0o755))
		}},
	} {
		if err := plant.put(); err != nil {
			t.Fatal(err)
		}
		if planted, err := Start(t.Context(), Config{Dir: dir}); err == nil {
			t.Errorf("%s is taken for the socket's folder", plant.what)
			planted.Stop()
		} else if !strings.Contains(err.Error(), socket) {
			t.Errorf("%s: the error does not name it: %v", plant.what, err)
		}
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
	}
}

// The socket's folder is under the temporary folder that TMPDIR names, or under /tmp where PostgreSQL's user cannot
// enter that one or it is too long itself.
func TestTemporaryFolder(t *testing.T) {
	closed, long := t.TempDir(), filepath.Join(folder(t), strings.Repeat("long", 20))
	if err := errors.Join(os.Chmod(closed, 0o700), os.MkdirAll(long, 0o755)); err != nil {
		t.Fatal(err)
	}
	base := folder(t)
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ temp, root, other string }{
		{closed, "/tmp", closed},
		{long, "/tmp", "/tmp"},
	} {
		t.Setenv("TMPDIR", c.temp)
		s := start(t, Config{Dir: filepath.Join(base, strings.Repeat("long", 30))})
		want := c.other
		if os.Geteuid() == 0 {
			want = c.root
		}
		if got := filepath.Dir(s.place.socket); got != want {
			t.Errorf("with TMPDIR=%s the socket is in %s, want a folder of %s", c.temp, s.place.socket, want)
		}
		value(t, s.URL, "SELECT 'up'")
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLinkedFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	link := dir + "-link"
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Dir: link})
	if s.Dir != dir {
		t.Errorf("it lives in %s, want the link's target %s", s.Dir, dir)
	}
	if pids := s.place.processesIn(s.place.data); len(pids) < 2 {
		t.Errorf("its processes are %v, want the postmaster and its helpers", pids)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: folder(t), Settings: map[string]string{"work_mem": "7MB", "listen_addresses": "*", "port": "1"}})
	got := value(t, s.URL, "SELECT current_setting('work_mem') || current_setting('listen_addresses') || current_setting('port')")
	if got != "7MB5432" {
		t.Errorf("the settings are %s", got)
	}
}

func TestFurtherDatabases(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: folder(t)})
	const name = `An "odd" 이름/?&`
	for range 2 { // the second time it is there
		url, err := s.CreateDatabase(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := value(t, url, "SELECT current_database()"); got != name {
			t.Errorf("connected to %q, want %q", got, name)
		}
	}
	open := connect(t, s.DatabaseURL(name))
	for range 2 { // the second time it is gone
		if err := s.DropDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := open.Ping(t.Context()); err == nil {
		t.Error("the connection to a dropped database still works")
	}
	for _, bad := range []string{"", strings.Repeat("x", 64)} {
		if _, err := s.CreateDatabase(t.Context(), bad); err == nil {
			t.Errorf("a database with a name of %d bytes is created", len(bad))
		}
	}
}

// Stop waits for the server's end, may be repeated, and the next start finds what was committed.
func TestStop(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, Config{Dir: dir})
	execute(t, s.URL, "CREATE TABLE kept (a int)")
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	<-s.Done()
	if err := s.Err(); err != nil {
		t.Errorf("Err is %v after a Stop", err)
	}
	if pids := s.place.processesIn(s.place.data); len(pids) != 0 {
		t.Errorf("after the stop %v still run", pids)
	}
	log, err := os.ReadFile(s.place.logPath())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "database system is shut down") {
		t.Errorf("the end was not in order:\n%s", log)
	}
	again := start(t, Config{Dir: dir})
	value(t, again.URL, "SELECT count(*)::text FROM kept")
}

// A start that is cancelled leaves nothing running.
func TestCancelledStart(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Start(ctx, Config{Dir: dir}); err == nil {
		s.Stop()
		t.Fatal("a cancelled start succeeds")
	}
	p := place{}
	for _, data := range []string{"data", "data.new"} {
		if pids := p.processesIn(filepath.Join(dir, data)); len(pids) != 0 {
			t.Errorf("%v run in %s", pids, data)
		}
	}
	s := start(t, Config{Dir: dir})
	value(t, s.URL, "SELECT 'up'")
}

// A folder that holds something else is left alone: as root it would be given to another user.
func TestForeignFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "letters"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Config{Dir: dir})
	if err == nil {
		s.Stop()
		t.Fatal("the folder is taken")
	}
	if !strings.Contains(err.Error(), "letters") {
		t.Errorf("the error does not say what is there: %v", err)
	}
	after, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := func(i os.FileInfo) string { return fmt.Sprint(i.Mode(), i.Sys().(*syscall.Stat_t).Uid) }
	if owner(before) != owner(after) {
		t.Errorf("the folder was %s and is %s", owner(before), owner(after))
	}
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Config{}); err == nil {
		t.Error("a server without a folder starts")
	}
}
