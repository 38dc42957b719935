// What moves memory. Definitions: relu, sigmoid and their gradients, max-pooling and its gradient,
// batch norm's output, the parameters after an update.
#include <cmath>

#include "bench/engine_bench/subject.h"
#include "engine/core/autodiff.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/reduce.h"

namespace engine::bench {
namespace {

const Shape kImages{64, 64, 64, 32}, kPooled{64, 32, 32, 32}, kChannels{32};
const std::vector<Shape> kParameters = {{4096, 4096}, {4096}};
constexpr float kEpsilon = 1e-5f;

Subject subject_of(const std::string& op, DType dtype, const std::string& shape) {
  Subject subject;
  subject.name = join(op, '/', dtype, '/', shape);
  subject.family = "memory";
  subject.math = dtype == DType::bf16 ? MathMode::bf16 : MathMode::f32;
  return subject;
}

constexpr const char* kImagesText = "64x64x64x32";

// A value that is computed in f32 to a few ulp and rounded once.
Expected computed(double value) {
  return {.value = value, .magnitude = std::abs(value), .terms = 4};
}

Subject unary_subject(UnaryMember member, DType dtype) {
  Subject subject = subject_of(std::string(name_of(member)), dtype, kImagesText);
  subject.op = std::make_shared<UnaryOp>(member);
  subject.inputs = {{kImages, dtype}};
  subject.fills = {Fill::symmetric};
  subject.define = [member](const HostTensors& tensors) -> Definition {
    return [member, &x = tensors[0]](std::int64_t i) -> Expected {
      if (member == UnaryMember::relu) return {.value = std::max(0.0f, x[i])};
      return computed(1 / (1 + std::exp(-static_cast<double>(x[i]))));
    };
  };
  subject.peer_case = ActivationCase{member, false};
  return subject;
}

Subject relu_backward_subject(DType dtype) {
  Subject subject = subject_of("relu_backward", dtype, kImagesText);
  subject.op = std::make_shared<UnaryBackwardOp>(UnaryMember::relu);
  subject.inputs = {{kImages, dtype}, {kImages, dtype}};  // dy, y
  subject.fills = {Fill::symmetric, Fill::symmetric};
  subject.define = [](const HostTensors& tensors) -> Definition {
    return [&dy = tensors[0], &y = tensors[1]](std::int64_t i) -> Expected {
      return {.value = y[i] > 0 ? dy[i] : 0.0f};
    };
  };
  subject.peer_case = ActivationCase{UnaryMember::relu, true};
  return subject;
}

// Where a pooled element's window begins in the image.
std::int64_t window_begin(std::int64_t pooled) {
  const std::int64_t c = pooled % kPooled[3], column = pooled / kPooled[3] % kPooled[2];
  const std::int64_t row = pooled / (kPooled[3] * kPooled[2]);  // of all images together
  return (row * 2 * kImages[2] + column * 2) * kImages[3] + c;
}

Subject max_pool_subject(DType dtype) {
  const Pool2dOptions options{.window = 2, .stride = 2};
  Subject subject = subject_of("max_pool2d", dtype, kImagesText);
  subject.op = std::make_shared<MaxPool2dOp>(options);
  subject.inputs = {{kImages, dtype}};
  subject.fills = {Fill::symmetric};
  subject.define = [](const HostTensors& tensors) -> Definition {
    return [&x = tensors[0]](std::int64_t i) -> Expected {
      const std::int64_t at = window_begin(i), right = kImages[3], down = kImages[2] * kImages[3];
      return {.value = std::max(std::max(x[at], x[at + right]),
                                std::max(x[at + down], x[at + down + right]))};
    };
  };
  subject.peer_case = MaxPoolCase{pool2d_problem("bench", kImages, options)};
  return subject;
}

Subject max_pool_backward_subject(DType dtype) {
  Subject subject = subject_of("max_pool2d_backward", dtype, kImagesText);
  subject.op =
      std::make_shared<MaxPool2dBackwardOp>(Pool2dOptions{.window = 2, .stride = 2}, kImages);
  subject.inputs = {{kPooled, dtype}, {kPooled, DType::u8}};
  subject.fills = {Fill::symmetric, Fill::position};
  subject.define = [](const HostTensors& tensors) -> Definition {
    return [&dy = tensors[0], &argmax = tensors[1]](std::int64_t i) -> Expected {
      const std::int64_t c = i % kImages[3], column = i / kImages[3] % kImages[2];
      const std::int64_t row = i / (kImages[3] * kImages[2]);
      const std::int64_t pooled = (row / 2 * kPooled[2] + column / 2) * kPooled[3] + c;
      const auto position = static_cast<float>(row % 2 * 2 + column % 2);
      return {.value = argmax[pooled] == position ? dy[pooled] : 0.0f};
    };
  };
  return subject;
}

BatchNormResult batch_norm_of(Graph& graph, DType dtype) {
  const Value x = graph.input("x", kImages, dtype);
  return batch_norm_training(x, graph.input("scale", kChannels), graph.input("shift", kChannels),
                             kEpsilon);
}

Subject batch_norm_subject(DType dtype) {
  Graph graph;
  Subject subject = subject_of("batch_norm_training", dtype, kImagesText);
  subject.op = batch_norm_of(graph, dtype).y.node().op;
  subject.inputs = {{kImages, dtype}, {kChannels, DType::f32}, {kChannels, DType::f32}};
  subject.fills = {Fill::symmetric, Fill::symmetric, Fill::symmetric};
  subject.define = [](const HostTensors& tensors) -> Definition {
    const std::vector<float>& x = tensors[0];
    const std::int64_t channels = kChannels[0];
    const auto rows = static_cast<double>(kImages.elements() / channels);
    std::vector<double> mean(channels), variance(channels);
    for (std::size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] / rows;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double distance = x[i] - mean[i % channels];
      variance[i % channels] += distance * distance / rows;
    }
    return [&tensors, mean, variance, channels](std::int64_t i) {
      const std::int64_t c = i % channels;
      const double scale = tensors[1][c] / std::sqrt(variance[c] + kEpsilon);
      const double shift = tensors[2][c];
      const double product = (tensors[0][i] - mean[c]) * scale;
      // The statistics are sums in f32 of blocks; their error is a few ulp of the largest part.
      return Expected{.value = product + shift,
                      .magnitude = std::abs(scale) + std::abs(product) + std::abs(shift),
                      .terms = 14};
    };
  };
  return subject;
}

Subject batch_norm_backward_subject(DType dtype) {
  Graph graph;
  const BatchNormResult norm = batch_norm_of(graph, dtype);
  const Value x = norm.y.node().inputs[0];
  const TensorType image{kImages, dtype}, channels{kChannels, DType::f32};
  Subject subject = subject_of("batch_norm_backward", dtype, kImagesText);
  subject.op = gradients(sum(norm.y), std::vector<Value>{x})[0].node().op;
  subject.inputs = {image, image, channels, channels, channels};  // dy, x, scale, mean, variance
  subject.fills = {Fill::symmetric, Fill::symmetric, Fill::symmetric, Fill::symmetric,
                   Fill::positive};
  return subject;
}

std::vector<Value> values(Graph& graph, const char* name) {
  std::vector<Value> result;
  for (const Shape& shape : kParameters) {
    result.push_back(graph.input(join(name, result.size()), shape));
  }
  return result;
}

UpdateInputs update_inputs(Graph& graph) {
  return {.learning_rate = graph.constant(1.0f),
          .gradient_scale = graph.constant(1.0f),
          .clock = graph.clock(),
          .parameters = values(graph, "p"),
          .gradients = values(graph, "g")};
}

Subject update_subject(const std::string& name, const Value& updated, std::int64_t bytes_an_element,
                       std::size_t slots) {
  Subject subject = subject_of(name, DType::f32, "17_million");
  const Node& node = updated.node();
  subject.op = node.op;
  subject.is_in_place = true;
  for (const Shape& shape : kParameters) subject.bytes += shape.elements() * bytes_an_element;
  const std::size_t scalars = node.inputs.size() - kParameters.size() * (2 + slots);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    subject.inputs.push_back(node.inputs[i].type());
    subject.fills.push_back(i < scalars ? Fill::one : Fill::positive);
  }
  return subject;
}

// The largest parameter after an update with rate 1 at step 1, as optimizer_update.h has it.
// Tensors: three scalars, then two of each kind.
Definition adam_definition(const HostTensors& tensors) {
  return [&p = tensors[3], &g = tensors[5], &m = tensors[7], &v = tensors[9]](std::int64_t i) {
    const double gradient = g[i];
    const double first = (0.9 * m[i] + 0.1 * gradient) / (1 - std::pow(0.9, 2));
    const double second = (0.999 * v[i] + 0.001 * gradient * gradient) / (1 - std::pow(0.999, 2));
    const double change = first / (std::sqrt(second) + 1e-8);
    return Expected{
        .value = p[i] - change, .magnitude = std::abs(p[i]) + std::abs(change), .terms = 14};
  };
}

Definition sgd_definition(const HostTensors& tensors) {
  return [&p = tensors[3], &g = tensors[5], &v = tensors[7]](std::int64_t i) {
    const double change = 0.9 * v[i] + g[i];
    return Expected{
        .value = p[i] - change, .magnitude = std::abs(p[i]) + std::abs(change), .terms = 4};
  };
}

std::vector<Subject> update_subjects() {
  Graph adam, sgd;
  const UpdateInputs for_adam = update_inputs(adam), for_sgd = update_inputs(sgd);
  std::vector<Subject> subjects;
  const Value by_adam =
      adam_update(for_adam, values(adam, "m"), values(adam, "v"), {}).parameters[0];
  subjects.push_back(update_subject("adam_update", by_adam, 28, 2));
  subjects.back().define = adam_definition;
  const Value by_sgd = sgd_update(for_sgd, values(sgd, "v"), {.momentum = 0.9}).parameters[0];
  subjects.push_back(update_subject("sgd_momentum_update", by_sgd, 20, 1));
  subjects.back().define = sgd_definition;
  return subjects;
}

}  // namespace

std::vector<Subject> memory_subjects(std::span<const MathMode> modes) {
  std::vector<Subject> subjects;
  for (const MathMode math : modes) {
    if (math != MathMode::f32 && math != MathMode::bf16) continue;
    const DType dtype = storage_of(math);
    subjects.push_back(unary_subject(UnaryMember::relu, dtype));
    subjects.push_back(unary_subject(UnaryMember::sigmoid, dtype));
    subjects.push_back(relu_backward_subject(dtype));
    subjects.push_back(max_pool_subject(dtype));
    subjects.push_back(max_pool_backward_subject(dtype));
    subjects.push_back(batch_norm_subject(dtype));
    subjects.push_back(batch_norm_backward_subject(dtype));
    if (dtype == DType::f32) {
      for (Subject& update : update_subjects()) subjects.push_back(std::move(update));
    }
  }
  return subjects;
}

}  // namespace engine::bench
