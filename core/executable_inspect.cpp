#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "engine/core/errors.h"
#include "engine/core/executable_impl.h"

namespace engine {

namespace {

using Clock = std::chrono::steady_clock;

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

void Executable::inspect(
    const std::function<void(const Node& node, std::span<const Tensor> outputs)>& visit) {
  Impl& impl = *impl_;
  impl.check_ready();
  const Stream stream(impl.device);
  for (detail::Step& step : impl.steps) {
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
  impl.note_updates();
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
  for (const detail::Step& step : impl.steps) {
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
  impl.note_updates();
  return times;
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
