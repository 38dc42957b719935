#include "engine/apps/data/baselines.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "engine/apps/data/paired_test.h"
#include "engine/core/errors.h"
#include "throws.h"

namespace engine::apps {
namespace {

// Pictures from a formula for (item, position), labels from another.
template <class Pixel, class Label>
ImageDataset make_data(std::int64_t count, int side, int channels, int classes, Pixel pixel,
                       Label label) {
  ImageDataset data;
  for (int c = 0; c < classes; ++c) data.classes.push_back(join("class ", c));
  data.images = Tensor::empty({count, side, side, channels}, DType::u8, Device::cpu());
  data.labels = Tensor::empty({count}, DType::i32, Device::cpu());
  const std::int64_t row = std::int64_t{side} * side * channels;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t k = 0; k < row; ++k) {
      data.images.span<std::uint8_t>()[i * row + k] = static_cast<std::uint8_t>(pixel(i, k));
    }
    data.labels.span<std::int32_t>()[i] = label(i);
    data.names.push_back(join("item ", i));
  }
  return data;
}

std::uint32_t scramble(std::uint64_t x) {
  for (int round = 0; round < 3; ++round) {
    x = (x + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 29;
  }
  return static_cast<std::uint32_t>(x >> 16);
}

Split cut(std::int64_t count, std::int64_t train, std::int64_t validation) {
  Split split;
  for (std::int64_t i = 0; i < count; ++i) {
    (i < train ? split.train : i < train + validation ? split.validation : split.test).push_back(i);
  }
  return split;
}

TEST(Wilson, MatchesPublishedValues) {
  // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
  const auto expect = [](std::int64_t correct, std::int64_t total, double low, double high) {
    const Interval interval = wilson_interval(correct, total);
    EXPECT_NEAR(interval.low, low, 5e-5);
    EXPECT_NEAR(interval.high, high, 5e-5);
  };
  expect(81, 263, 0.2553, 0.3662);
  expect(15, 148, 0.0624, 0.1605);
  expect(0, 20, 0.0, 0.1611);
  expect(1, 29, 0.0061, 0.1718);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(Paired, McNemarByHand) {
  EXPECT_EQ(mcnemar_p(0, 0), 1);
  EXPECT_NEAR(mcnemar_p(6, 0), 2 / 64., 1e-12);
  EXPECT_NEAR(mcnemar_p(1, 9), 2 * 11 / 1024., 1e-12);  // 1 + 10 of the 2^10 ways
  EXPECT_EQ(mcnemar_p(5, 5), 1);
  EXPECT_LT(mcnemar_p(1000, 400), 1e-50);
}

// Sizes that are no multiple of any block, two widths; one of them sums more than 32 bits hold.
TEST(NearestNeighbour, MatchesTheDefinition) {
  for (const int side : {5, 111}) {
    const auto data = make_data(
        side == 5 ? 171 : 13, side, 3, 4,
        [side](auto i, auto k) {
          return side == 5 ? scramble(i * 1000003 + k) : 250 + (i * k) % 6;
        },
        [](auto i) { return static_cast<int>(scramble(i) % 4); });
    const Split split = cut(data.count(), side == 5 ? 101 : 9, 0);
    const BaselineResult result = nearest_neighbour(data, split, {.threads = 2});
    ASSERT_EQ(result.predictions.size(), split.test.size());
    const auto pixels = data.images.span<std::uint8_t>();
    const std::int64_t row = std::int64_t{side} * side * 3;
    std::int64_t correct = 0;
    for (std::size_t t = 0; t < split.test.size(); ++t) {
      std::int64_t best = -1;
      std::int64_t best_distance = std::numeric_limits<std::int64_t>::max();
      for (const std::int64_t other : split.train) {
        std::int64_t distance = 0;
        for (std::int64_t k = 0; k < row; ++k) {
          const std::int64_t d = pixels[split.test[t] * row + k] - pixels[other * row + k];
          distance += d * d;
        }
        if (distance < best_distance) best_distance = distance, best = other;
      }
      EXPECT_EQ(result.predictions[t], data.label_span()[best]) << "test item " << t;
      correct += data.label_span()[best] == data.label_span()[split.test[t]];
    }
    EXPECT_EQ(result.correct, correct);
    EXPECT_EQ(result.total, static_cast<std::int64_t>(split.test.size()));
  }
}

TEST(NearestNeighbour, SaysWhenItLeavesItemsOut) {
  const auto data = make_data(
      60, 4, 1, 2, [](auto i, auto) { return i * 4; }, [](auto i) { return i >= 30; });
  Split split;
  for (std::int64_t i = 0; i < 60; ++i) (i % 3 == 1 ? split.test : split.train).push_back(i);
  const BaselineResult all = nearest_neighbour(data, split);
  EXPECT_EQ(all.note, "");
  EXPECT_EQ(all.correct, 20);
  const BaselineResult some =
      nearest_neighbour(data, split, {.max_multiply_adds = 40. * 20 * 16 / 4});
  EXPECT_EQ(some.note, "every 4th of 40 training items");
  EXPECT_GE(some.correct, 18);
}

TEST(Ridge, LearnsWhatIsLinearAndNotWhatIsNot) {
  // The left half brighter than the right, or the other way round: linear. The product of the two
  // halves' signs: not.
  const auto pixel = [](std::int64_t i, std::int64_t k) {
    const bool is_left = k % 16 < 8;
    const int sign = (scramble(i) >> (is_left ? 3 : 9)) & 1 ? 1 : -1;
    return 128 + 40 * sign + static_cast<int>(scramble(i * 77777 + k) % 41) - 20;
  };
  const auto linear = make_data(400, 16, 1, 2, pixel, [](auto i) { return scramble(i) >> 3 & 1; });
  const BaselineResult good = ridge_on_thumbnails(linear, cut(400, 250, 50));
  EXPECT_EQ(good.correct, 100);
  EXPECT_EQ(good.total, 100);
  EXPECT_NE(good.note.find("penalty"), std::string::npos);
  const auto product = make_data(
      400, 16, 1, 2, pixel, [](auto i) { return (scramble(i) >> 3 & 1) ^ (scramble(i) >> 9 & 1); });
  EXPECT_LT(ridge_on_thumbnails(product, cut(400, 250, 50)).accuracy(), 0.7);
}

// Every picture lights a cell of its own, and nothing else tells its class: only those that were
// trained on are known. A fifth is set aside to choose the penalty; the weights know it too.
TEST(Ridge, TrainsOnTheWholeTrainingPart) {
  const auto data = make_data(
      60, 8, 1, 4, [](auto i, auto k) { return i == k ? 255 : 0; },
      [](auto i) { return static_cast<int>(i % 4); });
  Split split = cut(60, 60, 0);
  split.test = split.train;
  EXPECT_EQ(ridge_on_thumbnails(data, split).correct, 60);
}

TEST(Ridge, ManyClassesNoValidationAndFlatPictures) {
  const auto data = make_data(
      200, 8, 3, 5, [](auto i, auto k) { return k / 3 % 5 == i % 5 ? 200 : scramble(i + k) % 100; },
      [](auto i) { return static_cast<int>(i % 5); });
  EXPECT_EQ(ridge_on_thumbnails(data, cut(200, 150, 0)).correct, 50);
  const auto flat = make_data(
      40, 8, 1, 2, [](auto, auto) { return 9; }, [](auto i) { return i % 4 == 0; });
  EXPECT_EQ(ridge_on_thumbnails(flat, cut(40, 20, 0)).correct, 15);  // the larger class
}

TEST(Baselines, AddUpAndErrors) {
  BaselineResult a, b;
  a.name = b.name = "x";
  a.note = "penalty 1000";
  b.note = "penalty 10";
  a.correct = 3, a.total = 4, b.correct = 5, b.total = 6;
  const BaselineResult sum = add_up({a, b, a});
  EXPECT_EQ(sum.correct, 11);
  EXPECT_EQ(sum.total, 14);
  EXPECT_EQ(sum.note, "penalty 1000; penalty 10");
  const auto data = make_data(
      4, 8, 1, 2, [](auto, auto) { return 1; }, [](auto i) { return i % 2; });
  EXPECT_THROWS_WITH(nearest_neighbour(data, {}), InvalidArgument, "nothing to train on");
  EXPECT_THROWS_WITH(ridge_on_thumbnails(data, {}), InvalidArgument, "0 training items");
}

}  // namespace
}  // namespace engine::apps
