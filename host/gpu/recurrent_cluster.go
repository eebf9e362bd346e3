package gpu

import (
	"fmt"

	"mdlstm-gpu/host/cuda"
)

// Sizes that cluster_sweep.cuh has too.
const (
	clusterMaxAxes   = 3
	clusterMaxHidden = 16 // with 3 axes; with 2 it is that of sweeps
)

// clusterBlocks are the sizes of clusters that are chosen: more blocks have no
// warp for each scheduler of a multiprocessor.
var clusterBlocks = []int{2, 4}

// clusterCan says why a layer cannot run cluster kernels on a device, whatever
// the batch.
func clusterCan(s *RecurrentShape, device *cuda.Device) error {
	hidden := sweepMaxHidden
	if s.Axes == clusterMaxAxes {
		hidden = clusterMaxHidden
	}
	switch {
	case !device.Clusters:
		return fmt.Errorf("%w: cluster kernels need compute capability 9.0 (Hopper) or newer, %s has %d.%d: choose sweep, wavefront or auto",
			ErrShape, device.Name, device.Capability/10, device.Capability%10)
	case s.Axes < 2 || s.Axes > clusterMaxAxes:
		return fmt.Errorf("%w: cluster kernels have 2 or %d axes, the layer has %d: choose sweep, wavefront or auto", ErrShape, clusterMaxAxes, s.Axes)
	case s.Hidden > hidden:
		return fmt.Errorf("%w: cluster kernels of %d axes have at most %d hidden units, the layer has %d: choose wavefront or auto",
			ErrShape, s.Axes, hidden, s.Hidden)
	}
	return nil
}

// newCluster sizes the cluster kernels of a layer, and says why they cannot run
// it.
func newCluster(s *RecurrentShape, device *cuda.Device) (sweep, error) {
	if err := clusterCan(s, device); err != nil {
		return sweep{}, err
	}
	switch s.Blocks {
	case 0, 2, 4, 8:
	default:
		return sweep{}, fmt.Errorf("%w: clusters of %d blocks: want 2, 4 or 8", ErrShape, s.Blocks)
	}
	w := sizeSweep(s)
	return w, w.fits(KernelsCluster, s, device)
}
