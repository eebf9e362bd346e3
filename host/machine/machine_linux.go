package machine

import (
	"bufio"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// addressSpare is what an address space limit must leave beside what is asked
// for: the runtime reserves memory in steps of 64 MiB and every thread has a
// stack, and whoever fails to get these ends with a page of last words.
const addressSpare = 256 << 20

// FreeMemory is what can be taken without swapping, in bytes: what the kernel
// says, or what the limits of this process's control groups (containers, batch
// systems) and of its address space (ulimit -v) leave where that is less. 0 when
// nobody says.
func FreeMemory() int64 {
	free, ok := kib("/proc/meminfo", "MemAvailable:")
	if !ok {
		return 0
	}
	if left, limited := groupMemory("/proc/self/cgroup", "/sys/fs/cgroup"); limited {
		free = min(free, left)
	}
	var address syscall.Rlimit
	taken, known := kib("/proc/self/status", "VmSize:")
	if known && syscall.Getrlimit(syscall.RLIMIT_AS, &address) == nil && address.Cur <= math.MaxInt64 {
		free = min(free, max(int64(address.Cur)-taken-addressSpare, 1))
	}
	return free
}

// kib reads the line of a kernel's file that says "key 123 kB", in bytes.
func kib(path, key string) (int64, bool) {
	text, ok := lookup(path, key)
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	return n << 10, ok && err == nil
}

// number reads a file that holds one number.
func number(path string) (int64, bool) {
	text, ok := lookup(path, "")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}

// Processor is the processor's name, as the kernel knows it.
func Processor() string {
	if name, ok := lookup("/proc/cpuinfo", "model name"); ok {
		return strings.TrimSpace(strings.TrimPrefix(name, ":"))
	}
	return runtime.GOARCH
}

// lookup returns what follows the first line's beginning key in a file of the
// kernel's.
func lookup(path, key string) (string, bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), key); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}
