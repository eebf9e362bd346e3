package main

import (
	"fmt"
	"io/fs"
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

// TestFullDisk trains on real disks that are full sooner or later: in the making
// of the folder, in a log, in a checkpoint or in the report. Nothing but one line
// is the result, what is on the disk can be used, and with more room the run comes
// to the bits that it has on a large disk.
func TestFullDisk(t *testing.T) {
	long(t)
	if !withMounts(t) {
		return
	}
	t.Chdir(t.TempDir())
	must(t, small(t, "whole")...)
	refusedBefore, refusedIn, refusedReport := 0, 0, 0
	for pages := 2; ; pages++ { // of 4 KiB
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

// TestResultsOnAFullDisk: no result is left in half, and one that was there stays.
func TestResultsOnAFullDisk(t *testing.T) {
	long(t)
	if !withMounts(t) {
		return
	}
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	array(t, "few.npy", 2, 4, 4, 1)
	array(t, "many.npy", 500, 4, 4, 1)
	mountDisk(t, "disk", 8)
	must(t, "predict", "--model", "run", "--in", "few.npy", "--out", "disk/y.npy")
	before := read(t, "disk", "y.npy")
	for _, c := range []struct {
		args     []string
		fragment string
	}{
		{[]string{"predict", "--model", "run", "--in", "many.npy", "--out", "disk/y.npy", "--overwrite"}, "write disk/y.npy: "},
		{[]string{"eval", "--model", "run", "--size", "4x4", "--steps", "2", "--out", "disk/pictures"}, "no space left on device"},
		{[]string{"compare", "--out", "disk/both", "run"}, "no space left on device"},
	} {
		refused(t, do(c.args...), exitFailed, c.fragment)
	}
	if read(t, "disk", "y.npy") != before {
		t.Error("the prediction that was there is gone")
	}
	err := filepath.WalkDir("disk", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && path != "disk/y.npy" {
			t.Logf("left: %s", path)
		}
		if err == nil && (strings.HasSuffix(path, ".tmp") || strings.HasSuffix(path, reportFile)) {
			t.Errorf("left: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestReadOnlyFolder: what would write into a folder that is only for reading says
// so in one line that names it, and what only reads works.
func TestReadOnlyFolder(t *testing.T) {
	long(t)
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
