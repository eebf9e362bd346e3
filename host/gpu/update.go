package gpu

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/kernels"
)

// Where the scalars of an update lie, in words: on the device without the
// result.
const (
	wordHyper   = 0
	wordStep    = wordHyper + kernels.HyperLength
	wordResult  = wordStep + 1
	updateWords = wordResult + kernels.ResultLength
)

// maxUpdates bounds the count of updates: kernels have it in 32 bits.
const maxUpdates = math.MaxInt32

// Update applies the arena's gradients. See [engine.Engine].
func (e *Engine) Update(u engine.Update) (engine.UpdateResult, error) {
	if u.Optimizer != engine.Adam && u.Optimizer != engine.SGD {
		return engine.UpdateResult{}, fmt.Errorf("optimizer %q: want %q or %q", u.Optimizer, engine.Adam, engine.SGD)
	}
	if err := e.open(); err != nil {
		return engine.UpdateResult{}, err
	}
	if e.updates+1 >= maxUpdates {
		return engine.UpdateResult{}, fmt.Errorf("%w: %d updates are the most", engine.ErrData, maxUpdates-1)
	}
	if u.Scale == 0 {
		u.Scale = 1
	}
	host := cuda.Slice[float32](e.pinned)
	host[wordHyper+kernels.HyperLR] = float32(u.LR)
	host[wordHyper+kernels.HyperMomentum] = float32(u.Momentum)
	host[wordHyper+kernels.HyperClip] = float32(u.Clip)
	host[wordHyper+kernels.HyperScale] = float32(u.Scale)
	cuda.Slice[int32](e.pinned)[wordStep] = int32(e.updates + 1)
	if err := e.pack(); err != nil { // the optimizer renews what it changes: nothing where it stops
		return engine.UpdateResult{}, err
	}
	if err := e.launchUpdate(u.Optimizer); err != nil {
		return engine.UpdateResult{}, err
	}
	if err := e.stream.Wait(); err != nil {
		return engine.UpdateResult{}, err
	}
	r := engine.UpdateResult{
		Norm:   float64(host[wordResult+kernels.ResultNorm]),
		Finite: host[wordResult+kernels.ResultFinite] == 1,
	}
	if r.Finite {
		e.updates++
	}
	return r, nil
}

// launchUpdate queues scalars to the device, the update as one graph, recorded at
// its first use, and its result to the host.
func (e *Engine) launchUpdate(o engine.Optimizer) error {
	q, m := e.stream, e.block.memory
	if err := q.Upload(m, 4*e.scalars.at, e.pinned, 0, 4*e.scalars.n); err != nil {
		return err
	}
	if e.graphs[o] == nil {
		g, err := e.c.Capture("update "+string(o), q, func(q *cuda.Stream) error { return e.recordUpdate(q, o) })
		if err != nil {
			return err
		}
		e.graphs[o] = g
	}
	if err := e.graphs[o].Launch(q); err != nil {
		return err
	}
	return q.Download(e.pinned, 4*wordResult, m, 4*e.result.at, 4*kernels.ResultLength)
}

// recordUpdate queues the optimizer, which keeps the packed weights up to date.
func (e *Engine) recordUpdate(q *cuda.Stream, o engine.Optimizer) error {
	a := OptimizerArgs{
		Grad: e.grads.address(), Partial: e.normParts.address(),
		Hyper: e.scalars.address() + 4*wordHyper, Step: e.scalars.address() + 4*wordStep,
		W: e.params.address(), M: e.moment.address(), V: e.square.address(), Result: e.result.address(), N: e.model.Size(),
	}
	if e.places != nil {
		a.Packed, a.Places = e.packedAt, e.places.Address()
	}
	if o == engine.SGD {
		return e.kernels.SGD(q, a)
	}
	return e.kernels.Adam(q, a)
}
