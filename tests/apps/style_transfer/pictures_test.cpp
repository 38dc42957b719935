#include "engine/apps/style_transfer/pictures.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/settings.h"

namespace engine::apps::style_transfer {
namespace {

// Mean of each channel, and the covariances 00, 01, 02, 11, 12, 22.
std::array<double, 9> statistics(const Image& image) {
  std::array<double, 9> s{};
  const double count = static_cast<double>(image.pixels.size()) / 3;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) s[i % 3] += image.pixels[i] / count;
  for (std::size_t p = 0; p < image.pixels.size(); p += 3) {
    std::size_t at = 3;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = i; j < 3; ++j) {
        s[at++] += (image.pixels[p + i] - s[i]) * (image.pixels[p + j] - s[j]) / count;
      }
    }
  }
  return s;
}

double luma(const Image& image, int y, int x) {
  return 0.299 * image.at(y, x, 0) + 0.587 * image.at(y, x, 1) + 0.114 * image.at(y, x, 2);
}

// Mid-tones only, so that nothing is clamped.
Image soft(int seed, int width, int height) {
  Image image = make_image(width, height, 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int wave = static_cast<int>(20 * std::sin(0.3 * x + seed) * std::cos(0.2 * y));
      image.at(y, x, 0) = static_cast<std::uint8_t>(120 + wave + (x * 7 + seed) % 13);
      image.at(y, x, 1) = static_cast<std::uint8_t>(110 + wave / 2 + (y * 5 + seed) % 17);
      image.at(y, x, 2) = static_cast<std::uint8_t>(130 - wave + ((x + y) * seed) % 11);
    }
  }
  return image;
}

TEST(StylePictures, MatchedColorsHaveTheContentsMeanAndCovariance) {
  const Image content = soft(3, 40, 30), style = soft(8, 33, 47);
  const auto want = statistics(content), got = statistics(with_colors_of(style, content));
  for (std::size_t i = 0; i < want.size(); ++i) {
    // Rounding to 8 bits, and the one grey level of noise that is assumed in both.
    EXPECT_NEAR(got[i], want[i], i < 3 ? 0.5 : 3) << i;
  }
  EXPECT_GT(std::abs(statistics(style)[8] - want[8]), 3);  // it was not so before
}

TEST(StylePictures, ChromaComesFromTheContentAndLumaStays) {
  const Image content = soft(3, 24, 20), painted = soft(9, 24, 20);
  const Image result =
      to_image(with_chroma_of(scaled_pixels(painted, 24), scaled_pixels(content, 24)));
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 24; ++x) {
      EXPECT_NEAR(luma(result, y, x), luma(painted, y, x), 1.0);
      const double red = result.at(y, x, 0) - luma(result, y, x);
      EXPECT_NEAR(red, content.at(y, x, 0) - luma(content, y, x), 1.5);
    }
  }
}

TEST(StylePictures, ScalesKeepTheAspectRatio) {
  EXPECT_EQ(scaled_pixels(make_image(80, 60, 3, 9), 40).shape(), (Shape{1, 30, 40, 3}));
  EXPECT_EQ(scaled_pixels(make_image(10, 1000, 3, 9), 100).shape(), (Shape{1, 100, 1, 3}));
  EXPECT_EQ(to_image(scaled_pixels(make_image(8, 8, 3, 77), 32)).at(13, 7, 2), 77);
}

TEST(StylePictures, PatternsAreTheSameEveryTimeAndUnlikeEachOther) {
  const Image waves = make_pattern("waves", 64);
  EXPECT_EQ(waves.pixels, make_pattern("waves", 64).pixels);
  EXPECT_NE(waves.pixels, make_pattern("embers", 64).pixels);
  EXPECT_THROW(make_pattern("none", 64), UsageError);
  EXPECT_GT(statistics(waves)[3], 100);  // it is no flat colour
}

TEST(StyleSettings, LayersAndScales) {
  const auto layers = parse_layers("--style-layers", "conv1_1,conv4_2:0.25");
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].weight, 1);
  EXPECT_EQ(layers[1].weight, 0.25);
  for (const char* bad : {"", "conv1_1:", "conv1_1:0", "conv1_1:1x", "conv1_1:-1"}) {
    EXPECT_THROW(parse_layers("--style-layers", bad), UsageError) << bad;
  }
  const auto sizes = [](int size, int scales, int iterations) {
    std::vector<std::pair<int, int>> result;
    for (const Scale& scale :
         make_scales({.size = size, .scales = scales, .iterations = iterations})) {
      result.emplace_back(scale.size, scale.iterations);
    }
    return result;
  };
  using Sizes = std::vector<std::pair<int, int>>;
  EXPECT_EQ(sizes(512, 0, 301), (Sizes{{256, 150}, {512, 151}}));
  EXPECT_EQ(sizes(500, 0, 10), (Sizes{{500, 10}}));
  EXPECT_EQ(sizes(2048, 0, 30), (Sizes{{512, 10}, {1024, 10}, {2048, 10}}));
  EXPECT_EQ(sizes(64, 3, 2), (Sizes{{32, 1}, {64, 1}}));
}

TEST(StyleSettings, GoThroughJson) {
  const StyleSettings settings{.content = "scene:7",
                               .styles = {"a", "b"},
                               .style_weights = {0.25, 0.75},
                               .iterations = 77,
                               .colors = "matched"};
  EXPECT_EQ(to_json(parse_style_settings(to_json(settings), "x")), to_json(settings));
  nlohmann::json damaged = to_json(settings);
  damaged["size"] = "large";
  EXPECT_THROW(parse_style_settings(damaged, "x"), IoError);
}

}  // namespace
}  // namespace engine::apps::style_transfer
