package train_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// realRun is what a run with the CPU engine on the diagonal task needs.
type realRun struct {
	engine engine.Engine
	source task.Source
}

func openReal(t *testing.T, s train.Settings, threads int) realRun {
	t.Helper()
	m, err := nn.New(s.Model)
	if err != nil {
		t.Fatal(err)
	}
	e, err := cpu.New(m, cpu.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	src, err := task.NewDiagonal(task.Options{Size: grid.Shape{5, 6}, Batch: s.Batch, Channels: 2, Seed: s.Seed})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Check(m); err != nil {
		t.Fatal(err)
	}
	return realRun{e, src}
}

func realSettings(t *testing.T, cell, dropout string) train.Settings {
	t.Helper()
	config, err := nn.ParseConfig([]byte(`{"input": 2, "layers": [
		{"type": "mdlstm", "cell": "` + cell + `", "hidden": 3, "directions": ["++", "-+"], "dropout": ` + dropout + `}],
		"head": {"units": 1, "activation": "sigmoid"}, "loss": "mse"}`))
	if err != nil {
		t.Fatal(err)
	}
	s := train.DefaultSettings()
	s.Name, s.Model, s.Task = "TEST", config, "diagonal"
	s.Batch, s.Steps, s.CheckpointEvery, s.Seed = 3, 12, 5, 99
	return s
}

func createReal(t *testing.T, s train.Settings, real realRun) *train.Run {
	t.Helper()
	r, err := train.Create(filepath.Join(t.TempDir(), "run"),
		train.Start{Settings: s, Engine: real.engine.Info(), DataHash: real.source.Hash()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// lossColumns is the log without the time of each step.
func lossColumns(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(line, "\t")
		lines = append(lines, strings.Join(slices.Delete(columns, 2, 3), "\t"))
	}
	return lines
}

func modelOf(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestResumedOnTheCPU interrupts a run after every step in turn and continues it
// with another number of threads: the bits are those of a run in one go.
func TestResumedOnTheCPU(t *testing.T) {
	for name, change := range map[string]func(*train.Settings){
		"adam":             func(*train.Settings) {},
		"sgd and clipping": func(s *train.Settings) { s.Optimizer, s.Momentum, s.Clip, s.LR = engine.SGD, 0.9, 0.01, 0.5 },
		"accumulated":      func(s *train.Settings) { s.Accumulate = 2 },
		"cosine":           func(s *train.Settings) { s.Schedule = train.Schedule{Kind: train.ScheduleCosine, Warmup: 4, End: 0.1} },
		"dropout":          func(s *train.Settings) { s.Model = realSettings(t, "stable", "0.3").Model },
	} {
		t.Run(name, func(t *testing.T) {
			s := realSettings(t, "layernorm", "0")
			change(&s)
			real := openReal(t, s, 1)
			whole := createReal(t, s, real)
			if err := whole.Train(context.Background(), real.engine, task.Split{Train: real.source}, train.Observer{}); err != nil {
				t.Fatal(err)
			}
			for stop := range s.Steps - 1 {
				r := createReal(t, s, real)
				ctx, cancel := context.WithCancel(context.Background())
				err := r.Train(ctx, real.engine, task.Split{Train: real.source}, train.Observer{Step: func(p train.Progress) {
					if p.Step == stop {
						cancel()
					}
				}})
				if !errors.Is(err, train.ErrInterrupted) {
					t.Fatal(err)
				}
				r.Close()
				threads := 2
				again, err := train.Open(r.Dir(), train.Changes{Threads: &threads})
				if err != nil {
					t.Fatal(err)
				}
				other := openReal(t, again.Settings(), threads)
				if err := again.Train(context.Background(), other.engine, task.Split{Train: other.source}, train.Observer{}); err != nil {
					t.Fatal(err)
				}
				again.Close()
				if got, want := lossColumns(t, r.Dir()), lossColumns(t, whole.Dir()); !slices.Equal(got, want) {
					t.Errorf("interrupted in step %d: log\n%s\nwant\n%s", stop, got, want)
				}
				if modelOf(t, r.Dir()) != modelOf(t, whole.Dir()) {
					t.Errorf("interrupted in step %d: another model", stop)
				}
			}
			if slices.Equal(whole.Params(), whole.Model().Init(s.Seed)) {
				t.Error("nothing was learned")
			}
		})
	}
}

// TestDivergenceNamesTheGate: a learning rate without sense ends in NaN or
// infinity, and the error says where.
func TestDivergenceNamesTheGate(t *testing.T) {
	s := realSettings(t, "plain", "0")
	s.Model.Head.Activation = "linear"
	s.Optimizer, s.LR, s.CheckpointEvery = engine.SGD, 1e30, 1
	real := openReal(t, s, 1)
	r := createReal(t, s, real)
	err := r.Train(context.Background(), real.engine, task.Split{Train: real.source}, train.Observer{})
	var bad *train.NonFiniteError
	if !errors.As(err, &bad) {
		t.Fatalf("error %v, want a NonFiniteError", err)
	}
	t.Log(err)
	if bad.Step == 0 || bad.Where == "" || bad.GoodStep > bad.Step {
		t.Errorf("%+v", bad)
	}
	params := slices.Clone(r.Params())
	r.Close()
	again, err := train.Open(r.Dir(), train.Changes{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !slices.Equal(again.Params(), params) || again.Step() != bad.GoodStep {
		t.Errorf("checkpoint of step %d, want %d", again.Step(), bad.GoodStep)
	}
}

// TestPredictionOfTheExample: what the pictures before and after are made of.
func TestPredictionOfTheExample(t *testing.T) {
	s := realSettings(t, "layernorm", "0")
	real := openReal(t, s, 1)
	if err := real.engine.SetParameters(real.engine.Model().Init(s.Seed)); err != nil {
		t.Fatal(err)
	}
	var batch engine.Batch
	if err := real.source.Example(&batch); err != nil {
		t.Fatal(err)
	}
	out, loss, err := train.Predict(real.engine, &batch)
	if err != nil || len(out) != 5*6 || loss.Weight != 30 {
		t.Fatalf("%d outputs, %+v, %v", len(out), loss, err)
	}
	var sum float64
	for i, y := range out {
		d := float64(y - batch.Y[i])
		sum += d * d
	}
	if d := sum - loss.Sum; d > 1e-4*sum || -d > 1e-4*sum {
		t.Errorf("the outputs have the loss %v, the engine says %v", sum, loss.Sum)
	}
}
