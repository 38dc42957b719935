#pragma once

// Elements in packs of 16 bytes, computed on as floats.
#include <cstdint>

#include "engine/core/cuda/device_code.h"

namespace engine::cuda {

template <class T>
inline constexpr int kPackElements = 16 / static_cast<int>(sizeof(T));

// Whether packs may be loaded and stored whole at these addresses.
template <class... Pointers>
bool are_aligned(const Pointers*... pointers) {
  return (fits_pack<std::uint8_t, 16>(pointers, 0) && ...);
}

// N elements at an address that is a multiple of the pack's size.
template <class T, int N>
__device__ void load_whole_pack(const T* x, float (&values)[N]) {
  const auto pack = *reinterpret_cast<const Pack<T, N>*>(x);
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = load(pack.values[i]);
}

// N elements of which `left` exist, zeros for the others.
template <class T, int N>
__device__ void load_single(const T* x, std::int64_t left, float (&values)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = i < left ? load(x[i]) : 0.0f;
}

// N elements from `first` on; zeros from `count` on. is_aligned: whole packs may be loaded.
template <class T, int N>
__device__ void load_pack(const T* x, std::int64_t first, std::int64_t count, bool is_aligned,
                          float (&values)[N]) {
  if (is_aligned && first + N <= count) {
    load_whole_pack(x + first, values);
  } else {
    load_single(x + first, count - first, values);
  }
}

// N elements from `first` on, those before `count`.
template <class T, int N>
__device__ void store_pack(T* y, std::int64_t first, std::int64_t count, bool is_aligned,
                           const float (&values)[N]) {
  if (is_aligned && first + N <= count) {
    Pack<T, N> pack;
#pragma unroll
    for (int i = 0; i < N; ++i) pack.values[i] = store<T>(values[i]);
    *reinterpret_cast<Pack<T, N>*>(y + first) = pack;
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (first + i < count) y[first + i] = store<T>(values[i]);
    }
  }
}

}  // namespace engine::cuda
