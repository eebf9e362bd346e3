// The leaky cell with a low-pass, a pass in one launch, for small layers: the equations of wave_leakylp.cu.
//
// Arrays, work split, shared memory and order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepLeakyLP.
// Specification: host/ref, leakyCell. Source: Leifert et al. 2016 (JMLR 17(97)), LeakyLP.

#include "sweep_cells.cuh"

SWEEP_FORWARD(sweep_leakylp_forward_1_16, Alone, SweepLeakyLP, 1, 16)
SWEEP_FORWARD(sweep_leakylp_forward_1_32, Alone, SweepLeakyLP, 1, 32)
SWEEP_FORWARD(sweep_leakylp_forward_2_16, Alone, SweepLeakyLP, 2, 16)
SWEEP_FORWARD(sweep_leakylp_forward_2_32, Alone, SweepLeakyLP, 2, 32)
SWEEP_BACKWARD(sweep_leakylp_backward_1_16, Alone, SweepLeakyLP, 1, 16)
SWEEP_BACKWARD(sweep_leakylp_backward_1_32, Alone, SweepLeakyLP, 1, 32)
SWEEP_BACKWARD(sweep_leakylp_backward_2_16, Alone, SweepLeakyLP, 2, 16)
SWEEP_BACKWARD(sweep_leakylp_backward_2_32, Alone, SweepLeakyLP, 2, 32)
