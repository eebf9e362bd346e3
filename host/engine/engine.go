package engine

import (
	"context"
	"errors"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
)

// Engine holds one model on one device: its parameters, one flat arena of
// gradients in the order of [nn.Model.Params], and the optimizer's moments.
// Gradients of several plans and several batches add into the same arena until
// [Engine.Update] or [Engine.ZeroGradients] clears it.
//
// An engine and its plans are for one goroutine at a time.
type Engine interface {
	// Info says what computes here.
	Info() Info
	// Model is the model given when the engine was made.
	Model() *nn.Model

	// Plan returns a plan whose buffers hold a batch of these samples, taking
	// one that was made before when it is large enough. Samples are shapes of
	// the input grid, before the model's view. The capacity is the least room
	// that a new plan gets; the zero Capacity asks for just these samples. All
	// memory is taken here: an error that wraps [ErrMemory] or [ErrShape] means
	// that nothing was computed. A plan stays valid until the engine makes
	// [PlanLimit] other ones or is closed.
	Plan(samples []grid.Shape, capacity Capacity) (Plan, error)

	// Parameters copies the parameters into dst, SetParameters copies src into
	// the parameters; both have length Model().Size().
	Parameters(dst []float32) error
	SetParameters(src []float32) error

	// Gradients copies the arena into dst; SetGradients overwrites the arena
	// (as an all-reduce does); ZeroGradients clears it.
	Gradients(dst []float32) error
	SetGradients(src []float32) error
	ZeroGradients() error

	// Update applies the arena's gradients to the parameters and clears the
	// arena. When a gradient is not finite it changes neither parameters nor
	// moments, leaves the arena for [FindNonFinite], and says so in the result.
	Update(u Update) (UpdateResult, error)

	// Moments copies the optimizer's state into m and v (SGD uses only v, the
	// velocity; Adam both), each of length Model().Size(), and returns how many
	// updates were applied. SetMoments is its inverse.
	Moments(m, v []float32) (updates int64, err error)
	SetMoments(m, v []float32, updates int64) error

	// Buckets lists the ranges of the arena in the order in which a Gradients
	// call completes them: an all-reduce of one may run while later ones are
	// still being computed.
	Buckets() []Bucket

	// Reduce gives a range of the arena, [from, to), to r once it is complete: what
	// that leaves there are the gradients. The range comes in the memory where it
	// lies when r can take that, else in the host's.
	Reduce(from, to int, r Reducer) error

	// Close frees everything. The engine and its plans may not be used after.
	Close() error
}

// Plan holds the buffers and schedules for batches within a capacity.
type Plan interface {
	// Load copies a batch in and returns the weight of its targets: how many
	// (cell, unit) pairs count for mse and binary_cross_entropy, how many cells
	// for cross_entropy, or the sum of the class weights used; 0 when the batch
	// has no targets. Errors wrap [ErrShape] (lengths, room) or [ErrData] (NaN
	// or infinity in x, a class outside the model's).
	Load(b *Batch) (weight float64, err error)

	// Gradients runs forward and backward on the loaded batch and adds
	// ∂(loss sum / normaliser)/∂parameter into the engine's arena.
	Gradients(p Pass) (Loss, error)

	// Predict runs forward without dropout and copies the head's outputs, after
	// its activation, into out: [cells of the output grid, units] in packed
	// order; nil copies nothing. Loss is zero without targets.
	Predict(out []float32) (Loss, error)

	// FindNonFinite names the first value that is not finite after Gradients or
	// Predict, layer by layer in the order of computation, then in the arena
	// from the last layer to the first: "layer 0 gate f_1", "gradient of
	// layers.0.weight_hh gate i", "loss". It returns "" when all is finite.
	FindNonFinite() (string, error)

	// Bytes is the memory that the plan holds, in total and for each row of the
	// input grid.
	Bytes() (total int64, perRow float64)
}

// Capacity is room for a batch, counted on the grid after the model's view and
// before its first layer. Deeper layers get room in proportion.
type Capacity struct {
	Rows       int // cells of all samples
	Wavefronts int
	Samples    int

	// Predict asks for a plan that need only predict: Gradients may refuse, with
	// an error that wraps [ErrShape], and FindNonFinite may name no more than the
	// layer. Its outputs and losses are the bits of any other plan's. An engine
	// may keep less for it (host/cpu: neither gates nor gradients, and beyond the
	// machine's memory a mapped temporary file) or serve it with an ordinary plan
	// (host/gpu does).
	Predict bool
}

// Batch is what a step works on. Cells are in packed order: sample after
// sample, row-major inside each (see package grid).
type Batch struct {
	Samples []grid.Shape // of the input grid, before the model's view
	X       []float32    // [cells, K]

	// Targets on the output grid: Y [output cells, units] for mse (NaN does not
	// count) and binary_cross_entropy, Class [output cells] for cross_entropy
	// (ignore_index does not count). Both nil when there are none.
	Y     []float32
	Class []int32

	// Relevant holds packed output cells whose squared error, a mean over units,
	// is summed by itself; nil when the task has none. mse only.
	Relevant []int32

	// First numbers the batch's first sample in the run; it keys dropout.
	First int64
}

// Pass says how one Gradients call is to be computed.
type Pass struct {
	// Normaliser divides the loss sum before it is differentiated: the weight of
	// the whole, global batch. 0 means the loaded batch's own weight.
	Normaliser float64
	// Seed and Step key the dropout masks.
	Seed uint64
	Step int64
}

// Loss is what a forward pass measured. Means are Sum/Weight and
// Relevant/RelevantCount, pooled over as many batches or ranks as were added.
type Loss struct {
	Sum, Weight   float64
	Relevant      float64 // sum over relevant cells of their mean squared error
	RelevantCount float64
}

// Add pools another loss into l.
func (l *Loss) Add(m Loss) {
	l.Sum += m.Sum
	l.Weight += m.Weight
	l.Relevant += m.Relevant
	l.RelevantCount += m.RelevantCount
}

// Optimizer names an update rule.
type Optimizer string

// The update rules, as in Kingma and Ba 2015 (β 0.9, 0.999, ε 1e-8, after bias
// correction) and v = μv + g, w -= lr·v.
const (
	Adam Optimizer = "adam"
	SGD  Optimizer = "sgd"
)

// Update says how gradients become a step.
type Update struct {
	Optimizer Optimizer
	LR        float64
	Momentum  float64 // SGD's μ
	Clip      float64 // largest global L2 norm of all gradients; 0 = off
	// Scale multiplies the gradients first; 0 means 1.
	Scale float64
}

// UpdateResult is what Update found.
type UpdateResult struct {
	Norm   float64 // global L2 norm after Scale, before clipping
	Finite bool    // false: nothing was changed
}

// Bucket is a range of the arena, [From, To), and when it is complete.
type Bucket struct {
	From, To int
	// Ready waits until the newest Gradients call has written the range.
	Ready func(ctx context.Context) error
}

// Reducer replaces gradients by their sum over the ranks of a training, see
// package dist.
type Reducer interface {
	Reduce(values []float32) error
	// Device says whether ReduceDevice works, which is Reduce for n float32 in a
	// GPU's memory.
	Device() bool
	ReduceDevice(address uintptr, n int) error
}

// Info says what computes: for config.json, reports and `info`.
type Info struct {
	Engine   string            // "cpu", "gpu"
	Device   string            // the processor's or the GPU's name
	Settings map[string]string // what decides the bits: blas, vector unit, kernels …
}

// PlanLimit is how many plans an engine keeps.
const PlanLimit = 4

// Sentinels that callers branch on with errors.Is.
var (
	ErrShape  = grid.ErrShape // so that both packages' refusals are one kind
	ErrData   = errors.New("bad value")
	ErrMemory = machine.ErrMemory
)
