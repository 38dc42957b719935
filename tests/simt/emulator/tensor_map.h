#pragma once

#include <cstdint>

#include <cuda.h>

#include "simt/fiber.h"

namespace engine::simt {

// What the emulated cuTensorMapEncodeTiled stores in a CUtensorMap.
struct TensorMap {
  std::uint32_t magic;
  std::uint8_t rank, element_bytes;
  std::uint16_t swizzle_bytes;
  char* base;
  std::uint64_t sizes[5], strides[4];  // strides in bytes, of dimensions 1 to 4
  std::uint16_t box[5];
  bool fills_nan;

  std::uint32_t box_bytes() const {
    std::uint32_t bytes = element_bytes;
    for (int i = 0; i < rank; i++) bytes *= box[i];
    return bytes;
  }
};

// Fails unless it is an encoded map of that rank.
const TensorMap& tensor_map(const CUtensorMap* map, int rank, Location where);

}  // namespace engine::simt
