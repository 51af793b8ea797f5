package main

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// peakMemory is the most memory that this process held since it was last
// asked, in bytes. Where the kernel cannot begin anew (only Linux can), since
// the process began.
func peakMemory() uint64 {
	peak := uint64(0)
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range bytes.Lines(status) {
			if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
				kib, _ := strconv.ParseUint(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
				peak = kib * 1024
			}
		}
		// proc(5), clear_refs: 5 sets the peak to what is held now.
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			return peak
		}
	}
	if peak == 0 {
		var usage syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
			peak = uint64(usage.Maxrss)
		}
	}
	return peak
}
