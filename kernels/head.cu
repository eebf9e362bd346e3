// A small head in one launch: outputs, loss, and the gradients of its inputs, weights and bias.
//
//   z[r, u] = Σ_k x[r, k]·W[u, k] + b[u]     y, loss and dz as in loss.cu, by loss: 0 mse, 1 classes, 2 binary
//   dx[r, k] = Σ_u dz[r, u]·W[u, k]          dW[u, k] = Σ_r dz[r, u]·x[r, k]          db[u] = Σ_r dz[r, u]
//
//   x         in   [·, K]
//   weight    in   [U, K];  bias  in  [U]
//   y         out  [·, U]: outputs after the activation (mse) or softmax or σ, rows 0 … T-1 (=)
//   target    in   float [·, U], or int32 class [·], in row order; not read without targets
//   classes   in   float [U]: w of each class; null: 1
//   relevant  in   int32 [·]: how often a row counts as relevant; null: no row does (mse only)
//   control   in   int32 [2]: 1 when the batch has targets else 0 (then dz = 0)
//   scale     in   float [1]: 1/normaliser
//   dx        out  [·, K]: rows 0 … T-1 (=); null: not wanted
//   partial   out  [blocks, U·K + U]: all of it (=): dW, db of a block's rows, for reduce_slots
//   sums      out  [2, blocks]: all of it (=): loss, relevant loss; the host adds them up
//   rows      in   int32 [1]: T.  U units, K inputs: U·(K+1) is small (host/gpu: HeadFits)
//
// A block has every 256th tile of 64 rows, from its own number on; grid: min(256, tiles of the capacity) blocks, so that tiles
// go to the same block whatever the capacity. Threads share a tile's elements; the weights' gradient is split over up to
// 8 threads an element where there are few. Dynamic shared memory: y and dz of a tile and 256 partial sums, 512·U + 1024 bytes.
// Sums in the order of rows within a split, then splits, then tiles: the bits depend on T and the shapes alone.
// Specification: host/ref, dense.go and loss.go.

#include "activation.cuh"
#include "load4.cuh"
#include "loss.cuh"
#include "reduce.cuh"

extern __shared__ __align__(16) float shared[];

constexpr int kHeadThreads = 256;  // kernels.go: Threads
constexpr int kHeadRows = 64;      // of a tile; headRows in host/gpu
constexpr int kHeadBlocks = 256;   // headBlocks in host/gpu
constexpr int kLossClasses = 1;    // mse is 0
constexpr int kLossBinary = 2;

// Cross-entropy of one row by one thread: z becomes softmax(z), dz its gradient. Returns the loss.
static __device__ __forceinline__ float classes_row(float* z, float* dz, int U, int t, float w, float scale) {
    int top = 0;
    for (int u = 1; u < U; ++u) {
        if (z[u] > z[top] || (z[u] != z[u] && z[top] == z[top])) { top = u; }  // NaN before everything
    }
    const float largest = z[top];
    const float mine = w > 0.0f ? z[t] : largest;
    float rest = 0.0f;  // Σ e^(z_u - z_max) without the largest's own 1
    for (int u = 0; u < U; ++u) {
        z[u] = expf(z[u] - largest);
        if (u != top) { rest += z[u]; }
    }
    const float share = 1.0f / (1.0f + rest);
    for (int u = 0; u < U; ++u) {
        z[u] *= share;
        const float error = u != t ? z[u] : u == top ? -rest * share : z[u] - 1.0f;  // as in loss_classes
        dz[u] = w > 0.0f ? scale * w * error : 0.0f;
    }
    return w > 0.0f ? w * ((largest - mine) + log1pf(rest)) : 0.0f;
}

extern "C" __global__ void __launch_bounds__(kHeadThreads)
head_step(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ y,
          const void* __restrict__ target, const float* __restrict__ classes, const int* __restrict__ relevant,
          const int* __restrict__ control, const float* __restrict__ scale, float* __restrict__ dx,
          float* __restrict__ partial, float* __restrict__ sums, const int* __restrict__ rows, int K, int U, int loss,
          int activation) {
    __shared__ float scratch[kHeadThreads / 32];
    float* const outputs = shared;             // [kHeadRows, U]
    float* const dz = outputs + kHeadRows * U;  // [kHeadRows, U]
    float* const splits = dz + kHeadRows * U;   // [kHeadThreads]
    const float* __restrict__ values = reinterpret_cast<const float*>(target);
    const int* __restrict__ class_of = reinterpret_cast<const int*>(target);
    const int t = threadIdx.x;
    const int T = rows[0];
    const bool targets = control[0] != 0;
    const float factor = targets ? scale[0] : 0.0f;
    const bool aligned = K % 4 == 0 && aligned16(x) && aligned16(weight);

    const int E = U * K + U;  // of dW and db
    float* __restrict__ mine = partial + (size_t)blockIdx.x * E;
    int parts = 1;  // threads that share an element of them
    while (parts < 8 && 2 * parts * E <= kHeadThreads) { parts *= 2; }

    Sum total;
    Sum relevant_total;
    bool first = true;
    for (int row0 = blockIdx.x * kHeadRows; row0 < T; row0 += kHeadBlocks * kHeadRows) {
        const int n = min(kHeadRows, T - row0);
        for (int e = t; e < n * U; e += kHeadThreads) {
            const float* __restrict__ a = x + (size_t)(row0 + e / U) * K;
            const float* __restrict__ w = weight + (size_t)(e % U) * K;
            float sum = 0.0f;
#pragma unroll 2
            for (int k = 0; k < K; k += 4) {
                const float4 p = load4(a + k, K - k, aligned);
                const float4 q = load4(w + k, K - k, aligned);
                sum = fmaf(p.x, q.x, sum);  // beyond K zeros, which change nothing
                sum = fmaf(p.y, q.y, sum);
                sum = fmaf(p.z, q.z, sum);
                sum = fmaf(p.w, q.w, sum);
            }
            outputs[e] = sum + bias[e % U];
        }
        __syncthreads();

        if (loss == kLossClasses) {
            for (int r = t; r < n; r += kHeadThreads) {
                const int c = targets ? class_of[row0 + r] : -1;
                const float w = c < 0 ? 0.0f : classes != nullptr ? classes[c] : 1.0f;
                total.add(classes_row(outputs + r * U, dz + r * U, U, c, w, factor));
            }
            __syncthreads();
        }
        for (int e = t; e < n * U; e += kHeadThreads) {
            const size_t at = (size_t)row0 * U + e;
            if (loss == kLossBinary) {
                const Binary b = binary(outputs[e], targets ? values[at] : 0.0f);
                outputs[e] = b.p;
                dz[e] = factor * b.error;
                if (targets) { total.add(b.loss); }
            } else if (loss != kLossClasses) {
                const float v = activate(outputs[e], activation);
                const float want = targets ? values[at] : v;
                const bool counts = want == want;  // not NaN
                const float error = counts ? v - want : 0.0f;
                outputs[e] = v;
                dz[e] = 2.0f * factor * error * slope(v, activation);
                if (!counts) { dz[e] = 0.0f; }
                total.add(error * error);
            }
            y[at] = outputs[e];
        }
        __syncthreads();

        if (relevant != nullptr && targets && t < n && relevant[row0 + t] > 0) {
            Sum squares;
            int count = 0;
            for (int u = 0; u < U; ++u) {
                const float want = values[(size_t)(row0 + t) * U + u];
                const float error = outputs[t * U + u] - want;
                if (want == want) {
                    squares.add(error * error);
                    ++count;
                }
            }
            relevant_total.add((float)relevant[row0 + t] * (squares.total / (float)max(1, count)));
        }
        if (dx != nullptr) {
            for (int e = t; e < n * K; e += kHeadThreads) {
                const int r = e / K;
                float sum = 0.0f;
                for (int u = 0; u < U; ++u) { sum = fmaf(dz[r * U + u], weight[(size_t)u * K + e % K], sum); }
                dx[(size_t)row0 * K + e] = sum;
            }
        }
        for (int e0 = 0; e0 < E; e0 += kHeadThreads) {  // more than once only where parts is 1
            const int e = parts > 1 ? t % E : e0 + t;
            const int part = parts > 1 ? t / E : 0;
            float sum = 0.0f;
            if (e < E && part < parts) {
                if (e < U * K) {
                    const float* __restrict__ a = x + (size_t)row0 * K + e % K;
                    const float* d = dz + e / K;
#pragma unroll 4
                    for (int r = part; r < n; r += parts) { sum = fmaf(d[r * U], a[(size_t)r * K], sum); }
                } else {
                    for (int r = part; r < n; r += parts) { sum += dz[r * U + e - U * K]; }
                }
            }
            if (parts > 1) {
                splits[t] = sum;
                __syncthreads();
                for (int p = 1; p < parts; ++p) { sum += t < E ? splits[t + p * E] : 0.0f; }
            }
            if (e < E && part == 0) { mine[e] = first ? sum : mine[e] + sum; }
        }
        __syncthreads();  // before the next tile overwrites shared memory
        first = false;
    }
    if (first) {  // no rows: zeros
        for (int e = t; e < E; e += kHeadThreads) { mine[e] = 0.0f; }
    }
    const float all = block_sum<kHeadThreads>(total.total, scratch);
    const float all_relevant = block_sum<kHeadThreads>(relevant_total.total, scratch);
    if (t == 0) {
        sums[blockIdx.x] = all;
        sums[gridDim.x + blockIdx.x] = all_relevant;
    }
}
