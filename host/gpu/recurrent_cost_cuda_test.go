//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// recurrentCost is what one pass over a layer takes.
type recurrentCost struct{ launches, barriers, loaded, stored int }

// costOf counts a pass, "forward" or "backward". counted is false where the
// emulator's build does not count bytes.
func costOf(t *testing.T, c *cuda.Context, k *Kernels, run recurrentCase, pass string) (cost recurrentCost, counted bool) {
	t.Helper()
	before, after := countersOf(t, c, newRecurrentRun(t, c, k, newTruth(t, run)), pass)
	return recurrentCost{
		launches: int(after.Launches - before.Launches), barriers: int(after.Barriers - before.Barriers),
		loaded: int(after.LoadBytes - before.LoadBytes), stored: int(after.StoreBytes - before.StoreBytes),
	}, after.StoreBytes > 0
}

// countersOf are the emulator's counters before and after a pass, "forward" or
// "backward". Backward runs on what forward left.
func countersOf(t *testing.T, c *cuda.Context, r *recurrentRun, pass string) (before, after cuda.Counters) {
	t.Helper()
	run := func() error { return r.layer.Forward(r.s, &r.args, 0, true) }
	if pass == "backward" {
		if err := run(); err != nil {
			t.Fatal(err)
		}
		run = func() error { return r.layer.Backward(r.s, &r.args, 0) }
	}
	if err := r.s.Wait(); err != nil {
		t.Fatal(err)
	}
	before, ok := c.Counters()
	if !ok {
		t.Skip("only the emulator counts")
	}
	if err := errors.Join(run(), r.s.Wait()); err != nil {
		t.Fatal(err)
	}
	after, _ = c.Counters()
	return before, after
}

// sweepCosts and waveCosts are the bytes of kernels/README.md's model, as what a
// pass takes more for one row, and for one wavefront of one block. The emulator
// counts what each thread asks for, so that indices and parameters count once a
// lane, and what a cache would serve counts again; those terms are marked.
//
// A sweep computes one row a turn here, with all its lanes.
func sweepCosts(cell, pass string, axes, hidden int) (row, wavefront recurrentCost) {
	g, lanes := axes+3, 16
	if hidden > 16 {
		lanes = 32
	}
	slots := sweepThreads / lanes
	wavefront = recurrentCost{barriers: 1, loaded: 8} // first row and count
	if pass == "forward" {
		row.loaded = 4 * hidden * g          // z, and nothing of h or c
		row.loaded += 4 * lanes * (1 + axes) // input, pred: by every lane
		row.stored = 4 * hidden * (g + 3)    // gates; c, tanh c, h
	} else {
		row.loaded = 4 * hidden * (g + 3 + axes) // gates; c, tanh c, dh; c of the predecessors
		row.loaded += 4 * lanes * (1 + 2*axes)   // input, pred, succ: by every lane
		row.stored = 4 * hidden * g              // dz
	}
	switch {
	case cell == nn.CellLayerNorm && pass == "forward":
		row.stored += 4*hidden*(g+1) + 4*(g+1) // x̂ of gates and cell, 1/σ
	case cell == nn.CellLayerNorm:
		row.loaded += 4*hidden*(g+1) + 4*hidden*(g+1) // x̂; 1/σ: by every unit
	case cell == nn.CellGraves && pass == "forward":
		row.loaded += 4 * hidden * slots * (axes + 2) // peepholes: by every row of a turn, there or not
	case cell == nn.CellGraves:
		row.loaded += 4 * hidden * slots * (2*axes + 1)
	}
	return row, wavefront
}

// waveCosts holds for full tiles and hidden units of one tile. Its stored bytes
// are a bound: gcc's instrumentation leaves out a store to where the code just
// loaded from, as in z += sum.
func waveCosts(cell, pass string, axes, hidden int) (row, wavefront recurrentCost) {
	g := axes + 3
	wavefront.launches = 1
	wavefront.loaded = 8 * 256                         // where it begins and ends: by every thread
	wavefront.loaded += 4 * axes * hidden * g * hidden // W_hh
	again := map[string]int{                           // arrays that the equations of a cell load more often than plain's
		nn.CellStable: axes - 1, nn.CellLeakyLP: axes - 1, // gates, for the mix
		nn.CellGraves:    3*axes + 2, // peepholes, c of the predecessors
		nn.CellLayerNorm: 5*g + 4,    // z for mean, variance and norm; parameters
	}
	if pass == "forward" {
		row.loaded = 4 * hidden * (g + 2*axes)   // z; h and c of the predecessors
		row.loaded += 4 * hidden * g             // z again, after the product
		row.loaded += 4*hidden*(1+axes) + 8*axes // input, pred: by every unit; for the product
		row.stored = 4 * hidden * (2*g + 3)      // z, gates; c, tanh c, h
	} else {
		again = map[string]int{
			nn.CellStable: 5 * (axes - 1), nn.CellLeakyLP: 5*(axes-1) + 1, // the mix, twice, and back
			nn.CellGraves:    7*axes + 4, // peepholes and their sums
			nn.CellLayerNorm: 7*g + 5,    // dy for means and norm; x̂; parameters; 1/σ by every lane
		}
		row.loaded = 4 * hidden * (g + 2 + axes) // gates; tanh c, dh; c of the predecessors
		row.loaded += 4 * hidden * 2 * axes      // what the successors left
		row.loaded += 4 * hidden * g             // dz again, for the product
		row.loaded += 4 * hidden * (1 + 2*axes)  // input, pred, succ: by every unit
		row.stored = 4 * hidden * (g + 2*axes)   // dz; what the predecessors get
	}
	row.loaded += 4 * hidden * again[cell]
	switch {
	case cell == nn.CellLayerNorm && pass == "forward":
		row.stored += 4*hidden*(g+1) + 4*(g+1)
	case cell == nn.CellLayerNorm:
		row.loaded += 4 * 32 * (g + 1) // 1/σ
		row.stored += 4 * hidden * (g + 2)
		wavefront.loaded += 8 * hidden * (g + 1) // the block's sums
	case cell == nn.CellGraves:
		if pass == "backward" {
			wavefront.loaded += 4 * hidden * (axes + 2)
		}
	}
	return row, wavefront
}

// fault says what a pass of rows and wavefronts more takes that the model does
// not have. Bytes may be apart by half an array of H floats a row: that is more
// than a compiler saves or repeats on indices, and less than any load of one
// more array.
func (got recurrentCost) fault(want recurrentCost, rows, hidden int, storesBound bool) string {
	var faults []string
	slack := 2 * hidden * rows
	apart := func(what string, got, want, slack int) {
		if got < want-slack || got > want+slack {
			faults = append(faults, fmt.Sprintf("%s: got %d, want %d within %d", what, got, want, slack))
		}
	}
	apart("launches", got.launches, want.launches, 0)
	apart("bytes loaded", got.loaded, want.loaded, slack)
	if storesBound {
		want.stored = min(got.stored, want.stored)
	}
	apart("bytes stored", got.stored, want.stored, slack)
	return strings.Join(faults, "; ")
}

// The most barriers of a sweep a wavefront.
var mostBarriers = map[string]int{"forward": 3, "backward": 4}

// TestRecurrentCost holds the recurrent kernels to their model: a sweep is one
// launch with a barrier a wavefront, whatever the rows and units, and loads
// nothing of h or c going forward; bytes a row are those of kernels/README.md.
func TestRecurrentCost(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	for _, x := range []struct {
		family                KernelFamily
		axes, hidden, samples int // as many samples as a tile has rows
		costs                 func(cell, pass string, axes, hidden int) (row, wavefront recurrentCost)
	}{
		{KernelsSweep, 1, 12, 1, sweepCosts},
		{KernelsSweep, 2, 12, 1, sweepCosts},
		{KernelsSweep, 1, 20, 1, sweepCosts},
		{KernelsSweep, 2, 20, 1, sweepCosts},
		{KernelsWavefront, 2, 12, 32, waveCosts},
	} {
		for _, cell := range nn.Cells {
			for pass, most := range mostBarriers {
				t.Run(fmt.Sprintf("%s/D=%d/H=%d/%s/%s", x.family, x.axes, x.hidden, cell, pass), func(t *testing.T) {
					const few, many = 2, 4 // wavefronts
					count := func(n int) (recurrentCost, bool) {
						shape := slices.Repeat(grid.Shape{1}, x.axes)
						shape[x.axes-1] = n
						return costOf(t, c, k, recurrentCase{
							cell: cell, shapes: slices.Repeat([]grid.Shape{shape}, x.samples),
							directions: []string{strings.Repeat("+", x.axes)}, inputs: 1, hidden: x.hidden, clip: 1, kernels: x.family,
						}, pass)
					}
					before, _ := count(few)
					got, counted := count(many)
					if sweep := x.family == KernelsSweep; sweep {
						perWave := (got.barriers - before.barriers) / (many - few)
						if perWave > most || perWave != 1 || got.launches != 1 {
							t.Errorf("%d launches, %d barriers a wavefront: want 1 and 1, at most %d", got.launches, perWave, most)
						}
					}
					if !counted {
						if strings.Contains(c.Device().Name, "checking build") {
							t.Error("the checking build counts no bytes")
						}
						return
					}
					row, wavefront := x.costs(cell, pass, x.axes, x.hidden)
					rows := (many - few) * x.samples
					want := recurrentCost{
						launches: (many - few) * wavefront.launches,
						loaded:   rows*row.loaded + (many-few)*wavefront.loaded, stored: rows * row.stored,
					}
					got = recurrentCost{launches: got.launches - before.launches, loaded: got.loaded - before.loaded, stored: got.stored - before.stored}
					if fault := got.fault(want, rows, x.hidden, x.family == KernelsWavefront); fault != "" {
						t.Error(fault)
					}
				})
			}
		}
	}
}

// TestRecurrentBarriers: rows of several turns take no barrier more.
func TestRecurrentBarriers(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	for pass := range mostBarriers {
		count := func(shape grid.Shape) int {
			cost, _ := costOf(t, c, k, recurrentCase{
				cell: nn.CellLayerNorm, shapes: []grid.Shape{shape}, directions: []string{"++"}, inputs: 1, hidden: 16, clip: 1, kernels: KernelsSweep,
			}, pass)
			return cost.barriers
		}
		if got, want := count(grid.Shape{9, 12})-count(grid.Shape{3, 4}), (9+12)-(3+4); got != want {
			t.Errorf("%s: %d barriers more for %d wavefronts more", pass, got, want)
		}
	}
}

// TestCostFault: the comparison finds one array more or less, and no less.
func TestCostFault(t *testing.T) {
	const rows, hidden = 64, 12
	want := recurrentCost{launches: 2, loaded: 50000, stored: 20000}
	for _, x := range []struct {
		name   string
		change func(*recurrentCost)
		bound  bool
		fault  string
	}{
		{"as the model", func(*recurrentCost) {}, false, ""},
		{"an index", func(c *recurrentCost) { c.loaded += 4 * rows }, false, ""},
		{"c of one predecessor", func(c *recurrentCost) { c.loaded += 4 * hidden * rows }, false, "bytes loaded"},
		{"an array less", func(c *recurrentCost) { c.loaded -= 4 * hidden * rows }, false, "bytes loaded"},
		{"stored twice", func(c *recurrentCost) { c.stored += 4 * hidden * rows }, false, "bytes stored"},
		{"not stored", func(c *recurrentCost) { c.stored = 0 }, false, "bytes stored"},
		{"stored less than a bound", func(c *recurrentCost) { c.stored = 0 }, true, ""},
		{"stored more than a bound", func(c *recurrentCost) { c.stored += 4 * hidden * rows }, true, "bytes stored"},
		{"a launch more", func(c *recurrentCost) { c.launches++ }, false, "launches"},
	} {
		got := want
		x.change(&got)
		if fault := got.fault(want, rows, hidden, x.bound); !strings.HasPrefix(fault, x.fault) || (fault == "") != (x.fault == "") {
			t.Errorf("%s: got %q, want %q", x.name, fault, x.fault)
		}
	}
}
