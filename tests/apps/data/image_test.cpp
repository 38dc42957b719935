#include "engine/apps/data/image.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>

#include "engine/apps/data/exif.h"
#include "engine/core/errors.h"
#include "temporary_folder.h"
#include "throws.h"

namespace engine::apps {
namespace {

using testing_support::TemporaryFolder;
using Bytes = std::vector<std::uint8_t>;

// Smooth colours, so that JPEG keeps them closely.
Image smooth_picture(int width, int height, int channels = 3) {
  Image image = make_image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.at(y, x, c) =
            static_cast<std::uint8_t>(128 + 100 * std::sin(0.02 * (x * (c + 1)) + 0.03 * y + c));
      }
    }
  }
  return image;
}

Image random_picture(int width, int height, int channels) {
  Image image = make_image(width, height, channels);
  std::uint32_t state = 12345;
  for (auto& p : image.pixels)
    p = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return image;
}

double mean_difference(const Image& a, const Image& b) {
  if (a.pixels.size() != b.pixels.size() || a.pixels.empty()) return INFINITY;
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / a.pixels.size();
}

TEST(Image, FilesAreReplacedWhole) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a", other_name = folder.path() / "b";
  for (const auto write :
       {+[](const std::filesystem::path&p, const Image&i) { write_png(p, i); },
        +[](const std::filesystem::path&p, const Image&i) { write_jpeg(p, i); }}) {
    write(path, make_image(4, 4, 3, 10));
    std::filesystem::create_hard_link(path, other_name);
    write(path, make_image(5, 5, 3, 200));
    EXPECT_EQ(read_image(path).width, 5);
    EXPECT_EQ(read_image(other_name).width, 4);  // written in place, it would be the new one too
    std::filesystem::remove(other_name);
  }
}

TEST(Image, PngRoundTripIsExact) {
  for (const int channels : {1, 3}) {
    const Image image = random_picture(37, 23, channels);
    const Image back = decode_image(encode_png(image), "x", {.channels = channels});
    EXPECT_EQ(back.width, 37);
    EXPECT_EQ(back.height, 23);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(Image, JpegRoundTripIsClose) {
  for (const int channels : {1, 3}) {
    const Image image = smooth_picture(83, 61, channels);
    const Image back = decode_image(encode_jpeg(image, 95), "x", {.channels = channels});
    EXPECT_EQ(back.width, 83);
    EXPECT_EQ(back.height, 61);
    EXPECT_LT(mean_difference(back, image), 2.0);
  }
}

TEST(Image, GreyJpegBecomesRgb) {
  const Image grey = smooth_picture(40, 30, 1);
  const Image rgb = decode_image(encode_jpeg(grey, 95), "x");
  ASSERT_EQ(rgb.channels, 3);
  EXPECT_LT(mean_difference(convert_channels(rgb, 1), grey), 2.0);
  EXPECT_EQ(rgb.at(3, 5, 0), rgb.at(3, 5, 2));
}

TEST(Image, ColorToGreyIsLuma) {
  Image image = make_image(1, 1, 3);
  image.pixels = {200, 100, 50};
  EXPECT_EQ(convert_channels(image, 1).pixels[0],
            std::lround(0.299 * 200 + 0.587 * 100 + 0.114 * 50));
}

// Writes a PNG of any format with libpng's full interface.
Bytes make_png(int width, int height, int depth, int color_type, const std::vector<Bytes>& rows,
               const std::vector<png_color>& palette = {}) {
  Bytes bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, png_size_t size) {
        auto* out = static_cast<Bytes*>(png_get_io_ptr(p));
        out->insert(out->end(), data, data + size);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, width, height, depth, color_type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  png_write_info(png, info);
  for (const Bytes& row : rows) png_write_row(png, row.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

TEST(Image, PngOfEveryKindIsConverted) {
  const Bytes one_bit = make_png(8, 1, 1, PNG_COLOR_TYPE_GRAY, {{0b10100000}});
  EXPECT_EQ(decode_image(one_bit, "x", {.channels = 1}).pixels,
            (Bytes{255, 0, 255, 0, 0, 0, 0, 0}));
  const Bytes deep = make_png(2, 1, 16, PNG_COLOR_TYPE_GRAY, {{0x80, 0x80, 0xff, 0xff}});
  EXPECT_EQ(decode_image(deep, "x", {.channels = 1}).pixels, (Bytes{128, 255}));
  const Bytes palette =
      make_png(2, 1, 8, PNG_COLOR_TYPE_PALETTE, {{1, 0}}, {{10, 20, 30}, {200, 100, 50}});
  EXPECT_EQ(decode_image(palette, "x").pixels, (Bytes{200, 100, 50, 10, 20, 30}));
  const Bytes alpha = make_png(2, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {{9, 9, 9, 0, 7, 8, 9, 255}});
  EXPECT_EQ(decode_image(alpha, "x").pixels, (Bytes{255, 255, 255, 7, 8, 9}));
  EXPECT_EQ(decode_image(alpha, "x", {.background = 0}).pixels, (Bytes{0, 0, 0, 7, 8, 9}));
}

Bytes bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

TEST(Image, PgmAndPpm) {
  using std::string_literals::operator""s;
  EXPECT_EQ(
      decode_image(bytes_of("P5\n# made by hand\n2 1\n255\nA\x10"), "x", {.channels = 1}).pixels,
      (Bytes{'A', 16}));
  EXPECT_EQ(decode_image(bytes_of("P6 1 1 255 abc"), "x").pixels, (Bytes{'a', 'b', 'c'}));
  EXPECT_EQ(decode_image(bytes_of("P5 2 1 1 \x01\x00"s), "x", {.channels = 1}).pixels,
            (Bytes{255, 0}));
  EXPECT_EQ(decode_image(bytes_of("P5 1 1 65535 \x80\x80"), "x", {.channels = 1}).pixels,
            (Bytes{128}));
}

TEST(Image, ContentDecidesNotTheExtension) {
  const TemporaryFolder folder;
  const Image image = random_picture(9, 9, 3);
  EXPECT_EQ(read_image(folder.write("a.jpg", encode_png(image))).pixels, image.pixels);
  EXPECT_THROWS_WITH(read_image(folder.write("b c.jpg", std::string("hello"))), IoError, "b c.jpg",
                     "not a picture");
}

Bytes make_cmyk_jpeg() {
  const Bytes pixels(16 * 16 * 4, 100);
  tjhandle encoder = tjInitCompress();
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  tjCompress2(encoder, pixels.data(), 16, 0, 16, TJPF_CMYK, &buffer, &size, TJSAMP_444, 90, 0);
  const Bytes bytes(buffer, buffer + size);
  tjFree(buffer);
  tjDestroy(encoder);
  return bytes;
}

TEST(Image, BadPicturesAreRefusedByName) {
  const Bytes jpeg = encode_jpeg(random_picture(64, 48, 3), 90);
  const Bytes png = encode_png(random_picture(64, 48, 3));
  const Bytes cut_jpeg(jpeg.begin(), jpeg.begin() + jpeg.size() / 2);
  const Bytes cut_png(png.begin(), png.begin() + png.size() / 2);
  EXPECT_THROWS_WITH(decode_image(cut_jpeg, "x.jpg"), IoError, "x.jpg", "truncated JPEG");
  EXPECT_THROWS_WITH(decode_image(cut_png, "x.png"), IoError, "x.png", "truncated PNG");
  EXPECT_THROWS_WITH(decode_image(Bytes(jpeg.begin(), jpeg.begin() + 12), "x.jpg"), IoError,
                     "x.jpg", "damaged JPEG");
  EXPECT_THROWS_WITH(decode_image(Bytes{}, "x.png"), IoError, "x.png", "empty");
  EXPECT_THROWS_WITH(decode_image(make_cmyk_jpeg(), "p.jpg"), IoError, "p.jpg", "made for print");
  EXPECT_THROWS_WITH(decode_image(bytes_of("P5 4 4 255 abc"), "x.pgm"), IoError, "x.pgm",
                     "truncated", "16 bytes");
  EXPECT_THROWS_WITH(decode_image(bytes_of("P5 4"), "x.pgm"), IoError, "x.pgm", "damaged");
  Bytes flipped = png;
  flipped[flipped.size() / 2] ^= 0x55;
  EXPECT_THROWS_WITH(decode_image(flipped, "x.png"), IoError, "x.png", "damaged");
}

TEST(Image, EveryTruncationIsRefused) {
  for (const Bytes& whole :
       {encode_jpeg(random_picture(24, 24, 3), 80), encode_png(random_picture(24, 24, 3)),
        bytes_of("P6 2 2 255 abcdefghijkl")}) {
    const std::size_t end_marker = whole[0] == 0xff ? 2 : whole[0] == 0x89 ? 12 : 0;
    for (std::size_t size = 0; size + end_marker < whole.size(); ++size) {
      EXPECT_THROW(decode_image(std::span(whole).first(size), "x"), IoError)
          << size << " of " << whole.size() << " bytes";
    }
  }
}

TEST(Image, HugePicturesAreRefusedBeforeMemoryIsAllocated) {
  Bytes png = encode_png(make_image(4, 4, 3));
  // Width and height in the IHDR chunk, with its check sum made right.
  for (const int at : {16, 20})
    png[at] = 0, png[at + 1] = 0, png[at + 2] = 0xff, png[at + 3] = 0xff;
  std::uint32_t crc = 0xffffffffu;
  for (int i = 12; i < 29; ++i) {
    crc ^= png[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  for (int i = 0; i < 4; ++i) png[29 + i] = static_cast<std::uint8_t>(~crc >> (24 - 8 * i));
  EXPECT_THROWS_WITH(decode_image(png, "big.png"), IoError, "big.png", "65535x65535", "too large");
  EXPECT_THROWS_WITH(decode_image(bytes_of("P6 60000 60000 255 a"), "big.ppm"), IoError, "big.ppm",
                     "too large");
  Bytes jpeg = encode_jpeg(make_image(8, 8, 3));
  for (std::size_t i = 2; i + 9 < jpeg.size();) {  // to the frame header
    if (jpeg[i + 1] == 0xc0) {
      jpeg[i + 5] = jpeg[i + 6] = jpeg[i + 7] = jpeg[i + 8] = 0xff;
      break;
    }
    i += 2 + (jpeg[i + 2] << 8 | jpeg[i + 3]);
  }
  EXPECT_THROWS_WITH(decode_image(jpeg, "big.jpg"), IoError, "big.jpg");
  EXPECT_THROWS_WITH(decode_image(encode_png(make_image(11, 10, 1)), "x", {.max_pixels = 100}),
                     IoError, "11x10", "100 pixels");
}

// A JPEG with an EXIF block that holds the orientation alone.
Bytes with_orientation(const Bytes& jpeg, int orientation, bool big_endian) {
  Bytes exif = {'E', 'x', 'i', 'f', 0, 0};
  const auto put = [&](std::uint32_t value, int size) {
    for (int i = 0; i < size; ++i) {
      exif.push_back(static_cast<std::uint8_t>(value >> 8 * (big_endian ? size - 1 - i : i)));
    }
  };
  exif.insert(exif.end(), 2, big_endian ? 'M' : 'I');
  put(42, 2), put(8, 4), put(1, 2), put(0x0112, 2), put(3, 2), put(1, 4), put(orientation, 2),
      put(0, 2), put(0, 4);
  Bytes result = {0xff, 0xd8, 0xff, 0xe1, 0, static_cast<std::uint8_t>(exif.size() + 2)};
  result.insert(result.end(), exif.begin(), exif.end());
  result.insert(result.end(), jpeg.begin() + 2, jpeg.end());
  return result;
}

TEST(Image, ExifOrientationIsApplied) {
  // Four flat quarters, each large enough for JPEG to keep: A B over C D.
  Image image = make_image(64, 32, 1);
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 64; ++x) image.at(y, x, 0) = (y < 16 ? 40 : 160) + (x < 32 ? 0 : 60);
  }
  const Bytes jpeg = encode_jpeg(image, 95);
  constexpr int kA = 40, kB = 100, kC = 160, kD = 220;
  // As seen: top left, top right, bottom left, bottom right.
  const std::array<std::array<int, 4>, 8> seen = {{{kA, kB, kC, kD},
                                                   {kB, kA, kD, kC},
                                                   {kD, kC, kB, kA},
                                                   {kC, kD, kA, kB},
                                                   {kA, kC, kB, kD},
                                                   {kC, kA, kD, kB},
                                                   {kD, kB, kC, kA},
                                                   {kB, kD, kA, kC}}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big_endian : {false, true}) {
      const Bytes bytes = with_orientation(jpeg, orientation, big_endian);
      ASSERT_EQ(exif_orientation(bytes), orientation);
      const Image upright = decode_image(bytes, "x", {.channels = 1});
      ASSERT_EQ(upright.width, orientation >= 5 ? 32 : 64);
      const int right = upright.width * 3 / 4, bottom = upright.height * 3 / 4;
      const auto& want = seen[orientation - 1];
      EXPECT_NEAR(upright.at(upright.height / 4, upright.width / 4, 0), want[0], 4) << orientation;
      EXPECT_NEAR(upright.at(upright.height / 4, right, 0), want[1], 4) << orientation;
      EXPECT_NEAR(upright.at(bottom, upright.width / 4, 0), want[2], 4) << orientation;
      EXPECT_NEAR(upright.at(bottom, right, 0), want[3], 4) << orientation;
    }
  }
}

TEST(Image, DamagedExifIsIgnoredAndNeverReadOutside) {
  const Bytes good = with_orientation(encode_jpeg(smooth_picture(16, 16), 90), 6, true);
  for (std::size_t size = 0; size < 60; ++size) {
    // Exactly as long as said, so that a sanitizer sees reads beyond.
    const Bytes cut(good.begin(), good.begin() + size);
    const int orientation = exif_orientation(cut);
    EXPECT_TRUE(orientation == 1 || orientation == 6);
  }
  std::uint32_t state = 7;
  for (int round = 0; round < 20000; ++round) {
    Bytes noisy(good.begin(), good.begin() + 60);
    for (int k = 0; k < 3; ++k) {
      state = state * 1664525 + 1013904223;
      noisy[6 + (state >> 8) % 54] = static_cast<std::uint8_t>(state >> 24);
    }
    const int orientation = exif_orientation(noisy);
    ASSERT_GE(orientation, 1);
    ASSERT_LE(orientation, 8);
  }
}

TEST(Image, WritingFailsWithTheName) {
  EXPECT_THROWS_WITH(write_png("/nonexistent folder/a.png", make_image(2, 2, 3)), IoError,
                     "/nonexistent folder/a.png");
  EXPECT_THROWS_WITH(write_jpeg("/dev/full", make_image(200, 200, 3)), IoError, "/dev/full");
}

TEST(Image, Base64MatchesRfc4648) {
  const std::array<std::array<const char*, 2>, 5> cases = {
      {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}}};
  for (const auto& [plain, coded] : cases) EXPECT_EQ(to_base64(bytes_of(plain)), coded);
  EXPECT_EQ(to_base64(Bytes{0xff, 0xfe, 0xfd}), "//79");
  EXPECT_EQ(png_data_uri(make_image(1, 1, 3)).rfind("data:image/png;base64,iVBORw0KGgo", 0), 0u);
}

}  // namespace
}  // namespace engine::apps
