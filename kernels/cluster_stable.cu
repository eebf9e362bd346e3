// The stable cell, the sweep of sweep_stable.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepStable.
// Specification: host/ref, stableCell. Source: Leifert et al. 2016 (JMLR 17(97)), Stable.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_cells.cuh"

SWEEP_FORWARD(cluster_stable_forward_2_16, Together, SweepStable, 2, 16)
SWEEP_FORWARD(cluster_stable_forward_2_32, Together, SweepStable, 2, 32)
SWEEP_FORWARD(cluster_stable_forward_3_16, Together, SweepStable, 3, 16)
SWEEP_BACKWARD(cluster_stable_backward_2_16, Together, SweepStable, 2, 16)
SWEEP_BACKWARD(cluster_stable_backward_2_32, Together, SweepStable, 2, 32)
SWEEP_BACKWARD(cluster_stable_backward_3_16, Together, SweepStable, 3, 16)
