package gpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/kernels"
)

// Options choose how an engine computes. The zero value is device 0 and the
// kernels that suit the shapes.
type Options struct {
	Device int // ordinal of the GPU
	// Context is an opened device to work on in place of Device; it stays open.
	Context *cuda.Context
	// Kernels forces a family of recurrent kernels; KernelsAuto is none.
	Kernels KernelFamily
	// Recompute the gates of mdlstm layers in the backward pass instead of keeping
	// them: less memory, more time; see stretches.go.
	Recompute bool
	// Precision is that of products; none is Float32.
	Precision Precision
	// Profile times the kernels, which makes steps slower: see [Engine.KernelTimes].
	Profile bool
}

// Engine computes a model on a GPU. See [engine.Engine].
type Engine struct {
	model   *nn.Model
	options Options
	c       *cuda.Context
	kernels *Kernels
	stream  *cuda.Stream // what is computed
	copies  *cuda.Stream // batches on their way to the device
	grids   *grid.Cache
	plans   []*plan // newest use last
	closed  bool

	block                         *block // the arrays below
	params, grads, moment, square array  // Adam's m and v; SGD's velocity is square
	scalars, normParts, result    array  // scalars: hyper and the number of the update
	classWeights                  array  // none when all are 1
	weights                       []weights
	packTable, places             *cuda.Memory
	packedAt                      cuda.Address // what places count from
	packing                       Jobs
	packed                        bool // the packed copies are those of params

	updates int64
	graphs  map[engine.Optimizer]*cuda.Graph
	pinned  *cuda.Pinned // the host's copy of scalars and result
	arena   *cuda.Pinned // the host's copy of grads; nil until Reduce needs it
}

var _ engine.Engine = (*Engine)(nil)

// maxAxes is the most axes of a layer that the kernels take.
const maxAxes = 8

// maxBytes stands for more memory than any device has.
const maxBytes = math.MaxInt64 / 4

// New makes an engine for m with all parameters zero. It takes the memory of
// everything but plans. Errors of a machine without a usable GPU, and of a
// binary without CUDA, wrap [cuda.ErrNoDevice].
func New(m *nn.Model, o Options) (*Engine, error) {
	switch o.Kernels {
	case KernelsAuto, KernelsWavefront, KernelsSweep, KernelsCluster:
	default:
		return nil, fmt.Errorf("kernels %q: want %q, %q, %q or none (auto)", o.Kernels, KernelsWavefront, KernelsSweep, KernelsCluster)
	}
	for i := range m.Stages {
		if a := m.Stages[i].Axes; a > maxAxes {
			return nil, fmt.Errorf("%s: %d axes, at most %d are supported", m.Stages[i].Name, a, maxAxes)
		}
	}
	e := &Engine{model: m, options: o, c: o.Context, grids: grid.NewCache(4 * engine.PlanLimit), graphs: map[engine.Optimizer]*cuda.Graph{}}
	var err error
	if e.c == nil {
		if e.c, err = cuda.Open(o.Device); err != nil {
			return nil, err
		}
	}
	if o.Profile {
		e.c.Profile()
	}
	if err := e.start(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// start loads the kernels and takes the arrays that live as long as the engine.
func (e *Engine) start() (err error) {
	e.kernels = NewKernels(e.c)
	if err := e.options.Precision.Usable(e.c.Device().Capability); err != nil {
		return fmt.Errorf("precision %q: %w", e.options.Precision, err)
	}
	if e.stream, err = e.c.NewStream(); err != nil {
		return err
	}
	if e.copies, err = e.c.NewStream(); err != nil {
		return err
	}
	n := e.model.Size()
	b := &block{}
	e.block = b
	e.params, e.grads, e.moment, e.square = b.take(n), b.take(n), b.take(n), b.take(n)
	e.scalars, e.result = b.take(kernels.HyperLength+1), b.take(kernels.ResultLength)
	e.normParts = b.take(kernels.PartialRows, kernels.NormBlocks(n))
	if w := e.model.Config.ClassWeights; w != nil {
		e.classWeights = b.take(len(w))
	}
	e.takeWeights()
	if err := b.alloc(e.c, "parameters", e.stream); err != nil {
		return memoryError("the model's parameters", err)
	}
	if e.pinned, err = e.c.AllocPinned("parameters", 4*updateWords); err != nil {
		return memoryError("the optimizer", err)
	}
	for _, a := range []array{e.params, e.grads, e.moment, e.square} {
		if err := a.clear(e.stream); err != nil {
			return err
		}
	}
	if err := e.stream.Wait(); err != nil {
		return err
	}
	if err := e.loadClassWeights(); err != nil {
		return err
	}
	if err := e.loadJobs(); err != nil {
		return memoryError("the model's parameters", err)
	}
	files := []string{"arena", "gemm", "head", "loss", "optimizer", "outer", "rows"}
	if e.options.Precision.tensor() {
		files = append(files, "gemm_mma", "outer_mma")
	}
	if e.options.Precision == BF16 {
		files = append(files, "store")
	}
	return e.kernels.Load(files...)
}

// memoryError says for what the device has no memory.
func memoryError(what string, err error) error {
	if errors.Is(err, cuda.OutOfMemory) {
		return fmt.Errorf("%w: %s: %w", engine.ErrMemory, what, err)
	}
	return err
}

func (e *Engine) loadClassWeights() error {
	w := make([]float32, len(e.model.Config.ClassWeights))
	for i, v := range e.model.Config.ClassWeights {
		w[i] = float32(v)
	}
	return e.put(e.classWeights, w)
}

// Info names the GPU and what decides the bits.
func (e *Engine) Info() engine.Info {
	d := e.c.Device()
	s := map[string]string{
		"capability": fmt.Sprintf("%d.%d", d.Capability/10, d.Capability%10),
		"driver":     fmt.Sprintf("CUDA %d.%d", d.Driver/1000, d.Driver%1000/10),
		"emulated":   strconv.FormatBool(d.Emulated),
		"ptx":        e.ptx(),
	}
	if p := e.options.Precision; p != "" && p != Float32 { // runs from before there was a choice do not name theirs
		s["precision"] = string(p)
	}
	for _, p := range e.plans {
		p.describe(s)
	}
	return engine.Info{Engine: "gpu", Device: d.Name, Settings: s}
}

// KernelTimes waits for the device and returns what each kernel took since it was
// called last; nil without Options.Profile. See [cuda.Context.Profile].
func (e *Engine) KernelTimes() ([]cuda.KernelTime, error) {
	if err := e.open(); err != nil || !e.options.Profile {
		return nil, err
	}
	return e.c.Profile().Take()
}

// ptx is the newest variant of PTX that was loaded.
func (e *Engine) ptx() string {
	newest := 0
	for _, v := range e.kernels.Variants() {
		newest = max(newest, v)
	}
	return fmt.Sprintf("compute_%d", newest)
}

// Model is the model given to New.
func (e *Engine) Model() *nn.Model { return e.model }

// Close waits for the device and frees everything; it closes the device unless
// it was given to New. A second Close does nothing.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	var errs []error
	for _, p := range e.plans {
		errs = append(errs, p.release())
	}
	e.plans = nil
	for _, g := range e.graphs {
		errs = append(errs, g.Close())
	}
	for _, s := range []*cuda.Stream{e.stream, e.copies} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	errs = append(errs, e.packTable.Free(), e.places.Free(), e.pinned.Free(), e.arena.Free())
	if e.block != nil {
		errs = append(errs, e.block.free())
	}
	errs = append(errs, e.kernels.Close())
	if e.options.Context == nil {
		errs = append(errs, e.c.Close())
	}
	if lost := e.c.Lost(); lost != nil {
		return lost // the cause of all the others
	}
	return errors.Join(errs...)
}

// Buckets is one range: the gradients are complete when the stream is idle.
func (e *Engine) Buckets() []engine.Bucket {
	return []engine.Bucket{{From: 0, To: e.model.Size(), Ready: func(ctx context.Context) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return e.stream.Wait()
	}}}
}
