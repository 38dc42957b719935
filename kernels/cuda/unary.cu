// unary and unary_backward on CUDA.
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/unary.h"
#include "engine/kernels/unary_code.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

struct Math {
  __device__ static float exp(float x) { return expf(x); }
  __device__ static float log(float x) { return logf(x); }
  __device__ static float tanh(float x) { return tanhf(x); }
  __device__ static float sqrt(float x) { return sqrtf(x); }
  __device__ static float abs(float x) { return fabsf(x); }
  // exp is only taken of -|x|, so that neither end overflows.
  __device__ static float sigmoid(float x) {
    const float e = expf(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
  }
};
using Code = UnaryCode<Math>;

// A thread does one pack of 16 bytes. Floor: x read and y written once.
template <class F, class T>
__global__ void __launch_bounds__(kThreads)
    unary_kernel(const T* x, T* y, std::int64_t count, bool is_aligned) {
  constexpr int kElements = kPackElements<T>;
  const std::int64_t first = kElements * global_thread();
  float values[kElements];
  load_pack(x, first, count, is_aligned, values);
#pragma unroll
  for (int i = 0; i < kElements; ++i) values[i] = F::forward(values[i]);
  store_pack(y, first, count, is_aligned, values);
}

// A thread does one pack of 16 bytes. Floor: dy and the saved tensor read, dx written once.
template <class F, class T>
__global__ void __launch_bounds__(kThreads)
    unary_backward_kernel(const T* dy, const T* saved, T* dx, std::int64_t count, bool is_aligned) {
  constexpr int kElements = kPackElements<T>;
  const std::int64_t first = kElements * global_thread();
  float gradients[kElements], values[kElements];
  load_pack(dy, first, count, is_aligned, gradients);
  load_pack(saved, first, count, is_aligned, values);
#pragma unroll
  for (int i = 0; i < kElements; ++i) values[i] = F::backward(gradients[i], values[i]);
  store_pack(dx, first, count, is_aligned, values);
}

template <class T>
LaunchConfig config_for(std::int64_t count) {
  return {.grid = dim3(blocks_for(count, kThreads * kPackElements<T>)), .block = dim3(kThreads)};
}

template <class F, class T>
std::unique_ptr<Kernel> forward_as(std::int64_t count) {
  return make_kernel([count](const Stream& stream, const Buffers& buffers) {
    const T* x = buffers.in<T>(0);
    T* y = buffers.out<T>(0);
    launch("unary_kernel", unary_kernel<F, T>, config_for<T>(count), stream_of(stream), x, y, count,
           are_aligned(x, y));
  });
}

template <class F, class T>
std::unique_ptr<Kernel> backward_as(std::int64_t count) {
  return make_kernel([count](const Stream& stream, const Buffers& buffers) {
    const T *dy = buffers.in<T>(0), *saved = buffers.in<T>(1);
    T* dx = buffers.out<T>(0);
    launch("unary_backward_kernel", unary_backward_kernel<F, T>, config_for<T>(count),
           stream_of(stream), dy, saved, dx, count, are_aligned(dy, saved, dx));
  });
}

// visit(Code::F{}) with the member's functions.
template <class Visit>
std::unique_ptr<Kernel> with_functions(UnaryMember member, const Visit& visit) {
  switch (member) {
    case UnaryMember::relu:
      return visit(Code::Relu{});
    case UnaryMember::sigmoid:
      return visit(Code::Sigmoid{});
    case UnaryMember::tanh:
      return visit(Code::Tanh{});
    case UnaryMember::exp:
      return visit(Code::Exp{});
    case UnaryMember::log:
      return visit(Code::Log{});
    case UnaryMember::sqrt:
      return visit(Code::Sqrt{});
    case UnaryMember::square:
      return visit(Code::Square{});
    case UnaryMember::abs:
      return visit(Code::Abs{});
    case UnaryMember::negate:
      return visit(Code::Negate{});
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Kernel> prepare_unary(UnaryMember member, const TensorType& type) {
  const std::int64_t count = type.shape.elements();
  return with_functions(member, [&](auto functions) {
    using F = decltype(functions);
    return type.dtype == DType::f32 ? forward_as<F, float>(count)
                                    : forward_as<F, __nv_bfloat16>(count);
  });
}

std::unique_ptr<Kernel> prepare_unary_backward(UnaryMember member, const TensorType& type) {
  const std::int64_t count = type.shape.elements();
  return with_functions(member, [&](auto functions) {
    using F = decltype(functions);
    return type.dtype == DType::f32 ? backward_as<F, float>(count)
                                    : backward_as<F, __nv_bfloat16>(count);
  });
}

}  // namespace engine::cuda
