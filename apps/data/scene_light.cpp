#include <algorithm>
#include <array>
#include <cmath>

#include "engine/apps/data/scene_parts.h"

namespace engine::apps::scene {
namespace {

// log10 of the clear sky's luminance against the sun's elevation in degrees: six powers of ten from
// day to night, most of them lost between the horizon and -12 degrees.
float sky_luminance(float elevation) {
  constexpr std::array<std::array<float, 2>, 11> kTable = {{{-90, -5.2f},
                                                            {-18, -5.1f},
                                                            {-12, -4.2f},
                                                            {-9, -3.4f},
                                                            {-6, -2.5f},
                                                            {-3, -1.6f},
                                                            {0, -1.0f},
                                                            {5, -0.6f},
                                                            {15, -0.35f},
                                                            {30, -0.25f},
                                                            {90, -0.2f}}};
  for (std::size_t i = 1; i < kTable.size(); ++i) {
    if (elevation <= kTable[i][0]) {
      const float t = (elevation - kTable[i - 1][0]) / (kTable[i][0] - kTable[i - 1][0]);
      return std::pow(10.0f, kTable[i - 1][1] + t * (kTable[i][1] - kTable[i - 1][1]));
    }
  }
  return 1;
}

float ramp(float from, float to, float x) {
  return std::clamp((x - from) / (to - from), 0.0f, 1.0f);
}

Rgb pick_lamp_color(RandomNumbers& random) {
  constexpr std::array<Rgb, 6> kColors = {{{1.0f, 0.50f, 0.12f},     // sodium
                                           {1.0f, 0.58f, 0.20f},     // sodium, high pressure
                                           {1.0f, 0.78f, 0.50f},     // warm white
                                           {0.95f, 0.95f, 0.90f},    // white
                                           {0.80f, 0.92f, 1.00f},    // cold LED
                                           {0.75f, 1.00f, 0.85f}}};  // mercury
  return kColors[random.below(kColors.size())];
}

// The glow of a town, of the moon or of nothing above a night.
void add_night_glow(RandomNumbers& random, bool is_urban, Light& light) {
  const float glow =
      std::pow(10.0f, is_urban ? random.uniform(-3.9f, -2.1f) : random.uniform(-5.0f, -2.9f));
  const Rgb color = mix(light.lamp_color, grey(0.8f), random.uniform(0.0f, 0.8f));
  light.horizon += color * glow;
  light.zenith += color * (glow * random.uniform(0.15f, 1.0f));
  light.cloud += color * (glow * random.uniform(0.5f, 3.0f));
  light.ambient += color * (glow * 0.6f);
  const float moon = random.chance(0.4f) ? std::pow(10.0f, random.uniform(-4.2f, -2.8f)) : 0.0f;
  const Rgb moonlight = Rgb{0.55f, 0.7f, 1.0f} * moon;
  light.zenith += moonlight * 0.4f;
  light.horizon += moonlight * 0.6f;
  light.cloud += moonlight;
  light.ambient += moonlight * 0.5f;
  light.sun += moonlight;
}

void paint_stars(Stage& stage, float horizon) {
  const int stars = static_cast<int>(stage.random.uniform(15, 90));
  for (int s = 0; s < stars; ++s) {
    const float power = std::pow(10.0f, stage.random.uniform(-3.6f, -2.2f));
    stage.lamps.push_back({.place = {stage.random.uniform(), stage.random.uniform(0, horizon)},
                           .power = Rgb{0.9f, 0.95f, 1.1f} * power,
                           .size = 0.006f,
                           .pool = 0});
  }
}

// The sun or the moon in the picture.
void paint_disc(Stage& stage, float horizon) {
  const Light& light = stage.light;
  const float v = horizon * stage.random.uniform(0.05f, 0.9f);
  if (light.sun_elevation > 0) {
    const Point sun{stage.random.uniform(0.05f, 0.95f), v};
    const float dazzle = std::pow(10.0f, stage.random.uniform(-0.3f, 0.8f));
    stage.lamps.push_back({.place = sun,
                           .power = (grey(40.0f) + light.sun * 60.0f) * dazzle,
                           .size = stage.random.uniform(0.02f, 0.08f),
                           .pool = 0});
    if (stage.random.chance(0.4f)) {  // its image in the lens, across the middle
      const float t = stage.random.uniform(0.4f, 1.2f);
      stage.lamps.push_back({.place = {0.5f - t * (sun.u - 0.5f), 0.5f - t * (sun.v - 0.5f)},
                             .power = Rgb{1.0f, 0.5f, 0.25f} * stage.random.uniform(0.1f, 0.6f),
                             .size = stage.random.uniform(0.02f, 0.06f),
                             .pool = 0});
    }
    stage.description += ", against the sun";
  } else if (light.sun_elevation < -6) {
    stage.lamps.push_back({.place = {stage.random.uniform(0.05f, 0.95f), v},
                           .power = Rgb{1.0f, 0.97f, 0.85f} * stage.random.uniform(0.02f, 0.2f),
                           .size = 0.014f,
                           .pool = 0});
    stage.description += ", moon";
  }
}

}  // namespace

Light draw_light(RandomNumbers& random, float sun_elevation, bool is_urban) {
  Light light;
  light.sun_elevation = sun_elevation;
  light.lamp_color = pick_lamp_color(random);
  light.sun_u = random.uniform(-0.3f, 1.3f);
  const float sky_kind = random.uniform();
  light.cloud_cover = sky_kind < 0.35f   ? random.uniform(0, 0.15f)
                      : sky_kind < 0.65f ? random.uniform(0.2f, 0.7f)
                                         : random.uniform(0.85f, 1.0f);
  const bool is_overcast = light.cloud_cover > 0.8f;
  const float sky = sky_luminance(sun_elevation);
  const float low = 1 - ramp(2, 20, sun_elevation);  // the sun's light is red near the horizon
  const float dusk = 1 - ramp(-4, 6, sun_elevation);
  const Rgb deep_blue = mix({0.30f, 0.55f, 1.15f}, {0.25f, 0.45f, 1.3f}, dusk);
  const Rgb pale = mix({0.85f, 0.97f, 1.15f}, {1.0f, 0.85f, 0.75f}, low * random.uniform());
  const float haze = random.uniform();
  const float depth = random.chance(0.3f) ? random.uniform(0.25f, 0.6f) : 1.0f;  // of the blue
  light.zenith = mix(deep_blue, pale, 0.5f * haze) * (sky * depth * random.uniform(0.4f, 1.0f));
  light.horizon = mix(deep_blue, pale, 0.5f + 0.5f * haze) *
                  (sky * std::sqrt(depth) * random.uniform(0.8f, 1.5f));
  const Rgb red{1.6f, 0.65f, 0.25f};
  light.afterglow = red * (sky * low * ramp(-10, -2, sun_elevation) * random.uniform(0.2f, 2.0f) *
                           (1 - light.cloud_cover * 0.8f));
  const float thick =
      is_overcast ? std::pow(10.0f, random.uniform(-1.0f, 0.05f)) : random.uniform(0.9f, 1.6f);
  light.cloud = mix({1.0f, 1.0f, 1.05f}, pale, 0.5f) * (sky * thick);
  if (low > 0 && !is_overcast) light.cloud += light.afterglow * 0.6f;
  light.ambient = is_overcast ? light.cloud : (light.zenith + light.horizon) * 0.5f;
  const float direct = std::pow(ramp(-0.5f, 12, sun_elevation), 0.7f);
  const float through = is_overcast ? 0.0f : 1 - 0.6f * light.cloud_cover;
  light.sun = mix({1.0f, 0.95f, 0.85f}, {1.25f, 0.62f, 0.25f}, low) *
              (direct * through * random.uniform(0.7f, 1.3f));

  // Lamps go on between sunset and -6 degrees, here and there on dark days.
  light.lamps_on = sun_elevation < -6 || sun_elevation < random.uniform(-6.0f, -1.0f);
  add_night_glow(random, is_urban, light);
  light.has_stars = sun_elevation < -9 && light.cloud_cover < 0.3f && random.chance(0.7f);
  if (random.chance(0.2f)) light.fog = random.uniform(0.05f, 0.5f);
  return light;
}

void paint_sky(Stage& stage, float horizon) {
  const Light& light = stage.light;
  const float scale = stage.random.uniform(2.0f, 5.0f);
  const float start = stage.random.uniform(0, 16);
  const float threshold = 1.02f - 0.85f * light.cloud_cover;
  const bool is_overcast = light.cloud_cover > 0.8f;
  const float contrast = is_overcast ? stage.random.uniform(0.0f, 0.8f) : 0.6f;
  const Box above{0, 0, 1, std::min(1.0f, horizon + 0.3f)};
  stage.canvas.shade(above, [&](float u, float v) {
    const float t = std::clamp(v / std::max(horizon, 0.05f), 0.0f, 1.0f);
    Rgb color = mix(light.zenith, light.horizon, t * t);
    const float aside = (u - light.sun_u) * 1.6f;
    color += light.afterglow * (t * t * t / (1 + aside * aside));
    if (light.cloud_cover > 0.02f) {
      // Clouds flatten towards the horizon.
      const float y = start + scale * 2.5f * v / (1.2f - 0.7f * t);
      const float cloud = stage.noise.fractal(start + scale * u, y, 4);
      const float cover =
          is_overcast ? 1.0f : std::clamp((cloud - threshold * 0.75f) * 5, 0.0f, 1.0f);
      color = mix(color, light.cloud * (1 + contrast * (2 * cloud - 1)), cover * 0.9f);
    }
    return Surface{{}, color, 0, 0, 6};
  });
  if (light.has_stars) paint_stars(stage, horizon);
  const bool shows_disc = stage.random.chance(0.25f) && light.cloud_cover < 0.75f;
  if (shows_disc) paint_disc(stage, horizon);
}

}  // namespace engine::apps::scene
