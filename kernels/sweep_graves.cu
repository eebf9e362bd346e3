// The cell of Graves, with peepholes, a pass in one launch, for small layers: the equations of wave_graves.cu.
//
// Arrays, work split, shared memory and order of sums: sweep.cuh; peepholes: sweep_graves.cuh.
// Specification: host/ref, plainCell{peepholes}. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011).

#include "sweep_graves.cuh"

GRAVES_FORWARD(sweep_graves_forward_1_16, Alone, 1, 16)
GRAVES_FORWARD(sweep_graves_forward_1_32, Alone, 1, 32)
GRAVES_FORWARD(sweep_graves_forward_2_16, Alone, 2, 16)
GRAVES_FORWARD(sweep_graves_forward_2_32, Alone, 2, 32)
GRAVES_BACKWARD(sweep_graves_backward_1_16, Alone, 1, 16)
GRAVES_BACKWARD(sweep_graves_backward_1_32, Alone, 1, 32)
GRAVES_BACKWARD(sweep_graves_backward_2_16, Alone, 2, 16)
GRAVES_BACKWARD(sweep_graves_backward_2_32, Alone, 2, 32)
