#include "engine/apps/style_transfer/painter.h"

#include <numeric>

#include <gtest/gtest.h>

#include "engine/apps/style_transfer/inputs.h"

namespace engine::apps::style_transfer {
namespace {

StyleSettings settings_with(const char* optimizer) {
  StyleSettings settings{.content = "scene:18",
                         .styles = {"pattern:waves"},
                         .style_weights = {1},
                         .size = 32,
                         .optimizer = optimizer};
  settings.device.precision = "f32";
  return settings;
}

// The average of no iterates is no picture.
TEST(StylePainter, ThePictureBeforeTheFirstStepIsTheStart) {
  for (const char* optimizer : {"adam", "lbfgs", "gd"}) {
    StyleSettings settings = settings_with(optimizer);
    const StyleInputs inputs(settings);
    for (const std::int64_t step : {0, 7}) {  // of the first scale, of a later one
      const Painter painter(settings, inputs.objective(), inputs.targets_at(32),
                            {.image = inputs.start_at(32), .step = step, .total_steps = 20});
      EXPECT_EQ(painter.step(), step);
      EXPECT_EQ(painter.picture().to_floats(), inputs.start_at(32).to_floats()) << optimizer;
    }
  }
}

TEST(StylePainter, IterationsThatAreRunTogetherAreThoseRunOneByOne) {
  for (const char* optimizer : {"adam", "lbfgs", "gd"}) {
    StyleSettings settings = settings_with(optimizer);
    const StyleInputs inputs(settings);
    const ScaleStart start{.image = inputs.start_at(32), .total_steps = 20};
    Painter together(settings, inputs.objective(), inputs.targets_at(32), start);
    Painter single(settings, inputs.objective(), inputs.targets_at(32), start);
    together.run(5);
    const std::vector<Painter::Losses> losses = together.losses(0, 5);
    ASSERT_EQ(losses.size(), 5u);
    for (std::int64_t step = 0; step < 5; ++step) {
      single.run(1);
      const Painter::Losses got = losses[static_cast<std::size_t>(step)];
      const Painter::Losses want = single.losses(step, step + 1)[0];
      EXPECT_EQ(got.total, want.total) << optimizer << ' ' << step;
      EXPECT_EQ(got.content, want.content) << optimizer << ' ' << step;
      EXPECT_EQ(got.style, want.style) << optimizer << ' ' << step;
      EXPECT_EQ(got.variation, want.variation) << optimizer << ' ' << step;
    }
    EXPECT_EQ(together.picture().to_floats(), single.picture().to_floats()) << optimizer;
  }
}

double mean_of(const Tensor& tensor) {
  const std::vector<float> values = tensor.to_floats();
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

TEST(StylePainter, TheNextScaleGoesOnWithAdamsMoments) {
  StyleSettings settings = settings_with("adam");
  settings.size = 64;
  const StyleInputs inputs(settings);
  Painter coarse(settings, inputs.objective(), inputs.targets_at(32),
                 {.image = inputs.start_at(32), .total_steps = 20});
  coarse.run(3);
  const Shape fine_shape = inputs.content_shape(64);
  ScaleStart start = coarse.next_scale(fine_shape);
  EXPECT_EQ(start.step, 3);
  ASSERT_TRUE(start.first_moment.defined());
  EXPECT_EQ(start.first_moment.shape(), fine_shape);
  // Four times the pixels: a quarter of the gradient.
  const ScaleStart same = coarse.next_scale(inputs.content_shape(32));
  EXPECT_NEAR(mean_of(start.first_moment) / mean_of(same.first_moment), 0.25, 0.01);
  EXPECT_NEAR(mean_of(start.second_moment) / mean_of(same.second_moment), 0.0625, 0.003);
  start.total_steps = 20;
  Painter warm(settings, inputs.objective(), inputs.targets_at(64), start);
  EXPECT_EQ(warm.step(), 3);
  EXPECT_EQ(warm.next_scale(fine_shape).first_moment.to_floats(), start.first_moment.to_floats());
  ScaleStart without = start;
  without.first_moment = without.second_moment = Tensor();
  Painter cold(settings, inputs.objective(), inputs.targets_at(64), without);
  warm.run(1);
  cold.run(1);
  EXPECT_NE(warm.picture().to_floats(), cold.picture().to_floats());
}

}  // namespace
}  // namespace engine::apps::style_transfer
