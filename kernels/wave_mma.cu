// The products of a wavefront on tensor cores, before and after the cells' equations (wave_<cell>_gates, _dgates).
//
//   wave_products_P:  z[r, :] += Σ_d h[pred_d[r]]·W_hh[d]ᵀ
//   wave_dproducts_P: dhp[r, d, :] = dz[r]·W_hh[d]
//
// P is tf32 (one product) or tf32x3 (three): mma_tile.cuh, which has their rounding and order of sums too. Arrays: wave.cuh. A
// block computes 64 rows × 128 columns; grid = (⌈rows/64⌉ or more, ⌈columns/128⌉, R).
// Specification: host/ref, mdlstm.go.
// variants: 80

#include "mma_tile.cuh"

constexpr int kWaveThreads = 128;  // kernels.go: Threads of wave_products_P, wave_dproducts_P
constexpr int kMaxAxes = 8;

template <int kTerms>
using WaveTile = MmaTile<kTerms, 2, 2, 2, true>;

// The block's tile of out, `rows` rows × columns first … of `width`: =, or += with kAdd. left(whole, l) gives this thread's
// inputs of its rows, a step later in every call; with `whole` they all exist and are aligned, which needs left_aligned.
template <int kTerms, bool kAdd, class Left>
static __device__ __forceinline__ void wave_product(Left left, bool left_aligned, const float* __restrict__ right, float* out,
                                                    int depth, int width, int first, int rows, float* buffers) {
    using Tile = WaveTile<kTerms>;
    const int columns = min(Tile::kColumns, width - first);
    MmaRight<Tile> weights(right, width, first);
    const int whole = left_aligned && weights.aligned ? depth / kMmaDepth : 0;  // steps
    Tile tile;
    tile.clear();
    mma_product(tile, (depth + kMmaDepth - 1) / kMmaDepth, rows, columns, buffers,
                [&](int step, float4 (&l)[Tile::kLoadsLeft], float4 (&r)[Tile::kLoadsRight]) {
                    if (step < whole) {
                        left(true, l);
                        weights.fetch(r);
                    } else {
                        left(false, l);
                        weights.fetch(r, depth - step * kMmaDepth);
                    }
                },
                [](int) {});
    float* mine = out + (ptrdiff_t)Tile::row(0) * width + first + Tile::column(0);
    tile.put([&](int m) { return mine + (ptrdiff_t)(Tile::row(m) - Tile::row(0)) * width; }, rows, nullptr,
             columns - Tile::column(0), kAdd, width % 2 == 0 && reinterpret_cast<size_t>(out) % 8 == 0);
}

template <int kTerms>
static __device__ __forceinline__ void products(const int* __restrict__ wave, const int* __restrict__ pred,
                                                const int* __restrict__ input, const float* __restrict__ hhT, const float* h,
                                                float* gates, int t, int base, int room, int C, int H, int D,
                                                float* smem) {
    using Tile = WaveTile<kTerms>;
    const int q = blockIdx.z;
    const size_t rows = (size_t)q * C;
    const ptrdiff_t at = (ptrdiff_t)q * room - wave[base];  // of row 0 in gates
    const int GH = (D + 3) * H;
    const int end = wave[t + 1];
    const int stride = (int)gridDim.z * H;
    int* sources = reinterpret_cast<int*>(smem);  // [D, kRows] row of h that belongs to the predecessor
    const int row = wave[t] + blockIdx.x * Tile::kRows;
    if (row >= end) { return; }  // the whole block
    const int n = min(Tile::kRows, end - row);
    for (int i = threadIdx.x; i < D * Tile::kRows; i += Tile::kThreads) {
        const int r = i % Tile::kRows;
        sources[i] = r < n ? input[rows + q + pred[(size_t)(i / Tile::kRows) * C + row + r]] : C;
    }
    __syncthreads();
    int d = -1;  // place of the next input: unit j of axis d, of which this thread's rows are `mine`
    int j = H + Tile::left_place();
    const float* mine[Tile::kLoadsLeft] = {};
    auto of = [&](int i, int axis) { return h + q * H + (size_t)sources[axis * Tile::kRows + Tile::left_line(i)] * stride; };
    auto one = [&](int i, int e) {
        if (j + e < H) { return mine[i][j + e]; }
        return d + 1 < D ? of(i, d + 1)[j + e - H] : 0.0f;
    };
    auto left = [&](bool whole, float4 (&l)[Tile::kLoadsLeft]) {
        if (j >= H && d + 1 < D) {
            j -= H;
            ++d;
#pragma unroll
            for (int i = 0; i < Tile::kLoadsLeft; ++i) { mine[i] = of(i, d); }
        }
#pragma unroll
        for (int i = 0; i < Tile::kLoadsLeft; ++i) {
            l[i] = whole ? *reinterpret_cast<const float4*>(mine[i] + j) : make_float4(one(i, 0), one(i, 1), one(i, 2), one(i, 3));
        }
        j += kMmaDepth;
    };
    wave_product<kTerms, true>(left, H % 4 == 0 && aligned16(h), hhT + (size_t)q * D * H * GH, gates + (at + row) * GH, D * H,
                               GH, (int)blockIdx.y * Tile::kColumns, n, smem + kMaxAxes * Tile::kRows);
}

template <int kTerms>
static __device__ __forceinline__ void dproducts(const int* __restrict__ wave, const float* __restrict__ hhB,
                                                 const float* __restrict__ gates, float* __restrict__ dhp, int t, int base,
                                                 int room, int line, int H, int D, float* smem) {
    using Tile = WaveTile<kTerms>;
    const int q = blockIdx.z;
    const ptrdiff_t at = (ptrdiff_t)q * room - wave[base];
    const ptrdiff_t to = (ptrdiff_t)q * (2 * line + 1) + t % 2 * line - wave[t];  // of row 0 in dhp
    const int GH = (D + 3) * H;
    const int end = wave[t + 1];
    const bool aligned = GH % 4 == 0 && aligned16(gates);
    const int row = wave[t] + blockIdx.x * Tile::kRows;
    if (row >= end) { return; }  // the whole block
    const int n = min(Tile::kRows, end - row);
    int k = Tile::left_place();  // the next input
    const float* mine[Tile::kLoadsLeft];
#pragma unroll
    for (int i = 0; i < Tile::kLoadsLeft; ++i) { mine[i] = gates + (at + row + min(Tile::left_line(i), n - 1)) * GH; }
    auto left = [&](bool whole, float4 (&l)[Tile::kLoadsLeft]) {
#pragma unroll
        for (int i = 0; i < Tile::kLoadsLeft; ++i) {
            l[i] = whole ? *reinterpret_cast<const float4*>(mine[i] + k) : load4(mine[i] + k, GH - k, aligned);
        }
        k += kMmaDepth;
    };
    wave_product<kTerms, false>(left, aligned, hhB + (size_t)q * GH * D * H, dhp + (to + row) * D * H, GH, D * H,
                                (int)blockIdx.y * Tile::kColumns, n, smem + kMaxAxes * Tile::kRows);
}

#define WAVE_PRODUCTS(P, TERMS, BLOCKS)                                                                                   \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, BLOCKS)                                                    \
    wave_products_##P(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ input,          \
                      const float* __restrict__ hhT, const float* h, float* gates, int t, int base, int room, int C,      \
                      int H, int D) {                                                                                     \
        extern __shared__ float shared[];                                                                                 \
        products<TERMS>(wave, pred, input, hhT, h, gates, t, base, room, C, H, D, shared);                                \
    }                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(kWaveThreads, BLOCKS)                                                    \
    wave_dproducts_##P(const int* __restrict__ wave, const float* __restrict__ hhB, const float* __restrict__ gates,      \
                       float* __restrict__ dhp, int t, int base, int room, int line, int H, int D) {                      \
        extern __shared__ float shared[];                                                                                 \
        dproducts<TERMS>(wave, hhB, gates, dhp, t, base, room, line, H, D, shared);                                       \
    }
WAVE_PRODUCTS(tf32, 1, 3)
WAVE_PRODUCTS(tf32x3, 3, 2)
