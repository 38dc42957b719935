#include "tests/support/interpret.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/compare.h"

namespace engine {
namespace {

enum class Fault { none, overrun, underrun, input_changed, unstable, in_place, scratch };

// y = 2 x + the count of earlier runs if unstable, with a fault of choice.
class FaultyOp final : public Op {
 public:
  explicit FaultyOp(Fault fault) : fault_(fault) {}
  std::string_view name() const override { return "faulty"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    return {inputs[0]};
  }
  std::vector<InPlacePair> in_place() const override {
    return fault_ == Fault::in_place ? std::vector<InPlacePair>{{0, 0}}
                                     : std::vector<InPlacePair>{};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    const std::int64_t n = context.inputs[0].shape.elements();
    return make_kernel(
        [n, fault = fault_, runs = 0](const Stream&, const Buffers& buffers) mutable {
          const float* x = buffers.in<float>(0);
          float* y = buffers.out<float>(0);
          for (std::int64_t i = 0; i < n; ++i) y[i] = 2 * x[fault == Fault::in_place ? 0 : i];
          if (fault == Fault::overrun) y[n] = 0;
          if (fault == Fault::underrun) y[-1] = 0;
          if (fault == Fault::input_changed) const_cast<float*>(x)[0] = 7;
          if (fault == Fault::unstable) y[0] += static_cast<float>(runs++);
          if (fault == Fault::scratch) static_cast<std::uint8_t*>(buffers.scratch)[10] = 0;
        },
        10);
  }

 private:
  Fault fault_;
};

std::string message_of(Fault fault) {
  Graph graph;
  Value x = graph.input("x", {3});
  graph.output("y", graph.add1(std::make_shared<FaultyOp>(fault), {x}));
  try {
    interpret(graph, {{"x", Tensor::from(std::vector<float>{1, 2, 3}, {3})}});
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(Interpret, CatchesWhatKernelsMustNotDo) {
  EXPECT_EQ(message_of(Fault::none), "");
  EXPECT_NE(message_of(Fault::overrun).find("wrote outside output 0"), std::string::npos);
  EXPECT_NE(message_of(Fault::underrun).find("wrote outside output 0"), std::string::npos);
  EXPECT_NE(message_of(Fault::input_changed).find("changed input 0"), std::string::npos);
  EXPECT_NE(message_of(Fault::unstable).find("second run"), std::string::npos);
  EXPECT_NE(message_of(Fault::in_place).find("in place"), std::string::npos);
  EXPECT_NE(message_of(Fault::scratch).find("outside its scratch"), std::string::npos);
}

TEST(Interpret, EvaluatesInputsConstantsAndState) {
  Graph graph;
  const auto twice = [&](Value value) {
    return graph.add1(std::make_shared<FaultyOp>(Fault::none), {value});
  };
  graph.output("a", twice(graph.input("x", {2})));
  graph.output("b", twice(graph.constant(3.0f)));
  graph.output("c",
               twice(graph.read_state({.name = "w", .shape = {2}, .init = init::constant(4)})));
  const auto got = interpret(graph, {{"x", Tensor::from(std::vector<float>{1, 2}, {2})}});
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(close_to(got[0], std::vector<double>{2, 4}, 0.0));
  EXPECT_TRUE(close_to(got[1], std::vector<double>{6}, 0.0));
  EXPECT_TRUE(close_to(got[2], std::vector<double>{8, 8}, 0.0));

  Store store(Device::cpu());
  store.put("w", Tensor::from(std::vector<float>{5, 6}, {2}), StateRole::parameter);
  EXPECT_TRUE(
      close_to(interpret(graph, {{"x", Tensor::zeros({2}, DType::f32, Device::cpu())}}, &store)[2],
               std::vector<double>{10, 12}, 0.0));
}

TEST(Interpret, NamesAMissingOrWrongInput) {
  Graph graph;
  graph.output("y", graph.input("pixels", {2}));
  for (const auto& inputs : {std::map<std::string, Tensor>{},
                             std::map<std::string, Tensor>{{"pixels", Tensor::scalar(1)}}}) {
    try {
      interpret(graph, inputs);
      ADD_FAILURE() << "accepted";
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("pixels"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace engine
