// The tensor-core kernels of convolutions on CUDA, every tile of them, whatever the cost model
// would choose.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/kernels/conv2d_algorithms.h"
#include "tests/kernels/conv2d_cases.h"

namespace engine {
namespace {

using cuda::Conv2dChoice;
using cuda::Conv2dDirection;

// One direction by a given choice. Inputs and output of the graph op.
class ChosenConv2dOp final : public Op {
 public:
  ChosenConv2dOp(const cuda::Conv2dPlan& plan, TensorType output)
      : plan_(plan), output_(std::move(output)) {}

  std::string_view name() const override { return "chosen_conv2d"; }
  std::string attributes() const override {
    return join(plan_.direction, ' ', plan_.problem, ' ', plan_.choice, ' ',
                name_of(plan_.activation));
  }
  std::vector<TensorType> infer(std::span<const TensorType>) const override { return {output_}; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    return cuda::prepare_conv2d_as(plan_, context);
  }

 private:
  cuda::Conv2dPlan plan_;
  TensorType output_;
};

// Narrow types, and f32 whose factors are rounded to tf32.
constexpr DType kMmaDtypes[] = {DType::bf16, DType::f16, DType::f32};

struct MmaCase {
  std::string name;
  Conv2dDirection direction;
  Conv2dCase conv;
  Conv2dChoice choice;
};
void PrintTo(const MmaCase& value, std::ostream* out) {
  *out << value.name;
}

// Geometries that every tile runs; channels in eights.
const Conv2dCase kGeometries[] = {
    {"3x3", 2, 5, 7, 16, 24, 3, 3, 1, 1, 1, 1},
    {"stride_2", 1, 9, 8, 8, 16, 3, 3, 2, 2, 1, 1},
    {"dilation_and_stride", 1, 12, 13, 8, 8, 3, 2, 2, 3, 2, 3, 3, 2},
    {"stride_above_kernel", 2, 7, 9, 8, 8, 2, 1, 3, 4},
    {"groups", 1, 5, 6, 48, 32, 2, 2, 1, 1, 1, 1, 1, 1, 2},
    {"deep", 1, 3, 3, 72, 40, 3, 3, 1, 1, 1, 1},
};

// Phases of a strided gradient of the data that have no pixel, or no tap.
const Conv2dCase kEmptyPhases[] = {
    {"one_row_stride_2", 2, 1, 5, 8, 8, 1, 1, 2, 2},
    {"dilation_of_the_stride", 1, 9, 8, 8, 16, 3, 2, 2, 2, 1, 1, 2, 2},
};

// tf32 takes channels in fours.
const Conv2dCase kFours = {"fours", 1, 6, 5, 12, 20, 3, 2, 2, 1, 1, 1};

// Forward takes any number of filters.
const Conv2dCase kOddFilters = {"odd_filters", 1, 5, 7, 16, 13, 3, 3, 1, 1, 1, 1};

// Around a tile's size: pixels and channels one copy or one pixel less, equal, and more.
std::vector<Conv2dCase> edges_of(Conv2dDirection direction, int tile_m, int tile_n) {
  std::vector<Conv2dCase> cases;
  for (const int by : {-1, 0, 1}) {
    Conv2dCase c{.name = by < 0 ? "below" : by == 0 ? "equal" : "above", .n = 1, .h = 1};
    if (direction == Conv2dDirection::backward_weights) {
      c.w = 64 + by;
      c.out_channels = tile_m + 8 * by;
      c.in_channels = tile_n + 8 * by;
    } else {
      c.w = tile_m + by;
      c.in_channels = direction == Conv2dDirection::forward ? 64 + 8 * by : tile_n + 8 * by;
      c.out_channels = direction == Conv2dDirection::forward ? tile_n + by : 64 + 8 * by;
    }
    cases.push_back(c);
  }
  return cases;
}

std::vector<MmaCase> mma_cases(std::initializer_list<Conv2dDirection> directions) {
  std::vector<MmaCase> cases;
  for (const Conv2dDirection direction : directions) {
    for (const cuda::Conv2dMmaTile& tile : cuda::conv2d_mma_tiles(direction)) {
      const auto add = [&](const Conv2dCase& conv, int splits) {
        cases.push_back({.name = join(direction, '_', tile.m, 'x', tile.n, '_', conv.name,
                                      splits > 1 ? "_split" : ""),
                         .direction = direction,
                         .conv = conv,
                         .choice = {.algorithm = cuda::Conv2dAlgorithm::mma,
                                    .tile_m = tile.m,
                                    .tile_n = tile.n,
                                    .splits = splits}});
      };
      for (const Conv2dCase& conv : kGeometries) add(conv, 1);
      for (const Conv2dCase& conv : edges_of(direction, tile.m, tile.n)) add(conv, 1);
      add(kGeometries[0], 3);
      add(kGeometries[2], 2);
      add(kGeometries[4], 2);
      if (direction == Conv2dDirection::forward) add(kOddFilters, 3);
      if (direction == Conv2dDirection::backward_data) {
        for (const Conv2dCase& conv : kEmptyPhases) add(conv, 1);
      }
      add(kFours, 1);
    }
  }
  return cases;
}

class Conv2dMma : public DeviceTest<MmaCase> {
 protected:
  static Conv2dProblem problem() {
    const Conv2dCase& c = GetParam().conv;
    return conv2d_problem("conv2d", x_shape(c), w_shape(c), geometry_of(c));
  }
  static std::shared_ptr<const Op> op(DType dtype, Activation activation = Activation::none) {
    const MmaCase& test = GetParam();
    const Conv2dProblem p = problem();
    const TensorType output =
        test.direction == Conv2dDirection::forward         ? TensorType{p.y_shape(), dtype}
        : test.direction == Conv2dDirection::backward_data ? TensorType{p.x_shape(), dtype}
                                                           : TensorType{p.w_shape(), DType::f32};
    return std::make_shared<ChosenConv2dOp>(cuda::Conv2dPlan{.direction = test.direction,
                                                             .problem = p,
                                                             .activation = activation,
                                                             .choice = test.choice},
                                            output);
  }
  static Conv2dData as_seen(const Conv2dData& data) {
    return data.x.dtype() == DType::f32 ? data.as_tf32() : data;
  }
  // Whether the kernels take the case in this type.
  static bool takes(DType dtype) {
    return dtype == DType::f32 || GetParam().conv.name != kFours.name;
  }
};

TEST_P(Conv2dMma, MatchesReference) {
  const MmaCase& test = GetParam();
  for (const DType dtype : kMmaDtypes) {
    const cuda::Conv2dQuery query{.direction = test.direction,
                                  .problem = problem(),
                                  .dtype = dtype,
                                  .gpu = gpu_of(device()),
                                  .allows_tf32 = true};
    ASSERT_EQ(cuda::conv2d_mma_takes(query), takes(dtype));
    if (!takes(dtype)) continue;
    const Conv2dData data(test.conv, dtype);
    const bool is_forward = test.direction == Conv2dDirection::forward;
    const bool is_data = test.direction == Conv2dDirection::backward_data;
    const Tensor got =
        run_on(device(), op(dtype),
               {is_data ? data.dy : data.x, is_forward || is_data ? data.w : data.dy});
    const Conv2dData seen = as_seen(data);
    const Expected want = is_forward ? expected_y(test.conv, seen)
                          : is_data  ? expected_dx(test.conv, seen)
                                     : expected_dw(test.conv, seen);
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << dtype;
  }
}

class Conv2dMmaForward : public Conv2dMma {};

TEST_P(Conv2dMmaForward, BiasAndReluMatchReference) {
  const MmaCase& test = GetParam();
  const Tensor bias = random_tensor({test.conv.out_channels}, DType::f32, 4);
  for (const DType dtype : {DType::bf16, DType::f32}) {
    if (!takes(dtype)) continue;
    const Conv2dData data(test.conv, dtype);
    const Tensor got = run_on(device(), op(dtype, Activation::relu), {data.x, data.w, bias});
    const Expected want = expected_relu(test.conv, as_seen(data), bias);
    EXPECT_TRUE(close_to(got, want.values, want.bounds)) << dtype;
  }
}

// Where a tensor begins off 16 bytes the plain kernel steps in.
TEST_P(Conv2dMmaForward, TakesTensorsFromAnywhere) {
  const MmaCase& test = GetParam();
  const Conv2dData data(test.conv, DType::bf16);
  Graph graph;
  const Value x = graph.input("x", data.x.shape(), DType::bf16);
  const Value w = graph.input("w", data.w.shape(), DType::bf16);
  graph.output("y", graph.add1(op(DType::bf16), {x, w}));
  const Tensor y = interpret(graph, {{"x", data.x}, {"w", data.w}}, nullptr, device(), 2)[0];
  const Expected want = expected_y(test.conv, data);
  EXPECT_TRUE(close_to(y, want.values, want.bounds));
}

// In the last step of the terms too, which is padded.
class Conv2dNan : public Conv2dMma {};

TEST_P(Conv2dNan, ReachesWhatReadsItAndNothingElse) {
  const MmaCase& test = GetParam();
  const bool is_forward = test.direction == Conv2dDirection::forward;
  for (const DType dtype : {DType::bf16, DType::f32}) {
    Conv2dData data(test.conv, dtype);
    Tensor& images = is_forward ? data.x : data.dy;
    std::vector<float> values = images.to_floats();
    const std::int64_t channels = images.shape()[3];
    std::fill_n(values.begin() + (2 * images.shape()[2] + 3) * channels, channels, NAN);
    images = Tensor::from(values, images.shape()).to(dtype);
    const std::vector<float> got = run_on(device(), op(dtype), {images, data.w}).to_floats();
    const auto want =
        is_forward ? expected_y(test.conv, data).values : expected_dx(test.conv, data).values;
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i << ' ' << dtype;
    }
  }
}

std::vector<MmaCase> nan_cases() {
  std::vector<MmaCase> cases =
      mma_cases({Conv2dDirection::forward, Conv2dDirection::backward_data});
  std::erase_if(cases, [](const MmaCase& test) {
    return test.conv.name != kGeometries[0].name || test.choice.splits > 1;
  });
  const Conv2dCase odd{"odd_channels", 1, 5, 7, 5, 13, 3, 3, 1, 1, 1, 1};
  for (const auto direction : {Conv2dDirection::forward, Conv2dDirection::backward_data}) {
    cases.push_back({.name = join(direction, "_plain"),
                     .direction = direction,
                     .conv = odd,
                     .choice = {.algorithm = cuda::Conv2dAlgorithm::plain}});
  }
  return cases;
}

auto on_cuda(const std::vector<MmaCase>& cases) {
  std::vector<Device> devices = test_devices();
  std::erase_if(devices, [](const Device& device) { return !device.is_cuda(); });
  return testing::Combine(testing::ValuesIn(cases), testing::ValuesIn(devices));
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conv2dMma);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conv2dMmaForward);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conv2dNan);
INSTANTIATE_TEST_SUITE_P(Table, Conv2dMma,
                         on_cuda(mma_cases({Conv2dDirection::forward,
                                            Conv2dDirection::backward_data,
                                            Conv2dDirection::backward_weights})),
                         device_case_name);
INSTANTIATE_TEST_SUITE_P(Table, Conv2dNan, on_cuda(nan_cases()), device_case_name);
INSTANTIATE_TEST_SUITE_P(Table, Conv2dMmaForward, on_cuda(mma_cases({Conv2dDirection::forward})),
                         device_case_name);

}  // namespace
}  // namespace engine
