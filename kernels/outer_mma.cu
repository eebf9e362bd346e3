// Weight gradients of large mdlstm layers on tensor cores: outer.cu, which has the arrays, letters and slots, with the products
// of mma_tile.cuh, which has their rounding and order of sums.
//
//   partial[q, slot, …] = Σ_r dz[q, r, n] · a_q[r, m]
//
// outer_P: P is tf32 (one product) or tf32x3 (three). A block computes 128 columns of dz × 64 of a for one slot and direction.
// Chains of 512 rows and stretches as there. Grid: x tiles, y slots, z directions; the bits depend on T and the shapes alone.
// Shared memory: two buffers, the columns' places as outer.cu, a table of where they come from, then the rows as there.
// Specification: host/ref, the gradients of weight_ih, weight_hh, bias.
// variants: 80

#include "mma_tile.cuh"
#include "outer.cuh"

constexpr int kOuterThreads = 128;  // kernels.go: Threads of outer_P

// The columns of the right factor that a block computes, for those that cannot be loaded four at once: [kColumns] in shared
// memory.
struct OuterTable {
    int2* entry;  // where a column begins in a row of h or x, and the line of source that has the row; else kOnes or kNothing
    static constexpr int kOnes = -1;
    static constexpr int kNothing = -2;

    __device__ __forceinline__ void fill(int columns, const OuterRight& a, int m0, int M) const {
        for (int e = threadIdx.x; e < columns; e += kOuterThreads) {
            const int m = m0 + e;
            const int x = m - a.D * a.H;
            entry[e] = x < 0 ? make_int2(a.q * a.H + m % a.H, 1 + m / a.H) : make_int2(x, x < a.K ? 0 : m < M ? kOnes : kNothing);
        }
    }

    // Column e in the row whose place in the chunk is given.
    __device__ __forceinline__ float value(const OuterRight& a, int e, const int* source, int row) const {
        const int2 at = entry[e];
        if (at.y < 0) { return at.y == kOnes ? 1.0f : 0.0f; }
        const size_t from = source[at.y * kOuterChunk + row];
        return at.y > 0 ? a.h[from * a.ldh + at.x] : a.x[from * a.ldx + at.x];
    }
};

template <int kTerms>
static __device__ __forceinline__ void outer(const OuterRight& right, const float* __restrict__ dz, float* __restrict__ partial,
                                             const int* __restrict__ rows, int rowsDz, int S, int tail,
                                             const int* __restrict__ wave, float* __restrict__ carry, int begin, int end,
                                             int parity, float* smem) {
    using Tile = MmaTile<kTerms, 4, 1, 2, false>;
    static_assert(kOuterRows == kMmaDepth, "a step is a tile of rows");
    int2* const place = reinterpret_cast<int2*>(smem + 2 * Tile::kBuffer);  // [kColumns]
    const OuterTable table = {place + Tile::kColumns};
    int* const source = reinterpret_cast<int*>(place + 2 * Tile::kColumns);  // [1+D, kOuterChunk]

    const int N = right.N;
    const int M = right.K + right.D * right.H + tail;
    const int acrossM = (M + Tile::kColumns - 1) / Tile::kColumns;
    const int m0 = blockIdx.x % acrossM * Tile::kColumns;
    const int n0 = blockIdx.x / acrossM * Tile::kRows;
    const OuterSlot slot(rows[0], S, blockIdx.y);
    float* __restrict__ mine = partial + ((size_t)right.q * gridDim.y + blockIdx.y) * N * M;
    const int T = rows[0];
    const OuterStretch stretch(wave, begin, end, T, dz, rowsDz, N, parity);
    if (m0 == 0) { stretch.leave(carry, parity, T, slot.per, n0, Tile::kRows, kOuterThreads); }
    for (int e = threadIdx.x; e < Tile::kColumns; e += kOuterThreads) { place[e] = right.place(m0 + e, M); }
    table.fill(Tile::kColumns, right, m0, M);
    // This thread's columns: n of dz, and m of a, all four of which may lie side by side in rows of x or of h.
    const bool aligned = N % 4 == 0 && aligned16(dz);
    const int n = aligned ? min(n0 + Tile::left_place(), N - 4) : n0 + Tile::left_place();
    const int m = m0 + Tile::right_place();
    const OuterColumn column(right, m);
    const bool four = m + 3 < (m < right.D * right.H ? right.D * right.H : right.D * right.H + right.K) &&
                      (m >= right.D * right.H || right.H % 4 == 0) && column.stride % 4 == 0 && aligned16(column.from);

    // Steps go through the chains from the last to the first, the first of them maybe short.
    const int chains_to = stretch.chains_to(slot);
    const int chains = max(0, chains_to - stretch.chains_from(slot));
    constexpr int kSteps = kOuterChain / kOuterRows;  // of a whole chain
    const int last = slot.from + (chains_to - 1) * kOuterChain;  // first row of the last chain
    const int short_steps = (min(slot.to, last + kOuterChain) - last + kOuterRows - 1) / kOuterRows;
    const int skipped = kSteps - short_steps;  // as if the short chain were whole, but for its first steps
    const int steps = chains > 0 ? chains * kSteps - skipped : 0;
    auto row_of = [&](int step) {
        const int at = step + skipped;
        return last - at / kSteps * kOuterChain + (at < kSteps ? step : at % kSteps) * kOuterRows;
    };

    auto fetch = [&](int step, float4 (&z)[Tile::kLoadsLeft], float4 (&a)[Tile::kLoadsRight]) {
        const int row0 = row_of(step);
        const int in_chunk = (row0 - slot.from) % kOuterChunk;
        if (in_chunk == 0) {  // all have read the chunk before, or they were not here
            right.look_up(source, row0, slot.to, kOuterThreads);
            __syncthreads();
        }
        if (aligned && row0 + kOuterRows <= min(slot.to, stretch.L)) {
            const float* from = stretch.dz + (ptrdiff_t)(row0 - stretch.F + Tile::left_line(0)) * N + n;
#pragma unroll
            for (int i = 0; i < Tile::kLoadsLeft; ++i) {
                z[i] = *reinterpret_cast<const float4*>(from + (ptrdiff_t)(i * Tile::kLeftPass) * N);
            }
        } else {
#pragma unroll
            for (int i = 0; i < Tile::kLoadsLeft; ++i) {
                const int r = row0 + Tile::left_line(i);
                z[i] = load4(stretch.row(r) + n, r < slot.to ? N - n : 0, aligned);
            }
        }
#pragma unroll
        for (int i = 0; i < Tile::kLoadsRight; ++i) {
            const int row = in_chunk + Tile::right_line(i);
            if (four && row0 + kOuterRows <= slot.to) {
                const float* from = column.from + (ptrdiff_t)source[column.line * kOuterChunk + row] * column.stride;
                a[i] = *reinterpret_cast<const float4*>(from);
            } else {
                float v[4] = {};
                if (row0 + Tile::right_line(i) < slot.to) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) { v[e] = table.value(right, Tile::right_place() + e, source, row); }
                }
                a[i] = make_float4(v[0], v[1], v[2], v[3]);
            }
        }
    };
    Tile tile;
    tile.clear();
    bool first = slot.from + chains_to * kOuterChain >= slot.to;  // of the chains that join partial
    // Brings the sums into partial: overwrites at first, then adds.
    auto flush = [&]() {
#pragma unroll
        for (int i = 0; i < Tile::kPairs; ++i) {
            const int2 at[2] = {place[Tile::column(i)], place[Tile::column(i) + 1]};
            float x[16];  // all loads before the stores: the compiler cannot know that they differ
#pragma unroll
            for (int e = 0; e < 16; ++e) {
                const int n = n0 + Tile::row(e / 2);
                const int2 to = at[e % 2];
                x[e] = e % 2 == 0 ? tile.pair(e / 2, i).x : tile.pair(e / 2, i).y;
                if (!first && to.y > 0 && n < N) { x[e] += mine[to.x + n * to.y]; }
            }
#pragma unroll
            for (int e = 0; e < 16; ++e) {
                const int n = n0 + Tile::row(e / 2);
                const int2 to = at[e % 2];
                if (to.y > 0 && n < N) { mine[to.x + n * to.y] = x[e]; }
            }
        }
        tile.clear();
        first = false;
    };
    if (slot.from >= T) {  // no rows: zeros, with the stretch that ends them
        __syncthreads();   // place
        for (int e = threadIdx.x; stretch.L == T && e < Tile::kRows * Tile::kColumns; e += kOuterThreads) {
            const int2 at = place[e % Tile::kColumns];
            const int n = n0 + e / Tile::kColumns;
            if (at.y > 0 && n < N) { mine[at.x + n * at.y] = 0.0f; }
        }
        return;
    }
    mma_product(tile, steps, N - n0, M - m0, smem, fetch, [&](int step) {
        if ((step + 1 + skipped) % kSteps == 0) { flush(); }
    });
}

#define OUTER(name, terms, BLOCKS)                                                                                           \
    extern "C" __global__ void __launch_bounds__(kOuterThreads, BLOCKS)                                                      \
    name(const float* __restrict__ x, const int* __restrict__ index, const float* __restrict__ h,                            \
         const int* __restrict__ input, const int* __restrict__ pred, const float* __restrict__ dz,                          \
         float* __restrict__ partial, const int* __restrict__ rows, int K, int H, int D, int N, int ldx, int ldh,            \
         int rowsIndex, int rowsPred, int rowsDz, int S, int tail, const int* __restrict__ wave, float* __restrict__ carry,  \
         int begin, int end, int parity) {                                                                                   \
        extern __shared__ float shared[];                                                                                    \
        const OuterRight right = {x, index, h, input, pred, (int)blockIdx.z, K, H, D, N, ldx, ldh, rowsIndex, rowsPred};     \
        outer<terms>(right, dz, partial, rows, rowsDz, S, tail, wave, carry, begin, end, parity, shared);                    \
    }
OUTER(outer_tf32, 1, 3)
OUTER(outer_tf32x3, 3, 2)
