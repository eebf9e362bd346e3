//go:build mpi && cgo

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/train"
)

// mpirun is the program as ranks of an MPI job. Tests with it are skipped where
// there is no mpirun; with MDLSTM_REQUIRE_MPI=1 they fail.
func mpirun(t *testing.T, ranks int, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("mpirun")
	if err != nil && os.Getenv("MDLSTM_REQUIRE_MPI") == "1" {
		t.Fatalf("MDLSTM_REQUIRE_MPI=1: %v", err)
	}
	if err != nil {
		t.Skip("no mpirun: apt-get install openmpi-bin")
	}
	c := exec.Command(path, append([]string{"--oversubscribe", "-n", strconv.Itoa(ranks), os.Args[0]}, args...)...)
	c.Env = append(os.Environ(), beProgram+"=1", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	return c
}

// onRanks runs a command line on so many ranks.
func onRanks(t *testing.T, ranks int, args ...string) result {
	t.Helper()
	c := mpirun(t, ranks, args...)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	return result{codeOf(t, c.Run()), out.String(), errOut.String()}
}

func mustOnRanks(t *testing.T, ranks int, args ...string) result {
	t.Helper()
	r := onRanks(t, ranks, args...)
	if r.code != exitDone {
		t.Fatalf("%d ranks: %s: exit code %d: %s", ranks, strings.Join(args, " "), r.code, r.err)
	}
	return r
}

// distributedRun are flags of the training that tests divide. Its cell does not
// magnify rounding as layer norm with few units does.
func distributedRun(more ...string) []string {
	return append([]string{"train", "--distributed", "--device", "cpu", "--threads", "1",
		"--size", "6x5", "--batch", "8", "--cell", "stable", "--hidden", "6", "--directions", "all"}, more...)
}

// columnsOf are overall and relevant loss in the log of a run.
func columnsOf(t *testing.T, dir string) (overall, relevant []float64) {
	t.Helper()
	log, err := readLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	return log.Overall, log.Relevant
}

// sameLosses compares the logs of two runs with the bounds that are promised for
// 100 steps.
func sameLosses(t *testing.T, name, got, want string) {
	t.Helper()
	gotAll, gotRelevant := columnsOf(t, got)
	wantAll, wantRelevant := columnsOf(t, want)
	for _, c := range []struct {
		name      string
		got, want []float64
		tolerance float64
	}{{"overall loss", gotAll, wantAll, 2e-6}, {"relevant loss", gotRelevant, wantRelevant, 1e-5}} {
		report, err := approx.Compare(name+": "+c.name, nil, c.got, c.want, approx.Tolerance{Abs: c.tolerance})
		if err != nil {
			t.Error(err)
		}
		t.Log(report)
	}
}

// TestMPIFollowsOne: 2 and 4 ranks follow one with the whole batch for 100 steps,
// and come to the same bits each time.
func TestMPIFollowsOne(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name  string
		flags []string
	}{
		{"adam", []string{"--optimizer", "adam"}},
		{"sgd", []string{"--optimizer", "sgd", "--momentum", "0.9", "--lr", "0.1", "--clip", "0.05"}},
	} {
		flags := distributedRun(append(c.flags, "--steps", "100", "--out")...)
		must(t, append(slices.Clone(flags), c.name+"1")...) // without mpirun: one rank
		for _, n := range []int{2, 4} {
			dir := c.name + strconv.Itoa(n)
			mustOnRanks(t, n, append(slices.Clone(flags), dir)...)
			sameLosses(t, fmt.Sprintf("%s, %d ranks", c.name, n), dir, c.name+"1")
		}
	}
	again := distributedRun("--optimizer", "adam", "--steps", "100", "--out", "again")
	speaksOnce(t, mustOnRanks(t, 4, again...), "again")
	if read(t, "again", modelFile) != read(t, "adam4", modelFile) || logWithoutTime(t, "again") != logWithoutTime(t, "adam4") {
		t.Error("4 ranks come to other bits the second time")
	}
}

// speaksOnce checks that only rank 0 speaks, and that the run says how many there
// were.
func speaksOnce(t *testing.T, r result, dir string) {
	t.Helper()
	for _, text := range []string{"run folder: " + dir + "\n", "4 ranks, each with 2 samples of a batch\n", "step 100/100 "} {
		if n := strings.Count(r.err, text); n != 1 {
			t.Errorf("%q is said %d times: %s", text, n, r.err)
		}
	}
	if n := strings.Count(r.out, dir+"/report.html"); n != 1 {
		t.Errorf("the report is named %d times: %s", n, r.out)
	}
	record, err := train.ReadRecord(dir)
	if err != nil || record.Engine.Settings["ranks"] != "4" {
		t.Errorf("config.json: %v, %v, want 4 ranks", record.Engine.Settings, err)
	}
}

// TestMPIParameters: after 20 steps of SGD they differ by 1e-5 of the largest at
// most.
func TestMPIParameters(t *testing.T) {
	t.Chdir(t.TempDir())
	flags := distributedRun("--optimizer", "sgd", "--momentum", "0.9", "--lr", "0.1", "--steps", "20", "--out")
	must(t, append(slices.Clone(flags), "1")...)
	_, params, err := loadModel("1")
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, len(params))
	for i, v := range params {
		want[i] = float64(v)
	}
	for _, n := range []int{2, 4} {
		dir := strconv.Itoa(n)
		mustOnRanks(t, n, append(slices.Clone(flags), dir)...)
		_, got, err := loadModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		report, err := approx.Compare(dir+" ranks", nil, got, want, approx.OfLargest(want, 1e-5, 0))
		if err != nil {
			t.Error(err)
		}
		t.Log(report)
	}
}

// TestMPIResume: with as many ranks to the bits of a run in one go; with another
// number it goes on, with a warning.
func TestMPIResume(t *testing.T) {
	t.Chdir(t.TempDir())
	mustOnRanks(t, 2, distributedRun("--steps", "30", "--out", "whole")...)
	mustOnRanks(t, 2, distributedRun("--steps", "12", "--out", "parts")...)
	mustOnRanks(t, 2, "train", "--distributed", "--resume", "parts", "--steps", "30")
	if read(t, "parts", modelFile) != read(t, "whole", modelFile) || logWithoutTime(t, "parts") != logWithoutTime(t, "whole") {
		t.Error("the resumed run has other bits")
	}
	r := mustOnRanks(t, 4, "train", "--distributed", "--resume", "parts", "--steps", "40")
	if !strings.Contains(r.err, `ranks "2" to "4"`) {
		t.Errorf("no warning that the ranks are others: %s", r.err)
	}
	r = do("train", "--resume", "parts", "--steps", "41")
	if r.code != exitDone || !strings.Contains(r.err, `ranks "4" to ""`) {
		t.Errorf("one process: exit code %d: %s", r.code, r.err)
	}
	if all, _ := columnsOf(t, "parts"); len(all) != 41 {
		t.Errorf("%d steps in the log, want 41", len(all))
	}
}

// ranksOf are the processes of a job: those whose parent is mpirun.
func ranksOf(t *testing.T, job *exec.Cmd) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", job.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, task := range tasks {
		list, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended
		}
		for _, text := range strings.Fields(string(list)) {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// started begins an endless training and waits until some of its steps are done.
func started(t *testing.T, ranks int, dir string) (job *exec.Cmd, rest func() string, pids []int) {
	t.Helper()
	job = mpirun(t, ranks, distributedRun("--steps", "10000000", "--checkpoint-every", "20", "--out", dir)...)
	rest = begin(t, job, "run folder: "+dir)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if log, err := readLog(dir); err == nil && log.Len() > 40 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no 40 steps in half a minute")
		}
	}
	pids = ranksOf(t, job)
	if len(pids) != ranks {
		t.Fatalf("mpirun has the children %v, want %d", pids, ranks)
	}
	return job, rest, pids
}

// TestMPISignal: one rank is told to end, or mpirun passes a signal to all; all
// stop after the same step, with the code and word of an interruption.
func TestMPISignal(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name   string
		ranks  int
		signal syscall.Signal
		to     int // rank; -1 for mpirun
	}{
		{"rank0", 2, syscall.SIGINT, 0},
		{"rank3", 4, syscall.SIGTERM, 3},
		{"mpirun", 2, syscall.SIGUSR1, -1},
	} {
		job, rest, pids := started(t, c.ranks, c.name)
		pid := job.Process.Pid
		if c.to >= 0 {
			pid = pids[c.to]
		}
		if err := syscall.Kill(pid, c.signal); err != nil {
			t.Fatal(err)
		}
		said := rest()
		if code := codeOf(t, job.Wait()); code != exitInterrupted {
			t.Errorf("%s: exit code %d, want %d: %s", c.name, code, exitInterrupted, said)
		}
		if n := strings.Count(said, "mdlstm-gpu: interrupted after "); n != 1 {
			t.Errorf("%s: the interruption is told %d times: %s", c.name, n, said)
		}
		resumable(t, c.name)
	}
}

// resumable checks that all the steps in the log of an interrupted run are in its
// checkpoint.
func resumable(t *testing.T, dir string) {
	t.Helper()
	r, err := train.Open(dir, train.Changes{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if all, _ := columnsOf(t, dir); r.Step() != int64(len(all)) || len(r.Warnings()) > 0 {
		t.Errorf("%s: checkpoint of step %d, %d in the log, warnings %q", dir, r.Step(), len(all), r.Warnings())
	}
}

// runs says whether a process is there, and not only until somebody asks for its
// end.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// TestMPIDeath: a rank that dies, the first too, ends the job in seconds with a
// word about it, and the newest checkpoint can be continued.
func TestMPIDeath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, rank := range []int{0, 1} {
		dir := fmt.Sprintf("rank%d", rank)
		job, rest, pids := started(t, 2, dir)
		began := time.Now()
		if err := syscall.Kill(pids[rank], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		said := rest()
		if code := codeOf(t, job.Wait()); code == exitDone {
			t.Errorf("rank %d died, and the exit code is 0: %s", rank, said)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("rank %d died, and the job ended after %v", rank, took)
		}
		if !strings.Contains(said, fmt.Sprintf("mpirun noticed that process rank %d ", rank)) || !strings.Contains(said, "signal 9") {
			t.Errorf("rank %d died, and it is said: %s", rank, said)
		}
		for _, pid := range pids {
			for runs(pid) && time.Since(began) < 20*time.Second {
				time.Sleep(10 * time.Millisecond)
			}
			if runs(pid) {
				t.Errorf("process %d is still there", pid)
			}
		}
		r, err := train.Open(dir, train.Changes{})
		if err != nil {
			t.Fatal(err)
		}
		step := r.Step()
		r.Close()
		if step < 20 {
			t.Errorf("checkpoint of step %d, want 20 or later", step)
		}
		if rank == 0 { // the rest of this test is the same
			continue
		}
		mustOnRanks(t, 2, "train", "--distributed", "--resume", dir, "--steps", fmt.Sprint(step+5))
		if all, _ := columnsOf(t, dir); int64(len(all)) != step+5 {
			t.Errorf("%d steps in the log, want %d", len(all), step+5)
		}
	}
}

// TestMPIRefused: what is wrong is said once, by rank 0, and nothing is left.
func TestMPIRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	here := dist.Hostname()
	for _, c := range []struct {
		name, want string
		ranks      int
		args       []string
		code       int
	}{
		{"a batch of too few samples", "--batch 2: smaller than the 3 ranks: each needs a sample", 3, distributedRun("--batch", "2", "--out", "run"), exitUsage},
		{"other data", "rank 1 of 2 on " + here + ": its data have SHA-256 ", 1,
			append(distributedRun("--out", "run"), append([]string{":", "-n", "1", os.Args[0]}, distributedRun("--out", "run", "--seed", "4")...)...), exitFailed},
		{"other flags", "rank 1 of 2 on " + here + ": it was given other flags than rank 0", 1,
			append(distributedRun("--out", "run"), append([]string{":", "-n", "1", os.Args[0]}, distributedRun("--out", "run", "--lr", "0.5")...)...), exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := onRanks(t, c.ranks, c.args...)
			if n := strings.Count(r.err, "mdlstm-gpu: "+c.want); r.code != c.code || n != 1 {
				t.Errorf("exit code %d, want %d; said %d times %q: %s", r.code, c.code, n, c.want, r.err)
			}
			if left := files(t, "."); len(left) > 0 {
				t.Errorf("files are left: %q", left)
			}
		})
	}
	r := onRanks(t, 2, "train", "--size", "4x4", "--batch", "2", "--hidden", "3", "--steps", "1", "--device", "cpu")
	if want := "warning: started as 2 ranks without --distributed"; strings.Count(r.err, want) != 1 {
		t.Errorf("said %q, want %q", r.err, want)
	}
}
