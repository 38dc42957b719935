#include <map>

#include "engine/core/backend.h"
#include "engine/core/errors.h"
#include "engine/core/graph_data.h"
#include "engine/core/passes.h"
#include "engine/core/source_ops.h"
#include "engine/core/structural_ops.h"

namespace engine {

namespace {

constexpr std::int64_t kLargestFolded = 1 << 20;  // bytes of a constant made while compiling

// Two nodes with equal keys compute equal values.
std::string key_of(const Node& node, const std::vector<Value>& inputs) {
  std::string key = join(node.op->name(), '{', node.op->attributes(), '}');
  for (const Value& input : inputs) key += join(',', input.node_id(), '.', input.output_index());
  return key;
}

bool is_op(const Value& value, std::string_view name) {
  return value.node().op->name() == name;
}

// What a cast or reshape of `x` is without the step; empty when the step is needed.
Value shortcut(const Node& node, const Value& x) {
  const TensorType& result = node.outputs[0];
  if (node.op->name() == "reshape") {
    if (x.shape() == result.shape) return x;
    if (is_op(x, "reshape")) return reshape(x.node().inputs[0], result.shape);
  }
  if (node.op->name() == "cast") {
    if (x.dtype() == result.dtype) return x;
    // Widening is exact, so narrowing again to the type before gives the same bits back.
    if (is_op(x, "cast") && x.dtype() == DType::f32) {
      const Value& origin = x.node().inputs[0];
      const bool is_narrow = origin.dtype() == DType::bf16 || origin.dtype() == DType::f16;
      if (is_narrow && origin.dtype() == result.dtype) return origin;
    }
  }
  return {};
}

// The constants that a pure node over constants makes; empty when it is not one.
std::vector<Value> fold(Graph& graph, const Node& node, const std::vector<Value>& inputs) {
  if (node.op->effect() != Effect::pure || is_source(*node.op) || inputs.empty()) return {};
  std::vector<const void*> in;
  std::vector<TensorType> types;
  for (const Value& input : inputs) {
    const auto* constant = dynamic_cast<const ConstantOp*>(input.node().op.get());
    if (constant == nullptr) return {};
    in.push_back(constant->tensor.data());
    types.push_back(input.type());
  }
  for (const TensorType& type : node.outputs) {
    if (type.bytes() > kLargestFolded) return {};
  }
  const Device device = Device::cpu({.threads = 1});
  std::unique_ptr<Kernel> kernel;
  try {
    kernel = node.op->prepare({device, types, node.outputs, {}});
  } catch (const InvalidArgument&) {
    return {};  // the CPU has no kernel for it; the device may have one
  }
  std::vector<Tensor> results;
  std::vector<void*> out;
  for (const TensorType& type : node.outputs) {
    results.push_back(Tensor::empty(type.shape, type.dtype, device));
    out.push_back(results.back().data());
  }
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, device);
  kernel->run(Stream(device), {in, out, scratch.data()});
  std::vector<Value> values;
  for (const Tensor& tensor : results) values.push_back(graph.constant(tensor));
  return values;
}

Graph simplify_once(const Graph& graph) {
  GraphCopy copy(graph);
  std::map<std::string, int> seen;  // key -> id of the node in the source graph
  for (int id : live_nodes(graph)) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(id)];
    if (dynamic_cast<const ReadStateOp*>(node.op.get()) != nullptr) continue;  // mapped already
    const std::vector<Value> inputs = copy.mapped(node.inputs);

    if (node.op->effect() == Effect::pure && node.op->name() != "input") {
      const auto [found, is_new] = seen.emplace(key_of(node, inputs), id);
      if (!is_new) {
        const Node& twin = graph.nodes()[static_cast<std::size_t>(found->second)];
        for (int i = 0; i < static_cast<int>(node.outputs.size()); ++i) {
          copy.map(node.output(i), copy.mapped(twin.output(i)));
        }
        continue;
      }
    }
    if (inputs.size() == 1) {
      if (const Value value = shortcut(node, inputs[0])) {
        copy.map(node.output(), value);
        continue;
      }
    }
    const std::vector<Value> folded = fold(copy.target(), node, inputs);
    if (!folded.empty()) {
      for (std::size_t i = 0; i < folded.size(); ++i) {
        copy.map(node.output(static_cast<int>(i)), folded[i]);
      }
      continue;
    }
    copy.copy(node, inputs);
  }
  return copy.finish();
}

}  // namespace

// A round leaves behind what its shortcuts made superfluous, for the next one to drop.
Graph simplify(const Graph& graph) {
  Graph current = simplify_once(graph);
  while (true) {
    const std::size_t before = current.nodes().size();
    current = simplify_once(current);
    if (current.nodes().size() == before) return current;
  }
}

}  // namespace engine
