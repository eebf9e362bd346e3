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

// FreeMemory is what can be taken without swapping, in bytes: what the kernel
// says, or what the limits of this container and of this process (ulimit -v)
// leave where that is less. 0 when nobody says.
func FreeMemory() int64 {
	free, ok := kib("/proc/meminfo", "MemAvailable:")
	if !ok {
		return 0
	}
	limit, limited := number("/sys/fs/cgroup/memory.max") // "max" when there is none
	used, known := number("/sys/fs/cgroup/memory.current")
	if limited && known {
		free = min(free, max(limit-used, 1))
	}
	var address syscall.Rlimit
	taken, known := kib("/proc/self/status", "VmSize:")
	if known && syscall.Getrlimit(syscall.RLIMIT_AS, &address) == nil && address.Cur <= math.MaxInt64 {
		free = min(free, max(int64(address.Cur)-taken, 1))
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
