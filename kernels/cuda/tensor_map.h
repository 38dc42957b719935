#pragma once

// Tensors as TMA sees them. The driver's encoder is looked up at run time: nothing links libcuda.
#include <array>
#include <cstdint>

#include "engine/core/cuda/driver.h"

namespace engine::cuda {

// Of dense bf16: extents and the box that one copy moves, the innermost dimension first. Boxes are
// 64 elements wide, so that their lines of 128 bytes are swizzled as wgmma takes them; what lies
// outside of the tensor is zero.
template <int kRank>
struct TensorMapShape {
  std::array<std::int64_t, kRank> sizes;
  std::array<int, kRank> box;
};

class TensorMapEncoder {
 public:
  // `data` is aligned to 16 bytes, and the innermost size is a multiple of 8.
  template <int kRank>
  CUtensorMap operator()(const void* data, const TensorMapShape<kRank>& shape) const {
    return encode(data, kRank, shape.sizes.data(), shape.box.data());
  }

 private:
  CUtensorMap encode(const void* data, int rank, const std::int64_t* sizes, const int* box) const;

  DriverFunction<decltype(cuTensorMapEncodeTiled)> encode_{"cuTensorMapEncodeTiled"};
};

}  // namespace engine::cuda
