#include <algorithm>

#include "engine/core/errors.h"
#include "engine/kernels/cuda/conv2d_map.h"

namespace engine::cuda {

namespace {

int narrowed(std::int64_t value, const Conv2dProblem& problem) {
  // Positions are sums of a pixel's and a tap's, each below 2^30.
  ENGINE_CHECK(value < (1 << 30), "conv2d ", problem, ": ", value,
               " pixels or elements of a filter; CUDA kernels index less than 2^30");
  return static_cast<int>(value);
}

}  // namespace

Conv2dMap conv2d_map(const Conv2dProblem& problem, int chunk) {
  const Conv2dProblem& p = problem;
  const Conv2dGeometry& g = p.geometry;
  const auto narrow = [&](std::int64_t value) { return narrowed(value, problem); };
  Conv2dMap map = {};
  map.x_pixels = narrow(p.n * p.ih * p.iw);
  map.y_pixels = narrow(p.n * p.oh * p.ow);
  narrow(p.kh * p.kw * std::max(p.ic, p.oc));
  narrow(p.ih + 2 * g.padding.h + g.dilation.h * p.kh);
  narrow(p.iw + 2 * g.padding.w + g.dilation.w * p.kw);
  map.n = narrow(p.n), map.ih = narrow(p.ih), map.iw = narrow(p.iw), map.ic = narrow(p.ic);
  map.oc = narrow(p.oc), map.kh = narrow(p.kh), map.kw = narrow(p.kw);
  map.oh = narrow(p.oh), map.ow = narrow(p.ow);
  map.stride_h = narrow(g.stride.h), map.stride_w = narrow(g.stride.w);
  map.padding_h = narrow(g.padding.h), map.padding_w = narrow(g.padding.w);
  map.dilation_h = narrow(g.dilation.h), map.dilation_w = narrow(g.dilation.w);
  map.groups = narrow(g.groups);
  map.group_ic = map.ic / map.groups, map.group_oc = map.oc / map.groups;
  map.group_steps = map.kh * map.kw * map.group_ic;
  map.by_ih = FastDivisor(std::max(map.ih, 1)), map.by_iw = FastDivisor(std::max(map.iw, 1));
  map.by_oh = FastDivisor(map.oh), map.by_ow = FastDivisor(map.ow);
  map.by_kw = FastDivisor(map.kw);
  map.by_group_ic = FastDivisor(map.group_ic), map.by_group_oc = FastDivisor(map.group_oc);
  map.by_stride_h = FastDivisor(map.stride_h), map.by_stride_w = FastDivisor(map.stride_w);
  map.by_ic_chunks = FastDivisor(std::max(map.group_ic / chunk, 1));
  map.by_oc_chunks = FastDivisor(std::max(map.group_oc / chunk, 1));
  return map;
}

}  // namespace engine::cuda
