//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// orderlyLimit is how long an orphaned postmaster may take for its shutdown before it is cut short.
const orderlyLimit = 30 * time.Second

// clearLeftovers ends what a killed run left behind: a postmaster without its supervisor, backends without
// their postmaster, lock files with the pid of a zombie or of a stranger. It runs under the lock, so whatever
// lives in this folder has lost its supervisor.
func (p place) clearLeftovers(ctx context.Context) error {
	pids := p.processesIn(p.data)
	signal := syscall.SIGQUIT // backends whose postmaster is gone: nothing to save, the log has it
	if master := readPidFile(p.data).pid; slices.Contains(pids, master) {
		pids, signal = []int{master}, syscall.SIGINT // the whole server: an orderly end
	}
	if err := p.endProcesses(ctx, p.data, pids, signal); err != nil {
		return err
	}

	// Nothing that can be seen from here is left. What still answers runs behind a wall (another container).
	socket := filepath.Join(p.socket, socketName)
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(ctx, "unix", socket); err == nil {
		conn.Close()
		return fmt.Errorf("a server answers on %s although nobody holds the lock: it may run in another container; stop it first", socket)
	}
	for _, f := range []string{filepath.Join(p.data, "postmaster.pid"), socket + ".lock", socket} {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return explain(err)
		}
	}
	return nil
}

// killIn ends an initdb that lost its supervisor, whose work is thrown away.
func (p place) killIn(ctx context.Context, folder string) error {
	return p.endProcesses(ctx, folder, p.processesIn(folder), syscall.SIGKILL)
}

// endProcesses sends the signal and waits until no process of PostgreSQL lives in the folder. What has not
// ended after a while is ended the hard way, which loses nothing that was committed.
func (p place) endProcesses(ctx context.Context, folder string, pids []int, signal syscall.Signal) error {
	for limit := orderlyLimit; len(pids) > 0; limit = time.Second {
		for _, pid := range pids {
			target := pid
			if group, err := syscall.Getpgid(pid); err == nil && group == pid && signal == syscall.SIGKILL {
				target = -pid // with its children
			}
			if err := syscall.Kill(target, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end process %d of an earlier run: %w", pid, err)
			}
		}
		timer := time.NewTimer(limit)
		alive, err := p.waitGone(ctx, folder, timer.C)
		timer.Stop()
		if err != nil {
			return err
		}
		pids, signal = alive, syscall.SIGKILL
	}
	return nil
}

// waitGone waits until the folder has no process any more, and returns those left when the time is over.
func (p place) waitGone(ctx context.Context, folder string, over <-chan time.Time) ([]int, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		pids := p.processesIn(folder)
		if len(pids) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the processes %v of an earlier run do not end: %w", pids, ctx.Err())
		case <-over:
			return pids, nil
		case <-tick.C:
		}
	}
}
