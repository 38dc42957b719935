#include "sample_runs.h"

#include <algorithm>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/adam.h"
#include "kernels/conv2d_forward.h"
#include "kernels/matmul_sm90.h"
#include "kernels/max_pool.h"
#include "kernels/reduce.h"
#include "kernels/to_bytes.h"

namespace engine::simt {

using bf16 = __nv_bfloat16;

// Bounds: (terms + 2) * eps_accumulator * sum |a||b| + eps_output * |want|, eps being half a unit
// in the last place relative to the smallest number of the binade.
constexpr double kEpsF32 = 1.0 / (1 << 24), kEpsTensorCore = 1.0 / (1 << 22);
constexpr double kEpsBf16 = 1.0 / (1 << 8);

Comparison run_sum(int count) {
  const std::vector<float> x = random_values<float>(count, 1);
  double want = 0, size = 0;
  for (float v : x) {
    want += v;
    size += std::fabs(v);
  }
  const DeviceArray<float> device_x(x), sums(std::vector<float>{0, 0});
  samples::sum(device_x.data(), sums.data(), count, 5);
  samples::sum_by_tree(device_x.data(), sums.data() + 1, count);
  Comparison comparison;
  for (float got : sums.values()) comparison.add(got, want, (count + 2) * kEpsF32 * size);
  return comparison;
}

Comparison run_count_positive(int count) {
  const std::vector<float> x = random_values<float>(count, 1);
  const auto want = std::count_if(x.begin(), x.end(), [](float v) { return v > 0; });
  const DeviceArray<float> device_x(x);
  const DeviceArray<unsigned> partial((count + 127) / 128), positive(1);
  const DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
  samples::count_positive(device_x.data(), partial.data(), ticket.data(), positive.data(), count);
  Comparison comparison;
  comparison.add(positive.values()[0], static_cast<double>(want), 0);
  comparison.add(ticket.values()[0], 0, 0);
  return comparison;
}

template <class T>
Comparison run_max_pool() {
  const samples::MaxPool p{.n = 2,
                           .h = 9,
                           .w = 7,
                           .c = 24,
                           .oh = 5,
                           .ow = 4,
                           .kh = 3,
                           .kw = 3,
                           .stride_h = 2,
                           .stride_w = 2,
                           .padding_h = 1,
                           .padding_w = 1};
  const std::vector<T> x = random_values<T>(p.n * p.h * p.w * p.c, 1);
  const DeviceArray<T> device_x(x), y(p.n * p.oh * p.ow * p.c);
  const DeviceArray<int> argmax(y.size());
  samples::max_pool(device_x.data(), y.data(), argmax.data(), p);
  const std::vector<T> got = y.values();
  const std::vector<int> got_at = argmax.values();
  Comparison comparison;
  for (std::size_t i = 0; i < got.size(); i++) {
    const int c = static_cast<int>(i) % p.c, ow = static_cast<int>(i) / p.c % p.ow;
    const int oh = static_cast<int>(i) / p.c / p.ow % p.oh;
    const int n = static_cast<int>(i) / p.c / p.ow / p.oh;
    double best = -1e30;
    int at = -1;
    for (int ih = oh * 2 - 1; ih < oh * 2 + 2; ih++) {
      for (int iw = ow * 2 - 1; iw < ow * 2 + 2; iw++) {
        if (ih < 0 || ih >= p.h || iw < 0 || iw >= p.w) continue;
        const double v = static_cast<float>(x[((n * p.h + ih) * p.w + iw) * p.c + c]);
        if (v <= best) continue;
        best = v;
        at = ih * p.w + iw;
      }
    }
    comparison.add(static_cast<float>(got[i]), best, 0);
    comparison.add(got_at[i], at, 0);
  }
  return comparison;
}
template Comparison run_max_pool<float>();
template Comparison run_max_pool<__half>();
template Comparison run_max_pool<bf16>();

Comparison run_conv2d(const Conv2dCase& given) {
  constexpr float kAlpha = 0.5f;
  const auto out = [&](int size) {
    return (size + 2 * given.padding - given.kernel) / given.stride + 1;
  };
  const samples::Conv2d p{.n = given.n,
                          .h = given.h,
                          .w = given.w,
                          .c = given.c,
                          .k = given.k,
                          .r = given.kernel,
                          .s = given.kernel,
                          .oh = out(given.h),
                          .ow = out(given.w),
                          .stride = given.stride,
                          .padding = given.padding,
                          .relu = true};
  const auto x = random_values<bf16>(p.n * p.h * p.w * p.c, 1);
  const auto w = random_values<bf16>(p.k * p.r * p.s * p.c, 2, 0.1f);
  const auto bias = random_values<float>(p.k, 3);
  const DeviceArray<bf16> device_x(x), device_w(w), device_y(p.n * p.oh * p.ow * p.k);
  const DeviceArray<float> device_bias(bias);
  samples::conv2d_forward(device_x.data(), device_w.data(), device_bias.data(), device_y.data(), p,
                          kAlpha);
  const std::vector<bf16> got = device_y.values();
  const std::vector<float> xf(x.begin(), x.end()), wf(w.begin(), w.end());
  Comparison comparison;
  for (std::size_t i = 0; i < got.size(); i++) {
    const int k = static_cast<int>(i) % p.k, pixel = static_cast<int>(i) / p.k;
    const int ow = pixel % p.ow, oh = pixel / p.ow % p.oh, n = pixel / p.ow / p.oh;
    double sum = 0, size = 0;
    for (int r = 0; r < p.r; r++) {
      for (int s = 0; s < p.s; s++) {
        const int ih = oh * p.stride - p.padding + r, iw = ow * p.stride - p.padding + s;
        if (ih < 0 || ih >= p.h || iw < 0 || iw >= p.w) continue;
        const float* const xs = &xf[((n * p.h + ih) * p.w + iw) * p.c];
        const float* const ws = &wf[((k * p.r + r) * p.s + s) * p.c];
        for (int c = 0; c < p.c; c++) {
          const double product = static_cast<double>(xs[c]) * ws[c];
          sum += product;
          size += std::fabs(product);
        }
      }
    }
    const double want = std::max(0.0, sum * kAlpha + bias[k]);
    const double terms = p.r * p.s * p.c + 2;
    comparison.add(static_cast<float>(got[i]), want,
                   terms * kEpsTensorCore * (size * kAlpha + std::fabs(bias[k])) + kEpsBf16 * want);
  }
  return comparison;
}

Comparison run_adam() {
  const int sizes[] = {1, 7, 4096, 5001, 2048, 2049, 130};
  struct Tensors {
    std::vector<float> p, g, m, v;
    DeviceArray<float> device_p, device_g, device_m, device_v;
    DeviceArray<bf16> copy;
    explicit Tensors(int size, std::uint64_t seed)
        : p(random_values<float>(size, seed)),
          g(random_values<float>(size, seed + 1)),
          m(random_values<float>(size, seed + 2, 0.1f)),
          v(random_values<float>(size, seed + 3, 0.1f)),
          device_p(p),
          device_g(g),
          device_m(m),
          device_v((std::transform(v.begin(), v.end(), v.begin(), fabsf), v)),
          copy(static_cast<std::size_t>(size)) {}
  };
  std::vector<std::unique_ptr<Tensors>> all;
  samples::AdamTable table{};
  for (int size : sizes) {
    all.push_back(std::make_unique<Tensors>(size, all.size() * 10));
    const Tensors& tensors = *all.back();
    const int i = table.count++;
    table.parameter[i] = tensors.device_p.data();
    table.gradient[i] = tensors.device_g.data();
    table.mean[i] = tensors.device_m.data();
    table.variance[i] = tensors.device_v.data();
    table.copy[i] = tensors.copy.data();
    table.size[i] = size;
  }
  const samples::AdamStep step{1e-2f, 0.9f, 0.999f, 1e-8f, 1e-2f, 1 / (1 - 0.9f), 1 / (1 - 0.999f)};
  samples::adam(table, step);
  Comparison comparison;
  for (const auto& tensors : all) {
    const auto p = tensors->device_p.values();
    const auto copy = tensors->copy.values();
    for (std::size_t i = 0; i < p.size(); i++) {
      const double g = tensors->g[i];
      const double m = step.beta1 * tensors->m[i] + (1.0 - step.beta1) * g;
      const double v = step.beta2 * tensors->v[i] + (1.0 - step.beta2) * g * g;
      const double direction =
          m * step.mean_correction / (std::sqrt(v * step.variance_correction) + step.epsilon);
      const double want =
          tensors->p[i] - step.learning_rate * (direction + step.weight_decay * tensors->p[i]);
      const double bound =
          32 * kEpsF32 * (std::fabs(want) + std::fabs(step.learning_rate * direction));
      comparison.add(p[i], want, bound);
      comparison.add(static_cast<float>(copy[i]), want, bound + kEpsBf16 * std::fabs(want));
    }
  }
  return comparison;
}

Comparison run_to_bytes(int count) {
  std::vector<float> x = random_values<float>(count, 1);
  for (float& value : x) value = std::fabs(value);
  const DeviceArray<float> device_x(x);
  const DeviceArray<std::uint8_t> y(count);
  samples::to_bytes(device_x.data(), y.data(), count);
  const std::vector<std::uint8_t> got = y.values();
  Comparison comparison;
  for (int i = 0; i < count; i++) comparison.add(got[i], 255.0 * x[i], 0.5 + 255 * kEpsF32);
  return comparison;
}

Comparison run_matmul(const MatmulCase& given) {
  const int m = given.m, n = given.n, k = given.k;
  const auto a = random_values<bf16>(m * k, 1), b = random_values<bf16>(n * k, 2, 0.1f);
  const DeviceArray<bf16> device_a(a), device_b(b), device_c(m * n);
  samples::matmul_sm90(device_a.data(), device_b.data(), device_c.data(),
                       {.m = m, .n = n, .k = k, .blocks = given.blocks, .cluster = given.cluster});
  const std::vector<bf16> got = device_c.values();
  const std::vector<float> af(a.begin(), a.end()), bf(b.begin(), b.end());
  Comparison comparison;
  // One row in three: the reference costs more than the emulation. Errors of a stage or a tile show
  // in all rows of a warp.
  for (int row = 0; row < m; row += 3) {
    for (int column = 0; column < n; column++) {
      double want = 0, size = 0;
      for (int i = 0; i < k; i++) {
        const double product = static_cast<double>(af[row * k + i]) * bf[column * k + i];
        want += product;
        size += std::fabs(product);
      }
      comparison.add(static_cast<float>(got[row * n + column]), want,
                     (k + 2) * kEpsTensorCore * size + kEpsBf16 * std::fabs(want));
    }
  }
  return comparison;
}

}  // namespace engine::simt
