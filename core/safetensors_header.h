#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/shape.h"

namespace engine {

// Element types of a file. The last two have no DType.
enum class FileDType : std::uint8_t { f32, bf16, f16, i32, u8, boolean, f64, i64 };

FileDType file_dtype(DType dtype);
DType loaded_dtype(FileDType dtype);  // f64 and i64 become f32 and i32
std::int64_t size_of(FileDType dtype);

// The JSON part of a safetensors file.
struct SafetensorsHeader {
  struct Entry {
    std::string name;
    FileDType dtype = FileDType::f32;
    Shape shape;
    std::uint64_t begin = 0;  // bytes from the start of the data
    std::uint64_t end = 0;
  };
  std::vector<Entry> entries;  // after parsing: in order of their data, which they cover exactly
  std::map<std::string, std::string> metadata;
};

inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr std::string_view kMetadataKey = "__metadata__";

// What is wrong with a tensor's name; null when nothing is. Does not look at the encoding.
const char* name_fault(std::string_view name);

// Throws IoError beginning with "safetensors: FILE: ".
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           std::string_view file);
// JSON text, padded with spaces to a multiple of 8 bytes. Throws InvalidArgument.
std::string print_safetensors_header(const SafetensorsHeader& header);

}  // namespace engine
