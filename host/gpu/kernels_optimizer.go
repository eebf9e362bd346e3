package gpu

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/kernels"
)

// OptimizerArgs are the arguments of Adam and SGD (see
// kernels/optimizer.cu): n parameters.
type OptimizerArgs struct {
	Grad    cuda.Address // [N] the arena; Adam and SGD overwrite it with zeros
	Partial cuda.Address // [kernels.PartialRows, kernels.NormBlocks(N)] scratch; not where [kernels.OneBlock]
	Hyper   cuda.Address // [kernels.HyperLength] lr, momentum, clip, scale
	Step    cuda.Address // [1] int32, updates counted from 1; Adam only
	W, M, V cuda.Address // [N] parameters and moments; SGD has no M
	Packed  cuda.Address // copies of the parameters, kept up to date; 0: none
	Places  cuda.Address // int32 [N, 2] where in Packed, from [Places]
	Result  cuda.Address // [kernels.ResultLength] norm, finite
	N       int
}

const optimizerThreads = 256

// Places says where each of n parameters, which begin at w, goes when jobs pack
// them: the table [n, 2] for OptimizerArgs, and the address that its entries
// count from. With it Adam and SGD keep the copies up to date themselves, and
// [Kernels.Pack] is needed only after the host has set the parameters. A
// parameter may have two copies at most, all of them within 2³¹ values.
func Places(jobs []PackJob, w cuda.Address, n int) (places []int32, packed cuda.Address, err error) {
	for i, j := range jobs {
		if i == 0 || j.To < packed {
			packed = j.To
		}
	}
	places = make([]int32, 2*n)
	for i := range places {
		places[i] = -1
	}
	for _, j := range jobs {
		from, to := int64(j.From-w)/4, int64(j.To-packed)/4
		for c := range j.elements {
			at := from + c
			if at < 0 || at >= int64(n) || to > math.MaxInt32 {
				return nil, 0, fmt.Errorf("%w: parameter %d of %d goes to %d: want one of them, and a place below 2³¹", ErrShape, at, n, to)
			}
			free := 2 * at
			if places[free] >= 0 {
				free++
			}
			if places[free] >= 0 {
				return nil, 0, fmt.Errorf("%w: parameter %d has more than two copies", ErrShape, at)
			}
			places[free] = int32(to)
			to++
		}
	}
	return places, packed, nil
}

// elements yields where in From the elements of To come from, in To's order.
func (j PackJob) elements(yield func(int64) bool) {
	n, s := j.Sizes, j.Strides
	for a := range n[0] {
		for b := range n[1] {
			for c := range n[2] {
				for d := range n[3] {
					if !yield(int64(a)*int64(s[0]) + int64(b)*int64(s[1]) + int64(c)*int64(s[2]) + int64(d)*int64(s[3])) {
						return
					}
				}
			}
		}
	}
}

// updateBlocks is the grid of Adam and SGD: enough to fill any device. The bits
// do not depend on it.
func updateBlocks(n int) int { return min(blocksOf(n, optimizerThreads), 1024) }

// norm queues the partial sums of the gradients' norm.
func (k *Kernels) norm(s *cuda.Stream, a OptimizerArgs) error {
	blocks := kernels.NormBlocks(a.N)
	return k.launch(s, "gradient_norm", cuda.Dim{X: blocks}, 0, ptr(a.Grad), ptr(a.Partial), i32(a.N), i32(blocks))
}

// checked holds the arguments that both optimizers share against what they need.
func (a *OptimizerArgs) checked(name string) *sizes {
	c := checking(name).positive("N", a.N).present("Hyper", a.Hyper).present("Grad", a.Grad).
		present("W", a.W).present("V", a.V).present("Result", a.Result)
	if !kernels.OneBlock(a.N) {
		c.present("Partial", a.Partial)
	}
	if a.Packed != 0 {
		c.present("Places", a.Places)
	}
	return c
}

// Adam queues an update: one launch for few parameters ([kernels.OneBlock]),
// else the norm and the update.
func (k *Kernels) Adam(s *cuda.Stream, a OptimizerArgs) error {
	if c := a.checked("adam").present("Step", a.Step).present("M", a.M); c.err != nil {
		return c.err
	}
	if kernels.OneBlock(a.N) {
		return k.launch(s, "adam_small", cuda.Dim{X: 1}, 0, ptr(a.Hyper), ptr(a.Step), ptr(a.Grad),
			ptr(a.W), ptr(a.M), ptr(a.V), ptr(a.Packed), ptr(a.Places), ptr(a.Result), i32(a.N))
	}
	if err := k.norm(s, a); err != nil {
		return err
	}
	return k.launch(s, "adam", cuda.Dim{X: updateBlocks(a.N)}, 0, ptr(a.Partial), ptr(a.Hyper), ptr(a.Step), ptr(a.Grad),
		ptr(a.W), ptr(a.M), ptr(a.V), ptr(a.Packed), ptr(a.Places), ptr(a.Result), i32(a.N), i32(kernels.NormBlocks(a.N)))
}

// SGD queues an update, as Adam does.
func (k *Kernels) SGD(s *cuda.Stream, a OptimizerArgs) error {
	if c := a.checked("sgd"); c.err != nil {
		return c.err
	}
	if kernels.OneBlock(a.N) {
		return k.launch(s, "sgd_small", cuda.Dim{X: 1}, 0, ptr(a.Hyper), ptr(a.Grad), ptr(a.W), ptr(a.V),
			ptr(a.Packed), ptr(a.Places), ptr(a.Result), i32(a.N))
	}
	if err := k.norm(s, a); err != nil {
		return err
	}
	return k.launch(s, "sgd", cuda.Dim{X: updateBlocks(a.N)}, 0, ptr(a.Partial), ptr(a.Hyper), ptr(a.Grad), ptr(a.W), ptr(a.V),
		ptr(a.Packed), ptr(a.Places), ptr(a.Result), i32(a.N), i32(kernels.NormBlocks(a.N)))
}
