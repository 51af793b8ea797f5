//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/data/local"
)

// TestMain turns a copy of this test program into one that takes databases and is then killed.
func TestMain(m *testing.M) {
	if os.Getenv("JEBI_PGTEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	s, err := process()
	if err == nil {
		_, err = s.prepare(func(string) error { return nil })
	}
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	dir := "-"
	if os.Getenv("DATABASE_URL") == "" {
		dir = s.conn.Config().Host
	}
	fmt.Println(s.prefix, dir)
	io.Copy(io.Discard, os.Stdin)
}

func databases(t *testing.T, prefix string) []string {
	t.Helper()
	return Values[string](t, get(t).admin, `SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1`, prefix)
}

// Each test has an empty UTF-8 database of its own, gone at its end even where a connection is still open.
func TestURL(t *testing.T) {
	var names []string
	var open *pgx.Conn
	t.Run("in use", func(t *testing.T) {
		for range 2 {
			url := URL(t)
			Exec(t, url, `CREATE TABLE a (b int)`) // fails if it were there
			if got := Value[string](t, url, `SHOW server_encoding`); got != "UTF8" {
				t.Errorf("the encoding is %s", got)
			}
			names = append(names, Value[string](t, url, `SELECT current_database()`))
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			open = conn
		}
	})
	if len(names) != 2 || names[0] == names[1] {
		t.Fatalf("the databases are %v, want two", names)
	}
	for _, name := range names {
		if got := databases(t, name); slices.Contains(got, name) {
			t.Errorf("%s is still there", name)
		}
	}
	if err := open.Ping(t.Context()); err == nil {
		t.Error("a connection to a dropped database works")
	}
	open.Close(t.Context())
}

// A template is prepared once, also for tests that ask at the same time, and what one test does to its copy no
// other sees.
func TestTemplate(t *testing.T) {
	var prepared atomic.Int32
	t.Run("copies", func(t *testing.T) {
		for i := range 4 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				url := Template(t, "with a table", func(url string) error {
					prepared.Add(1)
					Exec(t, url, `CREATE TABLE a (b int); INSERT INTO a VALUES (7)`)
					return nil
				})
				Exec(t, url, `UPDATE a SET b = b + 1`)
				if got := Value[int](t, url, `SELECT b FROM a`); got != 8 {
					t.Errorf("the copy holds %d, want 8", got)
				}
			})
		}
	})
	if n := prepared.Load(); n != 1 {
		t.Errorf("prepared %d times", n)
	}
}

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	mu    sync.Mutex
	fatal string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.mu.Lock()
	r.fatal = fmt.Sprintf(format, args...)
	r.mu.Unlock()
	runtime.Goexit()
}

// fails runs f as a test and returns the words with which it failed.
func fails(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	if r.fatal == "" {
		t.Error("it does not fail")
	}
	return r.fatal
}

// A template that cannot be prepared fails every test that wants it, with its error.
func TestTemplateFails(t *testing.T) {
	for range 2 {
		said := fails(t, func(tb testing.TB) {
			Template(tb, "broken", func(string) error { return errors.New("no such migration") })
		})
		if !strings.Contains(said, "no such migration") {
			t.Errorf("it says %q", said)
		}
	}
}

func TestValueFails(t *testing.T) {
	url := URL(t)
	fails(t, func(tb testing.TB) { Value[int](tb, url, `SELECT 1 WHERE false`) })
	fails(t, func(tb testing.TB) { Exec(tb, url, `nonsense`) })
}

// A login without the rights is refused with the statement that gives them.
func TestWeakLogin(t *testing.T) {
	s := get(t)
	role := s.prefix + "_weak"
	Exec(t, s.admin, "CREATE ROLE "+role)
	t.Cleanup(func() { Exec(t, s.admin, "DROP ROLE "+role) })
	Exec(t, s.admin, "GRANT "+role+" TO CURRENT_USER")
	if _, err := use(withOption(t, s.admin, "role="+role), "DATABASE_URL"); err == nil ||
		!strings.Contains(err.Error(), "ALTER ROLE") || !strings.Contains(err.Error(), role) {
		t.Errorf("the error is %v", err)
	}
	if _, err := use("postgres://127.0.0.1:1/nothing?connect_timeout=5", "DATABASE_URL"); err == nil ||
		!strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("the error is %v", err)
	}
}

// withOption adds a setting to a connection string.
func withOption(t *testing.T, connString, setting string) string {
	t.Helper()
	if !strings.Contains(connString, "://") {
		return connString + " options='-c " + setting + "'"
	}
	u, err := url.Parse(connString)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("options", "-c "+setting)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// What a process that is gone left behind is dropped by the next one; what belongs to a living one stays.
func TestSweep(t *testing.T) {
	s := get(t)
	gone, alive := "jebi_test_0123456789abcdef", "jebi_test_0123456789abcdee"
	conn, err := pgx.Connect(t.Context(), s.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, int64(0x0123456789abcdee)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{gone + "_1", alive + "_1"} {
		Exec(t, s.admin, "CREATE DATABASE "+name)
		t.Cleanup(func() { Exec(t, s.admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	}
	mine := URL(t)
	second, err := use(s.admin, "the same server")
	if err != nil {
		t.Fatal(err)
	}
	defer second.conn.Close(context.Background())
	if got := databases(t, gone); len(got) != 0 {
		t.Errorf("%v is still there", got)
	}
	if got := databases(t, alive); len(got) != 1 {
		t.Errorf("the database of a living process is gone: %v", got)
	}
	Exec(t, mine, `SELECT 1`)
}

// A test process that is killed leaves neither a server nor a folder nor a database.
func TestKilledProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), "JEBI_PGTEST_CHILD=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	prefix, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || !strings.HasPrefix(prefix, "jebi_test_") {
		t.Fatalf("the process says %q (%v)", line, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	if dir == "-" { // a server that stays
		eventually(t, "its databases are dropped", func() bool {
			second, err := use(get(t).admin, "the same server")
			if err != nil {
				return false // the other one that clears up was quicker with one of them
			}
			second.conn.Close(t.Context())
			return len(databases(t, prefix)) == 0
		})
		return
	}
	if _, err := os.Stat(dir); err != nil {
		t.Logf("the folder went at once: %v", err)
	}
	eventually(t, "its folder is removed", func() bool {
		_, err := os.Stat(dir)
		return errors.Is(err, os.ErrNotExist)
	})
	eventually(t, "its parent is removed", func() bool {
		_, err := os.Stat(filepath.Dir(dir))
		return errors.Is(err, os.ErrNotExist) || filepath.Dir(dir) == "/var/lib/jebi"
	})
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("this does not come true: %s", what)
		}
	}
}

// A server on the network with a password and a login that is no superuser will do, in both forms of the
// connection string.
func TestForeignServer(t *testing.T) {
	temp := os.TempDir()
	if os.Geteuid() == 0 { // whose own may be closed to others
		temp = "/tmp"
	}
	parent, err := os.MkdirTemp(temp, "jebi-pgtest-foreign-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	hba := filepath.Join(parent, "hba.conf")
	err = errors.Join(os.Chmod(parent, 0o755),
		os.WriteFile(hba, []byte("local all jebi peer map=owner\nlocal all plain scram-sha-256\n"), 0o644), os.Chmod(hba, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	server, err := local.Start(t.Context(), local.Config{
		Dir: filepath.Join(parent, "pg"), Settings: map[string]string{"hba_file": hba},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Stop(), os.RemoveAll(server.Dir)); err != nil {
			t.Error(err)
		}
	})
	Exec(t, server.URL, `CREATE ROLE plain LOGIN CREATEDB CREATEROLE PASSWORD 'p@ss w/rd'`)
	port := forward(t, filepath.Join(server.Dir, ".s.PGSQL.5432"))

	for _, connString := range []string{
		fmt.Sprintf("postgres://plain:p%%40ss%%20w%%2Frd@127.0.0.1:%d/jebi?sslmode=disable", port),
		fmt.Sprintf("host=127.0.0.1 port=%d user=plain password='p@ss w/rd' dbname=jebi sslmode=disable", port),
	} {
		s, err := use(connString, "it")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		t.Run("databases", func(t *testing.T) {
			url := s.create(t, "TEMPLATE template0 ENCODING 'UTF8'")
			Exec(t, url, `CREATE TABLE a (b int)`)
			name, err := s.prepare(func(url string) error { Exec(t, url, `CREATE TABLE c (d int)`); return nil })
			if err != nil {
				t.Fatal(err)
			}
			copied := s.create(t, "TEMPLATE "+name)
			Exec(t, copied, `INSERT INTO c VALUES (1)`)
			open, err := pgx.Connect(t.Context(), copied)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { open.Close(context.Background()) })
			names = Values[string](t, connString, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, s.prefix)
		})
		if len(names) != 3 {
			t.Errorf("the databases are %v, want three", names)
		}
		// The template stays for the process; its end clears it.
		alive, err := dropAtExit(s.conn.Config(), s.prefix)
		if err != nil {
			t.Fatal(err)
		}
		s.conn.Close(t.Context())
		if alive != nil {
			alive.Close()
		} else if next, err := use(connString, "it"); err != nil {
			t.Error(err)
		} else {
			next.conn.Close(t.Context())
		}
		eventually(t, "all of them are dropped", func() bool {
			return len(Values[string](t, connString, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, s.prefix)) == 0
		})
	}
}

// forward makes a socket reachable on a port of the loopback interface.
func forward(t *testing.T, socket string) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			outer, err := listener.Accept()
			if err != nil {
				return
			}
			inner, err := net.Dial("unix", socket)
			if err != nil {
				outer.Close()
				continue
			}
			all.Go(func() { io.Copy(inner, outer); inner.Close() })
			all.Go(func() { io.Copy(outer, inner); outer.Close() })
		}
	})
	return listener.Addr().(*net.TCPAddr).Port
}

func TestWithDatabase(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"postgres://u:p@h:1/x?sslmode=disable", "postgres://u:p@h:1/n?sslmode=disable"},
		{"postgresql://u@/x?host=/a/b&dbname=y", "postgresql://u@/n?host=%2Fa%2Fb"},
		{"postgres://h", "postgres://h/n"},
		{"host=h dbname=x", "host=h dbname=x dbname=n"},
	} {
		got, err := withDatabase(c.in, "n")
		if err != nil || got != c.want {
			t.Errorf("withDatabase(%q) = %q, %v, want %q", c.in, got, err, c.want)
		}
		config, err := pgx.ParseConfig(got)
		if err != nil || config.Database != "n" {
			t.Errorf("%q is read as the database %q (%v)", got, config.Database, err)
		}
	}
	if _, err := withDatabase("postgres://u:secret@h:port/x", "n"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v, want one without the password", err)
	}
}
