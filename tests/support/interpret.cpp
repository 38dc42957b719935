#include "tests/support/interpret.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "engine/core/backend.h"
#include "engine/core/source_ops.h"

namespace engine {
namespace {

constexpr std::int64_t kGuard = 256;
// Around outputs and scratch: what a kernel is unlikely to write. Around inputs: NaN, so that what
// is read there shows.
constexpr std::uint8_t kWriteGuard = 0xA5, kReadGuard = 0xFF;

[[noreturn]] void fail(const Node& node, const std::string& what) {
  throw std::runtime_error("interpret: %" + std::to_string(node.id) + " " + node.name + " = " +
                           std::string(node.op->name()) + "(" + node.op->attributes() +
                           "): " + what);
}

// Memory between two guard bands, on a device. It begins with all bits set: NaN in every floating
// type.
class Guarded {
 public:
  Guarded(std::int64_t bytes, Device device, std::uint8_t guard, std::int64_t offset = 0)
      : bytes_(bytes),
        front_(guard_bytes(device) + offset),
        guard_(guard),
        memory_(Tensor::empty({front_ + bytes + guard_bytes(device)}, DType::u8, device)) {
    std::vector<std::uint8_t> image(static_cast<std::size_t>(memory_.bytes()), guard);
    std::fill_n(image.begin() + front_, bytes, std::uint8_t{0xFF});
    copy(memory_.data(), image.data(), memory_.bytes());
  }
  std::uint8_t* data() const { return static_cast<std::uint8_t*>(memory_.data()) + front_; }
  std::int64_t bytes() const { return bytes_; }
  bool intact() const {
    const std::vector<std::uint8_t> image = read(memory_.data(), memory_.bytes());
    const auto is_guard = [&](std::uint8_t byte) { return byte == guard_; };
    return std::all_of(image.begin(), image.begin() + front_, is_guard) &&
           std::all_of(image.begin() + front_ + bytes_, image.end(), is_guard);
  }
  // From host or device memory.
  void copy_from(const void* source) const { copy(data(), source, bytes_); }
  std::vector<std::uint8_t> content() const { return read(data(), bytes_); }
  Tensor to_host(const TensorType& type) const {
    Tensor tensor = Tensor::empty(type.shape, type.dtype, Device::cpu());
    copy(tensor.data(), data(), bytes_);
    return tensor;
  }

 private:
  static std::int64_t guard_bytes(const Device& device) {
    return device.is_cuda() ? gpu_guard_bytes : kGuard;
  }
  void copy(void* to, const void* from, std::int64_t bytes) const {
    const Device& device = memory_.device();
    backend_of(device).copy(to, from, bytes, device.index(), nullptr);
    backend_of(device).synchronize(device.index(), nullptr);
  }
  std::vector<std::uint8_t> read(const void* from, std::int64_t bytes) const {
    std::vector<std::uint8_t> result(static_cast<std::size_t>(bytes));
    copy(result.data(), from, bytes);
    return result;
  }

  std::int64_t bytes_, front_;
  std::uint8_t guard_;
  Tensor memory_;
};

bool same_content(const Guarded& memory, const Tensor& host) {
  const std::vector<std::uint8_t> content = memory.content();
  return content.empty() || std::memcmp(content.data(), host.data(), content.size()) == 0;
}

// Where a kernel runs, and by how many bytes its inputs and outputs miss the alignment to 256.
struct Place {
  Device device;
  std::int64_t offset;
};

// One call of a node's kernel. `in_place` is the pair whose buffers are shared, or null.
std::vector<std::unique_ptr<Guarded>> call(const Node& node, Kernel& kernel, const Place& place,
                                           const std::vector<Tensor>& inputs,
                                           const InPlacePair* in_place) {
  std::vector<std::unique_ptr<Guarded>> in;
  for (const Tensor& tensor : inputs) {
    in.push_back(std::make_unique<Guarded>(tensor.bytes(), place.device, kReadGuard, place.offset));
    in.back()->copy_from(tensor.data());
  }
  std::vector<std::unique_ptr<Guarded>> out;
  for (const TensorType& type : node.outputs) {
    out.push_back(std::make_unique<Guarded>(type.bytes(), place.device, kWriteGuard, place.offset));
  }
  if (in_place != nullptr) {
    if (in[in_place->input]->bytes() != out[in_place->output]->bytes()) {
      fail(node, "an in-place pair of different sizes");
    }
    out[in_place->output]->copy_from(in[in_place->input]->data());
  }
  const Guarded scratch(kernel.scratch_bytes(), place.device, kWriteGuard);

  std::vector<const void*> in_pointers;
  std::vector<void*> out_pointers;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const bool shared = in_place != nullptr && static_cast<int>(i) == in_place->input;
    in_pointers.push_back(shared ? out[in_place->output]->data() : in[i]->data());
  }
  for (const auto& buffer : out) out_pointers.push_back(buffer->data());
  kernel.run(Stream(place.device), {in_pointers, out_pointers, scratch.data()});

  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::string name = "input " + std::to_string(i);
    if (!in[i]->intact()) fail(node, "wrote outside " + name);
    if (!same_content(*in[i], inputs[i])) fail(node, "changed " + name);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!out[i]->intact()) fail(node, "wrote outside output " + std::to_string(i));
  }
  if (!scratch.intact()) fail(node, "wrote outside its scratch");
  return out;
}

// From and to the CPU.
std::vector<Tensor> evaluate(const Node& node, const std::vector<Tensor>& inputs,
                             const Place& place) {
  std::vector<TensorType> types;
  for (const Tensor& tensor : inputs) types.push_back(tensor.type());
  const auto kernel = node.op->prepare({place.device, types, node.outputs, {}});
  const auto out = call(node, *kernel, place, inputs, nullptr);

  const auto check_same = [&](const auto& again, const std::string& what) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i]->content() != again[i]->content()) {
        fail(node, what + " gave another output " + std::to_string(i));
      }
    }
  };
  check_same(call(node, *kernel, place, inputs, nullptr), "a second run");
  for (const InPlacePair& pair : node.op->in_place()) {
    check_same(call(node, *kernel, place, inputs, &pair), "running in place");
  }

  std::vector<Tensor> results;
  for (std::size_t i = 0; i < out.size(); ++i) {
    results.push_back(out[i]->to_host(node.outputs[i]));
  }
  return results;
}

Tensor state_value(const StateSpec& spec, const Store* store) {
  if (store != nullptr && store->find(spec.name) != nullptr) {
    return store->get(spec.name).to(Device::cpu());
  }
  return initialize(spec.init, spec.shape, spec.dtype, store != nullptr ? store->seed() : 1,
                    spec.name);
}

}  // namespace

std::int64_t gpu_guard_bytes = kGuard;

std::vector<Tensor> interpret(const Graph& graph, const std::map<std::string, Tensor>& inputs,
                              const Store* store, Device device, std::int64_t offset) {
  std::vector<std::vector<Tensor>> values(graph.nodes().size());
  for (const Node& node : graph.nodes()) {
    auto& results = values[static_cast<std::size_t>(node.id)];
    if (const auto* input = dynamic_cast<const InputOp*>(node.op.get())) {
      const auto found = inputs.find(input->input_name);
      if (found == inputs.end()) fail(node, "this input was not given");
      if (found->second.type() != node.outputs[0]) {
        fail(node, join("takes ", node.outputs[0], ", was given ", found->second.type()));
      }
      results = {found->second.to(Device::cpu())};
    } else if (const auto* constant = dynamic_cast<const ConstantOp*>(node.op.get())) {
      results = {constant->tensor.to(Device::cpu())};
    } else if (const auto* state = dynamic_cast<const ReadStateOp*>(node.op.get())) {
      const StateSpec* spec = graph.find_state(state->state_name);
      if (spec == nullptr) fail(node, "there is no state of this name");
      results = {state_value(*spec, store)};
    } else {
      std::vector<Tensor> arguments;
      for (const Value& input : node.inputs) {
        arguments.push_back(values[static_cast<std::size_t>(input.node_id())]
                                  [static_cast<std::size_t>(input.output_index())]);
      }
      results = evaluate(node, arguments, {device, offset});
    }
  }
  std::vector<Tensor> outputs;
  for (const auto& [name, value] : graph.outputs()) {
    outputs.push_back(values[static_cast<std::size_t>(value.node_id())]
                            [static_cast<std::size_t>(value.output_index())]);
  }
  return outputs;
}

}  // namespace engine
