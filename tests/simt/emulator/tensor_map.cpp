#include "tensor_map.h"

#include <cstring>

#include <cuda_runtime_api.h>

#include "device_heap.h"

namespace engine::simt {
namespace {

static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));
constexpr std::uint32_t kMagic = 0x544d4150;

int element_bytes(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_UINT8:
      return 1;
    case CU_TENSOR_MAP_DATA_TYPE_UINT16:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
      return 2;
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT64:
    case CU_TENSOR_MAP_DATA_TYPE_INT64:
    case CU_TENSOR_MAP_DATA_TYPE_UINT64:
      return 8;
    default:
      return 4;
  }
}

int swizzle_bytes(CUtensorMapSwizzle swizzle) {
  switch (swizzle) {
    case CU_TENSOR_MAP_SWIZZLE_32B:
      return 32;
    case CU_TENSOR_MAP_SWIZZLE_64B:
      return 64;
    case CU_TENSOR_MAP_SWIZZLE_128B:
      return 128;
    default:
      return 0;
  }
}

}  // namespace

const TensorMap& tensor_map(const CUtensorMap* map, int rank, Location where) {
  const char* const file = file_name(where.file);
  if (reinterpret_cast<std::uintptr_t>(map) % 64) {
    fail("tma", "CUtensorMap at %p is not 64-byte aligned, at %s:%d", static_cast<const void*>(map),
         file, where.line);
  }
  const auto& decoded = *reinterpret_cast<const TensorMap*>(map);
  if (decoded.magic != kMagic) fail("tma", "not an encoded CUtensorMap at %s:%d", file, where.line);
  if (decoded.rank != rank) {
    fail("tma", "%dD copy with a tensor map of rank %d at %s:%d", rank, decoded.rank, file,
         where.line);
  }
  return decoded;
}

}  // namespace engine::simt

// The conditions are those of the driver API's documentation.
extern "C" CUresult cuTensorMapEncodeTiled(CUtensorMap* out, CUtensorMapDataType type,
                                           cuuint32_t rank, void* base, const cuuint64_t* sizes,
                                           const cuuint64_t* strides, const cuuint32_t* box,
                                           const cuuint32_t* element_strides,
                                           CUtensorMapInterleave interleave,
                                           CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                                           CUtensorMapFloatOOBfill fill) {
  using namespace engine::simt;
  const auto refuse = [](const char* why) {
    report("tma", "cuTensorMapEncodeTiled: %s", why);
    return CUDA_ERROR_INVALID_VALUE;
  };
  if (rank < 1 || rank > 5) return refuse("the rank is not in 1..5");
  if (interleave != CU_TENSOR_MAP_INTERLEAVE_NONE) return refuse("interleave is not emulated");
  if (reinterpret_cast<std::uintptr_t>(base) % 16)
    return refuse("the address is not 16-byte aligned");
  if (reinterpret_cast<std::uintptr_t>(out) % 64) return refuse("the map is not 64-byte aligned");
  TensorMap map{};
  map.magic = kMagic;
  map.rank = static_cast<std::uint8_t>(rank);
  map.element_bytes = static_cast<std::uint8_t>(element_bytes(type));
  map.swizzle_bytes = static_cast<std::uint16_t>(swizzle_bytes(swizzle));
  map.base = static_cast<char*>(base);
  map.fills_nan = fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
  for (cuuint32_t i = 0; i < rank; i++) {
    if (sizes[i] == 0 || sizes[i] > 1ull << 32) return refuse("a size is not in 1..2^32");
    if (box[i] == 0 || box[i] > 256) return refuse("a box dimension is not in 1..256");
    if (element_strides[i] != 1) return refuse("element strides are not emulated");
    map.sizes[i] = sizes[i];
    map.box[i] = static_cast<std::uint16_t>(box[i]);
  }
  for (cuuint32_t i = 0; i + 1 < rank; i++) {
    if (strides[i] % 16) return refuse("a stride is not a multiple of 16 bytes");
    map.strides[i] = strides[i];
  }
  const std::uint32_t inner = std::uint32_t{map.box[0]} * map.element_bytes;
  if (inner % 16) return refuse("the inner extent of the box is not a multiple of 16 bytes");
  if (map.swizzle_bytes && inner > map.swizzle_bytes) {
    return refuse("the inner extent of the box exceeds the swizzle");
  }
  std::uint64_t bytes = sizes[0] * map.element_bytes;
  for (cuuint32_t i = 1; i < rank; i++) bytes += strides[i - 1] * (sizes[i] - 1);
  Allocation allocation;
  if (find_allocation(base, allocation) && map.base + bytes > allocation.start + allocation.bytes) {
    return refuse("the tensor leaves its allocation");
  }
  std::memset(static_cast<void*>(out), 0, sizeof *out);
  std::memcpy(static_cast<void*>(out), &map, sizeof map);
  return CUDA_SUCCESS;
}
