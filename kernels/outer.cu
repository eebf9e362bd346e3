// Weight gradients: sums over rows of outer products, split over slots of rows.
//
//   partial[q, slot, …] = Σ_r dz[q, r, n] · a_q[r, m]        rows slot·per ≤ r < min(T, (slot+1)·per), per = rows a slot
//   a_q[r]              = [ h[input_q[pred_d[r]], q·H + 0 … H-1] for each d < D,  x[index_q[r], 0 … K-1],  1 ]
//
// D = 0 is a dense layer. T rows, K inputs, H hidden, N columns of dz (G·H, or units), M = K + D·H (+1 with bias).
// A slot's gradients have the layout of one direction in the model file, weight_ih [N, K], weight_hh [D, N, H], bias [N],
// E = N·M values, so that adding up the slots is a plain sum (reduce_slots in arena.cu).
//
//   x        in   rows of width ldx, of which K are read
//   index    in   int32 [Q, rowsIndex]: row of x; null: row r itself
//   h        in   rows of width ldh, of which q·H … q·H+H-1 are read; its row of zeros must be finite
//   input    in   int32 [Q, rowsIndex]: row of h that belongs to row r of direction q
//   pred     in   int32 [D, rowsPred]: row of the predecessor along axis d, or the row of zeros; entries of input for it too
//   dz       in   [Q, rowsDz, N]: row r-F is row r's
//   partial  out  [Q, slots, E]: all of it (=), zeros in slots beyond T
//   rows     in   int32 [1]: T
//   tail          1: a has a last column of ones, for the bias
//   wave     in   int32: rows wave[begin] … wave[end]-1 are a stretch, F the first of them; null: all rows are one, F = 0
//   carry    inout [2, Q, 512, N]  right behind dz: the rows that a launch leaves for the next, half parity of the one
//                  before, half 1-parity of this one
// No two arrays may overlap.
//
// outer_N_M: a block computes N columns of dz × M of a for one slot and direction, a thread 8 × 4, from tiles of 16 rows in
// shared memory, double buffered, one barrier a tile; which rows of x and h they need is looked up for 128 rows at a time,
// one barrier more. 2·16·(N+M)·4 + M·8 + (1+D)·128·4 bytes. After every 512 rows of a slot, a chain, the sums join partial, so
// that none has more than 512 terms. Order: chains from the last to the first, in each ascending rows. Grid: x tiles, y slots,
// z directions.
// So the rows may come in stretches, the last first, for the same bits: a launch adds the chains that begin in its stretch.
// Where these reach beyond its end, dz was carried over, as is that of the rows before the first of them.
// per = ceil(T / S) rounded up to 16, at least 64: a function of T and of S, the most slots there may be. The grid must have
// min(S, ceil(capacity / 64)) slots or more; those beyond T add zeros. So the bits depend on T and the shapes alone, and
// are the same for all variants.
// Specification: host/ref, the gradients of weight_ih, weight_hh, bias and of dense.

#include "outer.cuh"

extern __shared__ __align__(16) float shared[];

template <int kN, int kM>
static __device__ __forceinline__ void outer_tile(const float* __restrict__ x, const int* __restrict__ index,
                                                  const float* __restrict__ h, const int* __restrict__ input,
                                                  const int* __restrict__ pred, const float* __restrict__ dz,
                                                  float* __restrict__ partial, const int* __restrict__ rows, int K, int H, int D,
                                                  int N, int ldx, int ldh, int rowsIndex, int rowsPred, int rowsDz, int S,
                                                  int tail, const int* __restrict__ wave, float* __restrict__ carry, int begin,
                                                  int end, int parity) {
    constexpr int kAcross = kM / 4;  // threads side by side
    constexpr int kThreads = kAcross * (kN / 8);
    constexpr int kBuffer = kOuterRows * (kN + kM);
    constexpr int kQuads = kOuterRows * kN / 4;  // loads of four columns of dz
    constexpr int kLoadsZ = (kQuads + kThreads - 1) / kThreads;
    constexpr int kPass = kThreads / kM;  // rows of a that the block loads at once; the threads left over load none
    constexpr int kLoadsA = kOuterRows / kPass;
    static_assert(kOuterRows % kPass == 0, "whole passes");
    int2* const place = reinterpret_cast<int2*>(shared + 2 * kBuffer);          // [kM]
    int* const source = reinterpret_cast<int*>(shared + 2 * kBuffer + 2 * kM);  // [1+D, kOuterChunk] rows of x, of h

    const int M = K + D * H + tail;
    const int acrossM = (M + kM - 1) / kM;
    const int m0 = blockIdx.x % acrossM * kM;
    const int n0 = blockIdx.x / acrossM * kN;
    const int slot = blockIdx.y;
    const int q = blockIdx.z;
    const int t = threadIdx.x;
    const int T = rows[0];
    const OuterSlot range(T, S, slot);
    const int from = range.from;
    const int to = range.to;
    float* __restrict__ mine = partial + ((size_t)q * gridDim.y + slot) * N * M;

    const OuterStretch stretch(wave, begin, end, T, dz, rowsDz, N, parity);
    const bool alignedZ = N % 4 == 0 && aligned16(dz);
    if (m0 == 0) { stretch.leave(carry, parity, T, range.per, n0, kN, kThreads); }

    // This thread loads column m of a in every kPass-th row.
    const int m = m0 + t % kM;
    const bool loads = t < kPass * kM && m < M;
    const OuterRight right = {x, index, h, input, pred, q, K, H, D, N, ldx, ldh, rowsIndex, rowsPred};
    const OuterColumn column(right, m);
    for (int e = t; e < kM; e += kThreads) { place[e] = right.place(m0 + e, M); }
    __syncthreads();
    auto look_up = [&](int row0) { right.look_up(source, row0, to, kThreads); };
    const int chains_from = stretch.chains_from(range);
    const int chains_to = stretch.chains_to(range);

    float4 nextZ[kLoadsZ];
    float nextA[kLoadsA];
    // Loads the tile that begins at row0 into registers, zeros beyond the edges.
    auto fetch = [&](int row0) {
#pragma unroll
        for (int i = 0; i < kLoadsZ; ++i) {
            const int quad = t + i * kThreads;
            const int r = row0 + quad / (kN / 4);
            const int n = n0 + quad % (kN / 4) * 4;
            nextZ[i] = load4(stretch.row(r) + n, quad < kQuads && r < to ? N - n : 0, alignedZ);
        }
#pragma unroll
        for (int i = 0; i < kLoadsA; ++i) {
            const int r = row0 + t / kM + i * kPass;
            nextA[i] = loads && r < to ? column.value(source, r, from) : 0.0f;
        }
    };

    float sum[8][4];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) { sum[i][j] = 0.0f; }
    }
    const int threadN = t / kAcross * 4;  // and the four that lie kN/2 further
    const int threadM = t % kAcross * 4;

    // Brings the sums into partial: overwrites at first, then adds. The columns' places come from shared memory because the
    // compiler would keep them all in registers.
    auto flush = [&](bool first) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int2 at = place[threadM + j];
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                const int n = n0 + threadN + i / 4 * (kN / 2) + i % 4;
                if (at.y > 0 && n < N) {
                    float* cell = mine + at.x + n * at.y;
                    *cell = first ? sum[i][j] : *cell + sum[i][j];
                }
                sum[i][j] = 0.0f;
            }
        }
    };

    if (from >= T) {  // no rows: zeros, with the stretch that ends them
        if (stretch.L == T) { flush(true); }
        return;
    }
    int chain = chains_to - 1;
    int row0 = from + chain * kOuterChain;
    if (chain >= chains_from) {
        look_up(row0);
        __syncthreads();
        fetch(row0);
    }
    for (int tile = 0; chain >= chains_from; ++tile) {
        float* tileZ = shared + (tile % 2) * kBuffer;
        float* tileA = tileZ + kOuterRows * kN;
#pragma unroll
        for (int i = 0; i < kLoadsZ; ++i) {
            const int quad = t + i * kThreads;
            if (kQuads % kThreads == 0 || quad < kQuads) { *reinterpret_cast<float4*>(tileZ + quad * 4) = nextZ[i]; }
        }
        if (t < kPass * kM) {
#pragma unroll
            for (int i = 0; i < kLoadsA; ++i) { tileA[t + i * kPass * kM] = nextA[i]; }
        }
        __syncthreads();  // one is enough: the buffer written next was read before it
        const bool complete = row0 + kOuterRows >= min(to, from + (chain + 1) * kOuterChain);
        const bool first = from + (chain + 1) * kOuterChain >= to;  // of the chains that join partial
        row0 += kOuterRows;
        if (complete) { row0 = from + --chain * kOuterChain; }
        if (chain >= chains_from) {
            if ((row0 - from) % kOuterChunk == 0) {  // all have read the chunk before, or they were not here
                look_up(row0);
                __syncthreads();
            }
            fetch(row0);
        }
#pragma unroll 8
        for (int r = 0; r < kOuterRows; ++r) {  // rows beyond the slot are zeros
            const float4 z0 = *reinterpret_cast<const float4*>(tileZ + r * kN + threadN);
            const float4 z1 = *reinterpret_cast<const float4*>(tileZ + r * kN + threadN + kN / 2);
            const float4 a = *reinterpret_cast<const float4*>(tileA + r * kM + threadM);
            const float zs[8] = {z0.x, z0.y, z0.z, z0.w, z1.x, z1.y, z1.z, z1.w};
            const float as[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
            for (int i = 0; i < 8; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) { sum[i][j] = fmaf(zs[i], as[j], sum[i][j]); }
            }
        }
        if (complete) { flush(first); }
    }
}

#define OUTER(name, threads, n, m)                                                                                           \
    extern "C" __global__ void __launch_bounds__(threads)                                                                    \
    name(const float* __restrict__ x, const int* __restrict__ index, const float* __restrict__ h,                            \
         const int* __restrict__ input, const int* __restrict__ pred, const float* __restrict__ dz,                          \
         float* __restrict__ partial, const int* __restrict__ rows, int K, int H, int D, int N, int ldx, int ldh,            \
         int rowsIndex, int rowsPred, int rowsDz, int S, int tail, const int* __restrict__ wave, float* __restrict__ carry,  \
         int begin, int end, int parity) {                                                                                   \
        outer_tile<n, m>(x, index, h, input, pred, dz, partial, rows, K, H, D, N, ldx, ldh, rowsIndex, rowsPred, rowsDz, S,  \
                         tail, wave, carry, begin, end, parity);                                                             \
    }
OUTER(outer_64_64, 128, 64, 64)
OUTER(outer_80_64, 160, 80, 64)
OUTER(outer_128_64, 256, 128, 64)
OUTER(outer_80_80, 200, 80, 80)
