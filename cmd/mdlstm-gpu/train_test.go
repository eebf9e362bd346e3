package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/train"
)

// TestDefaultIsSeedExperiment holds what no flags mean.
func TestDefaultIsSeedExperiment(t *testing.T) {
	one, none := 1.0, 0.0
	head := nn.Head{Units: 1, Activation: nn.Sigmoid}
	for _, c := range []struct {
		model string
		want  nn.Config
	}{
		{modelMD, nn.Config{View: nn.ViewGrid, Input: 1, Head: head, Loss: nn.MSE, Layers: []nn.Layer{{
			Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: 16, Directions: []string{"++"}, Combine: nn.CombineConcat, ClipError: &one}}}},
		{modelHorizontal, nn.Config{View: nn.ViewRows, Input: 1, Head: head, Loss: nn.MSE, Layers: []nn.Layer{{
			Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 16, Directions: []string{"+"}, Combine: nn.CombineConcat, ForgetBias: 1, ClipError: &none}}}},
		{modelSnake, nn.Config{View: nn.ViewSnake, Input: 1, Head: head, Loss: nn.MSE, Layers: []nn.Layer{{
			Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 16, Directions: []string{"+"}, Combine: nn.CombineConcat, ForgetBias: 1, ClipError: &none}}}},
	} {
		o := defaultTrain()
		o.Model = c.model
		p, err := prepare(o, given{})
		if err != nil {
			t.Fatal(err)
		}
		want := train.Settings{
			Name: c.model, Model: c.want, Task: "diagonal",
			Data:  map[string]string{"size": "8x8", "batch": "16", "channels": "1", "seed": "0"},
			Batch: 16, Steps: 1000, Optimizer: "adam", LR: 0.01, CheckpointEvery: 100, Device: "auto",
		}
		if diff := cmp.Diff(want, p.settings); diff != "" {
			t.Errorf("%s: settings (-want +got):\n%s", c.model, diff)
		}
	}
}

func TestTrainLeavesRun(t *testing.T) {
	t.Chdir(t.TempDir())
	r := do(quick("--model_type", "SNAKE_SD_LSTM")...)
	if r.code != exitDone {
		t.Fatal(r.err)
	}
	runs := files(t, "runs")
	if len(runs) != 1 || !strings.HasPrefix(runs[0], "SNAKE_SD_LSTM-20") {
		t.Fatalf("got runs %q, want one of the name SNAKE_SD_LSTM-DATE-TIME", runs)
	}
	dir := filepath.Join("runs", runs[0])
	want := []string{".lock", "config.json", "log.tsv", "loss.png", "model.safetensors", "prediction_after.png",
		"prediction_before.png", "relevant_loss.png", "report.html", "state.prev.safetensors", "state.safetensors"}
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("got files %q, want %q", got, want)
	}
	for _, text := range []string{
		"SNAKE_SD_LSTM on diagonal 4x4: 6 steps", "waited for data ", "relevant loss", "overall loss",
		filepath.Join(dir, "report.html"), "mdlstm-gpu train --resume " + dir + " --steps 12",
	} {
		if !strings.Contains(r.out, text) {
			t.Errorf("standard output %q lacks %q", r.out, text)
		}
	}
	if !strings.Contains(r.err, "step 6/6") || !strings.Contains(r.err, "1 thread") {
		t.Errorf("standard error %q lacks progress or the engine", r.err)
	}
	// The commands that it names work.
	for line := range strings.Lines(r.out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == program && fields[1] != "predict" {
			must(t, fields[1:]...)
		}
	}
}

// TestResumeSameBits: a run that is stopped and continued is the run that was
// not, and a finished one is no error.
func TestResumeSameBits(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, quick("--out", "whole", "--seed", "7", "--checkpoint-every", "0")...)
	must(t, quick("--out", "parts", "--seed", "7", "--steps", "2")...)
	must(t, "train", "--resume", "parts", "--steps", "6", "--threads", "2", "--checkpoint-every", "1")
	if got, want := read(t, "parts", modelFile), read(t, "whole", modelFile); got != want {
		t.Error("the models differ")
	}
	if got, want := logWithoutTime(t, "parts"), logWithoutTime(t, "whole"); got != want {
		t.Errorf("logs differ: got %q, want %q", got, want)
	}
	if got, want := read(t, "parts", "prediction_before.png"), read(t, "whole", "prediction_before.png"); got != want {
		t.Error("the pictures before training differ")
	}
	before := read(t, "parts", logFile)
	r := do("train", "--resume", "parts")
	if r.code != exitDone || !strings.Contains(r.err, "all 6 steps are done") || !strings.Contains(r.out, "report.html") {
		t.Errorf("finished run: %+v, want exit code 0 and the summary", r)
	}
	if read(t, "parts", logFile) != before {
		t.Error("a finished run was changed")
	}
}

// TestResumeElsewhere: arrays are found again from another folder, and data that
// changed are refused.
func TestResumeElsewhere(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	array(t, "x.npy", 5, 4, 3, 2)
	array(t, "y.npy", 5, 4, 3, 1)
	must(t, "train", "--x", "x.npy", "--y", "y.npy", "--batch", "2", "--hidden", "2", "--epochs", "2", "--shuffle", "--out", "run")
	record, err := train.ReadRecord("run")
	if err != nil {
		t.Fatal(err)
	}
	if got := record.Settings.Steps; got != 6 {
		t.Errorf("2 epochs of 5 samples by 2: got %d steps, want 6", got)
	}
	t.Chdir(t.TempDir())
	must(t, "train", "--resume", filepath.Join(dir, "run"), "--steps", "7")
	array(t, filepath.Join(dir, "x.npy"), 4, 4, 3, 2)
	array(t, filepath.Join(dir, "y.npy"), 4, 4, 3, 1)
	refused(t, do("train", "--resume", filepath.Join(dir, "run"), "--steps", "8"), exitFailed, "data")
}

func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "first", func(o *trainOptions) { o.Cell, o.Model, o.Channels = nn.CellStable, modelSnake, 2 })
	must(t, "train", "--init", "first", "--size", "5x5", "--batch", "2", "--steps", "3", "--out", "second")
	record, err := train.ReadRecord("second")
	if err != nil {
		t.Fatal(err)
	}
	s := record.Settings
	if s.Name != modelSnake || s.Model.Layers[0].Cell != nn.CellStable || s.Model.Layers[0].Hidden != 3 || s.Data["channels"] != "2" {
		t.Errorf("got settings %+v, want the architecture of the first run", s)
	}
	// The parameters are those of the file: at step 0 nothing is drawn.
	if slices.Equal(firstParams(s, mustModel(t, s.Model)), mustModel(t, s.Model).Init(s.Seed)) {
		t.Error("the run began with drawn parameters")
	}
}

func mustModel(t *testing.T, c nn.Config) *nn.Model {
	t.Helper()
	m, err := nn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConfigFile(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "size = \"4x4\"\nbatch = 2\nhidden = 3\nforget-bias = 0.25\nlr = 0.125\nseed = 9\nsteps = 2\nout = \"run\"\nthreads = 1\nmodel = \"SNAKE_SD_LSTM\"\n"
	if err := os.WriteFile("c.toml", []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	must(t, "train", "--hidden", "4", "--config", "c.toml", "--steps", "3")
	record, err := train.ReadRecord("run")
	if err != nil {
		t.Fatal(err)
	}
	s := record.Settings
	if l := s.Model.Layers[0]; s.LR != 0.125 || s.Seed != 9 || s.Batch != 2 || l.ForgetBias != 0.25 || s.Name != modelSnake {
		t.Errorf("got %+v, want what the file says", s)
	}
	if s.Steps != 3 || s.Model.Layers[0].Hidden != 4 {
		t.Errorf("got %d steps, %d hidden, want 3 and 4: flags win", s.Steps, s.Model.Layers[0].Hidden)
	}
}

// TestClasses: integers as targets make a model of classes.
func TestClasses(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "x.npy", 2, 3, 3, 1)
	integers(t, "y.npy", []int64{0, 1, 2, 2, 1, 0, 0, 1, 9, 0, 0, 0, 1, 1, 1, 2, 2, 9}, 2, 3, 3)
	must(t, "train", "--x", "x.npy", "--y", "y.npy", "--ignore-index", "9", "--steps", "3", "--hidden", "2", "--out", "run")
	record, err := train.ReadRecord("run")
	if err != nil {
		t.Fatal(err)
	}
	m := record.Settings.Model
	if m.Loss != nn.CrossEntropy || m.Head.Units != 3 || m.Head.Activation != nn.Softmax || m.IgnoreIndex == nil || *m.IgnoreIndex != 9 {
		t.Errorf("got %+v, want 3 classes and class 9 ignored", m)
	}
	must(t, "train", "--resume", "run", "--steps", "4")
	if out := must(t, "eval", "--model", "run", "--x", "x.npy", "--y", "y.npy"); !strings.Contains(out, "weight         16\n") {
		t.Errorf("got %q, want 16 cells that count", out)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, quick("--dry-run", "--steps", "1000", "--out", "run")...)
	for _, text := range []string{"parameters     145", "batch memory", "median of 3 real steps", "1000 steps"} {
		if !strings.Contains(out, text) {
			t.Errorf("got %q, want %q in it", out, text)
		}
	}
	if got := files(t, "."); len(got) != 0 {
		t.Errorf("got files %q, want none", got)
	}
}

// TestDiverged: NaN stops the run with its step and place, and the report says
// so.
func TestDiverged(t *testing.T) {
	t.Chdir(t.TempDir())
	r := do(quick("--cell", "plain", "--optimizer", "sgd", "--lr", "1e38", "--steps", "50", "--out", "run")...)
	refused(t, r, exitFailed, "NaN or infinity in")
	if !strings.Contains(read(t, "run", reportFile), "stopped at step") {
		t.Error("the report does not say that the run was stopped")
	}
	must(t, "eval", "--model", "run", "--size", "4x4", "--steps", "2")
}

// TestInterruptedReport: the context of a training ends, as on Ctrl-C.
func TestInterruptedReport(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(context.Background())
	stop()
	r := doContext(ctx, quick("--out", "run")...)
	refused(t, r, exitInterrupted, "interrupted after 0 of 6 steps: continue with --resume run")
	if !strings.Contains(read(t, "run", reportFile), "interrupted after 0 of 6 steps") {
		t.Error("the report does not say that the run was interrupted")
	}
	for _, args := range []string{"compare --steps 5 --out c", "bench", "check", "eval --model run --size 4x4", "train --dry-run"} {
		if r := doContext(ctx, strings.Fields(args)...); r.code != exitInterrupted {
			t.Errorf("%s: exit code %d, want %d: %s", args, r.code, exitInterrupted, r.err)
		}
	}
}

func TestGrowthWarning(t *testing.T) {
	t.Chdir(t.TempDir())
	r := do(quick("--cell", "plain", "--forget-bias", "1")...)
	if r.code != exitDone || !strings.HasPrefix(r.err, "warning: layers[0]: plain cell on 2 axes") {
		t.Errorf("got %+v, want a warning of growth", r)
	}
}

// TestFullOutput: results that cannot be written are a failure.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	defer full.Close()
	for _, args := range []string{"version", "info", "help train", "completion bash", "bench --seconds 0.01 --json --size 3x3"} {
		var errOut strings.Builder
		if code := execute(t.Context(), append([]string{program}, strings.Fields(args)...), streams{full, &errOut}); code != exitFailed {
			t.Errorf("%s: exit code %d, want %d", args, code, exitFailed)
		}
	}
}

// TestCompareToFullOutput: the trainings are not lost with their comparison.
func TestCompareToFullOutput(t *testing.T) {
	long(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	defer full.Close()
	t.Chdir(t.TempDir())
	var errOut strings.Builder
	args := strings.Fields("compare --size 3x3 --batch 1 --hidden 2 --threads 1 --steps 2 --out c")
	code := execute(t.Context(), append([]string{program}, args...), streams{full, &errOut})
	refused(t, result{code, "", errOut.String()}, exitFailed, "the trainings are done and kept in c, but not their comparison: ")
	_, command, ok := strings.Cut(strings.TrimSpace(errOut.String()), "draw it with ")
	if !ok {
		t.Fatalf("got %q, want a command", errOut.String())
	}
	must(t, strings.Fields(command)...)
}

// TestRecordNamesEngine: config.json says what computed.
func TestRecordNamesEngine(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", func(o *trainOptions) { o.BLAS = "gonum" })
	var record struct {
		Engine struct {
			Engine   string
			Settings map[string]string
		}
	}
	if err := json.Unmarshal([]byte(read(t, "run", "config.json")), &record); err != nil {
		t.Fatal(err)
	}
	if record.Engine.Engine != "cpu" || record.Engine.Settings["blas"] != "gonum" {
		t.Errorf("got %+v, want the engine cpu with gonum", record)
	}
}

func TestNextCommandsKeepSizes(t *testing.T) {
	for _, sizes := range []string{"", "s.npy"} {
		o := defaultTrain()
		p, err := prepare(o, given{})
		if err != nil {
			t.Fatal(err)
		}
		s := p.settings
		s.Task, s.Data = taskArrays, map[string]string{"x": "x.npy", "y": "y.npy", "sizes": sizes}
		for _, c := range nextCommands("run", s, longerFlags(s, s.Steps, false))[:2] {
			if got := strings.Contains(c.Line, " --sizes S.npy"); got != (sizes != "") {
				t.Errorf("trained with sizes %q: got %q", sizes, c.Line)
			}
		}
	}
}
