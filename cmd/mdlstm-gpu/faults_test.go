package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mdlstm-gpu/host/nn/tensorfile"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/tensorboard/eventtest"
)

// limited is the program as a process below a limit of the shell's ulimit.
func limited(limit string, args ...string) *exec.Cmd {
	c := process(".", args...)
	c.Args = append([]string{"sh", "-c", "ulimit " + limit + ` && exec "$0" "$@"`, c.Path}, args...)
	c.Path, c.Err = exec.LookPath("sh")
	return c
}

// ended is what a process did.
func ended(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var out, errOut strings.Builder
	c.Stdout, c.Stderr = &out, &errOut
	code := codeOf(t, c.Run())
	return result{code, out.String(), errOut.String()}
}

// TestKilledProgram kills the program itself at random moments, from its start to
// its report, and resumes it.
func TestKilledProgram(t *testing.T) {
	long(t)
	t.Chdir(t.TempDir())
	flags := func(out string) []string {
		return append(small(t, out), "--valid-every", "1", "--checkpoint-every", "1")
	}
	began := time.Now()
	if r := ended(t, process(".", flags("whole")...)); r.code != exitDone {
		t.Fatal(r.err)
	}
	most := time.Since(began) / 3
	const seed = 5
	random := rand.New(rand.NewPCG(seed, 0))
	kills, runs := 0, 0
	for kills < 30 {
		runs++
		out := fmt.Sprintf("run%d", runs)
		written := int64(0)
		for n := 0; ; n++ {
			args := flags(out)
			if _, err := os.Stat(out); err == nil {
				args = []string{"train", "--resume", out}
			}
			c := process(".", args...)
			var said strings.Builder
			c.Stderr = &said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			after := time.Duration(random.Int64N(int64(most)))
			if n == 12 {
				after = time.Hour // too slow a disk for any step in the time before a kill
			}
			timer := time.AfterFunc(after, func() { c.Process.Kill() })
			err := c.Wait()
			timer.Stop()
			if strings.Contains(said.String(), "warning:") {
				t.Errorf("%s after %d kills: %s", out, n, said.String())
			}
			if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				if err != nil {
					t.Fatalf("%s after %d kills: %v: %s", out, n, err, said.String())
				}
				break
			}
			kills++
			if _, err := os.Stat(out); err != nil {
				continue
			}
			step := writtenStep(t, out)
			if step < written {
				t.Errorf("%s after %d kills: the checkpoint is of step %d, there was one of step %d", out, n, step, written)
			}
			written = step
		}
		sameRun(t, out, "whole")
		if got, want := told(t, out), told(t, "whole"); got != want {
			t.Errorf("%s: TensorBoard has\n%s\nwant\n%s", out, got, want)
		}
		if _, err := os.Stat(filepath.Join(out, reportFile)); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d kills (seed %d) within %v of the start, in %d runs", kills, seed, most, runs)
}

// writtenStep is the step of a run's newest checkpoint.
func writtenStep(t *testing.T, dir string) int64 {
	t.Helper()
	_, meta, err := tensorfile.Read(filepath.Join(dir, "state.safetensors"))
	if os.IsNotExist(err) {
		_, meta, err = tensorfile.Read(filepath.Join(dir, "state.prev.safetensors"))
	}
	if err != nil {
		t.Fatal(err)
	}
	step, err := strconv.ParseInt(meta["step"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// told is what TensorBoard shows of a run's losses, in its order.
func told(t *testing.T, dir string) string {
	t.Helper()
	events, err := eventtest.ReadDir(filepath.Join(dir, "tensorboard"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(events.Scalars["train/overall_loss"], events.Scalars["valid/loss"], events.Images)
}

// TestFileSizeLimit: a limit of the shell's is a full disk: one line, and a run
// that can be continued without it.
func TestFileSizeLimit(t *testing.T) {
	t.Chdir(t.TempDir())
	steps := []string{"--steps", "300", "--checkpoint-every", "100"}
	must(t, quick(append(steps, "--out", "whole")...)...)
	r := ended(t, limited("-f 1", quick(append(steps, "--out", "run")...)...))
	refused(t, r, exitFailed, "--out run: ")
	refused(t, r, exitFailed, "file too large")
	if left := files(t, "."); len(left) != 1 {
		t.Errorf("left %q", left)
	}
	r = ended(t, limited("-f 12", quick(append(steps, "--out", "run")...)...)) // 6 or 12 KiB: the log is longer
	refused(t, r, exitFailed, "run/log.tsv: file too large; the checkpoint of step ")
	must(t, "train", "--resume", "run")
	if read(t, "run", modelFile) != read(t, "whole", modelFile) || logWithoutTime(t, "run") != logWithoutTime(t, "whole") {
		t.Error("the resumed run is not the undisturbed one")
	}
}

// TestTwoTrainings: of trainings that are started into one folder at one moment
// one makes it; while it works nobody else resumes it, and the others say who has
// it.
func TestTwoTrainings(t *testing.T) {
	long(t)
	t.Chdir(t.TempDir())
	const many = 4
	var results [many]result
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { results[i] = ended(t, process(".", quick("--steps", "3", "--out", "run")...)) })
	}
	all.Wait()
	won := 0
	for _, r := range results {
		if r.code == exitDone {
			won++
			continue
		}
		refused(t, r, exitFailed, "--out run: folder already in use")
	}
	if won != 1 {
		t.Errorf("%d trainings made one folder", won)
	}
	if left := files(t, "."); len(left) != 1 {
		t.Errorf("left %q", left)
	}

	// Without --out each has a folder of its own, in the same second too.
	for i := range many {
		all.Go(func() { results[i] = ended(t, process(".", quick("--steps", "3")...)) })
	}
	all.Wait()
	for _, r := range results {
		if r.code != exitDone {
			t.Errorf("exit code %d: %s", r.code, r.err)
		}
	}
	if left := files(t, "runs"); len(left) != many {
		t.Errorf("%d folders %q, want %d", len(left), left, many)
	}

	c := process(".", "train", "--resume", "run", "--steps", "1000000")
	rest := begin(t, c, "run folder: run")
	log, err := os.Stat(filepath.Join("run", logFile))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		refused(t, do("train", "--resume", "run"), exitFailed,
			fmt.Sprintf("--resume run: run folder is locked: process %d is training in it", c.Process.Pid))
	}
	if now, err := os.Stat(filepath.Join("run", logFile)); err != nil || now.Size() < log.Size() {
		t.Errorf("the log was cut: %v", err)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if said, code := rest(), codeOf(t, c.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, said)
	}
	if _, err := readRun("run"); err != nil {
		t.Error(err)
	}
}

// TestClockJumps: a run does not ask what time it is. With files of a past or of a
// future that another clock made, it goes on to the same bits, and TensorBoard and
// the report show all of it.
func TestClockJumps(t *testing.T) {
	long(t)
	t.Chdir(t.TempDir())
	must(t, small(t, "whole")...)
	for _, years := range []int{-40, 40} {
		out := fmt.Sprintf("run%+d", years)
		must(t, append(small(t, out), "--steps", "6")...)
		then := time.Now().AddDate(years, 0, 0)
		events, err := filepath.Glob(filepath.Join(out, "tensorboard", "events.out.tfevents.*"))
		if err != nil || len(events) != 1 {
			t.Fatalf("event files %q, %v", events, err)
		}
		if err := os.Rename(events[0], filepath.Join(out, "tensorboard", fmt.Sprintf("events.out.tfevents.%010d.mdlstm", then.Unix()))); err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(out, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chtimes(path, then, then))
		})
		if err != nil {
			t.Fatal(err)
		}
		must(t, "train", "--resume", out, "--steps", "12")
		sameRun(t, out, "whole")
		if got, want := told(t, out), told(t, "whole"); got != want {
			t.Errorf("%s: TensorBoard has\n%s\nwant\n%s", out, got, want)
		}
		log, err := readLog(out)
		if err != nil {
			t.Fatal(err)
		}
		for i, seconds := range log.Seconds {
			if !(seconds >= 0 && seconds < 3600) {
				t.Errorf("%s: step %d took %v s", out, i, seconds)
			}
		}
		if drawn, err := report.DrawnProgress(filepath.Join(out, reportFile)); err != nil || drawn != "12 steps, 4 validations" {
			t.Errorf("%s: the report is of %q, %v", out, drawn, err)
		}
	}
}

// TestDamagedCheckpoint: the program warns of a checkpoint with a changed bit, or
// without its end, names it and the one that takes its place, and comes to the
// bits of a run without damage.
func TestDamagedCheckpoint(t *testing.T) {
	long(t)
	t.Chdir(t.TempDir())
	must(t, small(t, "whole")...)
	for name, spoil := range map[string]func([]byte) []byte{
		"bit": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"end": func(b []byte) []byte { return b[:len(b)-100] },
	} {
		t.Run(name, func(t *testing.T) {
			must(t, small(t, name)...)
			path := filepath.Join(name, "state.safetensors")
			if err := os.WriteFile(path, spoil([]byte(read(t, path))), 0o666); err != nil {
				t.Fatal(err)
			}
			r := do("train", "--resume", name)
			if r.code != exitDone {
				t.Fatal(r.err)
			}
			for _, part := range []string{"warning: " + path + ": damaged checkpoint: ", "; continuing from state.prev.safetensors, step 10; ",
				"is kept as state.damaged.safetensors"} {
				if !strings.Contains(r.err, part) {
					t.Errorf("got %q, want %q in it", r.err, part)
				}
			}
			sameRun(t, name, "whole")
			if r := do("train", "--resume", name); r.code != exitDone || strings.Contains(r.err, "warning") {
				t.Errorf("once more: exit code %d: %s", r.code, r.err)
			}
		})
	}
}
