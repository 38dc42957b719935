#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace engine::apps {

// A picture of 8-bit samples, row by row from the top, channels interleaved: 1 (grey) or 3 (RGB).
struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;  // height * width * channels

  std::uint8_t& at(int y, int x, int c) {
    return pixels[(static_cast<std::size_t>(y) * width + x) * channels + c];
  }
  std::uint8_t at(int y, int x, int c) const {
    return pixels[(static_cast<std::size_t>(y) * width + x) * channels + c];
  }
};

Image make_image(int width, int height, int channels, std::uint8_t value = 0);

struct DecodeOptions {
  int channels = 3;                       // 1 or 3; the picture is converted to it
  std::int64_t max_pixels = 100'000'000;  // width * height; checked before memory is allocated
  std::uint8_t background = 255;          // what shines through transparent PNG pixels (grey level)
};

// Decodes JPEG, PNG (any depth, palettes, alpha over `background`), PGM or PPM (P5, P6 up to 16
// bit). The content decides, not the extension. A JPEG is turned upright by its EXIF orientation.
// Colour to grey is the Rec. 601 luma. `name` stands in errors. Throws IoError, naming the picture,
// when it is none of these formats, truncated or damaged, larger than max_pixels or 65,535 on a
// side, or a CMYK or YCCK JPEG.
Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                   const DecodeOptions& options = {});
Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

std::vector<std::uint8_t> encode_png(const Image& image);
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality = 90);
// Write the file atomically; throw IoError naming it when the disk refuses.
void write_png(const std::filesystem::path& path, const Image& image);
void write_jpeg(const std::filesystem::path& path, const Image& image, int quality = 90);

std::string to_base64(std::span<const std::uint8_t> bytes);
// "data:image/png;base64,...": a picture inside an HTML page.
std::string png_data_uri(const Image& image);

// Grey <-> RGB.
Image convert_channels(const Image& image, int channels);
// The pixels [left, left + width) x [top, top + height). Throws when outside of the picture.
struct Rectangle {
  int left = 0, top = 0, width = 0, height = 0;
};
Image crop(const Image& image, const Rectangle& part);

// Antialiased resampling with a triangle (tent) filter whose support grows with the reduction, so
// that every source pixel counts; separable, in f32, rounded once. Uses OpenMP for large pictures.
// The result does not depend on the number of threads.
Image resize(const Image& image, int width, int height);

// How a picture comes to a fixed size.
enum class Fit {
  stretch,      // resized, the aspect ratio ignored: nothing is lost; what classifiers take
  center_crop,  // resized until it covers, the middle kept
  letterbox     // resized until it fits, black bars around
};
Image fit_image(const Image& image, int width, int height, Fit fit = Fit::stretch);
// Parses "stretch", "crop" or "letterbox".
Fit parse_fit(const std::string& text);
std::string name_of(Fit fit);

}  // namespace engine::apps
