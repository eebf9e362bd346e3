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

thread_local Place place;
std::atomic<uint64_t> counters[kCounters];

namespace {

// One warp operation under way: the lanes of mask meet here.
struct Meeting {
  WarpOp op;
  unsigned mask, arrived = 0, votes = 0;
  int readers = 0;  // lanes that have yet to take their result
  uint64_t value[32];
  std::vector<Fiber*> waiting;
};

struct Warp {
  unsigned exists = 0, exited = 0, syncs = 0;
  std::vector<Meeting*> open;
};

// The block that an OS thread is running.
struct Block {
  const Launch* launch = nullptr;
  unsigned threads = 0, started = 0, returned = 0;
  std::vector<unsigned> order;        // in which threads start
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle, ready, at_barrier;
  std::vector<std::unique_ptr<Meeting>> meetings;
  std::vector<Meeting*> spare;
  unsigned votes = 0;                 // of the barrier that is filling
  Tally tally{0, 0};                  // of the barrier last passed
  Fiber* now = nullptr;
  std::mt19937_64 random;
  std::string error;
  uint64_t epoch = 0;                 // grows with every barrier and every block
  uint64_t barriers = 0, warp_ops = 0, loaded = 0, stored = 0;
};

thread_local Block* block;

// Leaves the running fiber until the scheduler comes back to it.
void wait() {
  Fiber* self = block->now;
  const Place mine = place;
  self->leave();
  place = mine;
}

unsigned lanes_left(const Warp& w) { return w.exists & ~w.exited; }

// Ends the meetings of a warp that wait for nobody any more: lanes that have returned are excused.
void settle(Block& b, Warp& w) {
  for (size_t i = 0; i < w.open.size();) {
    Meeting* m = w.open[i];
    if (m->arrived != (m->mask & lanes_left(w))) {
      i++;
      continue;
    }
    m->readers = static_cast<int>(m->waiting.size());
    b.ready.insert(b.ready.end(), m->waiting.begin(), m->waiting.end());
    m->waiting.clear();
    w.open.erase(w.open.begin() + static_cast<ptrdiff_t>(i));
    w.syncs += m->op == WarpOp::sync;  // shuffles and votes order no memory
    b.warp_ops++;
  }
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

// Brings the running lane to its warp's meeting of that mask, and returns when all lanes of it have come.
Meeting* meet(WarpOp op, unsigned mask, uint64_t value, bool vote) {
  Block& b = *block;
  const unsigned l = lane();
  Warp& w = b.warps[static_cast<unsigned>(b.now->thread) / 32];
  if (!(mask >> l & 1)) fail("lane " + std::to_string(l) + " is not in the mask of its own warp operation");
  Meeting* m = nullptr;
  for (Meeting* o : w.open) {
    if (o->mask == mask) m = o;
  }
  if (!m) {
    m = new_meeting(b);
    m->op = op;
    m->mask = mask;
    m->arrived = m->votes = 0;
    memset(m->value, 0xff, sizeof m->value);
    w.open.push_back(m);
  } else if (m->op != op) {
    fail("lanes of one mask are at different warp operations");
  }
  m->arrived |= 1u << l;
  m->votes |= static_cast<unsigned>(vote) << l;
  m->value[l] = value;
  m->waiting.push_back(b.now);
  settle(b, w);
  wait();
  return m;
}

void leave_meeting(Meeting* m) {
  if (--m->readers == 0) block->spare.push_back(m);
}

// What a fiber runs: a CUDA thread, and as long as none has waited, the next one on the same stack.
void run_threads() {
  for (;;) {
    Block& b = *block;
    const unsigned t = b.order[b.started++];
    const uint3 d = b.launch->block;
    Fiber* self = b.now;
    self->thread = static_cast<int>(t);
    place.threadIdx = {t % d.x, t / d.x % d.y, t / (d.x * d.y)};
    b.launch->kernel->run(b.launch->arguments);
    b.returned++;
    Warp& w = b.warps[t / 32];
    w.exited |= 1u << t % 32;
    if (!w.open.empty()) settle(b, w);
    if (b.started == b.threads || !b.ready.empty()) {
      b.idle.push_back(self);
      self->leave(true);
    }
  }
}

void prepare(Block& b, size_t id) {
  const Launch& l = *b.launch;
  place.gridDim = l.grid;
  place.blockDim = l.block;
  place.blockIdx = {static_cast<unsigned>(id % l.grid.x), static_cast<unsigned>(id / l.grid.x % l.grid.y),
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
  b.epoch++;
  b.started = b.returned = b.votes = 0;
  b.ready.clear();
  b.at_barrier.clear();
  b.idle.clear();
  for (auto& f : b.fibers) b.idle.push_back(f.get());
  b.spare.clear();
  for (auto& m : b.meetings) {
    m->waiting.clear();
    b.spare.push_back(m.get());
  }
}

Fiber* pick_ready(Block& b) {
  if (b.launch->seed) std::swap(b.ready.back(), b.ready[b.random() % b.ready.size()]);
  Fiber* f = b.ready.back();
  b.ready.pop_back();
  return f;
}

Fiber* fresh_fiber(Block& b) {
  if (b.idle.empty()) {
    b.fibers.push_back(std::make_unique<Fiber>());
    b.idle.push_back(b.fibers.back().get());
  }
  Fiber* f = b.idle.back();
  b.idle.pop_back();
  f->prepare(run_threads);
  return f;
}

void pass_barrier(Block& b) {
  b.tally = {b.votes, b.threads};
  b.votes = 0;
  b.barriers++;
  b.epoch++;
  b.ready.swap(b.at_barrier);
}

// Runs one block to its end: ready fibers first, then threads not yet started, then the barrier that all have reached.
void run_block(Block& b, size_t id) {
  prepare(b, id);
  while (b.returned < b.threads && b.error.empty()) {
    if (!b.ready.empty()) {
      b.now = pick_ready(b);
      b.now->enter();
    } else if (b.started < b.threads) {
      b.now = fresh_fiber(b);
      b.now->enter();
    } else if (b.at_barrier.size() == b.threads) {
      pass_barrier(b);
    } else {
      const size_t stuck = b.threads - b.at_barrier.size() - b.returned;
      b.error = std::to_string(b.at_barrier.size()) + " of " + std::to_string(b.threads) + " threads wait at __syncthreads, " +
                std::to_string(b.returned) + " have returned, " + std::to_string(stuck) + " wait for lanes that never come";
    }
  }
  if (b.error.empty()) return;
  const uint3 i = place.blockIdx;
  b.error = std::string("kernel ") + b.launch->kernel->name + ", block (" + std::to_string(i.x) + "," + std::to_string(i.y) +
            "," + std::to_string(i.z) + "): " + b.error;
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

unsigned lane() { return static_cast<unsigned>(block->now->thread) % 32; }

void fail(const std::string& what) {
  block->error = "thread " + std::to_string(block->now->thread) + ": " + what;
  block->now->leave(true);
  __builtin_unreachable();
}

Tally block_barrier(bool predicate) {
  Block& b = *block;
  b.votes += predicate;
  b.at_barrier.push_back(b.now);
  wait();
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

Moment moment() {
  const auto thread = static_cast<unsigned>(block->now->thread);
  return {block->epoch, thread, block->warps[thread / 32].syncs};
}

char* shared_base() { return shared; }
size_t shared_size() { return block->launch->shared; }
void moved(size_t bytes, bool store) { (store ? block->stored : block->loaded) += bytes; }

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
    static thread_local std::unique_ptr<Block> own;
    if (!own) own = std::make_unique<Block>();
    Block& b = *(block = own.get());
    b.launch = &launch;
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
      b.fibers.clear();  // they stand in the middle of threads that will never end
    }
    count(kBarriers, b.barriers);
    count(kWarpOps, b.warp_ops);
    count(kLoadBytes, b.loaded);
    count(kStoreBytes, b.stored);
  });
  count(kLaunches);
  count(kBlocks, blocks);
  count(kThreads, blocks * launch.block.x * launch.block.y * launch.block.z);
  return error;
}

}  // namespace emu
