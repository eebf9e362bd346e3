package train

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mdlstm-gpu/host/task"
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

// killSettings checkpoint after every step, so that most kills meet one.
func killSettings() Settings {
	s := testSettings()
	s.Steps, s.CheckpointEvery = 300, 1
	return s
}

func trainAsChild(dir string) error {
	r, err := Open(dir, Changes{})
	if errors.Is(err, fs.ErrNotExist) {
		r, err = Create(dir, testStart(killSettings()))
	}
	if err != nil {
		return err
	}
	defer r.Close()
	err = r.Train(context.Background(), newFakeEngine(), task.Split{Train: newFakeSource()}, Observer{
		// However fast the disk, there must be time to be killed in.
		Step: func(Progress) { time.Sleep(time.Millisecond) },
	})
	if errors.Is(err, ErrNothingToDo) {
		return nil
	}
	return err
}

// TestKilledProcess trains in processes of their own that are killed at random
// moments by a signal they cannot see.
func TestKilledProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Skipf("the test binary cannot be run again: %v", err)
	}
	s := killSettings()
	want := uninterrupted(t, s)
	dir := filepath.Join(t.TempDir(), "run")
	const seed = 11
	random := rand.New(rand.NewPCG(seed, 0))

	kills, step := 0, int64(0)
	for range 20 {
		child := exec.Command(self)
		child.Env = append(os.Environ(), childVariable+"="+dir)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+random.IntN(60)) * time.Millisecond)
		child.Process.Kill()
		err := child.Wait()
		if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			kills++
		} else if err != nil {
			t.Fatalf("after %d kills: %v", kills, err)
		}
		if _, err := os.Stat(dir); err == nil {
			checkSurvives(t, dir, step)
			r, err := Open(dir, Changes{})
			if err != nil {
				t.Fatalf("after %d kills: %v", kills, err)
			}
			if len(r.Warnings()) != 0 {
				t.Errorf("after %d kills: %q", kills, r.Warnings())
			}
			step = r.Step()
			r.Close()
		}
	}
	t.Logf("%d kills, the last at step %d of %d", kills, step, s.Steps)
	if kills < 5 || step == 0 {
		t.Errorf("only %d kills, step %d: the test shows nothing", kills, step)
	}
	r, err := Open(dir, Changes{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := trainFake(t, r); err != nil && !errors.Is(err, ErrNothingToDo) {
		t.Fatal(err)
	}
	if d := outcomeOf(t, dir).differs(want); d != "" {
		t.Error(d)
	}
}
