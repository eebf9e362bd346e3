// Sums over a warp and over a block in an order that is fixed, so that the bits do not depend on the run.
#pragma once

constexpr unsigned kAllLanes = 0xffffffffu;

// The sum over the warp, in every lane. All 32 lanes must call. The butterfly adds the same pairs in every lane, and
// addition commutes, so all lanes hold the same bits.
static __device__ __forceinline__ float warp_sum(float x) {
    for (int offset = 16; offset > 0; offset /= 2) { x += __shfl_xor_sync(kAllLanes, x, offset); }
    return x;
}

// The sum over a block of kThreads threads, in every thread. All threads must call; scratch is kThreads / 32 floats of
// shared memory, free again when the call returns. Two barriers.
template <int kThreads>
static __device__ __forceinline__ float block_sum(float x, float* scratch) {
    static_assert(kThreads % 32 == 0, "whole warps");
    x = warp_sum(x);
    if (threadIdx.x % 32 == 0) { scratch[threadIdx.x / 32] = x; }
    __syncthreads();
    float total = 0.0f;
    for (int w = 0; w < kThreads / 32; ++w) { total += scratch[w]; }
    __syncthreads();  // before the next sum overwrites scratch
    return total;
}
