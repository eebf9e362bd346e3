package cpu

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
)

// TestEstimate holds the memory predicted before a plan is made against what it
// then holds.
func TestEstimate(t *testing.T) {
	for name, c := range map[string]struct {
		config  nn.Config
		samples []grid.Shape
	}{
		"layernorm":    {oneLayer("layernorm", 1, 16, 2, 1), slices.Repeat([]grid.Shape{{32, 32}}, 16)},
		"4 directions": {oneLayer("plain", 3, 32, 2, 4), slices.Repeat([]grid.Shape{{28, 28}}, 16)},
		"volume":       {oneLayer("stable", 1, 8, 3, 8), []grid.Shape{{20, 30, 25}}},
		"deep":         {deep("leakylp"), slices.Repeat([]grid.Shape{{40, 60}}, 8)},
		"many weights": {oneLayer("graves", 40, 160, 2, 3), slices.Repeat([]grid.Shape{{6, 9}}, 4)},
		"many inputs":  {oneLayer("plain", 1500, 9, 2, 2), slices.Repeat([]grid.Shape{{8, 8}}, 9)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, recompute := range []bool{false, true} {
				e := open(t, c.config, Options{Threads: 1, Recompute: recompute})
				want := e.estimate(c.samples, false, false).total()
				p, err := e.Plan(c.samples, engine.Capacity{})
				if err != nil {
					t.Fatal(err)
				}
				got, perRow := p.Bytes()
				if share := float64(got) / float64(want); share < 0.8 || share > 1.2 {
					t.Errorf("recompute %v: the plan holds %d bytes, %.0f a row; estimated were %d", recompute, got, perRow, want)
				}
				t.Logf("recompute %v: %.0f bytes a row", recompute, perRow)
			}
		})
	}
}

func TestPlanBeyondMemory(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	e := open(t, oneLayer("plain", 1, 64, 2, 4), Options{Threads: 1})
	_, err := e.Plan([]grid.Shape{{30000, 30000}}, engine.Capacity{})
	if !errors.Is(err, engine.ErrMemory) || !strings.Contains(err.Error(), "GiB") {
		t.Errorf("a plan of 900 million cells: %v", err)
	}
	if _, err := e.Plan([]grid.Shape{{1 << 20, 1 << 20}}, engine.Capacity{}); !errors.Is(err, engine.ErrShape) {
		t.Errorf("a plan of 2^40 cells: %v", err)
	}
}

// TestFindNonFinite plants one NaN weight and expects its layer and gate.
func TestFindNonFinite(t *testing.T) {
	for _, c := range []struct {
		tensor string
		at     int // element
		want   string
	}{
		{"layers.0.weight_ih", 0, "layer 0 gate i"},
		{"layers.0.weight_ih", 2 * 4 * (5*3 + 1), "layer 0 gate f_1"}, // inputs 4 a unit; unit 3·5+1 of direction 0
		{"layers.0.weight_hh", 5 * 5, "layer 0 gate g"},
		{"layers.1.bias", 3, "layer 1 output"},
		{"layers.2.bias", 8 * 4, "layer 2 gate o"},
		{"head.bias", 0, "head"},
	} {
		t.Run(c.tensor+" "+c.want, func(t *testing.T) {
			e := open(t, deep("plain"), Options{Threads: 2})
			p, ok := e.model.Param(c.tensor)
			if !ok {
				t.Fatalf("no tensor %s", c.tensor)
			}
			at := c.at
			if c.want == "layer 0 gate f_1" {
				at = (3*5 + 1) * 4 // [R, G·H, K]: gate 3 = f_1, K = 2 cells of 2 channels
			}
			e.params[p.Offset+at] = float32(math.NaN())
			e.version++
			b := makeBatch(2, 0, grid.Shape{4, 6})
			b.Y = make([]float32, 3*2)
			gradients(t, e, b)
			got, err := e.plans[0].FindNonFinite()
			if err != nil || !strings.HasPrefix(got, c.want) {
				t.Errorf("found %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestFindNonFiniteInGradients(t *testing.T) {
	e := open(t, deep("graves"), Options{Threads: 1})
	b := makeBatch(2, 0, grid.Shape{4, 6})
	b.Y = make([]float32, 3*2)
	gradients(t, e, b)
	plan := e.plans[0]
	if got, err := plan.FindNonFinite(); got != "" || err != nil {
		t.Fatalf("all is finite, found %q, %v", got, err)
	}
	for tensor, want := range map[string]string{
		"head.weight":         "gradient of head.weight",
		"layers.2.weight_hh":  "gradient of layers.2.weight_hh gate i",
		"layers.0.peephole_f": "gradient of layers.0.peephole_f",
		"layers.0.bias":       "gradient of layers.0.bias gate i",
	} {
		p, _ := e.model.Param(tensor)
		e.grads[p.Offset] = float32(math.Inf(1))
		if got, err := plan.FindNonFinite(); got != want || err != nil {
			t.Errorf("found %q, %v, want %q", got, err, want)
		}
		e.grads[p.Offset] = 0
	}
}

func TestEvictedPlan(t *testing.T) {
	e := open(t, oneLayer("plain", 1, 2, 2, 1), Options{Threads: 1})
	first, err := e.Plan([]grid.Shape{{2, 2}}, engine.Capacity{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range engine.PlanLimit {
		if _, err := e.Plan([]grid.Shape{{3 + n, 3 + n}}, engine.Capacity{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Load(makeBatch(1, 1, grid.Shape{2, 2})); err == nil {
		t.Error("a dropped plan takes a batch")
	}
}

func TestNewRefuses(t *testing.T) {
	m, err := nn.New(oneLayer("plain", 1, 2, 2, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, Options{Threads: -1}); err == nil {
		t.Error("-1 threads are accepted")
	}
	if m, err = nn.New(nn.Config{Input: 1, Layers: []nn.Layer{{Type: "mdlstm", Cell: "plain", Hidden: 2, Directions: []string{"+++++++++"}}}, Head: nn.Head{Units: 1, Activation: "tanh"}, Loss: "mse"}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, Options{}); !errors.Is(err, engine.ErrShape) {
		t.Errorf("9 axes: %v", err)
	}
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	if m, err = nn.New(oneLayer("plain", 1, 14000, 2, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, Options{}); !errors.Is(err, engine.ErrMemory) {
		t.Errorf("2 billion parameters: %v", err)
	}
}
