// What the emulator counts, in the order that host/cuda's Counters reads it.
#pragma once

#include <atomic>
#include <cstdint>

namespace emu {

enum Counter {
  kLaunches,       // kernels run, those in graphs included
  kCaptures,       // graphs recorded
  kGraphLaunches,
  kGraphNodes,     // nodes run in graphs
  kBlocks,
  kThreads,
  kBarriers,       // __syncthreads passed, once a block
  kWarpOps,        // shuffles, votes and __syncwarp, once a warp
  kWaits,          // times the host waited
  kUploadBytes,
  kDownloadBytes,
  kLoadBytes,      // of global memory by kernels, in the checking build
  kStoreBytes,
  kClusterBarriers,  // passed, once a cluster
  kClusterBytes,     // of shared memory of other blocks, by kernels
  kCounters
};

extern std::atomic<uint64_t> counters[kCounters];

inline void count(Counter which, uint64_t by = 1) { counters[which].fetch_add(by, std::memory_order_relaxed); }

}  // namespace emu
