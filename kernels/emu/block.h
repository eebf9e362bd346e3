// Running a grid: blocks on OS threads, a block's threads as fibers.
#pragma once

#include <string>

#include "cudaemu.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace emu {

constexpr size_t kSharedMax = 227 << 10;  // bytes of dynamic shared memory that a block can have, as on sm_90

constexpr unsigned kMaxCluster = 8;           // blocks of a cluster, as on every device that has clusters

struct Launch {
  const Kernel* kernel;
  uint3 grid, block, cluster;
  size_t shared;     // bytes, dynamic
  void** arguments;
  uint64_t seed;     // 0: blocks and threads in order; else the seed of their order
};

// The kernel of that name, or null.
const Kernel* find_kernel(const std::string& name);

// Runs the grid to its end, or to the first wrong use, which it describes; "" when there was none.
std::string run(const Launch& launch);

// Ends the running thread's block: the launch fails with this explanation. Called on a fiber.
[[noreturn]] void fail(const std::string& what);

// Brings the running lane to its warp's mma with a pointer of its own, and returns when all 32 have come. In the first lane
// to go on, all holds what each brought, and no lane has gone on; in the others it is null. Lanes that returned are no excuse.
using Lanes = uint64_t[32];
struct MmaMeeting {
  const Lanes* all;
  void* handle;
};
MmaMeeting meet_for_mma(void* mine);
void leave_mma(const MmaMeeting& m);

// For the checking build: the dynamic shared memory of this OS thread and its size in this launch; bytes that the block
// has moved to and from global memory.
char* shared_base();
size_t shared_size();
void moved(size_t bytes, bool store);

// When the running thread does something: what it does is ordered after what its block did in an earlier epoch (a block
// barrier lies between), after what lanes of its warp did before their last __syncwarp, and after what any thread of the
// cluster did before it arrived at a cluster barrier that this thread has waited for. Neither epochs nor the numbers of
// cluster barriers ever repeat on an OS thread.
struct Moment {
  uint64_t epoch;
  uint64_t arrivals, waits;  // at cluster barriers
  unsigned thread, rank;
  unsigned syncs;            // __syncwarp completed in the thread's warp
};
Moment moment();

// For the checking build, which sets it: called before the running thread touches shared memory of its cluster's block of
// that rank, by the address at which that block itself has it.
extern void (*watch_remote)(const char* address, unsigned rank, size_t bytes, bool store);

}  // namespace emu
