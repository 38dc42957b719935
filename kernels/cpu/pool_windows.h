#pragma once

#include <algorithm>

#include "engine/kernels/pool2d.h"

namespace engine::cpu {

// Channels that a pooling loop keeps in registers or L1 at a time.
inline constexpr std::int64_t kChannelBlock = 64;

struct Span {
  std::int64_t begin, end;
};

// One axis of a pooling.
struct PoolAxis {
  std::int64_t in, out, window, stride, padding;

  // Input positions of window `index` that lie inside the image.
  Span inside(std::int64_t index) const {
    const std::int64_t begin = index * stride - padding;
    return {std::max<std::int64_t>(begin, 0), std::min(begin + window, in)};
  }
  // The same, but padding counts as inside.
  std::int64_t padded_extent(std::int64_t index) const {
    const std::int64_t begin = index * stride - padding;
    return std::min(begin + window, in + padding) - begin;
  }
  // Windows that hold the input position.
  Span covering(std::int64_t position) const {
    const std::int64_t reach = position + padding - window + 1;
    const std::int64_t first = reach <= 0 ? 0 : (reach + stride - 1) / stride;
    return {first, std::min((position + padding) / stride + 1, out)};
  }
  std::int64_t offset(std::int64_t position, std::int64_t index) const {
    return position + padding - index * stride;
  }
};

inline PoolAxis vertical(const Pool2dProblem& p) {
  return {p.ih, p.oh, p.options.window.h, p.options.stride.h, p.options.padding.h};
}
inline PoolAxis horizontal(const Pool2dProblem& p) {
  return {p.iw, p.ow, p.options.window.w, p.options.stride.w, p.options.padding.w};
}

}  // namespace engine::cpu
