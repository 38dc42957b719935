// What style transfer adds to a network, on a picture of 512x512 and maps of VGG-19.
#include <algorithm>
#include <cmath>

#include "bench/engine_bench/subject.h"
#include "engine/core/autodiff.h"
#include "engine/core/graph.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/lbfgs_update.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/resize.h"
#include "engine/kernels/total_variation.h"

namespace engine::bench {
namespace {

constexpr std::int64_t kSide = 512, kColors = 3;
const Shape kPicture{1, kSide, kSide, kColors};

// The op that makes a value, with the types that it takes there.
Subject subject_of(const std::string& op, MathMode math, const Shape& shape, const Value& value) {
  Subject subject;
  subject.name = join(op, '/', name_of(math), '/', shape[1], 'x', shape[2], 'x', shape[3]);
  subject.family = "style";
  subject.math = math;
  subject.op = value.node().op;
  for (const Value& input : value.node().inputs) {
    subject.inputs.push_back(input.type());
    // Scalars are rates and gradients of losses.
    subject.fills.push_back(input.shape().rank() == 0 ? Fill::one : Fill::symmetric);
  }
  return subject;
}

// An f32 sum of products.
void add(Expected& sum, double a, double b) {
  sum.value += a * b;
  sum.magnitude += std::abs(a * b);
  ++sum.terms;
}

void add_gram(std::vector<Subject>& subjects, MathMode math, std::int64_t side,
              std::int64_t channels) {
  Graph graph;
  const Value maps = graph.input("maps", {1, side, side, channels}, storage_of(math));
  const Value matrix = gram(maps);
  Subject forward = subject_of("gram", math, maps.shape(), matrix);
  forward.terms = side * side;
  forward.define = [channels](const HostTensors& tensors) -> Definition {
    return [channels, &x = tensors[0]](std::int64_t element) {
      const std::int64_t i = element / channels, j = element % channels;
      Expected sum;
      for (std::size_t row = 0; row < x.size(); row += channels) add(sum, x[row + i], x[row + j]);
      return sum;
    };
  };
  subjects.push_back(std::move(forward));
  Subject backward = subject_of("gram_backward", math, maps.shape(),
                                gradients(sum(matrix), std::vector<Value>{maps})[0]);
  backward.terms = channels;
  backward.define = [channels, math](const HostTensors& tensors) -> Definition {
    return [channels, math, &dy = tensors[0], &x = tensors[1]](std::int64_t element) {
      const std::int64_t row = element / channels, i = element % channels;
      Expected sum;
      for (std::int64_t j = 0; j < channels; ++j) {
        // One factor of the product is rounded to the type of the other.
        const float both = dy[i * channels + j] + dy[j * channels + i];
        add(sum, x[row * channels + j], rounded_to(math, both));
      }
      return sum;
    };
  };
  subjects.push_back(std::move(backward));
}

void add_mean_squared_difference(std::vector<Subject>& subjects, MathMode math) {
  constexpr std::int64_t kBlock = 4096;  // whose f32 sums are added in double
  Graph graph;
  const Value x = graph.input("x", {1, 64, 64, 512}, storage_of(math));
  const Value loss = mean_squared_difference(x, graph.input("target", x.shape()));
  Subject forward = subject_of("mean_squared_difference", math, x.shape(), loss);
  forward.terms = x.shape().elements();
  forward.define = [](const HostTensors& tensors) -> Definition {
    return [&tensors](std::int64_t) {
      const std::vector<float>&x = tensors[0], &target = tensors[1];
      Expected mean;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double difference = static_cast<double>(x[i]) - target[i];
        mean.value += difference * difference / static_cast<double>(x.size());
      }
      mean.magnitude = mean.value;
      mean.terms = kBlock;
      return mean;
    };
  };
  subjects.push_back(std::move(forward));
  Subject backward = subject_of("mean_squared_difference_backward", math, x.shape(),
                                gradients(loss, std::vector<Value>{x})[0]);
  backward.define = [](const HostTensors& tensors) -> Definition {
    return [&x = tensors[1], &target = tensors[2]](std::int64_t i) {
      const double scale = 2 / static_cast<double>(x.size());
      const double value = scale * (static_cast<double>(x[i]) - target[i]);
      return Expected{.value = value, .magnitude = std::abs(value), .terms = 4};
    };
  };
  subjects.push_back(std::move(backward));
}

// The difference of a neighbour `step` elements on (or back) to element `i`; 0 where `has` is
// false.
double difference(const std::vector<float>& x, std::int64_t i, std::int64_t step, bool has) {
  return has ? static_cast<double>(x[i + step]) - x[i] : 0;
}

void add_total_variation(std::vector<Subject>& subjects) {
  constexpr std::int64_t kRow = kSide * kColors;
  Graph graph;
  const Value image = graph.input("image", kPicture);
  const Value variation = total_variation(image);
  Subject forward = subject_of("total_variation", MathMode::f32, kPicture, variation);
  forward.terms = kPicture.elements();
  forward.define = [](const HostTensors& tensors) -> Definition {
    return [&x = tensors[0]](std::int64_t) {
      Expected total;
      for (std::int64_t i = 0; i < kPicture.elements(); ++i) {
        const double below = difference(x, i, kRow, i / kRow + 1 < kSide);
        const double right = difference(x, i, kColors, i % kRow / kColors + 1 < kSide);
        total.value += below * below + right * right;
      }
      total.magnitude = total.value;
      total.terms = 2 * kRow;  // of a row in f32; rows in double
      return total;
    };
  };
  subjects.push_back(std::move(forward));
  Subject backward = subject_of("total_variation_backward", MathMode::f32, kPicture,
                                gradients(variation, std::vector<Value>{image})[0]);
  backward.define = [](const HostTensors& tensors) -> Definition {
    return [&x = tensors[1]](std::int64_t i) {
      const std::int64_t row = i / kRow, column = i % kRow / kColors;
      Expected sum;
      add(sum, -2, difference(x, i, kRow, row + 1 < kSide));
      add(sum, -2, difference(x, i, -kRow, row > 0));
      add(sum, -2, difference(x, i, kColors, column + 1 < kSide));
      add(sum, -2, difference(x, i, -kColors, column > 0));
      return sum;
    };
  };
  subjects.push_back(std::move(backward));
}

// Weights of a triangle filter, [out, in], from its definition.
std::vector<double> triangles(std::int64_t in, std::int64_t out) {
  std::vector<double> weights(static_cast<std::size_t>(in * out));
  const double factor = static_cast<double>(in) / static_cast<double>(out);
  for (std::int64_t o = 0; o < out; ++o) {
    double sum = 0;
    for (std::int64_t i = 0; i < in; ++i) {
      const double distance =
          static_cast<double>(i) + 0.5 - (static_cast<double>(o) + 0.5) * factor;
      sum += weights[o * in + i] = std::max(1 - std::abs(distance) / std::max(factor, 1.0), 0.0);
    }
    for (std::int64_t i = 0; i < in; ++i) weights[o * in + i] /= sum;
  }
  return weights;
}

// An element of a resized picture, or of the gradient of one: `weight(to, from)` of either axis.
template <class Weight>
Expected resampled(const std::vector<float>& x, std::int64_t side, std::int64_t to_side,
                   std::int64_t element, const Weight& weight) {
  const std::int64_t c = element % kColors, column = element / kColors % to_side;
  const std::int64_t row = element / kColors / to_side;
  Expected sum;
  for (std::int64_t i = 0; i < side; ++i) {
    if (weight(row, i) == 0) continue;
    for (std::int64_t j = 0; j < side; ++j) {
      if (weight(column, j) == 0) continue;
      add(sum, weight(row, i) * weight(column, j), x[(i * side + j) * kColors + c]);
    }
  }
  sum.terms += 4;  // weights are rounded, and so is the width's part of the sum
  return sum;
}

void add_resize(std::vector<Subject>& subjects, std::int64_t to) {
  Graph graph;
  const Value image = graph.input("image", kPicture);
  const Value resized = resize(image, {.height = to, .width = to});
  Subject forward = subject_of(join("resize_to_", to), MathMode::f32, kPicture, resized);
  forward.define = [to](const HostTensors& tensors) -> Definition {
    return [to, &x = tensors[0], weights = triangles(kSide, to)](std::int64_t element) {
      return resampled(x, kSide, to, element,
                       [&](std::int64_t o, std::int64_t i) { return weights[o * kSide + i]; });
    };
  };
  subjects.push_back(std::move(forward));
  Subject backward = subject_of(join("resize_to_", to, "_backward"), MathMode::f32, kPicture,
                                gradients(sum(resized), std::vector<Value>{image})[0]);
  backward.define = [to](const HostTensors& tensors) -> Definition {
    return [to, &dy = tensors[0], weights = triangles(kSide, to)](std::int64_t element) {
      return resampled(dy, to, kSide, element,
                       [&](std::int64_t i, std::int64_t o) { return weights[o * kSide + i]; });
    };
  };
  subjects.push_back(std::move(backward));
}

void add_color_transform(std::vector<Subject>& subjects) {
  const ColorTransform transform = ColorTransform::rgb_to_yiq();
  Graph graph;
  Subject subject = subject_of("color_transform", MathMode::f32, kPicture,
                               color_transform(graph.input("image", kPicture), transform));
  subject.define = [matrix = transform.matrix](const HostTensors& tensors) -> Definition {
    return [matrix, &x = tensors[0]](std::int64_t element) {
      const std::int64_t pixel = element / kColors, j = element % kColors;
      Expected sum;
      for (std::int64_t i = 0; i < kColors; ++i) {
        add(sum, matrix[j * kColors + i], x[pixel * kColors + i]);
      }
      return sum;
    };
  };
  subjects.push_back(std::move(subject));
}

// A step from a history of nine pairs: the gradient is the same in each call, which no pair is made
// of, so that all calls do the same work.
void add_lbfgs_update(std::vector<Subject>& subjects) {
  constexpr int kHistory = 10, kPairs = 9;
  const std::int64_t elements = kPicture.elements();
  Graph graph;
  const Value image = graph.input("image", kPicture), one = graph.input("one", {});
  const Value ring = graph.input("ring", {kHistory, elements});
  const Value words = graph.input("words", {kLbfgsWords + kHistory});
  Subject subject = subject_of("lbfgs_update", MathMode::f32, kPicture,
                               lbfgs_update({.learning_rate = one,
                                             .loss = one,
                                             .x = image,
                                             .gradient = image,
                                             .origin = image,
                                             .origin_gradient = image,
                                             .direction = image,
                                             .steps = ring,
                                             .changes = ring,
                                             .words = words},
                                            {.history = kHistory})
                                   .x);
  subject.is_in_place = true;
  // Both loops of the recursion read all pairs; of the other vectors four are read, six written.
  subject.bytes = elements * 4 * (4 * kPairs + 10);
  std::vector<float> state(kLbfgsWords + kHistory, 0.0f);
  state[static_cast<int>(LbfgsWord::pairs)] = kPairs;
  state[static_cast<int>(LbfgsWord::newest)] = kPairs - 1;
  std::fill(state.begin() + kLbfgsWords, state.end(), static_cast<float>(elements) / 3);
  subject.given[subject.inputs.size() - 1] = std::move(state);
  subjects.push_back(std::move(subject));
}

}  // namespace

std::vector<Subject> style_subjects(std::span<const MathMode> modes) {
  std::vector<Subject> subjects;
  for (const MathMode math : modes) {
    if (math != MathMode::f32 && math != MathMode::bf16) continue;
    add_gram(subjects, math, 512, 64);
    add_gram(subjects, math, 256, 128);
    add_gram(subjects, math, 64, 512);
    add_mean_squared_difference(subjects, math);
    if (math != MathMode::f32) continue;
    add_total_variation(subjects);
    add_color_transform(subjects);
    add_resize(subjects, 256);
    add_resize(subjects, 1024);
    add_lbfgs_update(subjects);
  }
  return subjects;
}

}  // namespace engine::bench
