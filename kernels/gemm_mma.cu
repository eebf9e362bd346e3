// Products of many rows on tensor cores: input projections of large mdlstm layers, and gradients of what goes into them.
//
//   out[q, r, n] = Σ_s Σ_k A[p, index[p, r], k] · B[p, k, n] + bias[q, n] ( + out[q, r, n])       r < T
//
// Arrays, letters, ranges of rows and the two uses (Q products, or one of S segments): gemm.cu; flags may be kAccumulate and
// kScatter. rows_gemm_P: P
// is tf32 (one product) or tf32x3 (three): mma_tile.cuh, which has their rounding and order of sums too. A block computes 64
// rows × 128 outputs, segment after segment; grid: x tiles of rows, y tiles of outputs, z Q. Blocks of rows beyond T return.
// Specification: host/ref, the input part of mdlstm.
// variants: 80

#include "gemm_rows.cuh"
#include "mma_tile.cuh"

constexpr int kGemmThreads = 256;  // kernels.go: Threads of rows_gemm_P

template <int kTerms>
static __device__ __forceinline__ void gemm(const float* __restrict__ A, const int* __restrict__ index,
                                            const float* __restrict__ B, const float* __restrict__ bias, float* __restrict__ out,
                                            const int* __restrict__ rows, const int* __restrict__ begin, int K, int N, int lda,
                                            int rowsA, int rowsIndex, int rowsOut, int S, int flags, float* buffers) {
    using Tile = MmaTile<kTerms, 2, 4, true>;
    static_assert(Tile::kLoadsLeft == 1, "one row a thread");
    const int T = rows[0];
    const int F = begin != nullptr ? begin[0] : 0;
    const int row0 = F + blockIdx.x * Tile::kRows;
    if (row0 >= T) { return; }  // the whole block
    const int first = blockIdx.y * Tile::kColumns;
    const int q = blockIdx.z;
    const bool alignedA = lda % 4 == 0 && aligned16(A);
    const bool alignedB = N % 4 == 0 && aligned16(B);
    const int mine = row0 + Tile::left_line(0);  // the row that this thread loads
    const float* a = A;
    const float* b = B;
    int segment = q - 1;  // p of the step being loaded
    int k0 = K;           // and its first input
    float4 l[1];
    float4 r[Tile::kLoadsRight];
    auto fetch = [&](int) {
        k0 += kMmaDepth;
        if (k0 >= K) {
            k0 = 0;
            ++segment;
            b = B + (size_t)segment * K * N;
            if (mine < T) {
                a = A + a_row(index, segment, mine, F, rowsIndex, rowsA, flags) * lda;
            }
        }
        const int place = k0 + Tile::left_place(0);
        l[0] = load4(a + place, mine < T ? K - place : 0, alignedA);
#pragma unroll
        for (int i = 0; i < Tile::kLoadsRight; ++i) {
            const int k = k0 + Tile::right_line(i);
            const int n = first + Tile::right_place(i);
            r[i] = load4(b + (size_t)k * N + n, k < K ? N - n : 0, alignedB);
        }
    };
    auto store = [&](float* buffer) {
        Tile::store_left(buffer, l);
        Tile::store_right(buffer, r);
    };
    Tile tile;
    tile.clear();
    mma_product(tile, S * ((K + kMmaDepth - 1) / kMmaDepth), min(Tile::kRows, T - row0), min(Tile::kColumns, N - first), buffers,
                fetch, store, [](int) {});
    const bool pairs = N % 2 == 0 && reinterpret_cast<size_t>(out) % 8 == 0;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const int row = row0 + Tile::row(i, e);
            if (row >= T) { continue; }
            float* __restrict__ to = out + out_row(index, q, row, F, rowsIndex, rowsOut, flags) * N;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int n = first + Tile::column(j, e);
                float x[2] = {tile.sum[i][j][e], tile.sum[i][j][e + 1]};
#pragma unroll
                for (int c = 0; c < 2; ++c) {
                    if (n + c < N && (flags & kAccumulate) != 0) { x[c] += to[n + c]; }
                    if (n + c < N && bias != nullptr) { x[c] += bias[(size_t)q * N + n + c]; }
                }
                if (pairs && n < N) {
                    *reinterpret_cast<float2*>(to + n) = make_float2(x[0], x[1]);
                } else {
                    if (n < N) { to[n] = x[0]; }
                    if (n + 1 < N) { to[n + 1] = x[1]; }
                }
            }
        }
    }
}

#define ROWS_GEMM(name, terms)                                                                                               \
    extern "C" __global__ void __launch_bounds__(kGemmThreads, 2)                                                            \
    name(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,                            \
         const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows,                              \
         const int* __restrict__ first, int K, int N, int lda, int rowsA, int rowsIndex, int rowsOut, int S, int flags) {    \
        extern __shared__ float shared[];                                                                                    \
        gemm<terms>(A, index, B, bias, out, rows, first, K, N, lda, rowsA, rowsIndex, rowsOut, S, flags, shared);            \
    }
ROWS_GEMM(rows_gemm_tf32, 1)
ROWS_GEMM(rows_gemm_tf32x3, 3)
