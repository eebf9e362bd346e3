// The layer-norm cell, a wavefront a launch: the seed's.
//
//   y_g = LN(z_g)·γ_g + β_g for every gate g, LN over the H units, LN(x) = (x - mean)/√(var + 1e-5), var biased
//   i = σ(y_i)   g = tanh(y_g)   f_d = σ(y_{f_d} + forget_bias)   o = σ(y_o)
//   c = i·g + Σ_d f_d·c_d        h = tanh(LN(c)·γ_c + β_c)·o
//
// Backward of y = x̂·γ + β with x̂ = LN(x), r = 1/√(var + 1e-5):  dx = r·(γ·dy - mean(γ·dy) - x̂·mean(γ·dy·x̂)).
// dh and dc are clamped to ±clip before they are used (design.md §3a); clip is infinite when that is off.
//
// What all cells share, the work split and the shapes of most arrays: wave.cuh. Here also
//   hat         inout [R, C, G·H]    x̂ of the gates: forward overwrites this wavefront's rows (=), backward reads them
//   cell_hat    inout [R, C, H]      x̂ of the cell, the same
//   inverse     inout [R, C, G+1]    r of each gate and, last, of the cell, the same
//   gate_weight, gate_bias  in [R, G, H]  γ_g, β_g        cell_weight, cell_bias  in [R, H]  γ_c, β_c
//   sums        inout [R, gridDim.x, 2(G+1)·H]  of each block, over its rows: Σ dy·x̂ and Σ dy of the gates, then of the
//                                    cell; += in every launch, and = 0 before when zero is not 0
// units must be H: a block sees whole rows, a warp each of them.
// Specification: host/ref, layerNormCell.
// Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450); as in the seed, with no bias but the norms'.

#include "wave.cuh"

constexpr float kNormEpsilon = 1e-5f;
constexpr int kWarps = kWaveThreads / 32;
constexpr int kGroup = 3;  // gates whose reductions run side by side: a chain of shuffles waits mostly

struct LayerNorm {
    float* hat;
    float* cell_hat;
    float* inverse;
    const float* gate_weight;
    const float* gate_bias;
    const float* cell_weight;
    const float* cell_bias;
    float* sums;
    float forget_bias, clip;

    // r of norm g of a row, for backward. The norm of one unit is constant; its gradient is exactly 0, which a fused
    // multiply-add in dy·γ - mean would miss by a rounding, times 316.
    __device__ __forceinline__ float slope_of(const Wave& w, int row, int g) const {
        return w.H > 1 ? inverse[(size_t)row * (w.D + 4) + g] : 0.0f;
    }

    __device__ __forceinline__ void forward(const Wave& w, const Share& s) const {
        for (int row = s.row + (int)threadIdx.x / 32; row < s.row + s.rows; row += kWarps) {
            for (int g = 0; g < w.D + 3; g += kGroup) { forward_gates(w, row, g); }
            forward_cell(w, row);
        }
    }

    // Norms and activations of gates first … first+kGroup-1, as many as there are.
    __device__ __forceinline__ void forward_gates(const Wave& w, int row, int first) const {
        const int H = w.H;
        const int lane = threadIdx.x % 32;
        const float share = 1.0f / (float)H;
        const int n = min(kGroup, w.D + 3 - first);
        float* z = w.gate(row) + first * H;
        float* x = hat + (size_t)row * w.width() + first * H;
        float mean[kGroup] = {};
        for (int k = lane; k < H; k += 32) {
#pragma unroll
            for (int i = 0; i < kGroup; ++i) { mean[i] += i < n ? z[i * H + k] : 0.0f; }
        }
#pragma unroll
        for (int i = 0; i < kGroup; ++i) { mean[i] = warp_sum(mean[i]) * share; }
        float r[kGroup] = {};
        for (int k = lane; k < H; k += 32) {
#pragma unroll
            for (int i = 0; i < kGroup; ++i) {
                const float away = i < n ? z[i * H + k] - mean[i] : 0.0f;
                r[i] += away * away;
            }
        }
#pragma unroll
        for (int i = 0; i < kGroup; ++i) {
            r[i] = rsqrtf(warp_sum(r[i]) * share + kNormEpsilon);
            if (lane == 0 && i < n) { inverse[(size_t)row * (w.D + 4) + first + i] = r[i]; }
        }
        for (int k = lane; k < H; k += 32) {
#pragma unroll
            for (int i = 0; i < kGroup; ++i) {
                if (i < n) {
                    const int at = i * H + k;
                    const int gate = first + i;
                    const float v = (z[at] - mean[i]) * r[i];
                    float y = v * gate_weight[first * H + at] + gate_bias[first * H + at];
                    if (gate >= 2 && gate < 2 + w.D) { y += forget_bias; }
                    x[at] = v;
                    z[at] = gate == 1 ? tanhf(y) : sigmoid(y);
                }
            }
        }
    }

    // A lane reads only what it wrote itself.
    __device__ __forceinline__ void forward_cell(const Wave& w, int row) const {
        const int H = w.H;
        const int lane = threadIdx.x % 32;
        const float share = 1.0f / (float)H;
        const float* z = w.gate(row);
        float* c = w.own(row);
        float mean = 0.0f;
        for (int k = lane; k < H; k += 32) {
            float sum = z[k] * z[H + k];
            for (int d = 0; d < w.D; ++d) { sum += z[(2 + d) * H + k] * w.before(row, d, k); }
            c[k] = sum;
            w.keep(row, k, sum);
            mean += sum;
        }
        mean = warp_sum(mean) * share;
        float r = 0.0f;
        for (int k = lane; k < H; k += 32) { r += (c[k] - mean) * (c[k] - mean); }
        r = rsqrtf(warp_sum(r) * share + kNormEpsilon);
        if (lane == 0) { inverse[(size_t)row * (w.D + 4) + w.D + 3] = r; }
        for (int k = lane; k < H; k += 32) {
            const size_t at = (size_t)row * H + k;
            const float v = (c[k] - mean) * r;
            const float tc = tanhf(v * cell_weight[k] + cell_bias[k]);
            cell_hat[at] = v;
            w.tanh_cell[at] = tc;
            w.put(row, k, z[(2 + w.D) * H + k] * tc);
        }
    }

    __device__ __forceinline__ void backward(const Wave& w, const Share& s) const {
        for (int row = s.row + (int)threadIdx.x / 32; row < s.row + s.rows; row += kWarps) { backward_cell(w, row); }
        __syncthreads();
        add_sums(w, s);
        __syncthreads();  // dy becomes dz
        for (int row = s.row + (int)threadIdx.x / 32; row < s.row + s.rows; row += kWarps) {
            for (int g = 0; g < w.D + 3; g += kGroup) { backward_gates(w, row, g); }
        }
    }

    // From what arrives at h and c to the gates' dy and the predecessors' dc. The gradient at the cell's norm stays in
    // tanh_cell for add_sums; what arrives at c waits in dcp until the norm's means are known.
    __device__ __forceinline__ void backward_cell(const Wave& w, int row) const {
        const int H = w.H;
        const int lane = threadIdx.x % 32;
        const float share = 1.0f / (float)H;
        float* z = w.gate(row);
        float* left = w.left(row);
        float* tanh_cell = w.tanh_cell + (size_t)row * H;
        const float* x = cell_hat + (size_t)row * H;
        float mean = 0.0f;
        float slope = 0.0f;
        for (int k = lane; k < H; k += 32) {
            float dh, dcs;
            w.collect(row, k, &dh, &dcs);
            const float o = z[(2 + w.D) * H + k];
            const float tc = tanh_cell[k];
            const float at_o = clamp(dh, clip) * o;
            const float dy = at_o * (1.0f - tc * tc);
            z[(2 + w.D) * H + k] = at_o * tc * (1.0f - o);
            tanh_cell[k] = dy;
            left[k] = dcs;
            const float dx = dy * cell_weight[k];
            mean += dx;
            slope += dx * x[k];
        }
        mean = warp_sum(mean) * share;
        slope = warp_sum(slope) * share;
        const float r = slope_of(w, row, w.D + 3);
        for (int k = lane; k < H; k += 32) {
            const float dc = clamp(left[k] + r * (tanh_cell[k] * cell_weight[k] - mean - x[k] * slope), clip);
            const float i = z[k];
            const float g = z[H + k];
            z[k] = dc * g * i * (1.0f - i);
            z[H + k] = dc * i * (1.0f - g * g);
            for (int d = 0; d < w.D; ++d) {
                const float f = z[(2 + d) * H + k];
                const float back = dc * f;
                z[(2 + d) * H + k] = back * (1.0f - f) * w.before(row, d, k);
                left[d * H + k] = back;
            }
        }
    }

    // Gates first … first+kGroup-1, as many as there are: dy becomes dz.
    __device__ __forceinline__ void backward_gates(const Wave& w, int row, int first) const {
        const int H = w.H;
        const int lane = threadIdx.x % 32;
        const float share = 1.0f / (float)H;
        const int n = min(kGroup, w.D + 3 - first);
        float* z = w.gate(row) + first * H;
        const float* x = hat + (size_t)row * w.width() + first * H;
        const float* weight = gate_weight + first * H;
        float mean[kGroup] = {};
        float slope[kGroup] = {};
        for (int k = lane; k < H; k += 32) {
#pragma unroll
            for (int i = 0; i < kGroup; ++i) {
                const float dx = i < n ? z[i * H + k] * weight[i * H + k] : 0.0f;
                mean[i] += dx;
                slope[i] += i < n ? dx * x[i * H + k] : 0.0f;
            }
        }
#pragma unroll
        for (int i = 0; i < kGroup; ++i) {
            mean[i] = warp_sum(mean[i]) * share;
            slope[i] = warp_sum(slope[i]) * share;
        }
        for (int k = lane; k < H; k += 32) {
#pragma unroll
            for (int i = 0; i < kGroup; ++i) {
                if (i < n) {
                    const int at = i * H + k;
                    const float r = slope_of(w, row, first + i);
                    z[at] = r * (z[at] * weight[at] - mean[i] - x[at] * slope[i]);
                }
            }
        }
    }

    // Adds the share's rows to the block's sums. A thread keeps its columns from launch to launch.
    __device__ __forceinline__ void add_sums(const Wave& w, const Share& s) const {
        const int width = w.width();
        for (int at = threadIdx.x; at < width + w.H; at += kWaveThreads) {
            const bool gates = at < width;
            const int stride = gates ? width : w.H;
            const int k = gates ? at : at - width;
            const float* dy = (gates ? w.gates : w.tanh_cell) + (size_t)s.row * stride + k;
            const float* x = (gates ? hat : cell_hat) + (size_t)s.row * stride + k;
            float slope = 0.0f;
            float sum = 0.0f;
#pragma unroll 4
            for (int row = 0; row < s.rows; ++row) {
                const float v = dy[(size_t)row * stride];
                slope += v * x[(size_t)row * stride];
                sum += v;
            }
            float* to = sums + (gates ? k : 2 * width + k);
            to[0] += slope;
            to[stride] += sum;
        }
    }

    __device__ __forceinline__ void zero(const Wave& w, const Share&) const {
        const int width = w.width();
        for (int at = threadIdx.x; at < width + w.H; at += kWaveThreads) {
            float* to = sums + (at < width ? at : width + at);
            to[0] = 0.0f;
            to[at < width ? width : w.H] = 0.0f;
        }
    }
};

#define FORWARD(name, TM, TN, PRODUCT)                                                                                    \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)                                                         \
    name(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ input,                       \
         const float* __restrict__ hhT, float* h, float* gates, float* cell, float* __restrict__ tanh_cell,               \
         float* __restrict__ hat, float* __restrict__ cell_hat, float* __restrict__ inverse,                              \
         const float* __restrict__ gate_weight, const float* __restrict__ gate_bias,                                      \
         const float* __restrict__ cell_weight, const float* __restrict__ cell_bias, int t, int base, int room, int line, \
         int kept, int slot, int keep, int C, int H, int D, int units, float forget_bias) {                               \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.z;                                                                                         \
        const int GH = (D + 3) * H;                                                                                       \
        const Wave w = wave_of({base, room, line, kept, slot, keep}, wave, t, pred, nullptr, input, h, nullptr, gates,    \
                               cell, tanh_cell, nullptr, nullptr, C, H, D);                                               \
        const LayerNorm c = {hat + w.rows * GH, cell_hat + w.rows * H, inverse + w.rows * (D + 4), gate_weight + q * GH,  \
                             gate_bias + q * GH, cell_weight + q * H, cell_bias + q * H, nullptr, forget_bias, 0.0f};     \
        wave_forward<TM, TN, PRODUCT>(w, c, wave, hhT + (size_t)q * D * H * GH, t, units, shared);                        \
    }

#define BACKWARD(name, TM, TN, PRODUCT)                                                                                   \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)                                                         \
    name(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ succ,                        \
         const int* __restrict__ input, const float* __restrict__ hhB, const float* __restrict__ dh, float* gates,        \
         const float* cell, float* tanh_cell, float* dhp, float* dcp, const float* __restrict__ hat,                      \
         const float* __restrict__ cell_hat, const float* __restrict__ inverse, const float* __restrict__ gate_weight,    \
         const float* __restrict__ cell_weight, float* sums, int t, int base, int room, int line, int kept, int slot,     \
         int C, int H, int D, int units, float clip, int zero) {                                                          \
        extern __shared__ float shared[];                                                                                 \
        const int q = blockIdx.z;                                                                                         \
        const int GH = (D + 3) * H;                                                                                       \
        const Wave w = wave_of({base, room, line, kept, slot, -1}, wave, t, pred, succ, input, nullptr, dh, gates,        \
                               const_cast<float*>(cell), tanh_cell, dhp, dcp, C, H, D);                                   \
        const LayerNorm c = {const_cast<float*>(hat) + w.rows * GH, const_cast<float*>(cell_hat) + w.rows * H,            \
                             const_cast<float*>(inverse) + w.rows * (D + 4), gate_weight + q * GH, nullptr,               \
                             cell_weight + q * H, nullptr, sums + ((size_t)q * gridDim.x + blockIdx.x) * 2 * (GH + H),    \
                             0.0f, clip};                                                                                 \
        wave_backward<TM, TN, PRODUCT>(w, c, wave, hhB + (size_t)q * GH * D * H, t, units, zero, shared);                 \
    }

FORWARD(wave_layernorm_forward, 2, 4, true)
FORWARD(wave_layernorm_forward_wide, 4, 8, true)
FORWARD(wave_layernorm_gates, 1, 4, false)
BACKWARD(wave_layernorm_backward, 2, 4, true)
BACKWARD(wave_layernorm_backward_wide, 4, 8, true)
BACKWARD(wave_layernorm_dgates, 1, 4, false)
