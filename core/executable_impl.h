#pragma once

// Private to core: what an Executable holds. executable_build.cpp fills it, executable.cpp runs it,
// executable_inspect.cpp looks into it.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/backend.h"
#include "engine/core/executable.h"
#include "engine/core/storage_plan.h"

namespace engine {

namespace detail {

// A node ready to run.
struct Step {
  const Node* node = nullptr;
  std::unique_ptr<Kernel> kernel;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  void* scratch = nullptr;

  Buffers buffers() const { return {inputs, outputs, scratch}; }
};

struct InputSlot {
  TensorType type;
  int storage = -1;
  Tensor own;    // set_input() copies here
  Tensor bound;  // what is read now
};

struct StateCopy {
  const void* from;
  void* to;
  std::int64_t bytes;
};

}  // namespace detail

struct Executable::Impl {
  using Step = detail::Step;

  explicit Impl(Store handle) : store(std::move(handle)), device(store.device()) {}

  Graph graph;
  Store store;
  Device device;
  Precision precision = Precision::f32;
  int debug = 0;
  std::function<void(std::string_view)> log;

  StoragePlan plan;
  MemoryPlan memory;
  std::vector<void*> address;  // per storage
  std::vector<Tensor> owned;   // arena, constants, persistent values, state that we hold on to
  std::vector<Step> steps;
  std::vector<detail::StateCopy> copies;
  std::map<std::string, detail::InputSlot, std::less<>> inputs;
  std::vector<std::pair<std::string, Tensor>> outputs;
  bool is_frozen = false;
  bool updates_freezable = false;
  bool has_all_inputs = false;
  std::unique_ptr<Recording> recording;  // of one step; null: enqueue node by node
  bool is_recorded = false;              // an attempt was made
  std::uint64_t version = 0;
  std::unique_ptr<Marker> last_work;  // of all that was enqueued

  // --- building ---

  void allocate(const CompileOptions& options);
  void allocate_arena(const CompileOptions& options);
  void prepare(const std::vector<int>& ids, std::vector<Step>& into);
  void connect(Step& step);
  void run_once();
  // What a frozen executable may pack, its own or another one.
  bool is_freezable(const std::string& name) const {
    const StateRole role = graph.find_state(name)->role;
    return role == StateRole::parameter || role == StateRole::statistic;
  }
  bool is_frozen_state(const std::string& name) const {
    if (!is_frozen || !is_freezable(name)) return false;
    for (const auto& [updated, value] : graph.updates()) {
      if (updated == name) return false;
    }
    return true;
  }
  void* value_address(const Value& value) const {
    return address[static_cast<std::size_t>(plan.storage_of[static_cast<std::size_t>(
        value.node_id())][static_cast<std::size_t>(value.output_index())])];
  }
  Tensor tensor_at(void* data, const TensorType& type) const {
    return Tensor::borrow(data, type.shape, type.dtype, device, [keep = owned] {});
  }
  Tensor allocate_bytes(std::int64_t bytes) const {
    return Tensor::empty({bytes}, DType::u8, device);
  }
  void say(int level, const std::string& text) const {
    if (debug >= level && log) log(text);
  }

  // --- running ---

  // Calls work(is_captured), which enqueues on `stream`, with the device current and in order with
  // what was enqueued elsewhere. Inside a caller's capture the order is his.
  template <class Work>
  void enqueue(const Stream& stream, const Work& work) {
    const CurrentDevice current(device);
    if (backend_of(device).is_capturing(device.index(), stream.native_handle())) {
      work(true);
      return;
    }
    begin_work(stream);
    try {
      work(false);
    } catch (...) {
      end_work(stream);
      throw;
    }
    end_work(stream);
  }
  void begin_work(const Stream& stream);
  void end_work(const Stream& stream);
  void check_ready() const;
  void run_step(const Stream& stream);
  void finish_step(const Stream& stream);
  void record_step();
  void note_updates();

  // --- looking into it; these wait for the stream ---

  using Visitor = std::function<void(const Node& node, std::span<const Tensor> outputs)>;
  void visit_step(const Stream& stream, const Visitor& visit);
  std::vector<NodeTime> time_steps(const Stream& stream, std::int64_t count);
  void run_step_in_words(const Stream& stream);
};

}  // namespace engine
