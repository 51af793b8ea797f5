//go:build unix

package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeBinaries is a folder with a postgres that only knows its version and an initdb that does as told.
func fakeBinaries(t *testing.T, initdb string) string {
	t.Helper()
	dir := folder(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"postgres": "echo 'postgres (PostgreSQL) 15.1'",
		"initdb":   initdb,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBin(t *testing.T) {
	dir, major, err := Bin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if major < MinVersion {
		t.Errorf("version %d is offered", major)
	}
	// PATH wins, and a link on it leads to the folder where the other programs are.
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links)
	got, _, err := Bin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != dir {
		t.Errorf("through a link on PATH %s is found, want %s", got, dir)
	}
}

// Versions are numbers (9 is older than 15), what is too old or does not run is left out, and PATH comes first.
func TestInstalled(t *testing.T) {
	root := t.TempDir()
	put := func(name, version string, withInitdb bool) string {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, "postgres"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		if withInitdb {
			if err := os.WriteFile(filepath.Join(dir, "initdb"), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	dirs := []string{
		put("a", "9.6.24", true), put("b", "15.18 (Debian 15.18-0+deb12u1)", true), put("c", "17beta1", true),
		put("d", "16.2", false), put("e", "nonsense", true), put("f", "16.2", true), filepath.Join(root, "missing"),
	}
	b, c, f := binaries{dirs[1], 15}, binaries{dirs[2], 17}, binaries{dirs[5], 16}

	t.Setenv("PATH", "/nonexistent")
	options := cmp.AllowUnexported(binaries{})
	if diff := cmp.Diff([]binaries{c, f, b}, installed(t.Context(), dirs), options); diff != "" {
		t.Errorf("without PATH (-want +got):\n%s", diff)
	}
	t.Setenv("PATH", b.dir)
	onPath := append([]string{b.dir}, dirs...)
	if diff := cmp.Diff([]binaries{b, c, f}, installed(t.Context(), onPath), options); diff != "" {
		t.Errorf("with PATH (-want +got):\n%s", diff)
	}
	if got := installed(t.Context(), []string{dirs[0], dirs[4]}); len(got) != 0 {
		t.Errorf("what cannot be used is offered: %v", got)
	}
	for _, tell := range []string{"apt-get install postgresql", "DATABASE_URL"} {
		if !strings.Contains(ErrMissing.Error(), tell) {
			t.Errorf("the instruction lacks %q: %v", tell, ErrMissing)
		}
	}
}

// A cluster is never started with binaries of another major version.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, Config{Dir: dir})
	file := filepath.Join(s.place.data, "PG_VERSION")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bin := range []string{"", s.place.bin.dir} {
		s, err := Start(t.Context(), Config{Dir: dir, Bin: bin})
		if err == nil {
			s.Stop()
			t.Fatal("the cluster of another version is started")
		}
		if !strings.Contains(err.Error(), "made by PostgreSQL 14") || !strings.Contains(err.Error(), "postgresql-14") {
			t.Errorf("the error does not say which version: %v", err)
		}
	}
}

// What PostgreSQL and the system say comes with what to do about it.
func TestExplain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, "full: free some space"},
		{errors.New("FATAL: could not write to file: No space left on device"), "full: free some space"},
		{&os.PathError{Op: "mkdir", Path: "x", Err: syscall.EROFS}, "read-only disk"},
		{errors.New("FATAL: could not extend file: wrote only 4096 of 8192 bytes | HINT:  Check free disk space."), "full: free some space"},
		{errors.New("could not resize shared memory segment to 4 bytes: No space left on device"), "/dev/shm is too small"},
		{errors.New("FATAL:  could not map anonymous shared memory: Cannot allocate memory"), "too little memory"},
	} {
		got := explain(c.err)
		if !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v is explained as %v, want %q", c.err, got, c.want)
		}
	}
	plain := errors.New("something else")
	if explain(plain) != plain || explain(nil) != nil {
		t.Error("an error without advice is changed")
	}
}

// A full disk at the first start is named, with initdb's own words, and leaves no cluster.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	fake := fakeBinaries(t, "echo 'initdb: error: could not write file: No space left on device' >&2; exit 1")
	s, err := Start(t.Context(), Config{Dir: dir, Bin: fake})
	if err == nil {
		s.Stop()
		t.Fatal("it starts")
	}
	if !strings.Contains(err.Error(), "free some space") || !strings.Contains(err.Error(), "could not write file") {
		t.Errorf("the error is %v", err)
	}
	s = start(t, Config{Dir: dir})
	value(t, s.URL, "SELECT 'up'")
}

// A server that ends at its start is reported with its own last words.
func TestBrokenConfiguration(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, Config{Dir: dir})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Dir: dir, Settings: map[string]string{"max_connections": "-7"}}); err == nil ||
		!strings.Contains(err.Error(), "max_connections") {
		t.Errorf("the error is %v, want PostgreSQL's own about max_connections", err)
	}
}

// A missing, tiny or full /dev/shm is said, and files take its place.
func TestSharedMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err       error
		free      uint64
		kind, say string
	}{
		{nil, 1 << 30, "", ""},
		{nil, 64 << 10, "mmap", "64 kB free"},
		{syscall.ENOENT, 0, "mmap", "is missing"},
	} {
		var lines said
		if got := chooseSharedMemory(c.err, c.free, lines.logf); got != c.kind || !strings.Contains(lines.all(), c.say) {
			t.Errorf("with %d bytes free (%v): %q, %q", c.free, c.err, got, lines.all())
		}
	}
	s := start(t, Config{Dir: folder(t), Settings: map[string]string{"dynamic_shared_memory_type": "mmap"}})
	execute(t, s.URL, "CREATE TABLE many AS SELECT generate_series(1, 100000) AS a")
	conn := connect(t, s.URL)
	for _, sql := range []string{"SET force_parallel_mode = on", "SET parallel_setup_cost = 0"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil && !strings.Contains(sql, "force") { // renamed in 16
			t.Fatal(err)
		}
	}
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM many").Scan(&n); err != nil || n != 100000 {
		t.Errorf("a parallel query counts %d (%v)", n, err)
	}
}

// An account without a name cannot run PostgreSQL; that is said before initdb says it worse.
func TestNameless(t *testing.T) {
	t.Parallel()
	if _, err := userName(2147480001); err == nil || !strings.Contains(err.Error(), "no name on this machine") {
		t.Errorf("the error is %v", err)
	}
	if name, err := userName(0); err != nil || name != "root" {
		t.Errorf("uid 0 is %q (%v)", name, err)
	}
}
