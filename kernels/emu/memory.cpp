// The emulated driver: device memory, pinned host memory, copies and fills.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "counters.h"
#include "state.h"

namespace emu {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kAlign = 256;  // of allocations, as the driver's

std::map<const char*, size_t> live;           // device allocations and their sizes
std::map<const char*, size_t> pinned;         // host allocations, which kernels may use as well
size_t used;

#ifdef __SANITIZE_ADDRESS__
// AddressSanitizer's own allocator puts red zones around what kernels may touch.
char* reserve(const std::map<const char*, size_t>&, size_t bytes) {
  void* p = nullptr;
  return posix_memalign(&p, kAlign, bytes) == 0 ? static_cast<char*>(p) : nullptr;
}
void release(const char* p, size_t) { free(const_cast<char*>(p)); }
#else
// All memory for kernels lies in one region of address space, pinned memory in its upper half. An allocation ends at the end of a page and the next page is
// left out, so that a kernel that runs beyond it faults.
constexpr size_t kRegion = size_t{1} << 36;
char* region;

size_t whole_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

char* reserve(const std::map<const char*, size_t>& among, size_t bytes) {
  if (!region) {
    void* p = mmap(nullptr, kRegion, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    region = static_cast<char*>(p);
  }
  const size_t need = whole_pages(bytes);
  char* half = region + (&among == &pinned ? kRegion / 2 : 0);
  char* at = half + kPage;
  for (const auto& [p, n] : among) {  // the first gap that is large enough
    const size_t offset = static_cast<size_t>(p - region) / kPage * kPage;
    if (region + offset >= at + need + kPage) break;
    at = region + offset + whole_pages(n) + kPage;
  }
  if (at + need + kPage > half + kRegion / 2 || mprotect(at, need, PROT_READ | PROT_WRITE) != 0) return nullptr;
  return at + (need - bytes) / kAlign * kAlign;
}

void release(const char* p, size_t bytes) {
  char* at = region + static_cast<size_t>(p - region) / kPage * kPage;
  madvise(at, whole_pages(bytes), MADV_DONTNEED);
  mprotect(at, whole_pages(bytes), PROT_NONE);
}
#endif

bool within(const std::map<const char*, size_t>& ranges, const void* p, size_t bytes) {
  const char* c = static_cast<const char*>(p);
  auto next = ranges.upper_bound(c);
  if (next == ranges.begin()) return false;
  --next;
  return c + bytes <= next->first + next->second;
}

const char* pointer(CUdeviceptr p) { return reinterpret_cast<const char*>(p); }

enum class Side { device, host, pinned };

// A copy as work: what it touches is checked when it runs, as the device would.
Work copy(CUdeviceptr to, Side to_side, CUdeviceptr from, Side from_side, size_t bytes) {
  return [=]() -> CUresult {
    for (const auto& [p, side] : {std::pair{to, to_side}, std::pair{from, from_side}}) {
      if (side == Side::device && !within(live, pointer(p), bytes))
        return because(CUDA_ERROR_INVALID_VALUE, "a copy of " + std::to_string(bytes) + " bytes leaves its allocation on the device");
      if (side == Side::pinned && !within(pinned, pointer(p), bytes))
        return because(CUDA_ERROR_INVALID_VALUE, "an asynchronous copy of " + std::to_string(bytes) + " bytes uses host memory that is not pinned");
    }
    memcpy(const_cast<char*>(pointer(to)), pointer(from), bytes);
    if (from_side != Side::device) count(kUploadBytes, bytes);
    if (to_side != Side::device) count(kDownloadBytes, bytes);
    return CUDA_SUCCESS;
  };
}

CUdeviceptr host(const void* p) { return reinterpret_cast<CUdeviceptr>(p); }

template <class T>
Work fill(CUdeviceptr to, T value, size_t n) {
  return [=]() -> CUresult {
    if (to % sizeof(T) != 0 || !within(live, pointer(to), n * sizeof(T)))
      return because(CUDA_ERROR_INVALID_VALUE, "a fill of " + std::to_string(n * sizeof(T)) + " bytes leaves its allocation");
    T* p = reinterpret_cast<T*>(to);
    for (size_t i = 0; i < n; i++) p[i] = value;
    return CUDA_SUCCESS;
  };
}

}  // namespace

bool device_holds(const void* p, size_t bytes) { return within(live, p, bytes) || within(pinned, p, bytes); }

bool device_region([[maybe_unused]] const void* p) {
#ifdef __SANITIZE_ADDRESS__
  return false;
#else
  return region && p >= region && p < region + kRegion;
#endif
}

void free_all_memory() {
  for (const auto& [p, n] : live) release(p, n);
  for (const auto& [p, n] : pinned) release(p, n);
  live.clear();
  pinned.clear();
  used = 0;
}

}  // namespace emu

using namespace emu;

#pragma GCC visibility push(default)
extern "C" {

CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  EMU_BEGIN(true);
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (bytes > settings.memory || used > settings.memory - bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  char* p = reserve(live, bytes);
  if (!p) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(p, 0xff, bytes);  // NaN, so that reading what was never written shows
  live[p] = bytes;
  used += bytes;
  *address = host(p);
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  EMU_BEGIN(true);
  if (!address) return CUDA_SUCCESS;
  return run_now([address]() -> CUresult {  // queued work may still use it
    const auto found = live.find(pointer(address));
    if (found == live.end()) return because(CUDA_ERROR_INVALID_VALUE, "cuMemFree of an address that no allocation begins at");
    used -= found->second;
    release(found->first, found->second);
    live.erase(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
  EMU_BEGIN(true);
  *free_bytes = settings.memory - used;
  *total = settings.memory;
  return CUDA_SUCCESS;
}

CUresult cuMemAllocHost_v2(void** address, size_t bytes) {
  EMU_BEGIN(true);
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  char* p = reserve(pinned, bytes);
  if (!p) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(p, 0xff, bytes);
  pinned[p] = bytes;
  *address = p;
  return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void* address) {
  EMU_BEGIN(true);
  return run_now([address]() -> CUresult {
    const auto found = pinned.find(static_cast<char*>(address));
    if (found == pinned.end())
      return because(CUDA_ERROR_INVALID_VALUE, "cuMemFreeHost of an address that no allocation begins at");
    release(found->first, found->second);
    pinned.erase(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  EMU_BEGIN(true);
  count(kWaits);
  return run_now(copy(to, Side::device, host(from), Side::host, bytes));
}

CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  EMU_BEGIN(true);
  count(kWaits);
  return run_now(copy(host(to), Side::host, from, Side::device, bytes));
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  EMU_BEGIN(true);
  return enqueue(stream, copy(to, Side::device, host(from), Side::pinned, bytes));
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  EMU_BEGIN(true);
  return enqueue(stream, copy(host(to), Side::pinned, from, Side::device, bytes));
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  EMU_BEGIN(true);
  return enqueue(stream, copy(to, Side::device, from, Side::device, bytes));
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream stream) {
  EMU_BEGIN(true);
  return enqueue(stream, fill(to, value, n));
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t n, CUstream stream) {
  EMU_BEGIN(true);
  return enqueue(stream, fill(to, value, n));
}

}  // extern "C"
#pragma GCC visibility pop
