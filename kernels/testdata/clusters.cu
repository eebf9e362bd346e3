// Small kernels in clusters, as faults.cu: most hold one planted fault. Blocks of up to 64 threads and as many floats of
// shared memory, in clusters of 2 or more.
// variants: 90

#include "../cluster.cuh"

extern __shared__ float shared[];

constexpr int kClusterFaultThreads = 64;
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(kClusterFaultThreads) name(float* __restrict__ y)

static __device__ __forceinline__ void cluster_barrier() {
    cluster_arrive();
    cluster_wait();
}

// y [2, blocks, threads]: what the block before in the cluster sent, 100·rank + thread, and what the block behind has
// of its own; right. Between arrival and wait a block may use what is its own.
KERNEL(right_cluster) {
    const unsigned rank = cluster_rank();
    const unsigned n = cluster_blocks();
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    const float mine = (float)(100 * rank + threadIdx.x);
    cluster_barrier();
    cluster_store(&shared[threadIdx.x], (rank + 1) % n, mine);
    cluster_arrive();
    const int elsewhere = gridDim.x * blockDim.x + at;
    cluster_wait();
    y[at] = shared[threadIdx.x];
    y[elsewhere] = cluster_load(&shared[threadIdx.x], (rank + 1) % n);
    cluster_barrier();
}

// The last block never comes.
KERNEL(fault_cluster_exit) {
    if (cluster_rank() + 1 == cluster_blocks()) { return; }
    cluster_barrier();
    y[threadIdx.x] = 1.0f;
}

// Three threads of a block wait for the cluster, the others for their block.
KERNEL(fault_cluster_mixed) {
    if (threadIdx.x < 3) {
        cluster_barrier();
    } else {
        __syncthreads();
    }
    y[threadIdx.x] = 1.0f;
}

// A block beyond the cluster.
KERNEL(fault_cluster_rank) {
    cluster_barrier();
    cluster_store(&shared[threadIdx.x], cluster_blocks(), 1.0f);
    cluster_barrier();
    y[threadIdx.x] = shared[threadIdx.x];
}

// One element beyond the other block's shared memory.
KERNEL(fault_cluster_shared) {
    cluster_barrier();
    cluster_store(&shared[threadIdx.x + 1], 0, 1.0f);
    cluster_barrier();
    y[threadIdx.x] = shared[threadIdx.x];
}

// The other block may not have begun.
KERNEL(fault_cluster_early) {
    cluster_store(&shared[threadIdx.x], 1, 1.0f);
    cluster_barrier();
    y[threadIdx.x] = shared[threadIdx.x];
}

// The other block may have returned.
KERNEL(fault_cluster_gone) {
    cluster_barrier();
    if (cluster_rank() == 0) { y[threadIdx.x] = cluster_load(&shared[threadIdx.x], 1); }
}

// Block 1 takes what block 0 sends: a barrier belongs between.
KERNEL(fault_cluster_race) {
    shared[threadIdx.x] = 0.0f;
    cluster_barrier();
    if (cluster_rank() == 0) {
        cluster_store(&shared[threadIdx.x], 1, 1.0f);
    } else {
        y[threadIdx.x] = shared[threadIdx.x];
    }
    cluster_barrier();
}

// The same, behind the arrival at the barrier that should lie between.
KERNEL(fault_cluster_late) {
    shared[threadIdx.x] = 0.0f;
    cluster_barrier();
    cluster_arrive();
    if (cluster_rank() == 0) { cluster_store(&shared[threadIdx.x], 1, 1.0f); }
    cluster_wait();
    y[threadIdx.x] = shared[threadIdx.x];
    cluster_barrier();
}

// A wait without an arrival.
KERNEL(fault_cluster_wait) {
    cluster_wait();
    y[threadIdx.x] = 1.0f;
}
