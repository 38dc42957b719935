#include "engine/apps/style_transfer/masks.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/inputs.h"

namespace engine::apps::style_transfer {
namespace {

TEST(StyleMasks, HalvesAddUp) {
  const Image content = make_image(50, 30, 3);
  for (const auto& [one, other] :
       {std::pair{"half:left", "half:right"}, {"half:top", "half:bottom"}}) {
    const Image a = load_mask(one, content, 50), b = load_mask(other, content, 50);
    ASSERT_EQ(a.pixels.size(), 50u * 30);
    for (std::size_t i = 0; i < a.pixels.size(); ++i)
      EXPECT_EQ(a.pixels[i] + b.pixels[i], 255) << i;
  }
  const Image left = load_mask("half:left", content, 50), top = load_mask("half:top", content, 50);
  EXPECT_EQ(left.at(29, 0, 0), 255);
  EXPECT_EQ(left.at(0, 49, 0), 0);
  EXPECT_EQ(top.at(0, 49, 0), 255);
  EXPECT_EQ(top.at(29, 0, 0), 0);
  EXPECT_THROW(load_mask("half:middle", content, 50), UsageError);
}

TEST(StyleMasks, HaveSquaresOfMeanOneInEveryLayer) {
  const Image mask = load_mask("half:left", make_image(64, 48, 3), 64);
  EXPECT_NEAR(coverage(mask), 0.4 + 0.2 / 3, 0.01);  // white, and the edge's squares
  for (const std::int64_t factor : {1, 2, 16}) {
    const Tensor at = mask_at(mask, 48 / factor, 64 / factor);
    EXPECT_EQ(at.shape(), (Shape{1, 48 / factor, 64 / factor, 1}));
    double sum = 0;
    for (const float value : at.to_floats()) sum += value * value;
    EXPECT_NEAR(sum / static_cast<double>(at.elements()), 1, 1e-5);
  }
  EXPECT_EQ(mask_at(make_image(8, 8, 1), 2, 2).to_floats(), std::vector<float>(4, 0.0f));
}

StyleSettings settings_with(const std::vector<std::string>& masks) {
  StyleSettings settings{.content = "scene:18",
                         .styles = {"pattern:waves"},
                         .style_weights = {1},
                         .masks = masks,
                         .size = 64,
                         .style_layers = "conv1_1,conv2_1"};
  settings.device.precision = "f32";
  return settings;
}

class WhiteMask : public testing::Test {
 protected:
  void SetUp() override { write_png(path_, make_image(64, 48, 1, 255)); }
  void TearDown() override { std::filesystem::remove(path_); }
  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / "engine white mask.png";
};

TEST_F(WhiteMask, IsNoMask) {
  std::vector<Painter::Losses> losses;
  for (const auto& masks : {std::vector<std::string>{}, {path_.string()}}) {
    StyleSettings settings = settings_with(masks);
    const StyleInputs inputs(settings);
    Painter painter(settings, inputs.objective(), inputs.targets_at(64),
                    {.image = inputs.start_at(64), .total_steps = 20});
    painter.run(3);
    losses.push_back(painter.losses(2, 3)[0]);
  }
  EXPECT_GT(losses[0].style, 0);
  EXPECT_NEAR(losses[1].style / losses[0].style, 1, 1e-4);
  EXPECT_NEAR(losses[1].total / losses[0].total, 1, 1e-4);
}

// conv2_1 sees through two convolutions, a pool and itself: 5 pixels far. Right of 52 of 64 nothing
// of the mask, which ends at 60 % of the width, is near.
TEST(StyleMasks, KeepAStyleWhereItBelongs) {
  StyleSettings settings = settings_with({"half:left"});
  settings.content_weight = 0;
  settings.variation_weight = 0;
  const StyleInputs inputs(settings);
  const Tensor start = inputs.start_at(64);
  Painter painter(settings, inputs.objective(), inputs.targets_at(64),
                  {.image = start, .total_steps = 20});
  painter.run(2);
  const Tensor picture = painter.picture();
  const auto before = start.span<float>(), after = picture.span<float>();
  int changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t x = i / 3 % 64;
    if (x >= 52) {
      EXPECT_EQ(after[i], before[i]) << x;
    } else if (x < 24) {
      changed += after[i] != before[i];
    }
  }
  EXPECT_GT(changed, 48 * 24 * 3 * 9 / 10);
}

TEST(StyleMasks, EachStyleHasItsOwnTargets) {
  StyleSettings settings = settings_with({"half:left", "half:right"});
  settings.styles = {"pattern:waves", "pattern:embers"};
  settings.style_weights = {0.25, 0.75};
  const StyleInputs inputs(settings);
  const std::size_t layers = inputs.objective().style.size();
  const Targets both = inputs.targets_at(64);
  ASSERT_EQ(both.style.size(), 2 * layers);
  ASSERT_EQ(both.masks.size(), 2 * layers);
  const auto& shares = inputs.objective().mask_shares;
  EXPECT_NEAR(shares[1] / shares[0], 3, 0.01);
  EXPECT_NEAR(shares[0] + shares[1], 2 * coverage(inputs.masks()[0]), 0.01);
  for (std::size_t style = 0; style < 2; ++style) {
    StyleSettings alone = settings_with({});
    alone.styles = {settings.styles[style]};
    const Targets one = StyleInputs(alone).targets_at(64);
    for (std::size_t i = 0; i < layers; ++i) {
      EXPECT_EQ(both.style[style * layers + i].to_floats(), one.style[i].to_floats());
    }
  }
}

}  // namespace
}  // namespace engine::apps::style_transfer
