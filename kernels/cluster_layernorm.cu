// The layer-norm cell, the sweep of sweep_layernorm.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations and norms: sweep_layernorm.cuh.
// Specification: host/ref, layerNormCell.
// Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450); as in the seed, with no bias but the norms'.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_layernorm.cuh"

LAYERNORM_FORWARD(cluster_layernorm_forward_2_16, Together, 2, 16)
LAYERNORM_FORWARD(cluster_layernorm_forward_2_32, Together, 2, 32)
LAYERNORM_FORWARD(cluster_layernorm_forward_3_16, Together, 3, 16)
LAYERNORM_BACKWARD(cluster_layernorm_backward_2_16, Together, 2, 16)
LAYERNORM_BACKWARD(cluster_layernorm_backward_2_32, Together, 2, 32)
LAYERNORM_BACKWARD(cluster_layernorm_backward_3_16, Together, 3, 16)
