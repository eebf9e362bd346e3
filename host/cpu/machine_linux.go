package cpu

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// availableMemory is what the kernel says can be taken without swapping, in
// bytes; 0 when it does not say.
func availableMemory() int64 {
	text, ok := lookup("/proc/meminfo", "MemAvailable:")
	if !ok {
		return 0
	}
	kib, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
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
