#include "engine/kernels/cpu/gram_panels.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "engine/kernels/cpu/panel_product.h"
#include "tests/reference/gram.h"
#include "tests/support/cases.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

// Called by themselves, as ops take them on some processors only. With f32 they are slow but must
// be right on every processor.
namespace engine {
namespace {

struct Case {
  const char* name;
  std::int64_t rows, channels;
  int threads = 2;
};
ENGINE_TEST_CASE_PRINTS_NAME(Case)

const Case kCases[] = {{"one_row", 1, 32, 1},
                       {"few_rows", 3, 96},
                       {"one_slab", 128, 64, 1},
                       {"part_of_a_slab", 70, 64},
                       {"odd_rows", 301, 32, 1},
                       {"slab_and_a_row", 257, 96, 2},
                       {"several_threads", 1100, 64, 3},
                       {"more_threads_than_slabs", 300, 32, 8}};

class GramPanels : public testing::TestWithParam<Case> {
 protected:
  reference::Gram reference() const { return {GetParam().rows, GetParam().channels, kScale}; }
  GramProblem problem() const { return {GetParam().rows, GetParam().channels, kScale}; }
  Tensor random_x(DType dtype) const {
    return random_tensor({GetParam().rows, GetParam().channels}, dtype, 1);
  }
  Tensor random_dy() const {
    return random_tensor({GetParam().channels, GetParam().channels}, DType::f32, 2);
  }
  static constexpr float kScale = 0.125f;
};
INSTANTIATE_TEST_SUITE_P(Table, GramPanels, testing::ValuesIn(kCases), case_name);

std::vector<DType> types_here() {
  if (cpu::multiplies_pairs_fast()) return {DType::f32, DType::bf16};
  return {DType::f32};
}

using Prepare = std::unique_ptr<Kernel> (*)(const GramProblem&, const PrepareContext&);

std::unique_ptr<Kernel> backward(const GramProblem& problem, const PrepareContext& context) {
  return cpu::gram_backward_by_panels(problem, false, context);
}
std::unique_ptr<Kernel> adding_backward(const GramProblem& problem, const PrepareContext& context) {
  return cpu::gram_backward_by_panels(problem, true, context);
}

// The kernel on buffers of exactly the size that it asks for, which hold NaN; `y` may be one of the
// inputs.
void run(Prepare prepare, const GramProblem& problem, int threads,
         const std::vector<Tensor>& inputs, const Tensor& y) {
  const Device device = Device::cpu({.threads = threads});
  std::vector<TensorType> types;
  std::vector<const void*> data;
  for (const Tensor& input : inputs) {
    types.push_back(input.type());
    data.push_back(input.data());
  }
  const TensorType output = y.type();
  const std::unique_ptr<Kernel> kernel = prepare(problem, {device, types, {&output, 1}, {}});
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, Device::cpu());
  std::memset(scratch.data(), 0xff, static_cast<std::size_t>(scratch.bytes()));
  void* outputs[] = {y.data()};
  kernel->run(device, {data, outputs, scratch.data()});
}

Tensor not_a_number(const Shape& shape, DType dtype) {
  Tensor tensor = Tensor::empty(shape, dtype, Device::cpu());
  std::memset(tensor.data(), 0xff, static_cast<std::size_t>(tensor.bytes()));
  return tensor;
}

std::vector<double> absolute(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

TEST_P(GramPanels, ForwardMatchesReference) {
  const Case& c = GetParam();
  for (const DType dtype : types_here()) {
    ASSERT_TRUE(cpu::gram_panels_can(problem(), dtype));
    const Tensor x = random_x(dtype), y = not_a_number({c.channels, c.channels}, DType::f32);
    run(cpu::gram_by_panels, problem(), c.threads, {x}, y);
    const std::vector<double> want = reference().forward(to_doubles(x));
    const std::vector<double> size = reference().forward(absolute(to_doubles(x)));
    std::vector<double> bounds;
    for (std::size_t i = 0; i < want.size(); ++i) {
      bounds.push_back(error_bound(static_cast<double>(c.rows), size[i], want[i]));
    }
    EXPECT_TRUE(close_to(y, want, bounds)) << dtype;
    const std::span<const float> values = y.span<float>();
    for (std::int64_t i = 0; i < c.channels; ++i) {
      for (std::int64_t j = 0; j < i; ++j) {
        ASSERT_EQ(values[i * c.channels + j], values[j * c.channels + i]) << i << ", " << j;
      }
    }
    const Tensor again = not_a_number(y.shape(), DType::f32);
    run(cpu::gram_by_panels, problem(), c.threads, {x}, again);
    EXPECT_TRUE(same_bits(again, y)) << dtype;
  }
}

// By itself, added to another tensor, and in place.
TEST_P(GramPanels, BackwardMatchesReference) {
  const Case& c = GetParam();
  for (const DType dtype : types_here()) {
    const Tensor x = random_x(dtype), dy = random_dy(), old = random_tensor(x.shape(), dtype, 3);
    const Tensor dx = not_a_number(x.shape(), dtype), sum = not_a_number(x.shape(), dtype);
    const Tensor in_place = old.clone();
    run(backward, problem(), c.threads, {dy, x}, dx);
    run(adding_backward, problem(), c.threads, {dy, x, old}, sum);
    run(adding_backward, problem(), c.threads, {dy, x, in_place}, in_place);
    const std::vector<double> xs = to_doubles(x), dys = to_doubles(dy), olds = to_doubles(old);
    std::vector<double> want = reference().backward(xs, dys);
    const std::vector<double> size = reference().backward(absolute(xs), absolute(dys));
    // dy + dy^T is rounded to x's type before the product.
    const auto bounds_of = [&](const std::vector<double>& values) {
      std::vector<double> bounds;
      for (std::size_t i = 0; i < values.size(); ++i) {
        bounds.push_back(error_bound(static_cast<double>(c.channels) + 3,
                                     size[i] + std::abs(olds[i]), values[i], dtype) +
                         rounding_of(dtype) * size[i]);
      }
      return bounds;
    };
    EXPECT_TRUE(close_to(dx, want, bounds_of(want))) << dtype;
    for (std::size_t i = 0; i < want.size(); ++i) want[i] += olds[i];
    EXPECT_TRUE(close_to(sum, want, bounds_of(want))) << dtype;
    EXPECT_TRUE(same_bits(in_place, sum)) << dtype;
  }
}

TEST(GramPanelsNumerics, NanReachesItsRowAndColumn) {
  const GramProblem problem{40, 64, 1};
  for (const DType dtype : types_here()) {
    Tensor x = random_tensor({problem.rows, problem.channels}, DType::f32, 1);
    x.span<float>()[7 * 64 + 35] = NAN;
    const Tensor y = not_a_number({64, 64}, DType::f32);
    run(cpu::gram_by_panels, problem, 2, {x.to(dtype)}, y);
    for (int i = 0; i < 64; ++i) {
      for (int j = 0; j < 64; ++j) {
        EXPECT_EQ(std::isnan(y.span<float>()[i * 64 + j]), i == 35 || j == 35);
      }
    }
  }
}

TEST(GramPanelsChoice, TakesChannelsInThirtyTwos) {
  EXPECT_TRUE(cpu::gram_panels_can({5, 64, 1}, DType::bf16));
  EXPECT_FALSE(cpu::gram_panels_can({5, 48, 1}, DType::f32));
  EXPECT_FALSE(cpu::gram_panels_can({0, 64, 1}, DType::f32));
  EXPECT_FALSE(cpu::gram_panels_can({5, 64, 1}, DType::f16));
}

}  // namespace
}  // namespace engine
