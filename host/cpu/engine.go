package cpu

import (
	"fmt"
	"runtime"

	"gonum.org/v1/gonum/blas/gonum"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
)

// Options choose how an engine computes. The zero value is the fastest that the
// build and the processor have, and as many workers as GOMAXPROCS.
type Options struct {
	BLAS     BLAS   // nil = products of our own where the processor has AVX2 and FMA, gonum elsewhere
	BLASName string // for Info
	Threads  int    // 0 = GOMAXPROCS
	Scalar   bool   // leave the vector kernels out

	// Recompute the gates of mdlstm layers in the backward pass instead of keeping
	// them: a small part of the memory for about a third more time.
	Recompute bool

	// Plans that only predict put layers' inputs and outputs into a temporary file
	// when they do not fit into memory: Temp is its folder, "" = os.TempDir().
	// Memory is how many bytes count as fitting, 0 = what is free.
	Temp   string
	Memory int64

	set  string // instruction set of our own products; tests choose
	part int64  // bytes of a part; tests choose
}

// builtIn is how Info calls the products of our own, with the instruction set
// behind it.
const builtIn = "builtin"

// BuiltIn names the products of our own as Info does, "" where the processor has
// none of the instruction sets that they are written for: gonum's take their
// place.
func BuiltIn() string {
	if sets := instructionSets(); len(sets) > 0 {
		return builtIn + " " + sets[0]
	}
	return ""
}

// Gonum is gonum's BLAS, the portable choice for Options.BLAS.
func Gonum() (b BLAS, name string) { return gonum.Implementation{}, "gonum" }

// Engine computes a model on the CPU. See [engine.Engine].
type Engine struct {
	model   *nn.Model
	options Options
	sets    []*kernels // the widest first
	kernels *kernels   // the widest, for arrays of any length
	pool    *pool
	alone   *pool // one worker: whoever calls
	grids   *grid.Cache
	plans   []*plan // newest use last

	params, grads  []float32
	moment, square []float32 // Adam's m and v; SGD's velocity is square
	updates        int64

	adam      adamStep
	updateJob func(task, worker int)
	normJob   func(task, worker int)
	norms     []float64
	version   int64 // of the parameters, so that plans know when to pack them
}

var _ engine.Engine = (*Engine)(nil)

// bytesPerParameter is what an engine keeps of each parameter: itself, its
// gradient, two moments, and two packed copies in a plan, all float32.
const bytesPerParameter = 24

// New makes an engine for m with all parameters zero. It refuses a model of
// more than 8 axes ([engine.ErrShape]), and one whose parameters alone do not fit into
// memory ([engine.ErrMemory]).
func New(m *nn.Model, o Options) (*Engine, error) {
	if o.Threads < 0 {
		return nil, fmt.Errorf("threads %d: must be 0 (all cores) or more", o.Threads)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if sets := instructionSets(); o.BLAS == nil && o.set == "" && len(sets) > 0 {
		o.set = sets[0]
	}
	if o.BLAS == nil {
		o.BLAS, o.BLASName = Gonum()
	}
	if o.set != "" {
		o.BLASName = builtIn + " " + o.set
	}
	e := &Engine{model: m, options: o, sets: kernelSets(), grids: grid.NewCache(4 * engine.PlanLimit)}
	if o.Scalar {
		e.sets = []*kernels{scalarKernels()}
	}
	e.kernels = e.sets[0]
	for i := range m.Stages {
		if a := m.Stages[i].Axes; a > maxAxes {
			return nil, fmt.Errorf("%w: %s has %d axes, at most %d are supported", engine.ErrShape, m.Stages[i].Name, a, maxAxes)
		}
	}
	n := m.Size()
	if need, free := int64(n)*bytesPerParameter, machine.FreeMemory(); free > 0 && need > free {
		return nil, fmt.Errorf("%w: a model of %d parameters needs %s before its first batch, %s are free: use fewer hidden units",
			engine.ErrMemory, n, machine.Size(need), machine.Size(free))
	}
	e.params, e.grads = make([]float32, n), make([]float32, n)
	e.moment, e.square = make([]float32, n), make([]float32, n)
	e.norms = make([]float64, chunksOf(n, updateValues))
	e.pool, e.alone = newPool(o.Threads), newPool(1)
	e.updateJob, e.normJob = e.updateRange, e.normRange
	return e, nil
}

// padded is P, the columns of a gate of so many units: whole vectors of the
// narrowest set.
func (e *Engine) padded(hidden int) int {
	width := e.sets[len(e.sets)-1].width
	return chunksOf(hidden, width) * width
}

func (e *Engine) newProducts() products {
	if e.options.set != "" {
		return newTiledProducts(e.options.set)
	}
	_, isGonum := e.options.BLAS.(gonum.Implementation)
	return &blasProducts{blas: e.options.BLAS, serial: isGonum}
}

// Info names the processor, the BLAS and the vector unit.
func (e *Engine) Info() engine.Info {
	return engine.Info{Engine: "cpu", Device: machine.Processor(), Settings: map[string]string{
		"blas":   e.options.BLASName,
		"vector": e.kernels.name,
	}}
}

// Model is the model given to New.
func (e *Engine) Model() *nn.Model { return e.model }

// Close stops the workers.
func (e *Engine) Close() error {
	e.pool.close()
	for _, p := range e.plans {
		p.free()
	}
	e.plans = nil
	return nil
}

func (e *Engine) sized(what string, s []float32) error {
	if len(s) != len(e.params) {
		return fmt.Errorf("%w: %s has %d values, the model has %d", engine.ErrShape, what, len(s), len(e.params))
	}
	return nil
}

// Parameters copies the parameters into dst.
func (e *Engine) Parameters(dst []float32) error { return e.copyOut("parameters", dst, e.params) }

// SetParameters copies src into the parameters.
func (e *Engine) SetParameters(src []float32) error {
	if err := e.sized("parameters", src); err != nil {
		return err
	}
	copy(e.params, src)
	e.version++
	return nil
}

// Gradients copies the arena into dst.
func (e *Engine) Gradients(dst []float32) error { return e.copyOut("gradients", dst, e.grads) }

// SetGradients overwrites the arena.
func (e *Engine) SetGradients(src []float32) error {
	if err := e.sized("gradients", src); err != nil {
		return err
	}
	copy(e.grads, src)
	return nil
}

// ZeroGradients clears the arena.
func (e *Engine) ZeroGradients() error {
	clear(e.grads)
	return nil
}

func (e *Engine) copyOut(what string, dst, src []float32) error {
	if err := e.sized(what, dst); err != nil {
		return err
	}
	copy(dst, src)
	return nil
}

// Moments copies the optimizer's state out.
func (e *Engine) Moments(m, v []float32) (int64, error) {
	if err := e.copyOut("first moments", m, e.moment); err != nil {
		return 0, err
	}
	return e.updates, e.copyOut("second moments", v, e.square)
}

// SetMoments replaces the optimizer's state.
func (e *Engine) SetMoments(m, v []float32, updates int64) error {
	if err := e.sized("first moments", m); err != nil {
		return err
	}
	if err := e.sized("second moments", v); err != nil {
		return err
	}
	if updates < 0 {
		return fmt.Errorf("%w: %d updates", engine.ErrData, updates)
	}
	copy(e.moment, m)
	copy(e.square, v)
	e.updates = updates
	return nil
}

// Reduce gives the arena itself to r.
func (e *Engine) Reduce(from, to int, r engine.Reducer) error {
	if from < 0 || to < from || to > len(e.grads) {
		return fmt.Errorf("%w: gradients %d … %d of %d", engine.ErrShape, from, to, len(e.grads))
	}
	return r.Reduce(e.grads[from:to])
}

// Buckets is one range: the CPU's gradients are complete when Gradients
// returns.
func (e *Engine) Buckets() []engine.Bucket {
	return []engine.Bucket{{From: 0, To: len(e.grads), Ready: ready}}
}
