#include "engine/kernels/conv2d_special.h"

#include <algorithm>

#include "engine/kernels/ceil_div.h"

namespace engine::cuda {
namespace {

constexpr std::int64_t kMostShared = 96 * 1024;  // bytes a block: what every GPU since 8.0 has
constexpr std::int64_t kMostExtent = 1 << 20;    // of kernels, strides and output channels

bool is_taken_type(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16;
}

std::int64_t line_elements(const FewChannelsTiles& tiles) {
  return std::int64_t{tiles.lines} * tiles.line;
}

// See kernels/cuda/conv2d_few_channels*.cu for what lies there.
std::int64_t forward_shared_bytes(const FewChannelsTiles& tiles, int channels, DType dtype) {
  if (dtype == DType::f32) {
    return 4 * (std::int64_t{tiles.steps} * (channels + 4) + line_elements(tiles));
  }
  const std::int64_t steps = ceil_div(tiles.steps, 16) * 16;
  return 2 * (channels * (steps + 8) + line_elements(tiles)) + 4 * steps;
}

}  // namespace

FewChannelsTiles few_channels_tiles(const Conv2dProblem& p, int pixels) {
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  FewChannelsTiles best;
  for (int log_tile_w = 3; log_tile_w <= 5; ++log_tile_w) {
    const int tile_w = 1 << log_tile_w, tile_h = pixels >> log_tile_w;
    FewChannelsTiles tiles{
        .tile_h = tile_h,
        .log_tile_w = log_tile_w,
        .lines = narrow((tile_h - 1) * p.geometry.stride.h + p.kh),
        .line = narrow(((tile_w - 1) * p.geometry.stride.w + p.kw) * p.ic),
        .run = narrow(p.kw * p.ic),
        .steps = narrow(p.kh * p.kw * p.ic),
        .per_image_h = narrow(ceil_div(p.oh, tile_h)),
        .per_image_w = narrow(ceil_div(p.ow, tile_w)),
    };
    tiles.count = p.n * tiles.per_image_h * tiles.per_image_w;
    const bool is_first = log_tile_w == 3;
    if (is_first || tiles.count < best.count ||
        (tiles.count == best.count && line_elements(tiles) < line_elements(best))) {
      best = tiles;
    }
  }
  return best;
}

FewChannelsPlan few_channels_plan(Conv2dDirection direction, const Conv2dProblem& problem,
                                  DType dtype) {
  FewChannelsPlan plan;
  if (direction == Conv2dDirection::backward_weights) {
    plan.tiles = few_channels_tiles(problem, 64);
    plan.channels = 64;
    plan.shared_bytes = dtype == DType::f32 ? 4 * (64 * 64 + line_elements(plan.tiles))
                                            : 2 * (64 * 72 + line_elements(plan.tiles));
    return plan;
  }
  if (direction == Conv2dDirection::backward_data) {
    plan.tiles.count = problem.n * problem.ih * ceil_div(problem.iw, 4);
    plan.channels = dtype == DType::f32 ? 32 : 64;
    plan.shared_bytes = 4 * ceil_div(problem.oc, plan.channels) * plan.channels * problem.kh *
                        problem.kw * problem.ic;
    return plan;
  }
  plan.tiles = few_channels_tiles(problem, 128);
  // 64 channels unless 32 leave fewer idle, or 64 have no room.
  const std::int64_t rest = problem.oc % 64;
  plan.channels = rest == 0 || rest > 32 ? 64 : 32;
  plan.shared_bytes = forward_shared_bytes(plan.tiles, plan.channels, dtype);
  if (plan.channels == 64 && plan.shared_bytes > kMostShared) {
    plan.channels = 32;
    plan.shared_bytes = forward_shared_bytes(plan.tiles, plan.channels, dtype);
  }
  return plan;
}

bool few_channels_takes(Conv2dDirection direction, const Conv2dProblem& p, DType dtype) {
  const Conv2dGeometry& g = p.geometry;
  if (p.ic < 1 || p.ic > 4 || g.groups != 1 || g.dilation != Extent2d(1)) return false;
  if (!is_taken_type(dtype)) return false;
  if (std::max({p.kh, p.kw, g.stride.h, g.stride.w, p.oc}) > kMostExtent) return false;
  const std::int64_t steps = p.kh * p.kw * p.ic;
  if (direction == Conv2dDirection::backward_weights) {
    // A block has room for 16 warps with 28 elements each; on tensor cores for 5 with 32, beyond
    // which general products are faster.
    if (steps > (dtype == DType::f32 ? 16 * 28 : 5 * 32)) return false;
  }
  if (steps > kMostExtent) return false;
  return few_channels_plan(direction, p, dtype).shared_bytes <= kMostShared;
}

bool depthwise_takes(const Conv2dProblem& p, DType dtype) {
  const Conv2dGeometry& g = p.geometry;
  return is_taken_type(dtype) && g.groups == p.ic && p.oc == p.ic && p.ic > 1 &&
         g.dilation == Extent2d(1) && p.kh * p.kw <= 64 && p.oc <= kMostExtent;
}

}  // namespace engine::cuda
