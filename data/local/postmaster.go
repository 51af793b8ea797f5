//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// stopLimit is how long a fast shutdown may take, its checkpoint included.
	stopLimit = 60 * time.Second
	// logLimit is the size in bytes at which the log is moved to log.1 at a start.
	logLimit = 16 << 20
)

// postmaster is PostgreSQL's first process, a child of this program.
type postmaster struct {
	pid    int
	log    string // the log's path
	from   int64  // where this run begins in it
	exited chan struct{}
	err    error // how it ended, valid after exited is closed
}

// spawn starts the server without waiting for it.
func (p place) spawn(config Config) (*postmaster, error) {
	path := p.logPath()
	if info, err := os.Lstat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, explain(err)
		}
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, explain(err)
	}
	defer log.Close()
	if err := p.own(path); err != nil {
		return nil, err
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}

	cmd := exec.Command(filepath.Join(p.bin.dir, "postgres"), p.arguments(config)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env, cmd.Dir, cmd.SysProcAttr = environment(), p.data, p.attributes()
	cmd.SysProcAttr.Setpgid = true // ^C must reach this program first, which then stops the server in order
	endWithParent(cmd.SysProcAttr)

	m := &postmaster{log: path, from: from, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the parent's death signal when the thread that started the child ends, so this
		// one stays with the child for its life.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			m.err = cmd.Wait()
			close(m.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, explain(fmt.Errorf("start %s: %w", cmd.Path, err))
	}
	m.pid = cmd.Process.Pid
	return m, nil
}

// arguments are the caller's settings and, after them and so over them, what must hold.
func (p place) arguments(config Config) []string {
	args := []string{"-D", p.data}
	for _, name := range slices.Sorted(maps.Keys(config.Settings)) {
		args = append(args, "-c", name+"="+config.Settings[name])
	}
	if _, set := config.Settings["dynamic_shared_memory_type"]; !set {
		if kind := sharedMemory(config.Logf); kind != "" {
			args = append(args, "-c", "dynamic_shared_memory_type="+kind)
		}
	}
	return append(args,
		"-c", "listen_addresses=",
		"-c", "unix_socket_directories="+quoteList(p.socket),
		"-c", "unix_socket_permissions=0700",
		"-c", "port=5432",
	)
}

// quoteList writes one element of a setting that is a list.
func quoteList(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// waitReady returns when the server accepts connections. It reads what the server says of itself: asking by
// connecting would write a line of refusal into the log each time.
func (m *postmaster) waitReady(ctx context.Context, p place) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if state := readPidFile(p.data); state.pid == m.pid && state.status == "ready" {
			return nil
		}
		select {
		case <-m.exited:
			return explain(fmt.Errorf("postgres ended at its start (%w), see %s: %s", m.err, m.log, m.complaint()))
		case <-ctx.Done():
			return explain(fmt.Errorf("postgres is not ready, see %s: %w: %s", m.log, ctx.Err(), m.complaint()))
		case <-tick.C:
		}
	}
}

// complaint is what the server has written at the end of its log since it was started.
func (m *postmaster) complaint() string {
	f, err := os.Open(m.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, m.from, 1<<20))
	if err != nil {
		return err.Error()
	}
	return lastLines(b)
}

// stop ends the server with a fast shutdown: transactions are rolled back and a checkpoint is written. If that
// takes too long it is ended at once, and the next start recovers.
func (m *postmaster) stop() error {
	for _, step := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGINT, stopLimit}, {syscall.SIGQUIT, 10 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		select {
		case <-m.exited: // the pid is no longer ours
			return nil
		default:
		}
		if err := syscall.Kill(m.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop postgres (process %d): %w", m.pid, err)
		}
		select {
		case <-m.exited:
			return nil
		case <-time.After(step.limit):
		}
	}
	return fmt.Errorf("postgres (process %d) does not end", m.pid)
}

// pidFile is what postmaster.pid says: line 1 is the process, line 5 the socket's folder, line 8 the status.
type pidFile struct {
	pid    int
	socket string
	status string
}

// readPidFile reads it as far as it is written; it is zero where there is none.
func readPidFile(data string) pidFile {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return pidFile{}
	}
	lines := strings.Split(string(b), "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return strings.TrimSpace(lines[n-1])
	}
	pid, err := strconv.Atoi(line(1))
	if err != nil || pid <= 0 { // a stand-alone backend writes its pid negative
		return pidFile{}
	}
	return pidFile{pid, line(5), line(8)}
}
