// The layer-norm cell as sweeps: its equations on registers, those of wave_layernorm.cu, and its kernels. The lanes of a row
// make its norms by shuffles, all gates side by side.
#pragma once

#include "sweep.cuh"

constexpr float kNormEpsilon = 1e-5f;

template <int kD, int kP>
struct SweepLayerNorm {
    static constexpr int kG = kD + 3;
    float* hat;  // these three from row s.first on
    float* cell_hat;
    float* inverse;
    float* partial;
    float forget_bias, clip;
    // Of this lane's unit: parameters, and in backward the sums of their gradients.
    float gate_weight[kG], gate_bias[kG], cell_weight, cell_bias;
    float d_gate_weight[kG], d_gate_bias[kG], d_cell_weight, d_cell_bias;

    struct More {
        float hat[kG], inverse[kG + 1], cell_hat;
    };

    __device__ __forceinline__ void load(int k, int H, const float* gw, const float* gb, const float* cw, const float* cb) {
#pragma unroll
        for (int g = 0; g < kG; ++g) {
            gate_weight[g] = k < H ? gw[g * H + k] : 0.0f;
            gate_bias[g] = gb != nullptr && k < H ? gb[g * H + k] : 0.0f;
            d_gate_weight[g] = 0.0f;
            d_gate_bias[g] = 0.0f;
        }
        cell_weight = k < H ? cw[k] : 0.0f;
        cell_bias = cb != nullptr && k < H ? cb[k] : 0.0f;
        d_cell_weight = 0.0f;
        d_cell_bias = 0.0f;
    }

    __device__ __forceinline__ void forward(const Sweep& s, int row, int k, float* z, const float* before, float* c, float* tc,
                                            float* h) const {
        const float share = 1.0f / (float)s.H;
        const bool inside = k < s.H;
        const bool keep = inside && row >= 0;
        float mean[kG];
        float r[kG];
#pragma unroll
        for (int g = 0; g < kG; ++g) { mean[g] = row_sum<kP>(z[g]) * share; }  // z is 0 beyond H
#pragma unroll
        for (int g = 0; g < kG; ++g) {
            const float away = inside ? z[g] - mean[g] : 0.0f;
            r[g] = rsqrtf(row_sum<kP>(away * away) * share + kNormEpsilon);
        }
#pragma unroll
        for (int g = 0; g < kG; ++g) {
            const float x = (z[g] - mean[g]) * r[g];
            float y = x * gate_weight[g] + gate_bias[g];
            if (g >= 2 && g < 2 + kD) { y += forget_bias; }
            z[g] = g == 1 ? tanhf(y) : sigmoid(y);
            if (keep) {
                hat[(size_t)row * kG * s.H + g * s.H + k] = x;
                if (k == 0) { inverse[(size_t)row * (kG + 1) + g] = r[g]; }
            }
        }
        float sum = z[0] * z[1];
#pragma unroll
        for (int d = 0; d < kD; ++d) { sum += z[2 + d] * before[d]; }
        const float cell_mean = row_sum<kP>(inside ? sum : 0.0f) * share;
        const float away = inside ? sum - cell_mean : 0.0f;
        const float cell_r = rsqrtf(row_sum<kP>(away * away) * share + kNormEpsilon);
        const float x = away * cell_r;
        *c = sum;
        *tc = tanhf(x * cell_weight + cell_bias);
        *h = *tc * z[2 + kD];
        if (keep) {
            cell_hat[(size_t)row * s.H + k] = x;
            if (k == 0) { inverse[(size_t)row * (kG + 1) + kG] = cell_r; }
        }
    }

    __device__ __forceinline__ void fetch(const Sweep& s, int row, int k, More* m) const {
#pragma unroll
        for (int g = 0; g < kG; ++g) { m->hat[g] = hat[(size_t)row * kG * s.H + g * s.H + k]; }
        // The norm of one unit is constant, its gradient exactly 0: see wave_layernorm.cu.
#pragma unroll
        for (int g = 0; g < kG + 1; ++g) { m->inverse[g] = s.H > 1 ? inverse[(size_t)row * (kG + 1) + g] : 0.0f; }
        m->cell_hat = cell_hat[(size_t)row * s.H + k];
    }

    __device__ __forceinline__ void backward(const Sweep& s, int, Values<kD>& v, const More& m, float dcs, float* left) {
        const float share = 1.0f / (float)s.H;
        float* z = v.z;
        const float o = z[2 + kD];
        const float at_o = clamp(v.dh, clip) * o;
        float dy = at_o * (1.0f - v.tc * v.tc);
        z[2 + kD] = at_o * v.tc * (1.0f - o);
        d_cell_weight += dy * m.cell_hat;
        d_cell_bias += dy;
        dy *= cell_weight;
        const float cell_mean = row_sum<kP>(dy) * share;
        const float cell_slope = row_sum<kP>(dy * m.cell_hat) * share;
        const float dc = clamp(dcs + m.inverse[kG] * (dy - cell_mean - m.cell_hat * cell_slope), clip);
        const float i = z[0];
        const float g = z[1];
        z[0] = dc * g * i * (1.0f - i);
        z[1] = dc * i * (1.0f - g * g);
#pragma unroll
        for (int d = 0; d < kD; ++d) {
            const float f = z[2 + d];
            left[d] = dc * f;
            z[2 + d] = left[d] * (1.0f - f) * v.before[d];
        }
        float mean[kG];
        float slope[kG];
#pragma unroll
        for (int n = 0; n < kG; ++n) {
            d_gate_weight[n] += z[n] * m.hat[n];
            d_gate_bias[n] += z[n];
            z[n] *= gate_weight[n];
            mean[n] = row_sum<kP>(z[n]) * share;
            slope[n] = row_sum<kP>(z[n] * m.hat[n]) * share;
        }
#pragma unroll
        for (int n = 0; n < kG; ++n) { z[n] = m.inverse[n] * (z[n] - mean[n] - m.hat[n] * slope[n]); }
    }

    static constexpr int kSums = 2 * (kG + 1);
    template <class F>
    __device__ __forceinline__ void each_sum(F f) {
#pragma unroll
        for (int g = 0; g < kG; ++g) {
            f(d_gate_weight[g], g);
            f(d_gate_bias[g], kG + g);
        }
        f(d_cell_weight, 2 * kG);
        f(d_cell_bias, 2 * kG + 1);
    }

    template <int kLanes, class Team>
    __device__ __forceinline__ void finish(const Sweep& s, const Team& team, int k, int slot, float* scratch) {
#pragma unroll
        for (int g = 0; g < kG; ++g) {
            finish_sum<kLanes>(team, d_gate_weight[g], scratch, partial + g * s.H, k, slot, s.H);
            finish_sum<kLanes>(team, d_gate_bias[g], scratch, partial + (kG + g) * s.H, k, slot, s.H);
        }
        finish_sum<kLanes>(team, d_cell_weight, scratch, partial + 2 * kG * s.H, k, slot, s.H);
        finish_sum<kLanes>(team, d_cell_bias, scratch, partial + (2 * kG + 1) * s.H, k, slot, s.H);
    }
};

// The kernels, for sweep_layernorm.cu and, with another TEAM, cluster_layernorm.cu. Beside the arrays of sweep.cuh:
//   hat, cell_hat, inverse, gate_weight, gate_bias, cell_weight, cell_bias   as in wave_layernorm.cu
//   partial  out [R, samples, 2(D+4)·H]  of each sample, over its rows: Σ dy·x̂ and Σ dy of the gates, then of the cell
//                (=), zero for samples that do not exist; reduce_slots (arena.cu) adds them up
// tanh_cell is only read in backward.
#define LAYERNORM_FORWARD(name, TEAM, D, P)                                                                               \
    extern "C" __global__ void __launch_bounds__(TEAM<P>::kThreads, 1)                                                    \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhT, float* __restrict__ h, float* __restrict__ gates,  \
         float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ hat, float* __restrict__ cell_hat,  \
         float* __restrict__ inverse, const float* __restrict__ gate_weight, const float* __restrict__ gate_bias,         \
         const float* __restrict__ cell_weight, const float* __restrict__ cell_bias, int begin, int end, int room,        \
         int line, int kept, int slot, int keep, int waves, int samples, int C, int H, int M, float forget_bias) {        \
        extern __shared__ float shared[];                                                                                 \
        const TEAM<P> team{};                                                                                             \
        const int q = blockIdx.y;                                                                                         \
        const int GH = (D + 3) * H;                                                                                       \
        const Sweep s = sweep_of(team.sample(), begin, end, room, line, kept, slot, keep, start, pred, succ, input, h,    \
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
        sweep_forward<D, P>(s, team, c, hhT + (size_t)q * D * H * GH, shared);                                            \
    }

#define LAYERNORM_BACKWARD(name, TEAM, D, P)                                                                              \
    extern "C" __global__ void __launch_bounds__(TEAM<P>::kThreads, 1)                                                    \
    name(const int* __restrict__ start, const int* __restrict__ pred, const int* __restrict__ succ,                       \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh,                      \
         float* __restrict__ gates, float* __restrict__ cell, float* __restrict__ tanh_cell, float* __restrict__ dhp,     \
         float* __restrict__ dcp, float* __restrict__ hat, float* __restrict__ cell_hat, float* __restrict__ inverse,     \
         const float* __restrict__ gate_weight, const float* __restrict__ cell_weight, float* __restrict__ partial,       \
         float* __restrict__ sums, int begin, int end, int room, int line, int kept, int slot, int waves, int samples,    \
         int C, int H, int M, float clip) {                                                                               \
        extern __shared__ float shared[];                                                                                 \
        const TEAM<P> team{};                                                                                             \
        const int q = blockIdx.y;                                                                                         \
        const size_t part = (size_t)q * samples + team.sample();                                                          \
        const int GH = (D + 3) * H;                                                                                       \
        const Sweep s = sweep_of(team.sample(), begin, end, room, line, kept, slot, -1, start, pred, succ, input,         \
                                 nullptr, dh, gates, cell, tanh_cell, dhp, dcp, sums, waves, samples, C, H, M, D);        \
        const ptrdiff_t rows = (ptrdiff_t)q * room - s.first;                                                             \
        SweepLayerNorm<D, P> c;                                                                                           \
        c.hat = hat + rows * GH;                                                                                          \
        c.cell_hat = cell_hat + rows * H;                                                                                 \
        c.inverse = inverse + rows * (D + 4);                                                                             \
        c.partial = partial + part * 2 * (GH + H);                                                                        \
        c.forget_bias = 0.0f;                                                                                             \
        c.clip = clip;                                                                                                    \
        c.load(threadIdx.x % P, H, gate_weight + q * GH, nullptr, cell_weight + q * H, nullptr);                          \
        sweep_backward<D, P>(s, team, c, hhB + (size_t)q * GH * D * H, shared);                                           \
    }
