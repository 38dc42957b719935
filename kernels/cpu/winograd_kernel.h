#pragma once

#include <algorithm>

#include "engine/core/memory_plan.h"
#include "engine/core/tensor.h"
#include "engine/kernels/conv2d.h"
#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/winograd_transforms.h"

// What the kernels of winograd_*.cpp share.
namespace engine::cpu::winograd {

inline constexpr std::int64_t kFloatBytes = sizeof(float);

// Floats between rows of matrices: an odd number of cache lines keeps rows out of each other's
// sets. So it is between positions.
inline std::int64_t row_of(std::int64_t channels) {
  return channels + (channels / kLanes % 2 == 0 ? kLanes : 0);
}

// A matrix for each position by rows, and one by panels.
inline Positions by_rows(std::int64_t rows, std::int64_t channels) {
  const std::int64_t row = row_of(channels);
  return {.stride = rows * row, .row = row};
}
inline Positions by_panels(std::int64_t rows) {
  const std::int64_t stride = rows * kPanel + kLanes;
  return {.stride = stride, .row = kPanel, .panel = kPositions * stride};
}

inline Positions from_row(Positions positions, std::int64_t row) {
  positions.data += row * positions.row;
  return positions;
}

// The tiles of `outputs` [n, h, w, ...] over `images`, as patches that begin in the padding.
inline Tiling tiling_of(DType dtype, const Shape& images, const Shape& outputs, Extent2d padding) {
  return {.dtype = dtype,
          .n = images[0],
          .h = images[1],
          .w = images[2],
          .channels = images[3],
          .rows = ceil_div(outputs[1], kTile),
          .columns = ceil_div(outputs[2], kTile),
          .top = -padding.h,
          .left = -padding.w};
}
inline Tiling tiling_of(DType dtype, const Shape& outputs) {
  return tiling_of(dtype, outputs, outputs, 0);
}

class WinogradKernel : public Kernel {
 public:
  std::int64_t scratch_bytes() const final { return scratch_bytes_; }

 protected:
  WinogradKernel(const Tiling& first, const Tiling& second)
      : first_(first),
        second_(second),
        zeros_(
            Tensor::zeros({std::max(first.channels, second.channels)}, DType::f32, Device::cpu())) {
    first_.zeros = second_.zeros = zeros_.data();
  }

  // Where this many floats are in the scratch memory, in bytes.
  std::int64_t reserve(std::int64_t floats) {
    const std::int64_t offset = scratch_bytes_;
    scratch_bytes_ += aligned(floats * kFloatBytes);
    return offset;
  }
  static Positions at(void* scratch, std::int64_t offset, Positions layout) {
    layout.data = reinterpret_cast<float*>(static_cast<char*>(scratch) + offset);
    return layout;
  }

  Tiling first_, second_;

 private:
  Tensor zeros_;
  std::int64_t scratch_bytes_ = 0;
};

// From images to images where the transformed filters are more than the last cache holds, but
// patches of `patch_bytes` are not.
std::unique_ptr<Kernel> winograd_many_filters(const Tiling& from, const Tiling& to,
                                              const Filters& filters, Activation activation,
                                              const PrepareContext& context,
                                              std::int64_t patch_bytes);

}  // namespace engine::cpu::winograd
