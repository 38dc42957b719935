#pragma once

#include <cstdint>
#include <string>

#include "engine/apps/data/dataset.h"

namespace engine::apps {

struct SceneOptions {
  int width = 64;
  int height = 64;
  std::uint64_t seed = 1;
  int threads = 0;  // 0: as OpenMP has it
};

// What was drawn. The class is decided by illumination alone: night when the sun stands lower than
// kNightElevation, whatever the picture's brightness (floodlit night, dark overcast day).
struct Scene {
  Image image;              // RGB
  float sun_elevation = 0;  // degrees above the horizon
  bool is_night = false;    // sun_elevation < kNightElevation
  std::string description;  // "night -31 deg, skyline, snow, fog, exposure +1.2": for reports
};

// Between the end of civil twilight (-6 degrees; street lamps are on, the sky still lit) and
// darkness. Nothing is drawn within half a degree of it.
inline constexpr float kNightElevation = -6.0f;

// Scene number `index` of a seed: a function of these four values only. Even and odd indices are
// not special; either class has probability 1/2.
Scene draw_scene(std::uint64_t seed, std::uint64_t index, int width, int height);

// `count` scenes, classes {"day", "night"}; the same bytes for any number of threads.
ImageDataset make_scenes(std::int64_t count, const SceneOptions& options = {});

}  // namespace engine::apps
