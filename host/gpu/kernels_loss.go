package gpu

import (
	"math"

	"mdlstm-gpu/host/cuda"
)

// LossArgs are the arguments of the losses (kernels/loss.cu): U units.
type LossArgs struct {
	RowsArgs
	Units int

	// Out [·, Units] are the head's outputs: after its activation for mse; logits
	// for the other two, which overwrite rows 0 … T-1 with the outputs.
	Out    cuda.Address
	Target cuda.Address // [·, Units] in row order; classes: int32 [·], -1 where ignored
	Weight cuda.Address // classes: [Units] class weights; 0: all 1

	Relevant         cuda.Address // mse: int32 rows; 0 when RelevantCapacity is
	RelevantCapacity int          // most relevant rows of a batch

	Control cuda.Address // int32 [LossControls]
	Scale   cuda.Address // [1] 1/normaliser
	Grad    cuda.Address // [·, Units] gradient at the head's pre-activation (=); 0: none wanted
	// Sums [SumBlocks() + RelevantBlocks()] (=): their totals are the loss and,
	// from SumBlocks on, the relevant loss. Add them in float64.
	Sums cuda.Address

	Activation Activation // mse: the head's
}

// What the losses read from Control.
const (
	ControlTargets  = 0 // 1: the batch has targets; 0: only outputs are wanted, and Grad is left as it was
	ControlRelevant = 1 // how many relevant rows
	LossControls    = 2
)

// lossRows is kLossRows in kernels/loss.cu.
const lossRows = 256

// SumBlocks is how many values of Sums add up to the loss.
func (a LossArgs) SumBlocks() int { return blocksOf(a.Capacity, lossRows) }

// RelevantBlocks is how many values of Sums, behind those, add up to the
// relevant loss.
func (a LossArgs) RelevantBlocks() int { return blocksOf(a.RelevantCapacity, lossRows) }

func (a LossArgs) checkLoss(kernel string) *sizes {
	return a.check(kernel, a.Units, lossRows).present("Out", a.Out).present("Control", a.Control).present("Scale", a.Scale).
		present("Sums", a.Sums).present("Target", a.Target)
}

// LossMSE queues the squared errors, the relevant ones among them, and the
// gradient.
func (k *Kernels) LossMSE(s *cuda.Stream, a LossArgs) error {
	c := a.checkLoss("loss_mse").within("RelevantCapacity", a.RelevantCapacity, 0, math.MaxInt32).
		within("Activation", int(a.Activation), int(Linear), int(Sigmoid))
	if a.RelevantCapacity > 0 {
		c.present("Relevant", a.Relevant)
	}
	if c.err != nil {
		return c.err
	}
	grid := cuda.Dim{X: a.SumBlocks() + a.RelevantBlocks()}
	return k.launch(s, "loss_mse", grid, 0, ptr(a.Out), ptr(a.Target), ptr(a.Relevant), ptr(a.Control), ptr(a.Scale), ptr(a.Grad),
		ptr(a.Sums), ptr(a.Rows), i32(a.Units), i32(int(a.Activation)), i32(a.SumBlocks()))
}

// LossBinary queues the binary cross-entropy of logits, their sigmoid and the
// gradient.
func (k *Kernels) LossBinary(s *cuda.Stream, a LossArgs) error {
	if c := a.checkLoss("loss_binary"); c.err != nil {
		return c.err
	}
	return k.launch(s, "loss_binary", cuda.Dim{X: a.SumBlocks()}, 0, ptr(a.Out), ptr(a.Target), ptr(a.Control), ptr(a.Scale),
		ptr(a.Grad), ptr(a.Sums), ptr(a.Rows), i32(a.Units))
}

// LossClasses queues the cross-entropy of logits, their softmax and the
// gradient.
func (k *Kernels) LossClasses(s *cuda.Stream, a LossArgs) error {
	if c := a.checkLoss("loss_classes"); c.err != nil {
		return c.err
	}
	return k.launch(s, "loss_classes", cuda.Dim{X: a.SumBlocks()}, 0, ptr(a.Out), ptr(a.Target), ptr(a.Weight), ptr(a.Control),
		ptr(a.Scale), ptr(a.Grad), ptr(a.Sums), ptr(a.Rows), i32(a.Units))
}

// SlopeArgs are the arguments of [Kernels.Slope].
type SlopeArgs struct {
	RowsArgs
	Grad, Out  cuda.Address // [·, Units] gradient at the activation's value, overwritten (=); its values
	Units      int
	Activation Activation
}

// Slope queues grad *= activation'(out) for a dense layer's backward pass. A
// linear one needs none.
func (k *Kernels) Slope(s *cuda.Stream, a SlopeArgs) error {
	c := a.check("slope_rows", a.Units).within("Activation", int(a.Activation), int(Linear), int(Sigmoid)).
		present("Grad", a.Grad).present("Out", a.Out)
	if c.err != nil || a.Activation == Linear {
		return c.err
	}
	rows, grid := a.split(a.Units)
	return k.launch(s, "slope_rows", grid, 0, ptr(a.Grad), ptr(a.Out), ptr(a.Rows), i32(a.Units), i32(int(a.Activation)), i32(rows))
}
