//go:build unix && !linux

package local

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is sockaddr_un's room less the final zero.
const maxSocketPath = 103

// endWithParent does nothing: only Linux tells a child of its parent's death. The next start clears up.
func endWithParent(*syscall.SysProcAttr) {}

// processesIn lists the postmaster that the folder's pid file names, if that process is PostgreSQL on this
// folder; without /proc its orphaned backends cannot be found, and PostgreSQL itself then refuses to start.
func (p place) processesIn(folder string) []int {
	pid := readPidFile(folder).pid
	if pid == 0 {
		return nil
	}
	out, err := exec.Command("ps", "-o", "stat=,command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z") || !strings.Contains(string(out), folder) {
		return nil
	}
	return []int{pid}
}

// sharedMemory leaves the kind of shared memory to the cluster.
func sharedMemory(func(string, ...any)) string { return "" }
