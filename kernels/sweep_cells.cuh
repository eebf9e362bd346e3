// The equations of the cells without layer norm on registers: z, the gates of one unit of one row, and the c of its
// predecessors. The same equations as in wave_cells.cuh.
#pragma once

#include "sweep.cuh"

// Stick-breaking of the predecessors' c; see wave_cells.cuh.
template <int kD>
static __device__ __forceinline__ float mix(const float* z, const float* before) {
    float m = before[kD - 1];
#pragma unroll
    for (int d = kD - 2; d >= 0; --d) { m += z[3 + d] * (before[d] - m); }
    return m;
}

template <int kD>
static __device__ __forceinline__ void mix_backward(float* z, const float* before, float dm, float* left) {
    float m = before[kD - 1];
#pragma unroll
    for (int d = kD - 2; d >= 0; --d) {
        left[d] = before[d] - m;
        m += z[3 + d] * left[d];
    }
#pragma unroll
    for (int d = 0; d < kD - 1; ++d) {
        const float v = z[3 + d];
        const float back = dm * v;
        dm -= back;
        z[3 + d] = v * dm * left[d];
        left[d] = back;
    }
    left[kD - 1] = dm;
}

template <int kD, bool kPeepholes>
struct SweepAdditive {
    float forget_bias, clip;
    const float* peephole_f = nullptr;  // [kD, H]; these only with peepholes
    const float* peephole_i = nullptr;  // [H]
    const float* peephole_o = nullptr;  // [H]
    float* partial = nullptr;           // [(kD+2)·H] of the sample
    float sum_f[kD] = {}, sum_i = 0.0f, sum_o = 0.0f;

    struct More {};
    __device__ __forceinline__ void fetch(const Sweep&, int, int, More*) const {}

    __device__ __forceinline__ void forward(const Sweep& s, int, int k, float* z, const float* before, float* c, float* tc,
                                            float* h) const {
        float seen = 0.0f;
        if constexpr (kPeepholes) {
            if (k < s.H) {
#pragma unroll
                for (int d = 0; d < kD; ++d) {
                    seen += before[d];
                    z[2 + d] += peephole_f[d * s.H + k] * before[d];
                }
                z[0] += peephole_i[k] * seen;
            }
        }
        z[0] = sigmoid(z[0]);
        z[1] = tanhf(z[1]);
        float sum = z[0] * z[1];
#pragma unroll
        for (int d = 0; d < kD; ++d) {
            z[2 + d] = sigmoid(z[2 + d] + forget_bias);
            sum += z[2 + d] * before[d];
        }
        if constexpr (kPeepholes) {
            if (k < s.H) { z[2 + kD] += peephole_o[k] * sum; }
        }
        z[2 + kD] = sigmoid(z[2 + kD]);
        *c = sum;
        *tc = tanhf(sum);
        *h = z[2 + kD] * *tc;
    }

    __device__ __forceinline__ void backward(const Sweep& s, int k, Values<kD>& v, const More&, float dcs, float* left) {
        float* z = v.z;
        const float dh = clamp(v.dh, clip);
        const float i = z[0];
        const float g = z[1];
        const float o = z[2 + kD];
        const float dzo = dh * v.tc * o * (1.0f - o);
        float dc = dcs + dh * o * (1.0f - v.tc * v.tc);
        const bool peep = kPeepholes && k < s.H;
        if (peep) { dc += dzo * peephole_o[k]; }
        dc = clamp(dc, clip);
        const float dzi = dc * g * i * (1.0f - i);
        z[0] = dzi;
        z[1] = dc * i * (1.0f - g * g);
        z[2 + kD] = dzo;
#pragma unroll
        for (int d = 0; d < kD; ++d) {
            const float f = z[2 + d];
            const float dzf = dc * f * (1.0f - f) * v.before[d];
            z[2 + d] = dzf;
            left[d] = dc * f;
            if (peep) {
                left[d] += dzi * peephole_i[k] + dzf * peephole_f[d * s.H + k];
                sum_f[d] += dzf * v.before[d];
                sum_i += dzi * v.before[d];
            }
        }
        if (peep) { sum_o += dzo * v.c; }
    }

    static constexpr int kSums = kPeepholes ? kD + 2 : 0;
    template <class F>
    __device__ __forceinline__ void each_sum(F f) {
        if constexpr (kPeepholes) {
#pragma unroll
            for (int d = 0; d < kD; ++d) { f(sum_f[d], d); }
            f(sum_i, kD);
            f(sum_o, kD + 1);
        }
    }

    template <int kP, class Team>
    __device__ __forceinline__ void finish(const Sweep& s, const Team& team, int k, int slot, float* scratch) {
        if constexpr (kPeepholes) {
#pragma unroll
            for (int d = 0; d < kD; ++d) { finish_sum<kP>(team, sum_f[d], scratch, partial + d * s.H, k, slot, s.H); }
            finish_sum<kP>(team, sum_i, scratch, partial + kD * s.H, k, slot, s.H);
            finish_sum<kP>(team, sum_o, scratch, partial + (kD + 1) * s.H, k, slot, s.H);
        }
    }
};

template <int kD>
using SweepPlain = SweepAdditive<kD, false>;

template <int kD>
struct SweepStable {
    float forget_bias, clip;

    struct More {};
    __device__ __forceinline__ void fetch(const Sweep&, int, int, More*) const {}

    __device__ __forceinline__ void forward(const Sweep&, int, int, float* z, const float* before, float* c, float* tc,
                                            float* h) const {
        z[2] += forget_bias;
#pragma unroll
        for (int g = 0; g < kD + 3; ++g) { z[g] = g == 1 ? tanhf(z[g]) : sigmoid(z[g]); }
        *c = z[0] * z[1] + z[2] * mix<kD>(z, before);
        *tc = tanhf(*c);
        *h = z[2 + kD] * *tc;
    }

    __device__ __forceinline__ void backward(const Sweep&, int, Values<kD>& v, const More&, float dcs, float* left) {
        float* z = v.z;
        const float dh = clamp(v.dh, clip);
        const float i = z[0];
        const float g = z[1];
        const float f = z[2];
        const float o = z[2 + kD];
        const float m = mix<kD>(z, v.before);
        const float dc = clamp(dcs + dh * o * (1.0f - v.tc * v.tc), clip);
        const float dm = dc * f;
        z[0] = dc * g * i * (1.0f - i);
        z[1] = dc * i * (1.0f - g * g);
        z[2] = dm * m * (1.0f - f);
        z[2 + kD] = dh * v.tc * o * (1.0f - o);
        mix_backward<kD>(z, v.before, dm, left);
    }

    static constexpr int kSums = 0;
    template <class F>
    __device__ __forceinline__ void each_sum(F) {}
    template <int kP, class Team>
    __device__ __forceinline__ void finish(const Sweep&, const Team&, int, int, float*) {}
};

template <int kD>
struct SweepLeakyLP {
    float forget_bias, clip;

    struct More {};
    __device__ __forceinline__ void fetch(const Sweep&, int, int, More*) const {}

    __device__ __forceinline__ void forward(const Sweep&, int, int, float* z, const float* before, float* c, float* tc,
                                            float* h) const {
        z[2] += forget_bias;
#pragma unroll
        for (int g = 0; g < kD + 3; ++g) { z[g] = g == 1 ? tanhf(z[g]) : sigmoid(z[g]); }
        const float m = mix<kD>(z, before);
        *c = (1.0f - z[2]) * z[1] + z[2] * m;
        *h = tanhf(z[2 + kD] * *c + z[0] * m);
        *tc = *h;
    }

    __device__ __forceinline__ void backward(const Sweep&, int, Values<kD>& v, const More&, float dcs, float* left) {
        float* z = v.z;
        const float i = z[0];
        const float g = z[1];
        const float f = z[2];
        const float o = z[2 + kD];
        const float m = mix<kD>(z, v.before);
        const float u = clamp(v.dh, clip) * (1.0f - v.tc * v.tc);  // at o·c + i·m
        const float dc = clamp(dcs + u * o, clip);
        z[0] = u * m * i * (1.0f - i);
        z[1] = dc * (1.0f - f) * (1.0f - g * g);
        z[2] = dc * (m - g) * f * (1.0f - f);
        z[2 + kD] = u * v.c * o * (1.0f - o);
        mix_backward<kD>(z, v.before, dc * f + u * i, left);
    }

    static constexpr int kSums = 0;
    template <class F>
    __device__ __forceinline__ void each_sum(F) {}
    template <int kP, class Team>
    __device__ __forceinline__ void finish(const Sweep&, const Team&, int, int, float*) {}
};

// The kernels of a cell that has no parameters beyond the products', for sweep_<cell>.cu and, with another TEAM,
// cluster_<cell>.cu. CELL is its equations.
#define SWEEP_FORWARD(name, TEAM, CELL, D, P)                                                                             \
    extern "C" __global__ void __launch_bounds__(TEAM<P>::kThreads, 1)                                                    \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhT, float* __restrict__ h, float* __restrict__ gates,  \
         float* __restrict__ cell, float* __restrict__ tanh_cell, int begin, int end, int room, int line, int kept,       \
         int slot, int keep, int waves, int samples, int C, int H, int M, float forget_bias) {                            \
        extern __shared__ float shared[];                                                                                 \
        const TEAM<P> team{};                                                                                             \
        const Sweep s = sweep_of(team.sample(), begin, end, room, line, kept, slot, keep, start, pred, succ, input, h,    \
                                 nullptr, gates, cell, tanh_cell, nullptr, nullptr, nullptr, waves, samples, C, H, M, D); \
        const CELL<D> c = {forget_bias, 0.0f};                                                                            \
        sweep_forward<D, P>(s, team, c, hhT + (size_t)blockIdx.y * D * H * (D + 3) * H, shared);                          \
    }

#define SWEEP_BACKWARD(name, TEAM, CELL, D, P)                                                                            \
    extern "C" __global__ void __launch_bounds__(TEAM<P>::kThreads, 1)                                                    \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh,                      \
         float* __restrict__ gates, float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ dhp,     \
         float* __restrict__ dcp, int begin, int end, int room, int line, int kept, int slot, int waves, int samples,     \
         int C, int H, int M, float clip) {                                                                               \
        extern __shared__ float shared[];                                                                                 \
        const TEAM<P> team{};                                                                                             \
        const Sweep s = sweep_of(team.sample(), begin, end, room, line, kept, slot, -1, start, pred, succ, input,         \
                                 nullptr, dh, gates, cell, tanh_cell, dhp, dcp, nullptr, waves, samples, C, H, M, D);     \
        CELL<D> c = {0.0f, clip};                                                                                         \
        sweep_backward<D, P>(s, team, c, hhB + (size_t)blockIdx.y * (D + 3) * H * D * H, shared);                         \
    }
