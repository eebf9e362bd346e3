// What the parts of the emulated driver share. All of it is guarded by one lock, held for the whole of every function.
#pragma once

#include <cuda.h>

#include <functional>
#include <mutex>
#include <string>

namespace emu {

extern std::recursive_mutex lock;

// The settings, read from the environment when the primary context is first retained.
struct Settings {
  uint64_t seed = 0;          // MDLSTM_EMU_SEED: 0 runs everything in order
  int arch = 75;              // MDLSTM_EMU_ARCH: compute capability, major·10 + minor
  size_t memory = 1u << 30;   // MDLSTM_EMU_MEMORY: bytes of the device
};
extern Settings settings;

// An environment variable as a number, or other when it is not set.
long setting(const char* name, long other);

// The next seed of an order; 0 while everything runs in order.
uint64_t next_seed();

// Keeps an explanation for mdlstm_emu_message, and returns the result.
CUresult because(CUresult result, const std::string& explanation);

// What MDLSTM_EMU_FAIL asks of this call of a function or run of a kernel: "name[:n]=code,…", n counting from 1 since
// the variable last changed; without n it is every call. CUDA_SUCCESS when it asks nothing.
CUresult demanded(const std::string& name);

// How every function begins: demanded failures; cuInit was called; a context is current; no sticky error.
CUresult begin(const char* function, bool needs_context);
#define EMU_BEGIN(needs_context)                                            \
  const std::lock_guard<std::recursive_mutex> guard(emu::lock);             \
  if (const CUresult refused = emu::begin(__func__, needs_context)) return refused

// An error that ends the context: it is returned from now on.
CUresult stick(CUresult result);

// Memory that kernels may use (memory.cpp).
bool device_holds(const void* p, size_t bytes);  // p … p+bytes lies in one live allocation, device or pinned
bool device_region(const void* p);               // p lies where device memory is kept, live or not
void free_all_memory();

// Streams (stream.cpp). A piece of work runs when somebody waits for it, so a missing wait shows as stale data.
using Work = std::function<CUresult()>;
CUresult enqueue(CUstream stream, Work work);    // or adds a node to the graph being captured
CUresult run_now(const Work& work);              // for functions without a stream: after all other work
void drop_all_streams();

}  // namespace emu
