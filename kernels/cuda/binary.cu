// binary on CUDA.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/binary_code.h"
#include "engine/kernels/cuda/repeated.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// A thread does one pack of 16 bytes. Floor: a and b read, y written once.
template <class F, class T>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(const T* a, const T* b, T* y, std::int64_t count, bool is_aligned) {
  constexpr int kElements = kPackElements<T>;
  const std::int64_t first = kElements * global_thread();
  float as[kElements], bs[kElements];
  load_pack(a, first, count, is_aligned, as);
  load_pack(b, first, count, is_aligned, bs);
#pragma unroll
  for (int i = 0; i < kElements; ++i) as[i] = F::apply(as[i], bs[i]);
  store_pack(y, first, count, is_aligned, as);
}

// The operand that is repeated along axes of the large one.
struct SmallOperand {
  const void* data;
  bool is_f32;      // else of the large operand's type
  bool is_first;    // a, not b
  bool is_aligned;  // for load_repeated()
  RepeatedWalk walk;
};

// Threads stride over the large operand in packs of 16 bytes and keep their part of the small one
// in registers where the stride allows it. Floor: the large operand read, y written once.
template <class F, class T>
__global__ void __launch_bounds__(kThreads)
    binary_repeat_kernel(const T* large, const __grid_constant__ SmallOperand small, T* y,
                         std::int64_t count, bool is_aligned) {
  constexpr int kElements = kPackElements<T>;
  std::int64_t first = kElements * global_thread();
  RepeatedIndex index(small.walk.shape, first);
  float smalls[kElements];
  for (bool is_loaded = false; first < count; first += small.walk.stride) {
    if (!is_loaded) {
      if (small.is_f32) {
        load_repeated(static_cast<const float*>(small.data), index, count - first, small.is_aligned,
                      smalls);
      } else {
        load_repeated(static_cast<const T*>(small.data), index, count - first, small.is_aligned,
                      smalls);
      }
      index.advance(small.walk.step);
      is_loaded = small.walk.shape.outer == 1 && small.walk.step.keeps_columns();
    }
    float values[kElements];
    load_pack(large, first, count, is_aligned, values);
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      values[i] = small.is_first ? F::apply(smalls[i], values[i]) : F::apply(values[i], smalls[i]);
    }
    store_pack(y, first, count, is_aligned, values);
  }
}

template <class F, class T>
std::unique_ptr<Kernel> equal_kernel(std::int64_t count) {
  return make_kernel([count](const Stream& stream, const Buffers& buffers) {
    const T *a = buffers.in<T>(0), *b = buffers.in<T>(1);
    T* y = buffers.out<T>(0);
    launch("binary_kernel", binary_kernel<F, T>,
           {.grid = dim3(blocks_for(count, kThreads * kPackElements<T>)), .block = dim3(kThreads)},
           stream_of(stream), a, b, y, count, are_aligned(a, b, y));
  });
}

template <class F, class T>
std::unique_ptr<Kernel> repeat_kernel(const PrepareContext& context, int small_input) {
  const Shape& shape = context.outputs[0].shape;
  const std::int64_t count = shape.elements();
  const ReduceExtents extents =
      reduce_extents(shape, *repeated_axes(context.inputs[small_input].shape, shape));
  const RepeatedWalk walk =
      repeated_walk({extents.outer, extents.reduced, extents.inner}, kThreads, kPackElements<T>);
  const bool is_f32 = context.inputs[small_input].dtype == DType::f32;
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const T* large = buffers.in<T>(1 - small_input);
    T* y = buffers.out<T>(0);
    const SmallOperand small{
        .data = buffers.inputs[small_input],
        .is_f32 = is_f32,
        .is_first = small_input == 0,
        .is_aligned =
            extents.inner % kPackElements<T> == 0 && are_aligned(buffers.inputs[small_input]),
        .walk = walk,
    };
    launch("binary_repeat_kernel", binary_repeat_kernel<F, T>,
           {.grid = dim3(walk.blocks), .block = dim3(kThreads)}, stream_of(stream), large, small, y,
           count, are_aligned(large, y));
  });
}

template <class F, class T>
std::unique_ptr<Kernel> prepare_as(Repeat repeat, const PrepareContext& context) {
  if (repeat == Repeat::none) return equal_kernel<F, T>(context.outputs[0].shape.elements());
  return repeat_kernel<F, T>(context, repeat == Repeat::a ? 0 : 1);
}

// visit(binary_code::F{}) with the member's function.
template <class Visit>
std::unique_ptr<Kernel> with_function(BinaryMember member, const Visit& visit) {
  switch (member) {
    case BinaryMember::add:
      return visit(binary_code::Add{});
    case BinaryMember::subtract:
      return visit(binary_code::Subtract{});
    case BinaryMember::multiply:
      return visit(binary_code::Multiply{});
    case BinaryMember::divide:
      return visit(binary_code::Divide{});
    case BinaryMember::maximum:
      return visit(binary_code::Maximum{});
    case BinaryMember::minimum:
      return visit(binary_code::Minimum{});
    case BinaryMember::less:
      return visit(binary_code::Less{});
    case BinaryMember::not_less:
      return visit(binary_code::NotLess{});
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<Kernel> prepare_binary(BinaryMember member, Repeat repeat,
                                       const PrepareContext& context) {
  return with_function(member, [&](auto function) {
    using F = decltype(function);
    return context.outputs[0].dtype == DType::f32 ? prepare_as<F, float>(repeat, context)
                                                  : prepare_as<F, __nv_bfloat16>(repeat, context);
  });
}

}  // namespace engine::cuda
