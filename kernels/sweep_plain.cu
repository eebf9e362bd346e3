// The plain cell, a pass in one launch, for small layers: the equations of wave_plain.cu.
//
// Arrays, work split, shared memory and order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepAdditive.
// Specification: host/ref, plainCell. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011), without peepholes.

#include "sweep_cells.cuh"

#define CELL(D, forget_bias, clip) SweepAdditive<D, false>{nullptr, nullptr, nullptr, nullptr, forget_bias, clip, {}, 0.0f, 0.0f}

SWEEP_FORWARD(sweep_plain_forward_1_16, CELL, 1, 16)
SWEEP_FORWARD(sweep_plain_forward_1_32, CELL, 1, 32)
SWEEP_FORWARD(sweep_plain_forward_2_16, CELL, 2, 16)
SWEEP_FORWARD(sweep_plain_forward_2_32, CELL, 2, 32)
SWEEP_BACKWARD(sweep_plain_backward_1_16, CELL, 1, 16)
SWEEP_BACKWARD(sweep_plain_backward_1_32, CELL, 1, 32)
SWEEP_BACKWARD(sweep_plain_backward_2_16, CELL, 2, 16)
SWEEP_BACKWARD(sweep_plain_backward_2_32, CELL, 2, 32)
