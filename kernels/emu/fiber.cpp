#include "fiber.h"

#include <sys/mman.h>

#include <new>

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

static constexpr size_t kStack = 128 << 10;
static constexpr size_t kGuard = 4096;

static thread_local Fiber* running;

Fiber::Fiber() {
  void* p = mmap(nullptr, kStack + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  mprotect(p, kGuard, PROT_NONE);  // a stack that is too small faults instead of growing into its neighbour
  stack_ = static_cast<char*>(p) + kGuard;
}

Fiber::~Fiber() { munmap(stack_ - kGuard, kStack + kGuard); }

bool Fiber::holds(const void* p) const { return p >= stack_ && p < stack_ + kStack; }

// After a switch to the fiber: tells AddressSanitizer, and learns where home is.
void Fiber::landed() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &home_bottom_, &home_size_);
#endif
}

void Fiber::first() {
  Fiber* f = running;
  f->landed();
  f->main_();
  __builtin_unreachable();  // main leaves for the last time instead of returning
}

void Fiber::prepare(void (*main)()) {
  main_ = main;
#ifdef __SANITIZE_ADDRESS__
  ASAN_UNPOISON_MEMORY_REGION(stack_, kStack);
#endif
#ifdef EMU_UCONTEXT
  getcontext(&own_);
  own_.uc_stack.ss_sp = stack_;
  own_.uc_stack.ss_size = kStack;
  own_.uc_link = nullptr;
  makecontext(&own_, &Fiber::first, 0);
#else
  // As if first() had been called: the return address lies 8 bytes off a multiple of 16, below it six registers.
  void** top = reinterpret_cast<void**>(stack_ + kStack) - 2;
  top[0] = reinterpret_cast<void*>(&Fiber::first);
  own_ = top - 6;
#endif
}

void Fiber::enter() {
  running = this;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&fake_home_, stack_, kStack);
#endif
#ifdef EMU_UCONTEXT
  swapcontext(&home_, &own_);
#else
  emu_switch_stack(&home_, own_);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_home_, nullptr, nullptr);
#endif
}

void Fiber::leave([[maybe_unused]] bool last) {
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(last ? nullptr : &fake, home_bottom_, home_size_);
#endif
#ifdef EMU_UCONTEXT
  swapcontext(&own_, &home_);
#else
  emu_switch_stack(&own_, home_);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, &home_bottom_, &home_size_);
#endif
}

}  // namespace emu
