package gpu

import (
	"sort"

	"mdlstm-gpu/host/grid"
)

// recurrentKernels are the families of kernels that a layer may run. Each batch
// runs the one that suits its own shapes, whatever room the plan has, so that it
// gives the same bits in every plan.
type recurrentKernels struct {
	waves, sweeps *Recurrent // one may be missing
	chosen        *Recurrent // for the batch loaded last
}

// newRecurrentKernels makes the families that were not ruled out for a layer
// with the room of its plan. Asking for sweeps where they cannot run is an error
// that wraps [ErrShape].
func (k *Kernels) newRecurrentKernels(s RecurrentShape, asked KernelFamily) (r recurrentKernels, err error) {
	if asked != KernelsSweep {
		s.Kernels = KernelsWavefront
		if r.waves, err = k.NewRecurrent(s); err != nil {
			return r, err
		}
	}
	r.chosen = r.waves
	if asked == KernelsWavefront || asked == KernelsAuto && !k.limitSweep(&s) {
		return r, nil
	}
	s.Kernels = KernelsSweep
	if r.sweeps, err = k.NewRecurrent(s); r.waves == nil {
		r.chosen = r.sweeps
	}
	return r, err
}

// limitSweep cuts a shape down to the most wavefronts that fit the sweep kernels
// of the device, and is false when no batch would run them.
func (k *Kernels) limitSweep(s *RecurrentShape) bool {
	fits := func(waves int) (sweep, error) {
		one := *s
		one.Wavefronts, one.Wave = waves, s.Rows
		return newSweep(&one, k.c.Device())
	}
	least, err := fits(1)
	if err != nil || !least.pays(&RecurrentShape{Axes: s.Axes, Directions: s.Directions, Samples: 1, Wave: 1}) {
		return false
	}
	s.Wavefronts = sort.Search(s.Wavefronts, func(i int) bool {
		_, err := fits(i + 1)
		return err != nil
	})
	return true
}

// choose takes the family for a batch.
func (r *recurrentKernels) choose(b *grid.Schedule) {
	if r.sweeps == nil || r.waves == nil {
		return
	}
	shape := r.sweeps.shape
	shape.Samples, shape.Wave = b.Samples, 0
	for t := range b.Wavefronts {
		from, to := b.Range(t, 0, b.Samples)
		shape.Wave = max(shape.Wave, to-from)
	}
	r.chosen = r.waves
	if b.Wavefronts <= r.sweeps.shape.Wavefronts && r.sweeps.sweep.pays(&shape) {
		r.chosen = r.sweeps
	}
}

// partialLength is room for the sums of either family.
func (r *recurrentKernels) partialLength() (n int) {
	for _, k := range []*Recurrent{r.waves, r.sweeps} {
		if k != nil {
			n = max(n, k.PartialLength())
		}
	}
	return n
}
