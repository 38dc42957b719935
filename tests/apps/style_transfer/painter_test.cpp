#include "engine/apps/style_transfer/painter.h"

#include <gtest/gtest.h>

#include "engine/apps/style_transfer/inputs.h"

namespace engine::apps::style_transfer {
namespace {

// The average of no iterates is no picture.
TEST(StylePainter, ThePictureBeforeTheFirstStepIsTheStart) {
  for (const char* optimizer : {"adam", "lbfgs", "gd"}) {
    StyleSettings settings{.content = "scene:18",
                           .styles = {"pattern:waves"},
                           .style_weights = {1},
                           .size = 32,
                           .optimizer = optimizer};
    settings.device.precision = "f32";
    const StyleInputs inputs(settings);
    for (const std::int64_t step : {0, 7}) {  // of the first scale, of a later one
      const Painter painter(settings, inputs.objective(), inputs.targets_at(32),
                            {.image = inputs.start_at(32), .step = step, .total_steps = 20});
      EXPECT_EQ(painter.step(), step);
      EXPECT_EQ(painter.picture().to_floats(), inputs.start_at(32).to_floats()) << optimizer;
    }
  }
}

}  // namespace
}  // namespace engine::apps::style_transfer
