// The leaky cell with a low-pass, the sweep of sweep_leakylp.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepLeakyLP.
// Specification: host/ref, leakyCell. Source: Leifert et al. 2016 (JMLR 17(97)), LeakyLP.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_cells.cuh"

SWEEP_FORWARD(cluster_leakylp_forward_2_16, Together, SweepLeakyLP, 2, 16)
SWEEP_FORWARD(cluster_leakylp_forward_2_32, Together, SweepLeakyLP, 2, 32)
SWEEP_FORWARD(cluster_leakylp_forward_3_16, Together, SweepLeakyLP, 3, 16)
SWEEP_BACKWARD(cluster_leakylp_backward_2_16, Together, SweepLeakyLP, 2, 16)
SWEEP_BACKWARD(cluster_leakylp_backward_2_32, Together, SweepLeakyLP, 2, 32)
SWEEP_BACKWARD(cluster_leakylp_backward_3_16, Together, SweepLeakyLP, 3, 16)
