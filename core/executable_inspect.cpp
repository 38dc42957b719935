#include <cmath>
#include <cstdio>

#include "engine/core/errors.h"
#include "engine/core/executable_impl.h"

namespace engine {

namespace {

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

void Executable::Impl::visit_step(const Stream& stream, const Visitor& visit) {
  for (Step& step : steps) {
    say(4, join(step.node->name, ": ", step.node->op->name(), ' ', step.kernel->describe(), '\n'));
    step.kernel->run(stream, step.buffers());
    stream.synchronize();
    std::vector<Tensor> outputs;
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
      outputs.push_back(tensor_at(step.outputs[i], step.node->outputs[i]));
    }
    visit(*step.node, outputs);
  }
  finish_step(stream);
}

std::vector<Executable::NodeTime> Executable::Impl::time_steps(const Stream& stream,
                                                               std::int64_t count) {
  std::vector<NodeTime> times;
  for (const Step& step : steps) {
    std::vector<TensorType> types;
    for (const Value& input : step.node->inputs) types.push_back(input.type());
    times.push_back({step.node->name, std::string(step.node->op->name()), step.kernel->describe(),
                     0, step.node->op->cost(types, step.node->outputs)});
  }
  const std::unique_ptr<Timer> timer = backend_of(device).make_timer(device.index());
  for (std::int64_t round = 0; round < count; ++round) {
    timer->mark(stream.native_handle());
    for (Step& step : steps) {
      step.kernel->run(stream, step.buffers());
      timer->mark(stream.native_handle());
    }
    finish_step(stream);
    const std::vector<double> seconds = timer->take();
    for (std::size_t i = 0; i < times.size(); ++i) {
      times[i].seconds += seconds[i] / static_cast<double>(count);
    }
  }
  return times;
}

void Executable::Impl::run_step_in_words(const Stream& stream) {
  if (debug >= 4) {
    visit_step(stream, [](const Node&, std::span<const Tensor>) {});
  } else {
    say(2, time_table(time_steps(stream, 1)));
  }
}

void Executable::inspect(
    const std::function<void(const Node& node, std::span<const Tensor> outputs)>& visit) {
  impl_->check_ready();
  impl_->note_updates();
  const Stream stream(impl_->device);
  impl_->enqueue(stream, [&](bool) { impl_->visit_step(stream, visit); });
}

std::string Executable::find_non_finite() {
  Impl& impl = *impl_;
  impl.check_ready();
  std::vector<std::pair<Tensor, Tensor>> saved;  // entry, its content
  for (const auto& [name, value] : impl.graph.updates()) {
    const Tensor entry = impl.store.get(name);
    saved.emplace_back(entry, entry.clone());
  }
  const auto restore = [&] {
    for (const auto& [entry, content] : saved) entry.copy_from(content);
  };
  std::string found;
  const auto look = [&](const Node& node, std::span<const Tensor> outputs) {
    for (std::size_t i = 0; found.empty() && i < outputs.size(); ++i) {
      const std::int64_t element = first_non_finite(outputs[i]);
      if (element < 0) continue;
      found = join(node.name, " (", node.op->name(), ", output ", i, ", ", outputs[i].type(),
                   ") at element ", element, ": ",
                   outputs[i].to_floats()[static_cast<std::size_t>(element)]);
    }
  };
  const Stream stream(impl.device);
  try {
    impl.enqueue(stream, [&](bool) { impl.visit_step(stream, look); });
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return found;
}

std::vector<Executable::NodeTime> Executable::profile(std::int64_t steps) {
  impl_->check_ready();
  impl_->note_updates();
  const Stream stream(impl_->device);
  std::vector<NodeTime> times;
  impl_->enqueue(stream, [&](bool) { times = impl_->time_steps(stream, steps); });
  return times;
}

std::string Executable::plan_summary() const {
  const MemoryPlan& memory = impl_->memory;
  std::string text =
      join("plan: ", impl_->steps.size(), " nodes on ", impl_->device, ", ",
           name_of(impl_->precision), "\n  arena   ", megabytes(memory.arena),
           " (largest live set ", megabytes(memory.largest_live_set), ")\n  state   ",
           megabytes(memory.state), "\n  inputs  ", megabytes(memory.inputs), "\n  packed  ",
           megabytes(memory.packed), "\n  total   ", megabytes(memory.total()), '\n');
  for (const auto& part : memory.largest) {
    text += join("    ", megabytes(part.bytes), "  ", part.name, '\n');
  }
  return text;
}

std::string time_table(std::span<const Executable::NodeTime> times) {
  double total = 0;
  for (const auto& node : times) total += node.seconds;
  std::string text;
  char line[256];
  std::snprintf(line, sizeof line, "%10s %6s %9s %9s  %s\n", "us", "%", "GB/s", "GFLOP/s", "node");
  text += line;
  for (const auto& node : times) {
    std::snprintf(line, sizeof line, "%10.1f %6.1f %9.1f %9.1f  %s: %s %s\n", node.seconds * 1e6,
                  100 * node.seconds / total,
                  static_cast<double>(node.cost.bytes) / node.seconds / 1e9,
                  static_cast<double>(node.cost.flops) / node.seconds / 1e9, node.name.c_str(),
                  node.op.c_str(), node.kernel.c_str());
    text += line;
  }
  std::snprintf(line, sizeof line, "%10.1f  total\n", total * 1e6);
  text += line;
  return text;
}

}  // namespace engine
