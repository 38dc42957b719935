#include "engine/apps/data/scene_camera.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace engine::apps::scene {
namespace {

// Linear light, one value a pixel.
struct Film {
  int width = 0, height = 0;
  std::vector<Rgb> light;

  Rgb& at(int y, int x) { return light[static_cast<std::size_t>(y) * width + x]; }
};

// The pixels within `radius` of a place: f(pixel, du, dv), distances in units of the picture.
template <class F>
void each_near(Film& film, Point center, float radius_u, float radius_v, F f) {
  const auto bound = [](float place, int size) {
    return std::clamp(static_cast<int>(place * size), 0, size);
  };
  const int x0 = bound(center.u - radius_u, film.width);
  const int x1 = bound(center.u + radius_u + 1.0f / film.width, film.width);
  const int y0 = bound(center.v - radius_v, film.height);
  const int y1 = bound(center.v + radius_v + 1.0f / film.height, film.height);
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      f(film.at(y, x), (x + 0.5f) / film.width - center.u, (y + 0.5f) / film.height - center.v);
    }
  }
}

// What the lamps send to each place, as if every surface were there to be lit.
Film lamp_light(const Stage& stage, int width, int height) {
  Film film{width, height, std::vector<Rgb>(static_cast<std::size_t>(width) * height)};
  for (const Lamp& lamp : stage.lamps) {
    if (lamp.pool <= 0) continue;
    const float level = lamp.power.luminance();
    if (level <= 0) continue;
    const Rgb color = lamp.power * (kLampLight * lamp.strength / level);
    const Point center{lamp.place.u, lamp.place.v + lamp.pool_drop};
    const float reach = 2.2f * lamp.pool;
    each_near(film, center, reach, 0.7f * reach, [&](Rgb& pixel, float du, float dv) {
      const float d2 = (du * du + 2 * dv * dv) / (lamp.pool * lamp.pool);
      const float fall = std::max(0.0f, 1 - d2 / 4.8f);
      pixel += color * (fall * fall / (1 + 2 * d2));
    });
  }
  return film;
}

// Small steady differences within a surface: bricks, leaves, gravel.
float grain(int x, int y, std::uint32_t seed) {
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x9e3779b1u ^
                    static_cast<std::uint32_t>(y) * 0x85ebca77u ^ seed;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h ^= h >> 13;
  return static_cast<float>(h & 0xffffu) * (1.0f / 65536.0f);
}

Film expose_surfaces(Stage& stage, int width, int height) {
  const Light& light = stage.light;
  const Film lamps = lamp_light(stage, width, height);
  Film film{width, height, std::vector<Rgb>(static_cast<std::size_t>(width) * height)};
  const float rough = stage.random.uniform(0.05f, 0.35f);
  const float tilt = stage.random.uniform(-0.06f, 0.06f);
  const std::uint32_t seed = stage.random.word();
  const Rgb haze = mix(light.horizon, light.ambient, 0.5f) +
                   light.lamp_color * [&] { return light.lamps_on ? kLampLight * 0.1f : 0.0f; }();
  const float extinction = light.fog + 0.015f;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      // A tilted camera: columns slide.
      const int slide = static_cast<int>(tilt * (x - width / 2) * 2);
      Rgb sum;
      for (int s = 0; s < 4; ++s) {
        const int sx = 2 * x + s % 2;
        const int sy = std::clamp(2 * y + s / 2 + slide, 0, 2 * height - 1);
        const Surface& surface = stage.canvas.at(sy, sx);
        const Rgb arriving =
            light.ambient + light.sun * surface.sun +
            lamps.light[static_cast<std::size_t>(sy / 2) * width + x] * surface.lamp;
        const float texture = 1 + rough * (grain(sx, sy, seed) - 0.5f) * 2;
        sum += mix(haze, surface.albedo * arriving * texture + surface.emission,
                   1 / (1 + extinction * surface.depth * (1 + extinction * surface.depth)));
      }
      film.at(y, x) = sum * 0.25f;
    }
  }
  return film;
}

// Sources, their glare in lens and air, and their streaks on wet ground.
void add_sources(Stage& stage, Film& film) {
  RandomNumbers& random = stage.random;
  const float pixel = 1.0f / static_cast<float>(film.width);
  const float glare = std::pow(10.0f, random.uniform(-3.6f, -2.3f)) + 0.02f * stage.light.fog;
  const bool has_spikes = random.chance(0.2f);
  for (const Lamp& lamp : stage.lamps) {
    const float size = std::max(lamp.size, 0.45f * pixel);
    // A source smaller than a pixel gives it only its share of light.
    const float share = std::min(1.0f, lamp.size * lamp.size / (size * size));
    const Rgb power = lamp.power * share;
    each_near(film, lamp.place, 2.5f * size, 2.5f * size, [&](Rgb& p, float du, float dv) {
      p += power * std::exp(-(du * du + dv * dv) / (size * size));
    });
    if (lamp.power.luminance() * glare < 2e-5f) continue;
    const float wide = 4 * size + 0.012f;
    const float reach = std::min(1.0f, 14 * wide);
    const float strength = glare * std::min(1.0f, lamp.size / 0.016f);
    each_near(film, lamp.place, reach, reach, [&](Rgb& p, float du, float dv) {
      const float d2 = (du * du + dv * dv) / (wide * wide);
      const float fade = std::max(0.0f, 1 - d2 / 196);
      float halo = fade / (1 + d2) * (1 + 10 / (1 + 4 * d2));
      if (has_spikes && (std::abs(du) < 0.7f * pixel || std::abs(dv) < 0.7f * pixel)) halo *= 4;
      p += lamp.power * (strength * halo);
    });
    if (lamp.mirror > 0) {
      const Point foot{lamp.place.u, lamp.place.v + lamp.pool_drop * 1.25f + 0.5f * lamp.mirror};
      const float thin = 1.5f * size + 0.008f;
      each_near(film, foot, 3 * thin, 0.5f * lamp.mirror, [&](Rgb& p, float du, float dv) {
        const float along = 2 * dv / lamp.mirror;
        p += lamp.power *
             (0.01f * std::exp(-du * du / (thin * thin)) * std::max(0.0f, 1 - along * along));
      });
    }
  }
}

// How much light the camera lets in: its meter aims at a medium picture, its owner and its limits
// interfere. Nights come out black or bright as day, days dull or burnt.
float choose_exposure(Stage& stage, const Film& film) {
  RandomNumbers& random = stage.random;
  float sum = 0;
  for (const Rgb& light : film.light) sum += std::sqrt(std::min(light.luminance(), 4.0f));
  const float meter = sum / static_cast<float>(film.light.size());
  float stops = 0.85f * random.normal();
  const float mood = random.uniform();
  if (mood < 0.22f) stops -= random.uniform(0.5f, 3.0f);
  if (mood > 0.9f) stops += random.uniform(0.3f, 1.5f);
  const float wanted = 0.2f * std::exp2(stops) / (meter * meter + 1e-7f);
  // What the camera can do: some give up on the night and show its lights alone.
  const float limit = std::pow(
      10.0f, random.chance(0.2f) ? random.uniform(0.3f, 1.8f) : random.uniform(1.6f, 3.8f));
  const float exposure = std::min(wanted, limit);
  if (exposure < wanted) stage.description += ", dark exposure";
  return exposure;
}

void soften(Film& film, float amount) {
  const float side = amount / 4, middle = 1 - 2 * side;
  Film copy = film;
  for (int y = 0; y < film.height; ++y) {
    for (int x = 0; x < film.width; ++x) {
      copy.at(y, x) =
          film.at(y, x) * middle +
          (film.at(y, std::max(x - 1, 0)) + film.at(y, std::min(x + 1, film.width - 1))) * side;
    }
  }
  for (int y = 0; y < film.height; ++y) {
    for (int x = 0; x < film.width; ++x) {
      film.at(y, x) =
          copy.at(y, x) * middle +
          (copy.at(std::max(y - 1, 0), x) + copy.at(std::min(y + 1, film.height - 1), x)) * side;
    }
  }
}

// 4,096 steps of linear light to display values: pow once, not for every pixel.
class ToneCurve {
 public:
  explicit ToneCurve(float contrast) {
    for (int i = 0; i <= kSteps; ++i) {
      const float display = std::pow(static_cast<float>(i) / kSteps, 1 / 2.2f);
      const float smooth = display * display * (3 - 2 * display);
      values_[i] = display + contrast * (smooth - display);
    }
  }
  float operator()(float linear) const {
    return values_[static_cast<int>(std::clamp(linear, 0.0f, 1.0f) * kSteps)];
  }

 private:
  static constexpr int kSteps = 4096;
  std::array<float, kSteps + 1> values_;
};

// About normal with deviation 1, from the four bytes of a word.
float bell(std::uint32_t word) {
  const auto sum =
      static_cast<int>((word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24));
  return static_cast<float>(sum - 510) * (1.0f / 147.8f);
}

Image develop(Stage& stage, Film& film, float exposure) {
  RandomNumbers& random = stage.random;
  const Rgb balance{std::exp2(0.4f * random.normal()), std::exp2(0.05f * random.normal()),
                    std::exp2(0.4f * random.normal())};
  const float saturation = random.chance(0.06f) ? 0.0f : random.uniform(0.5f, 1.6f);
  const float vignette = random.chance(0.5f) ? random.uniform(0, 0.6f) : 0.0f;
  const float knee = random.uniform(0.0f, 1.0f);
  const ToneCurve curve(random.uniform(-0.2f, 0.8f));
  const float black = random.chance(0.3f) ? random.uniform(0, 0.06f) : 0.0f;
  // Amplified pictures are noisier.
  const float gain_noise = random.uniform() * (random.chance(0.4f) ? 0.002f : 0.008f);
  const float noise = random.uniform(0.002f, 0.02f) + gain_noise * std::log10(1 + exposure);
  const float color_noise = 0.5f * noise;
  Image image = make_image(film.width, film.height, 3);
  for (int y = 0; y < film.height; ++y) {
    for (int x = 0; x < film.width; ++x) {
      const float du = (x + 0.5f) / film.width - 0.5f, dv = (y + 0.5f) / film.height - 0.5f;
      Rgb light = film.at(y, x) * balance * (exposure * (1 - vignette * 2 * (du * du + dv * dv)));
      const float level = light.luminance();
      light = mix(grey(level), light, saturation);
      const auto channel = [&](float value, float extra) {
        // Between a hard clip and a film's soft shoulder.
        value = std::max(value, 0.0f);
        const float shoulder = 1.25f * value / (1 + value);
        const float display = curve(std::min(value, 1.0f) * (1 - knee) + shoulder * knee) + extra;
        return static_cast<std::uint8_t>(
            std::clamp((black + (1 - black) * display) * 255 + 0.5f, 0.0f, 255.0f));
      };
      const std::uint32_t word = random.word();
      const float common = noise * bell(word);
      const float red = color_noise * bell(word * 0x9e3779b1u);
      const float blue = color_noise * bell(word * 0x85ebca77u);
      image.at(y, x, 0) = channel(light.r, common + red);
      image.at(y, x, 1) = channel(light.g, common);
      image.at(y, x, 2) = channel(light.b, common + blue);
    }
  }
  return image;
}

}  // namespace

Image photograph(Stage& stage) {
  const int width = stage.canvas.width() / 2, height = stage.canvas.height() / 2;
  Film film = expose_surfaces(stage, width, height);
  add_sources(stage, film);
  const float exposure = choose_exposure(stage, film);
  if (stage.random.chance(0.6f)) soften(film, stage.random.uniform(0.2f, 1.0f));
  return develop(stage, film, exposure);
}

}  // namespace engine::apps::scene
