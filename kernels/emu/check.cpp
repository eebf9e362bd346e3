// The checking build: kernels are compiled with a call before every access to memory (gcc's -fsanitize=kernel-address,
// which leaves the calls to us).
//
//   global memory    must lie in a live allocation and be aligned; bytes are counted
//   dynamic shared   must lie within the bytes of the launch
//   all shared       two threads may not touch a word, one of them writing, with neither a block barrier nor, within a
//                    warp, a __syncwarp between: whatever the order in which they happened to run; two blocks of a
//                    cluster, with no cluster barrier between
//
// gcc leaves out accesses to static arrays whose index is a constant.
//
// What breaks a rule ends the launch, which names kernel, block and thread. Atomics are exempt.
#include <link.h>

#include <string>
#include <vector>

#include "block.h"
#include "state.h"

namespace emu {

namespace {

// One thread's last access to a word of shared memory.
struct Touch {
  Moment at{0, 0, 0, 0, 0, 0};  // before every block

  // Whether another access, now, has nothing between it and this one.
  bool races(const Moment& now) const {
    if (now.waits > at.arrivals) return false;  // a cluster barrier, or an earlier launch
    if (at.rank != now.rank) return true;
    if (at.epoch != now.epoch || at.thread == now.thread) return false;
    return at.thread / 32 != now.thread / 32 || at.syncs == now.syncs;
  }
};

struct Word {
  Touch write, read, other_read;  // other_read: by another thread than read
};

// The shared memory of an OS thread, dynamic and static: all of this library's thread-local variables. The blocks of a
// cluster have it at the same addresses.
struct SharedMemory {
  const char* begin = nullptr;
  size_t size = 0;
  std::vector<Word> words[kMaxCluster];  // of each block of a cluster, as soon as it is used

  SharedMemory() {
    dl_iterate_phdr(
        [](dl_phdr_info* library, size_t, void* self) {
          auto* m = static_cast<SharedMemory*>(self);
          for (int i = 0; i < library->dlpi_phnum; i++) {
            const auto& header = library->dlpi_phdr[i];
            const char* tls = static_cast<const char*>(library->dlpi_tls_data);
            if (header.p_type != PT_TLS || !tls || shared_base() < tls || shared_base() >= tls + header.p_memsz) continue;
            m->begin = tls;
            m->size = header.p_memsz;
          }
          return 0;
        },
        this);
  }

  bool holds(const char* p) const { return p >= begin && p < begin + size; }
};

std::string verb(bool store) { return store ? "stores " : "loads "; }

std::string place_of(const char* p) {
  const char* base = shared_base();
  if (p >= base && p < base + kSharedMax) return "byte " + std::to_string(p - base) + " of shared memory";
  return "a static __shared__ array";
}

std::string global_access(size_t bytes, bool store, uintptr_t at) {
  return verb(store) + std::to_string(bytes) + " bytes at " + std::to_string(at);
}

SharedMemory& shared_memory() {
  static thread_local SharedMemory memory;
  return memory;
}

// An access to the shared memory of the block of that rank.
void check_race(SharedMemory& m, const char* p, unsigned rank, size_t bytes, bool store) {
  const Moment now = moment();
  std::vector<Word>& words = m.words[rank];
  if (words.empty()) words.resize(m.size / 4 + 1);
  for (size_t i = static_cast<size_t>(p - m.begin) / 4; i < (static_cast<size_t>(p - m.begin) + bytes) / 4; i++) {
    Word& w = words[i];
    const Touch* rival = nullptr;
    if (store && w.other_read.races(now)) rival = &w.other_read;
    if (store && w.read.races(now)) rival = &w.read;
    if (w.write.races(now)) rival = &w.write;
    if (rival) {
      const bool other = rival->at.rank != now.rank;
      fail(verb(store) + place_of(p) + (rank == now.rank ? "" : " of block " + std::to_string(rank) + " of its cluster") +
           ", which thread " + std::to_string(rival->at.thread) +
           (other ? " of block " + std::to_string(rival->at.rank) + " of its cluster" : "") +
           (rival == &w.write ? " stored" : " loaded") + " with no " + (other ? "cluster " : "") + "barrier between");
    }
    if (store) {
      w.write.at = now;
    } else {
      if (w.read.at.thread != now.thread || w.read.at.rank != now.rank) w.other_read = w.read;
      w.read.at = now;
    }
  }
}

void access(const void* address, size_t bytes, bool store) {
  const char* p = static_cast<const char*>(address);
  // Most are to stacks, which the kernel's compiler has in hand, and to where threads stand.
  if (static_cast<size_t>(p - stacks) < kMaxFibers * kStack) return;
  if (static_cast<size_t>(p - reinterpret_cast<const char*>(places)) < sizeof places) return;
  const auto number = reinterpret_cast<uintptr_t>(p);
  if (device_region(p)) {
    if (!device_holds(p, bytes)) fail(global_access(bytes, store, number) + ", outside every allocation");
    if (number % std::min<size_t>(bytes, 16) != 0) fail(global_access(bytes, store, number) + ", misaligned");
    moved(bytes, store);
    return;
  }
  SharedMemory& memory = shared_memory();
  const char* base = shared_base();
  if (p >= base && p < base + kSharedMax && p + bytes > base + shared_size())
    fail(verb(store) + std::to_string(bytes) + " bytes at byte " + std::to_string(p - base) + " of " +
         std::to_string(shared_size()) + " bytes of shared memory");
  if (memory.holds(p)) {
    if (bytes >= 4) check_race(memory, p, cluster_rank(), bytes, store);  // smaller ones may share a word
    return;
  }
  if (number < 65536) fail(global_access(bytes, store, number) + ", through a null pointer");
  // The rest are constants.
}

void access_remote(const char* address, unsigned rank, size_t bytes, bool store) {
  check_race(shared_memory(), address, rank, bytes, store);
}
const bool watching = [] {
  watch_remote = access_remote;
  return true;
}();

}  // namespace

}  // namespace emu

#pragma GCC visibility push(default)
extern "C" {

#define EMU_ACCESS(bytes)                                                                \
  void __asan_load##bytes##_noabort(const void* p);                                      \
  void __asan_load##bytes##_noabort(const void* p) { emu::access(p, bytes, false); }     \
  void __asan_store##bytes##_noabort(const void* p);                                     \
  void __asan_store##bytes##_noabort(const void* p) { emu::access(p, bytes, true); }
EMU_ACCESS(1)
EMU_ACCESS(2)
EMU_ACCESS(4)
EMU_ACCESS(8)
EMU_ACCESS(16)

void __asan_loadN_noabort(const void* p, size_t bytes);
void __asan_loadN_noabort(const void* p, size_t bytes) { emu::access(p, bytes, false); }
void __asan_storeN_noabort(const void* p, size_t bytes);
void __asan_storeN_noabort(const void* p, size_t bytes) { emu::access(p, bytes, true); }

// What else gcc calls, about matters that are not checked here: calls that do not return, constructors of globals.
void __asan_handle_no_return(void);
void __asan_handle_no_return(void) {}
void __asan_before_dynamic_init(const char* module);
void __asan_before_dynamic_init(const char*) {}
void __asan_after_dynamic_init(void);
void __asan_after_dynamic_init(void) {}

}  // extern "C"
#pragma GCC visibility pop
