// The sweep of sweep.cuh with a sample of one direction cut over the blocks of a cluster, for batches of few samples, whose
// sweeps would leave multiprocessors idle.
//
// The 512/kP slots of a turn are shared out: of 2, 4 or 8 blocks each has as many threads fewer, and the rows at its slots
// in every wavefront. On two axes a row's neighbours stand at its own slot or the next one, so only the rows at the edges
// of a block's share, one a side and turn, are of interest to another block. Whoever computes a row of which a neighbour
// belongs to another block also stores what it leaves (forward h and c, backward the gradients of one predecessor's h and
// c) into that block's ring, at the same place: the owner of a row finds everything in its own shared memory, and each
// value crosses at most once. On more axes more rows have such neighbours; nothing else changes. One cluster barrier lies
// between two wavefronts, and the stores to global memory lie behind the arrival at it.
//
// grid = (samples · blocks, R), cluster = (blocks, 1), 512/blocks threads. Arrays and shared memory are those of
// sweep.cuh, rings in full in every block. A row has the slot that it has there and the sums over rows are added up by
// slot, so all results have the bits of a sweep's, whatever the number of blocks.
// variants: 90 in every file that includes this.
#pragma once

#include "cluster.cuh"
#include "sweep.cuh"

// The blocks of a cluster walk a sample together: see Alone.
template <int kP>
struct Together {
    static constexpr int kThreads = kSweepThreads / 2;  // kernels.go: Threads of all entries cluster_*
    static constexpr int kTurn = kSweepThreads / kP;

    template <int kD>
    struct Others {
        int rank[kD];  // -1: this block, or nobody
    };

    int rank;
    int shift;  // 2^shift slots a block

    __device__ __forceinline__ Together() : rank(cluster_rank()), shift(kP == 16 ? 5 : 4) {
        for (unsigned n = cluster_blocks(); n > 1; n /= 2) { --shift; }
    }

    // A sample's blocks stand side by side in the grid.
    __device__ __forceinline__ int sample() const { return blockIdx.x / cluster_blocks(); }
    __device__ __forceinline__ int threads() const { return kP << shift; }
    __device__ __forceinline__ int slot() const { return (rank << shift) + threadIdx.x / kP; }
    __device__ __forceinline__ int thread() const { return rank * threads() + threadIdx.x; }
    __device__ __forceinline__ bool works(int rows) const {
        return (rank << shift) + (int)(threadIdx.x & ~31u) / kP < rows;
    }

    template <int kD>
    __device__ __forceinline__ Others<kD> owners(const int* neighbours, int row, int C, int first) const {
        Others<kD> o;
#pragma unroll
        for (int d = 0; d < kD; ++d) {
            const int at = row < 0 ? C : neighbours[(size_t)d * C + row];
            o.rank[d] = at < C ? (at - first) % kTurn >> shift : -1;
            if (o.rank[d] == rank) { o.rank[d] = -1; }
        }
        return o;
    }

    template <int kD>
    __device__ __forceinline__ void send(const Others<kD>& to, float* at, float x) const {
#pragma unroll
        for (int d = 0; d < kD; ++d) {
            bool first = to.rank[d] >= 0;
#pragma unroll
            for (int e = 0; e < d; ++e) { first = first && to.rank[e] != to.rank[d]; }
            if (first) { cluster_store(at, to.rank[d], x); }
        }
    }

    template <int kD>
    __device__ __forceinline__ void send(const Others<kD>& to, int d, float* at, float x) const {
        if (to.rank[d] >= 0) { cluster_store(at, to.rank[d], x); }
    }

    __device__ __forceinline__ void collect(float* at, float x) const { cluster_store(at, 0, x); }
    __device__ __forceinline__ void arrive() const { cluster_arrive(); }
    __device__ __forceinline__ void wait() const { cluster_wait(); }
};
