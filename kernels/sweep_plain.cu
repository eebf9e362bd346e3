// The plain cell, a pass in one launch, for small layers: the equations of wave_plain.cu.
//
// Arrays, work split, shared memory and order of sums: sweep.cuh; equations: sweep_cells.cuh, SweepPlain.
// Specification: host/ref, plainCell. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011), without peepholes.

#include "sweep_cells.cuh"

SWEEP_FORWARD(sweep_plain_forward_1_16, Alone, SweepPlain, 1, 16)
SWEEP_FORWARD(sweep_plain_forward_1_32, Alone, SweepPlain, 1, 32)
SWEEP_FORWARD(sweep_plain_forward_2_16, Alone, SweepPlain, 2, 16)
SWEEP_FORWARD(sweep_plain_forward_2_32, Alone, SweepPlain, 2, 32)
SWEEP_BACKWARD(sweep_plain_backward_1_16, Alone, SweepPlain, 1, 16)
SWEEP_BACKWARD(sweep_plain_backward_1_32, Alone, SweepPlain, 1, 32)
SWEEP_BACKWARD(sweep_plain_backward_2_16, Alone, SweepPlain, 2, 16)
SWEEP_BACKWARD(sweep_plain_backward_2_32, Alone, SweepPlain, 2, 32)
