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
//   flags       activation (0 linear, 1 tanh, 2 sigmoid), +4: accumulate
//
// rows_gemm: a block computes 64 rows × 64 outputs, a thread 4 × 4, from tiles of 16 inputs in shared memory, double
// buffered: 2·16·(68+64)·4 = 16.5 KiB, one barrier a tile. rows_gemm_large: 128 × 128, a thread 8 × 8, tiles of 8.
// rows_gemm_narrow: a thread an output, for few outputs, no shared memory. Blocks of rows beyond T return at once.
// Every output is one chain of fused multiply-adds over s, then k: all three give the same bits, on any grid.
// Specification: host/ref, dense and the input part of mdlstm.

#include "activation.cuh"

extern __shared__ __align__(16) float shared[];

constexpr int kGemmThreads = 256;  // kernels.go: Threads of all three
constexpr int kAccumulate = 4;

// What all variants do with a finished sum.
static __device__ __forceinline__ void write_output(float* __restrict__ out, size_t at, float sum, const float* __restrict__ bias,
                                                    int column, int flags) {
    if (flags & kAccumulate) { sum += out[at]; }
    if (bias != nullptr) { sum += bias[column]; }
    out[at] = activate(sum, flags & 3);
}

// A tile of kRows × kColumns outputs; a thread has kM × kN of them, in groups of four that lie kRows·4/kM apart, so that
// the threads of a warp read neighbouring words of shared memory.
template <int kRows, int kColumns, int kDepth, int kM, int kN>
static __device__ __forceinline__ void gemm_tile(const float* __restrict__ A, const int* __restrict__ index,
                                                 const float* __restrict__ B, const float* __restrict__ bias,
                                                 float* __restrict__ out, const int* __restrict__ rows, int K, int N, int lda,
                                                 int rowsA, int rowsIndex, int rowsOut, int S, int flags) {
    constexpr int kAcross = kColumns / kN;                  // threads side by side
    constexpr int kStride = kRows + 4;                      // of A's tile, which is stored [input, row]
    constexpr int kLoadsA = kRows * kDepth / kGemmThreads;  // of a thread for a tile
    constexpr int kLoadsB = kColumns * kDepth / kGemmThreads;
    constexpr int kBuffer = kDepth * (kStride + kColumns);
    static_assert(kAcross * (kRows / kM) == kGemmThreads, "the block is the tile");

    const int T = rows[0];
    const int row0 = blockIdx.x * kRows;
    if (row0 >= T) { return; }  // the whole block
    const int column0 = blockIdx.y * kColumns;
    const int q = blockIdx.z;
    const int t = threadIdx.x;

    const int inputA = t % kDepth;  // this thread loads input inputA of rows t/kDepth, t/kDepth + kGemmThreads/kDepth, …
    const float* rowA[kLoadsA];
    const float* segmentB = B;
    int segment = q - 1;  // p of the tile being loaded
    int input0 = K;       // and its first input
    float nextA[kLoadsA];
    float nextB[kLoadsB];

    // Loads the next tile into registers, zeros beyond the edges.
    auto fetch = [&]() {
        input0 += kDepth;
        if (input0 >= K) {
            input0 = 0;
            ++segment;
            segmentB = B + (size_t)segment * K * N;
#pragma unroll
            for (int i = 0; i < kLoadsA; ++i) {
                const int r = row0 + t / kDepth + i * (kGemmThreads / kDepth);
                rowA[i] = nullptr;
                if (r < T) {
                    const int at = index != nullptr ? index[(size_t)segment * rowsIndex + r] : r;
                    rowA[i] = A + ((size_t)segment * rowsA + at) * lda;
                }
            }
        }
        const int k = input0 + inputA;
#pragma unroll
        for (int i = 0; i < kLoadsA; ++i) { nextA[i] = rowA[i] != nullptr && k < K ? rowA[i][k] : 0.0f; }
#pragma unroll
        for (int i = 0; i < kLoadsB; ++i) {
            const int kb = input0 + (t + i * kGemmThreads) / kColumns;
            const int n = column0 + (t + i * kGemmThreads) % kColumns;
            nextB[i] = kb < K && n < N ? segmentB[(size_t)kb * N + n] : 0.0f;
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
        for (int i = 0; i < kLoadsA; ++i) { tileA[inputA * kStride + t / kDepth + i * (kGemmThreads / kDepth)] = nextA[i]; }
#pragma unroll
        for (int i = 0; i < kLoadsB; ++i) { tileB[t + i * kGemmThreads] = nextB[i]; }
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
#pragma unroll
    for (int i = 0; i < kM; ++i) {
        const int r = row0 + threadRow + (i / 4) * (kRows * 4 / kM) + i % 4;
        if (r >= T) { continue; }
        const size_t at = ((size_t)q * rowsOut + r) * N;
#pragma unroll
        for (int j = 0; j < kN; ++j) {
            const int n = column0 + threadColumn + (j / 4) * (kColumns * 4 / kN) + j % 4;
            if (n < N) { write_output(out, at + n, sum[i][j], bias, n, flags); }
        }
    }
}

extern "C" __global__ void __launch_bounds__(kGemmThreads)
rows_gemm(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,
          const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows, int K, int N, int lda,
          int rowsA, int rowsIndex, int rowsOut, int S, int flags) {
    gemm_tile<64, 64, 16, 4, 4>(A, index, B, bias, out, rows, K, N, lda, rowsA, rowsIndex, rowsOut, S, flags);
}

extern "C" __global__ void __launch_bounds__(kGemmThreads)
rows_gemm_large(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,
                const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows, int K, int N, int lda,
                int rowsA, int rowsIndex, int rowsOut, int S, int flags) {
    gemm_tile<128, 128, 8, 8, 8>(A, index, B, bias, out, rows, K, N, lda, rowsA, rowsIndex, rowsOut, S, flags);
}

extern "C" __global__ void __launch_bounds__(kGemmThreads)
rows_gemm_narrow(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,
                 const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows, int K, int N, int lda,
                 int rowsA, int rowsIndex, int rowsOut, int S, int flags) {
    const int T = rows[0];
    const int q = blockIdx.z;
    const int rowsBlock = kGemmThreads / N;  // N is at most kGemmThreads
    const int r = blockIdx.x * rowsBlock + threadIdx.x / N;
    const int n = threadIdx.x % N;
    if (threadIdx.x >= rowsBlock * N || r >= T) { return; }  // no barrier below
    float sum = 0.0f;
    for (int s = 0; s < S; ++s) {
        const int p = q + s;
        const int at = index != nullptr ? index[(size_t)p * rowsIndex + r] : r;
        const float* a = A + ((size_t)p * rowsA + at) * lda;
        const float* b = B + (size_t)p * K * N + n;
        for (int k = 0; k < K; ++k) { sum = fmaf(a[k], b[(size_t)k * N], sum); }
    }
    write_output(out, ((size_t)q * rowsOut + r) * N + n, sum, bias != nullptr ? bias + (size_t)q * N : nullptr, n, flags);
}
