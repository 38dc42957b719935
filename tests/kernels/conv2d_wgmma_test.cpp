// conv2d's kernel for 9.0a, each of its tiles, whatever would be chosen.
#include <gtest/gtest.h>

#include "engine/kernels/conv2d_algorithms.h"
#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

class WgmmaConv2dOp final : public Op {
 public:
  WgmmaConv2dOp(const Conv2dProblem& problem, Activation activation, int tile_n)
      : plan_{.problem = problem,
              .activation = activation,
              .choice = {
                  .algorithm = cuda::Conv2dAlgorithm::wgmma, .tile_m = 128, .tile_n = tile_n}} {}

  std::string_view name() const override { return "wgmma_conv2d"; }
  std::string attributes() const override {
    return join(plan_.problem, ' ', plan_.choice, ' ', name_of(plan_.activation));
  }
  std::vector<TensorType> infer(std::span<const TensorType>) const override {
    return {{plan_.problem.y_shape(), DType::bf16}};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return cuda::prepare_conv2d_as(plan_, context);
  }

 private:
  cuda::Conv2dPlan plan_;
};

struct WgmmaCase {
  const char* name;
  int tile_n;
  Conv2dCase conv;
};
ENGINE_TEST_CASE_PRINTS_NAME(WgmmaCase)

// n, h, w, in_channels, out_channels, kh, kw, stride h w, padding h w, dilation h w
const WgmmaCase kWgmmaCases[] = {
    {"3x3", 64, {"", 1, 8, 16, 64, 64, 3, 3, 1, 1, 1, 1}},
    {"3x3_128", 128, {"", 2, 7, 11, 32, 128, 3, 3, 1, 1, 1, 1}},
    {"3x3_256", 256, {"", 1, 17, 9, 16, 256, 3, 3, 1, 1, 1, 1}},
    {"3x3_256_odd_tiles", 256, {"", 3, 9, 16, 24, 136, 3, 3, 1, 1, 1, 1}},
    {"small_images", 64, {"", 5, 4, 4, 72, 24, 3, 3, 1, 1, 1, 1}},
    {"more_channels_than_stages", 64, {"", 1, 5, 6, 200, 40, 3, 3, 1, 1, 1, 1}},
    {"1x1", 128, {"", 2, 13, 9, 40, 72, 1, 1}},
    {"1x1_256", 256, {"", 3, 11, 13, 64, 264, 1, 1}},
    {"no_padding", 64, {"", 2, 9, 7, 16, 20, 3, 2}},
    {"dilation", 64, {"", 1, 12, 11, 16, 16, 3, 3, 1, 1, 2, 3, 2, 3}},
    {"stride_2", 64, {"", 2, 12, 10, 64, 24, 3, 3, 2, 2, 1, 1}},
    {"stride_2_256", 256, {"", 2, 16, 22, 64, 136, 3, 3, 2, 2, 1, 1}},
    {"stride_2_1x1", 128, {"", 2, 8, 12, 128, 40, 1, 1, 2, 2}},
    {"stride_of_rows", 64, {"", 1, 9, 14, 24, 17, 5, 3, 3, 1, 2, 1}},
    {"many_tiles", 64, {"", 2, 20, 30, 8, 72, 3, 3, 1, 1, 1, 1}},
    {"one_pixel", 128, {"", 1, 1, 1, 16, 10, 3, 3, 1, 1, 1, 1}},
};

// 320, 160 and 80 items: more than 132 multiprocessors, or 66 clusters of two.
const WgmmaCase kManyTilesCases[] = {
    {"many_tiles", 64, {"", 1, 64, 80, 8, 512, 1, 1}},
    {"many_tiles_128", 128, {"", 1, 64, 80, 8, 512, 1, 1}},
    {"many_tiles_256", 256, {"", 1, 128, 80, 8, 512, 1, 1}},
};

class Conv2dWgmma : public DeviceTest<WgmmaCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conv2dWgmma);

TEST_P(Conv2dWgmma, MatchesReference) {
  const Conv2dCase& c = GetParam().conv;
  if (gpu_of(device()).capability != 90) GTEST_SKIP() << "wgmma needs compute capability 9.0";
  const Conv2dData data(c, DType::bf16);
  const Tensor bias = random_tensor({c.out_channels}, DType::f32, 4);
  const Conv2dProblem problem = conv2d_problem("conv2d", x_shape(c), w_shape(c), geometry_of(c));
  ASSERT_TRUE(cuda::conv2d_wgmma_takes(
      {cuda::Conv2dDirection::forward, problem, DType::bf16, gpu_of(device())}));
  const auto run = [&](Activation activation, const std::vector<Tensor>& inputs) {
    return run_on(device(), std::make_shared<WgmmaConv2dOp>(problem, activation, GetParam().tile_n),
                  inputs);
  };
  const Expected want = expected_y(c, data), positive = expected_relu(c, data, bias);
  EXPECT_TRUE(close_to(run(Activation::none, {data.x, data.w}), want.values, want.bounds));
  EXPECT_TRUE(
      close_to(run(Activation::relu, {data.x, data.w, bias}), positive.values, positive.bounds));
}

auto on_gpus(std::span<const WgmmaCase> cases) {
  std::vector<Device> gpus = test_devices();
  std::erase_if(gpus, [](const Device& device) { return !device.is_cuda(); });
  return testing::Combine(testing::ValuesIn(cases.begin(), cases.end()), testing::ValuesIn(gpus));
}
INSTANTIATE_TEST_SUITE_P(Table, Conv2dWgmma, on_gpus(kWgmmaCases), device_case_name);
INSTANTIATE_TEST_SUITE_P(Large, Conv2dWgmma, on_large_gpus(kManyTilesCases), device_case_name);

}  // namespace
}  // namespace engine
