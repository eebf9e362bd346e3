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
	w := sweep{lanes: 16, line: 1}
	if s.Hidden > 16 {
		w.lanes = 32
	}
	if s.Axes > sweepMaxAxes || s.Hidden > sweepMaxHidden {
		return w, fmt.Errorf("%w: sweep kernels have at most %d axes and %d hidden units, the layer has %d and %d",
			ErrShape, sweepMaxAxes, sweepMaxHidden, s.Axes, s.Hidden)
	}
	if s.Axes == 2 {
		// n_0 + n_1 - 1 wavefronts; the largest has min(n_0, n_1) rows.
		w.line = min(s.Wave, (s.Wavefronts+1)/2)
	}
	weights := s.Axes * w.lanes * s.gates() * w.lanes
	w.forward = 4 * (weights + 4*(w.line+1)*(w.lanes+4) + 2*s.Wavefronts)
	w.backward = 4 * (weights + sweepThreads*s.gates() + 4*s.Axes*(w.line+1)*w.lanes + 2*s.Wavefronts + 4)
	if need := max(w.forward, w.backward); need > device.SharedPerBlockOptin {
		return w, fmt.Errorf("%w: sweep kernels need %s of shared memory for %d wavefronts of up to %d rows a sample, the device has %s",
			ErrShape, cuda.FormatBytes(int64(need)), s.Wavefronts, w.line, cuda.FormatBytes(int64(device.SharedPerBlockOptin)))
	}
	return w, nil
}

// chooseSweep says whether a layer runs the sweep kernels: when they were asked
// for, or can and pay. Asked for where they cannot is an error.
func chooseSweep(s *RecurrentShape, device *cuda.Device) (sweep, bool, error) {
	switch s.Kernels {
	case KernelsWavefront:
		return sweep{}, false, nil
	case KernelsSweep, KernelsAuto:
		w, err := newSweep(s, device)
		if s.Kernels == KernelsSweep {
			return w, true, err
		}
		return w, err == nil && w.pays(s), nil
	}
	return sweep{}, false, fmt.Errorf("%w: kernels %q: want %q or %q", ErrShape, s.Kernels, KernelsWavefront, KernelsSweep)
}

// pays says whether a sweep is faster than a launch a wavefront. It knows the
// layer only, not the plan's room, so that a batch has the same bits in every
// plan in which the sweep's shared memory fits. A turn of rows takes about 0.6 µs
// and a launch about 3.5 µs (modelled): sweeps win while a multiprocessor has up
// to six turns a wavefront, samples of 192 rows across or six times as many
// samples and directions as multiprocessors, and lose little beyond.
func (w sweep) pays(s *RecurrentShape) bool {
	// Weights of 40 KiB, read from shared memory once a row, are no faster than a
	// launch.
	return w.lanes == 16 || s.Axes == 1
}

// sweepKernel is the name of a sweep kernel of this layer.
func (r *Recurrent) sweepKernel(what string) string {
	return fmt.Sprintf("sweep_%s_%s_%d_%d", r.shape.Cell, what, r.shape.Axes, r.sweep.lanes)
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
	list := []cuda.Argument{ptr(a.Start), ptr(a.Pred), ptr(a.Input), ptr(a.HHT), ptr(a.H), ptr(a.Gates), ptr(a.Cell), ptr(a.TanhCell)}
	switch q.Cell {
	case nn.CellLayerNorm:
		list = append(list, ptr(a.Hat), ptr(a.CellHat), ptr(a.Inverse), ptr(p.GateWeight), ptr(p.GateBias), ptr(p.CellWeight), ptr(p.CellBias))
	case nn.CellGraves:
		list = append(list, ptr(p.PeepholeF), ptr(p.PeepholeI), ptr(p.PeepholeO))
	}
	return r.k.launch(s, r.sweepKernel("forward"), cuda.Dim{X: q.Samples, Y: q.Directions}, r.sweep.forward,
		slices.Concat(list, r.sweepStretch(begin, end), []cuda.Argument{i32(keep)}, r.sweepSizes(), []cuda.Argument{f32(float64(q.ForgetBias))})...)
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
	return r.k.launch(s, r.sweepKernel("backward"), cuda.Dim{X: q.Samples, Y: q.Directions}, r.sweep.backward,
		slices.Concat(list, r.sweepStretch(begin, end), r.sweepSizes(), []cuda.Argument{f32(r.clip)})...)
}
