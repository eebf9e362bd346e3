// The cell of Graves, with peepholes, the sweep of sweep_graves.cu cut over the blocks of a cluster.
//
// Work split: cluster_sweep.cuh; arrays, shared memory, order of sums: sweep.cuh; equations: sweep_cells.cuh,
// SweepAdditive. Here also
//   peephole_f  in [R, D, H]    peephole_i, peephole_o  in [R, H]
//   partial  out [R, samples, (D+2)·H]  of each sample, over its rows: the gradients of P_f, P_i and P_o (=), zero for
//                samples that do not exist; reduce_slots (arena.cu) adds them up
// Specification: host/ref, plainCell{peepholes}. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011).
// variants: 90

#include "cluster_sweep.cuh"
#include "sweep_cells.cuh"

#define FORWARD(name, D, P)                                                                                               \
    extern "C" __global__ void __launch_bounds__(kClusterThreads, 1)                                                      \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhT, float* __restrict__ h, float* __restrict__ gates,  \
         float* __restrict__ cell, float* __restrict__ tanh_cell, const float* __restrict__ peephole_f,                   \
         const float* __restrict__ peephole_i, const float* __restrict__ peephole_o, int begin, int end, int room,        \
         int line, int kept, int slot, int keep, int waves, int samples, int C, int H, int M, float forget_bias) {        \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.y;                                                                                         \
        const Sweep s = sweep_of(cluster_sample(), begin, end, room, line, kept, slot, keep, start, pred, succ, input, h, \
                                 nullptr, gates, cell, tanh_cell, nullptr, nullptr, nullptr, waves, samples, C, H, M, D); \
        const SweepAdditive<D, true> c = {peephole_f + q * D * H, peephole_i + q * H, peephole_o + q * H, nullptr,        \
                                          forget_bias, 0.0f, {}, 0.0f, 0.0f};                                             \
        sweep_forward<D, P>(s, Together<P>(), c, hhT + (size_t)q * D * H * (D + 3) * H, shared);                          \
    }

#define BACKWARD(name, D, P)                                                                                              \
    extern "C" __global__ void __launch_bounds__(kClusterThreads, 1)                                                      \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh,                      \
         float* __restrict__ gates, float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ dhp,     \
         float* __restrict__ dcp, const float* __restrict__ peephole_f, const float* __restrict__ peephole_i,             \
         const float* __restrict__ peephole_o, float* __restrict__ partial, float* __restrict__ sums, int begin, int end, \
         int room, int line, int kept, int slot, int waves, int samples, int C, int H, int M, float clip) {               \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.y;                                                                                         \
        const size_t block = (size_t)q * samples + cluster_sample();                                                      \
        using Cell = SweepAdditive<D, true>;                                                                              \
        const Sweep s = sweep_of(cluster_sample(), begin, end, room, line, kept, slot, -1, start, pred, succ, input,      \
                                 nullptr, dh, gates, cell, tanh_cell, dhp, dcp, sums, waves, samples, C, H, M, D);        \
        Cell c = {peephole_f + q * D * H, peephole_i + q * H, peephole_o + q * H, partial + block * (D + 2) * H, 0.0f,    \
                  clip, {}, 0.0f, 0.0f};                                                                                  \
        sweep_backward<D, P>(s, Together<P>(), c, hhB + (size_t)q * (D + 3) * H * D * H, shared);                         \
    }

FORWARD(cluster_graves_forward_2_16, 2, 16)
FORWARD(cluster_graves_forward_2_32, 2, 32)
FORWARD(cluster_graves_forward_3_16, 3, 16)
BACKWARD(cluster_graves_backward_2_16, 2, 16)
BACKWARD(cluster_graves_backward_2_32, 2, 32)
BACKWARD(cluster_graves_backward_3_16, 3, 16)
