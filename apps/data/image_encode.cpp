#include <memory>

#include <png.h>
#include <turbojpeg.h>

#include "engine/apps/data/image.h"
#include "engine/core/atomic_file.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

void check_image(const Image& image, const char* operation) {
  ENGINE_CHECK(image.width > 0 && image.height > 0 &&
                   (image.channels == 1 || image.channels == 3) &&
                   image.pixels.size() ==
                       static_cast<std::size_t>(image.width) * image.height * image.channels,
               operation, ": ", image.width, "x", image.height, " with ", image.channels,
               " channels and ", image.pixels.size(), " bytes is not a picture");
}

}  // namespace

std::vector<std::uint8_t> encode_png(const Image& image) {
  check_image(image, "encode_png");
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  // Into a buffer that is large enough for any content: one pass, no probing for the size.
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::uint8_t> bytes(size);
  const int written =
      png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr);
  const std::string message = png.message;
  png_image_free(&png);
  if (!written) throw IoError(join("encode_png: ", message));
  bytes.resize(size);
  return bytes;
}

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  check_image(image, "encode_jpeg");
  ENGINE_CHECK(quality >= 1 && quality <= 100, "encode_jpeg: quality ", quality,
               " is not within 1 to 100");
  struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  const std::unique_ptr<void, Destroy> encoder(tjInitCompress());
  if (!encoder) throw IoError(join("encode_jpeg: ", tjGetErrorStr2(nullptr)));
  const bool is_color = image.channels == 3;
  const int subsampling = is_color ? TJSAMP_420 : TJSAMP_GRAY;
  std::vector<std::uint8_t> bytes(tjBufSize(image.width, image.height, subsampling));
  unsigned char* buffer = bytes.data();
  auto size = static_cast<unsigned long>(bytes.size());
  if (tjCompress2(encoder.get(), image.pixels.data(), image.width, 0, image.height,
                  is_color ? TJPF_RGB : TJPF_GRAY, &buffer, &size, subsampling, quality,
                  TJFLAG_ACCURATEDCT | TJFLAG_NOREALLOC) != 0) {
    throw IoError(join("encode_jpeg: ", tjGetErrorStr2(encoder.get())));
  }
  bytes.resize(size);
  return bytes;
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file_atomically(path, encode_png(image));
}

void write_jpeg(const std::filesystem::path& path, const Image& image, int quality) {
  write_file_atomically(path, encode_jpeg(image, quality));
}

std::string to_base64(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const std::uint32_t group =
        bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    text += kDigits[group >> 18];
    text += kDigits[group >> 12 & 63];
    text += left > 1 ? kDigits[group >> 6 & 63] : '=';
    text += left > 2 ? kDigits[group & 63] : '=';
  }
  return text;
}

std::string png_data_uri(const Image& image) {
  return "data:image/png;base64," + to_base64(encode_png(image));
}

}  // namespace engine::apps
