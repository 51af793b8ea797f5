//go:build unix

package local

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// advice says what to do about what PostgreSQL or the system says; the first that fits counts.
var advice = []struct {
	errno syscall.Errno
	text  string // a part of the message, where there is no errno
	do    string
}{
	{0, "could not resize shared memory segment", "/dev/shm is too small: in a container give it more (docker run --shm-size=256m)"},
	{syscall.ENOSPC, "No space left on device", "the disk is full: free some space and start again; nothing that was saved is lost"},
	{0, "Check free disk space", "the disk is full: free some space and start again; nothing that was saved is lost"},
	{syscall.EDQUOT, "Disk quota exceeded", "the disk quota is used up: free some space and start again"},
	{syscall.EROFS, "Read-only file system", "the folder is on a read-only disk: name another one"},
	{0, "could not map anonymous shared memory", "the machine has too little memory free for shared_buffers: free some, or lower it in postgresql.conf"},
	{0, "could not create semaphores", "the system's limit of semaphores is reached: raise kernel.sem, or stop another PostgreSQL"},
	{0, "could not create shared memory segment", "the system's limit of shared memory is reached: raise kernel.shmmax and kernel.shmall"},
	{0, "invalid locale name", "the locale C.UTF-8 is missing: install the system's locales (Debian: libc-bin)"},
	{0, "bogus data in lock file", "a pid file is damaged: check that no PostgreSQL runs on the folder and remove it"},
}

// explain adds what to do, where that is known.
func explain(err error) error {
	if err == nil {
		return nil
	}
	for _, a := range advice {
		if a.errno != 0 && errors.Is(err, a.errno) || strings.Contains(err.Error(), a.text) {
			return fmt.Errorf("%s: %w", a.do, err)
		}
	}
	return err
}

// lastLines is the end of a program's output, short enough for an error.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, " | ")
}
