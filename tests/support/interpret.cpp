#include "tests/support/interpret.h"

#include <cstring>
#include <memory>
#include <stdexcept>

#include "engine/core/source_ops.h"

namespace engine {
namespace {

constexpr std::int64_t kGuard = 256;
constexpr std::uint8_t kGuardByte = 0xA5;

[[noreturn]] void fail(const Node& node, const std::string& what) {
  throw std::runtime_error("interpret: %" + std::to_string(node.id) + " " + node.name + " = " +
                           std::string(node.op->name()) + "(" + node.op->attributes() +
                           "): " + what);
}

// Memory between two guard bands. All bits set: NaN in every floating type.
class Guarded {
 public:
  explicit Guarded(std::int64_t bytes)
      : bytes_(bytes),
        memory_(static_cast<std::uint8_t*>(std::aligned_alloc(
            256, static_cast<std::size_t>(2 * kGuard + (bytes + 255) / 256 * 256)))) {
    std::memset(memory_.get(), kGuardByte, static_cast<std::size_t>(bytes + 2 * kGuard));
    std::memset(data(), 0xFF, static_cast<std::size_t>(bytes));
  }
  std::uint8_t* data() const { return memory_.get() + kGuard; }
  std::int64_t bytes() const { return bytes_; }
  bool intact() const {
    for (std::int64_t i = 0; i < kGuard; ++i) {
      if (memory_.get()[i] != kGuardByte || data()[bytes_ + i] != kGuardByte) return false;
    }
    return true;
  }
  void copy_from(const void* source) const {
    if (bytes_ > 0) std::memcpy(data(), source, static_cast<std::size_t>(bytes_));
  }
  bool equals(const void* other) const {
    return bytes_ == 0 || std::memcmp(data(), other, static_cast<std::size_t>(bytes_)) == 0;
  }

 private:
  struct Free {
    void operator()(std::uint8_t* memory) const { std::free(memory); }
  };
  std::int64_t bytes_;
  std::unique_ptr<std::uint8_t, Free> memory_;
};

// One call of a node's kernel. `in_place` is the pair whose buffers are shared, or null.
std::vector<std::shared_ptr<Guarded>> call(const Node& node, Kernel& kernel, Device device,
                                           const std::vector<Tensor>& inputs,
                                           const InPlacePair* in_place) {
  std::vector<std::unique_ptr<Guarded>> in;
  for (const Tensor& tensor : inputs) {
    in.push_back(std::make_unique<Guarded>(tensor.bytes()));
    in.back()->copy_from(tensor.data());
  }
  std::vector<std::shared_ptr<Guarded>> out;
  for (const TensorType& type : node.outputs)
    out.push_back(std::make_shared<Guarded>(type.bytes()));
  if (in_place != nullptr) {
    if (in[in_place->input]->bytes() != out[in_place->output]->bytes()) {
      fail(node, "an in-place pair of different sizes");
    }
    out[in_place->output]->copy_from(in[in_place->input]->data());
  }
  const Guarded scratch(kernel.scratch_bytes());

  std::vector<const void*> in_pointers;
  std::vector<void*> out_pointers;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const bool shared = in_place != nullptr && static_cast<int>(i) == in_place->input;
    in_pointers.push_back(shared ? out[in_place->output]->data() : in[i]->data());
  }
  for (const auto& buffer : out) out_pointers.push_back(buffer->data());
  kernel.run(Stream(device), {in_pointers, out_pointers, scratch.data()});

  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::string name = "input " + std::to_string(i);
    if (!in[i]->intact()) fail(node, "wrote outside " + name);
    if (!in[i]->equals(inputs[i].data())) fail(node, "changed " + name);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!out[i]->intact()) fail(node, "wrote outside output " + std::to_string(i));
  }
  if (!scratch.intact()) fail(node, "wrote outside its scratch");
  return out;
}

std::vector<Tensor> evaluate(const Node& node, const std::vector<Tensor>& inputs) {
  const Device device = Device::cpu();
  std::vector<TensorType> types;
  for (const Tensor& tensor : inputs) types.push_back(tensor.type());
  const auto kernel = node.op->prepare({device, types, node.outputs, {}});
  const auto out = call(node, *kernel, device, inputs, nullptr);

  const auto check_same = [&](const auto& again, const std::string& what) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!out[i]->equals(again[i]->data()))
        fail(node, what + " gave another output " + std::to_string(i));
    }
  };
  check_same(call(node, *kernel, device, inputs, nullptr), "a second run");
  for (const InPlacePair& pair : node.op->in_place()) {
    check_same(call(node, *kernel, device, inputs, &pair), "running in place");
  }

  std::vector<Tensor> results;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const TensorType& type = node.outputs[i];
    // The guarded memory lives as long as the tensor over it.
    results.push_back(Tensor::borrow(out[i]->data(), type.shape, type.dtype, device,
                                     [keep = out[i]]() mutable { keep.reset(); }));
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

std::vector<Tensor> interpret(const Graph& graph, const std::map<std::string, Tensor>& inputs,
                              const Store* store) {
  std::vector<std::vector<Tensor>> values(graph.nodes().size());
  for (const Node& node : graph.nodes()) {
    auto& results = values[static_cast<std::size_t>(node.id)];
    if (const auto* input = dynamic_cast<const InputOp*>(node.op.get())) {
      const auto found = inputs.find(input->input_name);
      if (found == inputs.end()) fail(node, "this input was not given");
      if (found->second.type() != node.outputs[0]) {
        fail(node, join("takes ", node.outputs[0], ", was given ", found->second.type()));
      }
      results = {found->second};
    } else if (const auto* constant = dynamic_cast<const ConstantOp*>(node.op.get())) {
      results = {constant->tensor};
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
      results = evaluate(node, arguments);
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
