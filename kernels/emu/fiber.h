// A fiber: a stack of its own that runs until it switches to another. One fiber stands for one CUDA thread that is under
// way.
#pragma once

#include <cstddef>

#include "cudaemu.h"

#if !defined(__x86_64__) && !defined(EMU_UCONTEXT)
#define EMU_UCONTEXT 1
#endif
#ifdef EMU_UCONTEXT
#include <ucontext.h>
#endif

namespace emu {

class Fiber {
 public:
  enum Home { kHome };
  explicit Fiber(Home) {}  // stands for the stack of the OS thread that first switches away from it
  Fiber();                 // throws std::bad_alloc when there is no room for a stack
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Where the thread that runs on this fiber stands. Not for home.
  Place& place() { return places[slot_]; }

  // Makes the next switch to the fiber call main on an empty stack; main begins with landed() and never returns. What ran
  // there before is forgotten without being unwound.
  void prepare(void (*main)());

  // Runs next until somebody switches back. Call it on this fiber; last says that this one will be prepared anew.
  void switch_to(Fiber& next, bool last = false);

  // Tells AddressSanitizer that a prepared fiber runs for the first time.
  static void landed() { arrive(nullptr); }

 private:
  int slot_ = -1;         // of stacks and places; -1: home
#ifdef EMU_UCONTEXT
  ucontext_t own_;
#else
  void* own_ = nullptr;   // the stack pointer while another runs
#endif
  // The stack, for AddressSanitizer, and what it keeps of it meanwhile.
  const void* bottom_ = nullptr;
  size_t size_ = 0;
  void* fake_ = nullptr;

  static void arrive(void* fake);
};

}  // namespace emu
