// Weight gradients of large mdlstm layers on tensor cores: outer.cu, which has the arrays, letters and slots, with the products
// of mma_tile.cuh, which has their rounding and order of sums.
//
//   partial[q, slot, …] = Σ_r dz[q, r, n] · a_q[r, m]
//
// outer_P: P is tf32 (one product) or tf32x3 (three). A block computes 128 columns of dz × 64 of a for one slot and direction.
// Chains of 512 rows and stretches as there. Grid: x tiles, y slots, z directions; the bits depend on T and the shapes alone.
// Shared memory: two buffers, then as outer.cu.
// Specification: host/ref, the gradients of weight_ih, weight_hh, bias.
// variants: 80

#include "mma_tile.cuh"
#include "outer.cuh"

constexpr int kOuterThreads = 256;  // kernels.go: Threads of outer_P

template <int kTerms>
static __device__ __forceinline__ void outer(const OuterRight& right, const float* __restrict__ dz, float* __restrict__ partial,
                                             const int* __restrict__ rows, int rowsDz, int S, int tail,
                                             const int* __restrict__ wave, float* __restrict__ carry, int begin, int end,
                                             int parity, float* smem) {
    using Tile = MmaTile<kTerms, 4, 2, false>;
    static_assert(kOuterRows == kMmaDepth, "a step is a tile of rows");
    constexpr int kPass = kOuterThreads / Tile::kColumns;  // rows of a that the block loads at once
    int2* const place = reinterpret_cast<int2*>(smem + 2 * Tile::kBuffer);                        // [kColumns]
    int* const source = reinterpret_cast<int*>(smem + 2 * Tile::kBuffer + 2 * Tile::kColumns);  // [1+D, kOuterChunk]

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
    const bool aligned = N % 4 == 0 && aligned16(dz);
    const int m = m0 + (int)threadIdx.x % Tile::kColumns;
    const OuterColumn column(right, m);
    for (int e = threadIdx.x; e < Tile::kColumns; e += kOuterThreads) { place[e] = right.place(m0 + e, M); }

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

    float4 z[Tile::kLoadsLeft];
    float a[kMmaDepth / kPass];
    auto fetch = [&](int step) {
        const int row0 = row_of(step);
        if ((row0 - slot.from) % kOuterChunk == 0) {  // all have read the chunk before, or they were not here
            right.look_up(source, row0, slot.to, kOuterThreads);
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < Tile::kLoadsLeft; ++i) {
            const int r = row0 + Tile::left_line(i);
            const int n = n0 + Tile::left_place(i);
            z[i] = load4(stretch.row(r) + n, r < slot.to ? N - n : 0, aligned);
        }
#pragma unroll
        for (int i = 0; i < kMmaDepth / kPass; ++i) {
            const int r = row0 + (int)threadIdx.x / Tile::kColumns + i * kPass;
            a[i] = m < M && r < slot.to ? column.value(source, r, slot.from) : 0.0f;
        }
    };
    auto store = [&](float* buffer) {
        Tile::store_left(buffer, z);
#pragma unroll
        for (int i = 0; i < kMmaDepth / kPass; ++i) {
            const int line = (int)threadIdx.x / Tile::kColumns + i * kPass;
            buffer[Tile::kLeft + line * Tile::kRightStride + threadIdx.x % Tile::kColumns] = Tile::stored(a[i]);
        }
    };
    Tile tile;
    tile.clear();
    bool first = slot.from + chains_to * kOuterChain >= slot.to;  // of the chains that join partial
    // Brings the sums into partial: overwrites at first, then adds.
    auto flush = [&]() {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int2 at = place[Tile::column(j, e)];
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const int n = n0 + Tile::row(i, e);
                    if (at.y > 0 && n < N) {
                        float* cell = mine + at.x + n * at.y;
                        *cell = first ? tile.sum[i][j][e] : *cell + tile.sum[i][j][e];
                    }
                }
            }
        }
        tile.clear();
        first = false;
    };
    if (slot.from >= T) {  // no rows: zeros, with the stretch that ends them
        __syncthreads();   // place
        if (stretch.L == T) { flush(); }
        return;
    }
    mma_product(tile, steps, N - n0, M - m0, smem, fetch, store, [&](int step) {
        if ((step + 1 + skipped) % kSteps == 0) { flush(); }
    });
}

#define OUTER(name, terms)                                                                                                   \
    extern "C" __global__ void __launch_bounds__(kOuterThreads, 2)                                                           \
    name(const float* __restrict__ x, const int* __restrict__ index, const float* __restrict__ h,                            \
         const int* __restrict__ input, const int* __restrict__ pred, const float* __restrict__ dz,                          \
         float* __restrict__ partial, const int* __restrict__ rows, int K, int H, int D, int N, int ldx, int ldh,            \
         int rowsIndex, int rowsPred, int rowsDz, int S, int tail, const int* __restrict__ wave, float* __restrict__ carry,  \
         int begin, int end, int parity) {                                                                                   \
        extern __shared__ float shared[];                                                                                    \
        const OuterRight right = {x, index, h, input, pred, (int)blockIdx.z, K, H, D, N, ldx, ldh, rowsIndex, rowsPred};     \
        outer<terms>(right, dz, partial, rows, rowsDz, S, tail, wave, carry, begin, end, parity, shared);                    \
    }
OUTER(outer_tf32, 1)
OUTER(outer_tf32x3, 3)
