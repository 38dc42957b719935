#pragma once

// What the pooling kernels share: windows, and how threads cover the pixels of an image. In a
// kernel all extents, and offsets inside one image, are 32-bit: pool_geometry() checks.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/pool2d.h"

namespace engine::cuda {

struct PoolSpan {
  int begin, end;
};

// One axis of a pooling.
struct PoolAxis {
  int in, out, window, stride, padding;

  // Input positions of window `index` that lie inside the image.
  __device__ PoolSpan inside(int index) const {
    const int begin = index * stride - padding;
    return {max(begin, 0), min(begin + window, in)};
  }
  // The same, but padding counts as inside.
  __device__ int padded_extent(int index) const {
    const int begin = index * stride - padding;
    return min(begin + window, in + padding) - begin;
  }
  // Windows that hold the input position.
  __device__ PoolSpan covering(int position) const {
    const int reach = position + padding - window + 1;
    const int first = reach <= 0 ? 0 : (reach + stride - 1) / stride;
    return {first, min((position + padding) / stride + 1, out)};
  }
  __device__ int offset(int position, int index) const {
    return position + padding - index * stride;
  }
};

struct PoolGeometry {
  PoolAxis v, h;
  int n, c;

  __device__ std::int64_t x_image() const { return std::int64_t{v.in} * h.in * c; }  // elements
  __device__ std::int64_t y_image() const { return std::int64_t{v.out} * h.out * c; }
};

// Throws where an extent needs more than 32 bits inside the kernels.
inline PoolGeometry pool_geometry(const char* op, const Pool2dProblem& p) {
  constexpr std::int64_t kMost = 0x3fffffff;
  const auto& [window, stride, padding, ceil_mode, include] = p.options;
  for (const std::int64_t extent :
       {p.n * std::max(p.ih, p.oh), p.ih * p.iw * p.c, p.oh * p.ow * p.c,
        p.ih + window.h + stride.h, p.iw + window.w + stride.w, window.h * window.w}) {
    ENGINE_CHECK(extent <= kMost, op, ": x ", p.x_shape(), " with window ", window, " and stride ",
                 stride, " is too large for CUDA: ", extent, " exceeds ", kMost);
  }
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  return {.v = {narrow(p.ih), narrow(p.oh), narrow(window.h), narrow(stride.h), narrow(padding.h)},
          .h = {narrow(p.iw), narrow(p.ow), narrow(window.w), narrow(stride.w), narrow(padding.w)},
          .n = narrow(p.n),
          .c = narrow(p.c)};
}

// Threads on rows of pixels: a block has blockDim.y rows, and blockDim.x threads of each block
// along y share a row's items, an item being N channels of a pixel. So a warp moves neighbouring
// packs, and needs one division an item.
constexpr int kPoolThreads = 256;

inline LaunchConfig pool_rows_config(std::int64_t rows, std::int64_t items) {
  constexpr std::int64_t kMostGridY = 65535;
  int width = 1;  // threads along a row
  while (width < kPoolThreads && width < items) width *= 2;
  const int height = kPoolThreads / width;
  return {.grid = dim3(blocks_for(rows, height),
                       static_cast<unsigned>(std::min((items + width - 1) / width, kMostGridY))),
          .block = dim3(static_cast<unsigned>(width), static_cast<unsigned>(height))};
}

__device__ inline int pool_row() {
  return static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y);
}

// Calls body(pixel, channel) for the items of this thread.
template <int N, class Body>
__device__ void for_each_pool_item(int pixels, int channels, const Body& body) {
  const int packs = channels / N;
  const int step = static_cast<int>(gridDim.y * blockDim.x);
  for (int item = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x); item < pixels * packs;
       item += step) {
    const int pixel = item / packs;
    body(pixel, (item - pixel * packs) * N);
  }
}

// Elements of 16 bytes.
template <class T>
constexpr int kPoolPack = 16 / static_cast<int>(sizeof(T));

// N elements of storage type, as they are, at an address that is a multiple of the pack's size.
template <class T, int N>
__device__ Pack<T, N> read_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <class T, int N>
__device__ void write_pack(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

}  // namespace engine::cuda
