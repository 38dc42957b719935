// What moves memory, in GB/s beside a plain copy in the same run: every tensor counted once, read
// or written. Shape of the day/night net's first layer: 64 pictures of 64x64x32. The ops of style
// transfer ("style/...") on a picture of 512x512 and its first maps; products also in GFLOP/s.
#include <memory>
#include <vector>

#include "bench/memory_rows.h"
#include "engine/core/autodiff.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/lbfgs_update.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/resize.h"
#include "engine/kernels/total_variation.h"
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

// The op that makes a value, with the types that it takes there.
void add_node(const std::string& name, const Value& value) {
  std::vector<TensorType> inputs;
  for (const Value& input : value.node().inputs) inputs.push_back(input.type());
  add_row(name, value.node().op, inputs);
}

void add_style_rows(DType dtype) {
  Graph graph;
  for (const auto& [side, filters] : {std::pair{512, 64}, {256, 128}, {64, 512}}) {
    const Value maps = graph.input(join("maps", side), {1, side, side, filters}, dtype);
    const Value matrix = gram(maps);
    const std::string where = join(side, 'x', side, 'x', filters, '/', dtype);
    add_node("style/gram/" + where, matrix);
    add_node("style/gram_backward/" + where, gradients(sum(matrix), std::vector<Value>{maps})[0]);
  }
  const Value x = graph.input("x", {1, 64, 64, 512}, dtype);
  const Value loss = mean_squared_difference(x, graph.input("target", x.shape()));
  add_node(join("style/mean_squared_difference/", dtype), loss);
  add_node(join("style/mean_squared_difference_backward/", dtype),
           gradients(loss, std::vector<Value>{x})[0]);
  if (dtype != DType::f32) return;
  const Value image = graph.input("image", {1, 512, 512, 3});
  const Value variation = total_variation(image);
  add_node("style/total_variation", variation);
  add_node("style/total_variation_backward", gradients(variation, std::vector<Value>{image})[0]);
  add_node("style/color_transform", color_transform(image, ColorTransform::rgb_to_yiq()));
  for (const std::int64_t side : {256, 1024}) {
    const Value resized = resize(image, {.height = side, .width = side});
    add_node(join("style/resize_to_", side), resized);
    add_node(join("style/resize_to_", side, "_backward"),
             gradients(sum(resized), std::vector<Value>{image})[0]);
  }
  const Value ring = graph.input("ring", {10, 512 * 512 * 3}), one = graph.input("one", {});
  const Value words = graph.input("words", {kLbfgsWords + 10});
  add_node("style/lbfgs_update", lbfgs_update({.learning_rate = one,
                                               .loss = one,
                                               .x = image,
                                               .gradient = image,
                                               .origin = image,
                                               .origin_gradient = image,
                                               .direction = image,
                                               .steps = ring,
                                               .changes = ring,
                                               .words = words},
                                              {})
                                     .x);
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
  add_style_rows(DType::f32);
  add_style_rows(DType::bf16);
  return run_memory_rows(count, words);
}
