package mdlstm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/mdlstm"
)

// config has what makes steps differ: dropout, and more than one direction.
func config() mdlstm.Config {
	c := mdlstm.OneLayer(2, 1, 5, 1, "mse")
	c.Layers[0].Dropout = 0.2
	return c
}

func open(t *testing.T, c mdlstm.Config, o mdlstm.Options) *mdlstm.Model {
	t.Helper()
	o.Device = mdlstm.CPU
	m, err := mdlstm.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// mixed are samples of unequal size.
func mixed(n int) []mdlstm.Sample {
	shapes := make([]mdlstm.Shape, n)
	for i := range shapes {
		shapes[i] = mdlstm.Shape{1 + i%4, 1 + i%3}
	}
	return parities(shapes...)
}

func train(t *testing.T, m *mdlstm.Model, samples []mdlstm.Sample, o mdlstm.TrainOptions) {
	t.Helper()
	if err := m.Train(context.Background(), samples, o); err != nil {
		t.Fatal(err)
	}
}

func predict(t *testing.T, m *mdlstm.Model, samples []mdlstm.Sample) []mdlstm.Output {
	t.Helper()
	out, err := m.Predict(context.Background(), samples...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameBits(a, b []mdlstm.Output) bool {
	return slices.EqualFunc(a, b, func(a, b mdlstm.Output) bool {
		return a.Shape.Equal(b.Shape) && slices.Equal(a.Y, b.Y)
	})
}

// TestTrainGoesOn: several calls are one, and threads and engines change nothing.
func TestTrainGoesOn(t *testing.T) {
	samples := mixed(11)
	o := mdlstm.TrainOptions{Steps: 10, Batch: 4, Seed: 3}
	whole := open(t, config(), mdlstm.Options{Seed: 1})
	train(t, whole, samples, o)
	want := whole.Parameters()
	if slices.Equal(want, open(t, config(), mdlstm.Options{Seed: 1}).Parameters()) {
		t.Fatal("training changed nothing")
	}

	parts := open(t, config(), mdlstm.Options{Seed: 1, Threads: 1, Engines: 1})
	for _, o.Steps = range []int64{1, 5, 4} {
		train(t, parts, samples, o)
		predict(t, parts, samples)
	}
	if !slices.Equal(parts.Parameters(), want) || parts.Steps() != 10 {
		t.Errorf("three calls differ from one, or made %d steps, want 10", parts.Steps())
	}

	other := open(t, config(), mdlstm.Options{Seed: 1})
	o.Seed, o.Steps = 4, 10
	train(t, other, samples, o)
	if slices.Equal(other.Parameters(), want) {
		t.Error("another seed gives the same parameters")
	}
}

// TestCancel: what is left is the model after the last whole step, it predicts,
// and it can be trained to the end.
func TestCancel(t *testing.T) {
	samples := mixed(6)
	want := open(t, config(), mdlstm.Options{})
	train(t, want, samples, mdlstm.TrainOptions{Steps: 4, Batch: 2})

	m := open(t, config(), mdlstm.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := m.Train(ctx, samples, mdlstm.TrainOptions{Steps: 20, Batch: 2, Progress: func(p mdlstm.Progress) error {
		if p.Steps != 20 || math.IsNaN(p.Loss) || p.Norm <= 0 {
			t.Errorf("progress %+v", p)
		}
		if p.Step == 3 {
			cancel()
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) || m.Steps() != 4 {
		t.Errorf("error %v after %d steps, want one that wraps context.Canceled after 4", err, m.Steps())
	}
	if !slices.Equal(m.Parameters(), want.Parameters()) {
		t.Error("the parameters are not those of 4 steps")
	}
	if !sameBits(predict(t, m, samples), predict(t, want, samples)) {
		t.Error("the cancelled model predicts something else than one of 4 steps")
	}
	for _, model := range []*mdlstm.Model{m, want} {
		train(t, model, samples, mdlstm.TrainOptions{Steps: 3, Batch: 2})
	}
	if !slices.Equal(m.Parameters(), want.Parameters()) {
		t.Error("the cancelled model goes on to other bits")
	}

	if _, err := m.Predict(ctx, samples...); !errors.Is(err, context.Canceled) {
		t.Errorf("predict: error %v, want context.Canceled", err)
	}
	if _, err := m.Evaluate(ctx, samples); !errors.Is(err, context.Canceled) {
		t.Errorf("evaluate: error %v, want context.Canceled", err)
	}
}

// TestConcurrentPredict: any number of goroutines get the bits of one.
func TestConcurrentPredict(t *testing.T) {
	samples := mixed(20)
	for _, engines := range []int{1, 2, 3, 0} {
		t.Run(fmt.Sprintf("engines=%d", engines), func(t *testing.T) {
			m := open(t, config(), mdlstm.Options{Seed: 2, Engines: engines})
			want := predict(t, m, samples)
			score, err := m.Evaluate(context.Background(), samples)
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					got, err := m.Predict(context.Background(), samples...)
					if err != nil || !sameBits(got, want) {
						t.Errorf("outputs differ (error %v)", err)
					}
					again, err := m.Evaluate(context.Background(), samples)
					if err != nil || again.Loss != score.Loss {
						t.Errorf("loss %v (error %v), want %v", again.Loss, err, score.Loss)
					}
					m.Info()
				})
			}
			all.Wait()
		})
	}
}

// TestPredictWhileTraining: a call sees one set of parameters. 32 equal samples
// are two equal batches, whose outputs differ only if the parameters do.
func TestPredictWhileTraining(t *testing.T) {
	twice := slices.Repeat(parities(mdlstm.Shape{3, 3}), 32)
	for _, engines := range []int{1, 3} {
		m := open(t, config(), mdlstm.Options{Engines: engines})
		var all sync.WaitGroup
		for range 2 { // the second waits for the first
			all.Go(func() { train(t, m, mixed(9), mdlstm.TrainOptions{Steps: 30, Batch: 3}) })
		}
		for range 3 {
			all.Go(func() {
				for range 10 {
					out, err := m.Predict(context.Background(), twice...)
					if err != nil || !sameBits(out[:16], out[16:]) {
						t.Errorf("one call saw two models (error %v)", err)
					}
				}
			})
		}
		all.Wait()
		if m.Steps() != 60 {
			t.Errorf("%d steps, want 60", m.Steps())
		}
	}
}

// TestProgress may use the model, and ends the training.
func TestProgress(t *testing.T) {
	m := open(t, config(), mdlstm.Options{Engines: 1})
	samples := mixed(4)
	broken := errors.New("disk full")
	path := filepath.Join(t.TempDir(), "m.safetensors")
	for _, test := range []struct{ stop, want error }{{mdlstm.ErrStop, nil}, {broken, broken}} {
		err := m.Train(context.Background(), samples, mdlstm.TrainOptions{Progress: func(p mdlstm.Progress) error {
			if _, err := m.Evaluate(context.Background(), samples); err != nil {
				t.Error(err)
			}
			if err := m.Save(path); err != nil {
				t.Error(err)
			}
			return test.stop
		}})
		if !errors.Is(err, test.want) {
			t.Errorf("Progress returned %v: error %v, want %v", test.stop, err, test.want)
		}
	}
	if m.Steps() != 2 {
		t.Errorf("%d steps, want 2", m.Steps())
	}
}

// TestNonFinite: the step at fault changes nothing.
func TestNonFinite(t *testing.T) {
	m := open(t, config(), mdlstm.Options{})
	samples := mixed(4)
	var before []float32
	err := m.Train(context.Background(), samples, mdlstm.TrainOptions{Optimizer: mdlstm.SGD, LR: 1e30, Progress: func(mdlstm.Progress) error {
		before = m.Parameters()
		return nil
	}})
	var diverged *mdlstm.NonFiniteError
	if !errors.As(err, &diverged) || diverged.Where == "" || diverged.Step != m.Steps() {
		t.Fatalf("error %v (%+v), want a NonFiniteError at step %d", err, diverged, m.Steps())
	}
	if before != nil && !slices.Equal(m.Parameters(), before) {
		t.Error("the step that met NaN changed the parameters")
	}
	fresh := open(t, config(), mdlstm.Options{})
	if err := m.SetParameters(fresh.Parameters()); err != nil {
		t.Fatal(err)
	}
	if !sameBits(predict(t, m, samples), predict(t, fresh, samples)) {
		t.Error("SetParameters did not bring the first model back")
	}
	// Nothing of the bad gradients is left: with the same batch both learn the same.
	for _, model := range []*mdlstm.Model{m, fresh} {
		c := mdlstm.TrainOptions{Steps: 1, Optimizer: mdlstm.Adam, InOrder: true, LR: 0.001}
		train(t, model, samples, c)
	}
	for i, v := range m.Parameters() {
		if v-v != 0 {
			t.Fatalf("parameter %d is %v", i, v)
		}
	}
}

// TestOptimizerChanges: another rule begins with moments of its own.
func TestOptimizerChanges(t *testing.T) {
	c := config()
	c.Layers[0].Dropout = 0 // which differs from step to step
	samples := mixed(5)
	fresh, used := open(t, c, mdlstm.Options{}), open(t, c, mdlstm.Options{})
	train(t, used, samples, mdlstm.TrainOptions{Steps: 3})
	if err := used.SetParameters(fresh.Parameters()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*mdlstm.Model{fresh, used} {
		train(t, m, samples, mdlstm.TrainOptions{Steps: 2, InOrder: true, Optimizer: mdlstm.SGD, Momentum: 0.9})
	}
	if !slices.Equal(fresh.Parameters(), used.Parameters()) {
		t.Error("SGD took over what Adam left")
	}
}

// TestEvaluate pools over batches of unequal weight.
func TestEvaluate(t *testing.T) {
	c := mdlstm.OneLayer(2, 1, 4, 3, "cross_entropy")
	ignore := -1
	c.IgnoreIndex = &ignore
	m := open(t, c, mdlstm.Options{Seed: 5})
	samples := mixed(21)
	for i := range samples {
		s := &samples[i]
		for cell := range s.Y {
			s.Class = append(s.Class, int32((i+cell)%4-1))
		}
		s.Y = nil
	}
	got, err := m.Evaluate(context.Background(), samples)
	if err != nil {
		t.Fatal(err)
	}
	var loss, right, count float64
	for i, o := range predict(t, m, samples) {
		for cell, class := range samples[i].Class {
			if class < 0 {
				continue
			}
			count++
			loss -= math.Log(float64(o.Y[3*cell+int(class)]))
			if o.Classes()[cell] == class {
				right++
			}
		}
	}
	if _, err := approx.Compare("loss, accuracy", nil, []float64{got.Loss, got.Accuracy}, []float64{loss / count, right / count}, approx.Tolerance{Rel: 1e-6}); err != nil {
		t.Error(err)
	}
	for i := range samples {
		for cell := range samples[i].Class {
			samples[i].Class[cell] = -1
		}
	}
	if got, err = m.Evaluate(context.Background(), samples); err != nil || !math.IsNaN(got.Loss) || !math.IsNaN(got.Accuracy) {
		t.Errorf("no target counts: %+v (error %v), want NaN", got, err)
	}
	before := m.Parameters()
	train(t, m, samples, mdlstm.TrainOptions{Steps: 2})
	if !slices.Equal(m.Parameters(), before) {
		t.Error("training without targets that count changed the model")
	}
}

func TestBadSamples(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	good := mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: []float32{1, 2}, Y: []float32{0, 1}}
	classes := mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: []float32{1, 2}, Class: []int32{0, 2}}
	for _, test := range []struct {
		name, loss string
		bad        mdlstm.Sample
		is         error
		want       string
		targets    bool // predicting does not mind
	}{
		{"no shape", "mse", mdlstm.Sample{X: good.X, Y: good.Y}, mdlstm.ErrShape, "the model takes 2", false},
		{"other axes", "mse", mdlstm.Sample{Shape: mdlstm.Shape{2}, X: good.X, Y: good.Y}, mdlstm.ErrShape, "the model takes 2", false},
		{"no cells", "mse", mdlstm.Sample{Shape: mdlstm.Shape{0, 2}, X: nil, Y: nil}, mdlstm.ErrShape, "length 0 on axis 0", false},
		{"too many cells", "mse", mdlstm.Sample{Shape: mdlstm.Shape{1 << 40, 1 << 40}}, mdlstm.ErrShape, "at most 8 axes", false},
		{"short x", "mse", mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: good.X[:1], Y: good.Y}, mdlstm.ErrShape, "X has 1 values, want 2 × 1", false},
		{"NaN in x", "mse", mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: []float32{0, nan}, Y: good.Y}, mdlstm.ErrData, "X[1] (cell 1, channel 0) is NaN", false},
		{"no targets", "mse", mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: good.X}, mdlstm.ErrShape, "targets of 0 values", true},
		{"infinite target", "mse", mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: good.X, Y: []float32{0, inf}}, mdlstm.ErrData, "Y[1] is +Inf", true},
		{"class for mse", "mse", classes, mdlstm.ErrShape, "no Class", true},
		{"value beyond 1", "binary_cross_entropy", mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: good.X, Y: []float32{0, 2}}, mdlstm.ErrData, "Y[1] is 2", true},
		{"values for classes", "cross_entropy", good, mdlstm.ErrShape, "no Y", true},
		{"class beyond the head", "cross_entropy", mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: good.X, Class: []int32{0, 3}}, mdlstm.ErrData, "Class[1] is 3", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			units, first := 1, good
			if test.loss == "cross_entropy" {
				units, first = 3, classes
			}
			m := open(t, mdlstm.OneLayer(2, 1, 2, units, test.loss), mdlstm.Options{})
			samples := []mdlstm.Sample{first, test.bad}
			_, evaluated := m.Evaluate(context.Background(), samples)
			_, predicted := m.Predict(context.Background(), samples...)
			errs := map[string]error{"train": m.Train(context.Background(), samples, mdlstm.TrainOptions{Steps: 1}), "evaluate": evaluated}
			if test.targets {
				if predicted != nil {
					t.Errorf("predict: %v", predicted)
				}
			} else {
				errs["predict"] = predicted
			}
			for op, err := range errs {
				if !errors.Is(err, test.is) || !strings.HasPrefix(err.Error(), op+": sample 1: ") || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: error %v, want %q in it, and that it wraps %q", op, err, test.want, test.is)
				}
			}
			if m.Steps() != 0 {
				t.Error("a step was made")
			}
		})
	}
}

func TestMixedAxesOfAView(t *testing.T) {
	m := open(t, mdlstm.Config{View: "snake", Input: 1, Loss: "mse", Head: mdlstm.Head{Units: 1, Activation: "linear"},
		Layers: []mdlstm.Layer{{Type: "mdlstm", Cell: "plain", Hidden: 2, Directions: []string{"+"}}}}, mdlstm.Options{})
	x := []float32{1, 2}
	_, err := m.Predict(context.Background(), mdlstm.Sample{Shape: mdlstm.Shape{2}, X: x}, mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: x})
	if !errors.Is(err, mdlstm.ErrShape) || !strings.Contains(err.Error(), "sample 1: bad shape: 2 axes, sample 0 has 1") {
		t.Errorf("got %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	c := config()
	if _, err := mdlstm.New(mdlstm.OneLayer(9, 1, 1, 1, "mse"), mdlstm.Options{}); err == nil || !strings.Contains(err.Error(), "directions") {
		t.Errorf("9 axes: error %v", err)
	}
	m := open(t, c, mdlstm.Options{})
	for _, test := range []struct {
		o    mdlstm.TrainOptions
		want string
	}{
		{mdlstm.TrainOptions{Steps: -1}, "Steps -1"},
		{mdlstm.TrainOptions{Epochs: -1}, "Epochs -1"},
		{mdlstm.TrainOptions{Epochs: 1, Steps: 1}, "without Steps"},
		{mdlstm.TrainOptions{Epochs: math.MaxInt64, Batch: 1}, "more steps than can be counted"},
		{mdlstm.TrainOptions{Batch: -1}, "Batch -1"},
		{mdlstm.TrainOptions{Optimizer: "lion"}, `Optimizer "lion"`},
		{mdlstm.TrainOptions{LR: math.NaN()}, "LR NaN"},
		{mdlstm.TrainOptions{LR: math.Inf(1)}, "LR +Inf"},
		{mdlstm.TrainOptions{Optimizer: mdlstm.SGD, Momentum: 1}, "Momentum 1"},
		{mdlstm.TrainOptions{Momentum: 0.5}, "Momentum 0.5"},
		{mdlstm.TrainOptions{Clip: -1}, "Clip -1"},
	} {
		err := m.Train(context.Background(), mixed(3), test.o)
		if err == nil || !strings.HasPrefix(err.Error(), "train: options: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want %q in it", test.o, err, test.want)
		}
	}
	for _, o := range []mdlstm.TrainOptions{{Epochs: 1}, {Batch: 3}, {InOrder: true}} {
		if err := m.TrainSource(context.Background(), noise{}, o); err == nil || !strings.Contains(err.Error(), "source") {
			t.Errorf("a source with %+v: error %v", o, err)
		}
	}
	if err := m.Train(context.Background(), nil, mdlstm.TrainOptions{}); !errors.Is(err, mdlstm.ErrShape) {
		t.Errorf("no samples: error %v", err)
	}
	if out, err := m.Predict(context.Background()); len(out) != 0 || err != nil {
		t.Errorf("predict nothing: %v, %v", out, err)
	}
}

// failing is a source that breaks at a batch, or makes one that does not fit.
type failing struct{ err error }

func (f failing) Batch(t int64, b *mdlstm.Batch) error {
	if f.err == nil {
		*b = mdlstm.Batch{Samples: []mdlstm.Shape{{1, 1}}, X: []float32{1, 2}}
	}
	return f.err
}

func TestBadSource(t *testing.T) {
	m := open(t, config(), mdlstm.Options{})
	broken := errors.New("no such record")
	for _, test := range []struct{ is, made error }{{broken, broken}, {mdlstm.ErrShape, nil}} {
		err := m.TrainSource(context.Background(), failing{test.made}, mdlstm.TrainOptions{Steps: 2})
		if !errors.Is(err, test.is) || !strings.HasPrefix(err.Error(), "train: step 0 of 2: ") {
			t.Errorf("train: error %v, want it to wrap %q", err, test.is)
		}
		_, err = m.EvaluateSource(context.Background(), failing{test.made}, 5, 1)
		if !errors.Is(err, test.is) || !strings.HasPrefix(err.Error(), "evaluate: batch 5: ") {
			t.Errorf("evaluate: error %v, want it to wrap %q", err, test.is)
		}
	}
}

func TestClose(t *testing.T) {
	m := open(t, config(), mdlstm.Options{Engines: 3})
	samples := mixed(3)
	started, done := make(chan struct{}), make(chan error, 1)
	go func() {
		var once sync.Once
		done <- m.Train(context.Background(), samples, mdlstm.TrainOptions{Steps: 1 << 40, Progress: func(mdlstm.Progress) error {
			once.Do(func() { close(started) })
			return nil
		}})
	}()
	<-started
	predict(t, m, samples)
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, mdlstm.ErrClosed) {
		t.Errorf("the training ended with %v, want ErrClosed", err)
	}
	if _, err := m.Predict(context.Background(), samples...); !errors.Is(err, mdlstm.ErrClosed) {
		t.Errorf("predict: error %v, want ErrClosed", err)
	}
	if err := m.Save(filepath.Join(t.TempDir(), "m")); err != nil {
		t.Errorf("a closed model cannot be saved: %v", err)
	}
	if m.Info().Engine != "" {
		t.Error("a closed model has an engine")
	}
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if _, err := mdlstm.Load(path, mdlstm.Options{}); !errors.Is(err, fs.ErrNotExist) && (err == nil || !strings.HasPrefix(err.Error(), "load "+path)) {
		t.Errorf("load a missing file: %v", err)
	}
	m := open(t, config(), mdlstm.Options{Seed: 9})
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := mdlstm.Load(path, mdlstm.Options{Device: mdlstm.CPU})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !slices.Equal(again.Parameters(), m.Parameters()) || fmt.Sprint(again.Net().Params) != fmt.Sprint(m.Net().Params) {
		t.Error("another model came back")
	}
	if info := again.Info(); info.Engine != "cpu" {
		t.Errorf("info %+v, want engine cpu", info)
	}
	if err := m.SetParameters(nil); !errors.Is(err, mdlstm.ErrShape) {
		t.Errorf("no parameters: error %v", err)
	}
}

// TestGPU: asked for, it is a GPU or an error.
func TestGPU(t *testing.T) {
	m, err := mdlstm.New(config(), mdlstm.Options{Device: mdlstm.GPU})
	if err != nil {
		if !errors.Is(err, mdlstm.ErrNoDevice) || os.Getenv("MDLSTM_REQUIRE_GPU") == "1" {
			t.Errorf("error %v, want one that wraps ErrNoDevice", err)
		}
		return
	}
	defer m.Close()
	if got := m.Info().Engine; got != "gpu" {
		t.Errorf("engine %q, want gpu", got)
	}
	want := open(t, config(), mdlstm.Options{})
	var all sync.WaitGroup
	all.Go(func() { train(t, m, mixed(5), mdlstm.TrainOptions{Steps: 4}) })
	for range 2 {
		all.Go(func() { predict(t, m, mixed(3)) })
	}
	all.Wait()
	train(t, want, mixed(5), mdlstm.TrainOptions{Steps: 4})
	got := predict(t, m, mixed(3))
	for i, o := range predict(t, want, mixed(3)) {
		if _, err := approx.Compare(fmt.Sprint("sample ", i), nil, got[i].Y, o.Y, approx.OfLargest([]float64{1}, 1e-4, 1)); err != nil {
			t.Error(err)
		}
	}
}

func TestCorners(t *testing.T) {
	for axes, want := range map[int]string{-1: "[]", 0: "[]", 1: "[+ -]", 2: "[++ +- -+ --]", 3: "[+++ ++- +-+ +-- -++ -+- --+ ---]", 9: "[]"} {
		if got := fmt.Sprint(mdlstm.Corners(axes)); got != want {
			t.Errorf("%d axes: %s, want %s", axes, got, want)
		}
	}
}
