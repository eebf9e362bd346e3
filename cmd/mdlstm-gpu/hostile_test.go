package main

import (
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/report"
)

// TestHangUp: a closed terminal is a reason to stop, not to lose steps.
func TestHangUp(t *testing.T) {
	t.Chdir(t.TempDir())
	// The tests may run under nohup themselves, and children would inherit it: a
	// signal that is caught here has its default in them.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	c := process(".", quick("--out", "run", "--steps", "1000000")...)
	rest := begin(t, c, "run folder: run")
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	said := rest()
	if code := codeOf(t, c.Wait()); code != exitInterrupted || !strings.Contains(said, "continue with --resume run") {
		t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, said)
	}
}

// TestIgnoredHangUp: under nohup the training goes on.
func TestIgnoredHangUp(t *testing.T) {
	t.Chdir(t.TempDir())
	signal.Ignore(syscall.SIGHUP) // as children inherit it
	defer signal.Reset(syscall.SIGHUP)
	c := process(".", quick("--out", "run", "--steps", "3000")...)
	rest := begin(t, c, "run folder: run")
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	said := rest()
	if code := codeOf(t, c.Wait()); code != exitDone {
		t.Errorf("exit code %d, want %d: %s", code, exitDone, said)
	}
}

// TestNobodyListens: a reader of the progress that goes away does not end the
// training.
func TestNobodyListens(t *testing.T) {
	t.Chdir(t.TempDir())
	c := process(".", quick("--out", "run", "--steps", "2000")...)
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(pipe, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	if code := codeOf(t, c.Wait()); code != exitDone {
		t.Errorf("exit code %d, want %d", code, exitDone)
	}
	if _, err := os.Stat(filepath.Join("run", reportFile)); err != nil {
		t.Error(err)
	}
}

// TestClosedPipeOfResults fails without a word, as `info | head` wants it.
func TestClosedPipeOfResults(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	c := process(t.TempDir(), "version")
	var said strings.Builder
	c.Stdout, c.Stderr = write, &said
	if code := codeOf(t, c.Run()); code != exitFailed || said.Len() > 0 {
		t.Errorf("exit code %d, want %d; it said %q, want nothing", code, exitFailed, said.String())
	}
}

// TestResumeWritesALostReport: a full disk or a kill may leave a finished run
// without its report, or with that of before it was extended.
func TestResumeWritesALostReport(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, quick("--out", "run")...)
	page := filepath.Join("run", reportFile)
	was, err := os.Stat(page)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "train", "--resume", "run")
	if is, err := os.Stat(page); err != nil || !is.ModTime().Equal(was.ModTime()) {
		t.Errorf("a report that was up to date is written again (%v)", err)
	}
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	must(t, "train", "--resume", "run")
	if _, err := os.Stat(page); err != nil {
		t.Error(err)
	}
	short := read(t, page)
	must(t, "train", "--resume", "run", "--steps", "8")
	if err := os.WriteFile(page, []byte(short), 0o666); err != nil { // of before, but the newest by the clock
		t.Fatal(err)
	}
	must(t, "train", "--resume", "run")
	if drawn, err := report.DrawnProgress(page); err != nil || drawn != "8 steps, 0 validations" {
		t.Errorf("a report of an earlier checkpoint stays: %q, %v", drawn, err)
	}
}

// TestCompareThatDoesNotFit leaves no folder behind.
func TestCompareThatDoesNotFit(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	t.Chdir(t.TempDir())
	refused(t, do("compare", "--size", "40000x40000", "--batch", "1", "--out", "c"), exitFailed, "out of memory")
	refused(t, do("compare", "--size", "40000x40000", "--batch", "1"), exitFailed, "out of memory")
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("left %v (%v)", left, err)
	}
}

// TestFieldsThatDoNotFit is refused at once.
func TestFieldsThatDoNotFit(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	t.Chdir(t.TempDir())
	trained(t, "run", func(o *trainOptions) { o.Task = taskFields })
	refused(t, do("train", "--task", "fields", "--size", "40000x40000", "--batch", "1"), exitFailed, "out of memory")
	refused(t, do("eval", "--model", "run", "--task", "fields", "--size", "40000x40000", "--batch", "1"), exitFailed, "out of memory")
}

// TestBatchThatDoesNotFit: of samples of one cell the list alone may be too long,
// also where a foreign config.json asks for it.
func TestBatchThatDoesNotFit(t *testing.T) {
	const batch = "1999999999"
	if free := machine.FreeMemory(); free == 0 || free > 40<<30 {
		t.Skipf("%d bytes are free: unknown, or more than the list takes", free)
	}
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	refused(t, do("info", "--model", "run", "--size", "1x1", "--batch", batch), exitFailed, "--batch "+batch+": out of memory")
	refused(t, do("bench", "--size", "1x1", "--batch", batch), exitFailed, "--batch "+batch+": out of memory")
	refused(t, do("train", "--task", "fields", "--size", "1", "--batch", batch), exitFailed, "--batch "+batch+": out of memory")
	config := filepath.Join("run", "config.json")
	text := strings.Replace(read(t, config), `"batch": 2,`, `"batch": `+batch+`,`, 1)
	text = strings.Replace(text, `"size": "4x4"`, `"size": "1x1"`, 1)
	if err := os.WriteFile(config, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, do("info", "--model", "run"), exitFailed, "--batch "+batch+": out of memory")
}

// TestPredictThatDoesNotFit: many units make much of a small file.
func TestPredictThatDoesNotFit(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	t.Chdir(t.TempDir())
	m, err := nn.New(nn.Config{Input: 1, Head: nn.Head{Units: 1 << 20, Activation: nn.Linear}, Loss: nn.MSE,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"+"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.SaveModel("m.safetensors", m, m.Init(1)); err != nil {
		t.Fatal(err)
	}
	if err := npy.Write("x.npy", []int{1 << 20, 1, 1}, make([]float32, 1<<20)); err != nil {
		t.Fatal(err)
	}
	refused(t, do("predict", "--model", "m.safetensors", "--in", "x.npy", "--out", "y.npy"), exitFailed, "write y.npy: .: no room for a file of 4096.0 GiB")
}

// TestModelThatCannotBeTrained: the engine alone would fit, but not what a
// training keeps beside it.
func TestModelThatCannotBeTrained(t *testing.T) {
	free := machine.FreeMemory()
	// Parameters of a layernorm layer on 2 axes: about 2·5 times hidden squared.
	hidden := int(math.Sqrt(float64(free) / 38 / 10))
	if free == 0 || 10*hidden*hidden > math.MaxInt32 {
		t.Skipf("%d bytes are free: unknown, or more than any model takes", free)
	}
	t.Chdir(t.TempDir())
	refused(t, do("train", "--hidden", strconv.Itoa(hidden)), exitFailed, "use fewer hidden units")
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("left %v (%v)", left, err)
	}
}
