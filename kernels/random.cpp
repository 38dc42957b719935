#include "engine/kernels/random.h"

#include "engine/core/random.h"
#include "engine/kernels/cpu/random.h"

namespace engine {
namespace {

void check_clock(std::string_view op, const TensorType& clock) {
  ENGINE_CHECK((clock == TensorType{{4}, DType::i32}), op, ": clock is ", clock,
               "; it must be the graph's clock, i32[4]");
}

class RandomTensorOp final : public RandomOp {
 public:
  RandomTensorOp(std::string key_name, cpu::Distribution distribution, const Shape& shape)
      : RandomOp(std::move(key_name)), distribution_(distribution), shape_(shape) {}

  std::string_view name() const override {
    return distribution_ == cpu::Distribution::uniform ? "random_uniform" : "random_normal";
  }
  std::string attributes() const override {
    return join("shape=", shape_, " key=\"", key_name(), '"');
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_clock(name(), inputs[0]);
    return {{shape_, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value()}; }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_random(distribution_, hash(), context);
    return cpu::prepare_random(distribution_, hash(), context);
  }

 private:
  cpu::Distribution distribution_;
  Shape shape_;
};

class DropoutOp final : public RandomOp {
 public:
  DropoutOp(std::string key_name, float rate) : RandomOp(std::move(key_name)), rate_(rate) {}

  std::string_view name() const override { return "dropout"; }
  std::string attributes() const override {
    return join("rate=", rate_, " key=\"", key_name(), '"');
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs[0].dtype == DType::f32 || inputs[0].dtype == DType::bf16, "dropout: x is ",
                 inputs[0], "; it must be f32 or bf16");
    check_clock(name(), inputs[1]);
    return {inputs[0]};
  }
  // Linear in x: the gradient passes through the same mask, made again from the same key.
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& dy = context.output_gradients[0];
    return {Graph::of(dy).add1(std::make_shared<DropoutOp>(key_name(), rate_),
                               {dy, context.inputs[1]}, key_name() + "/backward"),
            Value()};
  }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_dropout(rate_, hash(), context);
    return cpu::prepare_dropout(rate_, hash(), context);
  }

 private:
  float rate_;
};

class ShuffledRowsOp final : public RandomOp {
 public:
  ShuffledRowsOp(std::string key_name, std::int64_t rows, std::int64_t batch)
      : RandomOp(std::move(key_name)), rows_(rows), batch_(batch) {}

  std::string_view name() const override { return "shuffled_rows"; }
  std::string attributes() const override {
    return join("rows=", rows_, " batch=", batch_, " key=\"", key_name(), '"');
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_clock(name(), inputs[0]);
    return {{{batch_}, DType::i32}};
  }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value()}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_shuffled_rows(rows_, hash(), context);
    return cpu::prepare_shuffled_rows(rows_, hash(), context);
  }

 private:
  std::int64_t rows_;
  std::int64_t batch_;
};

Value random_tensor(Graph& graph, std::string_view name, cpu::Distribution distribution,
                    const Shape& shape) {
  const std::string key_name = unused_random_name(graph, name);
  return graph.add1(std::make_shared<RandomTensorOp>(key_name, distribution, shape),
                    {graph.clock()}, key_name);
}

}  // namespace

RandomOp::RandomOp(std::string key_name)
    : key_name_(std::move(key_name)), hash_(hash_name(key_name_)) {}

// Nodes are no help here: a graph renames one whose name any other node has.
std::string unused_random_name(const Graph& graph, std::string_view name) {
  const auto is_taken = [&](std::string_view candidate) {
    for (const Node& node : graph.nodes()) {
      const auto* random = dynamic_cast<const RandomOp*>(node.op.get());
      if (random != nullptr && random->key_name() == candidate) return true;
    }
    return false;
  };
  std::string candidate(name);
  for (int count = 2; is_taken(candidate); ++count) candidate = join(name, '#', count);
  return candidate;
}

Value random_uniform(Graph& graph, std::string_view name, const Shape& shape) {
  return random_tensor(graph, name, cpu::Distribution::uniform, shape);
}

Value random_normal(Graph& graph, std::string_view name, const Shape& shape) {
  return random_tensor(graph, name, cpu::Distribution::normal, shape);
}

Value dropout(const Value& x, std::string_view name, float rate) {
  ENGINE_CHECK(rate >= 0 && rate < 1, "dropout: rate ", rate, " is not in [0, 1)");
  Graph graph = Graph::of(x);
  const std::string key_name = unused_random_name(graph, name);
  return graph.add1(std::make_shared<DropoutOp>(key_name, rate), {x, graph.clock()}, key_name);
}

Value shuffled_rows(Graph& graph, std::string_view name, std::int64_t rows, std::int64_t batch) {
  ENGINE_CHECK(rows >= 1 && rows <= std::int64_t{1} << 31, "shuffled_rows: ", rows,
               " rows; at least 1 and at most 2^31 are possible");
  ENGINE_CHECK(batch >= 1 && batch <= rows, "shuffled_rows: batch ", batch, " of ", rows,
               " rows; it must be at least 1 and at most the rows");
  const std::string key_name = unused_random_name(graph, name);
  return graph.add1(std::make_shared<ShuffledRowsOp>(key_name, rows, batch), {graph.clock()},
                    key_name);
}

}  // namespace engine
