// CUDA C++ as g++ reads it: what a .cu file of this project may use, for `g++ -x c++ -include cudaemu.h`. What is not
// here does not compile, on purpose: see kernels/README.md for the dialect.
//
// A block's threads are fibers of one OS thread, which switch only at barriers and warp operations.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __shared__ thread_local  // one copy an OS thread, which runs one block at a time
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct uint3 {
  unsigned x, y, z;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

namespace emu {

// Where a thread stands. Each stack has one, found by the stack pointer: a switch between threads has nothing to save.
struct Block;
struct alignas(64) Place {
  uint3 threadIdx, blockIdx, blockDim, gridDim;
  unsigned thread;  // its number in the block
  Block* block;
};
constexpr size_t kStack = 128 << 10;
constexpr size_t kMaxFibers = 1 << 16;
extern char* stacks;  // [kMaxFibers][kStack]
extern Place places[kMaxFibers];

inline const Place& place() {
#ifdef __x86_64__
  const char* p;
  asm("mov %%rsp, %0" : "=r"(p));
#else
  const char* p = static_cast<const char*>(__builtin_frame_address(0));
#endif
  return places[static_cast<size_t>(p - stacks) / kStack];
}

// What the threads of a block, or the lanes of a warp, do together. Each call returns when all have made it.
struct Tally {
  unsigned count;  // threads whose predicate held
  unsigned total;
};
Tally block_barrier(bool predicate);
enum class WarpOp { sync, vote, shuffle, mma };
void warp_sync(unsigned mask);
unsigned warp_vote(unsigned mask, bool predicate);                          // the lanes whose predicate held
uint64_t warp_shuffle(unsigned mask, uint64_t value, unsigned from_lane);   // all bits set when that lane gave none
// d += a·b by the whole warp, on tensor cores: [16, 8] += [16, 8]·[8, 8] in PTX's fragments of mma.m16n8k8, a and b TF32.
// See mma.cpp for how they round. All 32 lanes must call.
void warp_mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]);
inline unsigned lane() { return place().thread % 32; }

// What the blocks of a cluster do together; kernels use cluster.cuh. remote checks an access to the shared memory of the
// block of that rank and returns where the bytes lie; p is where the running block has the same.
unsigned cluster_rank();
unsigned cluster_size();
void cluster_arrive();
void cluster_wait();
void* remote(const void* p, unsigned rank, size_t bytes, bool store);
inline void cluster_store(float* p, unsigned rank, float x) { memcpy(remote(p, rank, sizeof x, true), &x, sizeof x); }
inline float cluster_load(const float* p, unsigned rank) {
  float x;
  memcpy(&x, remote(p, rank, sizeof x, false), sizeof x);
  return x;
}

template <class T>
T shuffle(unsigned mask, T value, unsigned from) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 32 or 64 bits");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = warp_shuffle(mask, bits, from);
  memcpy(&value, &bits, sizeof value);
  return value;
}

// A kernel as the driver needs it: called with a pointer to each argument; sizes and kinds to hold against the PTX.
struct Kernel {
  const char* name;
  void (*run)(void** arguments);
  int parameters;
  const int* size;
  const bool* pointer;
};
void enlist(const Kernel& kernel);

template <auto f>
struct Entry;
template <class... A, void (*f)(A...)>
struct Entry<f> {
  static constexpr int size[sizeof...(A) + 1] = {sizeof(A)..., 0};
  static constexpr bool pointer[sizeof...(A) + 1] = {std::is_pointer_v<A>..., false};

  template <size_t... I>
  static void spread([[maybe_unused]] void** p, std::index_sequence<I...>) {
    f(*static_cast<A*>(p[I])...);
  }
  static void run(void** p) { spread(p, std::index_sequence_for<A...>()); }
  explicit Entry(const char* name) { enlist({name, run, sizeof...(A), size, pointer}); }
};

}  // namespace emu

// The build writes one line of these for each .entry of the PTX: a kernel that the PTX names and the .cu lacks does not
// compile.
#define EMU_ENTRY(name) static const emu::Entry<&name> entry_of_##name(#name);

#define threadIdx emu::place().threadIdx
#define blockIdx emu::place().blockIdx
#define blockDim emu::place().blockDim
#define gridDim emu::place().gridDim

inline void __syncthreads() { emu::block_barrier(false); }
inline int __syncthreads_count(int p) { return static_cast<int>(emu::block_barrier(p != 0).count); }
inline int __syncthreads_or(int p) { return emu::block_barrier(p != 0).count > 0; }
inline int __syncthreads_and(int p) {
  const emu::Tally t = emu::block_barrier(p != 0);
  return t.count == t.total;
}

inline void __syncwarp(unsigned mask = ~0u) { emu::warp_sync(mask); }
inline unsigned __ballot_sync(unsigned mask, int p) { return emu::warp_vote(mask, p != 0); }
inline int __any_sync(unsigned mask, int p) { return emu::warp_vote(mask, p != 0) != 0; }
inline int __all_sync(unsigned mask, int p) { return emu::warp_vote(mask, p == 0) == 0; }

// width divides the warp into groups that shuffle by themselves, as in CUDA's guide.
template <class T>
T __shfl_sync(unsigned mask, T v, int from, int width = 32) {
  return emu::shuffle(mask, v, (emu::lane() & ~(width - 1u)) | (static_cast<unsigned>(from) & (width - 1u)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int with, int width = 32) {
  const unsigned l = emu::lane(), to = l ^ static_cast<unsigned>(with);
  return emu::shuffle(mask, v, to / width <= l / width ? to : l);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32) {
  const unsigned l = emu::lane();
  return emu::shuffle(mask, v, (l & (width - 1u)) >= by ? l - by : l);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32) {
  const unsigned l = emu::lane();
  return emu::shuffle(mask, v, (l & (width - 1u)) + by < static_cast<unsigned>(width) ? l + by : l);
}

// Atomics on integers only: a float sum in the order of arrival has other bits on every run. The checking build must not
// take them for accesses that race.
#define EMU_ATOMIC __attribute__((no_sanitize_address, noinline))
template <class T>
EMU_ATOMIC T atomicAdd(T* p, T v) {
  static_assert(std::is_integral_v<T>, "no float atomics: reduce in a fixed order");
  return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
template <class T>
EMU_ATOMIC T atomicOr(T* p, T v) {
  static_assert(std::is_integral_v<T>);
  return __atomic_fetch_or(p, v, __ATOMIC_RELAXED);
}
template <class T>
EMU_ATOMIC T atomicExch(T* p, T v) {
  static_assert(std::is_integral_v<T>);
  return __atomic_exchange_n(p, v, __ATOMIC_RELAXED);
}
template <class T>
EMU_ATOMIC T atomicMax(T* p, T v) {
  static_assert(std::is_integral_v<T>);
  T old = __atomic_load_n(p, __ATOMIC_RELAXED);
  while (old < v && !__atomic_compare_exchange_n(p, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() {}  // the threads of a block are fibers of one OS thread

template <class T>
T __ldg(const T* p) {
  return *p;
}
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }  // 0 for NaN, as on the device
inline int __float_as_int(float x) {
  int i;
  memcpy(&i, &x, sizeof i);
  return i;
}
inline float __int_as_float(int i) {
  float x;
  memcpy(&x, &i, sizeof x);
  return x;
}
inline unsigned __float_as_uint(float x) { return static_cast<unsigned>(__float_as_int(x)); }
inline float __uint_as_float(unsigned i) { return __int_as_float(static_cast<int>(i)); }
using std::max;
using std::min;
