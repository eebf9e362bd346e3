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

// Blocks that are scheduled as one: a cluster, or a block of a launch without clusters. One of them runs at a time, until
// all its threads wait at the cluster's barrier or have returned, and only its shared memory lies where kernels look for
// it; that of the others is kept here.
struct Cluster {
  const Launch* launch = nullptr;
  unsigned size = 1;
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<char> memory[kMaxCluster];
  unsigned inside = 0;           // the block whose shared memory is in place
  uint64_t base = 0;             // no two clusters count their barriers from the same number
  uint64_t passed = 0;           // barriers
  uint64_t touched[kMaxCluster]; // 1 + barriers passed when another block last touched this one's shared memory
  std::vector<unsigned> order;   // in which blocks run
  std::mt19937_64 random;
  std::string error;
  uint64_t barriers = 0, bytes = 0;
};

// A block under way.
struct Block {
  const Launch* launch = nullptr;
  Cluster* cluster = nullptr;
  unsigned rank = 0;
  char* memory = nullptr;             // the OS thread's shared memory
  unsigned threads = 0, started = 0, returned = 0;
  uint3 index{0, 0, 0};
  std::vector<unsigned> order;        // in which threads start
  std::vector<Warp> warps;
  std::vector<std::unique_ptr<Fiber>> fibers;
  Stack idle, ready, at_barrier, at_cluster;
  std::vector<char> arrived;          // at the cluster's barrier, without having waited yet, by thread
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
  const unsigned stuck = b.threads - b.at_barrier.n - b.at_cluster.n - b.returned;
  b.error = std::to_string(b.at_barrier.n) + " of " + std::to_string(b.threads) + " threads wait at __syncthreads, " +
            std::to_string(b.returned) + " have returned, " + std::to_string(stuck) + " wait for lanes that never come";
  if (b.at_cluster.n > 0) b.error += ", " + std::to_string(b.at_cluster.n) + " wait at the cluster barrier";
}

// Who runs next: ready fibers first, then threads not yet started, then those of the barrier that all have reached. Home
// when the block has come to its end, or cannot, or waits for its cluster.
Fiber* next(Block& b) {
  if (b.ready.n > 0) return pick_ready(b);
  if (b.started < b.threads) return fresh_fiber(b);
  if (b.at_barrier.n == b.threads) {
    pass_barrier(b);
    return pick_ready(b);
  }
  if (b.returned < b.threads && b.at_cluster.n < b.threads) report_stuck(b);
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
[[noreturn, gnu::noinline]] void fail_arrived() { fail("returns between arrival and wait at the cluster barrier"); }
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
    if (b.arrived[t]) fail_arrived();
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

// Makes a block ready to run, but for its shared memory.
void prepare(Block& b, uint3 index, size_t id, uint64_t base) {
  const Launch& l = *b.launch;
  b.index = index;
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
  b.epoch = base;
  b.arrived.assign(b.threads, 0);
  b.started = b.returned = b.votes = 0;
  b.idle.n = b.ready.n = b.at_barrier.n = b.at_cluster.n = 0;
  for (auto& f : b.fibers) b.idle.push(f.get());
  b.spare.clear();
  for (auto& m : b.meetings) b.spare.push_back(m.get());
}

// The same for all blocks of a cluster. Shared memory becomes NaN, so that reading what was never written shows.
void prepare(Cluster& c, size_t id) {
  static std::atomic<uint64_t> clusters;
  const Launch& l = *c.launch;
  const uint3 k = l.cluster, wide{l.grid.x / k.x, l.grid.y / k.y, l.grid.z / k.z};
  const uint3 first{static_cast<unsigned>(id % wide.x) * k.x, static_cast<unsigned>(id / wide.x % wide.y) * k.y,
                    static_cast<unsigned>(id / wide.x / wide.y) * k.z};
  c.base = ++clusters << 32;
  c.passed = 0;
  c.inside = 0;
  c.order.resize(c.size);
  for (unsigned r = 0; r < c.size; r++) {
    Block& b = *c.blocks[r];
    b.cluster = &c;
    b.rank = c.order[r] = r;
    c.touched[r] = 0;
    if (c.size > 1) c.memory[r].assign(l.shared, '\xff');
    prepare(b, {first.x + r % k.x, first.y + r / k.x % k.y, first.z + r / k.x / k.y}, id * c.size + r, c.base);
  }
  memset(shared, 0xff, l.shared);
  if (l.seed) c.random.seed(l.seed ^ id);
}

// Puts the shared memory of a block in place.
void bring_in(Cluster& c, unsigned rank) {
  if (c.inside == rank || c.launch->shared == 0) return;
  memcpy(c.memory[c.inside].data(), shared, c.launch->shared);
  memcpy(shared, c.memory[rank].data(), c.launch->shared);
  c.inside = rank;
}

std::string name_of(const Block& b) {
  return "block (" + std::to_string(b.index.x) + "," + std::to_string(b.index.y) + "," + std::to_string(b.index.z) + ")";
}

void report(Cluster& c, const Block& b, const std::string& what) {
  c.error = std::string("kernel ") + c.launch->kernel->name + ", " + name_of(b) + ": " + what;
}

// Runs a block until it ends or waits for its cluster.
void resume(Cluster& c, Block& b) {
  bring_in(c, b.rank);
  b.now = next(b);
  b.home.switch_to(*b.now);
  if (!b.error.empty()) return report(c, b, b.error);
  if (b.returned == b.threads && c.touched[b.rank] == c.passed + 1)
    report(c, b, "has returned, and since the last cluster barrier another block of its cluster touched its shared memory");
}

// All blocks wait: lets them go on.
void pass_cluster_barrier(Cluster& c) {
  c.passed++;
  c.barriers++;
  for (const auto& b : c.blocks) {
    std::copy_n(b->at_cluster.fiber, b->threads, b->ready.fiber);
    b->ready.n = b->threads;
    b->at_cluster.n = 0;
  }
}

// Runs one cluster to its end.
void run_cluster(Cluster& c, size_t id) {
  prepare(c, id);
  for (;;) {
    if (c.launch->seed) std::shuffle(c.order.begin(), c.order.end(), c.random);
    const Block *waits = nullptr, *gone = nullptr;
    for (const unsigned r : c.order) {
      Block& b = *c.blocks[r];
      if (b.returned < b.threads) resume(c, b);
      if (!c.error.empty()) return;
      (b.returned < b.threads ? waits : gone) = &b;
    }
    if (!waits) return;
    if (gone) return report(c, *waits, "waits at the cluster barrier, and " + name_of(*gone) + " of its cluster has returned");
    pass_cluster_barrier(c);
  }
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

unsigned cluster_rank() { return here().rank; }
unsigned cluster_size() { return here().cluster->size; }

void cluster_arrive() {
  char& arrived = here().arrived[place().thread];
  if (arrived) fail("arrives twice at one cluster barrier");
  arrived = 1;
}

void cluster_wait() {
  Block& b = here();
  char& arrived = b.arrived[place().thread];
  if (!arrived) fail("waits at the cluster barrier before it has arrived");
  b.at_cluster.push(b.now);
  wait(b);
  arrived = 0;
}

void (*watch_remote)(const char* address, unsigned rank, size_t bytes, bool store);

void* remote(const void* p, unsigned rank, size_t bytes, bool store) {
  Block& b = here();
  Cluster& c = *b.cluster;
  if (rank >= c.size) fail("block " + std::to_string(rank) + " of a cluster of " + std::to_string(c.size));
  const auto at = static_cast<size_t>(static_cast<const char*>(p) - b.memory);
  const std::string what = (store ? "stores " : "loads ") + std::to_string(bytes) + " bytes at byte " + std::to_string(at) + " of " +
                           std::to_string(c.launch->shared) + " bytes of shared memory of block " + std::to_string(rank) + " of its cluster";
  if (at + bytes > c.launch->shared || at + bytes < at) fail(what);
  if (at % bytes != 0) fail(what + ", misaligned");
  if (c.size > 1 && c.passed == 0) fail(what + " before the first cluster barrier: it may not have begun");
  if (c.blocks[rank]->returned == b.threads) fail(what + ", which has returned");
  if (watch_remote) watch_remote(static_cast<const char*>(p), rank, bytes, store);
  if (rank == b.rank) return b.memory + at;
  c.touched[rank] = c.passed + 1;
  c.bytes += bytes;
  return c.memory[rank].data() + at;
}

Moment moment() {
  const unsigned thread = place().thread;
  const Block& b = here();
  const uint64_t waits = b.cluster->base + b.cluster->passed;
  return {b.epoch, waits + static_cast<uint64_t>(b.arrived[thread]), waits, thread, b.rank, b.warps[thread / 32].syncs};
}

char* shared_base() { return here().memory; }
size_t shared_size() { return here().launch->shared; }
void moved(size_t bytes, bool store) { (store ? here().stored : here().loaded) += bytes; }

std::string run(const Launch& launch) {
  const size_t blocks = static_cast<size_t>(launch.grid.x) * launch.grid.y * launch.grid.z;
  const unsigned size = launch.cluster.x * launch.cluster.y * launch.cluster.z;
  const size_t clusters = blocks / size;
  std::vector<size_t> order;
  if (launch.seed) {
    order.resize(clusters);
    for (size_t i = 0; i < clusters; i++) order[i] = i;
    std::mt19937_64 random(launch.seed);
    std::shuffle(order.begin(), order.end(), random);
  }
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::string error;
  Pool::shared().run(clusters, [&] {
    Cluster c;
    c.launch = &launch;
    c.size = size;
    for (unsigned r = 0; r < size; r++) {
      c.blocks.push_back(take_block());
      Block& b = *c.blocks[r];
      b.launch = &launch;
      b.memory = shared;
      b.threads = launch.block.x * launch.block.y * launch.block.z;
      b.error.clear();
      b.barriers = b.warp_ops = b.loaded = b.stored = 0;
    }
    limit_shared(launch.shared);
    for (size_t i; (i = next++) < clusters;) {
      run_cluster(c, launch.seed ? order[i] : i);
      if (c.error.empty()) continue;
      const std::lock_guard<std::mutex> guard(mutex);
      if (error.empty()) error = c.error;
      next = clusters;
    }
    count(kClusterBarriers, c.barriers);
    count(kClusterBytes, c.bytes);
    for (auto& b : c.blocks) {
      count(kBarriers, b->barriers);
      count(kWarpOps, b->warp_ops);
      count(kLoadBytes, b->loaded);
      count(kStoreBytes, b->stored);
      give_block(std::move(b));
    }
  });
  count(kLaunches);
  count(kBlocks, blocks);
  count(kThreads, blocks * launch.block.x * launch.block.y * launch.block.z);
  return error;
}

}  // namespace emu
