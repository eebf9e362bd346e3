// The kernels of the cell of Graves as sweeps, for sweep_graves.cu and, with another TEAM, cluster_graves.cu. Equations:
// sweep_cells.cuh, SweepAdditive. Beside the arrays of sweep.cuh:
//   peephole_f  in [R, D, H]    peephole_i, peephole_o  in [R, H]
//   partial  out [R, samples, (D+2)·H]  of each sample, over its rows: the gradients of P_f, P_i and P_o (=), zero for
//                samples that do not exist; reduce_slots (arena.cu) adds them up
#pragma once

#include "sweep_cells.cuh"

#define GRAVES_FORWARD(name, TEAM, D, P)                                                                                  \
    extern "C" __global__ void __launch_bounds__(TEAM<P>::kThreads, 1)                                                    \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhT, float* __restrict__ h, float* __restrict__ gates,  \
         float* __restrict__ cell, float* __restrict__ tanh_cell, const float* __restrict__ peephole_f,                   \
         const float* __restrict__ peephole_i, const float* __restrict__ peephole_o, int begin, int end, int room,        \
         int line, int kept, int slot, int keep, int waves, int samples, int C, int H, int M, float forget_bias) {        \
        extern __shared__ float shared[];                                                                                 \
        const TEAM<P> team{};                                                                                             \
        const int q = blockIdx.y;                                                                                         \
        const Sweep s = sweep_of(team.sample(), begin, end, room, line, kept, slot, keep, start, pred, succ, input, h,    \
                                 nullptr, gates, cell, tanh_cell, nullptr, nullptr, nullptr, waves, samples, C, H, M, D); \
        const SweepAdditive<D, true> c = {forget_bias, 0.0f, peephole_f + q * D * H, peephole_i + q * H,                  \
                                          peephole_o + q * H};                                                            \
        sweep_forward<D, P>(s, team, c, hhT + (size_t)q * D * H * (D + 3) * H, shared);                                   \
    }

#define GRAVES_BACKWARD(name, TEAM, D, P)                                                                                 \
    extern "C" __global__ void __launch_bounds__(TEAM<P>::kThreads, 1)                                                    \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh,                      \
         float* __restrict__ gates, float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ dhp,     \
         float* __restrict__ dcp, const float* __restrict__ peephole_f, const float* __restrict__ peephole_i,             \
         const float* __restrict__ peephole_o, float* __restrict__ partial, float* __restrict__ sums, int begin, int end, \
         int room, int line, int kept, int slot, int waves, int samples, int C, int H, int M, float clip) {               \
        extern __shared__ float shared[];                                                                                 \
        const TEAM<P> team{};                                                                                             \
        const int q = blockIdx.y;                                                                                         \
        const size_t part = (size_t)q * samples + team.sample();                                                          \
        const Sweep s = sweep_of(team.sample(), begin, end, room, line, kept, slot, -1, start, pred, succ, input,         \
                                 nullptr, dh, gates, cell, tanh_cell, dhp, dcp, sums, waves, samples, C, H, M, D);        \
        SweepAdditive<D, true> c = {0.0f, clip, peephole_f + q * D * H, peephole_i + q * H, peephole_o + q * H,           \
                                    partial + part * (D + 2) * H};                                                        \
        sweep_backward<D, P>(s, team, c, hhB + (size_t)q * (D + 3) * H * D * H, shared);                                  \
    }
