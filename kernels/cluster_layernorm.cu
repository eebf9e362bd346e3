// The layer-norm cell, the sweep of sweep_layernorm.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh. Here also
//   hat, cell_hat, inverse, gate_weight, gate_bias, cell_weight, cell_bias   as in wave_layernorm.cu
//   partial  out [R, samples, 2(D+4)·H]  of each sample, over its rows: Σ dy·x̂ and Σ dy of the gates, then of the cell
//                (=), zero for samples that do not exist; reduce_slots (arena.cu) adds them up
// tanh_cell is only read in backward. The lanes of a row make its norms by shuffles, all gates side by side.
// Specification: host/ref, layerNormCell.
// Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450); as in the seed, with no bias but the norms'.
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_layernorm.cuh"

#define FORWARD(name, D, P)                                                                                               \
    extern "C" __global__ void __launch_bounds__(kClusterThreads, 1)                                                      \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhT, float* __restrict__ h, float* __restrict__ gates,  \
         float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ hat, float* __restrict__ cell_hat,  \
         float* __restrict__ inverse, const float* __restrict__ gate_weight, const float* __restrict__ gate_bias,         \
         const float* __restrict__ cell_weight, const float* __restrict__ cell_bias, int begin, int end, int room,        \
         int line, int kept, int slot, int keep, int waves, int samples, int C, int H, int M, float forget_bias) {        \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.y;                                                                                         \
        const int GH = (D + 3) * H;                                                                                       \
        const Sweep s = sweep_of(cluster_sample(), begin, end, room, line, kept, slot, keep, start, pred, succ, input, h, \
                                 nullptr, gates, cell, tanh_cell, nullptr, nullptr, nullptr, waves, samples, C, H, M, D); \
        const ptrdiff_t rows = (ptrdiff_t)q * room - s.first;                                                             \
        SweepLayerNorm<D, P> c;                                                                                           \
        c.hat = hat + rows * GH;                                                                                          \
        c.cell_hat = cell_hat + rows * H;                                                                                 \
        c.inverse = inverse + rows * (D + 4);                                                                             \
        c.partial = nullptr;                                                                                              \
        c.forget_bias = forget_bias;                                                                                      \
        c.clip = 0.0f;                                                                                                    \
        c.load(threadIdx.x % P, H, gate_weight + q * GH, gate_bias + q * GH, cell_weight + q * H, cell_bias + q * H);     \
        sweep_forward<D, P>(s, Together<P>(), c, hhT + (size_t)q * D * H * GH, shared);                                   \
    }

#define BACKWARD(name, D, P)                                                                                              \
    extern "C" __global__ void __launch_bounds__(kClusterThreads, 1)                                                      \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh,                      \
         float* __restrict__ gates, float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ dhp,     \
         float* __restrict__ dcp, float* __restrict__ hat, float* __restrict__ cell_hat, float* __restrict__ inverse,     \
         const float* __restrict__ gate_weight, const float* __restrict__ cell_weight, float* __restrict__ partial,       \
         float* __restrict__ sums, int begin, int end, int room, int line, int kept, int slot, int waves, int samples,    \
         int C, int H, int M, float clip) {                                                                               \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.y;                                                                                         \
        const size_t block = (size_t)q * samples + cluster_sample();                                                      \
        const int GH = (D + 3) * H;                                                                                       \
        const Sweep s = sweep_of(cluster_sample(), begin, end, room, line, kept, slot, -1, start, pred, succ, input,      \
                                 nullptr, dh, gates, cell, tanh_cell, dhp, dcp, sums, waves, samples, C, H, M, D);        \
        const ptrdiff_t rows = (ptrdiff_t)q * room - s.first;                                                             \
        SweepLayerNorm<D, P> c;                                                                                           \
        c.hat = hat + rows * GH;                                                                                          \
        c.cell_hat = cell_hat + rows * H;                                                                                 \
        c.inverse = inverse + rows * (D + 4);                                                                             \
        c.partial = partial + block * 2 * (GH + H);                                                                       \
        c.forget_bias = 0.0f;                                                                                             \
        c.clip = clip;                                                                                                    \
        c.load(threadIdx.x % P, H, gate_weight + q * GH, nullptr, cell_weight + q * H, nullptr);                          \
        sweep_backward<D, P>(s, Together<P>(), c, hhB + (size_t)q * GH * D * H, shared);                                  \
    }

FORWARD(cluster_layernorm_forward_2_16, 2, 16)
FORWARD(cluster_layernorm_forward_2_32, 2, 32)
FORWARD(cluster_layernorm_forward_3_16, 3, 16)
BACKWARD(cluster_layernorm_backward_2_16, 2, 16)
BACKWARD(cluster_layernorm_backward_2_32, 2, 32)
BACKWARD(cluster_layernorm_backward_3_16, 3, 16)
