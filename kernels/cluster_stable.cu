// The stable cell, the sweep of sweep_stable.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepStable.
// Specification: host/ref, stableCell. Source: Leifert et al. 2016 (JMLR 17(97)), Stable.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_cells.cuh"

#define CELL(D, forget_bias, clip) SweepStable<D>{forget_bias, clip}

CLUSTER_FORWARD(cluster_stable_forward_2_16, CELL, 2, 16)
CLUSTER_FORWARD(cluster_stable_forward_2_32, CELL, 2, 32)
CLUSTER_FORWARD(cluster_stable_forward_3_16, CELL, 3, 16)
CLUSTER_BACKWARD(cluster_stable_backward_2_16, CELL, 2, 16)
CLUSTER_BACKWARD(cluster_stable_backward_2_32, CELL, 2, 32)
CLUSTER_BACKWARD(cluster_stable_backward_3_16, CELL, 3, 16)
