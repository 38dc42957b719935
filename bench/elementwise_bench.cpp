// What moves memory, in GB/s beside a plain copy in the same run: every tensor counted once, read
// or written. Shape of the day/night net's first layer: 64 pictures of 64x64x32. The ops of style
// transfer ("style/...") on a picture of 512x512 and its first maps; products also in GFLOP/s.
#include <memory>
#include <vector>

#include "bench/memory_rows.h"
#include "engine/core/autodiff.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"

namespace {

using namespace engine;
using namespace engine::bench;

const Shape kImages{64, 64, 64, 32}, kPooled{64, 32, 32, 32}, kChannels{32};

void add_row(const std::string& name, std::shared_ptr<const Op> op,
             const std::vector<TensorType>& inputs) {
  Subject subject;
  subject.name = name;
  subject.op = std::move(op);
  subject.inputs = inputs;
  subject.fills = fills_of(inputs, Fill::position);  // argmax
  add_memory_row(std::move(subject));
}

void add_rows(DType dtype) {
  const TensorType image{kImages, dtype}, pooled{kPooled, dtype}, argmax{kPooled, DType::u8};
  const TensorType channels{kChannels, DType::f32};
  const auto add = [&](const std::string& name, std::shared_ptr<const Op> op,
                       std::vector<TensorType> inputs) {
    add_row(join(name, '/', dtype), std::move(op), std::move(inputs));
  };
  add_copy_row(join("copy/", dtype), image);
  add("relu", std::make_shared<UnaryOp>(UnaryMember::relu), {image});
  add("sigmoid", std::make_shared<UnaryOp>(UnaryMember::sigmoid), {image});
  add("relu_backward", std::make_shared<UnaryBackwardOp>(UnaryMember::relu), {image, image});
  add("add", std::make_shared<BinaryOp>(BinaryMember::add), {image, image});
  add("add_bias", std::make_shared<BinaryOp>(BinaryMember::add, Repeat::b), {image, channels});
  add("sum_to_channels", std::make_shared<ReduceOp>(ReduceMember::sum, AxisRange{0, 3}), {image});
  add("sum_of_rows", std::make_shared<ReduceOp>(ReduceMember::sum, AxisRange{1, 4}), {image});
  const Pool2dOptions two{.window = 2, .stride = 2}, three{.window = 3, .stride = 2, .padding = 1};
  add("max_pool2d", std::make_shared<MaxPool2dOp>(two), {image});
  add("max_pool2d_relu",
      std::make_shared<MaxPool2dOp>(two, MaxPool2dOp::Extras{.activation = Activation::relu}),
      {image});
  add("max_pool2d_backward", std::make_shared<MaxPool2dBackwardOp>(two, kImages), {pooled, argmax});
  add("max_pool2d_backward_sum", std::make_shared<MaxPool2dBackwardSumOp>(), {pooled, argmax});
  Graph graph;  // makes the ops that have no public class
  Value x = graph.input("x", kImages, dtype), c = graph.input("c", kChannels);
  const BatchNormResult norm = batch_norm_training(x, c, c, 1e-5f);
  const Value dx = gradients(sum(norm.y), std::vector<Value>{x})[0];
  add("batch_norm_training", norm.y.node().op, {image, channels, channels});
  add("batch_norm_backward", dx.node().op, {image, image, channels, channels, channels});
  add("max_pool2d_3x3", std::make_shared<MaxPool2dOp>(three), {image});
}

}  // namespace

int main(int count, char** words) {
  add_rows(DType::f32);
  add_rows(DType::bf16);
  for (Subject& subject : style_subjects(kMathModes)) {
    subject.name = "style/" + subject.name;
    add_memory_row(std::move(subject));
  }
  return run_memory_rows(count, words);
}
