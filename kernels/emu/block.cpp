#include "block.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "counters.h"
#include "fiber.h"
#include "pool.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

// The one name that kernels give their dynamic shared memory: `extern __shared__ float shared[]`.
extern thread_local char shared[emu::kSharedMax];
alignas(128) thread_local char shared[emu::kSharedMax];

namespace emu {

std::atomic<uint64_t> counters[kCounters];

namespace {

constexpr unsigned kMaxThreads = 1024;

// One warp operation under way: the lanes of mask meet here.
struct Meeting {
  WarpOp op;
  unsigned mask, arrived, votes;
  unsigned readers;  // lanes that have yet to take their result
  uint64_t value[32];
  Fiber* waiting[32];
  unsigned waiters;
};

struct Warp {
  unsigned exists = 0, exited = 0, syncs = 0;
  std::vector<Meeting*> open;
};

// Fibers, last in first out.
struct Stack {
  unsigned n = 0;
  Fiber* fiber[kMaxThreads];
  void push(Fiber* f) { fiber[n++] = f; }
  Fiber* pop() { return fiber[--n]; }
};

}  // namespace

// A block under way.
struct Block {
  const Launch* launch = nullptr;
  char* memory = nullptr;             // the OS thread's shared memory
  unsigned threads = 0, started = 0, returned = 0;
  uint3 index{0, 0, 0};
  std::vector<unsigned> order;        // in which threads start
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<Fiber>> fibers;
  Stack idle, ready, at_barrier;
  std::vector<std::unique_ptr<Meeting>> meetings;
  std::vector<Meeting*> spare;
  unsigned votes = 0;                 // of the barrier that is filling
  Tally tally{0, 0};                  // of the barrier last passed
  Fiber home{Fiber::kHome};
  Fiber* now = nullptr;
  std::mt19937_64 random;
  std::string error;
  uint64_t epoch = 0;                 // grows with every barrier; no two blocks share one
  uint64_t barriers = 0, warp_ops = 0, loaded = 0, stored = 0;
};

namespace {

Block& here() { return *place().block; }

void run_threads();

Fiber* pick_ready(Block& b) {
  if (b.launch->seed) std::swap(b.ready.fiber[b.ready.n - 1], b.ready.fiber[b.random() % b.ready.n]);
  return b.ready.pop();
}

Fiber* fresh_fiber(Block& b) {
  if (b.idle.n == 0) {
    b.fibers.push_back(std::make_unique<Fiber>());
    b.idle.push(b.fibers.back().get());
  }
  Fiber* f = b.idle.pop();
  f->prepare(run_threads);
  Place& p = f->place();
  p.blockIdx = b.index;
  p.blockDim = b.launch->block;
  p.gridDim = b.launch->grid;
  p.block = &b;
  return f;
}

void pass_barrier(Block& b) {
  b.tally = {b.votes, b.threads};
  b.votes = 0;
  b.barriers++;
  b.epoch++;
  std::copy_n(b.at_barrier.fiber, b.threads, b.ready.fiber);
  b.ready.n = b.threads;
  b.at_barrier.n = 0;
}

[[gnu::noinline]] void report_stuck(Block& b) {
  const unsigned stuck = b.threads - b.at_barrier.n - b.returned;
  b.error = std::to_string(b.at_barrier.n) + " of " + std::to_string(b.threads) + " threads wait at __syncthreads, " +
            std::to_string(b.returned) + " have returned, " + std::to_string(stuck) + " wait for lanes that never come";
}

// Who runs next: ready fibers first, then threads not yet started, then those of the barrier that all have reached. Home
// when the block has come to its end, or cannot.
Fiber* next(Block& b) {
  if (b.ready.n > 0) return pick_ready(b);
  if (b.started < b.threads) return fresh_fiber(b);
  if (b.at_barrier.n == b.threads) {
    pass_barrier(b);
    return pick_ready(b);
  }
  if (b.returned < b.threads) report_stuck(b);
  return &b.home;
}

// Runs others until the running fiber's turn comes again.
void wait(Block& b) {
  Fiber* self = b.now;
  b.now = next(b);
  if (b.now != self) self->switch_to(*b.now);
}

unsigned lanes_left(const Warp& w) { return w.exists & ~w.exited; }

bool complete(const Warp& w, const Meeting* m) { return m->arrived == (m->mask & lanes_left(w)); }

// Ends the open meeting i of a warp.
void end_meeting(Block& b, Warp& w, size_t i) {
  Meeting* m = w.open[i];
  m->readers = m->waiters;
  for (unsigned n = 0; n < m->waiters; n++) b.ready.push(m->waiting[n]);
  w.open[i] = w.open.back();
  w.open.pop_back();
  w.syncs += m->op == WarpOp::sync;  // shuffles and votes order no memory
  b.warp_ops++;
}

Meeting* new_meeting(Block& b) {
  if (b.spare.empty()) {
    b.meetings.push_back(std::make_unique<Meeting>());
    return b.meetings.back().get();
  }
  Meeting* m = b.spare.back();
  b.spare.pop_back();
  return m;
}

[[noreturn, gnu::noinline]] void fail_mask(unsigned l) {
  fail("lane " + std::to_string(l) + " is not in the mask of its own warp operation");
}
[[noreturn, gnu::noinline]] void fail_mixed() { fail("lanes of one mask are at different warp operations"); }

// Opens a meeting of a warp for the lanes of mask.
[[gnu::noinline]] void open_meeting(Block& b, Warp& w, WarpOp op, unsigned mask) {
  Meeting* m = new_meeting(b);
  m->op = op;
  m->mask = mask;
  m->arrived = m->votes = m->waiters = 0;
  memset(m->value, 0xff, sizeof m->value);
  w.open.push_back(m);
}

// Brings the running lane to its warp's meeting of that mask, and returns when all lanes of it have come.
Meeting* meet(WarpOp op, unsigned mask, uint64_t value, bool vote) {
  const Place& p = place();
  Block& b = *p.block;
  const unsigned l = p.thread % 32;
  Warp& w = b.warps[p.thread / 32];
  if (!(mask >> l & 1)) fail_mask(l);
  size_t i = 0;
  while (i < w.open.size() && w.open[i]->mask != mask) i++;
  if (i == w.open.size()) open_meeting(b, w, op, mask);
  Meeting* m = w.open[i];
  if (m->op != op) fail_mixed();
  m->arrived |= 1u << l;
  m->votes |= static_cast<unsigned>(vote) << l;
  m->value[l] = value;
  m->waiting[m->waiters++] = b.now;
  if (complete(w, m)) end_meeting(b, w, i);
  wait(b);
  return m;
}

void leave_meeting(Meeting* m) {
  if (--m->readers == 0) here().spare.push_back(m);
}

// What a fiber runs: a CUDA thread, and as long as none has waited, the next one on the same stack.
void run_threads() {
  Fiber::landed();
  for (;;) {
    Block& b = here();
    const unsigned t = b.order[b.started++];
    const uint3 d = b.launch->block;
    Fiber* self = b.now;
    Place& p = self->place();
    p.thread = t;
    p.threadIdx = {t % d.x, t / d.x % d.y, t / (d.x * d.y)};
    b.launch->kernel->run(b.launch->arguments);
    b.returned++;
    Warp& w = b.warps[t / 32];
    w.exited |= 1u << t % 32;
    for (size_t i = w.open.size(); i-- > 0;) {  // lanes that have returned are excused
      if (complete(w, w.open[i])) end_meeting(b, w, i);
    }
    if (b.started == b.threads || b.ready.n > 0) {
      b.now = next(b);
      b.idle.push(self);  // after next, which must not prepare the running stack
      self->switch_to(*b.now, true);
    }
  }
}

void prepare(Block& b, size_t id) {
  static std::atomic<uint64_t> blocks;
  const Launch& l = *b.launch;
  b.index = {static_cast<unsigned>(id % l.grid.x), static_cast<unsigned>(id / l.grid.x % l.grid.y),
             static_cast<unsigned>(id / l.grid.x / l.grid.y)};
  memset(shared, 0xff, l.shared);  // NaN, so that reading what was never written shows
  b.order.resize(b.threads);
  for (unsigned i = 0; i < b.threads; i++) b.order[i] = i;
  if (l.seed) {
    b.random.seed(l.seed ^ (id + 1) * 0x9e3779b97f4a7c15u);
    std::shuffle(b.order.begin(), b.order.end(), b.random);
  }
  b.warps.resize((b.threads + 31) / 32);
  for (unsigned i = 0; i < b.warps.size(); i++) {
    const unsigned lanes = std::min(b.threads - 32 * i, 32u);
    b.warps[i].exists = lanes == 32 ? ~0u : (1u << lanes) - 1;
    b.warps[i].exited = b.warps[i].syncs = 0;
    b.warps[i].open.clear();
  }
  b.epoch = ++blocks << 32;
  b.started = b.returned = b.votes = 0;
  b.idle.n = b.ready.n = b.at_barrier.n = 0;
  for (auto& f : b.fibers) b.idle.push(f.get());
  b.spare.clear();
  for (auto& m : b.meetings) b.spare.push_back(m.get());
}

// Runs one block to its end.
void run_block(Block& b, size_t id) {
  prepare(b, id);
  b.now = next(b);
  b.home.switch_to(*b.now);
  if (b.error.empty()) return;
  b.error = std::string("kernel ") + b.launch->kernel->name + ", block (" + std::to_string(b.index.x) + "," +
            std::to_string(b.index.y) + "," + std::to_string(b.index.z) + "): " + b.error;
}

// Blocks that no OS thread is running. They keep their stacks, which would otherwise be made anew by every thread of the
// program that waits for the device.
std::mutex resting_mutex;
std::vector<std::unique_ptr<Block>> resting;

std::unique_ptr<Block> take_block() {
  const std::lock_guard<std::mutex> guard(resting_mutex);
  if (resting.empty()) return std::make_unique<Block>();
  std::unique_ptr<Block> b = std::move(resting.back());
  resting.pop_back();
  return b;
}

void give_block(std::unique_ptr<Block> b) {
  const std::lock_guard<std::mutex> guard(resting_mutex);
  resting.push_back(std::move(b));
}

// AddressSanitizer sees a use beyond the launch's bytes of dynamic shared memory.
void limit_shared([[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  const size_t used = (bytes + 7) / 8 * 8;
  ASAN_UNPOISON_MEMORY_REGION(shared, kSharedMax);
  ASAN_POISON_MEMORY_REGION(shared + used, kSharedMax - used);
#endif
}

std::map<std::string, Kernel>& table() {
  static std::map<std::string, Kernel> kernels;
  return kernels;
}

}  // namespace

void enlist(const Kernel& kernel) { table()[kernel.name] = kernel; }

const Kernel* find_kernel(const std::string& name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : &found->second;
}

void fail(const std::string& what) {
  Block& b = here();
  b.error = "thread " + std::to_string(place().thread) + ": " + what;
  b.now->switch_to(b.home, true);
  __builtin_unreachable();
}

Tally block_barrier(bool predicate) {
  Block& b = here();
  b.votes += predicate;
  b.at_barrier.push(b.now);
  wait(b);
  return b.tally;
}

void warp_sync(unsigned mask) { leave_meeting(meet(WarpOp::sync, mask, 0, false)); }

unsigned warp_vote(unsigned mask, bool predicate) {
  Meeting* m = meet(WarpOp::vote, mask, 0, predicate);
  const unsigned votes = m->votes;
  leave_meeting(m);
  return votes;
}

uint64_t warp_shuffle(unsigned mask, uint64_t value, unsigned from_lane) {
  Meeting* m = meet(WarpOp::shuffle, mask, value, false);
  const uint64_t got = m->value[from_lane % 32];
  leave_meeting(m);
  return got;
}

MmaMeeting meet_for_mma(void* mine) {
  Meeting* m = meet(WarpOp::mma, ~0u, reinterpret_cast<uint64_t>(mine), false);
  if (m->arrived != ~0u) fail("tensor cores need all 32 lanes of a warp, " + std::to_string(__builtin_popcount(m->arrived)) + " are here");
  return {m->readers == 32 ? &m->value : nullptr, m};
}

void leave_mma(const MmaMeeting& m) { leave_meeting(static_cast<Meeting*>(m.handle)); }

Moment moment() {
  const unsigned thread = place().thread;
  return {here().epoch, thread, here().warps[thread / 32].syncs};
}

char* shared_base() { return here().memory; }
size_t shared_size() { return here().launch->shared; }
void moved(size_t bytes, bool store) { (store ? here().stored : here().loaded) += bytes; }

std::string run(const Launch& launch) {
  const size_t blocks = static_cast<size_t>(launch.grid.x) * launch.grid.y * launch.grid.z;
  std::vector<size_t> order;
  if (launch.seed) {
    order.resize(blocks);
    for (size_t i = 0; i < blocks; i++) order[i] = i;
    std::mt19937_64 random(launch.seed);
    std::shuffle(order.begin(), order.end(), random);
  }
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::string error;
  Pool::shared().run(blocks, [&] {
    std::unique_ptr<Block> taken = take_block();
    Block& b = *taken;
    b.launch = &launch;
    b.memory = shared;
    b.threads = launch.block.x * launch.block.y * launch.block.z;
    b.error.clear();
    b.barriers = b.warp_ops = b.loaded = b.stored = 0;
    limit_shared(launch.shared);
    for (size_t i; (i = next++) < blocks;) {
      run_block(b, launch.seed ? order[i] : i);
      if (b.error.empty()) continue;
      const std::lock_guard<std::mutex> guard(mutex);
      if (error.empty()) error = b.error;
      next = blocks;
    }
    count(kBarriers, b.barriers);
    count(kWarpOps, b.warp_ops);
    count(kLoadBytes, b.loaded);
    count(kStoreBytes, b.stored);
    give_block(std::move(taken));
  });
  count(kLaunches);
  count(kBlocks, blocks);
  count(kThreads, blocks * launch.block.x * launch.block.y * launch.block.z);
  return error;
}

}  // namespace emu
