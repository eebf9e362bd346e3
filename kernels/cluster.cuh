// The blocks of a cluster (compute capability 9.0 and later): who they are, their barrier, and the shared memory of each
// other. For nvcc it is inline assembly, which no other file has for this; the emulator has its own version.
//
// A block may touch another's shared memory after a first cluster barrier, which says that the other has begun, and up to
// the last one: who returns takes its shared memory along. What was stored before cluster_arrive is there, in every block,
// after cluster_wait; between the two a thread may do what nobody waits for. Dynamic shared memory only.
#pragma once

#ifdef __CUDACC__

// Which block of its cluster this is: 0 … cluster_blocks() - 1, x fastest.
static __device__ __forceinline__ unsigned cluster_rank() {
    unsigned r;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
    return r;
}

static __device__ __forceinline__ unsigned cluster_blocks() {
    unsigned n;
    asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(n));
    return n;
}

// All threads of all blocks must call both, whole warps together. They are a block barrier, too.
static __device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
static __device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

// Where the block of that rank has what lies at p in this one's shared memory.
static __device__ __forceinline__ unsigned cluster_address(const float* p, unsigned rank) {
    unsigned there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"((unsigned)__cvta_generic_to_shared(p)), "r"(rank));
    return there;
}

// Stores x, and loads, where the block of that rank has what lies at p in this one's shared memory; its own rank is allowed.
static __device__ __forceinline__ void cluster_store(float* p, unsigned rank, float x) {
    asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(cluster_address(p, rank)), "f"(x) : "memory");
}

static __device__ __forceinline__ float cluster_load(const float* p, unsigned rank) {
    float x;
    asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(x) : "r"(cluster_address(p, rank)) : "memory");
    return x;
}

#else

static inline unsigned cluster_rank() { return emu::cluster_rank(); }
static inline unsigned cluster_blocks() { return emu::cluster_size(); }
static inline void cluster_arrive() { emu::cluster_arrive(); }
static inline void cluster_wait() { emu::cluster_wait(); }
static inline void cluster_store(float* p, unsigned rank, float x) { emu::cluster_store(p, rank, x); }
static inline float cluster_load(const float* p, unsigned rank) { return emu::cluster_load(p, rank); }

#endif
