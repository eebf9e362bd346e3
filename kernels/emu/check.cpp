// The checking build: kernels are compiled with calls before every access to memory (gcc's -fsanitize=kernel-address,
// which leaves the calls to us). Each access to global memory must lie in a live allocation, each to dynamic shared
// memory within the bytes of the launch; else the launch fails and names kernel, block and thread. Bytes of global memory
// are counted.
#include <string>

#include "block.h"
#include "state.h"

namespace {

std::string describe(const void* p, size_t bytes, bool store) {
  return std::string(store ? "stores " : "loads ") + std::to_string(bytes) + " bytes at " +
         std::to_string(reinterpret_cast<uintptr_t>(p));
}

void access(const void* p, size_t bytes, bool store) {
  const char* c = static_cast<const char*>(p);
  if (emu::device_region(p)) {
    if (!emu::device_holds(p, bytes)) emu::fail(describe(p, bytes, store) + ", outside every allocation");
    if (reinterpret_cast<uintptr_t>(p) % std::min<size_t>(bytes, 16) != 0) emu::fail(describe(p, bytes, store) + ", misaligned");
    emu::moved(bytes, store);
    return;
  }
  char* shared = emu::shared_base();
  if (c >= shared && c < shared + emu::kSharedMax) {
    if (c + bytes > shared + emu::shared_size())
      emu::fail((store ? "stores " : "loads ") + std::to_string(bytes) + " bytes at byte " + std::to_string(c - shared) + " of " +
                std::to_string(emu::shared_size()) + " bytes of shared memory");
    return;
  }
  // The rest are stacks and static __shared__ arrays; nothing lies in the first pages.
  if (reinterpret_cast<uintptr_t>(p) < 65536) emu::fail(describe(p, bytes, store) + ", through a null pointer");
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

#define EMU_ACCESS(bytes)                                                                                            \
  void __asan_load##bytes##_noabort(const void* p);                                                                  \
  void __asan_load##bytes##_noabort(const void* p) { access(p, bytes, false); }                                      \
  void __asan_store##bytes##_noabort(const void* p);                                                                 \
  void __asan_store##bytes##_noabort(const void* p) { access(p, bytes, true); }
EMU_ACCESS(1)
EMU_ACCESS(2)
EMU_ACCESS(4)
EMU_ACCESS(8)
EMU_ACCESS(16)

void __asan_loadN_noabort(const void* p, size_t bytes);
void __asan_loadN_noabort(const void* p, size_t bytes) { access(p, bytes, false); }
void __asan_storeN_noabort(const void* p, size_t bytes);
void __asan_storeN_noabort(const void* p, size_t bytes) { access(p, bytes, true); }

// What else gcc calls, about matters that are not checked here: calls that do not return, constructors of globals.
void __asan_handle_no_return(void);
void __asan_handle_no_return(void) {}
void __asan_before_dynamic_init(const char* module);
void __asan_before_dynamic_init(const char*) {}
void __asan_after_dynamic_init(void);
void __asan_after_dynamic_init(void) {}

}  // extern "C"
#pragma GCC visibility pop
