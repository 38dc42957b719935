#include "engine/core/structural_kernels.h"

#include <cmath>
#include <limits>

#include "engine/core/backend.h"
#include "engine/core/cpu/parallel.h"
#include "engine/core/cpu/simd.h"
#include "engine/core/errors.h"
#include "engine/core/structural_ops.h"

namespace engine {

namespace {

// --- conversion ---

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<To, bool>) {
    return static_cast<float>(value) != 0;
  } else if constexpr (std::is_same_v<From, std::int32_t> && std::is_same_v<To, std::uint8_t>) {
    return static_cast<std::uint8_t>(std::clamp(value, 0, 255));
  } else if constexpr (std::is_integral_v<To> && std::is_integral_v<From>) {
    return static_cast<To>(value);
  } else if constexpr (std::is_integral_v<To>) {
    const auto number = static_cast<double>(static_cast<float>(value));
    if (std::isnan(number)) return To{0};
    const auto low = static_cast<double>(std::numeric_limits<To>::min());
    const auto high = static_cast<double>(std::numeric_limits<To>::max());
    return static_cast<To>(std::clamp(std::trunc(number), low, high));
  } else {
    return static_cast<To>(static_cast<float>(value));
  }
}

template <class From, class To>
void convert_range(const void* from, void* to, std::int64_t begin, std::int64_t end) {
  const auto* source = static_cast<const From*>(from);
  auto* target = static_cast<To*>(to);
  for (std::int64_t i = begin; i < end; ++i) target[i] = convert<To>(source[i]);
}

// The two conversions of every mixed-precision step, vectorised.
ENGINE_CPU_CLONES void f32_to_bf16(const float* from, BFloat16* to, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) to[i].bits = BFloat16::rounded(from[i]);
}
ENGINE_CPU_CLONES void bf16_to_f32(const BFloat16* from, float* to, std::int64_t count) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

using ConvertRange = void (*)(const void*, void*, std::int64_t, std::int64_t);

template <class From>
ConvertRange convert_from(DType to) {
  switch (to) {
    case DType::f32:
      return convert_range<From, float>;
    case DType::bf16:
      return convert_range<From, BFloat16>;
    case DType::f16:
      return convert_range<From, Float16>;
    case DType::i32:
      return convert_range<From, std::int32_t>;
    case DType::u8:
      return convert_range<From, std::uint8_t>;
    case DType::boolean:
      return convert_range<From, bool>;
  }
  return nullptr;
}

ConvertRange conversion(DType from, DType to) {
  if (from == DType::f32 && to == DType::bf16) {
    return [](const void* source, void* target, std::int64_t begin, std::int64_t end) {
      f32_to_bf16(static_cast<const float*>(source) + begin, static_cast<BFloat16*>(target) + begin,
                  end - begin);
    };
  }
  if (from == DType::bf16 && to == DType::f32) {
    return [](const void* source, void* target, std::int64_t begin, std::int64_t end) {
      bf16_to_f32(static_cast<const BFloat16*>(source) + begin, static_cast<float*>(target) + begin,
                  end - begin);
    };
  }
  switch (from) {
    case DType::f32:
      return convert_from<float>(to);
    case DType::bf16:
      return convert_from<BFloat16>(to);
    case DType::f16:
      return convert_from<Float16>(to);
    case DType::i32:
      return convert_from<std::int32_t>(to);
    case DType::u8:
      return convert_from<std::uint8_t>(to);
    case DType::boolean:
      return convert_from<bool>(to);
  }
  return nullptr;
}

// --- sums ---

template <class T>
ENGINE_ALWAYS_INLINE void add_range(const T* a, const T* b, float* carry, T* out,
                                    std::int64_t count, bool is_last) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const float total = (a != nullptr ? cpu::load(a[i]) : carry[i]) + cpu::load(b[i]);
    if (is_last) {
      out[i] = cpu::store<T>(total);
    } else {
      carry[i] = total;
    }
  }
}
ENGINE_CPU_CLONES void add_f32(const float* a, const float* b, float* carry, float* out,
                               std::int64_t count, bool is_last) {
  add_range(a, b, carry, out, count, is_last);
}
ENGINE_CPU_CLONES void add_bf16(const BFloat16* a, const BFloat16* b, float* carry, BFloat16* out,
                                std::int64_t count, bool is_last) {
  add_range(a, b, carry, out, count, is_last);
}
void add_block(const float* a, const float* b, float* carry, float* out, std::int64_t count,
               bool is_last) {
  add_f32(a, b, carry, out, count, is_last);
}
void add_block(const BFloat16* a, const BFloat16* b, float* carry, BFloat16* out,
               std::int64_t count, bool is_last) {
  add_bf16(a, b, carry, out, count, is_last);
}

// Blocks of f32 partial sums stay in the first-level cache while every input passes by.
template <class T>
std::unique_ptr<Kernel> add_n_kernel(std::int64_t count, std::size_t terms) {
  return make_kernel([count, terms](const Stream& stream, const Buffers& buffers) {
    cpu::parallel_for(stream, count, static_cast<std::int64_t>(terms),
                      [&](std::int64_t begin, std::int64_t end) {
                        constexpr std::int64_t kBlock = 1024;
                        float carry[kBlock];
                        for (std::int64_t at = begin; at < end; at += kBlock) {
                          const std::int64_t size = std::min(kBlock, end - at);
                          for (std::size_t term = 1; term < terms; ++term) {
                            add_block(term == 1 ? buffers.in<T>(0) + at : nullptr,
                                      buffers.in<T>(static_cast<int>(term)) + at, carry,
                                      buffers.out<T>(0) + at, size, term + 1 == terms);
                          }
                        }
                      });
  });
}

}  // namespace

void convert_elements(const void* from, DType from_dtype, void* to, DType to_dtype,
                      std::int64_t count, int threads) {
  const ConvertRange range = conversion(from_dtype, to_dtype);
  cpu::parallel_for(Stream(Device::cpu({.threads = threads})), count, 1,
                    [&](std::int64_t begin, std::int64_t end) { range(from, to, begin, end); });
}

std::unique_ptr<Kernel> prepare_cast(const PrepareContext& context) {
  if (context.device.is_cuda()) return cuda::prepare_cast(context);
  const ConvertRange range = conversion(context.inputs[0].dtype, context.outputs[0].dtype);
  const std::int64_t count = context.inputs[0].shape.elements();
  return make_kernel([range, count](const Stream& stream, const Buffers& buffers) {
    cpu::parallel_for(stream, count, 1, [&](std::int64_t begin, std::int64_t end) {
      range(buffers.inputs[0], buffers.outputs[0], begin, end);
    });
  });
}

std::unique_ptr<Kernel> prepare_copy(const PrepareContext& context) {
  const std::int64_t bytes = context.inputs[0].bytes();
  Backend& backend = backend_of(context.device);
  return make_kernel([bytes, &backend](const Stream& stream, const Buffers& buffers) {
    backend.copy(buffers.outputs[0], buffers.inputs[0], bytes, stream.device().index(),
                 stream.native_handle());
  });
}

std::unique_ptr<Kernel> prepare_add_n(const PrepareContext& context) {
  if (context.device.is_cuda()) return cuda::prepare_add_n(context);
  const std::int64_t count = context.outputs[0].shape.elements();
  switch (context.outputs[0].dtype) {
    case DType::f32:
      return add_n_kernel<float>(count, context.inputs.size());
    case DType::bf16:
      return add_n_kernel<BFloat16>(count, context.inputs.size());
    default:
      throw InvalidArgument(join("add_n: no kernel for ", context.outputs[0]));
  }
}

std::unique_ptr<Kernel> prepare_zeros(const PrepareContext& context) {
  const std::int64_t bytes = context.outputs[0].bytes();
  Backend& backend = backend_of(context.device);
  return make_kernel([bytes, &backend](const Stream& stream, const Buffers& buffers) {
    backend.fill_zero(buffers.outputs[0], bytes, stream.device().index(), stream.native_handle());
  });
}

std::unique_ptr<Kernel> prepare_advance_clock(const PrepareContext& context) {
  if (context.device.is_cuda()) return cuda::prepare_advance_clock(context);
  return make_kernel([](const Stream&, const Buffers& buffers) {
    const auto* clock = buffers.in<std::int32_t>(0);
    auto* next = buffers.out<std::int32_t>(0);
    for (int i = 0; i < 4; ++i) next[i] = clock[i] + (i == 2 ? 1 : 0);
  });
}

}  // namespace engine
