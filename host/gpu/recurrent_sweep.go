package gpu

import (
	"fmt"
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// Sizes that sweep.cuh has too.
const (
	sweepMaxAxes   = 2
	sweepMaxHidden = 32
	sweepThreads   = 512
)

// sweep is how a layer runs as one launch a pass: a block a sample and
// direction.
type sweep struct {
	lanes             int // of a row: H rounded up to 16 or 32
	line              int // M, room for the rows of one sample in a wavefront
	forward, backward int // bytes of shared memory
}

// newSweep sizes the sweep kernels of a layer, and says why they cannot run it.
func newSweep(s *RecurrentShape, device *cuda.Device) (sweep, error) {
	if s.Axes > sweepMaxAxes || s.Hidden > sweepMaxHidden {
		return sweep{}, fmt.Errorf("%w: sweep kernels have at most %d axes and %d hidden units, the layer has %d and %d",
			ErrShape, sweepMaxAxes, sweepMaxHidden, s.Axes, s.Hidden)
	}
	w := sizeSweep(s)
	return w, w.fits(KernelsSweep, s, device)
}

// sizeSweep is what the sweep and cluster kernels take for a layer.
func sizeSweep(s *RecurrentShape) sweep {
	w := sweep{lanes: 16, line: 1}
	if s.Hidden > 16 {
		w.lanes = 32
	}
	switch s.Axes {
	case 2:
		// n_0 + n_1 - 1 wavefronts; the largest has min(n_0, n_1) rows.
		w.line = min(s.Wave, (s.Wavefronts+1)/2)
	case 3:
		w.line = room{rows: s.Wave, waves: s.Wavefronts, samples: 1}.largestWave(s.Axes)
	}
	weights := s.Axes * w.lanes * s.gates() * w.lanes
	w.forward = 4 * (weights + 4*(w.line+1)*(w.lanes+4) + 2*s.Wavefronts)
	w.backward = 4 * (weights + sweepThreads*s.gates() + 4*s.Axes*(w.line+1)*w.lanes + 2*s.Wavefronts + 4)
	return w
}

// fits is an error where a block has too little shared memory.
func (w sweep) fits(family KernelFamily, s *RecurrentShape, device *cuda.Device) error {
	if need := max(w.forward, w.backward); need > device.SharedPerBlockOptin {
		return fmt.Errorf("%w: %s kernels need %s of shared memory for %d wavefronts of up to %d rows a sample, the device has %s",
			ErrShape, family, cuda.FormatBytes(int64(need)), s.Wavefronts, w.line, cuda.FormatBytes(int64(device.SharedPerBlockOptin)))
	}
	return nil
}

// sweepKernel is the name of a sweep or cluster kernel of this layer.
func (r *Recurrent) sweepKernel(what string) string {
	return fmt.Sprintf("%s_%s_%s_%d_%d", r.family(), r.shape.Cell, what, r.shape.Axes, r.sweep.lanes)
}

// launchSweep queues a pass, forward or backward.
func (r *Recurrent) launchSweep(s *cuda.Stream, what string, shared int, list []cuda.Argument) error {
	grid := cuda.Dim{X: r.shape.Samples * r.blocks, Y: r.shape.Directions}
	if r.blocks > 1 {
		return r.k.launchCluster(s, r.sweepKernel(what), grid, r.blocks, shared, list...)
	}
	return r.k.launch(s, r.sweepKernel(what), grid, shared, list...)
}

// sweepSizes are the sizes that both passes take.
func (r *Recurrent) sweepSizes() []cuda.Argument {
	q := &r.shape
	return []cuda.Argument{i32(q.Wavefronts), i32(q.Samples), i32(q.Rows), i32(q.Hidden), i32(r.sweep.line)}
}

// sweepStretch are the parameters of a stretch that both passes take.
func (r *Recurrent) sweepStretch(begin, end int) []cuda.Argument {
	x := r.shape.Stretch.arguments(&r.shape, begin)
	return append([]cuda.Argument{x[0], i32(end)}, x[1:]...)
}

func (r *Recurrent) sweepForward(s *cuda.Stream, a *RecurrentArgs, begin, end, keep int) error {
	q, p := &r.shape, &a.Params
	list := []cuda.Argument{ptr(a.Start), ptr(a.Pred), ptr(a.Succ), ptr(a.Input), ptr(a.HHT), ptr(a.H), ptr(a.Gates), ptr(a.Cell), ptr(a.TanhCell)}
	switch q.Cell {
	case nn.CellLayerNorm:
		list = append(list, ptr(a.Hat), ptr(a.CellHat), ptr(a.Inverse), ptr(p.GateWeight), ptr(p.GateBias), ptr(p.CellWeight), ptr(p.CellBias))
	case nn.CellGraves:
		list = append(list, ptr(p.PeepholeF), ptr(p.PeepholeI), ptr(p.PeepholeO))
	}
	return r.launchSweep(s, "forward", r.sweep.forward,
		slices.Concat(list, r.sweepStretch(begin, end), []cuda.Argument{i32(keep)}, r.sweepSizes(), []cuda.Argument{f32(float64(q.ForgetBias))}))
}

func (r *Recurrent) sweepBackward(s *cuda.Stream, a *RecurrentArgs, begin, end int) error {
	q, p := &r.shape, &a.Params
	list := []cuda.Argument{ptr(a.Start), ptr(a.Pred), ptr(a.Succ), ptr(a.Input), ptr(a.HHB), ptr(a.DH), ptr(a.Gates), ptr(a.Cell), ptr(a.TanhCell),
		ptr(a.DHPred), ptr(a.DCPred)}
	switch q.Cell {
	case nn.CellLayerNorm:
		list = append(list, ptr(a.Hat), ptr(a.CellHat), ptr(a.Inverse), ptr(p.GateWeight), ptr(p.CellWeight), ptr(a.Partial), ptr(a.Sums))
	case nn.CellGraves:
		list = append(list, ptr(p.PeepholeF), ptr(p.PeepholeI), ptr(p.PeepholeO), ptr(a.Partial), ptr(a.Sums))
	}
	return r.launchSweep(s, "backward", r.sweep.backward,
		slices.Concat(list, r.sweepStretch(begin, end), r.sweepSizes(), []cuda.Argument{f32(r.clip)}))
}
