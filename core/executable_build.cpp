#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "engine/core/errors.h"
#include "engine/core/executable_impl.h"
#include "engine/core/source_ops.h"

namespace engine {

namespace {

using Kind = StoragePlan::Kind;

int debug_level(const CompileOptions& options) {
  if (options.debug >= 0) return options.debug;
  const char* text = std::getenv("ENGINE_DEBUG");
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

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
        owned.push_back(store.get(storage.name));
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
    throw OutOfMemory(join("compile: out of memory for an arena of ", megabytes(layout.bytes),
                           " beside ", megabytes(memory.state), " of state (", error.what(),
                           "); its largest parts are", list_largest(memory.largest)));
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
      step.kernel =
          node.op->prepare({device, types, node.outputs, frozen, precision == Precision::tf32});
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

Executable build_executable(const Graph& source, Store& store, std::span<const FusionRule> rules,
                            const CompileOptions& options) {
  auto impl = std::make_unique<Executable::Impl>(store.share());
  impl->debug = debug_level(options);
  impl->log = options.log;
  if (!impl->log && impl->debug > 0) {
    impl->log = [](std::string_view text) {
      std::fprintf(stderr, "%.*s", static_cast<int>(text.size()), text.data());
    };
  }
  impl->precision = options.precision;
  const bool has_bf16 = store.device().has_bf16_matrix_units();
  if (impl->precision == Precision::automatic) {
    impl->precision = has_bf16 ? Precision::bf16 : Precision::f32;
  }
  const bool has_units =
      (impl->precision != Precision::bf16 || has_bf16) &&
      (impl->precision != Precision::tf32 || store.device().has_tf32_matrix_units());
  ENGINE_CHECK(has_units, "compile: precision ", name_of(impl->precision), " on ", store.device(),
               ", which has no matrix units for it; use f32 or auto");

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
    impl->updates_freezable = impl->updates_freezable || impl->is_freezable(name);
  }
  impl->plan = plan_storage(
      impl->graph, [&](const StateSpec& spec) { return impl->is_frozen_state(spec.name); });
  const CurrentDevice current(impl->device);
  impl->last_work = backend_of(impl->device).make_marker(impl->device.index());
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

}  // namespace engine
