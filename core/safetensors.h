#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/atomic_file.h"
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
// length against the file's and 100 MB, each tensor's bytes against its shape, and the tensors must
// cover the data exactly, without holes or overlaps. No name may occur twice, be empty or hold
// control characters. Dtypes F32, BF16, F16, I32, U8, BOOL; F64 and I64 are converted to f32 (to
// nearest; beyond its range to infinity) and i32 (throws where an i64 does not fit).
// Throws IoError naming the file and what is wrong with it.
SafetensorsFile read_safetensors(const std::filesystem::path& path);
// The same from memory; `name` stands for the file in errors.
SafetensorsFile parse_safetensors(std::span<const std::uint8_t> bytes, std::string_view name);
// The metadata alone. The header is checked like above, so a file cut short is refused.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path);

// Writes a file atomically (see AtomicFile). The data lies in the order of file.tensors, but wider
// elements first, so that every tensor is aligned to its elements. Throws IoError when writing
// fails, InvalidArgument when names collide or may not be read back.
void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file);
void write_safetensors(AtomicFile& out, const SafetensorsFile& file);  // does not commit

// The same, and keeps the file that was there as previous_of(path), unless that file is damaged:
// then a whole previous one stays. So one of the two is whole at every moment.
void write_safetensors_keeping_previous(const std::filesystem::path& path,
                                        const SafetensorsFile& file);
std::filesystem::path previous_of(const std::filesystem::path& path);  // `path` + ".previous"
// `path`, or previous_of(path) where only that one is whole; empty where neither exists.
std::filesystem::path newest_safetensors(const std::filesystem::path& path);

}  // namespace engine
