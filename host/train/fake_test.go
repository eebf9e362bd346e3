package train

import (
	"context"
	"fmt"
	"math"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// noStep is a step that never comes.
const noStep = math.MinInt64

// fakeEngine is a small, deterministic stand-in for an engine. Its loss is
// Σ_i (p_i - y)² / parameters for the mean y of the batch plus noise keyed by
// seed, step and i, so results depend on everything a checkpoint must restore.
// It obeys the contract of package engine as far as the loop can see.
type fakeEngine struct {
	model            *nn.Model
	info             engine.Info
	p, grad, m, v    []float32
	updates          int64
	nanGradientAt    int64 // step whose gradient is NaN; noStep = never
	infinityAfter    int64 // update that leaves an infinite parameter; noStep = never
	plans, zeroed    int
	failGradientStep int64 // step at which Gradients returns an error; noStep = never
	batch            *engine.Batch
}

func newFakeEngine() *fakeEngine {
	m, err := nn.New(testSettings().Model)
	if err != nil {
		panic(err)
	}
	n := m.Size()
	e := &fakeEngine{model: m, info: engine.Info{Engine: "fake", Device: "test", Settings: map[string]string{"blas": "none"}},
		nanGradientAt: noStep, infinityAfter: noStep, failGradientStep: noStep}
	e.p, e.grad, e.m, e.v = make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
	return e
}

var _ engine.Engine = (*fakeEngine)(nil)
var _ engine.Plan = fakePlan{}

func (e *fakeEngine) Info() engine.Info { return e.info }
func (e *fakeEngine) Model() *nn.Model  { return e.model }
func (e *fakeEngine) Plan([]grid.Shape, engine.Capacity) (engine.Plan, error) {
	e.plans++
	return fakePlan{e}, nil
}
func (e *fakeEngine) Parameters(dst []float32) error    { copy(dst, e.p); return nil }
func (e *fakeEngine) SetParameters(src []float32) error { copy(e.p, src); return nil }
func (e *fakeEngine) SetGradients(src []float32) error  { copy(e.grad, src); return nil }
func (e *fakeEngine) ZeroGradients() error              { clear(e.grad); e.zeroed++; return nil }
func (e *fakeEngine) Buckets() []engine.Bucket {
	return []engine.Bucket{{From: 0, To: len(e.grad), Ready: func(context.Context) error { return nil }}}
}
func (e *fakeEngine) Reduce(from, to int, r engine.Reducer) error { return r.Reduce(e.grad[from:to]) }
func (e *fakeEngine) Close() error                                { return nil }
func (e *fakeEngine) Gradients(dst []float32) error               { copy(dst, e.grad); return nil }

func (e *fakeEngine) Moments(m, v []float32) (int64, error) {
	copy(m, e.m)
	copy(v, e.v)
	return e.updates, nil
}

func (e *fakeEngine) SetMoments(m, v []float32, updates int64) error {
	copy(e.m, m)
	copy(e.v, v)
	e.updates = updates
	return nil
}

// fakePlan is the only plan of a fakeEngine.
type fakePlan struct{ *fakeEngine }

func (e fakePlan) Bytes() (int64, float64) { return 0, 0 }

func (e fakePlan) Load(b *engine.Batch) (float64, error) {
	for _, x := range b.X {
		if x != x {
			return 0, fmt.Errorf("x: NaN: %w", engine.ErrData)
		}
	}
	e.batch = b
	return float64(len(b.Y)), nil
}

func (e *fakeEngine) target() float64 {
	var sum float64
	for _, y := range e.batch.Y {
		sum += float64(y)
	}
	return sum / float64(len(e.batch.Y))
}

func (e *fakeEngine) loss() engine.Loss {
	y, sum := e.target(), 0.0
	for _, p := range e.p {
		sum += (float64(p) - y) * (float64(p) - y)
	}
	n := float64(len(e.batch.Y))
	return engine.Loss{Sum: n * sum / float64(len(e.p)), Weight: n, Relevant: sum, RelevantCount: float64(len(e.batch.Relevant))}
}

func (e fakePlan) Gradients(p engine.Pass) (engine.Loss, error) {
	if p.Step == e.failGradientStep {
		return engine.Loss{}, fmt.Errorf("the fake broke: %w", engine.ErrMemory)
	}
	y := e.target()
	for i := range e.grad {
		noise := math.Sin(float64(p.Seed) + 3.7*float64(p.Step) + 1.3*float64(i))
		e.grad[i] += float32(float64(e.p[i]) - y + 0.1*noise)
	}
	if p.Step == e.nanGradientAt {
		e.grad[1] = float32(math.NaN())
	}
	return e.loss(), nil
}

func (e fakePlan) Predict(out []float32) (engine.Loss, error) {
	for i := range out {
		out[i] = e.p[i%len(e.p)]
	}
	return e.loss(), nil
}

func (e fakePlan) FindNonFinite() (string, error) {
	for i, g := range e.grad {
		if g-g != 0 {
			return fmt.Sprintf("gradient %d", i), nil
		}
	}
	return "", nil
}

func (e *fakeEngine) Update(u engine.Update) (engine.UpdateResult, error) {
	var norm float64
	for _, g := range e.grad {
		norm += float64(g) * float64(g)
	}
	norm = math.Sqrt(norm)
	if !finite(norm) {
		return engine.UpdateResult{Norm: norm}, nil
	}
	e.updates++
	for i, g := range e.grad {
		e.m[i] = 0.9*e.m[i] + 0.1*g
		e.v[i] = 0.99*e.v[i] + g*g/float32(e.updates)
		e.p[i] -= float32(u.LR) * e.m[i] / (1 + e.v[i])
		e.grad[i] = 0
	}
	if e.updates == e.infinityAfter {
		e.p[2] = float32(math.Inf(1))
	}
	return engine.UpdateResult{Norm: norm, Finite: true}, nil
}

// fakeSource makes one sample of three cells whose values depend on t.
type fakeSource struct {
	task.Source // whatever the loop does not use panics
	hash        string
	nanAt       int64 // batch with NaN in x; noStep = never
	emptyAt     int64 // batch without targets; noStep = never
	failAt      int64 // batch that is an error; noStep = never
	steps       int64 // of an epoch; 0 = none
}

func newFakeSource() *fakeSource {
	return &fakeSource{hash: "aa11", nanAt: noStep, emptyAt: noStep, failAt: noStep}
}

// newFakeValid are two batches that no step of a test sees, of the same files.
func newFakeValid() *fakeSource {
	s := newFakeSource()
	s.steps = 2
	return s
}

func (s *fakeSource) Hash() string    { return s.hash }
func (s *fakeSource) Spec() task.Spec { return task.Spec{Steps: s.steps} }

func (s *fakeSource) Largest() []grid.Shape { return []grid.Shape{{3}} }

func (s *fakeSource) Batch(t int64, b *engine.Batch) error {
	if t == s.failAt {
		return fmt.Errorf("line 7 of x.npy: %w", engine.ErrData)
	}
	b.Samples = []grid.Shape{{3}}
	b.X, b.Y, b.Relevant = b.X[:0], b.Y[:0], append(b.Relevant[:0], 1)
	for i := range 3 {
		x := float32(math.Sin(float64(5*t + int64(i))))
		b.X, b.Y = append(b.X, x), append(b.Y, x*x)
	}
	if t == s.nanAt {
		b.X[0] = float32(math.NaN())
	}
	if t == s.emptyAt {
		b.Y, b.Relevant = nil, nil
	}
	return nil
}

// testSettings are those of a run of 7 steps with checkpoints at 0, 2, 4, 6, 7.
func testSettings() Settings {
	config, err := nn.ParseConfig([]byte(`{"input": 1,
		"layers": [{"type": "mdlstm", "cell": "plain", "hidden": 2, "directions": ["+"]}],
		"head": {"units": 1, "activation": "linear"}, "loss": "mse"}`))
	if err != nil {
		panic(err)
	}
	s := DefaultSettings()
	s.Name, s.Model = "TEST", config
	s.Task, s.Data = "fake", map[string]string{"size": "3"}
	s.Batch, s.Steps, s.CheckpointEvery, s.Seed, s.LR = 1, 7, 2, 1<<63+5, 0.1
	return s
}

func testStart(s Settings) Start {
	return Start{Settings: s, Engine: newFakeEngine().info, DataHash: newFakeSource().hash}
}

// trainFake continues a run with a new fake engine.
func trainFake(t testing.TB, r *Run) error {
	t.Helper()
	return r.Train(context.Background(), newFakeEngine(), task.Split{Train: newFakeSource()}, Observer{})
}
