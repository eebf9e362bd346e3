//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// recurrentCase is one layer on one batch. Its head passes h on, so that the
// reference's outputs are h and the gradient of h is 2(h - y)/normaliser.
type recurrentCase struct {
	cell       string
	shapes     []grid.Shape
	directions []string
	inputs     int
	hidden     int
	forgetBias float64
	clip       float64
	scale      float64 // of the weights; 0 = 0.5
	zero       bool    // x is 0

	// Room beyond the batch.
	moreRows, moreWavefronts, moreSamples, moreWave int
	kernels                                         KernelFamily
	precision                                       Precision
	blocks                                          int // of a cluster
}

// recurrentTruth is the case in float64, from host/ref.
type recurrentTruth struct {
	recurrentCase
	config    nn.Config
	sched     *grid.Schedule
	params    ref.Params
	x         []float64 // [T, K] rows
	wantH, dh []float64 // [T, R·H] rows
	wantGrads ref.Params
}

func (c recurrentCase) axes() int      { return len(c.shapes[0]) }
func (c recurrentCase) gateCount() int { return c.axes() + 3 }

func newTruth(t testing.TB, c recurrentCase) *recurrentTruth {
	t.Helper()
	r := &recurrentTruth{recurrentCase: c}
	width := len(c.directions) * c.hidden
	r.config = nn.Config{
		View: "grid", Input: c.inputs, Loss: "mse", Head: nn.Head{Units: width, Activation: "linear"},
		Layers: []nn.Layer{{
			Type: "mdlstm", Cell: c.cell, Hidden: c.hidden, Directions: c.directions,
			ForgetBias: c.forgetBias, ClipError: &c.clip,
		}},
	}
	tensors, err := ref.Tensors(r.config, c.axes())
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, uint64(c.hidden)))
	scale := c.scale
	if scale == 0 {
		scale = 0.5
	}
	r.params = ref.Params{}
	for _, x := range tensors {
		n := 1
		for _, side := range x.Shape {
			n *= side
		}
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(float32(scale * rng.NormFloat64()))
			switch {
			case strings.Contains(x.Name, "weight_"): // as wide as the sum is long
				v[i] = float64(float32(v[i] * 2 / math.Sqrt(float64(c.inputs+c.axes()*c.hidden))))
			case strings.Contains(x.Name, "ln_") && strings.HasSuffix(x.Name, "weight"):
				v[i] = float64(float32(1 + 0.5*v[i]))
			}
		}
		r.params[x.Name] = v
	}
	clear(r.params["head.bias"])
	clear(r.params["head.weight"])
	for i := range width {
		r.params["head.weight"][i*width+i] = 1
	}

	r.sched, err = grid.New(c.shapes)
	if err != nil {
		t.Fatal(err)
	}
	batch := ref.Batch{}
	for _, shape := range c.shapes {
		n := shape.Cells()
		s := ref.Sample{Shape: shape, X: make([]float64, n*c.inputs), Y: make([]float64, n*width)}
		for i := range s.X {
			if !c.zero {
				s.X[i] = float64(float32(rng.NormFloat64()))
			}
		}
		for i := range s.Y {
			s.Y[i] = rng.NormFloat64()
		}
		batch.Samples = append(batch.Samples, s)
	}
	options := ref.Options{ClipErrors: true}
	res, grads, err := ref.Gradients(r.config, r.params, batch, options)
	if err != nil {
		t.Fatal(err)
	}
	r.wantGrads = grads
	r.x, r.wantH = make([]float64, r.sched.Rows*c.inputs), make([]float64, r.sched.Rows*width)
	r.dh = make([]float64, r.sched.Rows*width)
	packed := 0
	for b, s := range batch.Samples {
		for n := range c.shapes[b].Cells() {
			row := int(r.sched.Row[packed])
			copy(r.x[row*c.inputs:], s.X[n*c.inputs:(n+1)*c.inputs])
			for j := range width {
				h := res.Outputs[b][n*width+j]
				r.wantH[row*width+j] = h
				r.dh[row*width+j] = 2 * (h - s.Y[n*width+j]) / res.Weight
			}
			packed++
		}
	}
	return r
}

func (r *recurrentTruth) tensor(suffix string) []float64 { return r.params["layers.0."+suffix] }

// recurrentRun is a case on the device, between guard zones.
type recurrentRun struct {
	*recurrentTruth
	t                     testing.TB
	s                     *cuda.Stream
	layer                 *Recurrent
	args                  RecurrentArgs
	rows                  int // C
	input                 [][]int32
	h, gates, c, tc       *gputest.Buffer[float32]
	hat, cellHat, inverse *gputest.Buffer[float32]
	dhp, dcp              *gputest.Buffer[float32]
	grads                 map[string]*gputest.Buffer[float32]
}

func floats[T ~float32 | ~float64](x []T) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// floatsWithZeroRow is NaN but for row C of each of count blocks, which is zero.
func floatsWithZeroRow(count, rows, width int) []float32 {
	out := gputest.NaNs(count * (rows + 1) * width)
	for q := range count {
		clear(out[(q*(rows+1)+rows)*width:][:width])
	}
	return out
}

func newRecurrentRun(t testing.TB, c *cuda.Context, k *Kernels, truth *recurrentTruth) *recurrentRun {
	t.Helper()
	stream, err := c.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	})
	s := truth.sched
	r := &recurrentRun{recurrentTruth: truth, t: t, s: stream, rows: s.Rows + truth.moreRows}
	wave := 0
	for w := range s.Wavefronts {
		lo, hi := s.Range(w, 0, s.Samples)
		wave = max(wave, hi-lo)
	}
	d, h, g, dirs := truth.axes(), truth.hidden, truth.gateCount(), len(truth.directions)
	shape := RecurrentShape{
		Cell: truth.cell, Axes: d, Hidden: h, Directions: dirs, ForgetBias: float32(truth.forgetBias), Clip: float32(truth.clip),
		Rows: r.rows, Wavefronts: s.Wavefronts + truth.moreWavefronts, Samples: s.Samples + truth.moreSamples,
		Wave: min(r.rows, wave+truth.moreWave), Kernels: truth.kernels, Precision: truth.precision, Blocks: truth.blocks,
	}
	if r.layer, err = k.NewRecurrent(shape); err != nil {
		t.Fatal(err)
	}
	r.tables(c, shape)
	f := func(name string, v []float32) *gputest.Buffer[float32] { return gputest.New(t, c, name, v) }
	gh := g * h
	r.h = f("h", floatsWithZeroRow(1, r.rows, dirs*h))
	dh := gputest.NaNs((r.rows + 1) * dirs * h)
	copy(dh, floats(truth.dh))
	r.gates = f("gates", r.projection())
	r.c, r.tc = f("cell", floatsWithZeroRow(dirs, r.rows, h)), f("tanh_cell", gputest.NaNs(dirs*r.rows*h))
	a := &r.args
	if n := r.layer.LeftRows(); n > 0 {
		r.dhp, r.dcp = f("dhp", floatsWithZeroRow(dirs, n, d*h)), f("dcp", floatsWithZeroRow(dirs, n, d*h))
		a.DHPred, a.DCPred = r.dhp.Address(), r.dcp.Address()
	}
	a.H, a.DH, a.Gates, a.Cell, a.TanhCell = r.h.Address(), f("dh", dh).Address(), r.gates.Address(), r.c.Address(), r.tc.Address()
	hhT, hhB := truth.packed()
	a.HHT, a.HHB = f("hhT", hhT).Address(), f("hhB", hhB).Address()
	if n := r.layer.PartialLength(); n > 0 {
		a.Partial = f("partial", gputest.NaNs(n)).Address()
	}
	r.grads = map[string]*gputest.Buffer[float32]{}
	own := func(name string, param, grad *cuda.Address) {
		v := truth.tensor(name)
		if len(v) == 0 {
			return
		}
		*param = f(name, floats(v)).Address()
		ones := make([]float32, len(v)) // sums are added
		for i := range ones {
			ones[i] = 1
		}
		r.grads[name] = f("d"+name, ones)
		*grad = r.grads[name].Address()
	}
	own("ln_gate.weight", &a.Params.GateWeight, &a.Grads.GateWeight)
	own("ln_gate.bias", &a.Params.GateBias, &a.Grads.GateBias)
	own("ln_cell.weight", &a.Params.CellWeight, &a.Grads.CellWeight)
	own("ln_cell.bias", &a.Params.CellBias, &a.Grads.CellBias)
	own("peephole_f", &a.Params.PeepholeF, &a.Grads.PeepholeF)
	own("peephole_i", &a.Params.PeepholeI, &a.Grads.PeepholeI)
	own("peephole_o", &a.Params.PeepholeO, &a.Grads.PeepholeO)
	if truth.cell == nn.CellLayerNorm {
		r.hat, r.cellHat = f("hat", gputest.NaNs(dirs*r.rows*gh)), f("cell_hat", gputest.NaNs(dirs*r.rows*h))
		r.inverse = f("inverse", gputest.NaNs(dirs*r.rows*(g+1)))
		a.Hat, a.CellHat, a.Inverse = r.hat.Address(), r.cellHat.Address(), r.inverse.Address()
	}
	return r
}

// tables puts the schedule on the device. What lies beyond the batch must not be
// read as a row, so it is a number that is none.
func (r *recurrentRun) tables(c *cuda.Context, shape RecurrentShape) {
	const none = -1 << 30
	s, full := r.sched, r.rows
	row := func(v int32) int32 {
		if int(v) == s.Rows {
			return int32(full)
		}
		return v
	}
	table := func(name string, v []int32) cuda.Address { return gputest.New(r.t, c, name, v).Address() }
	wave := make([]int32, shape.Wavefronts+1)
	start := make([]int32, shape.Wavefronts*(shape.Samples+1))
	for t := range wave {
		wave[t] = int32(s.Rows)
		if t < s.Wavefronts {
			wave[t] = s.Start[t*s.Samples]
		}
		for b := 0; t < shape.Wavefronts && b <= shape.Samples; b++ {
			at := t*s.Samples + min(b, s.Samples)
			start[t*(shape.Samples+1)+b] = int32(s.Rows)
			if t < s.Wavefronts {
				start[t*(shape.Samples+1)+b] = s.Start[at]
			}
		}
	}
	neighbours := func(of [][]int32) []int32 {
		out := make([]int32, len(of)*full)
		for i := range out {
			out[i] = none
		}
		for d := range of {
			for i, v := range of[d][:s.Rows] {
				out[d*full+i] = row(v)
			}
		}
		return out
	}
	input := make([]int32, len(r.directions)*(full+1))
	for i := range input {
		input[i] = none
	}
	for q, signs := range r.directions {
		direction, err := grid.ParseDirection(signs, s.Axes)
		if err != nil {
			r.t.Fatal(err)
		}
		r.input = append(r.input, s.Input(direction))
		copy(input[q*(full+1):], r.input[q][:s.Rows])
		input[q*(full+1)+full] = int32(full)
	}
	a := &r.args
	a.Wave, a.Start = table("wave", wave), table("start", start)
	a.Pred, a.Succ, a.Input = table("pred", neighbours(s.Pred)), table("succ", neighbours(s.Succ)), table("input", input)
}

// projection is W_ih·x + bias of each row of each direction, NaN beyond the
// batch.
func (r *recurrentRun) projection() []float32 {
	gh, k := r.gateCount()*r.hidden, r.inputs
	out := gputest.NaNs(len(r.directions) * r.rows * gh)
	ih, bias := r.tensor("weight_ih"), r.tensor("bias")
	for q := range r.directions {
		for row := range r.sched.Rows {
			x := r.x[int(r.input[q][row])*k:][:k]
			for n := range gh {
				sum := 0.0
				if bias != nil {
					sum = bias[q*gh+n]
				}
				for i, v := range x {
					sum += ih[(q*gh+n)*k+i] * v
				}
				out[(q*r.rows+row)*gh+n] = float32(sum)
			}
		}
	}
	return out
}

// packed is weight_hh as forward and backward read it.
func (r *recurrentTruth) packed() (hhT, hhB []float32) {
	d, h, gh := r.axes(), r.hidden, r.gateCount()*r.hidden
	hh := r.tensor("weight_hh")
	hhT, hhB = make([]float32, len(hh)), make([]float32, len(hh))
	for q := range r.directions {
		for a := range d {
			for n := range gh {
				for j := range h {
					v := float32(hh[((q*d+a)*gh+n)*h+j])
					hhT[(q*d*h+a*h+j)*gh+n] = v
					hhB[(q*gh+n)*d*h+a*h+j] = v
				}
			}
		}
	}
	return hhT, hhB
}

func (r *recurrentRun) run() {
	r.t.Helper()
	err := r.layer.Forward(r.s, &r.args, 0, true)
	if err == nil {
		err = r.layer.Backward(r.s, &r.args, 0)
	}
	if err == nil {
		err = r.reduce(r.s, &r.args)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.s.Wait(); err != nil {
		r.t.Fatal(err)
	}
}

func largest(x []float64) float64 {
	top := 0.0
	for _, v := range x {
		top = max(top, math.Abs(v))
	}
	return top
}

// reduce ends the sums over rows.
func (r *recurrentRun) reduce(s *cuda.Stream, a *RecurrentArgs) error {
	table, jobs, err := ReduceTable(r.layer.ReduceJobs(a))
	if err != nil {
		return err
	}
	var words []uint32
	for _, w := range table {
		words = append(words, uint32(w), uint32(w>>32))
	}
	jobs.Table = gputest.New(r.t, r.layer.k.c, "jobs", words).Address()
	return r.layer.k.Reduce(s, jobs)
}

// recurrentTolerance is what h and gradients may be off, of their largest value.
type recurrentTolerance struct{ h, gradient float64 }

// recurrentTolerances: the errors measured on the emulator stay below a quarter
// of them with float32.
var recurrentTolerances = map[Precision]recurrentTolerance{
	"":     {4e-6, 2e-5},
	TF32x3: {4e-6, 2e-5},
	TF32:   {4e-3, 2e-2},
}

// check compares with the reference: h; every gradient, those of the weights made
// here from dz; and nothing beyond the batch touched.
func (r *recurrentRun) check() {
	r.t.Helper()
	r.untouched()
	worst, err := r.compare(recurrentTolerances[r.precision])
	if err != nil {
		r.t.Error(err)
	}
	r.t.Logf("%.2f of the tolerance; %v", worst, r.layer.Kernels())
}

// untouched: nothing beyond the batch was written.
func (r *recurrentRun) untouched() {
	r.t.Helper()
	width, rows, dirs := len(r.directions)*r.hidden, r.sched.Rows, len(r.directions)
	h := r.h.Values()
	for i, v := range h[rows*width:] {
		if zero := i >= (r.rows-rows)*width; zero && v != 0 || !zero && v == v {
			r.t.Fatalf("h beyond the batch, element %d: %v", i, v)
		}
	}
	gh := r.gateCount() * r.hidden
	dz := r.gates.Values()
	for q := range dirs {
		for i, v := range dz[(q*r.rows+rows)*gh : (q+1)*r.rows*gh] {
			if v == v {
				r.t.Fatalf("direction %d, dz beyond the batch, element %d: %v", q, i, v)
			}
		}
		zeros := [][]float32{r.c.Values()[(q*(r.rows+1)+r.rows)*r.hidden:][:r.hidden]}
		if n, width := r.layer.LeftRows(), r.axes()*r.hidden; n > 0 {
			at := (q*(n+1) + n) * width
			zeros = append(zeros, r.dhp.Values()[at:][:width], r.dcp.Values()[at:][:width])
		}
		for _, z := range zeros {
			for _, v := range z {
				if v != 0 {
					r.t.Fatalf("direction %d: the row of zeros holds %v", q, v)
				}
			}
		}
	}
}

// compare returns the largest share of the tolerance that was used, and an error
// that says where it was more than all.
func (r *recurrentRun) compare(tolerance recurrentTolerance) (worst float64, err error) {
	r.t.Helper()
	var errs []error
	within := func(name string, got []float32, want []float64, tolerance, floor float64) {
		share, err := gputest.Near(name, got, want, tolerance*max(largest(want), floor), 0)
		worst = max(worst, share)
		errs = append(errs, err)
	}
	width, rows := len(r.directions)*r.hidden, r.sched.Rows
	within("h", r.h.Values()[:rows*width], r.wantH, tolerance.h, 0)
	floor := 0.0 // a norm of one unit has gradients of exactly 0, which rounding misses
	for name, g := range r.wantGrads {
		if strings.HasPrefix(name, "layers.") {
			floor = max(floor, largest(g)/10)
		}
	}
	ih, hh, bias := r.weightGradients(r.gates.Values())
	within("dweight_ih", floats(ih), r.grad("weight_ih"), tolerance.gradient, floor)
	within("dweight_hh", floats(hh), r.grad("weight_hh"), tolerance.gradient, floor)
	if r.cell != nn.CellLayerNorm {
		within("dbias", floats(bias), r.grad("bias"), tolerance.gradient, floor)
	}
	for name, b := range r.grads {
		got := b.Values()
		for i := range got {
			got[i]-- // what was there before
		}
		const added = 0.1 // the rounding of what was there counts too
		within("d"+name, got, r.grad(name), tolerance.gradient, max(floor, added))
	}
	return worst, errors.Join(errs...)
}

func (r *recurrentTruth) grad(suffix string) []float64 { return r.wantGrads["layers.0."+suffix] }

// weightGradients are those of the weights and bias, in float64 from the
// device's dz.
func (r *recurrentRun) weightGradients(dz []float32) (ih, hh, bias []float64) {
	d, h, k, gh := r.axes(), r.hidden, r.inputs, r.gateCount()*r.hidden
	dirs := len(r.directions)
	ih, hh, bias = make([]float64, dirs*gh*k), make([]float64, dirs*d*gh*h), make([]float64, dirs*gh)
	for q := range dirs {
		for row := range r.sched.Rows {
			x := r.x[int(r.input[q][row])*k:][:k]
			for n := range gh {
				v := float64(dz[(q*r.rows+row)*gh+n])
				bias[q*gh+n] += v
				for i := range x {
					ih[(q*gh+n)*k+i] += v * x[i]
				}
				for a := range d {
					p := int(r.sched.Pred[a][row])
					if p == r.sched.Rows {
						continue
					}
					from := r.wantH[int(r.input[q][p])*dirs*h+q*h:][:h]
					for j, w := range from {
						hh[((q*d+a)*gh+n)*h+j] += v * w
					}
				}
			}
		}
	}
	return ih, hh, bias
}

func newRecurrentKernels(t testing.TB, c *cuda.Context) *Kernels {
	t.Helper()
	k := NewKernels(c)
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// unequal are samples of a few cells on D axes.
var unequal = map[int][]grid.Shape{
	1: {{5}, {1}, {3}},
	2: {{3, 4}, {1, 1}, {4, 2}, {1, 3}},
	3: {{2, 3, 2}, {1, 1, 1}, {1, 2, 3}},
	4: {{2, 1, 2, 3}, {1, 2, 1, 1}},
}

// several are some of the directions of D axes.
func several(axes int) []string {
	switch axes {
	case 1:
		return []string{"+", "-"}
	case 2:
		return []string{"++", "+-", "-+", "--"}
	case 3:
		return []string{"+-+", "---"}
	}
	return []string{strings.Repeat("+-", axes/2) + strings.Repeat("-", axes%2)}
}

// families are the kernels that can run a layer.
func families(axes, hidden int) []KernelFamily {
	if axes > sweepMaxAxes || hidden > sweepMaxHidden {
		return []KernelFamily{KernelsWavefront}
	}
	return []KernelFamily{KernelsWavefront, KernelsSweep}
}

func TestRecurrent(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	for _, cell := range nn.Cells {
		for axes := 1; axes <= 4; axes++ {
			for _, hidden := range []int{1, 7, 16, 32, 33, 130} {
				for _, clip := range []float64{0, 0.01} {
					if (axes > 2 || hidden == 130) && (clip == 0) == (cell == nn.CellLayerNorm) || testing.Short() && hidden != 7 && hidden*axes != 33 {
						continue // half the cases are enough there; -short is for the checking builds, which take a hundred times as long
					}
					name := fmt.Sprintf("%s/D=%d/H=%d/clip=%v", cell, axes, hidden, clip)
					t.Run(name, func(t *testing.T) {
						for _, family := range families(axes, hidden) {
							r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
								cell: cell, shapes: unequal[axes], directions: several(axes), inputs: 2, hidden: hidden,
								forgetBias: 0.3, clip: clip, moreRows: 3, moreWavefronts: 1, moreSamples: 1, kernels: family,
							}))
							r.run()
							r.check()
						}
					})
				}
			}
		}
	}
}

// TestRecurrentTiles has wavefronts of more rows than a tile of any kernel, and
// hidden sizes around the limits between kernels.
func TestRecurrentTiles(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	shapes := slices.Repeat([]grid.Shape{{3, 3}, {2, 5}}, 14)
	sizes := []int{5, waveWide - 1, waveWide, waveSplit + 1}
	if testing.Short() {
		shapes, sizes = shapes[:14], []int{2, waveWide}
	}
	for _, cell := range nn.Cells {
		for _, hidden := range sizes {
			t.Run(fmt.Sprintf("%s/H=%d", cell, hidden), func(t *testing.T) {
				r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
					cell: cell, shapes: shapes, directions: []string{"+-"}, inputs: 1, hidden: hidden, clip: 0.05,
				}))
				r.run()
				r.check()
			})
		}
	}
	t.Run("8 axes", func(t *testing.T) {
		r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
			cell: nn.CellStable, shapes: []grid.Shape{{1, 2, 1, 2, 1, 1, 2, 1}}, directions: []string{"+-+-+--+"}, inputs: 1, hidden: 9,
		}))
		r.run()
		r.check()
	})
}

// TestRecurrentTurns has wavefronts of one sample that a sweep takes in several
// turns.
func TestRecurrentTurns(t *testing.T) {
	t.Setenv("MDLSTM_EMU_ARCH", "90") // Turing's 64 KiB of shared memory are too small for the second
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	cases := map[int][]grid.Shape{14: {{33, 34}, {2, 1}}, 18: {{17, 18}, {2, 1}}}
	if testing.Short() {
		delete(cases, 14)
	}
	for hidden, shapes := range cases {
		for _, cell := range nn.Cells {
			t.Run(fmt.Sprintf("%s/H=%d", cell, hidden), func(t *testing.T) {
				r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
					cell: cell, shapes: shapes, directions: []string{"-+"}, inputs: 1, hidden: hidden, clip: 0.05, kernels: KernelsSweep,
				}))
				r.run()
				r.check()
			})
		}
	}
}

// TestRecurrentLimits runs the sides of the sweeps' limits that no other test
// does: 17 hidden units, the first of 32 lanes a row, and the last and first
// number of wavefronts that shared memory has room for and has not. TestRecurrent
// has 16, 32 and 33 hidden units, and the grids of TestRecurrentTurns have
// wavefronts of a turn's rows and of one more.
func TestRecurrentLimits(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	run := func(name string, x recurrentCase) {
		t.Run(name, func(t *testing.T) {
			x.inputs, x.clip = 1, 0.05
			r := newRecurrentRun(t, c, k, newTruth(t, x))
			r.run()
			r.check()
		})
	}
	for _, cell := range nn.Cells {
		for _, family := range families(2, 17) {
			run(fmt.Sprintf("%s/H=17/%s", cell, family), recurrentCase{
				cell: cell, shapes: unequal[2], directions: []string{"+-"}, hidden: 17, kernels: family})
		}
	}
	base := recurrentCase{cell: nn.CellLayerNorm, shapes: []grid.Shape{{3}, {5}}, directions: []string{"-"}, hidden: 7, kernels: KernelsSweep}
	fits := func(more int) bool {
		s := RecurrentShape{Cell: base.cell, Axes: 1, Hidden: base.hidden, Directions: 1, Rows: 8, Wavefronts: 5 + more, Samples: 2, Wave: 2, Kernels: KernelsSweep}
		_, err := k.NewRecurrent(s)
		if err != nil && !strings.Contains(err.Error(), "shared memory") {
			t.Fatal(err)
		}
		return err == nil
	}
	more := sort.Search(1<<20, func(n int) bool { return !fits(n) }) - 1
	if more < 1000 || !fits(more) || fits(more+1) {
		t.Fatalf("room for %d wavefronts", 5+more)
	}
	base.moreWavefronts = more
	run("all of shared memory", base)
	base.moreWavefronts, base.kernels = more+1, KernelsAuto
	run("a wavefront beyond", base)
}

// bits is everything that a run leaves for others, for the batch's rows.
func (r *recurrentRun) bits() map[string][]float32 {
	out := map[string][]float32{}
	gh, rows := r.gateCount()*r.hidden, r.sched.Rows
	out["h"] = r.h.Values()[:rows*len(r.directions)*r.hidden]
	for q := range r.directions {
		out[fmt.Sprint("dz ", q)] = r.gates.Values()[q*r.rows*gh:][:rows*gh]
	}
	for name, b := range r.grads {
		out[name] = b.Values()
	}
	return out
}

// TestRecurrentSameBits: neither the order of blocks and threads nor room that is
// not used changes a bit.
func TestRecurrentSameBits(t *testing.T) {
	shapes := slices.Repeat([]grid.Shape{{3, 3}, {2, 4}}, 9)
	for _, cell := range nn.Cells {
		for hidden, family := range map[int]KernelFamily{6: KernelsWavefront, 70: KernelsWavefront, 7: KernelsSweep} {
			base := recurrentCase{
				cell: cell, shapes: shapes, directions: []string{"+-", "-+"}, inputs: 1, hidden: hidden, clip: 0.05, kernels: family,
			}
			roomy := base
			roomy.moreRows, roomy.moreWavefronts, roomy.moreSamples, roomy.moreWave = 500, 2, 5, 500
			var first map[string][]float32
			for i, run := range []recurrentCase{base, base, roomy} {
				t.Run(fmt.Sprintf("%s/H=%d/%d", cell, hidden, i), func(t *testing.T) {
					t.Setenv("MDLSTM_EMU_SEED", fmt.Sprint(i))
					c := gputest.Open(t)
					r := newRecurrentRun(t, c, newRecurrentKernels(t, c), newTruth(t, run))
					r.run()
					got := r.bits()
					if first == nil {
						first = got
					}
					for name, want := range first {
						if !slices.Equal(got[name], want) {
							t.Errorf("%s has other bits", name)
						}
					}
				})
			}
		}
	}
}

// TestRecurrentChoice walks over the limits between the families of kernels.
func TestRecurrentChoice(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	seed := RecurrentShape{
		Cell: nn.CellLayerNorm, Axes: 2, Hidden: 16, Directions: 1, Rows: 1024, Wavefronts: 15, Samples: 16, Wave: 128,
	}
	for _, x := range []struct {
		name   string
		change func(*RecurrentShape)
		sweeps bool
		err    string // with KernelsSweep
	}{
		{"the seed's experiment", func(*RecurrentShape) {}, true, ""},
		{"17 hidden units", func(s *RecurrentShape) { s.Hidden = 17 }, false, ""},
		{"32 hidden units, 1 axis", func(s *RecurrentShape) { s.Axes, s.Hidden, s.Wave = 1, 32, 16 }, true, ""},
		{"33 hidden units", func(s *RecurrentShape) { s.Hidden = 33 }, false, "at most"},
		{"3 axes", func(s *RecurrentShape) { s.Axes = 3 }, false, "at most"},
		{"one huge sample", func(s *RecurrentShape) { s.Rows, s.Wavefronts, s.Samples, s.Wave = 1000*1000, 1999, 1, 1000 }, false, "shared memory"},
		{"long lines", func(s *RecurrentShape) { s.Axes, s.Wavefronts, s.Rows, s.Wave = 1, 40000, 640000, 16 }, false, "shared memory"},
		{"more samples change nothing", func(s *RecurrentShape) { s.Rows, s.Samples, s.Wave = 64000, 1000, 8000 }, true, ""},
		{"an unknown family", func(s *RecurrentShape) { s.Kernels = "waves" }, false, "kernels"},
		{"an unknown cell", func(s *RecurrentShape) { s.Cell = "lstm" }, false, "cell"},
		{"9 axes", func(s *RecurrentShape) { s.Axes = 9 }, false, "D is 9"},
		{"a wavefront beyond the rows", func(s *RecurrentShape) { s.Wave = s.Rows + 1 }, false, "rows of a wavefront"},
		{"no hidden units", func(s *RecurrentShape) { s.Hidden = 0 }, false, "H is 0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := seed
			x.change(&s)
			if r, err := k.NewRecurrent(s); err == nil && r.family() != KernelsCluster && r.Sweeps() != x.sweeps {
				t.Errorf("sweeps: %v, want %v", r.Sweeps(), x.sweeps)
			} else if err != nil && x.err == "" {
				t.Error(err)
			}
			if s.Kernels == "" {
				s.Kernels = KernelsSweep
			}
			r, err := k.NewRecurrent(s)
			switch {
			case x.err == "" && (err != nil || !r.Sweeps()):
				t.Errorf("sweep asked for: %v", err)
			case x.err != "" && (!errors.Is(err, ErrShape) || !strings.Contains(err.Error(), x.err)):
				t.Errorf("got %v, want a refusal about %q", err, x.err)
			}
			s.Kernels = KernelsWavefront
			if r, err := k.NewRecurrent(s); err == nil && r.Sweeps() {
				t.Error("wavefront asked for, and it sweeps")
			}
		})
	}
	r, err := k.NewRecurrent(seed)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Forward(stream, &RecurrentArgs{}, 0, true); !errors.Is(err, ErrShape) {
		t.Errorf("Forward without arrays: %v", err)
	}
	if err := r.Backward(stream, &RecurrentArgs{}, 0); !errors.Is(err, ErrShape) {
		t.Errorf("Backward without arrays: %v", err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

// TestRecurrentZeroInput: with nothing in, layer norm's gain is 316 in every
// norm; clamped errors keep the gradients finite.
func TestRecurrentZeroInput(t *testing.T) {
	c := gputest.Open(t)
	k := newRecurrentKernels(t, c)
	for _, cell := range nn.Cells {
		for _, family := range families(2, 5) {
			r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
				cell: cell, shapes: []grid.Shape{{8, 8}}, directions: []string{"++"}, inputs: 1, hidden: 5, clip: 1, zero: true, scale: 1e-9,
				kernels: family,
			}))
			r.run()
			for name, v := range r.bits() {
				for i, x := range v {
					if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
						t.Fatalf("%s, %s: %s[%d] = %v", cell, family, name, i, x)
					}
				}
			}
		}
	}
}
