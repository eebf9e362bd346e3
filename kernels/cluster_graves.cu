// The cell of Graves, with peepholes, the sweep of sweep_graves.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; peepholes: sweep_graves.cuh.
// Specification: host/ref, plainCell{peepholes}. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011).
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_graves.cuh"

GRAVES_FORWARD(cluster_graves_forward_2_16, Together, 2, 16)
GRAVES_FORWARD(cluster_graves_forward_2_32, Together, 2, 32)
GRAVES_FORWARD(cluster_graves_forward_3_16, Together, 3, 16)
GRAVES_BACKWARD(cluster_graves_backward_2_16, Together, 2, 16)
GRAVES_BACKWARD(cluster_graves_backward_2_32, Together, 2, 32)
GRAVES_BACKWARD(cluster_graves_backward_3_16, Together, 3, 16)
