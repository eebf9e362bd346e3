package gpu

import (
	"fmt"
	"math"
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// KernelFamily chooses how mdlstm layers are computed.
type KernelFamily string

// The families of recurrent kernels.
const (
	KernelsAuto      KernelFamily = ""          // a function of the shape
	KernelsWavefront KernelFamily = "wavefront" // a launch a wavefront, two for large layers
	KernelsSweep     KernelFamily = "sweep"     // one launch a layer and pass
	KernelsCluster   KernelFamily = "cluster"   // a sweep with each sample cut over the blocks of a cluster
)

// RecurrentShape is all that decides which kernels an mdlstm layer runs and how
// large their grids are: the layer, and the capacity of its plan.
type RecurrentShape struct {
	Cell       string // one of nn.Cells
	Axes       int    // D, 1 … 8
	Hidden     int    // H
	Directions int    // R
	ForgetBias float32
	Clip       float32 // bound of the errors at h and c; 0 = off

	Rows       int // C, rows that the arrays have room for
	Wavefronts int // most wavefronts of a batch: as many launches are queued
	Samples    int // most samples of a batch
	// Wave is the most rows that a wavefront of any batch may have. It sizes grids
	// and, without stretches, DHPred and DCPred.
	Wave int

	Kernels   KernelFamily
	Precision Precision // of products
	Stretch   Stretch   // zero: everything is kept
	// Blocks is how many blocks a cluster has, 2, 4 or 8; 0 is as many as the model
	// takes for fastest. Other families have none.
	Blocks int
}

// gates is G.
func (s *RecurrentShape) gates() int { return s.Axes + 3 }

// RecurrentTensors are the parameters that only some cells have, or their
// gradients: where each begins on the device, 0 where the cell has none.
type RecurrentTensors struct {
	GateWeight, GateBias            cuda.Address // layernorm [R, G, H]
	CellWeight, CellBias            cuda.Address // layernorm [R, H]
	PeepholeF, PeepholeI, PeepholeO cuda.Address // graves [R, D, H], [R, H], [R, H]
}

// RecurrentArgs are the device arrays of one mdlstm layer: C rows of room, R
// directions, D axes, H hidden, G = D+3 gates; float32 but for the tables. Row C
// is the row of zeros: it is zero in H and Cell, and stays so. The arrays from
// Gates to Inverse have other rows where there are stretches: see [Stretch].
type RecurrentArgs struct {
	// Tables of the schedule, int32.
	Wave       cuda.Address // [Wavefronts+1] first row of each wavefront, T from the last one on
	Pred, Succ cuda.Address // [D, C] row of the neighbour, C where there is none
	Input      cuda.Address // [R, C+1] row of the cell that a row stands for; entry C is C
	// Start is for sweep kernels only, [Wavefronts, Samples+1]: the first row of each
	// sample in each wavefront. Behind the last sample stands the wavefront's end,
	// in wavefronts that do not exist T.
	Start cuda.Address

	H, DH cuda.Address // [C+1, R·H] outputs at the cells' rows (=), and their gradient from the layer above

	Gates    cuda.Address // [R, C, G·H] W_ih·x + bias; forward leaves the gates, backward dz
	Cell     cuda.Address // [R, C+1, H] c (=)
	TanhCell cuda.Address // [R, C, H] what the output gate multiplies, for leakylp h (=); layernorm's backward uses it up
	Hat      cuda.Address // [R, C, G·H] normalised gates (=); this and the next two layernorm only
	CellHat  cuda.Address // [R, C, H] normalised cells (=)
	Inverse  cuda.Address // [R, C, G+1] 1/deviation of every norm, the cell's last (=)
	// What the rows of a wavefront leave for the h and c of their predecessors (=),
	// those of two wavefronts in turns, and the row of zeros behind them:
	// [R, LeftRows+1, D·H]; 0 where LeftRows is.
	DHPred, DCPred cuda.Address

	HHT cuda.Address // [R, D·H, G·H] weight_hh for forward: [q, d·H+j, n] is weight_hh[q, d, n, j]
	HHB cuda.Address // [R, G·H, D·H] weight_hh for backward: [q, n, d·H+j] is weight_hh[q, d, n, j]

	Params RecurrentTensors
	Grads  RecurrentTensors // += by ReduceJobs

	Partial cuda.Address // [PartialLength] scratch between Backward and ReduceJobs
	Sums    cuda.Address // [SumsLength] scratch of Backward between two stretches
}

// Recurrent computes the wavefronts of one mdlstm layer of one plan. What comes
// before and after (input projection, gradients of weights and inputs) are
// products of [Kernels].
type Recurrent struct {
	k     *Kernels
	shape RecurrentShape
	clip  float64

	sweep  sweep
	sweeps bool // the sweep kernels run, or the cluster kernels
	blocks int  // of a cluster; 1: none

	// The wavefront kernels.
	wide   bool // 64 × 128 tiles, else 32 × 64
	split  bool // products and equations in launches of their own
	tensor bool // products on tensor cores
	units  int  // hidden units of a block in one launch, forward
	slots  int  // blocks along x, each with its own sums over rows
	shared int
}

// Sizes that wave.cuh has too.
const (
	waveMaxAxes   = 8
	waveMaxSlots  = 256 // blocks along the rows: no batch's sums depend on room that it does not use
	waveSplit     = 128 // hidden units of the largest layer whose blocks see whole rows
	waveWide      = 64  // hidden units from which the large tile pays
	waveCellRows  = 16  // rows of a tile of wave_<cell>_gates and _dgates
	waveCellUnits = 64
	waveBusy      = 132 // blocks that keep a large device busy
)

// tile is rows and columns of the products' tiles, and the shared memory of
// their kernels in bytes.
func (r *Recurrent) tile() (rows, columns, shared int) {
	rows, columns = 32, 64
	if r.wide {
		rows, columns = 64, 128
	}
	const depth = 16
	return rows, columns, 4 * (waveMaxAxes*rows + 2*depth*(rows+4+columns))
}

// NewRecurrent chooses the kernels of a layer and loads them. Errors wrap
// [ErrShape] when the layer is beyond what they can do.
func (k *Kernels) NewRecurrent(s RecurrentShape) (*Recurrent, error) {
	r, err := k.newRecurrent(s)
	if err != nil {
		return nil, err
	}
	return r, k.Load(r.files()...)
}

// newRecurrent is NewRecurrent without loading anything.
func (k *Kernels) newRecurrent(s RecurrentShape) (*Recurrent, error) {
	if !slices.Contains(nn.Cells, s.Cell) {
		return nil, fmt.Errorf("%w: cell %q: want one of %v", ErrShape, s.Cell, nn.Cells)
	}
	c := checking("wave_"+s.Cell).within("D", s.Axes, 1, waveMaxAxes).positive("H", s.Hidden).
		within("R", s.Directions, 1, maxGridYZ).positive("C", s.Rows).within("wavefronts", s.Wavefronts, 1, math.MaxInt32-1).
		positive("samples", s.Samples).within("rows of a wavefront", s.Wave, 1, s.Rows).
		product("G·H·D", s.gates(), s.Hidden, s.Axes, s.Directions).product("R·C", s.Directions, s.Rows+1)
	if c.err != nil {
		return nil, c.err
	}
	r := &Recurrent{k: k, shape: s, clip: math.Inf(1)}
	if s.Clip > 0 {
		r.clip = float64(s.Clip)
	}
	if c = s.Stretch.check(&s, c); c.err != nil {
		return nil, c.err
	}
	pick, err := chooseKernels(&s, k.c.Device())
	if err != nil {
		return nil, err
	}
	r.sweep, r.sweeps, r.blocks = pick.sweep, pick.family != KernelsWavefront, pick.blocks
	if r.sweeps {
		r.slots = s.Samples
		return r, nil
	}
	r.tensor = s.Precision.of(s.Hidden).tensor()
	r.wide, r.split = s.Hidden >= waveWide, s.Hidden > waveSplit || r.tensor
	rows, columns, shared := r.tile()
	r.shared = shared
	if r.split {
		rows = waveCellRows
	}
	r.slots = min(blocksOf(s.Wave, rows), waveMaxSlots)
	r.units = s.Hidden
	if s.Cell != nn.CellLayerNorm && r.slots*s.Directions < waveBusy {
		// Few rows: blocks share out the units too, a tile of columns each.
		r.units = max(1, min(s.Hidden, columns/s.gates()))
	}
	return r, nil
}

// Kernels names the kernels that Forward and Backward launch.
func (r *Recurrent) Kernels() []string {
	if r.sweeps {
		return []string{r.sweepKernel("forward"), r.sweepKernel("backward")}
	}
	var names []string
	if r.splitForward() {
		names = append(names, r.products("wave_products"), r.kernel("gates"))
	} else {
		names = append(names, r.kernel("forward"))
	}
	if r.split {
		return append(names, r.kernel("dgates"), r.products("wave_dproducts"))
	}
	return append(names, r.kernel("backward"))
}

// family is the family that runs.
func (r *Recurrent) family() KernelFamily {
	switch {
	case r.blocks > 1:
		return KernelsCluster
	case r.sweeps:
		return KernelsSweep
	}
	return KernelsWavefront
}

// variant tells launches apart that a graph records.
func (r *Recurrent) variant() string {
	return fmt.Sprintf("%s×%d/%d", r.Kernels()[0], r.blocks, r.shape.Stretch.Waves)
}

// files are the modules of the layer's kernels.
func (r *Recurrent) files() []string {
	switch {
	case r.blocks > 1:
		return []string{"cluster_" + r.shape.Cell}
	case r.sweeps:
		return []string{"sweep_" + r.shape.Cell}
	case r.tensor:
		return []string{"wave_mma", "wave_" + r.shape.Cell}
	}
	return []string{"wave", "wave_" + r.shape.Cell}
}

// Sweeps says whether a stretch is one launch.
func (r *Recurrent) Sweeps() bool { return r.sweeps }

// kernel is the name of a kernel of this cell and tile.
func (r *Recurrent) kernel(what string) string {
	name := "wave_" + r.shape.Cell + "_" + what
	if r.wide && (what == "forward" || what == "backward") {
		name += "_wide"
	}
	return name
}

// splitForward: only layer norm needs whole rows before its gates; products on
// tensor cores are always by themselves, so that their blocks are many.
func (r *Recurrent) splitForward() bool {
	return r.split && r.shape.Cell == nn.CellLayerNorm || r.tensor
}

// products is the name of the kernel of products by themselves.
func (r *Recurrent) products(name string) string {
	if r.tensor {
		return name + r.shape.Precision.suffix()
	}
	return name
}

// productGrid is the grid of wave_products or wave_dproducts for so many
// columns, and the shared memory in bytes.
func (r *Recurrent) productGrid(width int) (cuda.Dim, int) {
	rows, columns, shared := new(Recurrent).tile()
	if r.tensor {
		shared = 4*waveMaxAxes*mmaRows + mmaShared(mmaRows, mmaColumns, true)
		return cuda.Dim{X: blocksOf(r.shape.Wave, mmaRows), Y: blocksOf(width, mmaColumns), Z: r.shape.Directions}, shared
	}
	return cuda.Dim{X: min(blocksOf(r.shape.Wave, rows), waveMaxSlots), Y: blocksOf(width, columns), Z: r.shape.Directions}, shared
}

// sums lists the lengths of what a direction sums over its rows by block, in the
// order of the kernels.
func (r *Recurrent) sums() (lengths [4]int) {
	h := r.shape.Hidden
	switch r.shape.Cell {
	case nn.CellLayerNorm:
		return [4]int{r.shape.gates() * h, r.shape.gates() * h, h, h}
	case nn.CellGraves:
		return [4]int{r.shape.Axes * h, h, h, 0}
	}
	return lengths
}

// sumsOf is the length of a block's sums.
func (r *Recurrent) sumsOf() int {
	l := r.sums()
	return l[0] + l[1] + l[2] + l[3]
}

// PartialLength is the number of floats of RecurrentArgs.Partial; 0 for cells
// that need none.
func (r *Recurrent) PartialLength() int { return r.shape.Directions * r.slots * r.sumsOf() }

// Forward queues the wavefronts of stretch i. Gates holds their input projection
// when it begins. With keep it leaves behind what the stretches around it need:
// it is wanted in the first pass over them.
func (r *Recurrent) Forward(s *cuda.Stream, a *RecurrentArgs, i int, keep bool) error {
	if err := r.check(a, false); err != nil {
		return err
	}
	begin, end := r.shape.stretch(i)
	if begin == end {
		return nil // beyond the room of these kernels, and so of the batch
	}
	keeps := -1
	if keep && i < r.shape.Stretch.kept() {
		keeps = i
	}
	if r.sweeps {
		return r.sweepForward(s, a, begin, end, keeps)
	}
	for t := begin; t < end; t++ {
		keep := -1
		if t == end-1 {
			keep = keeps
		}
		if err := r.forward(s, a, t, keep); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recurrent) forward(s *cuda.Stream, a *RecurrentArgs, t, keep int) error {
	q, x := &r.shape, &r.shape.Stretch
	stretch := x.arguments(q, t)
	common := []cuda.Argument{ptr(a.Wave), ptr(a.Pred), ptr(a.Input), ptr(a.HHT), ptr(a.H), ptr(a.Gates)}
	sizes := []cuda.Argument{i32(q.Rows), i32(q.Hidden), i32(q.Axes)}
	grid, name, shared, units := cuda.Dim{X: r.slots, Y: blocksOf(q.Hidden, r.units), Z: q.Directions}, r.kernel("forward"), r.shared, r.units
	if r.splitForward() {
		products, bytes := r.productGrid(q.gates() * q.Hidden)
		if err := r.k.launch(s, r.products("wave_products"), products, bytes, slices.Concat(common, []cuda.Argument{i32(t), stretch[0], stretch[1]}, sizes)...); err != nil {
			return err
		}
		name, shared, units = r.kernel("gates"), 0, r.cellUnits()
		grid.Y = blocksOf(q.Hidden, units)
	}
	common = append(common, ptr(a.Cell), ptr(a.TanhCell))
	p := &a.Params
	switch q.Cell {
	case nn.CellLayerNorm:
		common = append(common, ptr(a.Hat), ptr(a.CellHat), ptr(a.Inverse), ptr(p.GateWeight), ptr(p.GateBias), ptr(p.CellWeight), ptr(p.CellBias))
	case nn.CellGraves:
		common = append(common, ptr(p.PeepholeF), ptr(p.PeepholeI), ptr(p.PeepholeO))
	}
	return r.k.launch(s, name, grid, shared, slices.Concat(common, []cuda.Argument{i32(t)}, stretch, []cuda.Argument{i32(keep)}, sizes, []cuda.Argument{i32(units), f32(float64(q.ForgetBias))})...)
}

// cellUnits is how many units a block of wave_<cell>_gates and _dgates takes:
// layer norm sees whole rows.
func (r *Recurrent) cellUnits() int {
	if r.shape.Cell == nn.CellLayerNorm {
		return r.shape.Hidden
	}
	return waveCellUnits
}

// Backward queues the wavefronts of stretch i from the last to the first, after
// those of stretch i+1 and on what Forward left of them. DH holds the gradient of
// H when it begins.
func (r *Recurrent) Backward(s *cuda.Stream, a *RecurrentArgs, i int) error {
	if err := r.check(a, true); err != nil {
		return err
	}
	begin, end := r.shape.stretch(i)
	if begin == end {
		return nil
	}
	if r.sweeps {
		return r.sweepBackward(s, a, begin, end)
	}
	for t := end - 1; t >= begin; t-- {
		if err := r.backward(s, a, t); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recurrent) backward(s *cuda.Stream, a *RecurrentArgs, t int) error {
	q := &r.shape
	list := []cuda.Argument{ptr(a.Wave), ptr(a.Pred), ptr(a.Succ), ptr(a.Input), ptr(a.HHB), ptr(a.DH), ptr(a.Gates), ptr(a.Cell),
		ptr(a.TanhCell), ptr(a.DHPred), ptr(a.DCPred)}
	stretch := q.Stretch.arguments(q, t)
	sizes := []cuda.Argument{i32(q.Rows), i32(q.Hidden), i32(q.Axes)}
	grid, name, shared, units := cuda.Dim{X: r.slots, Y: 1, Z: q.Directions}, r.kernel("backward"), r.shared, q.Hidden
	if r.split {
		name, shared, units = r.kernel("dgates"), 0, r.cellUnits()
		grid.Y = blocksOf(q.Hidden, units)
	}
	p := &a.Params
	end := []cuda.Argument{i32(units), f32(r.clip)}
	zero := 0
	if t == q.Wavefronts-1 {
		zero = 1
	}
	switch q.Cell {
	case nn.CellLayerNorm:
		list = append(list, ptr(a.Hat), ptr(a.CellHat), ptr(a.Inverse), ptr(p.GateWeight), ptr(p.CellWeight), ptr(a.Partial))
		end = append(end, i32(zero))
	case nn.CellGraves:
		list = append(list, ptr(p.PeepholeF), ptr(p.PeepholeI), ptr(p.PeepholeO), ptr(a.Partial))
		end = append(end, i32(zero))
	}
	if err := r.k.launch(s, name, grid, shared, slices.Concat(list, []cuda.Argument{i32(t)}, stretch, sizes, end)...); err != nil || !r.split {
		return err
	}
	grid, bytes := r.productGrid(q.Axes * q.Hidden)
	return r.k.launch(s, r.products("wave_dproducts"), grid, bytes,
		slices.Concat([]cuda.Argument{ptr(a.Wave), ptr(a.HHB), ptr(a.Gates), ptr(a.DHPred), i32(t)}, stretch[:3], sizes[1:])...)
}

// ReduceJobs are the jobs that end the gradients of norms and peepholes: they
// add what Backward leaves in Partial to Grads. Other cells have none.
func (r *Recurrent) ReduceJobs(a *RecurrentArgs) []ReduceJob {
	g := &a.Grads
	to := [4]cuda.Address{g.GateWeight, g.GateBias, g.CellWeight, g.CellBias}
	if r.shape.Cell == nn.CellGraves {
		to = [4]cuda.Address{g.PeepholeF, g.PeepholeI, g.PeepholeO, 0}
	}
	var jobs []ReduceJob
	stride := r.sumsOf()
	for q := range r.shape.Directions {
		from := a.Partial + cuda.Address(4*q*r.slots*stride)
		for i, n := range r.sums() {
			if n > 0 {
				jobs = append(jobs, ReduceJob{From: from, To: to[i] + cuda.Address(4*q*n), Count: n, Slots: r.slots, Stride: stride})
			}
			from += cuda.Address(4 * n)
		}
	}
	return jobs
}

// check wants the arrays of a pass.
func (r *Recurrent) check(a *RecurrentArgs, backward bool) error {
	c := checking(r.shape.Cell).present("Wave", a.Wave).present("Pred", a.Pred).present("Input", a.Input).
		present("Gates", a.Gates).present("Cell", a.Cell).present("TanhCell", a.TanhCell)
	if r.sweeps {
		c.present("Start", a.Start)
	}
	if r.sweeps || backward {
		c.present("Succ", a.Succ)
	}
	if backward {
		c.present("DH", a.DH).present("HHB", a.HHB)
		if r.LeftRows() > 0 {
			c.present("DHPred", a.DHPred).present("DCPred", a.DCPred)
		}
		if r.sumsOf() > 0 {
			c.present("Partial", a.Partial)
		}
		if r.SumsLength() > 0 {
			c.present("Sums", a.Sums)
		}
	} else {
		c.present("H", a.H).present("HHT", a.HHT)
	}
	switch p := &a.Params; r.shape.Cell {
	case nn.CellLayerNorm:
		c.present("Hat", a.Hat).present("CellHat", a.CellHat).present("Inverse", a.Inverse).
			present("GateWeight", p.GateWeight).present("GateBias", p.GateBias).
			present("CellWeight", p.CellWeight).present("CellBias", p.CellBias)
	case nn.CellGraves:
		c.present("PeepholeF", p.PeepholeF).present("PeepholeI", p.PeepholeI).present("PeepholeO", p.PeepholeO)
	}
	return c.err
}
