#include "engine/core/tensor.h"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/core/structural_ops.h"

namespace engine {
namespace {

TEST(Shape, CountsNegativeAxesFromTheEnd) {
  const Shape shape{2, 3, 5};
  EXPECT_EQ(shape[-1], 5);
  EXPECT_EQ(shape.elements(), 30);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ(shape.with(-1, 7), (Shape{2, 3, 7}));
  EXPECT_EQ(shape.slice(1, 3), (Shape{3, 5}));
  EXPECT_EQ(join(shape), "[2, 3, 5]");
  EXPECT_THROW(shape[3], InvalidArgument);
}

TEST(Shape, RefusesNegativeAndOverflowingExtents) {
  EXPECT_THROW((Shape{2, -1}), InvalidArgument);
  EXPECT_THROW((Shape{1ll << 40, 1ll << 40}), InvalidArgument);
  EXPECT_EQ((Shape{1ll << 20, 0, 1ll << 20}).elements(), 0);
}

TEST(Tensor, CopiesShareAndClonesDoNot) {
  const Tensor tensor = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor shared = tensor;
  const Tensor cloned = tensor.clone();
  tensor.span<float>()[0] = 10;
  EXPECT_EQ(shared.span<float>()[0], 10);
  EXPECT_EQ(cloned.span<float>()[0], 1);
  EXPECT_EQ(tensor.rows(1, 2).to_floats(), (std::vector<float>{3, 4}));
  EXPECT_EQ(tensor.reshape({6}).shape(), Shape{6});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(cloned.data()) % 256, 0u);
}

TEST(Tensor, BorrowedMemoryIsReleasedOnceAfterTheLastUse) {
  std::vector<float> memory(4, 1.0f);
  int released = 0;
  {
    Tensor rows;
    {
      const Tensor tensor =
          Tensor::borrow(memory.data(), {2, 2}, DType::f32, Device::cpu(), [&] { ++released; });
      rows = tensor.rows(0, 1);
    }
    EXPECT_EQ(released, 0);
    EXPECT_EQ(rows.data(), memory.data());
  }
  EXPECT_EQ(released, 1);
}

TEST(Tensor, ErrorsNameTheValues) {
  try {
    Tensor::from(std::vector<float>{1, 2, 3}, {2, 2});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("12 bytes given for f32[2, 2]"), std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("core/tensor.cpp:"), std::string::npos);
  }
  const Tensor tensor = Tensor::zeros({3}, DType::i32, Device::cpu());
  EXPECT_THROW(tensor.span<float>(), InvalidArgument);
  EXPECT_THROW(tensor.item(), InvalidArgument);
  EXPECT_THROW(tensor.rows(2, 4), InvalidArgument);
  EXPECT_THROW(tensor.reshape({4}), InvalidArgument);
  EXPECT_THROW(Tensor().device(), InvalidArgument);
  EXPECT_THROW(Tensor::empty({1ll << 55}, DType::u8, Device::cpu()), OutOfMemory);
}

TEST(Tensor, ConversionTruncatesSaturatesAndKeepsNan) {
  const std::vector<float> values{-1.5f, 0, 255.9f, 300, NAN, 1e20f, -INFINITY};
  const Tensor tensor = Tensor::from(values, {7});
  EXPECT_EQ(tensor.to(DType::u8).to_floats(), (std::vector<float>{0, 0, 255, 255, 0, 255, 0}));
  const Tensor converted = tensor.to(DType::i32);
  const auto integers = converted.span<std::int32_t>();
  EXPECT_EQ(integers[0], -1);
  EXPECT_EQ(integers[4], 0);
  EXPECT_EQ(integers[5], 2147483647);
  EXPECT_EQ(integers[6], -2147483647 - 1);
  EXPECT_TRUE(std::isnan(tensor.to(DType::bf16).to_floats()[4]));
  EXPECT_TRUE(std::isnan(tensor.to(DType::f16).to_floats()[4]));
}

TEST(Device, ParsesNames) {
  EXPECT_TRUE(Device::parse("cpu").is_cpu());
  EXPECT_EQ(Device::parse("cpu", {.threads = 3}).threads(), 3);
  EXPECT_GE(Device::cpu().threads(), 1);
  EXPECT_THROW(Device::parse("gpu"), InvalidArgument);
  EXPECT_THROW(Device::parse("cuda:x"), InvalidArgument);
  EXPECT_THROW(Device::cuda(99), InvalidArgument);
}

}  // namespace
}  // namespace engine
