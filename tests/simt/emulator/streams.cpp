#include <algorithm>
#include <deque>
#include <memory>
#include <set>

#include "device_heap.h"
#include "runtime_state.h"
#include "shadow.h"
#include "simt/launch.h"

// Streams, events and graphs. Stream work is deferred until something waits for it, so that a
// missing dependency shows as wrong data; graphs run in any order that their edges allow.
namespace engine::simt {

Counters runtime_counters;
Counters& counters() {
  return runtime_counters;
}

static std::set<std::string> launched;
void record_launch(const char* kernel) {
  launched.insert(kernel);
}
const std::set<std::string>& launched_kernels() {
  return launched;
}

namespace {

struct GraphNode {
  std::function<cudaError_t()> perform;
  std::vector<int> dependencies;
};
struct Graph {
  std::vector<GraphNode> nodes;
  bool is_invalid = false;  // something happened that cannot be captured
  int device = 0;
};

struct Stream;
// Where the next captured node goes: behind `tail`.
struct Capture {
  Graph* graph = nullptr;
  Stream* origin = nullptr;
  std::vector<int> tail;
};

struct Event {
  int device = 0;
  std::uint64_t recorded = 0, done = 0;
  Stream* stream = nullptr;
  Capture capture;
};

struct Item {
  enum class Kind { kRun, kRecord, kWait } kind;
  std::function<cudaError_t()> perform;
  Event* event = nullptr;
  std::uint64_t ticket = 0;
  Stream* recorded_on = nullptr;  // kWait: where the ticket is
};

struct Stream {
  int device = 0;  // the default stream is that of the current one
  std::deque<Item> items;
  unsigned flags = 0;
  Capture capture;
  bool draining = false;
};

Stream null_stream;
std::set<Stream*> streams;
std::vector<std::unique_ptr<Event>> destroyed_events;  // streams may still wait for them
cudaError_t sticky = cudaSuccess, last = cudaSuccess;

Stream* stream_of(cudaStream_t stream) {
  const bool is_null =
      stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
  return is_null ? &null_stream : reinterpret_cast<Stream*>(stream);
}

// Runs what waits in the stream, or only until `until` has reached `ticket`.
void drain(Stream* stream, const Event* until = nullptr, std::uint64_t ticket = 0) {
  if (stream->draining) {
    report("stream-deadlock", "a stream waits for itself through events");
    return;
  }
  stream->draining = true;
  while (!stream->items.empty() && !(until && until->done >= ticket)) {
    const Item item = std::move(stream->items.front());
    stream->items.pop_front();
    switch (item.kind) {
      case Item::Kind::kRun:
        if (sticky == cudaSuccess) sticky = item.perform();
        break;
      case Item::Kind::kRecord:
        item.event->done = std::max(item.event->done, item.ticket);
        break;
      case Item::Kind::kWait:
        // A stream that is gone was drained, or forgotten by reset().
        if (item.event->done < item.ticket && streams.count(item.recorded_on)) {
          drain(item.recorded_on, item.event, item.ticket);
        }
    }
  }
  stream->draining = false;
}

void push(Stream* stream, Item item) {
  stream->items.push_back(std::move(item));
  if (stream == &null_stream || !config().lazy_streams) drain(stream);
}

cudaError_t run_graph(const Graph& graph) {
  const std::size_t count = graph.nodes.size();
  std::vector<int> missing(count), ready;
  std::vector<std::vector<int>> followers(count);
  for (std::size_t i = 0; i < count; i++) {
    missing[i] = static_cast<int>(graph.nodes[i].dependencies.size());
    for (int dependency : graph.nodes[i].dependencies) {
      followers[dependency].push_back(static_cast<int>(i));
    }
    if (!missing[i]) ready.push_back(static_cast<int>(i));
  }
  std::uint64_t random = config().seed * 0x9E3779B97F4A7C15ull | 1;
  while (!ready.empty()) {
    std::size_t at = 0;
    if (config().schedule == Schedule::kReverse) at = ready.size() - 1;
    if (config().schedule == Schedule::kRandom) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      at = random % ready.size();
    }
    const int node = ready[at];
    ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(at));
    if (cudaError_t error = graph.nodes[node].perform(); error != cudaSuccess) return error;
    for (int follower : followers[node]) {
      if (--missing[follower] == 0) ready.push_back(follower);
    }
  }
  return cudaSuccess;
}

// Whether every node that `tail` names comes before the end of the capture.
bool is_joined(const Graph& graph, const std::vector<int>& end, const std::vector<int>& tail) {
  std::set<int> reached(end.begin(), end.end());
  std::vector<int> open(end);
  while (!open.empty()) {
    const int node = open.back();
    open.pop_back();
    for (int dependency : graph.nodes[node].dependencies) {
      if (reached.insert(dependency).second) open.push_back(dependency);
    }
  }
  return std::all_of(tail.begin(), tail.end(), [&](int node) { return reached.count(node) > 0; });
}

}  // namespace

cudaError_t sticky_error() {
  return sticky;
}
cudaError_t returned(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}
cudaError_t last_error(bool clear) {
  const cudaError_t error = sticky != cudaSuccess ? sticky : last;
  if (clear) last = cudaSuccess;
  return error;
}

cudaError_t enqueue(cudaStream_t given, std::function<cudaError_t()> perform) {
  if (sticky != cudaSuccess) return returned(sticky);
  Stream* const stream = stream_of(given);
  if (Graph* graph = stream->capture.graph) {
    graph->nodes.push_back({std::move(perform), stream->capture.tail});
    stream->capture.tail = {static_cast<int>(graph->nodes.size()) - 1};
    return cudaSuccess;
  }
  if (stream == &null_stream) {
    if (cudaError_t error = refuse_while_capturing("work on the default stream", true))
      return error;
    for (Stream* other : streams) {
      const bool is_blocking = !(other->flags & cudaStreamNonBlocking) && !other->capture.graph;
      if (is_blocking && other->device == used_device()) drain(other);
    }
  }
  runtime_counters.operations[stream == &null_stream ? nullptr : given]++;
  push(stream, {Item::Kind::kRun, std::move(perform)});
  return stream == &null_stream || !config().lazy_streams ? returned(sticky) : cudaSuccess;
}

bool is_capturing(cudaStream_t stream) {
  return stream_of(stream)->capture.graph != nullptr;
}

int device_of(cudaStream_t given) {
  const Stream* const stream = stream_of(given);
  return stream == &null_stream ? used_device() : stream->device;
}

cudaError_t refuse_while_capturing(const char* call, bool only_blocking) {
  for (Stream* stream : streams) {
    if (!stream->capture.graph) continue;
    if (only_blocking && stream->flags & cudaStreamNonBlocking) continue;
    stream->capture.graph->is_invalid = true;
    report("capture", "%s while a stream is captured", call);
    return returned(only_blocking ? cudaErrorStreamCaptureImplicit
                                  : cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

void drain_stream(cudaStream_t stream) {
  drain(stream_of(stream));
}

void drain_all_streams() {
  for (Stream* stream : streams) drain(stream);
  drain(&null_stream);
  if (sticky == cudaSuccess) check_canaries();
}

void reset() {
  sticky = last = cudaSuccess;
  recorded_reports.clear();
  forget_reported_places();
  for (Stream* stream : streams) stream->items.clear();
  null_stream.items.clear();
  destroyed_events.clear();
  runtime_counters = Counters{};
  machine() = Machine{};
  forget_devices();
  forget_planned_failures();
}

bool is_check_build() {
  return access_checks;
}

}  // namespace engine::simt

using namespace engine::simt;

extern "C" {

// --- streams -------------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (const cudaError_t error = planned_failure("cudaStreamCreateWithFlags")) return error;
  auto* created = new Stream;
  created->flags = flags;
  created->device = used_device();
  streams.insert(created);
  *stream = reinterpret_cast<cudaStream_t>(created);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, 0);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Stream* const destroyed = stream_of(stream);
  drain(destroyed);
  streams.erase(destroyed);
  delete destroyed;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (is_capturing(stream)) {
    report("capture", "cudaStreamSynchronize on a capturing stream");
    stream_of(stream)->capture.graph->is_invalid = true;
    return returned(cudaErrorStreamCaptureUnsupported);
  }
  if (stream_of(stream) == &null_stream) {
    if (cudaError_t error = refuse_while_capturing("cudaStreamSynchronize", true)) return error;
  }
  runtime_counters.synchronisations++;
  drain(stream_of(stream));
  if (sticky == cudaSuccess) check_canaries();
  return returned(sticky);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  drain(stream_of(stream));
  return returned(sticky);
}
cudaError_t cudaDeviceSynchronize() {
  if (cudaError_t error = refuse_while_capturing("cudaDeviceSynchronize")) return error;
  runtime_counters.synchronisations++;
  drain_all_streams();
  return returned(sticky);
}

// --- events --------------------------------------------------------------------------------------

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Event{.device = used_device()});
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}
cudaError_t cudaEventDestroy(cudaEvent_t given) {
  destroyed_events.emplace_back(reinterpret_cast<Event*>(given));
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t given, cudaStream_t given_stream) {
  auto* const event = reinterpret_cast<Event*>(given);
  Stream* const stream = stream_of(given_stream);
  if (const cudaError_t error =
          check_device(device_of(given_stream), event->device, "the event", "its stream")) {
    return error;
  }
  event->capture = stream->capture;
  if (stream->capture.graph) return cudaSuccess;
  event->stream = stream;
  event->recorded++;
  push(stream, {Item::Kind::kRecord, {}, event, event->recorded});
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t given_stream, cudaEvent_t given, unsigned) {
  auto* const event = reinterpret_cast<Event*>(given);
  Stream* const stream = stream_of(given_stream);
  if (event->capture.graph) {
    if (!stream->capture.graph) {
      stream->capture = {event->capture.graph, event->capture.origin, {}};
    }
    auto& tail = stream->capture.tail;
    for (int node : event->capture.tail) {
      if (std::find(tail.begin(), tail.end(), node) == tail.end()) tail.push_back(node);
    }
    return cudaSuccess;
  }
  if (event->recorded) push(stream, {Item::Kind::kWait, {}, event, event->recorded, event->stream});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t given) {
  auto* const event = reinterpret_cast<Event*>(given);
  runtime_counters.synchronisations++;
  if (event->stream && event->done < event->recorded) {
    drain(event->stream, event, event->recorded);
  }
  return returned(sticky);
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return cudaEventSynchronize(event);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1e-3f;  // there is no device time here
  return cudaSuccess;
}

// --- graphs --------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t given, cudaStreamCaptureMode) {
  if (const cudaError_t error = planned_failure("cudaStreamBeginCapture")) return error;
  Stream* const stream = stream_of(given);
  if (stream == &null_stream || stream->capture.graph) {
    return returned(cudaErrorStreamCaptureUnsupported);
  }
  stream->capture = {new Graph{.device = stream->device}, stream, {}};
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t given, cudaGraph_t* result) {
  Stream* const stream = stream_of(given);
  const Capture capture = stream->capture;
  if (!capture.graph || capture.origin != stream) {
    return returned(cudaErrorStreamCaptureInvalidated);
  }
  bool joined = true;
  for (Stream* other : streams) {
    if (other->capture.graph != capture.graph) continue;
    joined = joined && is_joined(*capture.graph, capture.tail, other->capture.tail);
    other->capture = {};
  }
  const cudaError_t planned = planned_failure("cudaStreamEndCapture");
  if (capture.graph->is_invalid || planned != cudaSuccess) {
    *result = nullptr;
    delete capture.graph;
    return returned(planned != cudaSuccess ? planned : cudaErrorStreamCaptureInvalidated);
  }
  if (!joined) {
    *result = nullptr;
    delete capture.graph;
    report("capture", "a forked stream was not joined before cudaStreamEndCapture");
    return returned(cudaErrorStreamCaptureUnjoined);
  }
  *result = reinterpret_cast<cudaGraph_t>(capture.graph);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = is_capturing(stream) ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* result, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = planned_failure("cudaGraphInstantiate")) return error;
  // Launches hold on to it after it was destroyed.
  *result = reinterpret_cast<cudaGraphExec_t>(
      new std::shared_ptr<Graph>(new Graph(*reinterpret_cast<Graph*>(graph))));
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (const cudaError_t error = planned_failure("cudaGraphLaunch")) return error;
  const std::shared_ptr<Graph> graph = *reinterpret_cast<std::shared_ptr<Graph>*>(executable);
  if (const cudaError_t error =
          check_device(graph->device, device_of(stream), "the stream", "the graph")) {
    return error;
  }
  runtime_counters.graph_launches++;
  return enqueue(stream, [graph] { return run_graph(*graph); });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete reinterpret_cast<std::shared_ptr<Graph>*>(executable);
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = reinterpret_cast<Graph*>(graph)->nodes.size();
  return cudaSuccess;
}

}  // extern "C"
