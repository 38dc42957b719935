#include "engine/kernels/unary.h"

#include <array>
#include <cmath>

#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/unary_code.h"

// Bound by memory: each element is read and written once; one pass, contiguous.
namespace engine::cpu {
namespace {

struct Math {
  ENGINE_ALWAYS_INLINE static float exp(float x) { return vector_exp(x); }
  ENGINE_ALWAYS_INLINE static float log(float x) { return vector_log(x); }
  ENGINE_ALWAYS_INLINE static float tanh(float x) { return vector_tanh(x); }
  ENGINE_ALWAYS_INLINE static float sigmoid(float x) { return vector_sigmoid(x); }
  ENGINE_ALWAYS_INLINE static float sqrt(float x) { return std::sqrt(x); }
  ENGINE_ALWAYS_INLINE static float abs(float x) { return std::fabs(x); }
};
using Code = UnaryCode<Math>;

template <class F, class T>
ENGINE_ALWAYS_INLINE void forward_loop(const T* x, T* y, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) y[i] = store<T>(F::forward(load(x[i])));
}

template <class F, class T>
ENGINE_ALWAYS_INLINE void backward_loop(const T* dy, const T* saved, T* dx, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    dx[i] = store<T>(F::backward(load(dy[i]), load(saved[i])));
  }
}

#define ENGINE_UNARY_LOOPS(F)                                                                   \
  ENGINE_CPU_CLONES void forward_f32_##F(const float* x, float* y, std::int64_t count) {        \
    forward_loop<Code::F>(x, y, count);                                                         \
  }                                                                                             \
  ENGINE_CPU_CLONES void forward_bf16_##F(const BFloat16* x, BFloat16* y, std::int64_t count) { \
    forward_loop<Code::F>(x, y, count);                                                         \
  }                                                                                             \
  ENGINE_CPU_CLONES void backward_f32_##F(const float* dy, const float* saved, float* dx,       \
                                          std::int64_t count) {                                 \
    backward_loop<Code::F>(dy, saved, dx, count);                                               \
  }                                                                                             \
  ENGINE_CPU_CLONES void backward_bf16_##F(const BFloat16* dy, const BFloat16* saved,           \
                                           BFloat16* dx, std::int64_t count) {                  \
    backward_loop<Code::F>(dy, saved, dx, count);                                               \
  }
ENGINE_UNARY_LOOPS(Relu)
ENGINE_UNARY_LOOPS(Sigmoid)
ENGINE_UNARY_LOOPS(Tanh)
ENGINE_UNARY_LOOPS(Exp)
ENGINE_UNARY_LOOPS(Log)
ENGINE_UNARY_LOOPS(Sqrt)
ENGINE_UNARY_LOOPS(Square)
ENGINE_UNARY_LOOPS(Abs)
ENGINE_UNARY_LOOPS(Negate)
#undef ENGINE_UNARY_LOOPS

template <class T>
using Forward = void (*)(const T*, T*, std::int64_t);
template <class T>
using Backward = void (*)(const T*, const T*, T*, std::int64_t);

struct Loops {
  Forward<float> forward_f32;
  Forward<BFloat16> forward_bf16;
  Backward<float> backward_f32;
  Backward<BFloat16> backward_bf16;
};

#define ENGINE_UNARY_ENTRY(F) \
  { forward_f32_##F, forward_bf16_##F, backward_f32_##F, backward_bf16_##F }
// In the order of UnaryMember.
const std::array<Loops, 9> kLoops = {{
    ENGINE_UNARY_ENTRY(Relu),
    ENGINE_UNARY_ENTRY(Sigmoid),
    ENGINE_UNARY_ENTRY(Tanh),
    ENGINE_UNARY_ENTRY(Exp),
    ENGINE_UNARY_ENTRY(Log),
    ENGINE_UNARY_ENTRY(Sqrt),
    ENGINE_UNARY_ENTRY(Square),
    ENGINE_UNARY_ENTRY(Abs),
    ENGINE_UNARY_ENTRY(Negate),
}};
#undef ENGINE_UNARY_ENTRY

const Loops& loops_of(UnaryMember member) {
  return kLoops.at(static_cast<std::size_t>(member));
}

template <class T>
std::unique_ptr<Kernel> forward_kernel(Forward<T> loop, std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T* x = buffers.in<T>(0);
    T* y = buffers.out<T>(0);
    parallel_for(
        stream, count, 1,
        [&](std::int64_t begin, std::int64_t end) { loop(x + begin, y + begin, end - begin); }, 64);
  });
}

template <class T>
std::unique_ptr<Kernel> backward_kernel(Backward<T> loop, std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T *dy = buffers.in<T>(0), *saved = buffers.in<T>(1);
    T* dx = buffers.out<T>(0);
    parallel_for(
        stream, count, 1,
        [&](std::int64_t begin, std::int64_t end) {
          loop(dy + begin, saved + begin, dx + begin, end - begin);
        },
        64);
  });
}

}  // namespace

std::unique_ptr<Kernel> prepare_unary(UnaryMember member, const TensorType& type) {
  const Loops& loops = loops_of(member);
  const std::int64_t count = type.shape.elements();
  if (type.dtype == DType::f32) return forward_kernel(loops.forward_f32, count);
  return forward_kernel(loops.forward_bf16, count);
}

std::unique_ptr<Kernel> prepare_unary_backward(UnaryMember member, const TensorType& type) {
  const Loops& loops = loops_of(member);
  const std::int64_t count = type.shape.elements();
  if (type.dtype == DType::f32) return backward_kernel(loops.backward_f32, count);
  return backward_kernel(loops.backward_bf16, count);
}

}  // namespace engine::cpu
