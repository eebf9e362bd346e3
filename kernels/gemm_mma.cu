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

constexpr int kGemmThreads = 128;  // kernels.go: Threads of rows_gemm_P

template <int kTerms>
static __device__ __forceinline__ void gemm(const float* __restrict__ A, const int* __restrict__ index,
                                            const float* __restrict__ B, const float* __restrict__ bias, float* __restrict__ out,
                                            const int* __restrict__ rows, const int* __restrict__ begin, int K, int N, int lda,
                                            int rowsA, int rowsIndex, int rowsOut, int S, int flags, float* buffers) {
    using Tile = MmaTile<kTerms, 2, 2, 2, true>;
    const int T = rows[0];
    const int F = begin != nullptr ? begin[0] : 0;
    const int row0 = F + blockIdx.x * Tile::kRows;
    if (row0 >= T) { return; }  // the whole block
    const int first = blockIdx.y * Tile::kColumns;
    const int q = blockIdx.z;
    const bool alignedA = lda % 4 == 0 && aligned16(A);
    MmaRight<Tile> right(B + (size_t)q * K * N, N, first);
    const int whole = alignedA && right.aligned ? K / kMmaDepth : 0;  // steps of a segment
    const int steps = (K + kMmaDepth - 1) / kMmaDepth;
    const float* a[Tile::kLoadsLeft];  // this thread's rows, at the next step
    int segment = q;
    int left = 0;  // steps of it
    Tile tile;
    tile.clear();
    mma_product(tile, S * steps, min(Tile::kRows, T - row0), min(Tile::kColumns, N - first), buffers,
                [&](int, float4 (&l)[Tile::kLoadsLeft], float4 (&r)[Tile::kLoadsRight]) {
                    if (left == 0) {
#pragma unroll
                        for (int i = 0; i < Tile::kLoadsLeft; ++i) {
                            const int row = min(row0 + Tile::left_line(i), T - 1);
                            a[i] = A + a_row(index, segment, row, F, rowsIndex, rowsA, flags) * lda + Tile::left_place();
                        }
                        if (segment > q) { right.skip(K - steps * kMmaDepth); }
                        left = steps;
                        ++segment;
                    }
                    const int k = (steps - left) * kMmaDepth;
                    if (steps - left < whole) {
#pragma unroll
                        for (int i = 0; i < Tile::kLoadsLeft; ++i) { l[i] = *reinterpret_cast<const float4*>(a[i]); }
                        right.fetch(r);
                    } else {
#pragma unroll
                        for (int i = 0; i < Tile::kLoadsLeft; ++i) { l[i] = load4(a[i], K - k - Tile::left_place(), alignedA); }
                        right.fetch(r, K - k);
                    }
#pragma unroll
                    for (int i = 0; i < Tile::kLoadsLeft; ++i) { a[i] += kMmaDepth; }
                    --left;
                },
                [](int) {});
    const int n = first + Tile::column(0);
    tile.put([&](int m) { return out + out_row(index, q, row0 + Tile::row(m), F, rowsIndex, rowsOut, flags) * N + n; }, T - row0,
             bias != nullptr ? bias + (size_t)q * N + n : nullptr, N - n, (flags & kAccumulate) != 0,
             N % 2 == 0 && reinterpret_cast<size_t>(out) % 8 == 0);
}

#define ROWS_GEMM(name, terms, BLOCKS)                                                                                       \
    extern "C" __global__ void __launch_bounds__(kGemmThreads, BLOCKS)                                                       \
    name(const float* __restrict__ A, const int* __restrict__ index, const float* __restrict__ B,                            \
         const float* __restrict__ bias, float* __restrict__ out, const int* __restrict__ rows,                              \
         const int* __restrict__ first, int K, int N, int lda, int rowsA, int rowsIndex, int rowsOut, int S, int flags) {    \
        extern __shared__ float shared[];                                                                                    \
        gemm<terms>(A, index, B, bias, out, rows, first, K, N, lda, rowsA, rowsIndex, rowsOut, S, flags, shared);            \
    }
ROWS_GEMM(rows_gemm_tf32, 1, 3)
ROWS_GEMM(rows_gemm_tf32x3, 3, 2)
