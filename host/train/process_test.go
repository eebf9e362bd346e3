package train

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVariable makes the test binary a process that trains in the folder it
// names, for being killed.
const childVariable = "MDLSTM_TEST_TRAIN_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := trainAsChild(dir); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// processSettings checkpoint after every step, so that most kills meet one, and
// validate there: TensorBoard has a picture of every step that a run began with.
func processSettings() Settings {
	s := killedSettings()
	s.Steps, s.CheckpointEvery, s.ValidEvery = 12, 1, 1
	return s
}

// trainAsChild makes or continues the run at dir and says on the standard output
// which checkpoints are written. A warning is an error: no kill damages a file.
func trainAsChild(dir string) error {
	s := processSettings()
	r, err := Open(dir, Changes{})
	if errors.Is(err, fs.ErrNotExist) {
		r, err = Create(dir, startFor(s))
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if len(r.Warnings()) > 0 {
		return fmt.Errorf("warnings %q", r.Warnings())
	}
	say := func(step int64) { fmt.Println(step) }
	say(r.Step())
	err = r.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{Checkpoint: say, Picture: fakePicture})
	if errors.Is(err, ErrNothingToDo) {
		return nil
	}
	return err
}

// childRun is a process that trains until it is done or killed.
type childRun struct {
	killed    bool
	announced int64 // newest checkpoint that it said is written, -1 = none
}

// runChild kills the process after a while, unless it is done before; 0 is no
// limit.
func runChild(t *testing.T, dir string, after time.Duration) childRun {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childVariable+"="+dir)
	var failure strings.Builder
	c.Stderr = &failure
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { c.Process.Kill() })
		defer timer.Stop()
	}
	got := childRun{announced: -1}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if got.announced, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	err = c.Wait()
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	got.killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	if err != nil && !got.killed {
		t.Fatalf("%v: %s", err, failure.String())
	}
	return got
}

const atCheckpoint = "writing a checkpoint"

// moment is what a process was doing when it was killed, as far as the files
// tell.
func moment(t *testing.T, dir string) string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return "before the folder"
	}
	temporary, err := filepath.Glob(filepath.Join(dir, "*"+tempSuffix))
	if err != nil {
		t.Fatal(err)
	}
	if len(temporary) > 0 {
		return atCheckpoint
	}
	s, err := loadState(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	logged, err := sizeOf(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	validated, err := sizeOf(filepath.Join(dir, validName))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case validated > s.valid.bytes:
		return "after a validation"
	case logged > s.logBytes:
		return "after a step"
	}
	return "elsewhere"
}

// TestKilledProcess trains in processes of their own that are killed at random
// moments by a signal they cannot see. What one said is written is there for the
// next, and each run comes to the bits of one that was not killed.
func TestKilledProcess(t *testing.T) {
	want := uninterrupted(t, processSettings())
	began := time.Now()
	dir := filepath.Join(t.TempDir(), "run")
	runChild(t, dir, 0)
	if d := outcomeOf(t, dir).differs(want); d != "" {
		t.Fatalf("not killed: %s", d)
	}
	// A quarter of a run, however fast the disk: every run is killed some times.
	most := time.Since(began) / 4

	const seed = 11
	random := rand.New(rand.NewPCG(seed, 0))
	least := 120
	if testing.Short() {
		least = 30
	}
	kills, runs := 0, 0
	moments := map[string]int{}
	// On a slow machine most kills meet the start of a process: then it takes more
	// of them until one meets a checkpoint.
	for kills < least || kills < 10*least && moments[atCheckpoint] == 0 {
		dir := filepath.Join(t.TempDir(), "run")
		announced := int64(-1)
		for n := 0; ; n++ {
			after := time.Duration(random.Int64N(int64(most))) + 1
			if n >= 25 {
				after = 0 // a disk too slow for any step in the time before a kill
			}
			child := runChild(t, dir, after)
			announced = max(announced, child.announced)
			checkSurvives(t, dir, announced)
			if !child.killed {
				break
			}
			kills++
			moments[moment(t, dir)]++
		}
		runs++
		if d := outcomeOf(t, dir).differs(want); d != "" {
			t.Fatalf("run %d, after %d kills: %s", runs, kills, d)
		}
	}
	t.Logf("%d kills (seed %d) within %v of the start, in %d runs: %v", kills, seed, most, runs, moments)
	if moments[atCheckpoint] == 0 {
		t.Errorf("no kill met a checkpoint: %v", moments)
	}
}
