//go:build cuda

package gpu

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// TestMemoryRefused: a plan that does not fit is refused with what it takes and
// what is free, before anything is launched; smaller ones still work.
func TestMemoryRefused(t *testing.T) {
	t.Setenv("MDLSTM_EMU_MEMORY", fmt.Sprint(4<<20))
	c := emulated(t)
	e := newEngine(t, c, oneLayer(nn.CellStable, 1, 16, "++", "--"))
	if err := e.stream.Wait(); err != nil {
		t.Fatal(err)
	}
	before, _ := c.Counters()
	usage := c.Usage()
	for _, samples := range [][]grid.Shape{{{100, 100}}, {{30000, 30000}}, {{1 << 15, 1 << 14}}} {
		_, err := e.Plan(samples, engine.Capacity{})
		if !errors.Is(err, engine.ErrMemory) {
			t.Fatalf("%v: got %v, want one that wraps ErrMemory", samples, err)
		}
		for _, want := range []string{"out of memory: batch 1 of " + samples[0].String() + " needs ", "iB, ", "iB free: lower --batch or --size"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %q, want %q in it", samples, err, want)
			}
		}
	}
	after, _ := c.Counters()
	if after.Launches != before.Launches || c.Usage().Live != usage.Live {
		t.Errorf("refused plans launched %d kernels and hold %d bytes", after.Launches-before.Launches, c.Usage().Live-usage.Live)
	}
	gradientsOf(t, e, planFor(t, e, engine.Capacity{}, grid.Shape{4, 4}), randomBatch(t, e.model, 1, grid.Shape{4, 4}))
}

// TestAllocationFails: whichever allocation fails, the error says out of memory,
// nothing leaks (which closing the device checks), and a second try works.
func TestAllocationFails(t *testing.T) {
	for _, function := range []string{"cuMemAlloc", "cuMemAllocHost"} {
		failed := 0
		t.Setenv("MDLSTM_POOL", "0")
		for n := 1; ; n++ {
			c := emulated(t)
			m, err := nn.New(windowed())
			if err != nil {
				t.Fatal(err)
			}
			run := func() error {
				e, err := New(m, Options{Context: c})
				if err != nil {
					return err
				}
				defer func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}()
				b := randomBatch(t, m, 1, grid.Shape{4, 4})
				p, err := e.Plan(b.Samples, engine.Capacity{})
				if err != nil {
					return err
				}
				if _, err = p.Load(b); err != nil {
					return err
				}
				_, err = p.Gradients(engine.Pass{})
				return err
			}
			t.Setenv("MDLSTM_EMU_FAIL", fmt.Sprintf("%s:%d=2", function, n))
			err = run()
			t.Setenv("MDLSTM_EMU_FAIL", "")
			if err == nil {
				break // fewer allocations than n
			}
			failed++
			if !errors.Is(err, engine.ErrMemory) || !errors.Is(err, cuda.OutOfMemory) {
				t.Errorf("%s %d: got %v, want out of memory", function, n, err)
			}
			if err := run(); err != nil {
				t.Fatalf("%s %d: the second try: %v", function, n, err)
			}
		}
		if failed < 3 {
			t.Errorf("%s: %d failures, want at least 3", function, failed)
		}
	}
}

// TestKernelFails: a fault in the middle of training ends the run with an error
// that names it, at the call or the one after, and everything later says the
// same.
func TestKernelFails(t *testing.T) {
	for _, kernel := range []string{"wave_plain_forward:9", "head_step:2", "wave_plain_backward:9", "reduce_slots:2", "adam_small:2", "gradient_norm:1", "adam:2"} {
		t.Run(kernel, func(t *testing.T) {
			c := emulated(t)
			hidden := 4
			if strings.HasPrefix(kernel, "gradient_norm") || strings.HasPrefix(kernel, "adam:") {
				hidden = 33 // too many parameters for an update of one launch
			}
			e := newEngineOf(t, c, oneLayer(nn.CellPlain, 1, hidden, "++"), KernelsWavefront)
			b := randomBatch(t, e.model, 1, grid.Shape{3, 3})
			p := planFor(t, e, engine.Capacity{}, b.Samples...)
			t.Setenv("MDLSTM_EMU_FAIL", kernel+"=719")
			var err error
			for range 3 {
				if err = step(e, p, b); err != nil {
					break
				}
			}
			name, _, _ := strings.Cut(kernel, ":")
			if !errors.Is(err, cuda.LaunchFailed) || !strings.Contains(err.Error(), name) {
				t.Fatalf("got %v, want one that names %s", err, name)
			}
			if _, lost := p.FindNonFinite(); !errors.Is(lost, cuda.LaunchFailed) {
				t.Errorf("FindNonFinite: %v", lost)
			}
			if again := step(e, p, b); !errors.Is(again, cuda.LaunchFailed) {
				t.Errorf("the next step: %v", again)
			}
			if err := e.Close(); !errors.Is(err, cuda.LaunchFailed) {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// TestClosed: an engine and its plans refuse to work after Close, and plans
// after they were dropped.
func TestClosed(t *testing.T) {
	c := gputest.Open(t)
	e := newEngine(t, c, oneLayer(nn.CellPlain, 1, 2, "++"))
	b := randomBatch(t, e.model, 1, grid.Shape{2, 2})
	p := planFor(t, e, engine.Capacity{}, b.Samples...)
	for n := range engine.PlanLimit {
		planFor(t, e, engine.Capacity{}, grid.Shape{3 + n, 3})
	}
	if _, err := p.Load(b); err == nil || !strings.Contains(err.Error(), "dropped after 4 newer ones") {
		t.Errorf("load into a dropped plan: %v", err)
	}
	p = planFor(t, e, engine.Capacity{}, b.Samples...)
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	_, load := p.Load(b)
	_, plan := e.Plan(b.Samples, engine.Capacity{})
	_, update := e.Update(engine.Update{Optimizer: engine.SGD})
	for what, err := range map[string]error{
		"load": load, "plan": plan, "update": update, "parameters": e.Parameters(make([]float32, e.model.Size())),
		"zero gradients": e.ZeroGradients(),
	} {
		if !errors.Is(err, cuda.ErrClosed) {
			t.Errorf("%s after Close: got %v, want ErrClosed", what, err)
		}
	}
}

// TestOptions: what New refuses.
func TestOptions(t *testing.T) {
	m, err := nn.New(oneLayer(nn.CellPlain, 1, 2, "++"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, Options{Kernels: "fast"}); err == nil || !strings.Contains(err.Error(), `"fast"`) {
		t.Errorf("kernels fast: %v", err)
	}
	if _, err := New(m, Options{Device: 99}); !errors.Is(err, cuda.ErrNoDevice) {
		t.Errorf("device 99: %v", err)
	}
	nine, err := nn.New(oneLayer(nn.CellPlain, 1, 2, "+++++++++"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(nine, Options{}); err == nil || !strings.Contains(err.Error(), "9 axes, at most 8") {
		t.Errorf("9 axes: %v", err)
	}
}
