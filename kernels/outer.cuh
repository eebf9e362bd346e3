// Weight gradients: what outer.cu and outer_mma.cu share, the slots and the right factor. Letters and arrays: outer.cu.
#pragma once

#include "load4.cuh"

constexpr int kOuterRows = 16;    // rows of a tile in shared memory; outerDepth in host/gpu
constexpr int kOuterLeast = 64;   // rows of a slot, but for the last; outerLeast in host/gpu
constexpr int kOuterChunk = 128;  // rows that are looked up at a time; outerChunk in host/gpu
constexpr int kOuterChain = 512;  // rows until sums join partial

// Rows from … to-1 are those of a slot.
struct OuterSlot {
    int from, to;

    __device__ __forceinline__ OuterSlot(int T, int S, int slot) {
        const int per = max(kOuterLeast, ((T + S - 1) / S + kOuterRows - 1) / kOuterRows * kOuterRows);
        from = slot * per;
        to = min(T, from + per);
    }
};

// The right factor of direction q: a_q[r] = [x[index_q[r]], h[input_q[pred_d[r]]] for each d, 1].
struct OuterRight {
    const float* x;
    const int* index;
    const float* h;
    const int* input;
    const int* pred;
    int q, K, H, D, N, ldx, ldh, rowsIndex, rowsPred;

    // Where column c of a lies in the slot's layout, and how far apart two columns of dz are there; 0 when there is none (c ≥ M).
    __device__ __forceinline__ int2 place(int c, int M) const {
        if (c < K) { return make_int2(c, K); }
        if (c < K + D * H) {
            const int d = (c - K) / H;
            return make_int2(N * (K + d * H) + (c - K - d * H), H);
        }
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
        ones = m >= a.K + a.D * a.H;
        line = m < a.K ? 0 : 1 + (m - a.K) / max(a.H, 1);
        from = m < a.K ? a.x + m : a.h + (size_t)a.q * a.H + (m - a.K) % max(a.H, 1);
        stride = m < a.K ? a.ldx : a.ldh;
    }

    // Its value in row r of a slot that begins at row `first`; the row's chunk is in source.
    __device__ __forceinline__ float value(const int* source, int r, int first) const {
        return ones ? 1.0f : from[(size_t)source[line * kOuterChunk + (r - first) % kOuterChunk] * stride];
    }
};
