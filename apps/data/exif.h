#pragma once

#include <cstdint>
#include <span>

namespace engine::apps {

// The EXIF orientation of a JPEG, 1 to 8; 1 (upright) when there is none or it makes no sense.
// Reads nothing outside of `jpeg`. Source: EXIF 2.3 (JEITA CP-3451C), 4.6.4: tag 0x0112 of the
// first directory.
int exif_orientation(std::span<const std::uint8_t> jpeg);

}  // namespace engine::apps
