// The layer-norm cell, a pass in one launch, for small layers: the equations of wave_layernorm.cu.
//
// Arrays, work split, shared memory and order of sums: sweep.cuh; equations and norms: sweep_layernorm.cuh.
// Specification: host/ref, layerNormCell.
// Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450); as in the seed, with no bias but the norms'.

#include "sweep_layernorm.cuh"

LAYERNORM_FORWARD(sweep_layernorm_forward_1_16, Alone, 1, 16)
LAYERNORM_FORWARD(sweep_layernorm_forward_1_32, Alone, 1, 32)
LAYERNORM_FORWARD(sweep_layernorm_forward_2_16, Alone, 2, 16)
LAYERNORM_FORWARD(sweep_layernorm_forward_2_32, Alone, 2, 32)
LAYERNORM_BACKWARD(sweep_layernorm_backward_1_16, Alone, 1, 16)
LAYERNORM_BACKWARD(sweep_layernorm_backward_1_32, Alone, 1, 32)
LAYERNORM_BACKWARD(sweep_layernorm_backward_2_16, Alone, 2, 16)
LAYERNORM_BACKWARD(sweep_layernorm_backward_2_32, Alone, 2, 32)
