package gpu

import (
	"fmt"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// pick is a choice of kernels.
type pick struct {
	family KernelFamily
	sweep  sweep
	blocks int // of a cluster, 1 where there is none
}

// chooseKernels takes the kernels that were asked for, or that the model takes
// for fastest with the room there is. Asked for where they cannot run is an
// error.
func chooseKernels(s *RecurrentShape, device *cuda.Device) (pick, error) {
	switch s.Kernels {
	case KernelsWavefront:
		return pick{family: KernelsWavefront, blocks: 1}, nil
	case KernelsSweep:
		w, err := newSweep(s, device)
		return pick{KernelsSweep, w, 1}, err
	case KernelsCluster:
		w, err := newCluster(s, device)
		if err != nil || s.Blocks > 0 {
			return pick{KernelsCluster, w, s.Blocks}, err
		}
		m := modelClusters(s, w.lanes, w.line, device.Multiprocessors, false)
		return pick{KernelsCluster, w, max(clusterBlocks[0], m.blocks)}, nil
	case KernelsAuto:
		one, err := newSweep(s, device)
		sweeps := err == nil && one.pays(s)
		if w, err := newCluster(s, device); err == nil {
			if m := modelClusters(s, w.lanes, w.line, device.Multiprocessors, sweeps); m.pays {
				return pick{KernelsCluster, w, m.blocks}, nil
			}
		}
		if sweeps {
			return pick{KernelsSweep, one, 1}, nil
		}
		return pick{family: KernelsWavefront, blocks: 1}, nil
	}
	return pick{}, fmt.Errorf("%w: kernels %q: want %q, %q or %q", ErrShape, s.Kernels, KernelsWavefront, KernelsSweep, KernelsCluster)
}

// What kernels/README.md models of a wavefront of a sweep, forward and backward,
// in cycles of an H200 class device. Nothing of it was measured.
var (
	// Instructions of a warp for the equations of its rows, beyond the products.
	modelIssue = map[bool][2]float64{true: {350, 650}, false: {260, 440}} // layernorm, other cells
	// From the rows of one wavefront to those of the next, however few they are.
	modelLatency = map[bool][2]float64{true: {875, 1200}, false: {500, 800}}
)

const (
	modelProducts = 0.8      // share of FMAs in the instructions of a product
	modelSlots    = 4        // warps that issue at the same time
	modelBlock    = 40       // cycles of a block's barrier
	modelCluster  = 280      // of a cluster's
	modelLaunch   = 2 * 6300 // of the two launches a wavefront that sweeps save: 3.5 µs each
	modelMargin   = 0.9      // a cluster must promise a tenth over a sweep
)

// sweepCycles models a wavefront of so many rows of one sample, forward and
// backward, cut over so many blocks.
func sweepCycles(s *RecurrentShape, lanes, blocks, rows int) int {
	norm := s.Cell == nn.CellLayerNorm
	turn := sweepThreads / lanes
	products := float64(s.Axes*s.gates()*lanes) / modelProducts
	total := 0.0
	for pass := range 2 {
		for left := rows; left > 0; left -= turn {
			slots := min(left, turn/blocks) // of the block that has most
			warps := blocksOf(slots*lanes, 32)
			total += max(float64(blocksOf(warps, modelSlots))*(products+modelIssue[norm][pass]), modelLatency[norm][pass])
		}
		if blocks > 1 {
			total += modelCluster
		} else {
			total += modelBlock
		}
	}
	return int(total)
}

// clusterModel is what the model says of clusters for a batch.
type clusterModel struct {
	blocks  int // of the cluster that is fastest; 0: every size has more blocks than there are multiprocessors
	cycles  int // of a wavefront
	instead int // of a wavefront of what would run else, a sweep or a launch each
	pays    bool
}

// modelClusters models a batch whose samples have up to so many rows in a
// wavefront; sweeps says what would run else. Blocks that would wait for their
// turn on a multiprocessor add what the others save, so there are none.
func modelClusters(s *RecurrentShape, lanes, rows, multiprocessors int, sweeps bool) clusterModel {
	m := clusterModel{instead: modelLaunch}
	for _, n := range clusterBlocks {
		if s.Samples*s.Directions*n > multiprocessors {
			break
		}
		if c := sweepCycles(s, lanes, n, rows); m.blocks == 0 || c < m.cycles {
			m.blocks, m.cycles = n, c
		}
	}
	m.pays = m.blocks > 0 && m.cycles < modelLaunch
	if sweeps {
		m.instead = sweepCycles(s, lanes, 1, rows)
		m.pays = m.blocks > 0 && float64(m.cycles) <= modelMargin*float64(m.instead)
	}
	return m
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
