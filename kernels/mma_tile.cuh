// A block's tile of a product on tensor cores: what wave_mma.cu, gemm_mma.cu and outer_mma.cu share.
//
//   sum[r, c] += Σ_k left[r, k]·right[k, c]        kRows × kColumns sums a block, a warp 32 × 32 of them
//
// kTerms = 1: both factors are rounded to TF32, to nearest, as they enter shared memory; one product.
// kTerms = 3: x = hi + lo with hi = TF32(x), lo = x - hi to 11 bits, which is x to 23 bits; lo·hi + hi·lo + hi·hi, smallest
// first: lo·lo is below 2^-22 of the product. Tensor cores cut their sums where float32 would round (emu/mma.cpp), always towards
// zero; so 16 inputs are summed there from 0, and their sum joins the others by a float32 addition, which rounds. Infinite
// and overflowing values become NaN, which is as non-finite. (Markidis et al. 2018, arXiv 1803.04014, for the split; Ootomo, Yokota
// 2022, arXiv 2203.03341, for sums outside the tensor cores.)
//
// Order of every sum: ascending k in steps of 8, inside a step the hardware's. It does not depend on rows, columns or grid.
#pragma once

#include "load4.cuh"
#include "mma.cuh"

constexpr int kMmaDepth = 16;  // inputs a step, two instructions deep

// kDown × kAcross warps. kLeftByRow: left lies in shared memory row by row, which suits a left side whose inputs are
// neighbours in memory; else input by input. Strides are such that the 32 lanes of a fragment's load hit 32 banks.
template <int kTerms, int kDown, int kAcross, bool kLeftByRow>
struct MmaTile {
    static constexpr int kRows = 32 * kDown;
    static constexpr int kColumns = 32 * kAcross;
    static constexpr int kThreads = 32 * kDown * kAcross;
    static constexpr int kLeftStride = kLeftByRow ? kMmaDepth + 4 : kRows + 8;
    static constexpr int kRightStride = kColumns + 8;
    static constexpr int kLeft = (kLeftByRow ? kRows : kMmaDepth) * kLeftStride;
    static constexpr int kBuffer = kLeft + kMmaDepth * kRightStride;  // floats; there are two
    static constexpr int kLoadsLeft = kRows * kMmaDepth / 4 / kThreads;  // of four values, by each thread
    static constexpr int kLoadsRight = kColumns * kMmaDepth / 4 / kThreads;
    static constexpr int kLeftQuads = (kLeftByRow ? kMmaDepth : kRows) / 4;  // side by side

    float sum[2][4][4];  // [16 rows, 8 columns, of mma's d]

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
#pragma unroll
                for (int e = 0; e < 4; ++e) { sum[i][j][e] = 0.0f; }
            }
        }
    }

    // Where in the tile this thread's sums [i][j][e] are; e = 0, 1 are neighbours in a row, and so are 2, 3.
    static __device__ __forceinline__ int row(int i, int e) {
        return (int)threadIdx.x / 32 / kAcross * 32 + 16 * i + e / 2 * 8 + (int)threadIdx.x % 32 / 4;
    }
    static __device__ __forceinline__ int column(int j, int e) {
        return (int)threadIdx.x / 32 % kAcross * 32 + 8 * j + (int)threadIdx.x % 4 * 2 + e % 2;
    }

    // What this thread loads, as its i-th four neighbours: of left the row (line) and first input (place) when it is stored by
    // row, else the input and first row; of right the input and first column.
    static __device__ __forceinline__ int left_line(int i) { return ((int)threadIdx.x + i * kThreads) / kLeftQuads; }
    static __device__ __forceinline__ int left_place(int i) { return ((int)threadIdx.x + i * kThreads) % kLeftQuads * 4; }
    static __device__ __forceinline__ int right_line(int i) { return ((int)threadIdx.x + i * kThreads) / (kColumns / 4); }
    static __device__ __forceinline__ int right_place(int i) { return ((int)threadIdx.x + i * kThreads) % (kColumns / 4) * 4; }

    // A value as it lies in shared memory.
    static __device__ __forceinline__ float stored(float x) { return kTerms == 1 ? to_tf32(x) : x; }
    static __device__ __forceinline__ void store(float* to, float4 v) {
        *reinterpret_cast<float4*>(to) = make_float4(stored(v.x), stored(v.y), stored(v.z), stored(v.w));
    }

    // Puts what this thread has loaded of a side into a buffer.
    static __device__ __forceinline__ void store_left(float* buffer, const float4 (&left)[kLoadsLeft]) {
#pragma unroll
        for (int i = 0; i < kLoadsLeft; ++i) { store(buffer + left_line(i) * kLeftStride + left_place(i), left[i]); }
    }
    static __device__ __forceinline__ void store_right(float* buffer, const float4 (&right)[kLoadsRight]) {
#pragma unroll
        for (int i = 0; i < kLoadsRight; ++i) {
            store(buffer + kLeft + right_line(i) * kRightStride + right_place(i), right[i]);
        }
    }

    // x = hi + lo: hi is x rounded to 11 bits, to nearest, in whole numbers: three instructions in place of the five of to_tf32
    // on devices that have no such instruction. A NaN may lose its hi, but not its lo. Of lo, at most 12 bits, tensor cores
    // take 11: what they cut is at most the last bit of x.
    static __device__ __forceinline__ void split(float x, unsigned* hi, unsigned* lo) {
        *hi = (__float_as_uint(x) + 0x1000u) & 0xffffe000u;
        *lo = __float_as_uint(x - __uint_as_float(*hi));
    }

    // Adds the product of a buffer. Warps whose 32 rows or columns lie beyond the `rows` or `columns` that the tile has of the
    // matrix do nothing.
    __device__ __forceinline__ void multiply(const float* buffer, int rows, int columns) {
        const int lane = threadIdx.x % 32;
        const int g = lane / 4;
        const int t = lane % 4;
        const int row0 = (int)threadIdx.x / 32 / kAcross * 32;
        const int column0 = (int)threadIdx.x / 32 % kAcross * 32;
        if (row0 >= rows || column0 >= columns) { return; }
        const float* left = buffer + (kLeftByRow ? (row0 + g) * kLeftStride + t : t * kLeftStride + row0 + g);
        const float* right = buffer + kLeft + t * kRightStride + column0 + g;
        auto at_left = [&](int i, int k) { return kLeftByRow ? left[i * kLeftStride + k] : left[k * kLeftStride + i]; };
        if constexpr (kTerms == 1) {
#pragma unroll
            for (int k = 0; k < kMmaDepth; k += 8) {
                unsigned a[2][4];
#pragma unroll
                for (int i = 0; i < 2; ++i) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) { a[i][e] = __float_as_uint(at_left(16 * i + e % 2 * 8, k + e / 2 * 4)); }
                }
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    const unsigned b[2] = {__float_as_uint(right[k * kRightStride + 8 * j]),
                                           __float_as_uint(right[(k + 4) * kRightStride + 8 * j])};
#pragma unroll
                    for (int i = 0; i < 2; ++i) { mma(sum[i][j], a[i], b); }
                }
            }
        } else {
            constexpr int kSteps = kMmaDepth / 8;
            unsigned hi[kSteps][2][4];
            unsigned lo[kSteps][2][4];
#pragma unroll
            for (int k = 0; k < kSteps; ++k) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        split(at_left(16 * i + e % 2 * 8, 8 * k + e / 2 * 4), &hi[k][i][e], &lo[k][i][e]);
                    }
                }
            }
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                unsigned bhi[kSteps][2];
                unsigned blo[kSteps][2];
                float part[2][4] = {};
#pragma unroll
                for (int k = 0; k < kSteps; ++k) {
#pragma unroll
                    for (int e = 0; e < 2; ++e) { split(right[(8 * k + 4 * e) * kRightStride + 8 * j], &bhi[k][e], &blo[k][e]); }
                }
#pragma unroll
                for (int k = 0; k < kSteps; ++k) {
#pragma unroll
                    for (int i = 0; i < 2; ++i) { mma(part[i], lo[k][i], bhi[k]); }
                    if constexpr (kTerms == 3) {
#pragma unroll
                        for (int i = 0; i < 2; ++i) { mma(part[i], hi[k][i], blo[k]); }
                    }
                }
#pragma unroll
                for (int k = 0; k < kSteps; ++k) {
#pragma unroll
                    for (int i = 0; i < 2; ++i) { mma(part[i], hi[k][i], bhi[k]); }
                }
#pragma unroll
                for (int i = 0; i < 2; ++i) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) { sum[i][j][e] += part[i][e]; }
                }
            }
        }
    }
};

// sum += the product of `steps` steps of kMmaDepth inputs, of which the tile has `rows` rows and `columns` columns. fetch(step)
// loads a step into this thread's registers, zeros where there are no values, store(buffer) puts them there, and after(step)
// follows its product. All threads must call, with `buffers`, 2·kBuffer floats of shared memory, free; they are free again
// after the next barrier.
template <class Tile, class Fetch, class Store, class After>
static __device__ __forceinline__ void mma_product(Tile& tile, int steps, int rows, int columns, float* buffers, Fetch fetch,
                                                   Store store, After after) {
    if (steps > 0) { fetch(0); }
    for (int step = 0; step < steps; ++step) {
        float* buffer = buffers + step % 2 * Tile::kBuffer;
        store(buffer);
        __syncthreads();  // one is enough: the buffer written next was read before it
        if (step + 1 < steps) { fetch(step + 1); }
        tile.multiply(buffer, rows, columns);
        after(step);
    }
}
