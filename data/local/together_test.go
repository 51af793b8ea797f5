//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Of several programs that start at once on a fresh folder one owns the server and the others attach to it.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	var children []*child
	for range 4 {
		children = append(children, startChild(t, dir, ""))
	}
	words := map[string]int{}
	for _, c := range children {
		word, url := c.says(t)
		words[word]++
		if got := value(t, url, "SELECT current_database()"); got != "jebi" {
			t.Errorf("connected to %s", got)
		}
	}
	if words["owns"] != 1 || words["attached"] != 3 {
		t.Errorf("the programs say %v, want one owner and three attached", words)
	}
}

// When the owner ends, in order or killed, an attached program takes over under the same URL, and what was
// committed is there.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		how string
		do  func(*testing.T, *child)
	}{
		{"in order", func(t *testing.T, c *child) { c.stdin.Close() }},
		{"killed", func(t *testing.T, c *child) { c.kill(t) }},
	} {
		t.Run(end.how, func(t *testing.T) {
			dir := folder(t)
			owner := startChild(t, dir, "")
			if word, rest := owner.says(t); word != "owns" {
				t.Fatalf("the first program says %s %s", word, rest)
			}
			var lines said
			s := start(t, Config{Dir: dir, Logf: lines.logf})
			if !s.Attached() {
				t.Fatal("the second program is not attached")
			}
			execute(t, s.URL, "CREATE TABLE kept (a int)")
			end.do(t, owner)
			eventually(t, "the attached program takes over", func() bool { return !s.Attached() })
			value(t, s.URL, "SELECT count(*)::text FROM kept")
			if !strings.Contains(lines.all(), "taking it over") {
				t.Errorf("it says %q", lines.all())
			}
		})
	}
}

// Stopping an attached program leaves the server to its owner.
func TestStopAttached(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	owner := start(t, Config{Dir: dir})
	second := start(t, Config{Dir: dir, Database: "second"})
	if !second.Attached() || owner.Attached() {
		t.Fatalf("attached: first %v, second %v", owner.Attached(), second.Attached())
	}
	if got := value(t, second.URL, "SELECT current_database()"); got != "second" {
		t.Errorf("the second program is connected to %s", got)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	value(t, owner.URL, "SELECT 'up'")
}

// A program that is stopped (^Z) while it owns the folder and runs no server yet holds others up only until
// their deadline, and the error names it.
func TestStoppedOwner(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	fake := fakeBinaries(t, "echo started >&2; sleep 1000")
	owner := startChild(t, dir, fake)
	lock := filepath.Join(dir, "lock")
	pid := strconv.Itoa(owner.cmd.Process.Pid)
	eventually(t, "the owner holds the lock", func() bool {
		b, err := os.ReadFile(lock)
		return err == nil && strings.TrimSpace(string(b)) == pid
	})
	if err := owner.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	s, err := Start(ctx, Config{Dir: dir})
	if err == nil {
		s.Stop()
		t.Fatal("it starts beside a stopped owner")
	}
	if !strings.Contains(err.Error(), "process "+pid) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v, want one that names process %s", err, pid)
	}
	owner.kill(t)
	s = start(t, Config{Dir: dir}) // and its initdb is no obstacle
	value(t, s.URL, "SELECT 'up'")
}

// A first start that is killed in the middle of initdb leaves no half cluster.
func TestKilledFirstStart(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	half := filepath.Join(dir, "data.new", "PG_VERSION")
	// A cluster that looks whole but for the end of the work.
	fake := fakeBinaries(t, `echo 15 > PG_VERSION; mkdir base global; sleep 1000`)
	owner := startChild(t, dir, fake)
	eventually(t, "initdb is at work", func() bool { _, err := os.Stat(half); return err == nil })
	owner.kill(t)
	if n := clusterMajor(dir); n != 0 {
		t.Errorf("the half cluster counts as one of version %d", n)
	}
	s := start(t, Config{Dir: dir})
	value(t, s.URL, "SELECT 'up'")
	if _, err := os.Stat(filepath.Dir(half)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data.new is still there: %v", err)
	}
}

// The death of the owner ends the server in order, even where no other program comes: on Linux, which tells
// the child.
func TestKilledOwner(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	owner := startChild(t, dir, "")
	_, url := owner.says(t)
	execute(t, url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS a")
	owner.kill(t)
	p := place{}
	eventually(t, "the server ends with its owner", func() bool {
		return len(p.processesIn(filepath.Join(dir, "data"))) == 0
	})
	s := start(t, Config{Dir: dir})
	if got := value(t, s.URL, "SELECT count(*)::text FROM kept"); got != "1000" {
		t.Errorf("%s rows are left of 1000", got)
	}
}

// After kill -9 of the owner and of the postmaster under load, with busy backends left over, the next start
// has every row whose commit was acknowledged.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	owner := startChild(t, dir, "")
	_, url := owner.says(t)
	execute(t, url, "CREATE TABLE saved (worker int, n int, PRIMARY KEY (worker, n))")

	const workers = 4
	acknowledged := make(chan [2]int, workers)
	for w := range workers {
		go func() {
			last := 0
			defer func() { acknowledged <- [2]int{w, last} }()
			conn, err := pgx.Connect(context.Background(), url)
			if err != nil {
				return
			}
			defer conn.Close(context.Background())
			for {
				if _, err := conn.Exec(context.Background(), "INSERT INTO saved VALUES ($1, $2)", w, last+1); err != nil {
					return
				}
				last++
			}
		}()
	}
	// A backend that notices nothing while it computes holds the shared memory of its dead postmaster.
	busy := connect(t, url)
	go busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 1000000000000)")
	eventually(t, "rows are being saved", func() bool {
		return value(t, url, "SELECT (count(*) > 200)::text FROM saved") == "true"
	})
	master := readPidFile(filepath.Join(dir, "data")).pid
	if err := errors.Join(owner.cmd.Process.Kill(), syscall.Kill(master, syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	owner.cmd.Wait()
	s := start(t, Config{Dir: dir})
	for range workers {
		a := <-acknowledged
		count := value(t, s.URL, fmt.Sprintf("SELECT count(*)::text FROM saved WHERE worker = %d AND n <= %d", a[0], a[1]))
		if count != strconv.Itoa(a[1]) {
			t.Errorf("of %d acknowledged rows of worker %d there are %s", a[1], a[0], count)
		}
		if a[1] == 0 {
			t.Errorf("worker %d saved nothing", a[0])
		}
	}
}

// PostgreSQL that dies under its owner is started again, and the URL works as before.
func TestKilledPostgres(t *testing.T) {
	t.Parallel()
	var lines said
	s := start(t, Config{Dir: folder(t), Logf: lines.logf})
	execute(t, s.URL, "CREATE TABLE kept (a int)")
	for i := range 2 {
		if err := syscall.Kill(readPidFile(s.place.data).pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is up again", func() bool { return strings.Count(lines.all(), "is ready") == i+1 })
		value(t, s.URL, "SELECT count(*)::text FROM kept")
	}
	if strings.Count(lines.all(), "starting it again") != 2 {
		t.Errorf("it says %q", lines.all())
	}
}

// A server that cannot be kept running is given up with an error after a bounded number of tries.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Config{Dir: folder(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.place.data, "postgresql.auto.conf"), []byte("nonsense = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(readPidFile(s.place.data).pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	err = s.Err()
	if err == nil || !strings.Contains(err.Error(), s.place.logPath()) {
		t.Errorf("the error is %v, want one that names the log", err)
	}
	if stop := s.Stop(); !errors.Is(stop, err) {
		t.Errorf("Stop says %v, want %v", stop, err)
	}
}

// Lock files that name a zombie, or a stranger who has the pid now, are no obstacle.
func TestStaleLockFiles(t *testing.T) {
	t.Parallel()
	zombie := exec.Command("true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	defer zombie.Wait()
	for who, pid := range map[string]int{"a zombie": zombie.Process.Pid, "a stranger": os.Getpid()} {
		t.Run(who, func(t *testing.T) {
			dir := folder(t)
			s := start(t, Config{Dir: dir})
			b, err := os.ReadFile(filepath.Join(s.place.data, "postmaster.pid"))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(b), "\n")
			stale := fmt.Sprintf("%d\n%s", pid, rest)
			for _, f := range []string{filepath.Join(s.place.data, "postmaster.pid"), filepath.Join(s.place.socket, socketName+".lock")} {
				if err := errors.Join(os.WriteFile(f, []byte(stale), 0o600), s.place.own(f)); err != nil {
					t.Fatal(err)
				}
			}
			again := start(t, Config{Dir: dir})
			value(t, again.URL, "SELECT 'up'")
		})
	}
}

// Only PostgreSQL's own processes are ended: not a shell that somebody left in the folder.
func TestStrangerInTheFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, Config{Dir: dir})
	data := s.place.data
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", "echo in; read -r line")
	shell.Dir = data
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if pids := s.place.processesIn(data); len(pids) != 0 {
		t.Errorf("%v count as PostgreSQL's", pids)
	}
	start(t, Config{Dir: dir})
	if _, err := io.WriteString(stdin, "\n"); err != nil {
		t.Errorf("the shell is gone: %v", err)
	}
	if err := shell.Wait(); err != nil {
		t.Errorf("the shell was ended: %v", err)
	}
}
