// The stable cell, a pass in one launch, for small layers: the equations of wave_stable.cu.
//
// Arrays, work split, shared memory and order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepStable.
// Specification: host/ref, stableCell. Source: Leifert et al. 2016 (JMLR 17(97)), Stable.

#include "sweep_cells.cuh"

SWEEP_FORWARD(sweep_stable_forward_1_16, Alone, SweepStable, 1, 16)
SWEEP_FORWARD(sweep_stable_forward_1_32, Alone, SweepStable, 1, 32)
SWEEP_FORWARD(sweep_stable_forward_2_16, Alone, SweepStable, 2, 16)
SWEEP_FORWARD(sweep_stable_forward_2_32, Alone, SweepStable, 2, 32)
SWEEP_BACKWARD(sweep_stable_backward_1_16, Alone, SweepStable, 1, 16)
SWEEP_BACKWARD(sweep_stable_backward_1_32, Alone, SweepStable, 1, 32)
SWEEP_BACKWARD(sweep_stable_backward_2_16, Alone, SweepStable, 2, 16)
SWEEP_BACKWARD(sweep_stable_backward_2_32, Alone, SweepStable, 2, 32)
