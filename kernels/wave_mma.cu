// The products of a wavefront on tensor cores, before and after the cells' equations (wave_<cell>_gates, _dgates).
//
//   wave_products_P:  z[r, :] += Σ_d h[pred_d[r]]·W_hh[d]ᵀ
//   wave_dproducts_P: dhp[r, d, :] = dz[r]·W_hh[d]
//
// P is tf32 (one product) or tf32x3 (three): mma_tile.cuh, which has their rounding and order of sums too. Arrays: wave.cuh. A
// block takes 64 rows × 128 columns at a time; grid = (any, ⌈columns/128⌉, R), blocks stride over the rows.
// Specification: host/ref, mdlstm.go.
// variants: 80

#include "mma_tile.cuh"

constexpr int kWaveThreads = 256;  // kernels.go: Threads of all entries wave_*
constexpr int kMaxAxes = 8;

template <int kTerms>
using WaveTile = MmaTile<kTerms, 2, 4, true>;

// p[0] and p[1], of which `left` exist, become x and y, or are added to; both at once where they are aligned as a pair.
template <bool kAdd>
static __device__ __forceinline__ void put(float* p, float x, float y, int left, bool pairs) {
    if (pairs && left >= 2) {
        float2* to = reinterpret_cast<float2*>(p);
        *to = kAdd ? make_float2(to->x + x, to->y + y) : make_float2(x, y);
        return;
    }
    if (left > 0) { p[0] = kAdd ? p[0] + x : x; }
    if (left > 1) { p[1] = kAdd ? p[1] + y : y; }
}

// The block's tile of out, `rows` rows × columns first … of `width`: =, or += with kAdd. left(k) gives four inputs from the
// k-th on of this thread's row, a step later in every call.
template <int kTerms, bool kAdd, class Left>
static __device__ __forceinline__ void wave_product(Left left, const float* __restrict__ right, float* out, int depth, int width,
                                                    int first, int rows, float* buffers) {
    using Tile = WaveTile<kTerms>;
    static_assert(Tile::kLoadsLeft == 1, "one row a thread");
    const bool aligned = width % 4 == 0 && aligned16(right);
    const int columns = min(Tile::kColumns, width - first);
    float4 l[1];
    float4 r[Tile::kLoadsRight];
    auto fetch = [&](int step) {
        l[0] = left(step * kMmaDepth + Tile::left_place(0));
#pragma unroll
        for (int i = 0; i < Tile::kLoadsRight; ++i) {
            const int k = step * kMmaDepth + Tile::right_line(i);
            const int c = first + Tile::right_place(i);
            r[i] = load4(right + (size_t)k * width + c, k < depth ? width - c : 0, aligned);
        }
    };
    auto store = [&](float* buffer) {
        Tile::store_left(buffer, l);
        Tile::store_right(buffer, r);
    };
    Tile tile;
    tile.clear();
    mma_product(tile, (depth + kMmaDepth - 1) / kMmaDepth, rows, columns, buffers, fetch, store, [](int) {});
    const bool pairs = width % 2 == 0 && reinterpret_cast<size_t>(out) % 8 == 0;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const int row = Tile::row(i, e);
            if (row >= rows) { continue; }
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int c = first + Tile::column(j, e);
                put<kAdd>(out + (size_t)row * width + c, tile.sum[i][j][e], tile.sum[i][j][e + 1], width - c, pairs);
            }
        }
    }
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
    const bool aligned = H % 4 == 0 && aligned16(h);
    int* sources = reinterpret_cast<int*>(smem);  // [D, kRows] row of h that belongs to the predecessor
    for (int row = wave[t] + blockIdx.x * Tile::kRows; row < end; row += gridDim.x * Tile::kRows) {
        const int n = min(Tile::kRows, end - row);
        __syncthreads();  // the rows before have read their buffers
        for (int i = threadIdx.x; i < D * Tile::kRows; i += kWaveThreads) {
            const int r = i % Tile::kRows;
            sources[i] = r < n ? input[rows + q + pred[(size_t)(i / Tile::kRows) * C + row + r]] : C;
        }
        __syncthreads();
        const float* mine = h + q * H;
        const int line = Tile::left_line(0);
        int d = 0;  // place of the next input: unit j of axis d
        int j = Tile::left_place(0);
        auto one = [&](int e) {
            const int axis = j + e < H ? d : d + 1;
            return axis < D ? mine[(size_t)sources[axis * Tile::kRows + line] * stride + (j + e < H ? j + e : j + e - H)] : 0.0f;
        };
        auto left = [&](int) {
            float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (d < D && aligned) {
                v = *reinterpret_cast<const float4*>(mine + (size_t)sources[d * Tile::kRows + line] * stride + j);
            } else if (d < D) {
                v = make_float4(one(0), one(1), one(2), one(3));
            }
            for (j += kMmaDepth; j >= H; j -= H) { ++d; }
            return v;
        };
        wave_product<kTerms, true>(left, hhT + (size_t)q * D * H * GH, gates + (at + row) * GH, D * H, GH,
                                   (int)blockIdx.y * Tile::kColumns, n, smem + kMaxAxes * Tile::kRows);
    }
}

template <int kTerms>
static __device__ __forceinline__ void dproducts(const int* __restrict__ wave, const float* __restrict__ hhB,
                                                 const float* __restrict__ gates, float* __restrict__ dhp, int t, int base,
                                                 int room, int line, int C, int H, int D, float* smem) {
    using Tile = WaveTile<kTerms>;
    const int q = blockIdx.z;
    const ptrdiff_t at = (ptrdiff_t)q * room - wave[base];
    const ptrdiff_t to = line > 0 ? (ptrdiff_t)q * (2 * line + 1) + t % 2 * line - wave[t] : (ptrdiff_t)q * (C + 1);
    const int GH = (D + 3) * H;
    const int end = wave[t + 1];
    const bool aligned = GH % 4 == 0 && aligned16(gates);
    for (int row = wave[t] + blockIdx.x * Tile::kRows; row < end; row += gridDim.x * Tile::kRows) {
        const int n = min(Tile::kRows, end - row);
        const int mine_at = Tile::left_line(0);
        const float* mine = gates + (at + row + (mine_at < n ? mine_at : 0)) * GH;
        __syncthreads();  // the rows before have read their buffers
        auto left = [&](int k) { return load4(mine + k, mine_at < n ? GH - k : 0, aligned); };
        wave_product<kTerms, false>(left, hhB + (size_t)q * GH * D * H, dhp + (to + row) * D * H, GH, D * H,
                                    (int)blockIdx.y * Tile::kColumns, n, smem + kMaxAxes * Tile::kRows);
    }
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
                       float* __restrict__ dhp, int t, int base, int room, int line, int C, int H, int D) {               \
        extern __shared__ float shared[];                                                                                 \
        dproducts<TERMS>(wave, hhB, gates, dhp, t, base, room, line, C, H, D, shared);                                    \
    }
// Two blocks a multiprocessor; with three terms one: in 128 registers they would spill on sm_80.
WAVE_PRODUCTS(tf32, 1, 2)
WAVE_PRODUCTS(tf32x3, 3, 1)
