#include "engine/core/executable.h"

#include <algorithm>

#include "engine/core/errors.h"
#include "engine/core/executable_impl.h"
#include "engine/core/no_such.h"

namespace engine {

void Executable::Impl::check_ready() const {
  if (!has_all_inputs) {
    for (const auto& [name, slot] : inputs) {
      ENGINE_CHECK(slot.bound.defined(), "run: input \"", name, "\" (", slot.type,
                   ") was never given");
    }
  }
  ENGINE_CHECK(!is_frozen || version == store.version(),
               "run: parameters or statistics changed after this executable was compiled with "
               "frozen ones; compile it again");
}

void Executable::Impl::run_step(const Stream& stream) {
  for (Step& step : steps) step.kernel->run(stream, step.buffers());
}

void Executable::Impl::finish_step(const Stream& stream) {
  for (const detail::StateCopy& copy : copies) {
    backend_of(device).copy(copy.to, copy.from, copy.bytes, device.index(), stream.native_handle());
  }
}

void Executable::Impl::begin_work(const Stream& stream) {
  void* const handle = stream.native_handle();
  if (handle == nullptr) {
    backend_of(device).order_default_stream(device.index());
  } else {
    last_work->hold(handle);
  }
}

void Executable::Impl::end_work(const Stream& stream) {
  last_work->set(stream.native_handle());
}

// Frozen is what this executable does not update, so its own updates leave its packed copies right.
void Executable::Impl::note_updates() {
  if (!updates_freezable) return;
  store.mark_changed();
  version = store.version();
}

// One step as one recording, where the device has such: on CUDA a captured graph.
void Executable::Impl::record_step() {
  recording = backend_of(device).record(device.index(), [this](void* handle) {
    const Stream stream = Stream::borrow(device, handle);
    run_step(stream);
    finish_step(stream);
  });
  is_recorded = true;
  if (!recording && device.is_cuda()) {
    say(1, "run: this step cannot be captured; its kernels are launched one by one\n");
  }
}

Executable::Executable(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executable::Executable(Executable&&) noexcept = default;
Executable& Executable::operator=(Executable&&) noexcept = default;
Executable::~Executable() = default;

void Executable::set_input(std::string_view name, const Tensor& value) {
  own_input(name, value.type()).copy_from(value);
}

void Executable::set_input(std::string_view name, const Tensor& value, const Stream& stream) {
  const Tensor own = own_input(name, value.type());
  impl_->enqueue(stream, [&](bool) { own.copy_from(value, stream); });
}

// Makes the buffer, and has it read.
Tensor Executable::own_input(std::string_view name, const TensorType& type) {
  const auto found = impl_->inputs.find(name);
  ENGINE_CHECK(found != impl_->inputs.end(), "set_input: ", no_such("input", name, impl_->inputs));
  detail::InputSlot& slot = found->second;
  ENGINE_CHECK(type == slot.type, "set_input: \"", name, "\" is ", slot.type, ", given was ", type);
  if (!slot.own.defined()) {
    slot.own = Tensor::empty(slot.type.shape, slot.type.dtype, impl_->device);
  }
  if (slot.bound.data() != slot.own.data()) bind_input(name, slot.own);
  return slot.own;
}

void Executable::bind_input(std::string_view name, const Tensor& tensor) {
  Impl& impl = *impl_;
  const auto found = impl.inputs.find(name);
  ENGINE_CHECK(found != impl.inputs.end(), "bind_input: ", no_such("input", name, impl.inputs));
  detail::InputSlot& slot = found->second;
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
  for (detail::Step& step : impl.steps) {
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
  impl.note_updates();
  impl.enqueue(stream, [&](bool is_captured) {
    if (impl.debug >= 2 && !is_captured) {
      for (std::int64_t i = 0; i < steps; ++i) impl.run_step_in_words(stream);
      return;
    }
    // In a caller's own capture the step becomes part of his recording, node by node.
    if (!impl.is_recorded && !is_captured) impl.record_step();
    for (std::int64_t i = 0; i < steps; ++i) {
      if (impl.recording && !is_captured) {
        impl.recording->replay(stream.native_handle());
      } else {
        impl.run_step(stream);
        impl.finish_step(stream);
      }
    }
  });
}

Tensor Executable::output(std::string_view name) const {
  for (const auto& [existing, tensor] : impl_->outputs) {
    if (existing == name) return tensor;
  }
  throw InvalidArgument(join("output: ", no_such("output", name, impl_->outputs)));
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

}  // namespace engine
