#include "engine/kernels/losses.h"

#include <cmath>
#include <limits>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/vector_math.h"

// Rows are short (a few to a few thousand classes): a task is a run of rows, each row is walked a
// few times in L1.
namespace engine::cpu {
namespace {

struct Rows {
  std::int64_t begin, end, classes;
};

// The largest of a row, NaN left out: it comes back through row_sum_exp().
ENGINE_ALWAYS_INLINE float row_max(const float* x, std::int64_t classes) {
  float largest = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < classes; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

ENGINE_ALWAYS_INLINE float row_sum_exp(const float* x, float largest, std::int64_t classes) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < classes; ++i) sum += vector_exp(x[i] - largest);
  return sum;
}

ENGINE_CPU_CLONES void softmax_rows(const Rows& rows, const float* x, float* y) {
  const std::int64_t classes = rows.classes;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* from = x + row * classes;
    float* to = y + row * classes;
    const float largest = row_max(from, classes);
    const float sum = row_sum_exp(from, largest, classes);
#pragma omp simd
    for (std::int64_t i = 0; i < classes; ++i) to[i] = vector_exp(from[i] - largest) / sum;
  }
}

// dx = y (dy - sum(dy y))
ENGINE_CPU_CLONES void softmax_backward_rows(const Rows& rows, const float* dy, const float* y,
                                             float* dx) {
  const std::int64_t classes = rows.classes;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t at = row * classes;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < classes; ++i) sum += dy[at + i] * y[at + i];
#pragma omp simd
    for (std::int64_t i = 0; i < classes; ++i) dx[at + i] = y[at + i] * (dy[at + i] - sum);
  }
}

ENGINE_CPU_CLONES void cross_entropy_rows(const Rows& rows, const float* logits,
                                          const std::int32_t* labels, float* loss) {
  const std::int64_t classes = rows.classes;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* from = logits + row * classes;
    const float largest = row_max(from, classes);
    const float log_sum = vector_log(row_sum_exp(from, largest, classes));
    const bool is_known = labels[row] >= 0 && labels[row] < classes;
    loss[row] = is_known ? log_sum - (from[labels[row]] - largest)
                         : std::numeric_limits<float>::quiet_NaN();
  }
}

// dlogits = dloss (softmax - one_hot(label))
ENGINE_CPU_CLONES void cross_entropy_backward_rows(const Rows& rows, const float* dloss,
                                                   const float* logits, const std::int32_t* labels,
                                                   float* dlogits) {
  const std::int64_t classes = rows.classes;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* from = logits + row * classes;
    float* to = dlogits + row * classes;
    const float largest = row_max(from, classes);
    const float sum = row_sum_exp(from, largest, classes);
    const bool is_known = labels[row] >= 0 && labels[row] < classes;
    const float scale = is_known ? dloss[row] : std::numeric_limits<float>::quiet_NaN();
#pragma omp simd
    for (std::int64_t i = 0; i < classes; ++i) {
      to[i] = scale * (vector_exp(from[i] - largest) / sum);
    }
    if (is_known) {
      // The label's own element as scale * (p - 1), without the rounding of scale * p.
      const std::int32_t label = labels[row];
      to[label] = scale * (vector_exp(from[label] - largest) / sum - 1.0f);
    }
  }
}

ENGINE_CPU_CLONES void binary_cross_entropy_loop(const float* z, const float* t, float* loss,
                                                 std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float positive = z[i] < 0.0f ? 0.0f : z[i];
    loss[i] = (positive - z[i] * t[i]) + vector_softplus_tail(z[i]);
  }
}

ENGINE_CPU_CLONES void binary_cross_entropy_backward_loop(const float* dloss, const float* z,
                                                          const float* t, float* dz,
                                                          std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) dz[i] = dloss[i] * (vector_sigmoid(z[i]) - t[i]);
}

// body(rows) over all rows, in parallel.
template <class Body>
void for_rows(const Stream& stream, std::int64_t rows, std::int64_t classes, const Body& body) {
  parallel_for(stream, rows, 4 * classes, [&](std::int64_t begin, std::int64_t end) {
    body(Rows{begin, end, classes});
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_softmax(std::int64_t rows, std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    for_rows(stream, rows, classes,
             [&](const Rows& part) { softmax_rows(part, b.in<float>(0), b.out<float>(0)); });
  });
}

std::unique_ptr<Kernel> prepare_softmax_backward(std::int64_t rows, std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    for_rows(stream, rows, classes, [&](const Rows& part) {
      softmax_backward_rows(part, b.in<float>(0), b.in<float>(1), b.out<float>(0));
    });
  });
}

std::unique_ptr<Kernel> prepare_softmax_cross_entropy(std::int64_t rows, std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    for_rows(stream, rows, classes, [&](const Rows& part) {
      cross_entropy_rows(part, b.in<float>(0), b.in<std::int32_t>(1), b.out<float>(0));
    });
  });
}

std::unique_ptr<Kernel> prepare_softmax_cross_entropy_backward(std::int64_t rows,
                                                               std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    for_rows(stream, rows, classes, [&](const Rows& part) {
      cross_entropy_backward_rows(part, b.in<float>(0), b.in<float>(1), b.in<std::int32_t>(2),
                                  b.out<float>(0));
    });
  });
}

std::unique_ptr<Kernel> prepare_binary_cross_entropy(std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    parallel_for(
        stream, count, 4,
        [&](std::int64_t begin, std::int64_t end) {
          binary_cross_entropy_loop(b.in<float>(0) + begin, b.in<float>(1) + begin,
                                    b.out<float>(0) + begin, end - begin);
        },
        64);
  });
}

std::unique_ptr<Kernel> prepare_binary_cross_entropy_backward(std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    parallel_for(
        stream, count, 4,
        [&](std::int64_t begin, std::int64_t end) {
          binary_cross_entropy_backward_loop(b.in<float>(0) + begin, b.in<float>(1) + begin,
                                             b.in<float>(2) + begin, b.out<float>(0) + begin,
                                             end - begin);
        },
        64);
  });
}

}  // namespace engine::cpu
