#include "engine/apps/style_transfer/pictures.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "engine/apps/data/scenes.h"
#include "engine/apps/run/exit_codes.h"
#include "engine/core/store.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/color_transform.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/resize.h"

namespace engine::apps::style_transfer {
namespace {

constexpr std::string_view kScene = "scene:", kPattern = "pattern:";

using Matrix = std::array<double, 9>;

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) c[i * 3 + j] += a[i * 3 + k] * b[k * 3 + j];
  return c;
}

// Mean and covariance of the colours of a picture.
struct Colors {
  std::array<double, 3> mean{};
  Matrix covariance{};
};

Colors colors_of(const Image& image) {
  Colors colors;
  const double count = static_cast<double>(image.pixels.size()) / 3;
  for (std::size_t p = 0; p < image.pixels.size(); p += 3) {
    for (std::size_t c = 0; c < 3; ++c) colors.mean[c] += image.pixels[p + c] / count;
  }
  for (std::size_t p = 0; p < image.pixels.size(); p += 3) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        colors.covariance[i * 3 + j] +=
            (image.pixels[p + i] - colors.mean[i]) * (image.pixels[p + j] - colors.mean[j]) / count;
      }
    }
  }
  // A grey picture's covariance is singular; one grey level of noise in each channel is not seen.
  for (std::size_t i = 0; i < 3; ++i) colors.covariance[i * 4] += 1;
  return colors;
}

// The power (1/2 or -1/2) of a symmetric positive definite matrix, by Jacobi rotations.
Matrix power_of(Matrix a, double exponent) {
  Matrix vectors = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (int p = 0; p < 2; ++p) {
      for (int q = p + 1; q < 3; ++q) {
        if (std::abs(a[p * 3 + q]) < 1e-12 * std::sqrt(a[p * 4] * a[q * 4])) continue;
        const double angle = 0.5 * std::atan2(2 * a[p * 3 + q], a[q * 4] - a[p * 4]);
        Matrix rotation = {1, 0, 0, 0, 1, 0, 0, 0, 1}, inverse = rotation;
        rotation[p * 4] = rotation[q * 4] = inverse[p * 4] = inverse[q * 4] = std::cos(angle);
        rotation[p * 3 + q] = inverse[q * 3 + p] = std::sin(angle);
        rotation[q * 3 + p] = inverse[p * 3 + q] = -std::sin(angle);
        a = product(inverse, product(a, rotation));
        vectors = product(vectors, rotation);
      }
    }
  }
  Matrix result{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) {
        result[i * 3 + j] += vectors[i * 3 + k] * std::pow(a[k * 4], exponent) * vectors[j * 3 + k];
      }
  return result;
}

// What a graph of one output makes of its inputs.
Tensor evaluate(Graph& graph, const Value& result,
                const std::vector<std::pair<std::string, Tensor>>& inputs) {
  graph.output("result", result);
  Store store(Device::cpu());
  Executable step = compile(graph, store, {.precision = Precision::f32});
  for (const auto& [name, tensor] : inputs) step.bind_input(name, tensor);
  step.run();
  return step.output("result").clone();
}

// f32 [1, h, w, 3], 0..255.
Tensor pixels_of(const Image& image) {
  const Tensor pixels = Tensor::empty({1, image.height, image.width, 3}, DType::f32, Device::cpu());
  std::copy(image.pixels.begin(), image.pixels.end(), pixels.span<float>().begin());
  return pixels;
}

std::uint64_t scene_number(const std::string& name) {
  std::uint64_t number = 0;
  const char* begin = name.data() + kScene.size();
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end) {
    throw UsageError(join(name, ": write scene: and a number, as in scene:7"));
  }
  return number;
}

}  // namespace

std::string absolute_name(const std::string& name) {
  if (name.starts_with(kScene) || name.starts_with(kPattern)) return name;
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(name, error);
  if (error) throw IoError(join(name, ": ", error.message()));
  return path.lexically_normal().string();
}

Image load_picture(const std::string& name, int size) {
  if (name.starts_with(kScene)) {
    return draw_scene(1, scene_number(name), size, size * 3 / 4).image;
  }
  if (name.starts_with(kPattern)) return make_pattern(name.substr(kPattern.size()), size);
  return read_image(name);
}

Shape scaled_shape(const Image& image, int size) {
  const double factor = static_cast<double>(size) / std::max(image.width, image.height);
  const auto scaled = [&](int extent) {
    return std::max<std::int64_t>(1, std::lround(extent * factor));
  };
  return {1, scaled(image.height), scaled(image.width), 3};
}

Tensor scaled_pixels(const Image& image, int size) {
  return resized_like(pixels_of(image), scaled_shape(image, size));
}

Image to_image(const Tensor& pixels) {
  const Shape& shape = pixels.shape();
  Image image = make_image(static_cast<int>(shape[2]), static_cast<int>(shape[1]), 3);
  const std::vector<float> values = pixels.to_floats();
  for (std::size_t i = 0; i < values.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(values[i], 0.0f, 255.0f)));
  }
  return image;
}

Tensor resized_like(const Tensor& pixels, const Shape& like) {
  if (pixels.shape() == like) return pixels;
  Graph graph;
  const Value x = graph.input("x", pixels.shape());
  return evaluate(graph, resize(x, {.height = like[1], .width = like[2]}), {{"x", pixels}});
}

Tensor with_chroma_of(const Tensor& pixels, const Tensor& content) {
  ENGINE_CHECK(pixels.shape() == content.shape(), "colors: pictures of ", pixels.shape(), " and ",
               content.shape());
  Graph graph;
  const Value x = graph.input("x", pixels.shape()), c = graph.input("content", content.shape());
  const Value luma = color_transform(x, ColorTransform::rgb_to_yiq());
  const Value chroma = color_transform(c, ColorTransform::rgb_to_yiq());
  const Value is_luma = graph.constant(Tensor::from(std::vector<float>{1, 0, 0}, {3}));
  const Value is_chroma = graph.constant(Tensor::from(std::vector<float>{0, 1, 1}, {3}));
  const Value yiq = luma * is_luma + chroma * is_chroma;
  return evaluate(graph, color_transform(yiq, ColorTransform::yiq_to_rgb()),
                  {{"x", pixels}, {"content", content}});
}

Image with_colors_of(const Image& style, const Image& content) {
  const Colors from = colors_of(style), to = colors_of(content);
  const Matrix map = product(power_of(to.covariance, 0.5), power_of(from.covariance, -0.5));
  ColorTransform transform{.in_channels = 3};
  for (std::size_t i = 0; i < 3; ++i) {
    double offset = to.mean[i];
    for (std::size_t j = 0; j < 3; ++j) {
      transform.matrix.push_back(static_cast<float>(map[i * 3 + j]));
      offset -= map[i * 3 + j] * from.mean[j];
    }
    transform.offset.push_back(static_cast<float>(offset));
  }
  const Tensor pixels = pixels_of(style);
  Graph graph;
  const Value x = graph.input("x", pixels.shape());
  return to_image(evaluate(graph, color_transform(x, transform), {{"x", pixels}}));
}

}  // namespace engine::apps::style_transfer
