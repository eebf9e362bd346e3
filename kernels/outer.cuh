// Weight gradients: what outer.cu and outer_mma.cu share, the slots and the right factor. Letters and arrays: outer.cu.
#pragma once

#include "load4.cuh"

constexpr int kOuterRows = 16;    // rows of a tile in shared memory; outerDepth in host/gpu
constexpr int kOuterLeast = 64;   // rows of a slot, but for the last; outerLeast in host/gpu
constexpr int kOuterChunk = 128;  // rows that are looked up at a time; outerChunk in host/gpu
constexpr int kOuterChain = 512;  // rows until sums join partial

// Rows from … to-1 are those of a slot, `per` in each but the last.
struct OuterSlot {
    int from, to, per;

    __device__ __forceinline__ OuterSlot(int T, int S, int slot) {
        per = max(kOuterLeast, ((T + S - 1) / S + kOuterRows - 1) / kOuterRows * kOuterRows);
        from = slot * per;
        to = min(T, from + per);
    }
};

// The rows F … L-1 of a launch, all of them or a stretch, and where direction q's dz lies.
struct OuterStretch {
    const float* dz;
    int F, L, N;
    int carried;  // rows from dz to what the stretch behind has left

    __device__ __forceinline__ OuterStretch(const int* wave, int begin, int end, int T, const float* all, int rowsDz, int N,
                                            int parity)
        : N(N) {
        const int q = blockIdx.z;
        F = wave != nullptr ? wave[begin] : 0;
        L = wave != nullptr ? wave[end] : T;
        dz = all + (size_t)q * rowsDz * N;
        carried = (gridDim.z - q) * rowsDz + (parity * gridDim.z + q) * kOuterChain;
    }

    __device__ __forceinline__ const float* row(int r) const {
        return dz + (size_t)(r < L ? r - F : carried + r % kOuterChain) * N;
    }

    // Leaves columns first … first+columns-1 of what the stretch before needs: the rows up to the first chain that begins in
    // this one. The slots' blocks share the rows.
    __device__ __forceinline__ void leave(float* carry, int parity, int T, int per, int first, int columns, int threads) const {
        if (F == 0) { return; }
        const int chain = F / per * per + (F % per + kOuterChain - 1) / kOuterChain * kOuterChain;
        const int until = min(T, min(chain, (F / per + 1) * per));
        float* to = carry + ((size_t)(1 - parity) * gridDim.z + blockIdx.z) * kOuterChain * N;
        for (int e = threadIdx.x; e < (until - F) * columns; e += threads) {
            const int r = F + e / columns;
            const int n = first + e % columns;
            if (r % gridDim.y == blockIdx.y && n < N) { to[(size_t)(r % kOuterChain) * N + n] = row(r)[n]; }
        }
    }

    // The chains of a slot that begin here: from … to-1.
    __device__ __forceinline__ int chains_from(const OuterSlot& s) const {
        return max(0, (F - s.from + kOuterChain - 1) / kOuterChain);
    }
    __device__ __forceinline__ int chains_to(const OuterSlot& s) const {
        return max(0, (min(L, s.to) - s.from + kOuterChain - 1) / kOuterChain);
    }
};

// The right factor of direction q: a_q[r] = [h[input_q[pred_d[r]]] for each d, x[index_q[r]], 1]. h comes first: its rows begin
// where four floats are aligned, whatever K is.
struct OuterRight {
    const float* x;
    const int* index;
    const float* h;
    const int* input;
    const int* pred;
    int q, K, H, D, N, ldx, ldh, rowsIndex, rowsPred;

    // Where column c of a lies in the slot's layout, and how far apart two columns of dz are there; 0 when there is none (c ≥ M).
    __device__ __forceinline__ int2 place(int c, int M) const {
        if (c < D * H) {
            const int d = c / H;
            return make_int2(N * (K + d * H) + (c - d * H), H);
        }
        if (c < D * H + K) { return make_int2(c - D * H, K); }
        return make_int2(N * (K + D * H), c < M ? 1 : 0);
    }

    // Looks up the rows of x and h for a chunk of rows that begins at row0: source [1+D, kOuterChunk].
    __device__ __forceinline__ void look_up(int* source, int row0, int to, int threads) const {
        for (int e = threadIdx.x; e < (1 + D) * kOuterChunk; e += threads) {
            const int r = row0 + e % kOuterChunk;
            const int d = e / kOuterChunk - 1;
            if (r >= to) { continue; }
            if (d < 0) {
                source[e] = index != nullptr ? index[(size_t)q * rowsIndex + r] : r;
            } else {
                source[e] = input[(size_t)q * rowsIndex + pred[(size_t)d * rowsPred + r]];
            }
        }
    }
};

// One column m of the right factor.
struct OuterColumn {
    const float* from;  // x or h, at the column
    int stride;
    int line;           // of source
    bool ones;

    __device__ __forceinline__ OuterColumn(const OuterRight& a, int m) {
        const bool hidden = m < a.D * a.H;
        ones = m >= a.K + a.D * a.H;
        line = hidden ? 1 + m / a.H : 0;
        from = hidden ? a.h + (size_t)a.q * a.H + m % a.H : a.x + (m - a.D * a.H);
        stride = hidden ? a.ldh : a.ldx;
    }

    // Its value in row r of a slot that begins at row `first`; the row's chunk is in source.
    __device__ __forceinline__ float value(const int* source, int r, int first) const {
        return ones ? 1.0f : from[(size_t)source[line * kOuterChunk + (r - first) % kOuterChunk] * stride];
    }
};
