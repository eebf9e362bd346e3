// Products of many rows: input projections, dense layers, gradients of inputs.
//
//   out[q, r, n] = activation( Σ_s Σ_k A[p, index[p, r], k] · B[p, k, n] + bias[q, n] ( + out[q, r, n]) )       r < T
//
// Q products at once (p = q, S = 1), or one product of S segments side by side (p = s, Q = 1): the input projections of all
// directions are the first, the gradient of x, which sums over the directions, is the second. T rows, K inputs, N outputs.
//
//   A      in   rows of width lda of which K are read; rowsA rows from one p to the next (0: all p share A)
//   index  in   int32 [P, rowsIndex]: row of A that row r reads; null: row r itself
//   B      in   [P, K, N]
//   bias   in   [Q, N]; null: none
//   out    out  [Q, rowsOut, N]: rows 0 … T-1 overwritten (=), with kAccumulate added to (+=); may not alias A
//   rows   in   int32 [1]: T, on the device so that a recorded graph serves every batch
//   first  in   int32 [1]: the first row, F; null: 0. Rows F … T-1 are computed, out row r-F is row r's
//   flags       activation (0 linear, 1 tanh, 2 sigmoid), +4: accumulate, +8: scatter: row r reads row r-F of A and has out row
//               index[p, r], each at most once a launch
//
// rows_gemm_W: a block computes 128 rows × W outputs, a thread 8 × 8, from tiles of 8 inputs in shared memory, double
// buffered, one barrier a tile: 2·8·(132+W)·4 bytes, 8.1 KiB at W = 64. rows_gemm_small: 64 × 64, a thread 4 × 4, tiles of 16.
// Four neighbours are loaded and stored at once where rows are aligned so. rows_gemm_narrow: a thread an output, for few
// outputs, no shared memory. Blocks of rows beyond T return at once.
// Every output is one chain of fused multiply-adds over s, then k: all have the same bits, on any grid.
// Specification: host/ref, dense and the input part of mdlstm.

#include "activation.cuh"
#include "gemm_rows.cuh"
#include "load4.cuh"

extern __shared__ __align__(16) float shared[];

constexpr int kNarrowThreads = 256;  // kernels.go: Threads of rows_gemm_narrow
// A tile of kRows × kColumns outputs; a thread has kM × kN of them, in groups of four that lie kRows·4/kM apart, so that
// the threads of a warp read neighbouring words of shared memory.
template <int kRows, int kColumns, int kDepth, int kM, int kN>
static __device__ __forceinline__ void gemm_tile(const float* __restrict__ A, const int* __restrict__ index,
                                                 const float* __restrict__ B, const float* __restrict__ bias,
                                                 float* __restrict__ out, const int* __restrict__ rows,
                                                 const int* __restrict__ first, int K, int N, int lda, int rowsA, int rowsIndex,
                                                 int rowsOut, int S, int flags) {
    constexpr int kAcross = kColumns / kN;  // threads side by side
    constexpr int kThreads = kAcross * (kRows / kM);
    constexpr int kStride = kRows + 4;  // of A's tile, which is stored [input, row]
    constexpr int kBuffer = kDepth * (kStride + kColumns);
    constexpr int kQuadsA = kRows * kDepth / 4;     // loads of four inputs of a row
    constexpr int kQuadsB = kColumns * kDepth / 4;  // loads of four outputs of an input
    constexpr int kLoadsA = (kQuadsA + kThreads - 1) / kThreads;
    constexpr int kLoadsB = (kQuadsB + kThreads - 1) / kThreads;

    const int T = rows[0];
    const int F = first != nullptr ? first[0] : 0;
    const int row0 = F + blockIdx.x * kRows;
    if (row0 >= T) { return; }  // the whole block
    const int column0 = blockIdx.y * kColumns;
    const int q = blockIdx.z;
    const int t = threadIdx.x;
    const bool alignedA = lda % 4 == 0 && aligned16(A);
    const bool alignedB = N % 4 == 0 && aligned16(B);

    const float* rowA[kLoadsA];  // null: no such row
    const float* segmentB = B;
    int segment = q - 1;  // p of the tile being loaded
    int input0 = K;       // and its first input
    float4 nextA[kLoadsA];
    float4 nextB[kLoadsB];

    // Loads the next tile into registers, zeros beyond the edges.
    auto fetch = [&]() {
        input0 += kDepth;
        if (input0 >= K) {
            input0 = 0;
            ++segment;
            segmentB = B + (size_t)segment * K * N;
#pragma unroll
            for (int i = 0; i < kLoadsA; ++i) {
                const int quad = t + i * kThreads;
                const int r = row0 + quad / (kDepth / 4);
                rowA[i] = nullptr;
                if (quad < kQuadsA && r < T) {
                    rowA[i] = A + a_row(index, segment, r, F, rowsIndex, rowsA, flags) * lda;
                }
            }
        }
#pragma unroll
        for (int i = 0; i < kLoadsA; ++i) {
            const int k = input0 + (t + i * kThreads) % (kDepth / 4) * 4;
            nextA[i] = load4(rowA[i] + k, rowA[i] != nullptr ? K - k : 0, alignedA);
        }
#pragma unroll
        for (int i = 0; i < kLoadsB; ++i) {
            const int quad = t + i * kThreads;
            const int k = input0 + quad / (kColumns / 4);
            const int n = column0 + quad % (kColumns / 4) * 4;
            nextB[i] = load4(segmentB + (size_t)k * N + n, quad < kQuadsB && k < K ? N - n : 0, alignedB);
        }
    };

    float sum[kM][kN];
#pragma unroll
    for (int i = 0; i < kM; ++i) {
#pragma unroll
        for (int j = 0; j < kN; ++j) { sum[i][j] = 0.0f; }
    }
    const int threadRow = (t / kAcross) * 4;
    const int threadColumn = (t % kAcross) * 4;
    const int tiles = S * ((K + kDepth - 1) / kDepth);
    fetch();
    for (int tile = 0; tile < tiles; ++tile) {
        float* tileA = shared + (tile % 2) * kBuffer;
        float* tileB = tileA + kDepth * kStride;
#pragma unroll
        for (int i = 0; i < kLoadsA; ++i) {
            const int quad = t + i * kThreads;
            if (kQuadsA % kThreads == 0 || quad < kQuadsA) {
                float* to = tileA + quad % (kDepth / 4) * 4 * kStride + quad / (kDepth / 4);
                to[0] = nextA[i].x;
                to[kStride] = nextA[i].y;
                to[2 * kStride] = nextA[i].z;
                to[3 * kStride] = nextA[i].w;
            }
        }
#pragma unroll
        for (int i = 0; i < kLoadsB; ++i) {
            const int quad = t + i * kThreads;
            if (kQuadsB % kThreads == 0 || quad < kQuadsB) { *reinterpret_cast<float4*>(tileB + quad * 4) = nextB[i]; }
        }
        const int depth = min(kDepth, K - input0);
        __syncthreads();  // one is enough: the buffer written next was read before it
        if (tile + 1 < tiles) { fetch(); }

        auto multiply = [&](int k) {
            float a[kM];
            float b[kN];
#pragma unroll
            for (int i = 0; i < kM; i += 4) {
                const float4 v = *reinterpret_cast<const float4*>(tileA + k * kStride + threadRow + i * (kRows / kM));
                a[i] = v.x, a[i + 1] = v.y, a[i + 2] = v.z, a[i + 3] = v.w;
            }
#pragma unroll
            for (int j = 0; j < kN; j += 4) {
                const float4 v = *reinterpret_cast<const float4*>(tileB + k * kColumns + threadColumn + j * (kColumns / kN));
                b[j] = v.x, b[j + 1] = v.y, b[j + 2] = v.z, b[j + 3] = v.w;
            }
#pragma unroll
            for (int i = 0; i < kM; ++i) {
#pragma unroll
                for (int j = 0; j < kN; ++j) { sum[i][j] = fmaf(a[i], b[j], sum[i][j]); }
            }
        };
        if (depth == kDepth) {
#pragma unroll
            for (int k = 0; k < kDepth; ++k) { multiply(k); }
        } else {
#pragma unroll 1
            for (int k = 0; k < depth; ++k) { multiply(k); }
        }
    }

    if (bias != nullptr) { bias += (size_t)q * N; }
    const bool alignedOut = N % 4 == 0 && aligned16(out);
    auto row_of = [&](int i) { return row0 + threadRow + i / 4 * (kRows * 4 / kM) + i % 4; };
    auto column_of = [&](int j) { return column0 + threadColumn + j / 4 * (kColumns * 4 / kN); };
#pragma unroll
    for (int i = 0; i < kM; ++i) {
        if (row_of(i) >= T) { continue; }
        float* __restrict__ to = out + out_row(index, q, row_of(i), F, rowsIndex, rowsOut, flags) * N;
#pragma unroll
        for (int j = 0; j < kN; j += 4) {
            const int n = column_of(j);
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (n + e < N && (flags & kAccumulate) != 0) { sum[i][j + e] += to[n + e]; }
                if (n + e < N && bias != nullptr) { sum[i][j + e] += bias[n + e]; }
            }
            if (alignedOut && n < N) {
                *reinterpret_cast<float4*>(to + n) = make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    if (n + e < N) { to[n + e] = sum[i][j + e]; }
                }
            }
        }
    }
    // Over what this thread wrote, in a loop: unrolled with the sums it would be most of the kernel.
    if (flags % kAccumulate != kLinear) {
#pragma unroll 1
        for (int i = 0; i < kM; ++i) {
            if (row_of(i) >= T) { continue; }
            float* __restrict__ to = out + out_row(index, q, row_of(i), F, rowsIndex, rowsOut, flags) * N;
#pragma unroll 1
            for (int j = 0; j < kN; ++j) {
                const int n = column_of(j) + j % 4;
                if (n < N) { to[n] = activate(to[n], flags % kAccumulate); }
            }
        }
    }
}

#define ROWS_GEMM(name, threads, ...)                                                                                        \
    extern "C" __global__ void __launch_bounds__(threads)                                                                    \
    name(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,                            \
         const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows,                              \
         const int* __restrict__ first, int K, int N, int lda, int rowsA, int rowsIndex, int rowsOut, int S, int flags) {    \
        gemm_tile<__VA_ARGS__>(A, index, B, bias, out, rows, first, K, N, lda, rowsA, rowsIndex, rowsOut, S, flags);         \
    }
ROWS_GEMM(rows_gemm_small, 256, 64, 64, 16, 4, 4)
ROWS_GEMM(rows_gemm_64, 128, 128, 64, 8, 8, 8)
ROWS_GEMM(rows_gemm_80, 160, 128, 80, 8, 8, 8)
ROWS_GEMM(rows_gemm_128, 256, 128, 128, 8, 8, 8)

extern "C" __global__ void __launch_bounds__(kNarrowThreads)
rows_gemm_narrow(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,
                 const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows,
                 const int* __restrict__ first, int K, int N, int lda, int rowsA, int rowsIndex, int rowsOut, int S, int flags) {
    const int T = rows[0];
    const int q = blockIdx.z;
    const int rowsBlock = kNarrowThreads / N;  // N is at most kNarrowThreads
    const int F = first != nullptr ? first[0] : 0;
    const int r = F + blockIdx.x * rowsBlock + threadIdx.x / N;
    const int n = threadIdx.x % N;
    if (threadIdx.x >= rowsBlock * N || r >= T) { return; }  // no barrier below
    const bool aligned = lda % 4 == 0 && aligned16(A);
    float sum = 0.0f;
    for (int s = 0; s < S; ++s) {
        const int p = q + s;
        const float* __restrict__ a = A + a_row(index, p, r, F, rowsIndex, rowsA, flags) * lda;
        const float* __restrict__ b = B + (size_t)p * K * N + n;
        int k = 0;
#pragma unroll 2
        for (; k + 4 <= K; k += 4) {
            const float4 v = load4(a + k, 4, aligned);
            sum = fmaf(v.x, b[(size_t)k * N], sum);
            sum = fmaf(v.y, b[(size_t)(k + 1) * N], sum);
            sum = fmaf(v.z, b[(size_t)(k + 2) * N], sum);
            sum = fmaf(v.w, b[(size_t)(k + 3) * N], sum);
        }
#pragma unroll 1
        for (; k < K; ++k) { sum = fmaf(a[k], b[(size_t)k * N], sum); }
    }
    const size_t at = out_row(index, q, r, F, rowsIndex, rowsOut, flags) * N + n;
    if ((flags & kAccumulate) != 0) { sum += out[at]; }
    if (bias != nullptr) { sum += bias[(size_t)q * N + n]; }
    out[at] = activate(sum, flags % kAccumulate);
}
