package gpu

import (
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/kernels"
)

// OptimizerArgs are the arguments of GradientNorm, Adam and SGD (see
// kernels/optimizer.cu): n parameters.
type OptimizerArgs struct {
	Grad    cuda.Address // [N] the arena; Adam and SGD overwrite it with zeros
	Partial cuda.Address // [kernels.PartialRows, kernels.NormBlocks(N)] scratch
	Hyper   cuda.Address // [kernels.HyperLength] lr, momentum, clip, scale
	Step    cuda.Address // [1] int32, updates counted from 1; Adam only
	W, M, V cuda.Address // [N] parameters and moments; SGD has no M
	Result  cuda.Address // [kernels.ResultLength] norm, finite
	N       int
}

const optimizerThreads = 256

// updateBlocks is the grid of Adam and SGD: enough to fill any device. The bits
// do not depend on it.
func updateBlocks(n int) int { return min(blocksOf(n, optimizerThreads), 1024) }

// GradientNorm queues the partial sums of the gradients' norm.
func (k *Kernels) GradientNorm(s *cuda.Stream, a OptimizerArgs) error {
	c := checking("gradient_norm").positive("N", a.N).present("Grad", a.Grad).present("Partial", a.Partial)
	if c.err != nil {
		return c.err
	}
	blocks := kernels.NormBlocks(a.N)
	return k.launch(s, "gradient_norm", cuda.Dim{X: blocks}, 0, ptr(a.Grad), ptr(a.Partial), i32(a.N), i32(blocks))
}

// Adam queues the update that uses what GradientNorm left in Partial.
func (k *Kernels) Adam(s *cuda.Stream, a OptimizerArgs) error {
	c := checking("adam").positive("N", a.N).present("Partial", a.Partial).present("Hyper", a.Hyper).present("Step", a.Step).
		present("Grad", a.Grad).present("W", a.W).present("M", a.M).present("V", a.V).present("Result", a.Result)
	if c.err != nil {
		return c.err
	}
	return k.launch(s, "adam", cuda.Dim{X: updateBlocks(a.N)}, 0, ptr(a.Partial), ptr(a.Hyper), ptr(a.Step), ptr(a.Grad),
		ptr(a.W), ptr(a.M), ptr(a.V), ptr(a.Result), i32(a.N), i32(kernels.NormBlocks(a.N)))
}

// SGD queues the update that uses what GradientNorm left in Partial.
func (k *Kernels) SGD(s *cuda.Stream, a OptimizerArgs) error {
	c := checking("sgd").positive("N", a.N).present("Partial", a.Partial).present("Hyper", a.Hyper).
		present("Grad", a.Grad).present("W", a.W).present("V", a.V).present("Result", a.Result)
	if c.err != nil {
		return c.err
	}
	return k.launch(s, "sgd", cuda.Dim{X: updateBlocks(a.N)}, 0, ptr(a.Partial), ptr(a.Hyper), ptr(a.Grad), ptr(a.W), ptr(a.V),
		ptr(a.Result), i32(a.N), i32(kernels.NormBlocks(a.N)))
}
