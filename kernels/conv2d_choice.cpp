#include "engine/kernels/conv2d_choice.h"

#include <algorithm>
#include <ostream>

#include "engine/kernels/conv2d_special.h"

namespace engine::cuda {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// The gradient of the weights has few outputs and long sums: parts of the sums fill the GPU, as
// long as each is worth the partial results that it stores.
int plain_splits(const Conv2dProducts& products, const Gpu& gpu) {
  constexpr std::int64_t kTile = 64, kShortest = 256, kMost = 64, kBlocksEach = 4;
  const std::int64_t tiles =
      ceil_div(products.m, kTile) * ceil_div(products.n, kTile) * products.count;
  const std::int64_t wanted = ceil_div(kBlocksEach * gpu.multiprocessors, tiles);
  const std::int64_t useful = std::max<std::int64_t>(products.k / kShortest, 1);
  return static_cast<int>(std::min({wanted, useful, kMost}));
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Conv2dDirection direction) {
  switch (direction) {
    case Conv2dDirection::forward:
      return out << "forward";
    case Conv2dDirection::backward_data:
      return out << "backward_data";
    case Conv2dDirection::backward_weights:
      return out << "backward_weights";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, Conv2dAlgorithm algorithm) {
  switch (algorithm) {
    case Conv2dAlgorithm::plain:
      return out << "plain";
    case Conv2dAlgorithm::few_channels:
      return out << "few_channels";
    case Conv2dAlgorithm::depthwise:
      return out << "depthwise";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const Conv2dChoice& choice) {
  out << choice.algorithm;
  if (choice.algorithm == Conv2dAlgorithm::few_channels ||
      choice.algorithm == Conv2dAlgorithm::depthwise) {
    return out;
  }
  out << ' ' << choice.tile_m << 'x' << choice.tile_n;
  if (choice.splits > 1) out << " splits=" << choice.splits;
  return out;
}

Conv2dProducts conv2d_products(Conv2dDirection direction, const Conv2dProblem& problem) {
  const Conv2dProblem& p = problem;
  const std::int64_t groups = p.geometry.groups, ic = p.ic / groups, oc = p.oc / groups;
  const std::int64_t taps = p.kh * p.kw, pixels = p.n * p.oh * p.ow;
  switch (direction) {
    case Conv2dDirection::forward:
      return {.m = pixels, .n = oc, .k = taps * ic, .count = groups};
    case Conv2dDirection::backward_data:
      return {.m = p.n * p.ih * p.iw, .n = ic, .k = taps * oc, .count = groups};
    case Conv2dDirection::backward_weights:
      return {.m = oc, .n = taps * ic, .k = pixels, .count = groups};
  }
  return {};
}

Conv2dChoice choose_conv2d(Conv2dDirection direction, const Conv2dProblem& problem, DType dtype,
                           const Gpu& gpu) {
  if (depthwise_takes(problem, dtype)) return {.algorithm = Conv2dAlgorithm::depthwise};
  if (few_channels_takes(direction, problem, dtype)) {
    return {.algorithm = Conv2dAlgorithm::few_channels};
  }
  Conv2dChoice choice;
  if (direction == Conv2dDirection::backward_weights) {
    choice.splits = plain_splits(conv2d_products(direction, problem), gpu);
  }
  return choice;
}

}  // namespace engine::cuda
