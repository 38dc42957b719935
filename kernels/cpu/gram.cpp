#include "engine/kernels/gram.h"

#include "engine/core/cpu/simd.h"

namespace engine::cpu {
namespace {

template <class T>
void symmetric_sum(const GramProblem& problem, const float* dy, T* sum) {
  const std::int64_t c = problem.channels;
  for (std::int64_t i = 0; i < c; ++i) {
    for (std::int64_t j = 0; j < c; ++j) {
      sum[i * c + j] = store<T>(problem.scale * (dy[i * c + j] + dy[j * c + i]));
    }
  }
}

}  // namespace

void gram_scale(const Stream&, const GramProblem& problem, float* y) {
  const std::int64_t count = problem.channels * problem.channels;
  for (std::int64_t i = 0; i < count; ++i) y[i] *= problem.scale;
}

void gram_symmetric_sum(const Stream&, const GramProblem& problem, const float* dy, DType dtype,
                        void* sum) {
  if (dtype == DType::f32) {
    symmetric_sum(problem, dy, static_cast<float*>(sum));
  } else {
    symmetric_sum(problem, dy, static_cast<BFloat16*>(sum));
  }
}

}  // namespace engine::cpu
