// The equations of the cells without layer norm, unit by unit. A thread has one (row, unit) at a time, unit fastest.
#pragma once

#include "wave.cuh"

// Calls f(row, unit) for every pair of the block's share.
template <class F>
static __device__ __forceinline__ void each_unit(const Share& s, F f) {
    for (int i = threadIdx.x; i < s.rows * s.units; i += kWaveThreads) { f(s.row + i / s.units, s.first + i % s.units); }
}

// Stick-breaking: m = v_1 c_0 + (1-v_1)·(v_2 c_1 + (1-v_2)·(… c_{D-1})), v_d the gate f_d; z points at unit k of gate i.
static __device__ __forceinline__ float mix(const Wave& w, const float* z, int row, int k) {
    float m = w.before(row, w.D - 1, k);
    for (int d = w.D - 2; d >= 0; --d) { m += z[(3 + d) * w.H] * (w.before(row, d, k) - m); }
    return m;
}

// Its backward: dm becomes the dz of f_1 … and, in left [D, H], the gradients of the predecessors' c.
//   m_d = v_{d+1} c_d + (1-v_{d+1}) m_{d+1},  m_{D-1} = c_{D-1},  m = m_0
//   ∂m/∂v_{d+1} = ρ_d (c_d - m_{d+1}),  ∂m/∂c_d = ρ_d v_{d+1},  ρ_{d+1} = ρ_d (1-v_{d+1}),  ρ_0 = 1
// left holds c_d - m_{d+1} in between, which saves an array indexed by d.
static __device__ __forceinline__ void mix_backward(const Wave& w, float* z, float* left, int row, int k, float dm) {
    const int last = w.D - 1;
    float m = w.before(row, last, k);
    for (int d = last - 1; d >= 0; --d) {
        const float away = w.before(row, d, k) - m;
        left[d * w.H] = away;
        m += z[(3 + d) * w.H] * away;
    }
    for (int d = 0; d < last; ++d) {
        const float v = z[(3 + d) * w.H];
        const float back = dm * v;
        dm -= back;                                  // dm·ρ_{d+1}
        z[(3 + d) * w.H] = v * dm * left[d * w.H];   // dm·ρ_d (c_d - m_{d+1})·v (1-v)
        left[d * w.H] = back;
    }
    left[last * w.H] = dm;
}

// c = i·g + Σ_d f_d·c_d, h = o·tanh(c); with peepholes i sees P_i·Σ_d c_d, f_d P_f[d]·c_d, o P_o·c.
template <bool kPeepholes>
struct Additive {
    const float* peephole_f;  // [D, H]; the three only with peepholes
    const float* peephole_i;  // [H]
    const float* peephole_o;  // [H]
    float* sums;              // [(D+2)·H] of the block: Σ over rows for P_f, P_i, P_o
    float forget_bias, clip;

    __device__ __forceinline__ void forward(const Wave& w, const Share& s) const {
        const int H = w.H;
        each_unit(s, [&](int row, int k) {
            float* z = w.gate(row) + k;
            float zi = z[0];
            if constexpr (kPeepholes) {
                for (int d = 0; d < w.D; ++d) { zi += peephole_i[k] * w.before(row, d, k); }
            }
            const float i = sigmoid(zi);
            const float g = tanhf(z[H]);
            z[0] = i;
            z[H] = g;
            float c = i * g;
            for (int d = 0; d < w.D; ++d) {
                const float before = w.before(row, d, k);
                float zf = z[(2 + d) * H] + forget_bias;
                if constexpr (kPeepholes) { zf += peephole_f[d * H + k] * before; }
                const float f = sigmoid(zf);
                z[(2 + d) * H] = f;
                c += f * before;
            }
            float zo = z[(2 + w.D) * H];
            if constexpr (kPeepholes) { zo += peephole_o[k] * c; }
            const float o = sigmoid(zo);
            const float tc = tanhf(c);
            z[(2 + w.D) * H] = o;
            w.own(row)[k] = c;
            w.keep(row, k, c);
            w.tanh_cell[(size_t)row * H + k] = tc;
            w.put(row, k, o * tc);
        });
    }

    __device__ __forceinline__ void backward(const Wave& w, const Share& s) const {
        const int H = w.H;
        each_unit(s, [&](int row, int k) {
            float* z = w.gate(row) + k;
            float* left = w.left(row) + k;
            float dh, dcs;
            w.collect(row, k, &dh, &dcs);
            dh = clamp(dh, clip);
            const float i = z[0];
            const float g = z[H];
            const float o = z[(2 + w.D) * H];
            const float tc = w.tanh_cell[(size_t)row * H + k];
            const float dzo = dh * tc * o * (1.0f - o);
            float dc = dcs + dh * o * (1.0f - tc * tc);
            if constexpr (kPeepholes) { dc += dzo * peephole_o[k]; }
            dc = clamp(dc, clip);
            const float dzi = dc * g * i * (1.0f - i);
            z[0] = dzi;
            z[H] = dc * i * (1.0f - g * g);
            z[(2 + w.D) * H] = dzo;
            for (int d = 0; d < w.D; ++d) {
                const float f = z[(2 + d) * H];
                const float dzf = dc * f * (1.0f - f) * w.before(row, d, k);
                z[(2 + d) * H] = dzf;
                float back = dc * f;
                if constexpr (kPeepholes) { back += dzi * peephole_i[k] + dzf * peephole_f[d * H + k]; }
                left[d * H] = back;
            }
        });
        if constexpr (kPeepholes) {
            __syncthreads();
            add_peepholes(w, s);
        }
    }

    // Adds the share's rows to the sums. A thread keeps its columns from launch to launch.
    __device__ __forceinline__ void add_peepholes(const Wave& w, const Share& s) const {
        const int H = w.H;
        for (int at = threadIdx.x; at < (w.D + 2) * s.units; at += kWaveThreads) {
            const int which = at / s.units;
            const int k = s.first + at % s.units;
            float sum = 0.0f;
            for (int row = s.row; row < s.row + s.rows; ++row) {
                const float* z = w.gate(row) + k;
                if (which < w.D) {
                    sum += z[(2 + which) * H] * w.before(row, which, k);
                } else if (which == w.D) {
                    float seen = 0.0f;
                    for (int d = 0; d < w.D; ++d) { seen += w.before(row, d, k); }
                    sum += z[0] * seen;
                } else {
                    sum += z[(2 + w.D) * H] * w.own(row)[k];
                }
            }
            sums[which * H + k] += sum;
        }
    }

    __device__ __forceinline__ void zero(const Wave& w, const Share& s) const {
        if constexpr (kPeepholes) {
            for (int at = threadIdx.x; at < (w.D + 2) * s.units; at += kWaveThreads) {
                sums[at / s.units * w.H + s.first + at % s.units] = 0.0f;
            }
        }
    }
};

// c = i·g + f_0·m, h = o·tanh(c).
struct Stable {
    float forget_bias, clip;

    __device__ __forceinline__ void forward(const Wave& w, const Share& s) const {
        const int H = w.H;
        each_unit(s, [&](int row, int k) {
            float* z = w.gate(row) + k;
            for (int d = 1; d < w.D; ++d) { z[(2 + d) * H] = sigmoid(z[(2 + d) * H]); }
            const float i = sigmoid(z[0]);
            const float g = tanhf(z[H]);
            const float f = sigmoid(z[2 * H] + forget_bias);
            const float o = sigmoid(z[(2 + w.D) * H]);
            const float c = i * g + f * mix(w, z, row, k);
            const float tc = tanhf(c);
            z[0] = i;
            z[H] = g;
            z[2 * H] = f;
            z[(2 + w.D) * H] = o;
            w.own(row)[k] = c;
            w.keep(row, k, c);
            w.tanh_cell[(size_t)row * H + k] = tc;
            w.put(row, k, o * tc);
        });
    }

    __device__ __forceinline__ void backward(const Wave& w, const Share& s) const {
        const int H = w.H;
        each_unit(s, [&](int row, int k) {
            float* z = w.gate(row) + k;
            float* left = w.left(row) + k;
            float dh, dcs;
            w.collect(row, k, &dh, &dcs);
            dh = clamp(dh, clip);
            const float i = z[0];
            const float g = z[H];
            const float f = z[2 * H];
            const float o = z[(2 + w.D) * H];
            const float tc = w.tanh_cell[(size_t)row * H + k];
            const float m = mix(w, z, row, k);
            const float dc = clamp(dcs + dh * o * (1.0f - tc * tc), clip);
            const float dm = dc * f;
            z[0] = dc * g * i * (1.0f - i);
            z[H] = dc * i * (1.0f - g * g);
            z[2 * H] = dm * m * (1.0f - f);
            z[(2 + w.D) * H] = dh * tc * o * (1.0f - o);
            mix_backward(w, z, left, row, k, dm);
        });
    }

    __device__ __forceinline__ void zero(const Wave&, const Share&) const {}
};

// c = (1-f_0)·g + f_0·m, h = tanh(o·c + i·m): the slot of the input gate is the second output gate.
struct LeakyLP {
    float forget_bias, clip;

    __device__ __forceinline__ void forward(const Wave& w, const Share& s) const {
        const int H = w.H;
        each_unit(s, [&](int row, int k) {
            float* z = w.gate(row) + k;
            for (int d = 1; d < w.D; ++d) { z[(2 + d) * H] = sigmoid(z[(2 + d) * H]); }
            const float i = sigmoid(z[0]);
            const float g = tanhf(z[H]);
            const float f = sigmoid(z[2 * H] + forget_bias);
            const float o = sigmoid(z[(2 + w.D) * H]);
            const float m = mix(w, z, row, k);
            const float c = (1.0f - f) * g + f * m;
            const float h = tanhf(o * c + i * m);
            z[0] = i;
            z[H] = g;
            z[2 * H] = f;
            z[(2 + w.D) * H] = o;
            w.own(row)[k] = c;
            w.keep(row, k, c);
            w.tanh_cell[(size_t)row * H + k] = h;
            w.put(row, k, h);
        });
    }

    __device__ __forceinline__ void backward(const Wave& w, const Share& s) const {
        const int H = w.H;
        each_unit(s, [&](int row, int k) {
            float* z = w.gate(row) + k;
            float* left = w.left(row) + k;
            float dh, dcs;
            w.collect(row, k, &dh, &dcs);
            const float i = z[0];
            const float g = z[H];
            const float f = z[2 * H];
            const float o = z[(2 + w.D) * H];
            const float h = w.tanh_cell[(size_t)row * H + k];
            const float m = mix(w, z, row, k);
            const float u = clamp(dh, clip) * (1.0f - h * h);  // at o·c + i·m
            const float dc = clamp(dcs + u * o, clip);
            z[0] = u * m * i * (1.0f - i);
            z[H] = dc * (1.0f - f) * (1.0f - g * g);
            z[2 * H] = dc * (m - g) * f * (1.0f - f);
            z[(2 + w.D) * H] = u * w.own(row)[k] * o * (1.0f - o);
            mix_backward(w, z, left, row, k, dc * f + u * i);
        });
    }

    __device__ __forceinline__ void zero(const Wave&, const Share&) const {}
};

// The kernels of a cell that has no parameters beyond the products': wave_plain.cu, wave_stable.cu, wave_leakylp.cu.
// CELL(forget_bias, clip) makes it.
#define WAVE_FORWARD(name, CELL, TM, TN, PRODUCT)                                                                         \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)                                                         \
    name(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ input,                       \
         const float* __restrict__ hhT, float* h, float* gates, float* cell, float* __restrict__ tanh_cell, int t,        \
         int base, int room, int line, int kept, int slot, int keep, int C, int H, int D, int units,                      \
         float forget_bias) {                                                                                             \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.z;                                                                                         \
        const Wave w = wave_of({base, room, line, kept, slot, keep}, wave, t, pred, nullptr, input, h, nullptr, gates,    \
                               cell, tanh_cell, nullptr, nullptr, C, H, D);                                               \
        wave_forward<TM, TN, PRODUCT>(w, CELL(forget_bias, 0.0f), wave, hhT + (size_t)q * D * H * (D + 3) * H, t, units,  \
                                      shared);                                                                            \
    }

#define WAVE_BACKWARD(name, CELL, TM, TN, PRODUCT)                                                                        \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)                                                         \
    name(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ succ,                        \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh, float* gates,        \
         float* cell, float* tanh_cell, float* dhp, float* dcp, int t, int base, int room, int line, int kept, int slot,  \
         int C, int H, int D, int units, float clip) {                                                                    \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.z;                                                                                         \
        const Wave w = wave_of({base, room, line, kept, slot, -1}, wave, t, pred, succ, input, nullptr, dh, gates, cell,  \
                               tanh_cell, dhp, dcp, C, H, D);                                                             \
        wave_backward<TM, TN, PRODUCT>(w, CELL(0.0f, clip), wave, hhB + (size_t)q * (D + 3) * H * D * H, t, units, 0,     \
                                       shared);                                                                           \
    }
