#include "engine/apps/data/scene_parts.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace engine::apps::scene {
namespace {

Rgb vary(RandomNumbers& random, Rgb color, float amount) {
  const float level = random.uniform(1 - amount, 1 + amount);
  return {color.r * level * random.uniform(0.9f, 1.1f), color.g * level,
          color.b * level * random.uniform(0.9f, 1.1f)};
}

Rgb wall_color(RandomNumbers& random) {
  constexpr std::array<Rgb, 8> kWalls = {{{0.70f, 0.68f, 0.64f},
                                          {0.60f, 0.50f, 0.38f},
                                          {0.45f, 0.24f, 0.17f},
                                          {0.40f, 0.41f, 0.43f},
                                          {0.75f, 0.65f, 0.45f},
                                          {0.25f, 0.25f, 0.27f},
                                          {0.62f, 0.40f, 0.32f},
                                          {0.80f, 0.78f, 0.75f}}};
  return vary(random, kWalls[random.below(kWalls.size())], 0.25f);
}

Rgb roof_color(const Stage& stage) {
  if (stage.has_snow) return grey(stage.random.uniform(0.7f, 0.9f));
  constexpr std::array<Rgb, 4> kRoofs = {
      {{0.32f, 0.13f, 0.08f}, {0.22f, 0.20f, 0.20f}, {0.42f, 0.22f, 0.14f}, {0.15f, 0.15f, 0.17f}}};
  return vary(stage.random, kRoofs[stage.random.below(kRoofs.size())], 0.3f);
}

Rgb window_light(Stage& stage) {
  constexpr std::array<Rgb, 4> kLights = {
      {{1.0f, 0.70f, 0.35f}, {1.0f, 0.82f, 0.55f}, {0.9f, 0.95f, 1.0f}, {1.0f, 0.6f, 0.25f}}};
  const float power = std::pow(10.0f, stage.random.uniform(-2.4f, -1.3f));
  return kLights[stage.random.below(kLights.size())] * power;
}

// Panes: what they mirror of the sky by day, or the light behind them.
Surface window_surface(Stage& stage, float lit_share, float mirror, float depth) {
  Surface pane;
  pane.depth = depth;
  pane.albedo = grey(0.04f);
  pane.sun = 0;
  pane.lamp = 0.5f;
  const Rgb sky = mix(stage.light.horizon, stage.light.ambient, 0.5f);
  pane.emission = sky * (mirror * stage.random.uniform(0.3f, 1.2f));
  if (stage.light.lamps_on && stage.random.chance(lit_share)) pane.emission += window_light(stage);
  return pane;
}

void paint_windows(Stage& stage, const Box& box, float depth) {
  const float wide = box.right - box.left, high = box.bottom - box.top;
  const float pitch_v =
      std::max(stage.random.uniform(0.03f, 0.09f) / std::max(1.0f, depth * 0.5f), 0.02f);
  const float pitch_u = pitch_v * stage.random.uniform(0.7f, 1.6f);
  const int columns = std::min(40, static_cast<int>(wide / pitch_u));
  const int rows = std::min(40, static_cast<int>(high / pitch_v));
  if (columns < 1 || rows < 1) return;
  const float fill_u = stage.random.uniform(0.35f, 0.8f),
              fill_v = stage.random.uniform(0.4f, 0.75f);
  const float mirror = stage.random.uniform(0.05f, 0.6f);
  const float lit_share = std::min(1.0f, stage.lit_windows * stage.random.uniform(0.0f, 2.0f));
  const float margin_u = (wide - columns * pitch_u) / 2;
  for (int r = 0; r < rows; ++r) {
    const float v = box.top + pitch_v * (r + 0.5f * (1 - fill_v) + 0.2f);
    for (int c = 0; c < columns; ++c) {
      const float u = box.left + margin_u + pitch_u * (c + 0.5f * (1 - fill_u));
      stage.canvas.fill({u, v, u + pitch_u * fill_u, v + pitch_v * fill_v},
                        window_surface(stage, lit_share, mirror, depth));
    }
  }
}

void floodlight(Stage& stage, const Box& box) {
  const Rgb color = stage.random.chance(0.3f)
                        ? Rgb{1.0f, stage.random.uniform(0.4f, 0.9f), stage.random.uniform(0.3f, 1)}
                        : stage.light.lamp_color;
  const float power = kLampLight * std::pow(10.0f, stage.random.uniform(-0.2f, 0.6f));
  const float rise = stage.random.uniform(0.1f, 0.9f);
  stage.canvas.each(box, [&](Surface& texel, float, float v) {
    const float t = (v - box.top) / (box.bottom - box.top);
    texel.emission += texel.albedo * color * (power * (rise + (1 - rise) * t));
  });
}

}  // namespace

void paint_hills(Stage& stage, float horizon) {
  RandomNumbers& random = stage.random;
  const int ranges = 1 + static_cast<int>(random.below(3));
  for (int r = 0; r < ranges; ++r) {
    const float nearness = static_cast<float>(r + 1) / ranges;
    Surface hill;
    hill.albedo = stage.has_snow        ? grey(random.uniform(0.35f, 0.8f))
                  : random.chance(0.5f) ? vary(random, {0.10f, 0.14f, 0.06f}, 0.4f)
                                        : vary(random, {0.25f, 0.22f, 0.19f}, 0.4f);
    hill.sun = random.uniform(0.2f, 1.0f);
    hill.lamp = 0.1f;
    hill.depth = 5.0f - 2.5f * nearness;
    const float rough = random.uniform(0.02f, 0.25f) * (1.2f - 0.6f * nearness);
    const auto ridge = ridge_line(stage.noise, random, horizon - rough * (1.0f - 0.8f * nearness),
                                  rough, random.uniform(1.5f, 5.0f), 65);
    stage.canvas.fill_below(ridge, hill);
  }
}

void paint_ground(Stage& stage, float horizon, bool is_paved) {
  RandomNumbers& random = stage.random;
  Surface ground;
  ground.albedo = stage.has_snow ? grey(random.uniform(0.6f, 0.9f))
                  : is_paved     ? vary(random, grey(0.30f), 0.5f)
                                 : vary(random, {0.13f, 0.18f, 0.07f}, 0.5f);
  const Rgb other = ground.albedo * random.uniform(0.6f, 1.4f);
  const float scale = random.uniform(3.0f, 9.0f);
  stage.canvas.shade({0, horizon, 1, 1}, [&](float u, float v) {
    Surface texel = ground;
    const float nearness = (v - horizon) / std::max(1 - horizon, 0.01f);
    texel.depth = std::min(4.0f, 0.6f / (nearness + 0.12f));
    texel.albedo = mix(ground.albedo, other, stage.noise.fractal(scale * u, 2 * scale * v, 3));
    return texel;
  });
  // Shadows of what stands outside of the picture or is drawn later.
  const int shadows = static_cast<int>(random.below(5));
  for (int s = 0; s < shadows; ++s) {
    const float u = random.uniform(-0.2f, 1.0f), v = random.uniform(horizon, 1.0f);
    const Box box{u, v, u + random.uniform(0.1f, 0.6f), v + random.uniform(0.02f, 0.25f)};
    const float slant = random.uniform(-0.8f, 0.8f);
    stage.canvas.each(box, [&](Surface& texel, float x, float y) {
      const float edge = box.left + slant * (y - box.top);
      if (y > horizon && x > edge && x < edge + (box.right - box.left) * 0.7f) texel.sun = 0;
    });
  }
}

void paint_road(Stage& stage, float horizon, float vanishing_u) {
  RandomNumbers& random = stage.random;
  const float left = vanishing_u - random.uniform(0.2f, 0.8f);
  const float right = vanishing_u + random.uniform(0.2f, 0.8f);
  Surface asphalt;
  asphalt.albedo =
      stage.has_snow ? grey(random.uniform(0.25f, 0.7f)) : vary(random, grey(0.12f), 0.5f);
  asphalt.depth = 0.9f;
  const std::array<Point, 4> road = {{{vanishing_u - 0.02f, horizon},
                                      {vanishing_u + 0.02f, horizon},
                                      {right, 1.0f},
                                      {left, 1.0f}}};
  stage.canvas.fill_polygon(road, asphalt);
  if (stage.has_snow || random.chance(0.3f)) return;
  Surface paint = asphalt;
  paint.albedo = grey(0.6f);
  const float middle = left + (right - left) * random.uniform(0.35f, 0.65f);
  for (float v = horizon + 0.05f; v < 1; v += 0.06f + 0.25f * (v - horizon)) {
    const float t0 = (v - horizon) / (1 - horizon);
    const float t1 = t0 + 0.06f + 0.1f * t0;
    const auto u_at = [&](float t) { return vanishing_u + (middle - vanishing_u) * t; };
    const std::array<Point, 4> dash = {{{u_at(t0) - 0.01f * t0, v},
                                        {u_at(t0) + 0.01f * t0, v},
                                        {u_at(t1) + 0.015f * t1, horizon + t1 * (1 - horizon)},
                                        {u_at(t1) - 0.015f * t1, horizon + t1 * (1 - horizon)}}};
    stage.canvas.fill_polygon(dash, paint);
  }
}

void paint_building(Stage& stage, const Box& box, float depth, bool may_be_floodlit) {
  RandomNumbers& random = stage.random;
  Surface wall;
  wall.albedo = wall_color(random);
  wall.sun = random.chance(0.5f) ? random.uniform(0.6f, 1.0f) : 0.0f;
  wall.lamp = random.uniform(0.4f, 1.0f);
  wall.depth = depth;
  const float wide = box.right - box.left, high = box.bottom - box.top;
  Surface roof = wall;
  roof.albedo = roof_color(stage);
  roof.lamp = 0.15f;
  roof.sun = random.uniform(0.3f, 1.0f);
  if (high < 1.5f * wide || random.chance(0.2f)) {
    const float rise = wide * random.uniform(0.15f, 0.6f), inset = wide * random.uniform(0, 0.5f);
    const std::array<Point, 4> gable = {{{box.left - 0.01f, box.top},
                                         {box.left + inset, box.top - rise},
                                         {box.right - inset, box.top - rise},
                                         {box.right + 0.01f, box.top}}};
    stage.canvas.fill_polygon(gable, roof);
  }
  stage.canvas.fill(box, wall);
  if (random.chance(0.5f)) {  // the side that is turned away
    Surface side = wall;
    side.sun = 0;
    side.albedo = wall.albedo * 0.8f;
    const float part = wide * random.uniform(0.1f, 0.4f);
    stage.canvas.fill(random.chance(0.5f) ? Box{box.left, box.top, box.left + part, box.bottom}
                                          : Box{box.right - part, box.top, box.right, box.bottom},
                      side);
  }
  if (may_be_floodlit && stage.light.lamps_on) floodlight(stage, box);
  paint_windows(stage, box, depth);
  if (random.chance(0.3f)) {  // shops on the ground floor
    const bool is_lit = stage.light.lamps_on && random.chance(0.7f);
    Surface shop{grey(0.1f), is_lit ? window_light(stage) * 2.0f : stage.light.horizon * 0.15f, 0,
                 0.5f, depth};
    const float top = box.bottom - std::min(0.06f, high * 0.2f);
    stage.canvas.fill({box.left + wide * 0.08f, top, box.right - wide * 0.08f, box.bottom - 0.01f},
                      shop);
  }
}

void paint_town(Stage& stage, float top, float bottom) {
  RandomNumbers& random = stage.random;
  float v = top;
  while (v < bottom) {
    const float nearness = (v - top) / (1.05f - top);
    const float size = 0.025f + 0.16f * nearness;
    const float depth = std::max(0.8f, 3.5f - 3 * nearness);
    float u = random.uniform(-0.1f, 0.0f);
    while (u < 1) {
      const float wide = size * random.uniform(0.6f, 1.8f);
      const float high = size * random.uniform(0.5f, 1.4f);
      if (random.chance(0.2f)) {
        paint_tree(stage, {u + wide / 2, v + size * 0.6f}, size * random.uniform(0.8f, 1.6f),
                   depth);
      } else {
        paint_building(stage, {u, v - high * 0.5f, u + wide, v + high * 0.5f + 0.02f}, depth,
                       random.chance(0.06f));
      }
      u += wide * random.uniform(0.8f, 1.3f);
    }
    if (stage.light.lamps_on && random.chance(0.8f)) {
      paint_distant_lights(stage, {0, v - size * 0.2f, 1, v + size * 0.6f},
                           1 + static_cast<int>(random.below(8)));
    }
    v += size * random.uniform(0.7f, 1.2f);
  }
}

void paint_tree(Stage& stage, Point foot, float height, float depth) {
  RandomNumbers& random = stage.random;
  Surface trunk;
  trunk.albedo = {0.08f, 0.06f, 0.04f};
  trunk.depth = depth;
  trunk.sun = 0.5f;
  stage.canvas.fill(
      {foot.u - height * 0.04f, foot.v - height * 0.5f, foot.u + height * 0.04f, foot.v}, trunk);
  const bool is_autumn = random.chance(0.2f);
  const Rgb leaf = stage.has_snow && random.chance(0.6f) ? grey(random.uniform(0.3f, 0.7f))
                   : is_autumn                           ? vary(random, {0.32f, 0.18f, 0.05f}, 0.4f)
                               : vary(random, {0.08f, 0.14f, 0.04f}, 0.5f);
  Surface crown = trunk;
  crown.lamp = 0.6f;
  if (random.chance(0.3f)) {  // a conifer
    crown.albedo = leaf * 0.7f;
    crown.sun = random.uniform(0.2f, 0.7f);
    const std::array<Point, 3> cone = {{{foot.u, foot.v - height},
                                        {foot.u + height * 0.25f, foot.v - height * 0.1f},
                                        {foot.u - height * 0.25f, foot.v - height * 0.1f}}};
    stage.canvas.fill_polygon(cone, crown);
    return;
  }
  for (int blob = 0; blob < 9; ++blob) {
    crown.albedo = leaf * random.uniform(0.6f, 1.4f);
    crown.sun = random.uniform(0.0f, 1.0f);
    stage.canvas.fill_ellipse({foot.u + height * random.uniform(-0.28f, 0.28f),
                               foot.v - height * random.uniform(0.4f, 0.85f)},
                              height * random.uniform(0.08f, 0.2f),
                              height * random.uniform(0.08f, 0.18f), crown);
  }
}

void paint_street_lamp(Stage& stage, Point foot, float height, float depth) {
  RandomNumbers& random = stage.random;
  Surface pole;
  pole.albedo = grey(random.uniform(0.05f, 0.3f));
  pole.depth = depth;
  const float thick = std::max(0.004f, 0.012f / depth);
  const Point head{foot.u, foot.v - height};
  stage.canvas.fill({foot.u - thick / 2, head.v, foot.u + thick / 2, foot.v}, pole);
  pole.albedo = grey(random.uniform(0.3f, 0.8f));
  stage.canvas.fill({head.u - 2 * thick, head.v - thick, head.u + 2 * thick, head.v + thick}, pole);
  if (!stage.light.lamps_on || random.chance(0.08f)) return;
  const Rgb color = random.chance(0.85f) ? stage.light.lamp_color : Rgb{0.9f, 0.95f, 1.0f};
  stage.lamps.push_back({.place = head,
                         .power = color * std::pow(10.0f, random.uniform(-0.6f, 0.7f)),
                         .size = std::max(0.006f, 0.016f / depth),
                         .pool = height * random.uniform(0.8f, 2.0f),
                         .strength = random.uniform(0.4f, 1.8f),
                         .pool_drop = height * 0.8f,
                         .mirror = stage.is_wet ? height * random.uniform(0.8f, 2.0f) : 0.0f});
}

void paint_car(Stage& stage, Point foot, float length, float depth) {
  RandomNumbers& random = stage.random;
  constexpr std::array<Rgb, 6> kPaints = {{{0.7f, 0.7f, 0.7f},
                                           {0.05f, 0.05f, 0.06f},
                                           {0.4f, 0.05f, 0.04f},
                                           {0.08f, 0.12f, 0.35f},
                                           {0.3f, 0.3f, 0.32f},
                                           {0.8f, 0.8f, 0.78f}}};
  Surface body;
  body.albedo = vary(random, kPaints[random.below(kPaints.size())], 0.3f);
  body.emission = stage.light.horizon * 0.08f;
  body.depth = depth;
  const float high = length * random.uniform(0.3f, 0.5f);
  stage.canvas.fill({foot.u, foot.v - high * 0.65f, foot.u + length, foot.v}, body);
  stage.canvas.fill(
      {foot.u + length * 0.2f, foot.v - high, foot.u + length * 0.8f, foot.v - high * 0.6f},
      {grey(0.05f), stage.light.horizon * 0.3f, 0.3f, 0.5f, depth});
  Surface shade;
  shade.albedo = grey(0.03f);
  shade.sun = 0;
  stage.canvas.fill({foot.u, foot.v, foot.u + length, foot.v + high * 0.12f}, shade);
  const bool drives = random.chance(stage.light.lamps_on ? 0.5f : 0.08f);
  if (!drives) return;
  const bool shows_front = random.chance(0.6f);
  const Rgb color = shows_front ? Rgb{1.0f, 0.95f, 0.85f} : Rgb{1.0f, 0.08f, 0.04f};
  for (const float side : {0.08f, 0.92f}) {
    stage.lamps.push_back({.place = {foot.u + side * length, foot.v - high * 0.35f},
                           .power = color * (shows_front ? random.uniform(0.3f, 2.0f) : 0.08f),
                           .size = length * 0.06f,
                           .pool = shows_front ? length * 0.9f : length * 0.4f,
                           .strength = shows_front ? 0.8f : 0.15f,
                           .pool_drop = high * 0.6f,
                           .mirror = stage.is_wet ? length : 0.0f});
  }
}

void paint_distant_lights(Stage& stage, const Box& box, int count) {
  RandomNumbers& random = stage.random;
  for (int i = 0; i < count; ++i) {
    const Rgb color = random.chance(0.7f)   ? stage.light.lamp_color
                      : random.chance(0.1f) ? Rgb{1.0f, 0.1f, 0.05f}
                                            : Rgb{0.9f, 0.95f, 1.0f};
    stage.lamps.push_back(
        {.place = {random.uniform(box.left, box.right), random.uniform(box.top, box.bottom)},
         .power = color * std::pow(10.0f, random.uniform(-2.0f, -0.2f)),
         .size = random.uniform(0.004f, 0.009f),
         .pool = random.chance(0.3f) ? random.uniform(0.03f, 0.1f) : 0.0f,
         .strength = random.uniform(0.2f, 1.0f),
         .pool_drop = 0.02f,
         .mirror = 0});
  }
}

}  // namespace engine::apps::scene
