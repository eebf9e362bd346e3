// A block's tile of a product on tensor cores: what wave_mma.cu, gemm_mma.cu and outer_mma.cu share.
//
//   sum[r, c] += Σ_k left[r, k]·right[k, c]        kRows × kColumns sums a block, a warp 32 × 32·kWide of them
//
// kTerms = 1: both factors are rounded to TF32, to nearest, as they enter shared memory; one product.
// kTerms = 3: x = hi + lo with hi = TF32(x), lo = x - hi to 11 bits, which is x to 23 bits; lo·hi + hi·lo + hi·hi, smallest
// first: lo·lo is below 2^-22 of the product. Tensor cores cut their sums where float32 would round (emu/mma.cpp), always towards
// zero; so 16 inputs are summed there from 0, and their sum joins the others by a float32 addition, which rounds. Infinite
// and overflowing values become NaN, which is as non-finite. (Markidis et al. 2018, arXiv 1803.04014, for the split; Ootomo, Yokota
// 2022, arXiv 2203.03341, for sums outside the tensor cores.)
//
// Order of every sum: sixteen inputs at a time, in two instructions, inside which it is the hardware's; which eight the first one
// takes is `input` below. It does not depend on rows, columns or grid.
//
// Fragments: the tensor cores' a [16, 8] is of columns of the tile, their b [8, 8] of its rows, so that d is sumᵀ. Which column or
// input a place in a and b stands for is free, as long as both agree. So they are dealt out for a thread to find neighbours in
// shared memory, loaded at once, in the neighbouring registers that an operand must have: of a two columns, 8 bytes, of b stored
// by row the inputs of two instructions, 16 bytes. Each half or quarter of a warp takes 128 bytes from 32 banks.
#pragma once

#include "load4.cuh"
#include "mma.cuh"

constexpr int kMmaDepth = 16;  // inputs a step, two instructions deep

// kDown × kAcross warps, each with 32 rows × 32·kWide columns. kLeftByRow: left lies in shared memory row by row, which suits a
// left side whose inputs are neighbours in memory; else, as right does, in lines, one an input.
template <int kTerms, int kDown, int kAcross, int kWide, bool kLeftByRow>
struct MmaTile {
    static constexpr int kRows = 32 * kDown;
    static constexpr int kWarpColumns = 32 * kWide;
    static constexpr int kColumns = kWarpColumns * kAcross;
    static constexpr int kThreads = 32 * kDown * kAcross;
    static constexpr int kLeftStride = kLeftByRow ? kMmaDepth : kRows + 8;
    static constexpr int kRightStride = kColumns + 8;
    static constexpr int kLeft = (kLeftByRow ? kRows : kMmaDepth) * kLeftStride;
    static constexpr int kBuffer = kLeft + kMmaDepth * kRightStride;  // floats; there are two
    static constexpr int kPairs = 2 * kWide;  // of sums, that a thread has of a row
    // What a thread loads of a side at once: four neighbours in a line of so many quads, and the same `pass` lines on.
    static constexpr int kLeftQuads = (kLeftByRow ? kMmaDepth : kRows) / 4;
    static constexpr int kRightQuads = kColumns / 4;
    static constexpr int kLeftPass = kThreads / kLeftQuads;
    static constexpr int kRightPass = kThreads / kRightQuads;
    static constexpr int kLoadsLeft = (kLeftByRow ? kRows : kMmaDepth) / kLeftPass;
    static constexpr int kLoadsRight = kMmaDepth / kRightPass;
    static constexpr int kInputPass = kLeftByRow ? kRightPass / 4 : kRightPass;  // in inputs, of lines of right
    static_assert(kThreads % kLeftQuads == 0 && kThreads % kRightQuads == 0 && kRightPass % 4 == 0, "whole lines a pass");

    float sum[kPairs][4][4];  // [16 columns, 8 rows, of mma's d]

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < kPairs; ++i) {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
#pragma unroll
                for (int e = 0; e < 4; ++e) { sum[i][j][e] = 0.0f; }
            }
        }
    }

    // This thread's sums of its row m of 8, two neighbouring columns of each 16. And where in the tile they are.
    __device__ __forceinline__ float2 pair(int m, int i) const {
        return make_float2(sum[i][m / 2][m % 2], sum[i][m / 2][m % 2 + 2]);
    }
    static __device__ __forceinline__ int row(int m) { return row0() + (int)threadIdx.x % 4 * 2 + m / 2 * 8 + m % 2; }
    static __device__ __forceinline__ int column(int i) { return column0() + (int)threadIdx.x % 32 / 4 * 2 + 16 * i; }
    // The warp's.
    static __device__ __forceinline__ int row0() { return (int)threadIdx.x / 32 / kAcross * 32; }
    static __device__ __forceinline__ int column0() { return (int)threadIdx.x / 32 % kAcross * kWarpColumns; }

    // Writes this thread's sums of the rows that there are: to(m) is where its row m has its first column, from where on so many
    // exist. With `add` they join what is there, and bias unless it is null. pairs: two neighbours are aligned and both exist.
    template <class To>
    __device__ __forceinline__ void put(To to, int rows, const float* bias, int columns, bool add, bool pairs) const {
#pragma unroll
        for (int m0 = 0; m0 < 8; m0 += 4) {
            float2 x[4][kPairs];  // all loads before the stores: the compiler cannot know that they differ
#pragma unroll
            for (int m = 0; m < 4; ++m) {
#pragma unroll
                for (int i = 0; i < kPairs; ++i) { x[m][i] = pair(m0 + m, i); }
                if (row(m0 + m) >= rows) { continue; }
                if (add) { join(x[m], to(m0 + m), columns, pairs); }
                if (bias != nullptr) { join(x[m], bias, columns, false); }
            }
#pragma unroll
            for (int m = 0; m < 4; ++m) {
                if (row(m0 + m) >= rows) { continue; }
                float* p = to(m0 + m);
#pragma unroll
                for (int i = 0; i < kPairs; ++i) {
                    if (pairs) {
                        if (16 * i < columns) { *reinterpret_cast<float2*>(p + 16 * i) = x[m][i]; }
                    } else {
                        if (16 * i < columns) { p[16 * i] = x[m][i].x; }
                        if (16 * i + 1 < columns) { p[16 * i + 1] = x[m][i].y; }
                    }
                }
            }
        }
    }
    static __device__ __forceinline__ void join(float2 (&x)[kPairs], const float* from, int columns, bool pairs) {
#pragma unroll
        for (int i = 0; i < kPairs; ++i) {
            float2 v = make_float2(0.0f, 0.0f);
            if (pairs) {
                if (16 * i < columns) { v = *reinterpret_cast<const float2*>(from + 16 * i); }
            } else {
                if (16 * i < columns) { v.x = from[16 * i]; }
                if (16 * i + 1 < columns) { v.y = from[16 * i + 1]; }
            }
            x[i] = make_float2(x[i].x + v.x, x[i].y + v.y);
        }
    }

    // The input of a step that lies in a line. Lane t of four takes lines t, t+4, t+8, t+12; by row, where its inputs are
    // neighbours, they are inputs 4·t … 4·t+3.
    static __device__ __forceinline__ int input(int line) { return kLeftByRow ? line % 4 * 4 + line / 4 : line; }

    // What this thread loads, as its i-th four neighbours: of left the row (line) and first input (place) when it is stored by
    // row, else the line and first row; of right the line and first column.
    static __device__ __forceinline__ int left_line(int i) { return (int)threadIdx.x / kLeftQuads + i * kLeftPass; }
    static __device__ __forceinline__ int left_place() { return (int)threadIdx.x % kLeftQuads * 4; }
    static __device__ __forceinline__ int right_line(int i) { return (int)threadIdx.x / kRightQuads + i * kRightPass; }
    static __device__ __forceinline__ int right_place() { return (int)threadIdx.x % kRightQuads * 4; }

    // A value as it lies in shared memory.
    static __device__ __forceinline__ float stored(float x) { return kTerms == 1 ? __uint_as_float(to_tf32(x)) : x; }
    static __device__ __forceinline__ void store(float* to, float4 v) {
        *reinterpret_cast<float4*>(to) = make_float4(stored(v.x), stored(v.y), stored(v.z), stored(v.w));
    }

    // Puts what this thread has loaded into a buffer.
    static __device__ __forceinline__ void store(float* buffer, const float4 (&left)[kLoadsLeft],
                                                 const float4 (&right)[kLoadsRight]) {
#pragma unroll
        for (int i = 0; i < kLoadsLeft; ++i) { store(buffer + left_line(i) * kLeftStride + left_place(), left[i]); }
#pragma unroll
        for (int i = 0; i < kLoadsRight; ++i) {
            store(buffer + kLeft + right_line(i) * kRightStride + right_place(), right[i]);
        }
    }

    // x = hi + lo: hi is x rounded to 11 bits, to nearest. A NaN may lose its hi, but not its lo. Of lo, at most 12 bits, tensor
    // cores take 11: what they cut is at most the last bit of x.
    static __device__ __forceinline__ void split(float x, unsigned* hi, unsigned* lo) {
        *hi = (__float_as_uint(x) + 0x1000u) & 0xffffe000u;
        *lo = __float_as_uint(x - __uint_as_float(*hi));
    }

    // What a thread has of a step: four inputs of one row or column, as they are, or in two parts.
    static constexpr int kHi = 0;
    static constexpr int kLo = 1;
    struct Fragment {
        unsigned part[kTerms == 1 ? 1 : 2][4];

        __device__ __forceinline__ void take(int k, float x) {
            if constexpr (kTerms == 1) {
                part[kHi][k] = __float_as_uint(x);
            } else {
                split(x, &part[kHi][k], &part[kLo][k]);
            }
        }
    };

    // d += a·b over a step, of two columns a and four rows b, part p of these and part q of those.
    static __device__ __forceinline__ void add(float (&d)[4][4], const Fragment (&a)[2], int p, const Fragment (&b)[4], int q) {
#pragma unroll
        for (int k = 0; k < 4; k += 2) {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                mma(d[j], {a[0].part[p][k], a[1].part[p][k], a[0].part[p][k + 1], a[1].part[p][k + 1]},
                    {b[j].part[q][k], b[j].part[q][k + 1]});
            }
        }
    }

    // Adds the product of a buffer. Warps whose rows or columns lie beyond the `rows` or `columns` that the tile has of the
    // matrix do nothing.
    __device__ __forceinline__ void multiply(const float* buffer, int rows, int columns) {
        if (row0() >= rows || column0() >= columns) { return; }
        const int g = threadIdx.x % 32 / 4;
        const int t = threadIdx.x % 4;
        const float* left = buffer + (kLeftByRow ? (row0() + g) * kLeftStride + 4 * t : t * kLeftStride + row0() + g);
        const float* right = buffer + kLeft + t * kRightStride + column0() + 2 * g;
        Fragment b[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if constexpr (kLeftByRow) {
                const float4 x = *reinterpret_cast<const float4*>(left + 8 * j * kLeftStride);
                b[j].take(0, x.x);
                b[j].take(1, x.y);
                b[j].take(2, x.z);
                b[j].take(3, x.w);
            } else {
#pragma unroll
                for (int k = 0; k < 4; ++k) { b[j].take(k, left[4 * k * kLeftStride + 8 * j]); }
            }
        }
#pragma unroll
        for (int i = 0; i < kPairs; ++i) {
            Fragment a[2];
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float2 x = *reinterpret_cast<const float2*>(right + 4 * k * kRightStride + 16 * i);
                a[0].take(k, x.x);
                a[1].take(k, x.y);
            }
            if constexpr (kTerms == 1) {
                add(sum[i], a, kHi, b, kHi);
            } else {
                float d[4][4] = {};
                add(d, a, kHi, b, kLo);
                if constexpr (kTerms == 3) { add(d, a, kLo, b, kHi); }
                add(d, a, kHi, b, kHi);
#pragma unroll
                for (int j = 0; j < 4; ++j) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) { sum[i][j][e] += d[j][e]; }
                }
            }
        }
    }
};

// The right side, [depth, width] row by row in memory, of which a tile has columns `first` and following. Columns that the matrix
// has not are zeros or copies of others: their sums are nobody's.
template <class Tile>
struct MmaRight {
    const float* at;  // this thread's first four in the next step; the others follow in rows
    int width;
    int columns;   // from its first one on
    bool aligned;  // its rows, for loads of four: there are four columns

    __device__ __forceinline__ MmaRight(const float* right, int width, int first) : width(width) {
        aligned = width % 4 == 0 && aligned16(right);
        const int place = first + Tile::right_place();
        at = right + (ptrdiff_t)Tile::input(Tile::right_line(0)) * width + (aligned ? min(place, width - 4) : place);
        columns = aligned ? 4 : width - place;
    }

    __device__ __forceinline__ void skip(int rows) { at += (ptrdiff_t)rows * width; }

    // The next step, which is whole: rows are aligned, and all inputs exist.
    __device__ __forceinline__ void fetch(float4 (&r)[Tile::kLoadsRight]) {
#pragma unroll
        for (int i = 0; i < Tile::kLoadsRight; ++i) {
            r[i] = *reinterpret_cast<const float4*>(at + (ptrdiff_t)(i * Tile::kInputPass) * width);
        }
        skip(kMmaDepth);
    }

    // The next step, of which `depth` inputs exist.
    __device__ __forceinline__ void fetch(float4 (&r)[Tile::kLoadsRight], int depth) {
        const int k = Tile::input(Tile::right_line(0));
#pragma unroll
        for (int i = 0; i < Tile::kLoadsRight; ++i) {
            r[i] = load4(at + (ptrdiff_t)(i * Tile::kInputPass) * width, k + i * Tile::kInputPass < depth ? columns : 0, aligned);
        }
        skip(kMmaDepth);
    }
};

// sum += the product of `steps` steps of kMmaDepth inputs, of which the tile has `rows` rows and `columns` columns. fetch(step,
// left, right) loads a step into this thread's registers, zeros for inputs that do not exist, and after(step) follows its
// product. All threads must call, with `buffers`, 2·kBuffer floats of shared memory, free; they are free again after the next
// barrier.
template <class Tile, class Fetch, class After>
static __device__ __forceinline__ void mma_product(Tile& tile, int steps, int rows, int columns, float* buffers, Fetch fetch,
                                                   After after) {
    float4 left[Tile::kLoadsLeft];
    float4 right[Tile::kLoadsRight];
#pragma unroll 1
    for (int step = -1; step < steps; ++step) {  // one early, to load the first
        float* buffer = buffers + (step & 1) * Tile::kBuffer;
        if (step >= 0) {
            tile.store(buffer, left, right);
            __syncthreads();  // one is enough: the buffer written next was read before it
        }
        if (step + 1 < steps) { fetch(step + 1, left, right); }
        if (step >= 0) {
            tile.multiply(buffer, rows, columns);
            after(step);
        }
    }
}
