#include "engine/apps/data/scenes.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/apps/data/baselines.h"
#include "engine/core/errors.h"
#include "throws.h"

namespace engine::apps {
namespace {

TEST(Scenes, AreAFunctionOfSeedAndIndex) {
  const ImageDataset one = make_scenes(24, {.seed = 5, .threads = 1});
  const ImageDataset three = make_scenes(24, {.seed = 5, .threads = 3});
  EXPECT_TRUE(
      std::ranges::equal(one.images.span<std::uint8_t>(), three.images.span<std::uint8_t>()));
  EXPECT_EQ(one.names, three.names);
  EXPECT_EQ(draw_scene(5, 17, 64, 64).image.pixels, one.image(17).pixels);
  EXPECT_NE(draw_scene(6, 17, 64, 64).image.pixels, one.image(17).pixels);
}

TEST(Scenes, TheSunDecidesTheClass) {
  int nights = 0, twilights = 0;
  for (int i = 0; i < 400; ++i) {
    const Scene scene = draw_scene(2, i, 16, 16);
    EXPECT_EQ(scene.is_night, scene.sun_elevation < kNightElevation);
    EXPECT_GE(std::abs(scene.sun_elevation - kNightElevation), 0.5f);
    nights += scene.is_night;
    twilights += std::abs(scene.sun_elevation - kNightElevation) < 6;
  }
  EXPECT_NEAR(nights, 200, 50);
  EXPECT_GT(twilights, 20);
}

TEST(Scenes, EverySizeWorksAndNoneIsBlank) {
  for (const auto& [width, height] : {std::pair{8, 8}, {33, 17}, {64, 64}, {160, 90}}) {
    for (int i = 0; i < 20; ++i) {
      const Image image = draw_scene(3, i, width, height).image;
      ASSERT_EQ(image.pixels.size(), static_cast<std::size_t>(width) * height * 3);
      const auto [least, most] = std::ranges::minmax_element(image.pixels);
      EXPECT_LT(*least, *most) << "scene 3/" << i << " at " << width << "x" << height;
    }
  }
  EXPECT_THROWS_WITH(draw_scene(1, 1, 7, 64), InvalidArgument, "7x64");
  EXPECT_THROWS_WITH(make_scenes(0), InvalidArgument, "0 scenes");
}

// A goal that thumbnails reach is no goal. They must tell something, though: photographs do.
TEST(Scenes, ThumbnailsDoNotTellDayFromNight) {
  const ImageDataset scenes = make_scenes(4000);
  const Split split =
      stratified_split(scenes.label_span(), {.train = 0.6, .validation = 0.1, .test = 0.3}, 1);
  const BaselineResult ridge = ridge_on_thumbnails(scenes, split);
  EXPECT_LE(ridge.accuracy(), 0.85) << ridge.correct << " of " << ridge.total;
  EXPECT_GE(ridge.accuracy(), 0.70) << ridge.correct << " of " << ridge.total;
}

}  // namespace
}  // namespace engine::apps
