#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace engine {

// A safetensors file: 8 bytes of header length (little endian), a JSON header, then the data.
struct SafetensorsFile {
  struct Entry {
    std::string name;
    Tensor tensor;  // on the CPU
  };
  std::vector<Entry> tensors;                   // in order of their data
  std::map<std::string, std::string> metadata;  // "__metadata__"

  const Tensor* find(std::string_view name) const;  // null when there is none
};

// Reads a whole file. Every length, offset, dtype and name is checked before use: the header's
// length against the file's, each tensor's bytes against its shape, and the tensors must cover the
// data exactly, without holes or overlaps. Dtypes F32, BF16, F16, I32, U8, BOOL; F64 and I64 are
// converted to f32 and i32 (throws where an i64 does not fit).
// Throws IoError naming the file and what is wrong with it.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
// The same from memory; `name` stands for the file in errors.
SafetensorsFile parse_safetensors(std::span<const std::uint8_t> bytes, std::string_view name);

// Writes to a temporary beside `path`, flushes it to the disk and renames it, so that `path` is
// either the old or the new file at every moment. Throws IoError and removes the temporary when
// anything fails.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);

// The atomic writer behind it, for other files.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

}  // namespace engine
