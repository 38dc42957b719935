#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include <png.h>
#include <turbojpeg.h>

#include "engine/apps/data/exif.h"
#include "engine/apps/data/file_bytes.h"
#include "engine/apps/data/image.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

constexpr int kMaxSide = 65535;

void check_size(std::int64_t width, std::int64_t height, const std::string& name,
                const DecodeOptions& options) {
  if (width < 1 || height < 1) throw IoError(join(name, ": the picture is ", width, "x", height));
  if (width > kMaxSide || height > kMaxSide || width * height > options.max_pixels) {
    throw IoError(join(name, ": a picture of ", width, "x", height, " is too large; the limit is ",
                       options.max_pixels, " pixels and ", kMaxSide, " on a side"));
  }
}

// The picture as orientation `o` means it to be seen.
Image turn_upright(const Image& image, int o) {
  if (o <= 1 || o > 8) return image;
  const bool swaps_axes = o >= 5;
  Image result = make_image(swaps_axes ? image.height : image.width,
                            swaps_axes ? image.width : image.height, image.channels);
  const bool flips_x = o == 2 || o == 3 || o == 7 || o == 8;  // in the stored picture
  const bool flips_y = o == 3 || o == 4 || o == 6 || o == 7;
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      int from_x = swaps_axes ? y : x;
      int from_y = swaps_axes ? x : y;
      if (flips_x) from_x = image.width - 1 - from_x;
      if (flips_y) from_y = image.height - 1 - from_y;
      for (int c = 0; c < image.channels; ++c) result.at(y, x, c) = image.at(from_y, from_x, c);
    }
  }
  return result;
}

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name,
                  const DecodeOptions& options) {
  struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  const std::unique_ptr<void, Destroy> decoder(tjInitDecompress());
  if (!decoder) throw IoError(join(name, ": no JPEG decoder: ", tjGetErrorStr2(nullptr)));
  const auto size = static_cast<unsigned long>(bytes.size());
  int width = 0, height = 0, subsampling = 0, colors = 0;
  if (tjDecompressHeader3(decoder.get(), bytes.data(), size, &width, &height, &subsampling,
                          &colors) != 0 ||
      width < 1 || height < 1) {
    throw IoError(join(name, ": damaged JPEG: ", tjGetErrorStr2(decoder.get())));
  }
  if (colors == TJCS_CMYK || colors == TJCS_YCCK) {
    throw IoError(join(name, ": a ", colors == TJCS_CMYK ? "CMYK" : "YCCK",
                       " JPEG (made for print); convert it to RGB first"));
  }
  check_size(width, height, name, options);
  Image image = make_image(width, height, options.channels);
  // TurboJPEG goes on after a warning (truncated or corrupt data) and leaves grey areas: a damaged
  // picture is refused instead. LIMITSCANS stops decompression bombs.
  const int result = tjDecompress2(decoder.get(), bytes.data(), size, image.pixels.data(), width, 0,
                                   height, options.channels == 1 ? TJPF_GRAY : TJPF_RGB,
                                   TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING);
  if (result != 0) {
    throw IoError(join(name, ": damaged or truncated JPEG: ", tjGetErrorStr2(decoder.get())));
  }
  return turn_upright(image, exif_orientation(bytes));
}

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name,
                 const DecodeOptions& options) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  struct Free {
    png_image* image;
    ~Free() { png_image_free(image); }
  } const free_at_end{&png};
  if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size())) {
    throw IoError(join(name, ": damaged PNG: ", png.message));
  }
  check_size(png.width, png.height, name, options);
  png.format = PNG_FORMAT_RGB;
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // 16-bit files without gamma are not linear
  Image image = make_image(static_cast<int>(png.width), static_cast<int>(png.height), 3);
  const png_color background = {options.background, options.background, options.background};
  if (!png_image_finish_read(&png, &background, image.pixels.data(), 0, nullptr)) {
    throw IoError(join(name, ": damaged or truncated PNG: ", png.message));
  }
  return convert_channels(image, options.channels);
}

// The numbers of a PGM or PPM header, with comments passed over.
class PnmHeader {
 public:
  PnmHeader(std::span<const std::uint8_t> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  std::int64_t number() {
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
    std::int64_t value = 0;
    const std::size_t begin = at_;
    while (at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9' && at_ - begin < 9) {
      value = 10 * value + (bytes_[at_++] - '0');
    }
    if (at_ == begin) throw IoError(join(name_, ": damaged PGM or PPM: its header has no size"));
    return value;
  }
  // The samples begin one white-space character after the last number.
  std::size_t samples_begin() const { return at_ + 1; }

 private:
  static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
  std::size_t at_ = 2;
};

Image decode_pnm(std::span<const std::uint8_t> bytes, const std::string& name,
                 const DecodeOptions& options) {
  PnmHeader header(bytes, name);
  const std::int64_t width = header.number();
  const std::int64_t height = header.number();
  const std::int64_t largest = header.number();
  check_size(width, height, name, options);
  if (largest < 1 || largest > 65535) {
    throw IoError(join(name, ": damaged PGM or PPM: largest sample value ", largest));
  }
  const int channels = bytes[1] == '6' ? 3 : 1;
  const std::size_t sample_bytes = largest > 255 ? 2 : 1;
  const std::size_t samples = static_cast<std::size_t>(width * height) * channels;
  const std::size_t begin = header.samples_begin();
  if (begin > bytes.size() || bytes.size() - begin < samples * sample_bytes) {
    throw IoError(join(name, ": truncated PGM or PPM: ", samples * sample_bytes,
                       " bytes of samples wanted, ", bytes.size() - std::min(begin, bytes.size()),
                       " there"));
  }
  Image image = make_image(static_cast<int>(width), static_cast<int>(height), channels);
  for (std::size_t i = 0; i < samples; ++i) {
    const std::uint8_t* sample = &bytes[begin + i * sample_bytes];
    const std::int64_t value = sample_bytes == 2 ? sample[0] << 8 | sample[1] : sample[0];
    image.pixels[i] =
        static_cast<std::uint8_t>((std::min(value, largest) * 255 + largest / 2) / largest);
  }
  return convert_channels(image, options.channels);
}

bool begins_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                   const DecodeOptions& options) {
  ENGINE_CHECK(options.channels == 1 || options.channels == 3, "decode_image: ", options.channels,
               " channels; 1 or 3 are possible");
  if (begins_with(bytes, "\xff\xd8\xff")) return decode_jpeg(bytes, name, options);
  if (begins_with(bytes, "\x89PNG\r\n\x1a\n")) return decode_png(bytes, name, options);
  if (begins_with(bytes, "P5") || begins_with(bytes, "P6")) return decode_pnm(bytes, name, options);
  if (bytes.empty()) throw IoError(join(name, ": the file is empty"));
  throw IoError(join(name, ": not a picture that can be read (JPEG, PNG, PGM or PPM)"));
}

Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(read_file_bytes(path), path.string(), options);
}

}  // namespace engine::apps
