#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace engine::apps {

// The whole file. Throws IoError, with the path and the system's reason; also for folders and files
// above `max_bytes`.
std::vector<std::uint8_t> read_file_bytes(const std::filesystem::path& path,
                                          std::int64_t max_bytes = std::int64_t{2} << 30);
// Writes and closes, throwing IoError when any of it fails. An existing file is replaced.
void write_file_bytes(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);

}  // namespace engine::apps
