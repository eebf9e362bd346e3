// The plain cell, the sweep of sweep_plain.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepPlain.
// Specification: host/ref, plainCell. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011), without peepholes.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_cells.cuh"

SWEEP_FORWARD(cluster_plain_forward_2_16, Together, SweepPlain, 2, 16)
SWEEP_FORWARD(cluster_plain_forward_2_32, Together, SweepPlain, 2, 32)
SWEEP_FORWARD(cluster_plain_forward_3_16, Together, SweepPlain, 3, 16)
SWEEP_BACKWARD(cluster_plain_backward_2_16, Together, SweepPlain, 2, 16)
SWEEP_BACKWARD(cluster_plain_backward_2_32, Together, SweepPlain, 2, 32)
SWEEP_BACKWARD(cluster_plain_backward_3_16, Together, SweepPlain, 3, 16)
