#include <algorithm>
#include <cmath>
#include <tuple>

#include <gtest/gtest.h>

#include "engine/apps/data/image.h"
#include "engine/core/errors.h"
#include "throws.h"

namespace engine::apps {
namespace {

Image random_picture(int width, int height, int channels) {
  Image image = make_image(width, height, channels);
  std::uint32_t state = 99;
  for (auto& p : image.pixels)
    p = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return image;
}

// The definition: every output pixel is the tent-weighted mean of all source pixels, the tent as
// wide as the reduction along each axis.
double resized_pixel(const Image& image, int width, int height, int y, int x, int c) {
  const double scale_x = static_cast<double>(image.width) / width;
  const double scale_y = static_cast<double>(image.height) / height;
  const auto tent = [](double distance, double scale) {
    return std::max(0.0, 1 - std::abs(distance) / std::max(1.0, scale));
  };
  double sum = 0, weight = 0;
  for (int sy = 0; sy < image.height; ++sy) {
    for (int sx = 0; sx < image.width; ++sx) {
      const double w = tent(sy + 0.5 - (y + 0.5) * scale_y, scale_y) *
                       tent(sx + 0.5 - (x + 0.5) * scale_x, scale_x);
      sum += w * image.at(sy, sx, c);
      weight += w;
    }
  }
  return sum / weight;
}

class Resize : public testing::TestWithParam<std::tuple<int, int, int, int, int>> {};

TEST_P(Resize, MatchesReference) {
  const auto [from_w, from_h, width, height, channels] = GetParam();
  const Image image = random_picture(from_w, from_h, channels);
  const Image result = resize(image, width, height);
  ASSERT_EQ(result.width, width);
  ASSERT_EQ(result.height, height);
  ASSERT_EQ(result.channels, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        // Half a level of rounding and what f32 sums of values up to 255 lose.
        ASSERT_NEAR(result.at(y, x, c), resized_pixel(image, width, height, y, x, c), 0.501)
            << "at " << y << ", " << x << ", " << c;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Resize,
                         testing::Values(std::tuple(40, 30, 13, 7, 3), std::tuple(7, 5, 20, 16, 3),
                                         std::tuple(33, 9, 33, 4, 1), std::tuple(1, 1, 5, 3, 3),
                                         std::tuple(50, 50, 1, 1, 1), std::tuple(64, 48, 8, 8, 3),
                                         std::tuple(9, 21, 18, 3, 1)));

TEST(ResizeLarge, FlatStaysFlatAndSameSizeIsACopy) {
  const Image flat = make_image(1500, 900, 3, 77);  // large enough for threads
  const Image small = resize(flat, 64, 64);
  EXPECT_TRUE(std::all_of(small.pixels.begin(), small.pixels.end(), [](int p) { return p == 77; }));
  const Image image = random_picture(12, 8, 3);
  EXPECT_EQ(resize(image, 12, 8).pixels, image.pixels);
}

TEST(Fit, CropAndLetterboxKeepTheAspectRatio) {
  // 40 x 20: the left and right quarters are 200, the middle half 50.
  Image image = make_image(40, 20, 1, 50);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 40; ++x) {
      if (x < 10 || x >= 30) image.at(y, x, 0) = 200;
    }
  }
  const Image cropped = fit_image(image, 10, 10, Fit::center_crop);
  EXPECT_EQ(cropped.width, 10);
  EXPECT_TRUE(
      std::all_of(cropped.pixels.begin(), cropped.pixels.end(), [](int p) { return p == 50; }));
  const Image boxed = fit_image(image, 20, 20, Fit::letterbox);
  EXPECT_EQ(boxed.at(0, 10, 0), 0);
  EXPECT_EQ(boxed.at(19, 10, 0), 0);
  EXPECT_EQ(boxed.at(10, 10, 0), 50);
  EXPECT_EQ(boxed.at(10, 0, 0), 200);
  const Image stretched = fit_image(image, 20, 20);
  EXPECT_EQ(stretched.at(0, 0, 0), 200);
}

TEST(Fit, NamesAndErrors) {
  for (const Fit fit : {Fit::stretch, Fit::center_crop, Fit::letterbox}) {
    EXPECT_EQ(parse_fit(name_of(fit)), fit);
  }
  EXPECT_THROWS_WITH(parse_fit("squash"), InvalidArgument, "squash");
  EXPECT_THROWS_WITH(resize(make_image(2, 2, 1), 0, 3), InvalidArgument, "0x3");
  EXPECT_THROWS_WITH(crop(make_image(4, 4, 1), {2, 0, 3, 1}), InvalidArgument, "3x1", "4x4");
}

}  // namespace
}  // namespace engine::apps
