#include "engine/kernels/image.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"
#include "engine/kernels/compile.h"
#include "tests/reference/image.h"
#include "tests/support/cases.h"
#include "tests/support/clock.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"
#include "tests/support/interpret.h"
#include "tests/support/random_tensor.h"

namespace engine {
namespace {

Tensor random_images(const Shape& shape, std::uint32_t seed) {
  return random_tensor(shape, DType::u8, seed, {0, 256});
}

struct NormalizeCase {
  const char* name;
  Shape shape;
  Normalization normalization;
  DType dtype;
};
ENGINE_TEST_CASE_PRINTS_NAME(NormalizeCase)

const NormalizeCase kNormalizeCases[] = {
    {"grey", {2, 5, 7, 1}, {{0.3f}, {0.25f}}, DType::f32},
    {"one_for_all_channels", {1, 4, 4, 3}, {{0.5f}, {0.5f}}, DType::f32},
    {"per_channel", {3, 9, 5, 3}, {{0.1f, 0.5f, 0.9f}, {0.2f, 0.3f, 1}}, DType::f32},
    {"mixed_bf16", {3, 9, 5, 3}, {{0.1f, 0.5f, 0.9f}, {0.25f}}, DType::bf16},
    {"empty", {0, 4, 4, 3}, {{0.5f}, {0.5f}}, DType::f32},
    {"parallel", {3, 64, 65, 3}, {{0.1f, 0.5f, 0.9f}, {0.2f, 0.3f, 1}}, DType::f32},
    {"parallel_bf16", {3, 64, 65, 4}, {{0.1f}, {0.2f, 0.3f, 1, 2}}, DType::bf16},
};

class NormalizeImages : public DeviceTest<NormalizeCase> {};

TEST_P(NormalizeImages, MatchesReference) {
  const NormalizeCase& test = GetParam();
  Graph graph;
  graph.output("y", normalize_images(graph.input("x", test.shape, DType::u8), test.normalization,
                                     test.dtype));
  const Tensor x = random_images(test.shape, 1);
  const Tensor y = interpret(graph, {{"x", x}}, nullptr, device())[0];
  ASSERT_EQ(y.type(), (TensorType{test.shape, test.dtype}));
  if (x.elements() == 0) return;
  const auto of = [&](const std::vector<float>& values, std::int64_t i) {
    return double{values[values.size() == 1 ? 0 : static_cast<std::size_t>(i % test.shape[3])]};
  };
  std::vector<double> want = to_doubles(x), bound;
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    const double mean = of(test.normalization.mean, i);
    const double deviation = of(test.normalization.standard_deviation, i);
    const double scaled = want[static_cast<std::size_t>(i)] / 255;
    want[static_cast<std::size_t>(i)] = (scaled - mean) / deviation;
    bound.push_back(
        error_bound(2, (scaled + mean) / deviation, want[static_cast<std::size_t>(i)], test.dtype));
  }
  EXPECT_TRUE(close_to(y, want, bound));
}

INSTANTIATE_TEST_SUITE_P(Table, NormalizeImages, on_devices(kNormalizeCases), device_case_name);

TEST(NormalizeImagesErrors, CountsAndSigns) {
  Graph graph;
  const Value x = graph.input("x", {1, 2, 2, 3}, DType::u8);
  EXPECT_THROW(normalize_images(x, {{0.5f, 0.5f}, {1}}), InvalidArgument);
  EXPECT_THROW(normalize_images(x, {{0.5f}, {0}}), InvalidArgument);
  EXPECT_THROW(normalize_images(graph.input("f", {1, 2, 2, 3}), {{0.5f}, {1}}), InvalidArgument);
}

TEST(NormalizeImagesFusion, TakesACastToBf16) {
  Graph graph;
  const Value x = graph.input("x", {2, 5, 7, 3}, DType::u8);
  const Normalization normalization{{0.1f, 0.5f, 0.9f}, {0.25f}};
  graph.output("y", cast(normalize_images(x, normalization), DType::bf16));
  const Graph fused = fuse(graph, fusion_rules(), Device::cpu());
  EXPECT_EQ(fused.outputs()[0].second.node().op->name(), "normalize_images");
  const Tensor images = random_images({2, 5, 7, 3}, 1);
  EXPECT_TRUE(
      same_bits(interpret(graph, {{"x", images}})[0], interpret(fused, {{"x", images}})[0]));
}

TEST(NormalizeImagesFusion, LeavesWhatOthersRead) {
  Graph graph;
  const Value y = normalize_images(graph.input("x", {2, 5, 7, 3}, DType::u8), {{0.5f}, {0.25f}});
  graph.output("f32", y);
  graph.output("bf16", cast(y, DType::bf16));
  const Graph fused = fuse(graph, fusion_rules(), Device::cpu());
  EXPECT_EQ(fused.outputs()[1].second.node().op->name(), "cast");
}

constexpr std::uint64_t kSeed = 77;

struct GeometryCase {
  const char* name;
  Shape shape;
  RandomImageOptions options;
  bool is_exact = false;
};
ENGINE_TEST_CASE_PRINTS_NAME(GeometryCase)

const GeometryCase kGeometryCases[] = {
    {"nothing", {3, 5, 7, 3}, {}, true},
    {"shift", {9, 8, 6, 3}, {.shift = 3}, true},
    {"shift_beyond_the_image", {9, 2, 3, 1}, {.shift = 7}, true},
    {"flip", {9, 4, 5, 3}, {.flip = true}, true},
    {"shift_and_flip", {9, 7, 5, 1}, {.shift = 2, .flip = true}, true},
    {"parallel_shift_and_flip", {20, 33, 31, 3}, {.shift = 4, .flip = true}, true},
    {"rotation", {4, 12, 9, 1}, {.rotation_degrees = 180}},
    {"scale", {4, 9, 12, 2}, {.scale = 0.5f}},
    {"shear", {4, 9, 12, 1}, {.shear = 0.7f}},
    {"elastic", {4, 16, 21, 1}, {.elastic = 3}},
    {"elastic_with_shift", {4, 16, 21, 1}, {.shift = 4, .elastic = 3}},
    {"one_pixel", {3, 1, 1, 3}, {.rotation_degrees = 30, .scale = 0.2f}},
    {"more_than_a_block", {2, 36, 40, 1}, {.rotation_degrees = 20}},
    {"wider_than_a_tile", {2, 3, 257, 1}, {.rotation_degrees = 1, .elastic = 1}},
    {"everything",
     {8, 24, 20, 3},
     {.shift = 2,
      .flip = true,
      .rotation_degrees = 25,
      .scale = 0.2f,
      .shear = 0.2f,
      .elastic = 2}},
};

class RandomGeometry : public DeviceTest<GeometryCase> {};

TEST_P(RandomGeometry, MatchesReference) {
  const GeometryCase& test = GetParam();
  const RandomImageOptions& options = test.options;
  Graph graph;
  graph.output("y", random_geometry(graph.input("x", test.shape, DType::u8), "geo", options));
  const Store store = store_at(kSeed, 3);
  const Tensor x = random_images(test.shape, 5);
  const Tensor y = interpret(graph, {{"x", x}}, &store, device())[0];
  const std::int64_t h = test.shape[1], w = test.shape[2], c = test.shape[3];
  std::vector<double> want;
  for (std::int64_t image = 0; image < test.shape[0]; ++image) {
    const reference::Geometry geometry({options.shift, options.flip, options.rotation_degrees,
                                        options.scale, options.shear, options.elastic},
                                       {kSeed, "geo", 3}, image);
    const std::uint8_t* pixels = x.span<std::uint8_t>().data() + image * h * w * c;
    for (std::int64_t i = 0; i < h * w * c; ++i) {
      const auto [source_y, source_x] =
          geometry.source(static_cast<double>(i / c / w), static_cast<double>(i / c % w),
                          static_cast<double>(h), static_cast<double>(w));
      want.push_back(reference::sample(pixels, h, w, c, i % c, source_y, source_x));
    }
  }
  // Half a unit of rounding, and source positions to some ten roundings of numbers below the size,
  // each worth at most 255 a pixel along each axis.
  const double positions =
      static_cast<double>(std::max(h, w)) * 10 * 0x1p-24 * 2 * 255 * (1 / (1 - options.scale));
  EXPECT_TRUE(close_to(y, want, test.is_exact ? 1e-9 : 0.5 + positions));
}

INSTANTIATE_TEST_SUITE_P(Table, RandomGeometry, on_devices(kGeometryCases), device_case_name);

// Source positions are whole numbers then, those right beside the image too.
TEST(RandomGeometryByAlmostNothing, IsTheMove) {
  const Tensor x = random_images({8, 7, 6, 2}, 5);
  const Store store = store_at(kSeed, 3);
  const auto moved = [&](float degrees, const Device& device) {
    Graph graph;
    graph.output("y", random_geometry(graph.input("x", x.shape(), DType::u8), "geo",
                                      {.shift = 3, .flip = true, .rotation_degrees = degrees}));
    return interpret(graph, {{"x", x}}, &store, device)[0];
  };
  for (const Device& device : test_devices()) {
    EXPECT_TRUE(same_bits(moved(1e-30f, device), moved(0, device))) << device;
  }
}

// One image under one option in the first step whose draw `is_wanted`.
Tensor transformed(const Tensor& image, const RandomImageOptions& options,
                   const reference::GeometrySettings& settings,
                   bool (*is_wanted)(const reference::Geometry&)) {
  Graph graph;
  graph.output("y", random_geometry(graph.input("x", image.shape(), DType::u8), "geo", options));
  for (std::int32_t step = 0; step < 1000; ++step) {
    if (!is_wanted({settings, {kSeed, "geo", static_cast<std::uint32_t>(step)}, 0})) continue;
    const Store store = store_at(kSeed, step);
    return interpret(graph, {{"x", image}}, &store)[0];
  }
  throw std::runtime_error("no such step");
}

// A bright pixel (y, x) in an 11 x 11 image.
Tensor bright_at(int y, int x) {
  std::vector<std::uint8_t> pixels(121);
  pixels[static_cast<std::size_t>(y * 11 + x)] = 255;
  return Tensor::from(pixels, {1, 11, 11, 1});
}

std::pair<double, double> center_of_light(const Tensor& image) {
  const std::vector<double> pixels = to_doubles(image);
  double sum = 0, y = 0, x = 0;
  for (int i = 0; i < 121; ++i) {
    sum += pixels[i];
    y += pixels[i] * (i / 11);
    x += pixels[i] * (i % 11);
  }
  return {y / sum, x / sum};
}

TEST(RandomGeometryDirection, PositiveRotationIsCounterClockwise) {
  const Tensor right = bright_at(5, 9);
  const Tensor turned = transformed(right, {.rotation_degrees = 90}, {.rotation_degrees = 90},
                                    [](const reference::Geometry& g) { return g.degrees > 85; });
  const auto [y, x] = center_of_light(turned);
  EXPECT_NEAR(y, 1, 0.5);  // up
  EXPECT_NEAR(x, 5, 0.7);
}

TEST(RandomGeometryDirection, ScaleAboveOneEnlarges) {
  const auto [y, x] =
      center_of_light(transformed(bright_at(5, 8), {.scale = 0.5f}, {.scale = 0.5},
                                  [](const reference::Geometry& g) { return g.scale > 1.45; }));
  EXPECT_NEAR(y, 5, 0.3);
  EXPECT_NEAR(x, 9.4, 0.4);
}

TEST(RandomGeometryDirection, PositiveShearMovesLowerRowsRight) {
  const auto [y, x] =
      center_of_light(transformed(bright_at(8, 5), {.shear = 1}, {.shear = 1},
                                  [](const reference::Geometry& g) { return g.shear > 0.95; }));
  EXPECT_NEAR(y, 8, 0.3);
  EXPECT_NEAR(x, 8, 0.4);
}

TEST(RandomGeometryDirection, ShiftMovesDownAndRight) {
  const auto [y, x] = center_of_light(
      transformed(bright_at(5, 5), {.shift = 3}, {.shift = 3},
                  [](const reference::Geometry& g) { return g.shift_y == 3 && g.shift_x == 2; }));
  EXPECT_EQ(y, 8);
  EXPECT_EQ(x, 7);
}

TEST(RandomGeometryErrors, NegativeOptionsAndFloatImages) {
  Graph graph;
  const Value x = graph.input("x", {1, 4, 4, 1}, DType::u8);
  EXPECT_THROW(random_geometry(x, "g", {.shift = -1}), InvalidArgument);
  EXPECT_THROW(random_geometry(x, "g", {.scale = 1}), InvalidArgument);
  EXPECT_THROW(random_geometry(graph.input("f", {1, 4, 4, 1}), "g", {}), InvalidArgument);
}

}  // namespace
}  // namespace engine
