#include "engine/kernels/cpu/optimizer_update.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

constexpr int kParameters = 3;  // index of the first parameter among the inputs

// A run of elements of one tensor.
struct Segment {
  int tensor;
  std::int64_t begin, end;
};

// All tensors cut into pieces of at most `most` elements: what the threads share out evenly,
// however unequal the tensors are.
std::vector<Segment> segments(std::span<const TensorType> types, std::int64_t most) {
  std::vector<Segment> result;
  for (int tensor = 0; tensor < std::ssize(types); ++tensor) {
    const std::int64_t count = types[static_cast<std::size_t>(tensor)].shape.elements();
    for (std::int64_t begin = 0; begin < count; begin += most) {
      result.push_back({tensor, begin, std::min(begin + most, count)});
    }
  }
  return result;
}

// Small enough for an even split, large enough for the hardware's prefetching.
constexpr std::int64_t kUpdateSegment = 8192;
constexpr std::int64_t kNormBlock = 4096;

std::int64_t mean_size(const std::vector<Segment>& list) {
  std::int64_t elements = 0;
  for (const Segment& segment : list) elements += segment.end - segment.begin;
  return list.empty() ? 0 : elements / std::ssize(list) + 1;
}

struct SgdStep {
  float learning_rate, gradient_scale, momentum, weight_decay;
};

struct SgdPointers {
  const float *p, *g, *v;
  float *new_p, *new_v;
};

ENGINE_CPU_CLONES void sgd_plain(const SgdStep& step, const SgdPointers& at, std::int64_t count) {
  const auto [learning_rate, gradient_scale, momentum, weight_decay] = step;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = at.p[i];
    const float g = at.g[i] * gradient_scale + weight_decay * p;
    at.new_p[i] = p - learning_rate * g;
  }
}

template <bool kNesterov>
ENGINE_ALWAYS_INLINE void sgd_momentum_loop(const SgdStep& step, const SgdPointers& at,
                                            std::int64_t count) {
  const auto [learning_rate, gradient_scale, momentum, weight_decay] = step;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = at.p[i];
    const float g = at.g[i] * gradient_scale + weight_decay * p;
    const float v = momentum * at.v[i] + g;
    at.new_v[i] = v;
    at.new_p[i] = p - learning_rate * (kNesterov ? g + momentum * v : v);
  }
}

ENGINE_CPU_CLONES void sgd_momentum(const SgdStep& step, const SgdPointers& at,
                                    std::int64_t count) {
  sgd_momentum_loop<false>(step, at, count);
}
ENGINE_CPU_CLONES void sgd_nesterov(const SgdStep& step, const SgdPointers& at,
                                    std::int64_t count) {
  sgd_momentum_loop<true>(step, at, count);
}

struct AdamStep {
  float gradient_scale;
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float step_size;    // learning rate / (1 - beta1^t)
  float root_factor;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
  float l2;     // added to the gradient, times the parameter
  float decay;  // multiplies the parameter
};

AdamStep adam_step(const AdamUpdate& options, double learning_rate, float gradient_scale,
                   std::uint32_t step) {
  const double t = double{1} + step;
  const double decay = options.decoupled ? options.weight_decay : 0;
  return {.gradient_scale = gradient_scale,
          .beta1 = static_cast<float>(options.beta1),
          .one_minus_beta1 = static_cast<float>(1 - options.beta1),
          .beta2 = static_cast<float>(options.beta2),
          .one_minus_beta2 = static_cast<float>(1 - options.beta2),
          .step_size = static_cast<float>(learning_rate / (1 - std::pow(options.beta1, t))),
          .root_factor = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, t))),
          .epsilon = static_cast<float>(options.epsilon),
          .l2 = static_cast<float>(options.decoupled ? 0 : options.weight_decay),
          .decay = static_cast<float>(1 - learning_rate * decay)};
}

struct AdamPointers {
  const float *p, *g, *m, *v;
  float *new_p, *new_m, *new_v;
};

ENGINE_CPU_CLONES void adam(const AdamStep& constants, const AdamPointers& at, std::int64_t count) {
  const AdamStep step = constants;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = at.p[i];
    const float g = at.g[i] * step.gradient_scale + step.l2 * p;
    const float m = step.beta1 * at.m[i] + step.one_minus_beta1 * g;
    const float v = step.beta2 * at.v[i] + step.one_minus_beta2 * g * g;
    at.new_m[i] = m;
    at.new_v[i] = v;
    at.new_p[i] =
        step.decay * p - step.step_size * m / (std::sqrt(v) * step.root_factor + step.epsilon);
  }
}

// Sixteen running sums, whatever the vector length: the same order with every instruction set.
ENGINE_CPU_CLONES float sum_of_squares(const float* x, std::int64_t count) {
  constexpr int kLanes = 16;
  float sums[kLanes] = {};
  std::int64_t first = 0;
  for (; first + kLanes <= count; first += kLanes) {
#pragma omp simd
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += x[first + lane] * x[first + lane];
  }
  for (int lane = 0; first + lane < count; ++lane) {
    sums[lane] += x[first + lane] * x[first + lane];
  }
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

}  // namespace

std::unique_ptr<Kernel> prepare_sgd_update(const SgdUpdate& options, int count,
                                           const PrepareContext& context) {
  auto list = segments(context.inputs.subspan(kParameters, static_cast<std::size_t>(count)),
                       kUpdateSegment);
  const std::int64_t work = mean_size(list);
  const bool has_velocity = options.momentum != 0;
  const auto update = !has_velocity ? sgd_plain : options.nesterov ? sgd_nesterov : sgd_momentum;
  return make_kernel([=, list = std::move(list)](const Stream& stream, const Buffers& buffers) {
    const SgdStep step{.learning_rate = *buffers.in<float>(0),
                       .gradient_scale = *buffers.in<float>(1),
                       .momentum = static_cast<float>(options.momentum),
                       .weight_decay = static_cast<float>(options.weight_decay)};
    parallel_for(stream, std::ssize(list), work, [&](std::int64_t first, std::int64_t last) {
      for (const Segment& part : std::span(list).subspan(first, last - first)) {
        const int slot = part.tensor + count;
        SgdPointers at{.p = buffers.in<float>(kParameters + part.tensor) + part.begin,
                       .g = buffers.in<float>(kParameters + slot) + part.begin,
                       .v = nullptr,
                       .new_p = buffers.out<float>(part.tensor) + part.begin,
                       .new_v = nullptr};
        if (has_velocity) {
          at.v = buffers.in<float>(kParameters + slot + count) + part.begin;
          at.new_v = buffers.out<float>(slot) + part.begin;
        }
        update(step, at, part.end - part.begin);
      }
    });
  });
}

std::unique_ptr<Kernel> prepare_adam_update(const AdamUpdate& options, int count,
                                            const PrepareContext& context) {
  auto list = segments(context.inputs.subspan(kParameters, static_cast<std::size_t>(count)),
                       kUpdateSegment);
  const std::int64_t work = mean_size(list);
  return make_kernel([=, list = std::move(list)](const Stream& stream, const Buffers& buffers) {
    const AdamStep step = adam_step(options, *buffers.in<float>(0), *buffers.in<float>(1),
                                    static_cast<std::uint32_t>(buffers.in<std::int32_t>(2)[2]));
    parallel_for(stream, std::ssize(list), work, [&](std::int64_t first, std::int64_t last) {
      for (const Segment& part : std::span(list).subspan(first, last - first)) {
        const auto in = [&](int kind) {
          return buffers.in<float>(kParameters + kind * count + part.tensor) + part.begin;
        };
        const auto out = [&](int kind) {
          return buffers.out<float>(kind * count + part.tensor) + part.begin;
        };
        adam(step,
             {.p = in(0),
              .g = in(1),
              .m = in(2),
              .v = in(3),
              .new_p = out(0),
              .new_m = out(1),
              .new_v = out(2)},
             part.end - part.begin);
      }
    });
  });
}

std::unique_ptr<Kernel> prepare_squared_norm(const PrepareContext& context) {
  auto list = segments(context.inputs, kNormBlock);
  const std::int64_t work = mean_size(list);
  const auto scratch = static_cast<std::int64_t>(list.size() * sizeof(double));
  return make_kernel(
      [=, list = std::move(list)](const Stream& stream, const Buffers& buffers) {
        auto* sums = static_cast<double*>(buffers.scratch);
        parallel_for(stream, std::ssize(list), work, [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t i = first; i < last; ++i) {
            const Segment& part = list[static_cast<std::size_t>(i)];
            sums[i] =
                sum_of_squares(buffers.in<float>(part.tensor) + part.begin, part.end - part.begin);
          }
        });
        double total = 0;
        for (std::int64_t i = 0; i < std::ssize(list); ++i) total += sums[i];
        *buffers.out<float>(0) = static_cast<float>(total);
      },
      scratch);
}

}  // namespace engine::cpu
