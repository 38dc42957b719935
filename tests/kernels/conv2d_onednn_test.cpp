// What only the convolutions that oneDNN does on the CPU have to do.
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/kernels/conv2d.h"
#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

using testing::HasSubstr;

class Conv2dCpuTable : public testing::TestWithParam<Conv2dCase> {};

// Weights that never change give the same bits when they are packed once.
TEST_P(Conv2dCpuTable, FrozenEqualsTrainable) {
  const Conv2dCase& c = GetParam();
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    const Conv2dOp op(geometry_of(c));
    EXPECT_TRUE(same_bits(run_alone(op, {data.x, data.w}), run_alone(op, {data.x, data.w}, {1})));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Conv2dCpuTable, testing::ValuesIn(kConv2dCases), case_name);

TEST(Conv2dCpu, PackedWeightsAreCounted) {
  const std::vector<TensorType> in = {{{1, 8, 8, 16}, DType::f32}, {{32, 3, 3, 16}, DType::f32}};
  const Conv2dOp op({});
  const auto out = op.infer(in);
  const Tensor w = random_tensor(in[1].shape, DType::f32, 1);
  const std::vector<const void*> trainable(2, nullptr), frozen = {nullptr, w.data()};
  const Device device = Device::cpu();
  const auto fresh = op.prepare({device, in, out, trainable});
  const auto packed = op.prepare({device, in, out, frozen});
  EXPECT_EQ(fresh->packed_bytes(), 0);
  EXPECT_GE(fresh->scratch_bytes(), in[1].bytes());
  EXPECT_GE(packed->packed_bytes(), in[1].bytes());
  EXPECT_LE(packed->scratch_bytes() + in[1].bytes(), fresh->scratch_bytes());
}

TEST(Conv2dCpu, SameBitsInEveryRun) {
  const Conv2dCase c{"", 8, 16, 16, 32, 64, 3, 3, 1, 1, 1, 1};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Conv2dData data(c, dtype);
    Graph graph;
    const Value x = graph.input("x", x_shape(c), dtype), dy = graph.input("dy", y_shape(c), dtype);
    const Value dw = conv2d_backward_weights(x, dy, w_shape(c), geometry_of(c));
    const Op& op = *dw.node().op;
    const Tensor first = run_alone(op, {data.x, data.dy}, {}, Device::cpu({.threads = 2}));
    for (int run = 0; run < 3; ++run) {
      EXPECT_TRUE(
          same_bits(first, run_alone(op, {data.x, data.dy}, {}, Device::cpu({.threads = 2}))));
    }
  }
}

TEST(Conv2dCpu, AnyThreadCount) {
  const Conv2dCase c{"", 3, 9, 9, 8, 16, 3, 3, 1, 1, 1, 1};
  const Conv2dData data(c, DType::f32);
  const auto want = reference::conv2d(c, to_doubles(data.x), to_doubles(data.w));
  for (const int threads : {1, 2, 3}) {
    EXPECT_TRUE(close_to(run_alone(Conv2dOp(geometry_of(c)), {data.x, data.w}, {},
                                   Device::cpu({.threads = threads})),
                         want, 1e-5));
  }
}

TEST(Conv2dCpu, F16HasNoKernelOnTheCpu) {
  const Tensor x = random_tensor({1, 4, 4, 2}, DType::f16, 1);
  const Tensor w = random_tensor({3, 3, 3, 2}, DType::f16, 2);
  EXPECT_THAT(error_of([&] {
                run_alone(Conv2dOp({}), {x, w});
              }),
              HasSubstr("conv2d: no f16 kernel for cpu"));
}

// oneDNN reads the variable when it starts, so this runs in a process of its own.
TEST(Conv2dDeathTest, Bf16NeedsAvx512) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto refused = [] {
    setenv("DNNL_MAX_CPU_ISA", "SSE41", 1);
    setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
    const Tensor x = random_tensor({1, 4, 4, 16}, DType::bf16, 1);
    const Tensor w = random_tensor({16, 3, 3, 16}, DType::bf16, 2);
    const std::string text = error_of([&] { run_alone(Conv2dOp({}), {x, w}); });
    std::fputs(text.c_str(), stderr);
    std::_Exit(text.find("bf16 needs AVX-512") == std::string::npos ? 1 : 0);
  };
  EXPECT_EXIT(refused(), testing::ExitedWithCode(0), "conv2d: oneDNN .* bf16\\[1, 4, 4, 16\\]");
}

}  // namespace
}  // namespace engine
