//go:build unix

package main

import "syscall"

// mostFiles is how many files and connections this program may have open: Go
// has raised it at the start as far as the system allows. 0: not known.
func mostFiles() uint64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return uint64(r.Cur)
}
