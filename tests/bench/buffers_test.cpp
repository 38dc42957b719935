// The tensors that calls take in turn.
#include "bench/engine_bench/buffers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

namespace engine::bench {
namespace {

Subject convolution(MathMode math) {
  const auto shapes = parse_conv_shapes("n=2,h=6,c=8,k=4,r=3");
  return conv2d_subjects(shapes, std::vector{Pass::forward}, std::vector{math})[0];
}

TEST(Buffers, CopiesTogetherExceedWhatIsToBeRotated) {
  const Subject subject = convolution(MathMode::f32);
  const HostTensors host = random_inputs(subject);
  // x [2, 6, 6, 8], w [4, 3, 3, 8], y [2, 6, 6, 4], 4 bytes each.
  constexpr std::int64_t kBytes = 4 * (576 + 288 + 288);
  ASSERT_EQ(RotatingBuffers::bytes_of(subject), kBytes);
  for (const auto& [rotated, copies] : {std::pair<std::int64_t, int>{0, 1},
                                        {kBytes - 1, 1},
                                        {kBytes, 2},
                                        {10 * kBytes + 1, 11},
                                        {1000 * kBytes, 512}}) {
    const RotatingBuffers buffers(subject, host, Device::cpu({.threads = 1}), rotated);
    EXPECT_EQ(buffers.copies(), copies) << rotated;
    std::set<const void*> places;
    for (int copy = 0; copy < copies; ++copy) {
      for (std::size_t i = 0; i < host.size(); ++i) {
        places.insert(buffers.inputs(copy)[i]);
        ASSERT_EQ(std::memcmp(buffers.inputs(copy)[i], host[i].data(), 4 * host[i].size()), 0);
      }
      places.insert(buffers.outputs(copy)[0]);
    }
    EXPECT_EQ(places.size(), static_cast<std::size_t>(3 * copies)) << rotated;
  }
}

TEST(Buffers, NumbersAreRandomBetweenMinusOneAndOneAndHeldByTheMode) {
  for (const MathMode math : kMathModes) {
    const HostTensors host = random_inputs(convolution(math));
    for (const std::vector<float>& values : host) {
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      EXPECT_GE(*least, -1);
      EXPECT_LT(*least, -0.95f);
      EXPECT_LE(*most, 1);
      EXPECT_GT(*most, 0.95f);
      const double mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size();
      EXPECT_LT(std::abs(mean), 0.1);
      for (const float value : values) EXPECT_EQ(rounded_to(math, value), value);
    }
    EXPECT_NE(host[0][0], host[1][0]);
  }
}

TEST(Buffers, WhatIsNotWrittenIsFound) {
  for (const MathMode math : {MathMode::f32, MathMode::bf16}) {
    const Subject subject = convolution(math);
    const RotatingBuffers buffers(subject, random_inputs(subject), Device::cpu({.threads = 1}), 0);
    const std::vector<std::int64_t> elements = {0, 7, 287};
    EXPECT_EQ(buffers.read(elements), std::vector<double>(3, 0.0));
    buffers.spoil_outputs();
    for (const double value : buffers.read(elements)) EXPECT_TRUE(std::isnan(value));
  }
}

}  // namespace
}  // namespace engine::bench
