// Losses of the head's outputs, and their gradients at the head's pre-activations; the derivative of dense activations.
//
//   loss_mse       L = Σ (y - target)²              dz = 2·scale·(y - target)·act'(y)     target NaN: does not count
//                  relevant: Σ over listed rows of the mean over units of (y - target)²
//   loss_classes   L = Σ w_t·(log Σ_u e^z_u - z_t)  dz_u = scale·w_t·(p_u - [u = t])      t < 0: does not count
//   loss_binary    L = Σ max(z, 0) - z·t + log(1 + e^-|z|)       dz = scale·(σ(z) - t)
//   slope_rows     grad *= act'(y)                  a dense layer's activation, backward
//
//   y         in   [·, U] outputs of the head after its activation (mse)
//   z         inout [·, U] logits; overwritten with p = softmax(z), or σ(z), rows 0 … T-1 (=)
//   target    in   float [·, U] in row order, or int32 class [·]; not read without targets
//   weight    in   float [U]: w of each class; null: 1
//   relevant  in   int32: rows
//   grad      out  [·, U]: rows 0 … T-1 (=); null: no gradient wanted (and always when there are no targets)
//   control   in   int32 [2]: 1 when the batch has targets else 0; how many relevant rows
//   scale     in   float [1]: 1/normaliser
//   sums      out  [blocks]: all of it (=); the host adds them up. loss_mse: the last ceil(capacity of relevant / 256) are the
//                  relevant sums, the others L
//   rows      in   int32 [1]: T.  U units
//
// A block of 256 threads has 256 rows: thread-strided over elements (mse, binary) or a warp a row (classes). Each thread adds
// with Kahan's compensation, then the block in the fixed order of reduce.cuh: the bits depend on T and U alone.
// classes: log Σ e^z = z_max + log1p(Σ_{u ≠ max} e^(z_u - z_max)), so that small losses and their gradients keep their
// digits. Specification: host/ref/loss.go.

#include "activation.cuh"
#include "loss.cuh"
#include "reduce.cuh"

constexpr int kLossThreads = 256;  // kernels.go: Threads of all
constexpr int kLossRows = 256;     // rows of a block; lossRows in host/gpu

extern "C" __global__ void __launch_bounds__(kLossThreads)
loss_mse(const float* __restrict__ y, const float* __restrict__ target, const int* __restrict__ relevant,
         const int* __restrict__ control, const float* __restrict__ scale, float* __restrict__ grad, float* __restrict__ sums,
         const int* __restrict__ rows, int U, int activation, int lossBlocks) {
    __shared__ float scratch[kLossThreads / 32];
    const bool targets = control[0] != 0;
    Sum sum;
    if ((int)blockIdx.x < lossBlocks) {
        const int from = blockIdx.x * kLossRows;
        const int count = targets ? max(0, min(rows[0] - from, kLossRows)) * U : 0;
        const size_t at = (size_t)from * U;
        const float twice = 2.0f * scale[0];
        for (int i = threadIdx.x; i < count; i += kLossThreads) {
            const float v = y[at + i];
            const float want = target[at + i];
            const bool counts = want == want;  // not NaN
            const float error = counts ? v - want : 0.0f;
            sum.add(error * error);
            if (grad != nullptr) { grad[at + i] = counts ? twice * error * slope(v, activation) : 0.0f; }
        }
    } else {
        const int i = (blockIdx.x - lossBlocks) * kLossRows + threadIdx.x;
        if (targets && i < control[1]) {
            const size_t at = (size_t)relevant[i] * U;
            Sum squares;
            int count = 0;
            for (int u = 0; u < U; ++u) {
                const float want = target[at + u];
                const float error = y[at + u] - want;
                if (want == want) {
                    squares.add(error * error);
                    ++count;
                }
            }
            sum.add(squares.total / (float)max(1, count));
        }
    }
    const float total = block_sum<kLossThreads>(sum.total, scratch);
    if (threadIdx.x == 0) { sums[blockIdx.x] = total; }
}

extern "C" __global__ void __launch_bounds__(kLossThreads)
loss_binary(float* __restrict__ z, const float* __restrict__ target, const int* __restrict__ control,
            const float* __restrict__ scale, float* __restrict__ grad, float* __restrict__ sums, const int* __restrict__ rows,
            int U) {
    __shared__ float scratch[kLossThreads / 32];
    const bool targets = control[0] != 0;
    const int from = blockIdx.x * kLossRows;
    const int count = max(0, min(rows[0] - from, kLossRows)) * U;
    const size_t at = (size_t)from * U;
    const float factor = scale[0];
    Sum sum;
    for (int i = threadIdx.x; i < count; i += kLossThreads) {
        const float v = z[at + i];
        const float t = targets ? target[at + i] : 0.0f;
        const Binary b = binary(v, t);
        z[at + i] = b.p;
        if (targets) {
            sum.add(b.loss);
            if (grad != nullptr) { grad[at + i] = factor * b.error; }
        }
    }
    const float total = block_sum<kLossThreads>(sum.total, scratch);
    if (threadIdx.x == 0) { sums[blockIdx.x] = total; }
}

// Where a row's largest logit is.
struct Largest {
    float value;
    int unit;
};

// The largest over the warp, NaN before everything, the lowest unit among equals. All lanes must call.
static __device__ __forceinline__ Largest warp_largest(Largest best) {
    for (int offset = 16; offset > 0; offset /= 2) {
        const float value = __shfl_xor_sync(kAllLanes, best.value, offset);
        const int unit = __shfl_xor_sync(kAllLanes, best.unit, offset);
        const bool nan = value != value;
        const bool bestNaN = best.value != best.value;
        const bool tie = nan == bestNaN && (nan || value == best.value);
        if (nan ? !bestNaN || unit < best.unit : !bestNaN && (value > best.value || (tie && unit < best.unit))) {
            best = {value, unit};
        }
    }
    return best;
}

extern "C" __global__ void __launch_bounds__(kLossThreads)
loss_classes(float* __restrict__ z, const int* __restrict__ target, const float* __restrict__ weight,
             const int* __restrict__ control, const float* __restrict__ scale, float* __restrict__ grad,
             float* __restrict__ sums, const int* __restrict__ rows, int U) {
    __shared__ float scratch[kLossThreads / 32];
    const bool targets = control[0] != 0;
    const int lane = threadIdx.x % 32;
    const int to = min(rows[0], (int)(blockIdx.x + 1) * kLossRows);
    Sum sum;  // of lane 0
    for (int r = blockIdx.x * kLossRows + threadIdx.x / 32; r < to; r += kLossThreads / 32) {
        float* __restrict__ logit = z + (size_t)r * U;
        Largest best = {lane < U ? logit[lane] : -INFINITY, lane};
        for (int u = lane + 32; u < U; u += 32) {
            const float v = logit[u];
            if (v > best.value || (v != v && best.value == best.value)) { best = {v, u}; }
        }
        best = warp_largest(best);
        float rest = 0.0f;  // Σ e^(z_u - z_max) without the largest's own 1
        for (int u = lane; u < U; u += 32) {
            if (u != best.unit) { rest += expf(logit[u] - best.value); }
        }
        rest = warp_sum(rest);

        const int t = targets ? target[r] : -1;
        const float w = t < 0 ? 0.0f : weight != nullptr ? weight[t] : 1.0f;
        if (w > 0.0f && lane == 0) { sum.add(w * ((best.value - logit[t]) + log1pf(rest))); }
        __syncwarp();  // lane 0 reads a logit that another lane is about to overwrite

        const float share = 1.0f / (1.0f + rest);
        const float factor = scale[0] * w;
        for (int u = lane; u < U; u += 32) {
            const float p = u == best.unit ? share : expf(logit[u] - best.value) * share;
            logit[u] = p;
            if (grad != nullptr && targets) {
                // p_t - 1; of the largest by way of the others' share, which keeps its digits
                const float error = u != t ? p : u == best.unit ? -rest * share : p - 1.0f;
                grad[(size_t)r * U + u] = w > 0.0f ? factor * error : 0.0f;
            }
        }
    }
    const float total = block_sum<kLossThreads>(sum.total, scratch);
    if (threadIdx.x == 0) { sums[blockIdx.x] = total; }
}

extern "C" __global__ void __launch_bounds__(kLossThreads)
slope_rows(float* __restrict__ grad, const float* __restrict__ y, const int* __restrict__ rows, int U, int activation, int P) {
    const int from = blockIdx.x * P;
    const int count = max(0, min(rows[0] - from, P)) * U;
    const size_t at = (size_t)from * U;
    for (int i = threadIdx.x; i < count; i += kLossThreads) { grad[at + i] *= slope(y[at + i], activation); }
}
