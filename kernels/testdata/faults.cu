// Small kernels that the tests of host/cuda and of the emulator launch: some are right, most hold one planted fault.
// They are no part of the program. One block of up to 64 threads unless said otherwise.

#include "../reduce.cuh"

extern __shared__ float shared[];

constexpr int kFaultThreads = 64;

// y[block] = Σ of the block's part of x; right. blockDim.x floats of shared memory.
extern "C" __global__ void __launch_bounds__(kFaultThreads) right_sum(const float* __restrict__ x, float* __restrict__ y, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    shared[threadIdx.x] = i < n ? x[i] : 0.0f;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) { shared[threadIdx.x] += shared[threadIdx.x + half]; }
        __syncthreads();
    }
    if (threadIdx.x == 0) { y[blockIdx.x] = shared[0]; }
}

// y[i] = a·x[i] + y[i]; right.
extern "C" __global__ void __launch_bounds__(kFaultThreads) right_axpy(const float* __restrict__ x, float* __restrict__ y, int n, float a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { y[i] = a * x[i] + y[i]; }
}

// Everything that a warp does together; right. y [8, 64] int32. Each warp of two skips a different shuffle, as warps may.
extern "C" __global__ void __launch_bounds__(kFaultThreads) right_warps(int* __restrict__ y) {
    const int t = threadIdx.x;
    const int lane = t % 32;
    y[t] = __shfl_sync(kAllLanes, t, 5);
    y[64 + t] = __shfl_xor_sync(kAllLanes, t, 3);
    y[128 + t] = __shfl_up_sync(kAllLanes, t, 2);
    y[192 + t] = __shfl_down_sync(kAllLanes, t, 2, 16);
    y[256 + t] = (int)__ballot_sync(kAllLanes, t % 3 == 0);
    if (t / 32 == 1) { y[320 + t] = __any_sync(kAllLanes, lane == 7); }
    y[384 + t] = __syncthreads_count(t < 10);
    const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    if (lane < 16) {
        y[448 + t] = __shfl_sync(half, t, 1);
    } else {
        y[448 + t] = __all_sync(half, t > 0);
    }
    __syncwarp();
}

// y[0] += 1 by every thread, y[1] = the largest thread number + 1; right. Any grid.
extern "C" __global__ void __launch_bounds__(kFaultThreads) right_atomics(int* y) {
    atomicAdd(&y[0], 1);
    atomicMax(&y[1], (int)(blockIdx.x * blockDim.x + threadIdx.x) + 1);
}

// Each thread takes its neighbour's element: the barrier between is missing.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_race(const float* __restrict__ x, float* __restrict__ y) {
    shared[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = shared[(threadIdx.x + 1) % blockDim.x];
}

// The same with a static array: the second round overwrites what others may still be reading in the first.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_static(const float* __restrict__ x, float* __restrict__ y) {
    __shared__ float first[kFaultThreads / 32];
    for (int round = 0; round < 2; ++round) {
        const float sum = warp_sum(x[threadIdx.x]);
        if (threadIdx.x % 32 == 0) { first[threadIdx.x / 32] = sum + (float)round; }
        __syncthreads();
        y[threadIdx.x] = first[1 - threadIdx.x / 32];  // a barrier belongs behind this
    }
}

// Lanes of a warp exchange through shared memory: a shuffle between orders nothing, __syncwarp would.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_lane_race(const float* __restrict__ x, float* __restrict__ y) {
    shared[threadIdx.x] = x[threadIdx.x];
    const float other = __shfl_xor_sync(kAllLanes, x[threadIdx.x], 1);
    y[threadIdx.x] = shared[threadIdx.x ^ 1] - other;
}

// The same with __syncwarp before reading and before overwriting; right: y = 0.
extern "C" __global__ void __launch_bounds__(kFaultThreads) right_lanes(const float* __restrict__ x, float* __restrict__ y) {
    float difference = 0.0f;
    for (int round = 0; round < 3; ++round) {
        shared[threadIdx.x] = x[threadIdx.x] + (float)round;
        __syncwarp();
        difference += shared[threadIdx.x ^ 1] - (x[threadIdx.x ^ 1] + (float)round);
        __syncwarp();
    }
    y[threadIdx.x] = difference;
}

// Three threads wait at a barrier that the others never reach.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_barrier(float* y) {
    if (threadIdx.x < 3) { __syncthreads(); }
    y[threadIdx.x] = 1.0f;
}

// Lane 0 waits for lanes that wait elsewhere.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_lanes(int* y) {
    if (threadIdx.x % 32 == 0) {
        y[threadIdx.x] = __shfl_sync(kAllLanes, 1, 0);
    } else {
        __syncthreads();
    }
}

// A lane names a mask without itself.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_mask(int* y) { y[threadIdx.x] = __shfl_sync(2u, 1, 1); }

// One element beyond the shared memory of the launch.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_shared(float* y) {
    shared[threadIdx.x + 1] = 1.0f;
    __syncthreads();
    y[threadIdx.x] = shared[threadIdx.x];
}

// One element beyond y [n].
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_global(float* y, int n) {
    if (threadIdx.x == 0) { y[n] = 1.0f; }
}

// Reads through a null pointer.
extern "C" __global__ void __launch_bounds__(kFaultThreads) fault_null(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }
