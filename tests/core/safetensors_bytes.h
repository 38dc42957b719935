#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/safetensors.h"

namespace engine {

// A safetensors file in memory from its two parts; `length` overrides what the header's length
// says.
inline std::vector<std::uint8_t> safetensors_bytes(std::string_view header, std::size_t data_bytes,
                                                   std::int64_t length = -1) {
  const std::uint64_t stated = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
  std::vector<std::uint8_t> bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes.push_back((stated >> shift) & 0xff);
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (std::size_t i = 0; i < data_bytes; ++i) bytes.push_back(i % 2);
  return bytes;
}

// One tensor of every dtype, a scalar, an empty one, and metadata.
inline SafetensorsFile sample_safetensors() {
  SafetensorsFile file;
  const Tensor f32 = Tensor::from(std::vector<float>{1.5f, -2, 0, 1e30f}, {2, 2});
  file.tensors = {
      {"f32", f32},
      {"bf16", f32.to(DType::bf16)},
      {"f16", Tensor::from(std::vector<float>{1, -2, 0.5f}, {3, 1, 1}).to(DType::f16)},
      {"i32", Tensor::from(std::vector<std::int32_t>{-5, 2147483647}, {2})},
      {"scalar", Tensor::scalar(7)},
      {"empty", Tensor::zeros({0, 5}, DType::f32, Device::cpu())},
      {"u8", Tensor::from(std::vector<std::uint8_t>{1, 2, 255}, {3})},
      {"bool", Tensor::from(std::vector<std::uint8_t>{1, 0, 1}, {3}).to(DType::boolean)},
  };
  file.metadata = {{"engine", "{\"labels\":[\"day\",\"n\u00e4cht\"]}"}, {"empty", ""}};
  return file;
}

}  // namespace engine
