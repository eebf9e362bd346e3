// Weight gradients: sums over rows of outer products, split over slots of rows.
//
//   partial[q, slot, …] = Σ_r dz[q, r, n] · a_q[r, m]        rows slot·per ≤ r < min(T, (slot+1)·per), per = rows a slot
//   a_q[r]              = [ x[index_q[r], 0 … K-1],  h[input_q[pred_d[r]], q·H + 0 … H-1] for each d < D,  1 ]
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
//   dz       in   [Q, rowsDz, N]
//   partial  out  [Q, slots, E]: all of it (=), zeros in slots beyond T
//   rows     in   int32 [1]: T
//   tail          1: a has a last column of ones, for the bias
// No two arrays may overlap.
//
// outer_rows: a block computes 64 columns of dz × 64 of a for one slot and direction, a thread 4 × 4, from tiles of 16 rows
// in shared memory, double buffered: 16 KiB, one barrier a tile. After every 512 rows the sums join partial, so that none is a
// chain of more than 512 terms. Order: ascending rows. Grid: x tiles, y slots, z directions.
// per = ceil(T / S) rounded up to 16, at least 128: a function of T and of S, the most slots there may be. The grid must have
// min(S, ceil(capacity / 128)) slots or more; those beyond T add zeros. So the bits depend on T and the shapes alone.
// Specification: host/ref, the gradients of weight_ih, weight_hh, bias and of dense.

extern __shared__ __align__(16) float shared[];

constexpr int kOuterThreads = 256;  // kernels.go: Threads
constexpr int kOuterTile = 64;      // columns of dz and of a
constexpr int kOuterRows = 16;      // rows a tile in shared memory
constexpr int kOuterLeast = 128;    // rows of a slot, but for the last; outerLeast in host/gpu
constexpr int kOuterChain = 512;    // rows until sums join partial

// Where column m of a comes from.
struct Column {
    const float* base;  // null: ones
    const int* first;   // row table; null: the row itself
    const int* second;  // table applied to first's row; null: none
    int stride;
};

extern "C" __global__ void __launch_bounds__(kOuterThreads)
outer_rows(const float* __restrict__ x, const int* __restrict__ index, const float* __restrict__ h,
           const int* __restrict__ input, const int* __restrict__ pred, const float* __restrict__ dz,
           float* __restrict__ partial, const int* __restrict__ rows, int K, int H, int D, int N, int ldx, int ldh,
           int rowsIndex, int rowsPred, int rowsDz, int S, int tail) {
    constexpr int kBuffer = 2 * kOuterRows * kOuterTile;
    constexpr int kLoads = kOuterRows * kOuterTile / kOuterThreads;
    const int M = K + D * H + tail;
    const int acrossM = (M + kOuterTile - 1) / kOuterTile;
    const int m0 = (blockIdx.x % acrossM) * kOuterTile;
    const int n0 = (blockIdx.x / acrossM) * kOuterTile;
    const int slot = blockIdx.y;
    const int q = blockIdx.z;
    const int t = threadIdx.x;
    const int T = rows[0];
    const int per = max(kOuterLeast, ((T + S - 1) / S + kOuterRows - 1) / kOuterRows * kOuterRows);
    const int from = slot * per;
    const int to = min(T, from + per);
    float* __restrict__ mine = partial + ((size_t)q * gridDim.y + slot) * N * M;

    // This thread loads one column of either factor, rows t/64, t/64 + 4, ….
    const int column = t % kOuterTile;
    const int n = n0 + column;
    const int m = m0 + column;
    const float* columnZ = dz + (size_t)q * rowsDz * N + n;
    Column a = {nullptr, nullptr, nullptr, 0};
    if (m < K) {
        a.base = x + m;
        a.stride = ldx;
        if (index != nullptr) { a.first = index + (size_t)q * rowsIndex; }
    } else if (m < K + D * H) {
        a.base = h + (size_t)q * H + (m - K) % H;
        a.stride = ldh;
        a.first = pred + (size_t)((m - K) / H) * rowsPred;
        a.second = input + (size_t)q * rowsIndex;
    }

    float nextZ[kLoads];
    float nextA[kLoads];
    auto fetch = [&](int row0) {
#pragma unroll
        for (int i = 0; i < kLoads; ++i) {
            const int r = row0 + t / kOuterTile + i * (kOuterThreads / kOuterTile);
            const bool here = r < to;
            nextZ[i] = here && n < N ? columnZ[(size_t)r * N] : 0.0f;
            nextA[i] = 0.0f;
            if (here && m < M) {
                int at = a.first != nullptr ? a.first[r] : r;
                if (a.second != nullptr) { at = a.second[at]; }
                nextA[i] = a.base != nullptr ? a.base[(size_t)at * a.stride] : 1.0f;
            }
        }
    };

    float sum[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) { sum[i][j] = 0.0f; }
    }
    const int threadN = n0 + (t / 16) * 4;
    const int threadM = m0 + (t % 16) * 4;

    // Brings the sums into partial: overwrites at first, then adds.
    auto flush = [&](bool first) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int mj = threadM + j;
            size_t start = 0;  // of column mj in the slot's layout, and how far rows of dz lie apart there
            int step = 1;
            if (mj < K) {
                start = mj;
                step = K;
            } else if (mj < K + D * H) {
                const int d = (mj - K) / H;
                start = (size_t)N * K + (size_t)d * N * H + (mj - K - d * H);
                step = H;
            } else {
                start = (size_t)N * (K + D * H);
            }
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int ni = threadN + i;
                if (mj < M && ni < N) {
                    const size_t at = start + (size_t)ni * step;
                    mine[at] = first ? sum[i][j] : mine[at] + sum[i][j];
                }
                sum[i][j] = 0.0f;
            }
        }
    };

    bool first = true;
    int chain = 0;
    if (from < to) { fetch(from); }
    for (int row0 = from, tile = 0; row0 < to; row0 += kOuterRows, ++tile) {
        float* tileZ = shared + (tile % 2) * kBuffer;
        float* tileA = tileZ + kOuterRows * kOuterTile;
#pragma unroll
        for (int i = 0; i < kLoads; ++i) {
            tileZ[t + i * kOuterThreads] = nextZ[i];
            tileA[t + i * kOuterThreads] = nextA[i];
        }
        __syncthreads();  // one is enough: the buffer written next was read before it
        if (row0 + kOuterRows < to) { fetch(row0 + kOuterRows); }
#pragma unroll
        for (int r = 0; r < kOuterRows; ++r) {  // rows beyond the slot are zeros
            const float4 z = *reinterpret_cast<const float4*>(tileZ + r * kOuterTile + (t / 16) * 4);
            const float4 b = *reinterpret_cast<const float4*>(tileA + r * kOuterTile + (t % 16) * 4);
            const float zs[4] = {z.x, z.y, z.z, z.w};
            const float bs[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) { sum[i][j] = fmaf(zs[i], bs[j], sum[i][j]); }
            }
        }
        chain += kOuterRows;
        if (chain == kOuterChain) {
            flush(first);
            first = false;
            chain = 0;
        }
    }
    if (first || chain > 0) { flush(first); }
}
