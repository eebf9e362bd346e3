#include "fiber.h"

#include <sys/mman.h>

#include <mutex>
#include <new>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef EMU_UCONTEXT
// Saves the registers that a call must keep, changes stacks, and returns into whatever the other stack saved.
extern "C" void emu_switch_stack(void** save_to, void* stack);
asm(R"(
  .text
  .hidden emu_switch_stack
  .globl emu_switch_stack
  .type emu_switch_stack, @function
emu_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size emu_switch_stack, .-emu_switch_stack
)");
#endif

namespace emu {

char* stacks;
Place places[kMaxFibers];

namespace {

constexpr size_t kGuard = 4096;

std::mutex mutex;
std::vector<int> spare;  // slots that fibers gave back
int used_slots;

int take_slot() {
  const std::lock_guard<std::mutex> guard(mutex);
  if (!spare.empty()) {
    const int slot = spare.back();
    spare.pop_back();
    return slot;
  }
  if (!stacks) {
    void* p = mmap(nullptr, kMaxFibers * kStack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    stacks = static_cast<char*>(p);
  }
  if (used_slots == static_cast<int>(kMaxFibers)) throw std::bad_alloc();
  // The lowest page stays out of reach: a stack that is too small faults instead of growing into its neighbour.
  char* bottom = stacks + static_cast<size_t>(used_slots) * kStack + kGuard;
  if (mprotect(bottom, kStack - kGuard, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  return used_slots++;
}

#ifdef __SANITIZE_ADDRESS__
thread_local Fiber* from;  // who switched last
#endif

}  // namespace

Fiber::Fiber() : slot_(take_slot()) {
  bottom_ = stacks + static_cast<size_t>(slot_) * kStack + kGuard;
  size_ = kStack - kGuard;
}

Fiber::~Fiber() {
  if (slot_ < 0) return;
  const std::lock_guard<std::mutex> guard(mutex);
  spare.push_back(slot_);
}

void Fiber::prepare(void (*main)()) {
#ifdef __SANITIZE_ADDRESS__
  ASAN_UNPOISON_MEMORY_REGION(bottom_, size_);
#endif
  // Stacks are a power of two apart: without an offset of their own their tops would share a few lines of the cache.
  const size_t size = size_ - static_cast<size_t>(slot_) % 16 * 256;
  char* bottom = static_cast<char*>(const_cast<void*>(bottom_));
#ifdef EMU_UCONTEXT
  getcontext(&own_);
  own_.uc_stack.ss_sp = bottom;
  own_.uc_stack.ss_size = size;
  own_.uc_link = nullptr;
  makecontext(&own_, main, 0);
#else
  // As if main had been called: the return address lies 8 bytes off a multiple of 16, below it six registers.
  void** top = reinterpret_cast<void**>(bottom + size) - 2;
  top[0] = reinterpret_cast<void*>(main);
  own_ = top - 6;
#endif
}

void Fiber::switch_to(Fiber& next, [[maybe_unused]] bool last) {
#ifdef __SANITIZE_ADDRESS__
  from = this;
  __sanitizer_start_switch_fiber(last ? nullptr : &fake_, next.bottom_, next.size_);
#endif
#ifdef EMU_UCONTEXT
  swapcontext(&own_, &next.own_);
#else
  emu_switch_stack(&own_, next.own_);
#endif
  arrive(fake_);
}

// After a switch. Where home lies is known once somebody has come from there.
void Fiber::arrive([[maybe_unused]] void* fake) {
#ifdef __SANITIZE_ADDRESS__
  const void* bottom = nullptr;
  size_t size = 0;
  __sanitizer_finish_switch_fiber(fake, &bottom, &size);
  if (from->slot_ < 0) {
    from->bottom_ = bottom;
    from->size_ = size;
  }
#endif
}

}  // namespace emu
