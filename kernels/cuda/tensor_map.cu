#include <string>

#include "engine/kernels/cuda/tensor_map.h"

namespace engine::cuda {

CUtensorMap TensorMapEncoder::encode(const void* data, int rank, const std::int64_t* sizes,
                                     const int* box) const {
  constexpr int kMost = 5;
  cuuint64_t extents[kMost] = {}, strides[kMost] = {};
  cuuint32_t box_extents[kMost] = {}, steps[kMost] = {};
  cuuint64_t bytes = 2;
  for (int i = 0; i < rank; ++i) {
    extents[i] = static_cast<cuuint64_t>(sizes[i]);
    box_extents[i] = static_cast<cuuint32_t>(box[i]);
    steps[i] = 1;
    strides[i] = bytes *= extents[i];  // to the next one along dimension i + 1
  }
  CUtensorMap map;
  const CUresult result =
      encode_.get()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, static_cast<cuuint32_t>(rank),
                    const_cast<void*>(data), extents, strides, box_extents, steps,
                    CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                    CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    const auto list = [&](const auto* values) {
      std::string text;
      for (int i = 0; i < rank; ++i) text += join(i == 0 ? "" : " x ", values[i]);
      return text;
    };
    throw CudaError(join("cuda: cuTensorMapEncodeTiled takes no bf16 tensor of ", list(sizes),
                         " at ", data, " in boxes of ", list(box), " (innermost first): error ",
                         static_cast<int>(result)));
  }
  return map;
}

}  // namespace engine::cuda
