#include "bench/engine_bench/definition.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/errors.h"

namespace engine::bench {
namespace {

struct Sum {
  Expected total;
  void add(float a, float b) {
    const double product = static_cast<double>(a) * static_cast<double>(b);
    total.value += product;
    total.magnitude += std::abs(product);
    ++total.terms;
  }
};

// Row-major indices of images, weights and outputs.
struct Indexed {
  const Conv2dProblem& p;
  std::int64_t group_in = p.ic / p.geometry.groups, group_out = p.oc / p.geometry.groups;

  std::int64_t x(std::int64_t n, std::int64_t ih, std::int64_t iw, std::int64_t ic) const {
    return ((n * p.ih + ih) * p.iw + iw) * p.ic + ic;
  }
  std::int64_t w(std::int64_t oc, std::int64_t kh, std::int64_t kw, std::int64_t c) const {
    return ((oc * p.kh + kh) * p.kw + kw) * group_in + c;
  }
  std::int64_t y(std::int64_t n, std::int64_t oh, std::int64_t ow, std::int64_t oc) const {
    return ((n * p.oh + oh) * p.ow + ow) * p.oc + oc;
  }
  std::int64_t ih(std::int64_t oh, std::int64_t kh) const {
    return oh * p.geometry.stride.h - p.geometry.padding.h + kh * p.geometry.dilation.h;
  }
  std::int64_t iw(std::int64_t ow, std::int64_t kw) const {
    return ow * p.geometry.stride.w - p.geometry.padding.w + kw * p.geometry.dilation.w;
  }
  bool is_inside(std::int64_t row, std::int64_t column) const {
    return row >= 0 && row < p.ih && column >= 0 && column < p.iw;
  }
};

Expected forward(const Conv2dProblem& p, const std::vector<float>& x, const std::vector<float>& w,
                 std::int64_t element) {
  const Indexed at{p};
  const std::int64_t oc = element % p.oc, ow = element / p.oc % p.ow;
  const std::int64_t oh = element / (p.oc * p.ow) % p.oh, n = element / (p.oc * p.ow * p.oh);
  Sum sum;
  for (std::int64_t kh = 0; kh < p.kh; ++kh)
    for (std::int64_t kw = 0; kw < p.kw; ++kw) {
      if (!at.is_inside(at.ih(oh, kh), at.iw(ow, kw))) continue;
      for (std::int64_t c = 0; c < at.group_in; ++c) {
        const std::int64_t ic = oc / at.group_out * at.group_in + c;
        sum.add(x[at.x(n, at.ih(oh, kh), at.iw(ow, kw), ic)], w[at.w(oc, kh, kw, c)]);
      }
    }
  return sum.total;
}

// The output row (or column) whose window has input `in` at tap `k`; -1 where there is none.
std::int64_t output_of(std::int64_t in, std::int64_t k, std::int64_t padding, std::int64_t dilation,
                       std::int64_t stride, std::int64_t extent) {
  const std::int64_t position = in + padding - k * dilation;
  if (position < 0 || position % stride != 0 || position / stride >= extent) return -1;
  return position / stride;
}

Expected backward_data(const Conv2dProblem& p, const std::vector<float>& dy,
                       const std::vector<float>& w, std::int64_t element) {
  const Indexed at{p};
  const Conv2dGeometry& g = p.geometry;
  const std::int64_t ic = element % p.ic, iw = element / p.ic % p.iw;
  const std::int64_t ih = element / (p.ic * p.iw) % p.ih, n = element / (p.ic * p.iw * p.ih);
  const std::int64_t group = ic / at.group_in;
  Sum sum;
  for (std::int64_t kh = 0; kh < p.kh; ++kh)
    for (std::int64_t kw = 0; kw < p.kw; ++kw) {
      const auto oh = output_of(ih, kh, g.padding.h, g.dilation.h, g.stride.h, p.oh);
      const auto ow = output_of(iw, kw, g.padding.w, g.dilation.w, g.stride.w, p.ow);
      if (oh < 0 || ow < 0) continue;
      for (std::int64_t c = 0; c < at.group_out; ++c) {
        const std::int64_t oc = group * at.group_out + c;
        sum.add(dy[at.y(n, oh, ow, oc)], w[at.w(oc, kh, kw, ic % at.group_in)]);
      }
    }
  return sum.total;
}

Expected backward_weights(const Conv2dProblem& p, const std::vector<float>& x,
                          const std::vector<float>& dy, std::int64_t element) {
  const Indexed at{p};
  const std::int64_t c = element % at.group_in, kw = element / at.group_in % p.kw;
  const std::int64_t kh = element / (at.group_in * p.kw) % p.kh;
  const std::int64_t oc = element / (at.group_in * p.kw * p.kh);
  const std::int64_t ic = oc / at.group_out * at.group_in + c;
  Sum sum;
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t oh = 0; oh < p.oh; ++oh)
      for (std::int64_t ow = 0; ow < p.ow; ++ow) {
        if (!at.is_inside(at.ih(oh, kh), at.iw(ow, kw))) continue;
        sum.add(x[at.x(n, at.ih(oh, kh), at.iw(ow, kw), ic)], dy[at.y(n, oh, ow, oc)]);
      }
  return sum.total;
}

// Half a unit in the last place of 8, 11 and 24 significant bits.
double rounding_of(DType dtype) {
  return dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f16 ? 0x1p-11 : 0x1p-24;
}

// The same below the smallest normal number; f16 alone has one that counts.
double least_rounding_of(DType dtype) {
  return dtype == DType::f16 ? 0x1p-25 : 0;
}

}  // namespace

Expected conv2d_element(const Conv2dProblem& problem, Pass pass, const std::vector<float>& first,
                        const std::vector<float>& second, std::int64_t element) {
  switch (pass) {
    case Pass::forward:
      return forward(problem, first, second, element);
    case Pass::backward_data:
      return backward_data(problem, first, second, element);
    case Pass::backward_weights:
      return backward_weights(problem, first, second, element);
  }
  return {};
}

std::int64_t conv2d_terms(const Conv2dProblem& p, Pass pass) {
  switch (pass) {
    case Pass::forward:
      return p.kh * p.kw * (p.ic / p.geometry.groups);
    case Pass::backward_data:
      return p.kh * p.kw * (p.oc / p.geometry.groups);
    case Pass::backward_weights:
      return p.n * p.oh * p.ow;
  }
  return 0;
}

double error_bound(const Expected& want, MathMode math, DType out) {
  const double sums = math == MathMode::f32 ? 0x1p-24 : 0x1p-22;
  const double terms = want.terms == 0 ? 0 : static_cast<double>(want.terms + 2);
  return terms * sums * want.magnitude +
         std::max(rounding_of(out) * std::abs(want.value), least_rounding_of(out));
}

std::vector<std::int64_t> sample_elements(std::int64_t count, std::int64_t limit) {
  ENGINE_CHECK(limit >= 2, "sample_elements: a sample of ", limit, " lacks an end");
  std::vector<std::int64_t> elements;
  if (count <= limit) {
    for (std::int64_t i = 0; i < count; ++i) elements.push_back(i);
    return elements;
  }
  // One element at a pseudo-random place of each of limit - 2 equal parts, and the ends.
  elements.push_back(0);
  std::uint64_t state = 1;
  for (std::int64_t part = 0; part < limit - 2; ++part) {
    const std::int64_t begin = 1 + (count - 2) * part / (limit - 2);
    const std::int64_t end = 1 + (count - 2) * (part + 1) / (limit - 2);
    state = state * 6364136223846793005u + 1442695040888963407u;
    elements.push_back(
        begin + static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(end - begin)));
  }
  elements.push_back(count - 1);
  return elements;
}

Errors errors_of(const std::vector<double>& got, const std::vector<Expected>& want, MathMode math,
                 DType out) {
  ENGINE_CHECK(!want.empty() && got.size() == want.size(), "errors_of: ", got.size(),
               " elements for ", want.size(), " expected ones");
  double squares = 0;
  for (const Expected& expected : want) squares += expected.value * expected.value;
  const double root = std::sqrt(squares / static_cast<double>(want.size()));
  Errors errors;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(got[i] - want[i].value);
    if (error == 0) continue;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const double bound = error_bound(want[i], math, out);
    errors.relative =
        std::max(errors.relative, error < kInfinity && root > 0 ? error / root : kInfinity);
    errors.share_of_bound =
        std::max(errors.share_of_bound, error < kInfinity && bound > 0 ? error / bound : kInfinity);
  }
  return errors;
}

}  // namespace engine::bench
