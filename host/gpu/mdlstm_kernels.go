package gpu

import (
	"fmt"
	"sort"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
)

// recurrentKernels are the families of kernels that a layer may run. Each batch
// runs the one that suits its own shapes, whatever room the plan has, so that it
// gives the same bits in every plan.
type recurrentKernels struct {
	k             *Kernels
	asked         KernelFamily
	waves, sweeps *Recurrent   // missing where no batch runs them
	clusters      []*Recurrent // by blocks; none where layer or device have none. Loaded when chosen
	unable        error        // why there are none
	chosen        *Recurrent   // for the batch loaded last
	why           string
}

// newRecurrentKernels makes the families that were not ruled out for a layer
// with the room of its plan. Asking for sweeps or clusters where they cannot run
// is an error that wraps [ErrShape].
func (k *Kernels) newRecurrentKernels(s RecurrentShape, asked KernelFamily) (r recurrentKernels, err error) {
	r.k, r.asked = k, asked
	device := k.c.Device()
	of := func(asked KernelFamily) RecurrentShape {
		one := s
		one.Kernels = asked
		return one
	}
	sweeping := of(KernelsSweep)
	if asked == KernelsSweep || asked == KernelsAuto && limit(&sweeping, device, newSweep) && sizeSweep(&sweeping).pays(&sweeping) {
		if r.sweeps, err = k.NewRecurrent(sweeping); err != nil {
			return r, err
		}
	}
	covered := r.sweeps != nil && sweeping.Wavefronts == s.Wavefronts // all batches can be sweeps
	if asked == KernelsWavefront || asked == KernelsAuto && !covered {
		s.Kernels = KernelsWavefront
		if r.waves, err = k.NewRecurrent(s); err != nil {
			return r, err
		}
	}
	clustered := of(KernelsCluster)
	if r.unable = clusterCan(&clustered, device); asked == KernelsCluster || asked == KernelsAuto && r.unable == nil && limit(&clustered, device, newCluster) {
		for _, n := range clusterBlocks {
			clustered.Blocks = n
			c, err := k.newRecurrent(clustered)
			if err != nil {
				return r, err
			}
			r.clusters = append(r.clusters, c)
		}
	}
	for _, one := range append(r.clusters, r.sweeps, r.waves) {
		if one != nil {
			r.chosen = one
		}
	}
	return r, nil
}

// limit cuts a shape down to the most wavefronts that fit the shared memory of
// the device, and is false when not even one does.
func limit(s *RecurrentShape, device *cuda.Device, size func(*RecurrentShape, *cuda.Device) (sweep, error)) bool {
	fits := func(waves int) bool {
		one := *s
		one.Wavefronts, one.Wave = waves, s.Rows
		_, err := size(&one, device)
		return err == nil
	}
	s.Wavefronts = sort.Search(s.Wavefronts, func(i int) bool { return !fits(i + 1) })
	return s.Wavefronts > 0
}

// choose takes the family for a batch.
func (r *recurrentKernels) choose(b *grid.Schedule) error {
	r.chosen, r.why = r.waves, "asked for"
	holds := func(one *Recurrent) bool { return one != nil && b.Wavefronts <= one.shape.Wavefronts }
	switch r.asked {
	case KernelsSweep:
		r.chosen = r.sweeps
	case KernelsAuto:
		r.why = "the layer or its wavefronts are too large for a sweep"
		if holds(r.sweeps) {
			r.chosen, r.why = r.sweeps, "a wavefront is less than a launch"
		}
		if r.unable != nil {
			break
		}
		if len(r.clusters) == 0 || !holds(r.clusters[0]) {
			r.why += "; its wavefronts are too many for clusters"
			break
		}
		r.chooseCluster(b)
	case KernelsCluster:
		r.chosen = r.clusters[0] // where there are too few multiprocessors for any
		r.chooseCluster(b)
	}
	return r.k.Load(r.chosen.files()...)
}

// chooseCluster takes clusters for a batch if they pay, or were asked for.
func (r *recurrentKernels) chooseCluster(b *grid.Schedule) {
	shape := r.clusters[0].shape
	shape.Samples = b.Samples
	sms := r.k.c.Device().Multiprocessors
	if least := b.Samples * shape.Directions * clusterBlocks[0]; least > sms {
		r.why += fmt.Sprintf("; clusters of %d would be %d blocks on %d multiprocessors", clusterBlocks[0], least, sms)
		return
	}
	rows := largestPart(b)
	sweeps := r.chosen == r.sweeps
	m := modelClusters(&shape, r.clusters[0].sweep.lanes, rows, sms, sweeps)
	other := "launches alone"
	if sweeps {
		other = "a sweep"
	}
	r.why += fmt.Sprintf("; modelled cycles of a wavefront of %d rows a sample: %d in clusters of %d, %d as %s", rows, m.cycles, m.blocks, m.instead, other)
	if r.asked == KernelsAuto && !m.pays {
		return
	}
	for _, c := range r.clusters {
		if c.blocks == m.blocks {
			r.chosen = c
		}
	}
}

// largestPart is the most rows that one sample has in a wavefront.
func largestPart(b *grid.Schedule) int {
	most := 0
	for i := range b.Samples * b.Wavefronts {
		most = max(most, int(b.Start[i+1]-b.Start[i]))
	}
	return most
}

// partialLength is room for the sums of any family.
func (r *recurrentKernels) partialLength() int { return r.most((*Recurrent).PartialLength) }

// leftRows is room for what wavefronts of any family leave for the one before.
func (r *recurrentKernels) leftRows() int { return r.most((*Recurrent).LeftRows) }

// sumsLength is room for the sums of any family between two stretches.
func (r *recurrentKernels) sumsLength() int { return r.most((*Recurrent).SumsLength) }

// most is the most that any family wants.
func (r *recurrentKernels) most(length func(*Recurrent) int) (n int) {
	for _, k := range append([]*Recurrent{r.waves, r.sweeps}, r.clusters...) {
		if k != nil {
			n = max(n, length(k))
		}
	}
	return n
}
