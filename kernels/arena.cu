// The parameters and their gradients as a whole: packed copies for the products, sums of slots into the arena. Each is one
// launch for all layers, driven by a table of jobs in device memory.
//
//   pack_weights   to[i·…]  = from[c_0·s_0 + c_1·s_1 + c_2·s_2 + c_3·s_3]   (c_0, c_1, c_2, c_3) = coordinates of i in
//                                                                     [n_0, n_1, n_2, n_3], so to is dense: a transpose
//   reduce_slots   to[i]   += Σ_slot from[slot·stride + i],  i < count      slots in ascending order
//
//   jobs      in  uint64 [J, 12], sorted by first block:
//                 0 first block   1 from, address   2 to, address   3 count
//                 pack:   4 … 6 n_1, n_2, n_3 (n_0 follows)   7 … 10 s_0 … s_3
//                 reduce: 4 slots   5 stride
//   J              jobs
//   from, to   float arrays named by the jobs: no to overlaps another to or any from
//
// Thread per element; a block belongs to one job. No shared memory; the bits do not depend on the launch.

constexpr int kArenaThreads = 256;  // kernels.go: Threads of both; arenaThreads in host/gpu
constexpr int kJob = 12;            // words of a job

typedef unsigned long long Word;

// The job of this block: the last that begins at or before it.
static __device__ __forceinline__ const Word* find_job(const Word* __restrict__ jobs, int J) {
    int low = 0;
    int high = J - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (jobs[(size_t)middle * kJob] <= blockIdx.x) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return jobs + (size_t)low * kJob;
}

extern "C" __global__ void __launch_bounds__(kArenaThreads)
pack_weights(const Word* __restrict__ jobs, int J) {
    const Word* job = find_job(jobs, J);
    const unsigned i = (blockIdx.x - (unsigned)job[0]) * kArenaThreads + threadIdx.x;
    if (i >= job[3]) { return; }
    const float* __restrict__ from = reinterpret_cast<const float*>(job[1]);
    float* __restrict__ to = reinterpret_cast<float*>(job[2]);
    const unsigned n1 = (unsigned)job[4];
    const unsigned n2 = (unsigned)job[5];
    const unsigned n3 = (unsigned)job[6];
    unsigned rest = i / n3;
    size_t at = (size_t)(i - rest * n3) * job[10];
    at += (size_t)(rest % n2) * job[9];
    rest /= n2;
    at += (size_t)(rest % n1) * job[8];
    rest /= n1;
    at += (size_t)rest * job[7];
    to[i] = from[at];
}

extern "C" __global__ void __launch_bounds__(kArenaThreads)
reduce_slots(const Word* __restrict__ jobs, int J) {
    const Word* job = find_job(jobs, J);
    const unsigned i = (blockIdx.x - (unsigned)job[0]) * kArenaThreads + threadIdx.x;
    if (i >= job[3]) { return; }
    const float* __restrict__ from = reinterpret_cast<const float*>(job[1]) + i;
    float* __restrict__ to = reinterpret_cast<float*>(job[2]) + i;
    const int slots = (int)job[4];
    const size_t stride = job[5];
    float sum = 0.0f;
#pragma unroll 8  // loads in flight; the order is as written
    for (int s = 0; s < slots; ++s) { sum += from[s * stride]; }
    *to += sum;
}
