package machine

import (
	"syscall"
	"testing"
)

// TestFreeMemoryHeedsTheProcessLimit is ulimit -v, 1 GiB above what is taken.
func TestFreeMemoryHeedsTheProcessLimit(t *testing.T) {
	taken, known := kib("/proc/self/status", "VmSize:")
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &before); err != nil || !known {
		t.Fatalf("limit %v, size known %v", err, known)
	}
	limited := before
	limited.Cur = uint64(taken) + 1<<30
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limited); err != nil {
		t.Skipf("the limit cannot be set here: %v", err)
	}
	free := FreeMemory()
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &before); err != nil {
		t.Fatal(err)
	}
	if free < 1 || free > 1<<30 {
		t.Errorf("got %d bytes free, want at most 1 GiB", free)
	}
}
