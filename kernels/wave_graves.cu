// The cell of Graves, with peepholes, a wavefront a launch.
//
//   i = σ(z_i + P_i·Σ_d c_d)   g = tanh(z_g)   f_d = σ(z_{f_d} + P_f[d]·c_d + forget_bias)
//   c = i·g + Σ_d f_d·c_d      o = σ(z_o + P_o·c)      h = o·tanh(c)
//
// Arrays, work split and order of sums: wave.cuh; equations: wave_cells.cuh, Additive. Here also
//   peephole_f  in [R, D, H]    peephole_i, peephole_o  in [R, H]
//   sums  inout [R, gridDim.x, (D+2)·H]  of each block, over its rows: the gradients of P_f, P_i and P_o; += in every
//               launch, and = 0 before when zero is not 0
// Specification: host/ref, plainCell{peepholes}. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011).

#include "wave_cells.cuh"

#define FORWARD(name, TM, TN, PRODUCT)                                                                                    \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)                                                         \
    name(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ input,                       \
         const float* __restrict__ hhT, float* h, float* gates, float* cell, float* __restrict__ tanh_cell,               \
         const float* __restrict__ peephole_f, const float* __restrict__ peephole_i,                                      \
         const float* __restrict__ peephole_o, int t, int base, int room, int line, int kept, int slot, int keep, int C,  \
         int H, int D, int units, float forget_bias) {                                                                    \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.z;                                                                                         \
        const Wave w = wave_of({base, room, line, kept, slot, keep}, wave, t, pred, nullptr, input, h, nullptr, gates,    \
                               cell, tanh_cell, nullptr, nullptr, C, H, D);                                               \
        const Additive<true> c = {peephole_f + q * D * H, peephole_i + q * H, peephole_o + q * H, nullptr, forget_bias,   \
                                  0.0f};                                                                                  \
        wave_forward<TM, TN, PRODUCT>(w, c, wave, hhT + (size_t)q * D * H * (D + 3) * H, t, units, shared);               \
    }

#define BACKWARD(name, TM, TN, PRODUCT)                                                                                   \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)                                                         \
    name(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ succ,                        \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh, float* gates,        \
         float* cell, float* tanh_cell, float* dhp, float* dcp, const float* __restrict__ peephole_f,                     \
         const float* __restrict__ peephole_i, const float* __restrict__ peephole_o, float* sums, int t, int base,        \
         int room, int line, int kept, int slot, int C, int H, int D, int units, float clip, int zero) {                  \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.z;                                                                                         \
        const Wave w = wave_of({base, room, line, kept, slot, -1}, wave, t, pred, succ, input, nullptr, dh, gates, cell,  \
                               tanh_cell, dhp, dcp, C, H, D);                                                             \
        const Additive<true> c = {peephole_f + q * D * H, peephole_i + q * H, peephole_o + q * H,                         \
                                  sums + ((size_t)q * gridDim.x + blockIdx.x) * (D + 2) * H, 0.0f, clip};                 \
        wave_backward<TM, TN, PRODUCT>(w, c, wave, hhB + (size_t)q * (D + 3) * H * D * H, t, units, zero, shared);        \
    }

FORWARD(wave_graves_forward, 2, 4, true)
FORWARD(wave_graves_forward_wide, 4, 8, true)
FORWARD(wave_graves_gates, 1, 4, false)
BACKWARD(wave_graves_backward, 2, 4, true)
BACKWARD(wave_graves_backward_wide, 4, 8, true)
BACKWARD(wave_graves_dgates, 1, 4, false)
