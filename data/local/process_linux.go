package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocketPath is sockaddr_un's room less the final zero.
const maxSocketPath = 107

// sharedMemoryRoom is how many bytes of /dev/shm parallel queries may want.
const sharedMemoryRoom = 64 << 20

// endWithParent has the kernel send the child a fast shutdown when this program dies, however it dies.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// processesIn lists the live processes of PostgreSQL that work in a folder: each has its cluster's folder as its
// working directory. A zombie is not alive, and a shell that was left there is not PostgreSQL.
func (p place) processesIn(folder string) []int {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return nil
	}
	var pids []int
	for _, link := range links {
		if cwd, err := os.Readlink(link); err != nil || cwd != folder {
			continue // ended a moment ago, or of another user
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(link), "stat"))
		if err != nil {
			continue
		}
		// pid (name) state …, where the name may hold anything.
		opened, closed := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if opened < 0 || closed < opened || len(stat) < closed+3 || stat[closed+2] == 'Z' {
			continue
		}
		if name := string(stat[opened+1 : closed]); name != "postgres" && name != "initdb" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sharedMemory is the kind of shared memory for parallel queries: "" is the cluster's own, usually /dev/shm.
// Where that is missing, tiny or full, files in the cluster's folder do the same more slowly.
func sharedMemory(logf func(string, ...any)) string {
	var fs syscall.Statfs_t
	err := syscall.Statfs("/dev/shm", &fs)
	return chooseSharedMemory(err, uint64(fs.Bavail)*uint64(fs.Bsize), logf)
}

func chooseSharedMemory(err error, free uint64, logf func(string, ...any)) string {
	if err == nil && free >= sharedMemoryRoom {
		return ""
	}
	what := fmt.Sprintf("has only %d kB free", free/1024)
	if err != nil {
		what = "is missing"
	}
	logf("/dev/shm %s: PostgreSQL's parallel queries use files instead (docker run --shm-size=256m gives more)", what)
	return "mmap"
}
