package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mountsVariable is the name of a test that runs in a process with mounts of its
// own.
const mountsVariable = "MDLSTM_TEST_MOUNTS"

// withMounts runs a test again in a process that may mount what nobody else sees,
// where it returns true; here it is false and the test is done. Where no such
// process can be had the test is skipped.
func withMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountsVariable) == t.Name() {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Skipf("no mounts of its own for a process here: %v", err)
		}
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), mountsVariable+"="+t.Name())
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Skipf("no mounts of its own for a process here: %v", err)
	}
	err := c.Wait()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out.String())
	case strings.Contains(out.String(), "--- SKIP: "+t.Name()):
		t.Skip(out.String())
	case !strings.Contains(out.String(), "--- PASS: "+t.Name()):
		t.Errorf("the test did not run:\n%s", out.String())
	default:
		t.Log(out.String())
	}
	return false
}

// mountDisk mounts a disk of so many KiB in memory on a new folder.
func mountDisk(t *testing.T, dir string, kib int) {
	t.Helper()
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func remount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatal(err)
	}
}

// small are flags of a training with all kinds of files in its folder.
func small(t *testing.T, out string) []string {
	t.Helper()
	array(t, "x.npy", 12, 3, 3, 1)
	array(t, "y.npy", 12, 3, 3, 1)
	return []string{"train", "--x", "x.npy", "--y", "y.npy", "--valid", "4", "--valid-every", "3", "--batch", "2", "--hidden", "2", "--threads", "1",
		"--steps", "12", "--checkpoint-every", "2", "--tensorboard", "--out", out}
}

// trainOn continues a run of [small] in this process, without a report.
func trainOn(t *testing.T, dir string) error {
	t.Helper()
	return trainHere(t, func(s streams) (*training, error) { return reopened(dir, s) })
}

// sameRun says what differs in two runs' models and logs.
func sameRun(t *testing.T, got, want string) {
	t.Helper()
	for _, name := range []string{modelFile, bestFile} {
		if read(t, got, name) != read(t, want, name) {
			t.Errorf("%s: another %s", got, name)
		}
	}
	if a, b := logWithoutTime(t, got), logWithoutTime(t, want); a != b {
		t.Errorf("%s: log\n%s\nwant\n%s", got, a, b)
	}
}

// TestFullDisk trains on real disks that are full sooner or later: in the making
// of the folder, in a log, in a checkpoint or in the report. Nothing but one line
// is the result, what is on the disk can be used, and with more room the run comes
// to the bits that it has on a large disk.
func TestFullDisk(t *testing.T) {
	if !withMounts(t) {
		return
	}
	t.Chdir(t.TempDir())
	must(t, small(t, "whole")...)
	refusedBefore, refusedIn, refusedReport := 0, 0, 0
	for pages := 2; ; pages++ {
		disk := fmt.Sprintf("disk%d", pages)
		mountDisk(t, disk, 4*pages)
		run := filepath.Join(disk, "run")
		r := do(small(t, run)...)
		if r.code == exitDone {
			break
		}
		refused(t, r, exitFailed, "no space left on device")
		if _, err := os.Stat(run); err != nil {
			refusedBefore++
			if left := files(t, disk); len(left) > 0 {
				t.Errorf("%d pages: left %q", pages, left)
			}
			continue
		}
		if strings.Contains(r.err, "but not its report") {
			if refusedReport++; refusedReport == 1 {
				remount(t, disk, 0, "size=16m")
				must(t, "train", "--resume", run)
				sameRun(t, run, "whole")
				if read(t, run, reportFile) == "" {
					t.Errorf("%d pages: no report", pages)
				}
			}
			pages += 20 // the report is much larger than all the rest
			continue
		}
		refusedIn++
		if !strings.Contains(r.err, "kept") {
			t.Errorf("%d pages: got %q, want what is kept", pages, r.err)
		}
		if _, err := readRun(run); err != nil {
			t.Errorf("%d pages: the run that is left: %v", pages, err)
		}
		remount(t, disk, 0, "size=16m")
		if err := trainOn(t, run); err != nil {
			t.Fatalf("%d pages: %v", pages, err)
		}
		sameRun(t, run, "whole")
	}
	t.Logf("full before the run %d times, in it %d times, in its report %d times", refusedBefore, refusedIn, refusedReport)
	if refusedBefore == 0 || refusedIn == 0 || refusedReport == 0 {
		t.Errorf("full before the run %d times, in it %d times, in its report %d times: want each", refusedBefore, refusedIn, refusedReport)
	}
}

// TestReadOnlyFolder: what would write into a folder that is only for reading says
// so in one line that names it, and what only reads works.
func TestReadOnlyFolder(t *testing.T) {
	if !withMounts(t) {
		return
	}
	t.Chdir(t.TempDir())
	mountDisk(t, "disk", 16<<10)
	run := filepath.Join("disk", "run")
	must(t, small(t, run)...)
	stopped := filepath.Join("disk", "stopped")
	trained(t, stopped, nil)
	if err := os.Mkdir("disk/empty", 0o777); err != nil {
		t.Fatal(err)
	}
	before := files(t, run)
	remount(t, "disk", syscall.MS_RDONLY, "")

	const why = "read-only file system"
	for _, c := range []struct {
		args     []string
		fragment string
	}{
		{small(t, "disk/new"), "--out disk/new: the folder "},
		{small(t, "disk/empty"), "--out disk/empty: "},
		{[]string{"train", "--resume", run}, "--resume " + run + ": "},
		{[]string{"train", "--resume", run, "--steps", "20"}, "--resume " + run + ": "},
		{[]string{"predict", "--model", run, "--in", "x.npy", "--out", "disk/y.npy"}, "disk/y.npy"},
		{[]string{"eval", "--model", run, "--x", "x.npy", "--y", "y.npy", "--out", "disk/pictures"}, "disk/pictures"},
		{[]string{"compare", "--out", "disk/both", run, stopped}, "disk/both"},
	} {
		t.Run(strings.Join([]string{c.args[0], c.fragment}, " "), func(t *testing.T) {
			r := do(c.args...)
			refused(t, r, exitFailed, c.fragment)
			refused(t, r, exitFailed, why)
		})
	}
	if after := files(t, run); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("files %q, want %q", after, before)
	}

	must(t, "predict", "--model", run, "--in", "x.npy", "--out", "y2.npy")
	must(t, "eval", "--model", run, "--x", "x.npy", "--y", "y.npy")
	must(t, "info", "--model", run)
	must(t, "compare", "--out", "both", run, stopped)
	must(t, "train", "--init", run, "--x", "x.npy", "--y", "y.npy", "--batch", "2", "--steps", "2", "--out", "next")

	t.Chdir("disk")
	refused(t, do(quick()...), exitFailed, "make the folder of runs: mkdir runs: "+why)
}
