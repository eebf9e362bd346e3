// The emulated driver: streams, events and graphs.
//
// Streams are lazy: work runs when somebody waits for it, so a wait that the program forgot shows as stale data. A graph
// keeps what each node depends on; with a seed its nodes run in any order that this allows, so a dependency that the
// capture forgot shows, too.
#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "counters.h"
#include "state.h"

namespace {

using emu::Work;

struct Queue {
  std::deque<Work> waiting;
  uint64_t queued = 0, done = 0;  // tickets: the nth piece of work has ticket n
};

struct Node {
  Work work;
  std::set<size_t> after;  // nodes that must have run
  CUevent mark = nullptr;  // what the node records, if it does
};

struct Recording {
  std::vector<Node> nodes;
  std::set<CUstream> streams;  // drawn in; the first is where it began
  CUstream origin;
  bool broken = false;
};

}  // namespace

struct CUstream_st {
  std::shared_ptr<Queue> queue = std::make_shared<Queue>();
  std::shared_ptr<Recording> recording;  // null unless being captured
  std::set<size_t> last;                 // nodes that the next one of this stream waits for
};

struct CUevent_st {
  std::shared_ptr<Queue> queue;          // null until recorded
  uint64_t ticket = 0;
  std::shared_ptr<double> milliseconds = std::make_shared<double>(-1);
  std::shared_ptr<Recording> recording;  // recorded within a capture
  std::set<size_t> last;
  bool timing = true;
};

struct CUgraph_st {
  std::vector<Node> nodes;
};

struct CUgraphExec_st {
  std::vector<Node> nodes;
};

namespace emu {

namespace {

std::set<CUstream> streams;
std::set<CUevent> events;

bool known(CUstream s) { return streams.count(s) != 0; }

// Runs a queue's work up to a ticket. Work may itself wait for another queue: events only look back, so this ends.
CUresult run_until(Queue& q, uint64_t ticket) {
  while (q.done < ticket && !q.waiting.empty()) {
    const Work work = std::move(q.waiting.front());
    q.waiting.pop_front();
    if (const CUresult failed = work()) return stick(failed);
    q.done++;
  }
  return CUDA_SUCCESS;
}

CUresult run_all() {
  for (CUstream s : streams) {
    if (const CUresult failed = run_until(*s->queue, s->queue->queued)) return failed;
  }
  return CUDA_SUCCESS;
}

void push(Queue& q, Work work) {
  q.waiting.push_back(std::move(work));
  q.queued++;
}

CUresult unsupported(Recording& r, const char* what) {
  r.broken = true;
  return because(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, std::string(what) + " while a stream is being captured");
}

// An order of nodes of the seed's choice that their dependencies allow.
std::vector<size_t> order_nodes(const std::vector<Node>& nodes) {
  const uint64_t seed = next_seed();
  std::mt19937_64 random(seed);
  std::vector<size_t> pending(nodes.size()), ready, order;
  std::vector<std::vector<size_t>> followers(nodes.size());
  for (size_t i = 0; i < nodes.size(); i++) {
    pending[i] = nodes[i].after.size();
    for (size_t before : nodes[i].after) followers[before].push_back(i);
    if (pending[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    const size_t choice = seed ? random() % ready.size() : 0;
    const size_t node = ready[choice];
    ready.erase(ready.begin() + static_cast<ptrdiff_t>(choice));
    order.push_back(node);
    for (size_t f : followers[node]) {
      if (--pending[f] == 0) ready.push_back(f);
    }
  }
  return order;
}

// Whether every node leads to the stream where the recording began.
bool joined(const Recording& r) {
  std::vector<size_t> todo(r.origin->last.begin(), r.origin->last.end());
  std::set<size_t> reached(todo.begin(), todo.end());
  while (!todo.empty()) {
    const size_t node = todo.back();
    todo.pop_back();
    for (size_t before : r.nodes[node].after) {
      if (reached.insert(before).second) todo.push_back(before);
    }
  }
  return reached.size() == r.nodes.size();
}

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Queues the recording of an event.
void mark(CUevent event, const std::shared_ptr<Queue>& queue) {
  *event->milliseconds = -1;
  push(*queue, [at = event->milliseconds]() -> CUresult {
    *at = now();
    return CUDA_SUCCESS;
  });
  event->recording.reset();
  event->queue = queue;
  event->ticket = queue->queued;
}

}  // namespace

CUresult enqueue(CUstream s, Work work) {
  if (!known(s)) return because(CUDA_ERROR_INVALID_HANDLE, "no such stream; the default stream is not emulated");
  if (!s->recording) {
    push(*s->queue, std::move(work));
    return CUDA_SUCCESS;
  }
  s->recording->nodes.push_back({std::move(work), s->last, nullptr});
  s->last = {s->recording->nodes.size() - 1};
  return CUDA_SUCCESS;
}

CUresult run_now(const Work& work) {
  for (CUstream s : streams) {
    if (s->recording) return unsupported(*s->recording, "the host may not wait");
  }
  if (const CUresult failed = run_all()) return failed;
  return work();
}

void drop_all_streams() {
  for (CUstream s : streams) delete s;
  streams.clear();
}

}  // namespace emu

using namespace emu;

#pragma GCC visibility push(default)
extern "C" {

CUresult cuStreamCreate(CUstream* stream, unsigned) {
  EMU_BEGIN(true);
  *stream = new CUstream_st;
  streams.insert(*stream);
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  EMU_BEGIN(true);
  if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->recording) return unsupported(*stream->recording, "a stream may not end");
  const CUresult result = run_until(*stream->queue, stream->queue->queued);
  streams.erase(stream);
  delete stream;
  return result;
}

CUresult cuStreamSynchronize(CUstream stream) {
  EMU_BEGIN(true);
  if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->recording) return unsupported(*stream->recording, "the host may not wait");
  count(kWaits);
  return run_until(*stream->queue, stream->queue->queued);
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  EMU_BEGIN(true);
  if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (event->recording) {
    if (stream->recording && stream->recording != event->recording)
      return because(CUDA_ERROR_INVALID_VALUE, "an event of one capture is waited for in another");
    if (!stream->recording) {
      if (stream->queue->done != stream->queue->queued) run_until(*stream->queue, stream->queue->queued);
      stream->recording = event->recording;
      stream->last.clear();
      event->recording->streams.insert(stream);
    }
    stream->last.insert(event->last.begin(), event->last.end());
    return CUDA_SUCCESS;
  }
  if (stream->recording) {
    if (!event->queue) return CUDA_SUCCESS;
    return unsupported(*stream->recording, "an event recorded before it may not be waited for");
  }
  if (!event->queue || event->queue == stream->queue) return CUDA_SUCCESS;
  push(*stream->queue, [other = event->queue, ticket = event->ticket] { return run_until(*other, ticket); });
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode) {
  EMU_BEGIN(true);
  if (!known(stream)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;  // the default stream cannot be captured
  if (stream->recording) return because(CUDA_ERROR_ILLEGAL_STATE, "the stream is being captured already");
  stream->recording = std::make_shared<Recording>();
  stream->recording->origin = stream;
  stream->recording->streams = {stream};
  stream->last.clear();
  return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  EMU_BEGIN(true);
  *graph = nullptr;
  if (!known(stream) || !stream->recording) return because(CUDA_ERROR_ILLEGAL_STATE, "the stream is not being captured");
  const std::shared_ptr<Recording> r = stream->recording;
  if (r->origin != stream) return because(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began on another stream");
  const bool whole = joined(*r);
  for (CUstream s : r->streams) s->recording.reset();
  if (r->broken) return because(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "an earlier call ended the capture");
  if (!whole) return because(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "work on another stream was not joined by an event");
  count(kCaptures);
  *graph = new CUgraph_st{r->nodes};
  return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* n) {
  EMU_BEGIN(true);
  if (nodes) return because(CUDA_ERROR_NOT_SUPPORTED, "the emulator counts nodes only");
  *n = graph->nodes.size();
  return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long) {
  EMU_BEGIN(true);
  *exec = new CUgraphExec_st{graph->nodes};
  return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  EMU_BEGIN(true);
  if (known(stream) && stream->recording) return unsupported(*stream->recording, "a graph may not be launched");
  if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
  for (const Node& n : exec->nodes) {
    if (n.mark && !events.count(n.mark)) return because(CUDA_ERROR_INVALID_VALUE, "the graph records an event that was destroyed");
  }
  // Node by node, so that waiting for an event within runs no more than leads to it.
  count(kGraphLaunches);
  for (size_t i : order_nodes(exec->nodes)) {
    const Node& n = exec->nodes[i];
    push(*stream->queue, [work = n.work] {
      count(kGraphNodes);
      return work ? work() : CUDA_SUCCESS;
    });
    if (n.mark) mark(n.mark, stream->queue);
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
  EMU_BEGIN(true);
  delete graph;
  return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  EMU_BEGIN(true);
  if (const CUresult failed = run_all()) return failed;
  delete exec;
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent* event, unsigned flags) {
  EMU_BEGIN(true);
  *event = new CUevent_st;
  (*event)->timing = !(flags & CU_EVENT_DISABLE_TIMING);
  events.insert(*event);
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent event) {
  EMU_BEGIN(true);
  if (events.erase(event) == 0) return CUDA_ERROR_INVALID_HANDLE;
  delete event;
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  EMU_BEGIN(true);
  if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!stream->recording) {
    mark(event, stream->queue);
    return CUDA_SUCCESS;
  }
  event->recording = stream->recording;
  event->last = stream->last;
  event->queue.reset();
  return CUDA_SUCCESS;
}

// With CU_EVENT_RECORD_EXTERNAL a node of the graph, which records the event at every launch.
CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  if (!(flags & CU_EVENT_RECORD_EXTERNAL)) return cuEventRecord(event, stream);
  EMU_BEGIN(true);
  if (!known(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!stream->recording) return because(CUDA_ERROR_INVALID_VALUE, "an event can be a node within a capture only");
  stream->recording->nodes.push_back({nullptr, stream->last, event});
  stream->last = {stream->recording->nodes.size() - 1};
  return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent event) {
  EMU_BEGIN(true);
  if (event->recording) return because(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded within a capture");
  if (!event->queue || event->queue->done >= event->ticket) return CUDA_SUCCESS;
  // Who asks often enough gets there: each question runs one piece of work.
  if (const CUresult failed = run_until(*event->queue, event->queue->done + 1)) return failed;
  return event->queue->done >= event->ticket ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult cuEventSynchronize(CUevent event) {
  EMU_BEGIN(true);
  if (event->recording) return because(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded within a capture");
  count(kWaits);
  return event->queue ? run_until(*event->queue, event->ticket) : CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  EMU_BEGIN(true);
  if (!start->timing || !end->timing || !start->queue || !end->queue) return CUDA_ERROR_INVALID_HANDLE;
  if (*start->milliseconds < 0 || *end->milliseconds < 0) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(*end->milliseconds - *start->milliseconds);
  return CUDA_SUCCESS;
}

}  // extern "C"
#pragma GCC visibility pop
