// Casts, sums and the clock on CUDA; all are bound by memory bandwidth.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/core/structural_kernels.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// --- conversion: the meaning is core/structural_ops.h's cast() ---

// Integers too.
template <class T>
__device__ float to_float(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<float>(value);
  } else {
    return load(value);
  }
}

template <class T>
struct FromFloat {
  __device__ static T convert(float value) { return store<T>(value); }
};
template <>
struct FromFloat<bool> {
  __device__ static bool convert(float value) { return value != 0.0f; }
};
template <>
struct FromFloat<std::uint8_t> {
  __device__ static std::uint8_t convert(float value) {
    if (isnan(value)) return 0;
    return static_cast<std::uint8_t>(fminf(fmaxf(truncf(value), 0.0f), 255.0f));
  }
};
template <>
struct FromFloat<std::int32_t> {
  __device__ static std::int32_t convert(float value) {
    if (isnan(value)) return 0;
    if (value >= 2147483648.0f) return 2147483647;
    if (value <= -2147483648.0f) return -2147483647 - 1;
    return static_cast<std::int32_t>(value);
  }
};

// i32 -> u8 and bool go through integers: floats would round large values.
template <class From, class To>
__device__ To convert(From value) {
  return FromFloat<To>::convert(to_float(value));
}
template <>
__device__ std::uint8_t convert<std::int32_t, std::uint8_t>(std::int32_t value) {
  return static_cast<std::uint8_t>(min(max(value, 0), 255));
}

// A thread does as many neighbours as fit 16 bytes of the wider type. Floor: each element read and
// written once.
template <class From, class To>
constexpr int kCastElements = 16 / static_cast<int>(std::max(sizeof(From), sizeof(To)));

template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    cast_kernel(const From* x, To* y, std::int64_t count, bool is_aligned) {
  constexpr int kElements = kCastElements<From, To>;
  const std::int64_t first = kElements * global_thread();
  if (is_aligned && first + kElements <= count) {
    const auto from = *reinterpret_cast<const Pack<From, kElements>*>(x + first);
    Pack<To, kElements> to;
#pragma unroll
    for (int i = 0; i < kElements; ++i) to.values[i] = convert<From, To>(from.values[i]);
    *reinterpret_cast<Pack<To, kElements>*>(y + first) = to;
  } else {
    for (std::int64_t i = first; i < first + kElements && i < count; ++i) {
      y[i] = convert<From, To>(x[i]);
    }
  }
}

template <class From, class To>
std::unique_ptr<Kernel> cast_between(std::int64_t count) {
  if constexpr (std::is_same_v<From, To>) {
    return nullptr;  // cast() makes no node of it
  } else {
    constexpr int kElements = kCastElements<From, To>;
    return make_kernel([count](const Stream& stream, const Buffers& buffers) {
      const From* x = buffers.in<From>(0);
      To* y = buffers.out<To>(0);
      const bool is_aligned = fits_pack<From, kElements>(x, 0) && fits_pack<To, kElements>(y, 0);
      launch("cast_kernel", cast_kernel<From, To>,
             {.grid = dim3(blocks_for(count, kThreads * kElements)), .block = dim3(kThreads)},
             stream_of(stream), x, y, count, is_aligned);
    });
  }
}

template <class From>
std::unique_ptr<Kernel> cast_from(DType to, std::int64_t count) {
  switch (to) {
    case DType::f32:
      return cast_between<From, float>(count);
    case DType::bf16:
      return cast_between<From, __nv_bfloat16>(count);
    case DType::f16:
      return cast_between<From, __half>(count);
    case DType::i32:
      return cast_between<From, std::int32_t>(count);
    case DType::u8:
      return cast_between<From, std::uint8_t>(count);
    case DType::boolean:
      return cast_between<From, bool>(count);
  }
  return nullptr;
}

// --- sums ---

constexpr int kTerms = 480;  // their pointers travel as a kernel parameter of at most 4 KiB

struct Terms {
  const void* pointers[kTerms];
  int count;
  bool is_aligned;
};

// A thread does 16 bytes of the result. Floor: each term read once, the sum written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_n_kernel(const __grid_constant__ Terms terms, T* y, std::int64_t count) {
  constexpr int kElements = 16 / sizeof(T);
  using Elements = Pack<T, kElements>;
  const std::int64_t first = kElements * global_thread();
  if (terms.is_aligned && first + kElements <= count) {
    const auto term_pack = [&](int term) {
      return *reinterpret_cast<const Elements*>(static_cast<const T*>(terms.pointers[term]) +
                                                first);
    };
    float totals[kElements];
    Elements pack = term_pack(0);
#pragma unroll
    for (int i = 0; i < kElements; ++i) totals[i] = load(pack.values[i]);
    for (int term = 1; term < terms.count; ++term) {
      pack = term_pack(term);
#pragma unroll
      for (int i = 0; i < kElements; ++i) totals[i] += load(pack.values[i]);
    }
#pragma unroll
    for (int i = 0; i < kElements; ++i) pack.values[i] = store<T>(totals[i]);
    *reinterpret_cast<Elements*>(y + first) = pack;
  } else {
    for (std::int64_t i = first; i < first + kElements && i < count; ++i) {
      float total = load(static_cast<const T*>(terms.pointers[0])[i]);
      for (int term = 1; term < terms.count; ++term) {
        total += load(static_cast<const T*>(terms.pointers[term])[i]);
      }
      y[i] = store<T>(total);
    }
  }
}

template <class T>
std::unique_ptr<Kernel> add_n(std::int64_t count) {
  constexpr int kElements = 16 / sizeof(T);
  return make_kernel([count](const Stream& stream, const Buffers& buffers) {
    Terms terms = {};
    terms.is_aligned = fits_pack<T, kElements>(buffers.outputs[0], 0);
    for (const void* input : buffers.inputs) {
      terms.pointers[terms.count++] = input;
      terms.is_aligned = terms.is_aligned && fits_pack<T, kElements>(input, 0);
    }
    launch("add_n_kernel", add_n_kernel<T>,
           {.grid = dim3(blocks_for(count, kThreads * kElements)), .block = dim3(kThreads)},
           stream_of(stream), terms, buffers.out<T>(0), count);
  });
}

__global__ void advance_clock_kernel(const std::int32_t* clock, std::int32_t* next) {
  next[threadIdx.x] = clock[threadIdx.x] + (threadIdx.x == 2 ? 1 : 0);
}

}  // namespace

std::unique_ptr<Kernel> prepare_cast(const PrepareContext& context) {
  const std::int64_t count = context.inputs[0].shape.elements();
  const DType to = context.outputs[0].dtype;
  switch (context.inputs[0].dtype) {
    case DType::f32:
      return cast_from<float>(to, count);
    case DType::bf16:
      return cast_from<__nv_bfloat16>(to, count);
    case DType::f16:
      return cast_from<__half>(to, count);
    case DType::i32:
      return cast_from<std::int32_t>(to, count);
    case DType::u8:
      return cast_from<std::uint8_t>(to, count);
    case DType::boolean:
      return cast_from<bool>(to, count);
  }
  return nullptr;
}

std::unique_ptr<Kernel> prepare_add_n(const PrepareContext& context) {
  const std::int64_t count = context.outputs[0].shape.elements();
  ENGINE_CHECK(context.inputs.size() <= kTerms, "add_n: ", context.inputs.size(),
               " terms; CUDA adds at most ", kTerms, " at once");
  switch (context.outputs[0].dtype) {
    case DType::f32:
      return add_n<float>(count);
    case DType::bf16:
      return add_n<__nv_bfloat16>(count);
    default:
      throw InvalidArgument(join("add_n: no kernel for ", context.outputs[0]));
  }
}

std::unique_ptr<Kernel> prepare_advance_clock(const PrepareContext&) {
  return make_kernel([](const Stream& stream, const Buffers& buffers) {
    launch("advance_clock_kernel", advance_clock_kernel, {.grid = dim3(1), .block = dim3(4)},
           stream_of(stream), buffers.in<std::int32_t>(0), buffers.out<std::int32_t>(0));
  });
}

}  // namespace engine::cuda
