#pragma once

#include <string>
#include <vector>

#include "engine/apps/data/scene_canvas.h"

namespace engine::apps::scene {

// The light of a moment and a place.
struct Light {
  float sun_elevation = 0;  // degrees
  bool lamps_on = false;    // street lamps and windows
  float cloud_cover = 0;    // 0 clear .. 1 overcast
  Rgb zenith, horizon;      // the sky, without clouds
  Rgb cloud;                // a cloud's light
  Rgb afterglow;            // around the sun's place at the horizon
  Rgb ambient;              // on an open surface
  Rgb sun;                  // direct, on a surface that faces it
  float sun_u = 0.5f;       // where along the horizon the sun or the afterglow is
  Rgb lamp_color;           // what most street lamps here have
  float fog = 0;            // extinction per unit of depth
  bool has_stars = false;
};

// A source of light in the picture: it lights what is near, dazzles, and mirrors in wet ground.
struct Lamp {
  Point place;
  Rgb power;            // radiance of the source
  float size = 0.01f;   // of the source
  float pool = 0.1f;    // radius of the lit surroundings, 0: it lights nothing
  float strength = 1;   // of that light, in units of kLampLight
  float pool_drop = 0;  // how far below the lamp the pool's middle lies
  float mirror = 0;     // length of the streak on wet ground
};

// Light of a street lamp on the ground below, where full daylight is 1. In truth 20 of 20,000 lux
// to 30 of 100,000; more here, because a camera's picture of the night is exposed for it.
inline constexpr float kLampLight = 0.006f;

struct Stage {
  RandomNumbers& random;
  Canvas& canvas;
  Noise& noise;
  Light light;
  std::vector<Lamp> lamps;
  bool has_snow = false;
  bool is_wet = false;
  float lit_windows = 0.3f;  // share of windows with light, when lamps are on
  std::string description;
};

// Draws the time of day's light: `is_urban` has the glow of a town above it at night.
Light draw_light(RandomNumbers& random, float sun_elevation, bool is_urban);
void paint_sky(Stage& stage, float horizon);
void paint_hills(Stage& stage, float horizon);
void paint_ground(Stage& stage, float horizon, bool is_paved);
void paint_road(Stage& stage, float horizon, float vanishing_u);
void paint_building(Stage& stage, const Box& box, float depth, bool may_be_floodlit);
// Many small houses in rows from `top` down to `bottom`.
void paint_town(Stage& stage, float top, float bottom);
void paint_tree(Stage& stage, Point foot, float height, float depth);
void paint_street_lamp(Stage& stage, Point foot, float height, float depth);
void paint_car(Stage& stage, Point foot, float length, float depth);
void paint_distant_lights(Stage& stage, const Box& box, int count);

}  // namespace engine::apps::scene
