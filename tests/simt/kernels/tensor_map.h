#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include <cuda.h>
#include <cuda_runtime_api.h>

// A dense tensor as TMA sees it. The driver's encoder is looked up at run time: nothing links
// libcuda.
namespace engine::samples {

struct TensorMapShape {
  CUtensorMapDataType type = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  int element_bytes = 2;
  std::vector<std::uint64_t> sizes;  // innermost first
  std::vector<std::uint32_t> box;
  int swizzle_bytes = 128;
};

inline CUtensorMap make_tensor_map(const void* data, const TensorMapShape& shape) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult status;
  if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                       cudaEnableDefault, &status) != cudaSuccess ||
      !function) {
    throw std::runtime_error("the driver has no cuTensorMapEncodeTiled");
  }
  std::vector<cuuint64_t> sizes(shape.sizes.begin(), shape.sizes.end()), strides;
  std::uint64_t bytes = static_cast<std::uint64_t>(shape.element_bytes);
  for (std::size_t i = 0; i + 1 < sizes.size(); i++) strides.push_back(bytes *= sizes[i]);
  const std::vector<cuuint32_t> element_strides(sizes.size(), 1);
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
  if (shape.swizzle_bytes == 32) swizzle = CU_TENSOR_MAP_SWIZZLE_32B;
  if (shape.swizzle_bytes == 64) swizzle = CU_TENSOR_MAP_SWIZZLE_64B;
  if (shape.swizzle_bytes == 128) swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  CUtensorMap map;
  const CUresult result = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function)(
      &map, shape.type, static_cast<cuuint32_t>(sizes.size()), const_cast<void*>(data),
      sizes.data(), strides.data(), shape.box.data(), element_strides.data(),
      CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) throw std::runtime_error("cuTensorMapEncodeTiled refused");
  return map;
}

}  // namespace engine::samples
