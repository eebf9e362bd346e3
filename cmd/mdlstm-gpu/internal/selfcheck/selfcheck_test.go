package selfcheck

import (
	"context"
	"errors"
	"math"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// faulty is an engine with errors on demand.
type faulty struct {
	engine.Engine
	gradient, output float32
}

func (f faulty) Gradients(dst []float32) error {
	err := f.Engine.Gradients(dst)
	dst[0] += f.gradient
	return err
}

func (f faulty) Plan(samples []grid.Shape, c engine.Capacity) (engine.Plan, error) {
	p, err := f.Engine.Plan(samples, c)
	return faultyPlan{p, f.output}, err
}

type faultyPlan struct {
	engine.Plan
	output float32
}

func (p faultyPlan) Predict(out []float32) (engine.Loss, error) {
	l, err := p.Plan.Predict(out)
	out[len(out)-1] += p.output
	return l, err
}

// TestRun: a right engine passes every row, each wrong one fails.
func TestRun(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name             string
		gradient, output float32
		ok               bool
	}{
		{"right", 0, 0, true},
		{"wrong gradient", 1e-2, 0, false},
		{"wrong output", 0, 1e-4, false},
		{"NaN in the gradient", nan, 0, false},
		{"NaN in the output", 0, nan, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := 0
			err := Run(t.Context(), func(m *nn.Model) (engine.Engine, error) {
				e, err := cpu.New(m, cpu.Options{Threads: 1})
				return faulty{e, c.gradient, c.output}, err
			}, nil, func(r Row) {
				rows++
				if r.OK() != c.ok {
					t.Errorf("got %+v, OK %v, want %v", r, r.OK(), c.ok)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := len(nn.Cells) * MaxAxes; rows != want {
				t.Errorf("got %d rows, want %d", rows, want)
			}
		})
	}
}

// TestRunPeer: an engine is compared with the other one, whichever is wrong.
func TestRunPeer(t *testing.T) {
	right := func(m *nn.Model) (engine.Engine, error) { return cpu.New(m, cpu.Options{Threads: 1}) }
	for _, c := range []struct {
		name string
		peer faulty
		ok   bool
	}{
		{"right", faulty{}, true},
		{"wrong gradient", faulty{gradient: 1e-2}, false},
		{"wrong output", faulty{output: 1e-4}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Run(t.Context(), right, func(m *nn.Model) (engine.Engine, error) {
				e, err := right(m)
				return faulty{e, c.peer.gradient, c.peer.output}, err
			}, func(r Row) {
				if r.OK() != c.ok || (r.Peer == 0) != c.ok {
					t.Errorf("got %+v, OK %v, want %v", r, r.OK(), c.ok)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	broken := errors.New("broken")
	if err := Run(t.Context(), right, func(*nn.Model) (engine.Engine, error) { return nil, broken }, func(Row) {}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestRunStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := Run(ctx, nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestRowOK(t *testing.T) {
	good := Row{Output: OutputTolerance, Gradient: GradientTolerance, Difference: DifferenceTolerance, Peer: GradientTolerance}
	if !good.OK() {
		t.Errorf("%+v: got not OK", good)
	}
	for name, spoil := range map[string]func(*Row){
		"output": func(r *Row) { r.Output *= 1.01 }, "gradient": func(r *Row) { r.Gradient *= 1.01 },
		"difference": func(r *Row) { r.Difference *= 1.01 }, "peer": func(r *Row) { r.Peer *= 1.01 }, "NaN": func(r *Row) { r.Difference = math.NaN() },
	} {
		r := good
		spoil(&r)
		if r.OK() {
			t.Errorf("%s: %+v is OK", name, r)
		}
	}
}

func TestWorst(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name string
		got  []float32
		want []float64
		out  float64
	}{
		{"equal", []float32{1, 2}, []float64{1, 2}, 0},
		{"second", []float32{1, 2}, []float64{1, 4}, 1},
		{"length", []float32{1}, []float64{1, 2}, math.Inf(1)},
		{"NaN", []float32{nan, 2}, []float64{1, 2}, math.Inf(1)},
	} {
		if got := worst(c.got, c.want, 2); got != c.out {
			t.Errorf("%s: got %v, want %v", c.name, got, c.out)
		}
	}
}

// TestDifferenceSeesWrongSlope: central differences of another loss do not agree
// with the gradient.
func TestDifferenceSeesWrongSlope(t *testing.T) {
	m, err := nn.New(nn.Config{Input: 1, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE})
	if err != nil {
		t.Fatal(err)
	}
	d := definition{model: m, params: ref.Params{"head.weight": {0.5}, "head.bias": {0.1}},
		batch: ref.Batch{Samples: []ref.Sample{{Shape: []int{2}, X: []float64{1, 2}, Y: []float64{1, 0}}}}}
	share, err := d.worstDifference()
	if err != nil || !(share < 1e-9) {
		t.Errorf("a quadratic loss: got error %v, %v", share, err)
	}
	slope, err := d.slope("head.bias", 0)
	if err != nil {
		t.Fatal(err)
	}
	// d/db of ((0.6-1)² + (1.1-0)²)/2 is -0.4 + 1.1.
	if math.Abs(slope-0.7) > 1e-9 {
		t.Errorf("slope %v, want 0.7", slope)
	}
	if d.params["head.bias"][0] != 0.1 {
		t.Error("the parameter was changed")
	}
}
