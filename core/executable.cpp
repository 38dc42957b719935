#include "engine/core/executable.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>

#include "engine/core/backend.h"
#include "engine/core/errors.h"
#include "engine/core/source_ops.h"
#include "engine/core/storage_plan.h"
#include "engine/core/structural_ops.h"

namespace engine {

namespace {

using Kind = StoragePlan::Kind;
using Clock = std::chrono::steady_clock;

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

int debug_level(const CompileOptions& options) {
  if (options.debug >= 0) return options.debug;
  const char* text = std::getenv("ENGINE_DEBUG");
  return text == nullptr ? 0 : std::atoi(text);
}

std::string megabytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

// The first element that is NaN or infinite; -1 when there is none.
std::int64_t first_non_finite(const Tensor& tensor) {
  if (!is_floating_point(tensor.dtype())) return -1;
  const std::vector<float> values = tensor.to_floats();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return static_cast<std::int64_t>(i);
  }
  return -1;
}

}  // namespace

struct Executable::Impl {
  Graph graph;
  Store* store = nullptr;
  Device device = Device::cpu();
  Precision precision = Precision::f32;
  int debug = 0;
  std::function<void(std::string_view)> log;

  StoragePlan plan;
  MemoryPlan memory;
  std::vector<void*> address;  // per storage
  std::vector<Tensor> owned;   // arena, constants, persistent values, state that we hold on to
  std::vector<Step> steps;
  std::vector<StateCopy> copies;
  std::map<std::string, InputSlot, std::less<>> inputs;
  std::vector<std::pair<std::string, Tensor>> outputs;
  bool is_frozen = false;
  bool updates_parameters = false;
  bool has_all_inputs = false;
  std::unique_ptr<Recording> recording;  // of one step; null: enqueue node by node
  bool is_recorded = false;              // an attempt was made
  std::uint64_t version = 0;

  // --- building ---

  void allocate(const CompileOptions& options);
  void allocate_arena(const CompileOptions& options);
  void prepare(const std::vector<int>& ids, std::vector<Step>& into);
  void connect(Step& step);
  void run_once();
  bool is_frozen_state(const std::string& name) const {
    if (!is_frozen) return false;
    const StateRole role = graph.find_state(name)->role;
    if (role != StateRole::parameter && role != StateRole::statistic) return false;
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

  void check_ready() const;
  void run_step(const Stream& stream);
  void finish_step(const Stream& stream);
  void record_step();
};

void Executable::Impl::allocate(const CompileOptions& options) {
  address.assign(plan.storages.size(), nullptr);
  for (const Node& node : graph.nodes()) {
    const auto* constant = dynamic_cast<const ConstantOp*>(node.op.get());
    if (constant == nullptr) continue;
    owned.push_back(constant->tensor.to(device));
    const int id = plan.storage_of[static_cast<std::size_t>(node.id)][0];
    address[static_cast<std::size_t>(id)] = owned.back().data();
    memory.packed += constant->tensor.bytes();
  }
  for (std::size_t id = 0; id < plan.storages.size(); ++id) {
    const StoragePlan::Storage& storage = plan.storages[id];
    switch (storage.kind) {
      case Kind::state:
        owned.push_back(store->get(storage.name));
        address[id] = owned.back().data();
        memory.state += aligned(storage.bytes);
        break;
      case Kind::persistent:
        owned.push_back(allocate_bytes(storage.bytes));
        address[id] = owned.back().data();
        memory.packed += storage.bytes;
        break;
      case Kind::input:
        inputs.at(storage.name).storage = static_cast<int>(id);
        memory.inputs += storage.bytes;
        break;
      case Kind::constant:
      case Kind::arena:
        break;
    }
  }
  run_once();
  prepare(plan.schedule, steps);
  for (const Step& step : steps) memory.packed += step.kernel->packed_bytes();
  allocate_arena(options);
  for (Step& step : steps) connect(step);
}

// Lays out intermediates and scratch. Needs the kernels, which know their scratch.
void Executable::Impl::allocate_arena(const CompileOptions& options) {
  std::vector<Lifetime> blocks;
  std::vector<void**> places;
  for (std::size_t id = 0; id < plan.storages.size(); ++id) {
    const StoragePlan::Storage& storage = plan.storages[id];
    if (storage.kind != Kind::arena) continue;
    blocks.push_back({storage.bytes, storage.first, storage.last});
    places.push_back(&address[id]);
    memory.largest.push_back({storage.name, storage.bytes});
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::int64_t bytes = steps[i].kernel->scratch_bytes();
    if (bytes == 0) continue;
    blocks.push_back({bytes, static_cast<int>(i), static_cast<int>(i)});
    places.push_back(&steps[i].scratch);
    memory.largest.push_back({steps[i].node->name + " (scratch)", bytes});
  }
  std::stable_sort(memory.largest.begin(), memory.largest.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  if (memory.largest.size() > 10) memory.largest.resize(10);

  const ArenaLayout layout = lay_out(blocks);
  memory.arena = layout.bytes;
  memory.largest_live_set = layout.largest_live_set;
  try {
    if (options.separate_allocations) {
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        owned.push_back(allocate_bytes(blocks[i].bytes));
        *places[i] = owned.back().data();
      }
      return;
    }
    owned.push_back(allocate_bytes(layout.bytes));
  } catch (const OutOfMemory& error) {
    std::string text = join("compile: out of memory for an arena of ", megabytes(layout.bytes),
                            " on ", device, "; the largest parts are");
    for (const auto& part : memory.largest) {
      text += join("\n  ", megabytes(part.bytes), "  ", part.name);
    }
    throw OutOfMemory(join(text, "\n  (", error.what(), ')'));
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    *places[i] = static_cast<std::byte*>(owned.back().data()) + layout.offsets[i];
  }
}

void Executable::Impl::prepare(const std::vector<int>& ids, std::vector<Step>& into) {
  for (int id : ids) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
    if (node.op->is_view()) continue;
    std::vector<TensorType> types;
    std::vector<const void*> frozen;
    for (const Value& input : node.inputs) {
      types.push_back(input.type());
      const StoragePlan::Storage& storage =
          plan.storages[static_cast<std::size_t>(plan.storage_of[static_cast<std::size_t>(
              input.node_id())][static_cast<std::size_t>(input.output_index())])];
      const bool never_changes = storage.kind == Kind::constant ||
                                 storage.kind == Kind::persistent ||
                                 (storage.kind == Kind::state && is_frozen_state(storage.name));
      frozen.push_back(never_changes ? value_address(input) : nullptr);
    }
    Step step;
    step.node = &node;
    try {
      step.kernel = node.op->prepare({device, types, node.outputs, frozen});
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(join(error.what(), "\n  while preparing ", node.name));
    }
    into.push_back(std::move(step));
  }
}

void Executable::Impl::connect(Step& step) {
  for (const Value& input : step.node->inputs) step.inputs.push_back(value_address(input));
  for (std::size_t i = 0; i < step.node->outputs.size(); ++i) {
    step.outputs.push_back(value_address(step.node->output(static_cast<int>(i))));
  }
}

// Computes what depends on constants and frozen parameters alone.
void Executable::Impl::run_once() {
  for (int id : plan.once) {
    std::vector<Step> single;
    prepare({id}, single);
    if (single.empty()) continue;
    connect(single[0]);
    const Tensor scratch = allocate_bytes(single[0].kernel->scratch_bytes());
    single[0].scratch = scratch.data();
    const Stream stream(device);
    single[0].kernel->run(stream, single[0].buffers());
    stream.synchronize();
  }
}

void Executable::Impl::check_ready() const {
  if (!has_all_inputs) {
    for (const auto& [name, slot] : inputs) {
      ENGINE_CHECK(slot.bound.defined(), "run: input \"", name, "\" (", slot.type,
                   ") was never given");
    }
  }
  ENGINE_CHECK(!is_frozen || version == store->version(),
               "run: the parameters changed after this executable was compiled with frozen ones; "
               "compile it again");
}

void Executable::Impl::run_step(const Stream& stream) {
  for (Step& step : steps) step.kernel->run(stream, step.buffers());
}

void Executable::Impl::finish_step(const Stream& stream) {
  for (const StateCopy& copy : copies) {
    backend_of(device).copy(copy.to, copy.from, copy.bytes, device.index(), stream.native_handle());
  }
}

// One step as one recording, where the device has such: on CUDA a captured graph.
void Executable::Impl::record_step() {
  recording = backend_of(device).record(device.index(), [this](void* handle) {
    const Stream stream = Stream::borrow(device, handle);
    run_step(stream);
    finish_step(stream);
  });
  is_recorded = true;
}

Executable::Executable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executable::Executable(Executable&&) noexcept = default;
Executable& Executable::operator=(Executable&&) noexcept = default;
Executable::~Executable() = default;

Executable build_executable(const Graph& source, Store& store, std::span<const FusionRule> rules,
                            const CompileOptions& options) {
  auto impl = std::make_unique<Executable::Impl>();
  impl->store = &store;
  impl->device = store.device();
  impl->debug = debug_level(options);
  impl->log = options.log;
  if (!impl->log && impl->debug > 0) {
    impl->log = [](std::string_view text) {
      std::fprintf(stderr, "%.*s", static_cast<int>(text.size()), text.data());
    };
  }
  impl->precision = options.precision;
  const bool has_units = store.device().has_bf16_matrix_units();
  if (impl->precision == Precision::automatic) {
    impl->precision = has_units ? Precision::bf16 : Precision::f32;
  }
  ENGINE_CHECK(impl->precision != Precision::bf16 || has_units, "compile: precision bf16 on ",
               store.device(), ", which has no matrix units for it; use f32 or auto");

  store.declare(source);
  const auto show = [&](const char* pass, const Graph& graph) {
    impl->say(3, join("--- after ", pass, '\n', graph));
  };
  Graph graph = simplify(source);
  show("simplify", graph);
  graph = simplify(apply_precision(graph, impl->precision));
  show("precision", graph);
  if (options.fuse) {
    graph = fuse(graph, rules, store.device());
    show("fusion", graph);
  }
  impl->graph = order(graph);
  show("order", impl->graph);

  impl->is_frozen = options.parameters == Parameters::frozen;
  impl->version = store.version();
  for (const Node& node : impl->graph.nodes()) {
    if (const auto* input = dynamic_cast<const InputOp*>(node.op.get())) {
      impl->inputs[input->input_name].type = input->type;
    }
  }
  // Inputs that nothing reads may still be given.
  for (const Node& node : source.nodes()) {
    if (const auto* input = dynamic_cast<const InputOp*>(node.op.get())) {
      impl->inputs[input->input_name].type = input->type;
    }
  }
  for (const auto& [name, value] : impl->graph.updates()) {
    const StateSpec& spec = *impl->graph.find_state(name);
    impl->updates_parameters = impl->updates_parameters || spec.role == StateRole::parameter;
  }
  impl->plan = plan_storage(
      impl->graph, [&](const StateSpec& spec) { return impl->is_frozen_state(spec.name); });
  impl->allocate(options);
  for (const StoragePlan::Copy& copy : impl->plan.copies) {
    impl->copies.push_back({impl->address[static_cast<std::size_t>(copy.from)],
                            impl->address[static_cast<std::size_t>(copy.to)],
                            impl->plan.storages[static_cast<std::size_t>(copy.to)].bytes});
  }
  for (std::size_t i = 0; i < impl->graph.outputs().size(); ++i) {
    const auto& [name, value] = impl->graph.outputs()[i];
    void* data = impl->address[static_cast<std::size_t>(impl->plan.output_storage[i])];
    // An output that is an input has no memory before the input is given.
    impl->outputs.emplace_back(name,
                               data == nullptr ? Tensor() : impl->tensor_at(data, value.type()));
  }
  Executable executable(std::move(impl));
  executable.impl_->say(1, executable.plan_summary());
  return executable;
}

void Executable::set_input(std::string_view name, const Tensor& value) {
  const auto found = impl_->inputs.find(name);
  ENGINE_CHECK(found != impl_->inputs.end(), "set_input: there is no input \"", name, '"');
  InputSlot& slot = found->second;
  ENGINE_CHECK(value.type() == slot.type, "set_input: \"", name, "\" is ", slot.type,
               ", given was ", value.type());
  if (!slot.own.defined()) {
    slot.own = Tensor::empty(slot.type.shape, slot.type.dtype, impl_->device);
  }
  slot.own.copy_from(value);
  if (slot.bound.data() != slot.own.data()) bind_input(name, slot.own);
}

void Executable::bind_input(std::string_view name, const Tensor& tensor) {
  Impl& impl = *impl_;
  const auto found = impl.inputs.find(name);
  ENGINE_CHECK(found != impl.inputs.end(), "bind_input: there is no input \"", name, '"');
  InputSlot& slot = found->second;
  ENGINE_CHECK(tensor.type() == slot.type, "bind_input: \"", name, "\" is ", slot.type,
               ", given was ", tensor.type());
  ENGINE_CHECK(tensor.device().type() == impl.device.type() &&
                   tensor.device().index() == impl.device.index(),
               "bind_input: \"", name, "\" is on ", tensor.device(), ", the executable on ",
               impl.device);
  slot.bound = tensor;
  impl.has_all_inputs = std::all_of(impl.inputs.begin(), impl.inputs.end(),
                                    [](const auto& item) { return item.second.bound.defined(); });
  if (slot.storage < 0) return;  // nothing reads it
  impl.recording.reset();        // it holds the old address
  impl.is_recorded = false;
  impl.address[static_cast<std::size_t>(slot.storage)] = tensor.data();
  for (Step& step : impl.steps) {
    step.inputs.clear();
    step.outputs.clear();
    impl.connect(step);
  }
  for (std::size_t i = 0; i < impl.plan.copies.size(); ++i) {
    const auto from = static_cast<std::size_t>(impl.plan.copies[i].from);
    impl.copies[i].from = impl.address[from];
  }
  for (std::size_t i = 0; i < impl.outputs.size(); ++i) {
    if (impl.plan.output_storage[i] == slot.storage) {
      impl.outputs[i].second = tensor.reshape(impl.graph.outputs()[i].second.shape());
    }
  }
}

void Executable::run(std::int64_t steps) {
  run(Stream(impl_->device), steps);
}

void Executable::run(const Stream& stream, std::int64_t steps) {
  Impl& impl = *impl_;
  impl.check_ready();
  if (impl.debug >= 2) {
    for (std::int64_t i = 0; i < steps; ++i) {
      if (impl.debug >= 4) {
        inspect([](const Node&, std::span<const Tensor>) {});
      } else {
        impl.say(2, time_table(profile(1)));
      }
    }
    return;
  }
  if (!impl.is_recorded) impl.record_step();
  for (std::int64_t i = 0; i < steps; ++i) {
    if (impl.recording) {
      impl.recording->replay(stream.native_handle());
    } else {
      impl.run_step(stream);
      impl.finish_step(stream);
    }
  }
  if (impl.updates_parameters) impl.store->mark_changed();
}

Tensor Executable::output(std::string_view name) const {
  for (const auto& [existing, tensor] : impl_->outputs) {
    if (existing == name) return tensor;
  }
  throw InvalidArgument(join("output: there is no output \"", name, '"'));
}

void Executable::inspect(
    const std::function<void(const Node& node, std::span<const Tensor> outputs)>& visit) {
  Impl& impl = *impl_;
  impl.check_ready();
  const Stream stream(impl.device);
  for (Step& step : impl.steps) {
    impl.say(
        4, join(step.node->name, ": ", step.node->op->name(), ' ', step.kernel->describe(), '\n'));
    step.kernel->run(stream, step.buffers());
    stream.synchronize();
    std::vector<Tensor> outputs;
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      outputs.push_back(impl.tensor_at(step.outputs[i], step.node->outputs[i]));
    }
    visit(*step.node, outputs);
  }
  impl.finish_step(stream);
  if (impl.updates_parameters) impl.store->mark_changed();
}

std::string Executable::find_non_finite() {
  Impl& impl = *impl_;
  std::vector<std::pair<Tensor, Tensor>> saved;  // entry, its content
  for (const auto& [name, value] : impl.graph.updates()) {
    const Tensor entry = impl.store->get(name);
    saved.emplace_back(entry, entry.clone());
  }
  std::string found;
  inspect([&](const Node& node, std::span<const Tensor> outputs) {
    for (std::size_t i = 0; found.empty() && i < outputs.size(); ++i) {
      const std::int64_t element = first_non_finite(outputs[i]);
      if (element < 0) continue;
      found = join(node.name, " (", node.op->name(), ", output ", i, ", ", outputs[i].type(),
                   ") at element ", element, ": ",
                   outputs[i].to_floats()[static_cast<std::size_t>(element)]);
    }
  });
  for (const auto& [entry, content] : saved) entry.copy_from(content);
  return found;
}

std::vector<Executable::NodeTime> Executable::profile(std::int64_t steps) {
  Impl& impl = *impl_;
  impl.check_ready();
  ENGINE_CHECK(impl.device.is_cpu(), "profile: node times are measured on the CPU only");
  const Stream stream(impl.device);
  std::vector<NodeTime> times;
  for (const Step& step : impl.steps) {
    std::vector<TensorType> types;
    for (const Value& input : step.node->inputs) types.push_back(input.type());
    times.push_back({step.node->name, std::string(step.node->op->name()), step.kernel->describe(),
                     0, step.node->op->cost(types, step.node->outputs)});
  }
  for (std::int64_t round = 0; round < steps; ++round) {
    for (std::size_t i = 0; i < impl.steps.size(); ++i) {
      const auto start = Clock::now();
      impl.steps[i].kernel->run(stream, impl.steps[i].buffers());
      times[i].seconds +=
          std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(steps);
    }
    impl.finish_step(stream);
  }
  if (impl.updates_parameters) impl.store->mark_changed();
  return times;
}

const Graph& Executable::graph() const {
  return impl_->graph;
}
const MemoryPlan& Executable::memory_plan() const {
  return impl_->memory;
}
Precision Executable::precision() const {
  return impl_->precision;
}
const Device& Executable::device() const {
  return impl_->device;
}

std::string Executable::plan_summary() const {
  const MemoryPlan& memory = impl_->memory;
  std::ostringstream out;
  out << "plan: " << impl_->steps.size() << " nodes on " << impl_->device << ", "
      << name_of(impl_->precision) << '\n'
      << "  arena   " << megabytes(memory.arena) << " (largest live set "
      << megabytes(memory.largest_live_set) << ")\n"
      << "  state   " << megabytes(memory.state) << '\n'
      << "  inputs  " << megabytes(memory.inputs) << '\n'
      << "  packed  " << megabytes(memory.packed) << '\n'
      << "  total   " << megabytes(memory.total()) << '\n';
  for (const auto& part : memory.largest) {
    out << "    " << megabytes(part.bytes) << "  " << part.name << '\n';
  }
  return out.str();
}

std::string time_table(std::span<const Executable::NodeTime> times) {
  double total = 0;
  for (const auto& node : times) total += node.seconds;
  std::ostringstream out;
  char line[256];
  std::snprintf(line, sizeof line, "%10s %6s %9s %9s  %s\n", "us", "%", "GB/s", "GFLOP/s", "node");
  out << line;
  for (const auto& node : times) {
    std::snprintf(line, sizeof line, "%10.1f %6.1f %9.1f %9.1f  %s: %s %s\n", node.seconds * 1e6,
                  100 * node.seconds / total,
                  static_cast<double>(node.cost.bytes) / node.seconds / 1e9,
                  static_cast<double>(node.cost.flops) / node.seconds / 1e9, node.name.c_str(),
                  node.op.c_str(), node.kernel.c_str());
    out << line;
  }
  std::snprintf(line, sizeof line, "%10.1f  total\n", total * 1e6);
  out << line;
  return out.str();
}

}  // namespace engine
