#include "engine/apps/data/exif.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace engine::apps {
namespace {

// Integers of a TIFF block in its byte order; nothing when outside.
class TiffReader {
 public:
  TiffReader(std::span<const std::uint8_t> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint32_t> integer(std::size_t offset, std::size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8 | bytes_[offset + (big_endian_ ? i : size - 1 - i)];
    }
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool big_endian_;
};

int tiff_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8) return 1;
  const bool big_endian = tiff[0] == 'M';
  if (!((tiff[0] == 'I' || big_endian) && tiff[1] == tiff[0])) return 1;
  const TiffReader reader(tiff, big_endian);
  if (reader.integer(2, 2) != 42u) return 1;
  const std::size_t directory = *reader.integer(4, 4);
  const auto entries = reader.integer(directory, 2);
  for (std::size_t e = 0; e < entries.value_or(0); ++e) {
    const std::size_t entry = directory + 2 + 12 * e;
    const auto tag = reader.integer(entry, 2);
    if (!tag) return 1;
    if (*tag != 0x0112) continue;
    const auto value = reader.integer(entry + 8, 2);
    const bool is_short = reader.integer(entry + 2, 2) == 3u;
    return is_short && value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(std::span<const std::uint8_t> jpeg) {
  constexpr std::array<std::uint8_t, 6> kExif = {'E', 'x', 'i', 'f', 0, 0};
  std::size_t at = 2;
  while (at + 4 <= jpeg.size() && jpeg[at] == 0xff) {
    const std::uint8_t marker = jpeg[at + 1];
    if (marker == 0xff) {  // a fill byte
      ++at;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) break;  // the pixels begin; nothing of ours follows
    const std::size_t length = static_cast<std::size_t>(jpeg[at + 2]) << 8 | jpeg[at + 3];
    if (length < 2 || jpeg.size() - at - 2 < length) break;
    const auto payload = jpeg.subspan(at + 4, length - 2);
    if (marker == 0xe1 && payload.size() > kExif.size() &&
        std::equal(kExif.begin(), kExif.end(), payload.begin())) {
      return tiff_orientation(payload.subspan(kExif.size()));
    }
    at += 2 + length;
  }
  return 1;
}

}  // namespace engine::apps
