// A fiber: a stack of its own that runs until it switches back. One fiber stands for one CUDA thread that is under way.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) && !defined(EMU_UCONTEXT)
#define EMU_UCONTEXT 1
#endif
#ifdef EMU_UCONTEXT
#include <ucontext.h>
#endif

namespace emu {

class Fiber {
 public:
  Fiber();  // throws std::bad_alloc when there is no room for a stack
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes the next enter() call main on an empty stack. What ran there before is forgotten without being unwound.
  void prepare(void (*main)());

  // Runs the fiber until it leaves. Call it on an OS thread's own stack.
  void enter();

  // Goes back to the caller of enter(). Call it on the fiber; last says that the fiber will be prepared anew.
  void leave(bool last = false);

  // Whether an address lies on this fiber's stack.
  bool holds(const void* p) const;

  int thread = -1;  // the CUDA thread that it runs: its index in the block

 private:
  char* stack_;
  void (*main_)() = nullptr;
#ifdef EMU_UCONTEXT
  ucontext_t own_, home_;
#else
  void* own_ = nullptr;   // stack pointers while the other side runs
  void* home_ = nullptr;
#endif
  // Where the caller of enter() has its stack, for AddressSanitizer.
  const void* home_bottom_ = nullptr;
  size_t home_size_ = 0;
  void* fake_home_ = nullptr;

  void landed();
  static void first();
};

}  // namespace emu
