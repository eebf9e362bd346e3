package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMemoryLimit: what does not fit below a limit of the address space is refused
// in one line, not with the last words of a runtime.
func TestMemoryLimit(t *testing.T) {
	t.Chdir(t.TempDir())
	const limit = "-v 3000000"
	if r := ended(t, limited(limit, "version")); r.code != exitDone {
		t.Skipf("this build does not start below ulimit %s, as those with sanitizers: %.200s", limit, r.err)
	}
	r := ended(t, limited(limit, "train", "--size", "3000x3000", "--batch", "16", "--hidden", "16", "--out", "run"))
	refused(t, r, exitFailed, "out of memory: a batch of 16 samples")
	if left := files(t, "."); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if r := ended(t, limited(limit, quick("--out", "run")...)); r.code != exitDone {
		t.Errorf("what fits: exit code %d: %s", r.code, r.err)
	}
}

// TestMemoryTakenAway: a training that the system gives no more memory ends
// somehow; a runtime that gets none says a page of last words, and the kernel says
// nothing. Whatever it is, the run can be resumed to the same bits.
func TestMemoryTakenAway(t *testing.T) {
	long(t)
	t.Chdir(t.TempDir())
	flags := func(out string) []string {
		return quick("--steps", "400", "--checkpoint-every", "20", "--tensorboard", "--out", out)
	}
	must(t, flags("whole")...)
	c := process(".", flags("run")...)
	rest := begin(t, c, "run folder: run")
	nothing := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20} // less than it has: nothing more is given
	if err := unix.Prlimit(c.Process.Pid, unix.RLIMIT_AS, &nothing, nil); err != nil && !os.IsNotExist(err) {
		t.Skipf("the limit cannot be set here: %v", err)
	}
	said := rest()
	if code := codeOf(t, c.Wait()); code == exitDone {
		t.Error("the report was drawn without memory: the test shows nothing")
	}
	t.Logf("it said %.300q", said)
	must(t, "train", "--resume", "run")
	if read(t, "run", modelFile) != read(t, "whole", modelFile) || logWithoutTime(t, "run") != logWithoutTime(t, "whole") {
		t.Error("the resumed run is not the undisturbed one")
	}
}
