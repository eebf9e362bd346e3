// The plain cell, the sweep of sweep_plain.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations: sweep_cells.cuh,
// SweepAdditive.
// Specification: host/ref, plainCell. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011), without peepholes.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_cells.cuh"

#define CELL(D, forget_bias, clip) SweepAdditive<D, false>{nullptr, nullptr, nullptr, nullptr, forget_bias, clip, {}, 0.0f, 0.0f}

CLUSTER_FORWARD(cluster_plain_forward_2_16, CELL, 2, 16)
CLUSTER_FORWARD(cluster_plain_forward_2_32, CELL, 2, 32)
CLUSTER_FORWARD(cluster_plain_forward_3_16, CELL, 3, 16)
CLUSTER_BACKWARD(cluster_plain_backward_2_16, CELL, 2, 16)
CLUSTER_BACKWARD(cluster_plain_backward_2_32, CELL, 2, 32)
CLUSTER_BACKWARD(cluster_plain_backward_3_16, CELL, 3, 16)
