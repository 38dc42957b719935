#include "engine/apps/data/scenes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <omp.h>

#include "engine/apps/data/scene_camera.h"
#include "engine/apps/data/scene_parts.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

using namespace scene;

constexpr float kGap = 0.5f;  // degrees around kNightElevation where nothing is drawn

float draw_elevation(RandomNumbers& random, bool is_night) {
  const bool is_twilight = random.chance(0.15f);
  if (is_night) {
    return is_twilight ? kNightElevation - random.uniform(kGap, 6.0f) : -random.uniform(12, 55);
  }
  return is_twilight ? kNightElevation + random.uniform(kGap, 8.0f) : random.uniform(2, 65);
}

void paint_trees(Stage& stage, float horizon, int most) {
  const int trees = static_cast<int>(stage.random.below(most + 1));
  for (int t = 0; t < trees; ++t) {
    const float nearness = stage.random.uniform();
    paint_tree(stage, {stage.random.uniform(), horizon + nearness * (1.05f - horizon)},
               0.08f + 0.5f * nearness * stage.random.uniform(), 2.5f - 1.8f * nearness);
  }
}

// A line of towers against the sky.
void paint_skyline(Stage& stage, float horizon, float tallest) {
  for (int row = 0; row < 2; ++row) {
    float u = stage.random.uniform(-0.1f, 0.0f);
    while (u < 1) {
      const float wide = stage.random.uniform(0.04f, 0.16f);
      const float high = tallest * std::pow(stage.random.uniform(), 1.5f) + 0.03f;
      paint_building(stage, {u, horizon - high, u + wide, horizon + 0.05f}, 2.6f - row,
                     stage.random.chance(0.1f));
      u += wide * stage.random.uniform(0.7f, 1.8f);
    }
  }
}

void panorama(Stage& stage) {
  RandomNumbers& random = stage.random;
  stage.description += ", panorama";
  const float horizon = random.uniform(0.12f, 0.72f);
  paint_sky(stage, horizon);
  if (random.chance(0.7f)) paint_hills(stage, horizon);
  paint_ground(stage, horizon, random.chance(0.5f));
  if (random.chance(0.5f)) paint_skyline(stage, horizon + 0.02f, random.uniform(0.1f, 0.5f));
  paint_town(stage, horizon + 0.02f, random.uniform(horizon + 0.1f, 1.1f));
  paint_trees(stage, horizon, 4);
  if (stage.light.lamps_on) {
    paint_distant_lights(stage, {0, horizon - 0.02f, 1, horizon + random.uniform(0.05f, 0.4f)},
                         3 + static_cast<int>(random.below(40)));
    const int lamps = static_cast<int>(random.below(7));
    for (int l = 0; l < lamps; ++l) {
      paint_street_lamp(stage, {random.uniform(), random.uniform(horizon + 0.1f, 1.0f)},
                        random.uniform(0.05f, 0.15f), 1.5f);
    }
  }
}

void street(Stage& stage) {
  RandomNumbers& random = stage.random;
  stage.description += ", street";
  const float horizon = random.uniform(0.3f, 0.65f);
  const float vanishing = random.uniform(0.2f, 0.8f);
  paint_sky(stage, horizon);
  if (random.chance(0.4f)) paint_hills(stage, horizon);
  paint_ground(stage, horizon, true);
  paint_road(stage, horizon, vanishing);
  const float height = random.uniform(0.15f, 0.75f);
  for (const float side : {-1.0f, 1.0f}) {
    if (random.chance(0.15f)) continue;
    for (float t = 0.12f; t < 1.2f; t *= random.uniform(1.25f, 1.7f)) {  // far to near
      const float inner = vanishing + side * (0.03f + t * random.uniform(0.35f, 0.55f));
      const float wide = (0.08f + 0.3f * t) * random.uniform(0.8f, 1.5f);
      const float outer = inner + side * wide;
      const float top = horizon - height * t * random.uniform(0.5f, 1.4f) - 0.03f;
      paint_building(stage,
                     {std::min(inner, outer), top, std::max(inner, outer), horizon + 0.22f * t},
                     std::max(0.7f, 2.5f - 1.8f * t), random.chance(0.12f));
    }
  }
  const int lamps = static_cast<int>(random.below(6)) + (stage.light.lamps_on ? 1 : 0);
  const float lamp_side = random.chance(0.5f) ? 1.0f : -1.0f;
  float t = random.uniform(0.12f, 0.25f);
  for (int l = 0; l < lamps; ++l, t *= 1.5f) {
    const float side = random.chance(0.75f) ? lamp_side : -lamp_side;
    paint_street_lamp(stage, {vanishing + side * 0.4f * t, horizon + 0.3f * t}, 0.5f * t + 0.03f,
                      std::max(0.7f, 2.4f - 2 * t));
  }
  const int cars = static_cast<int>(random.below(6));
  for (int c = 0; c < cars; ++c) {
    const float near = random.uniform(0.1f, 0.9f);
    paint_car(stage, {vanishing + random.uniform(-0.5f, 0.4f) * near, horizon + near * 0.5f},
              0.04f + 0.2f * near, 2 - 1.5f * near);
  }
  if (random.chance(0.5f)) paint_trees(stage, horizon, 5);
}

// A place seen from above: little sky or none.
void square(Stage& stage) {
  RandomNumbers& random = stage.random;
  stage.description += ", square";
  const float horizon = random.uniform(-0.3f, 0.35f);
  paint_sky(stage, std::max(horizon, 0.02f));
  if (horizon > 0.1f && random.chance(0.5f)) paint_hills(stage, horizon);
  const float edge = std::max(0.08f, horizon + random.uniform(0.05f, 0.2f));
  paint_ground(stage, std::max(0.0f, horizon), true);
  float u = random.uniform(-0.2f, 0.0f);
  while (u < 1) {
    const float wide = random.uniform(0.12f, 0.5f);
    paint_building(
        stage,
        {u, edge - random.uniform(0.1f, 0.35f), u + wide, edge + random.uniform(0.0f, 0.15f)}, 1.5f,
        random.chance(0.3f));
    u += wide * random.uniform(0.9f, 1.4f);
  }
  if (random.chance(0.6f)) paint_road(stage, edge, random.uniform(-0.3f, 1.3f));
  const int cars = static_cast<int>(random.below(14));
  for (int c = 0; c < cars; ++c) {
    paint_car(stage, {random.uniform(), random.uniform(edge + 0.1f, 1.0f)},
              random.uniform(0.03f, 0.12f), 1.0f);
  }
  const int lamps = static_cast<int>(random.below(8)) + (stage.light.lamps_on ? 1 : 0);
  for (int l = 0; l < lamps; ++l) {
    paint_street_lamp(stage, {random.uniform(), random.uniform(edge + 0.05f, 1.05f)},
                      random.uniform(0.08f, 0.3f), 1.0f);
  }
  paint_trees(stage, edge, 6);
}

void landscape(Stage& stage) {
  RandomNumbers& random = stage.random;
  stage.description += ", landscape";
  const float horizon = random.uniform(0.25f, 0.75f);
  paint_sky(stage, horizon);
  paint_hills(stage, horizon);
  paint_ground(stage, horizon, false);
  if (random.chance(0.3f)) {  // a lake
    const float top = horizon + random.uniform(0.02f, 0.15f);
    const float bottom = top + random.uniform(0.1f, 0.4f);
    stage.canvas.fill(
        {0, top, 1, bottom},
        {grey(0.02f), mix(stage.light.horizon, stage.light.zenith, 0.5f) * 0.7f, 0, 0.2f, 1.5f});
  }
  if (random.chance(0.4f)) paint_road(stage, horizon, random.uniform());
  const int houses = static_cast<int>(random.below(5)) + (stage.light.lamps_on ? 1 : 0);
  for (int h = 0; h < houses; ++h) {
    const float size = random.uniform(0.05f, 0.2f);
    const float u = random.uniform(), v = horizon + random.uniform(0.02f, 0.2f);
    paint_building(stage, {u, v - size * 0.7f, u + size, v}, 1.5f, random.chance(0.15f));
  }
  paint_trees(stage, horizon, 12);
  if (stage.light.lamps_on) {
    paint_distant_lights(stage, {0, horizon - 0.05f, 1, horizon + 0.12f},
                         2 + static_cast<int>(random.below(20)));
    if (random.chance(0.5f)) {
      paint_street_lamp(stage, {random.uniform(), random.uniform(horizon + 0.1f, 0.95f)},
                        random.uniform(0.1f, 0.3f), 1.2f);
    }
  }
}

// Lamps that are not in the picture, but light a part of it evenly.
void light_from_outside(Stage& stage) {
  RandomNumbers& random = stage.random;
  if (!stage.light.lamps_on || !random.chance(0.5f)) return;
  const int lamps = 1 + static_cast<int>(random.below(2));
  for (int l = 0; l < lamps; ++l) {
    stage.lamps.push_back({.place = {random.uniform(-0.3f, 1.3f), 1.4f},
                           .power = stage.light.lamp_color,
                           .pool = random.uniform(0.3f, 1.0f),
                           .strength = random.uniform(0.2f, 1.2f),
                           .pool_drop = -random.uniform(0.4f, 0.8f)});
  }
}

// One building fills the picture.
void facade(Stage& stage) {
  RandomNumbers& random = stage.random;
  stage.description += ", facade";
  const float bottom = random.uniform(0.7f, 1.0f);
  paint_sky(stage, 0.6f);
  paint_ground(stage, bottom - 0.02f, true);
  float u = random.uniform(-0.4f, 0.2f);
  while (u < 1) {
    const float wide = random.uniform(0.3f, 1.0f);
    paint_building(stage, {u, random.uniform(-0.1f, 0.5f), u + wide, bottom}, 0.9f,
                   random.chance(0.35f));
    u += wide * random.uniform(0.9f, 1.2f);
  }
  const int lamps = static_cast<int>(random.below(3)) + (stage.light.lamps_on ? 1 : 0);
  for (int l = 0; l < lamps; ++l) {
    paint_street_lamp(stage, {random.uniform(), bottom + 0.05f}, random.uniform(0.2f, 0.5f), 0.9f);
  }
  const int cars = static_cast<int>(random.below(4));
  for (int c = 0; c < cars; ++c) {
    paint_car(stage, {random.uniform(), bottom + random.uniform(0.02f, 0.12f)},
              random.uniform(0.1f, 0.25f), 0.8f);
  }
  paint_trees(stage, bottom, 2);
}

}  // namespace

Scene draw_scene(std::uint64_t seed, std::uint64_t index, int width, int height) {
  ENGINE_CHECK(width >= 8 && height >= 8 && width <= 8192 && height <= 8192, "draw_scene: ", width,
               "x", height, "; sides of 8 to 8192 are possible");
  RandomNumbers random(seed, index);
  Scene scene;
  scene.is_night = random.chance(0.5f);
  scene.sun_elevation = draw_elevation(random, scene.is_night);
  constexpr std::array kLayouts = {&panorama, &panorama, &street,    &street, &square,
                                   &square,   &square,   &landscape, &facade};
  const std::uint32_t layout = random.below(kLayouts.size());
  Canvas canvas(width, height);
  Noise noise(random);
  Stage stage{random, canvas,
              noise,  draw_light(random, scene.sun_elevation, kLayouts[layout] != &landscape),
              {},     false,
              false,  0.3f,
              {}};
  stage.has_snow = random.chance(0.18f);
  stage.is_wet = random.chance(0.35f);
  stage.lit_windows = random.uniform(0.02f, 0.7f);
  stage.description = join(scene.is_night ? "night " : "day ",
                           static_cast<int>(std::lround(scene.sun_elevation)), " deg");
  if (stage.has_snow) stage.description += ", snow";
  if (stage.light.fog > 0) stage.description += ", fog";
  if (stage.light.cloud_cover > 0.8f) stage.description += ", overcast";
  kLayouts[layout](stage);
  light_from_outside(stage);
  scene.image = photograph(stage);
  scene.description = stage.description;
  return scene;
}

ImageDataset make_scenes(std::int64_t count, const SceneOptions& options) {
  ENGINE_CHECK(count >= 1, "make_scenes: ", count, " scenes");
  ENGINE_CHECK(
      options.width >= 8 && options.height >= 8 && options.width <= 8192 && options.height <= 8192,
      "make_scenes: ", options.width, "x", options.height, "; sides of 8 to 8192 are possible");
  ImageDataset dataset;
  dataset.classes = {"day", "night"};
  dataset.images =
      Tensor::empty({count, options.height, options.width, 3}, DType::u8, Device::cpu());
  dataset.labels = Tensor::empty({count}, DType::i32, Device::cpu());
  dataset.names.resize(count);
  std::uint8_t* const pixels = dataset.images.span<std::uint8_t>().data();
  std::int32_t* const labels = dataset.labels.span<std::int32_t>().data();
  const int threads = options.threads > 0 ? options.threads : omp_get_max_threads();
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
  for (std::int64_t i = 0; i < count; ++i) {
    const Scene scene = draw_scene(options.seed, i, options.width, options.height);
    std::memcpy(pixels + i * scene.image.pixels.size(), scene.image.pixels.data(),
                scene.image.pixels.size());
    labels[i] = scene.is_night ? 1 : 0;
    dataset.names[i] = join("scene ", options.seed, "/", i, ": ", scene.description);
  }
  return dataset;
}

}  // namespace engine::apps
