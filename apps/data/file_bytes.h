#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace engine::apps {

// The whole file. Throws IoError, with the path and the system's reason; also for folders and files
// above `max_bytes`.
std::vector<std::uint8_t> read_file_bytes(const std::filesystem::path& path,
                                          std::int64_t max_bytes = std::int64_t{2} << 30);

}  // namespace engine::apps
