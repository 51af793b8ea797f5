//go:build unix

package local

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain turns a copy of this test program into a program that runs a server, for the tests that kill one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("JEBI_LOCAL_TEST_DIR"); dir != "" {
		os.Exit(program(dir, os.Getenv("JEBI_LOCAL_TEST_BIN")))
	}
	os.Exit(m.Run())
}

// program starts the server, says how and waits for the end of its input.
func program(dir, bin string) int {
	s, err := Start(context.Background(), Config{Dir: dir, Bin: bin})
	if err != nil {
		fmt.Printf("failed %v\n", err)
		return 1
	}
	word := "owns"
	if s.Attached() {
		word = "attached"
	}
	fmt.Printf("%s %s\n", word, s.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	if err == nil {
		err = s.Stop()
	}
	if err != nil {
		fmt.Printf("failed %v\n", err)
		return 1
	}
	return 0
}

// child is a running copy of program.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader
}

func startChild(t *testing.T, dir, bin string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), "JEBI_LOCAL_TEST_DIR="+dir, "JEBI_LOCAL_TEST_BIN="+bin)
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.stdin.Close()
		c.cmd.Wait()
	})
	return c
}

// says reads the child's next line: a word and the rest.
func (c *child) says(t *testing.T) (word, rest string) {
	t.Helper()
	line, err := c.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the program says %q: %v", line, err)
	}
	word, rest, _ = strings.Cut(strings.TrimSpace(line), " ")
	return word, rest
}

// kill ends the child with no chance to clear up.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.cmd.Wait()
}

// folder is a place for a cluster that PostgreSQL's user can reach, unlike t.TempDir's for root. What a test
// leaves running there is ended with it.
func folder(t *testing.T) string {
	t.Helper()
	temp := os.TempDir()
	if os.Geteuid() == 0 { // whose own may be closed to others
		temp = "/tmp"
	}
	parent, err := os.MkdirTemp(temp, "jebi-local-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "pg")
	t.Cleanup(func() {
		p := place{}
		for _, data := range []string{filepath.Join(dir, "data"), filepath.Join(dir, "data.new")} {
			if err := p.endProcesses(t.Context(), data, p.processesIn(data), syscall.SIGKILL); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		}
		if err := os.RemoveAll(parent); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// said collects the lines for a person.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *said) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// start is Start in a test, stopped at its end.
func start(t *testing.T, config Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// value runs a query for one value.
func value(t *testing.T, url, sql string) string {
	t.Helper()
	conn := connect(t, url)
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	conn.Close(t.Context())
	return v
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	conn.Close(t.Context())
}

// eventually waits for what another process will do in its own time; the test's own limit is the bound.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("this does not come true: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kernelSays reads a field of /proc/PID/status.
func kernelSays(t *testing.T, pid int, field string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, field)
	return ""
}
