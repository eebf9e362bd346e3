package cpu

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// availableMemory is what can be taken without swapping, in bytes: what the
// kernel says, or what the limit of this container leaves where that is less. 0
// when nobody says.
func availableMemory() int64 {
	text, ok := lookup("/proc/meminfo", "MemAvailable:")
	kib, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if !ok || err != nil {
		return 0
	}
	free := kib << 10
	limit, limited := number("/sys/fs/cgroup/memory.max") // "max" when there is none
	used, known := number("/sys/fs/cgroup/memory.current")
	if limited && known {
		free = min(free, max(limit-used, 1))
	}
	return free
}

// number reads a file that holds one number.
func number(path string) (int64, bool) {
	text, ok := lookup(path, "")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}

// processor is the processor's name, as the kernel knows it.
func processor() string {
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
