#include "engine/core/dlpack.h"

#include <functional>

#include <gtest/gtest.h>

#include "engine/core/dlpack_structs.h"
#include "engine/core/errors.h"
#include "tests/support/compare.h"

namespace engine {
namespace {

// Somebody else's tensor f32[2, 3] that counts the calls of its deleter.
struct Foreign {
  std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<std::int64_t> shape = {2, 3};
  std::vector<std::int64_t> strides = {3, 1};
  int deleted = 0;

  template <class Managed>
  void fill(Managed& managed) {
    managed.manager_ctx = this;
    managed.deleter = [](Managed* self) { ++static_cast<Foreign*>(self->manager_ctx)->deleted; };
    managed.dl_tensor = {.data = values.data(),
                         .device = {dlpack::kCpu, 0},
                         .ndim = 2,
                         .dtype = {dlpack::kFloat, 32, 1},
                         .shape = shape.data(),
                         .strides = strides.data(),
                         .byte_offset = 0};
  }
  DLManagedTensorVersioned versioned() {
    DLManagedTensorVersioned managed = {};
    managed.version = {1, 1};
    fill(managed);
    return managed;
  }
};

TEST(DLPack, SharesForeignMemoryUntilTheLastTensorIsGone) {
  Foreign foreign;
  DLManagedTensorVersioned managed = foreign.versioned();
  {
    Tensor tensor = from_dlpack(&managed);
    EXPECT_EQ(tensor.type(), (TensorType{{2, 3}, DType::f32}));
    EXPECT_EQ(tensor.data(), foreign.values.data());
    tensor.span<float>()[1] = 20;
    EXPECT_EQ(foreign.values[1], 20);
    const Tensor row = tensor.rows(1, 2);
    tensor = Tensor();
    EXPECT_EQ(foreign.deleted, 0);
    EXPECT_EQ(row.span<float>()[0], 4);
  }
  EXPECT_EQ(foreign.deleted, 1);
}

TEST(DLPack, UnversionedWorksAlike) {
  Foreign foreign;
  DLManagedTensor managed = {};
  foreign.fill(managed);
  managed.dl_tensor.strides = nullptr;
  managed.dl_tensor.byte_offset = 8;
  { EXPECT_EQ(from_dlpack(&managed).span<float>()[0], 3); }
  EXPECT_EQ(foreign.deleted, 1);
  managed.deleter = nullptr;
  { EXPECT_EQ(from_dlpack(&managed).elements(), 6); }
  EXPECT_EQ(foreign.deleted, 1);
}

TEST(DLPack, RefusalLeavesTheTensorToTheCaller) {
  const auto refuses = [](const std::function<void(Foreign&, DLManagedTensorVersioned&)>& change,
                          const std::string& text) {
    Foreign foreign;
    DLManagedTensorVersioned managed = foreign.versioned();
    change(foreign, managed);
    try {
      from_dlpack(&managed);
      ADD_FAILURE() << "taken in spite of: " << text;
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
    EXPECT_EQ(foreign.deleted, 0) << text;
  };
  refuses([](auto&, auto& m) { m.version.major = 2; }, "version 2.1; this library speaks 1.x");
  refuses([](auto&, auto& m) { m.flags = 1; }, "read-only");
  refuses([](auto& f, auto&) { f.strides = {1, 2}; }, "has stride 2, row-major is 1");
  refuses([](auto& f, auto&) { f.strides = {4, 1}; }, "axis 0 of [2, 3] has stride 4");
  refuses([](auto&, auto& m) { m.dl_tensor.dtype.bits = 64; }, "dtype code 2 with 64 bits");
  refuses([](auto&, auto& m) { m.dl_tensor.dtype.lanes = 4; }, "4 lanes");
  refuses([](auto&, auto& m) { m.dl_tensor.dtype.code = 5; }, "dtype code 5");
  refuses([](auto&, auto& m) { m.dl_tensor.device.device_type = 7; }, "device type 7");
  refuses([](auto&, auto& m) { m.dl_tensor.ndim = 9; }, "9 axes");
  refuses([](auto&, auto& m) { m.dl_tensor.ndim = -1; }, "-1 axes");
  refuses([](auto&, auto& m) { m.dl_tensor.shape = nullptr; }, "no shape");
  refuses([](auto& f, auto&) { f.shape[0] = -2; }, "extent -2");
  refuses(
      [](auto& f, auto&) {
        f.shape = {std::int64_t{1} << 40, std::int64_t{1} << 40};
      },
      "64 bits");
  refuses([](auto&, auto& m) { m.dl_tensor.data = nullptr; }, "has no memory");
  refuses([](auto&, auto& m) { m.dl_tensor.byte_offset = 2; }, "not a multiple of 4");
  EXPECT_THROW(from_dlpack(static_cast<DLManagedTensorVersioned*>(nullptr)), InvalidArgument);
  EXPECT_THROW(to_dlpack(Tensor()), InvalidArgument);
}

TEST(DLPack, StridesThatLeadNowhereDoNotMatter) {
  Foreign foreign;
  foreign.shape = {1, 3};
  foreign.strides = {77, 1};
  DLManagedTensorVersioned managed = foreign.versioned();
  EXPECT_EQ(from_dlpack(&managed).shape(), (Shape{1, 3}));
  foreign.shape = {0, 3};
  foreign.strides = {5, 9};
  managed.dl_tensor.data = nullptr;
  EXPECT_EQ(from_dlpack(&managed).elements(), 0);
  managed = foreign.versioned();
  managed.dl_tensor.ndim = 0;
  EXPECT_EQ(from_dlpack(&managed).item(), 1);
  EXPECT_EQ(foreign.deleted, 3);
}

TEST(DLPack, ExportKeepsTheBufferUntilItsDeleterIsCalled) {
  int released = 0;
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  Tensor tensor =
      Tensor::borrow(values.data(), {3, 2}, DType::f32, Device::cpu(), [&] { ++released; });
  DLManagedTensorVersioned* managed = to_dlpack(tensor);
  DLManagedTensor* unversioned = to_dlpack_unversioned(tensor);
  tensor = Tensor();
  EXPECT_EQ(released, 0);
  EXPECT_EQ(managed->version.major, 1u);
  EXPECT_EQ(managed->flags, 0u);
  EXPECT_EQ(managed->dl_tensor.data, values.data());
  EXPECT_EQ(managed->dl_tensor.ndim, 2);
  EXPECT_EQ(managed->dl_tensor.shape[0], 3);
  EXPECT_EQ(managed->dl_tensor.shape[1], 2);
  EXPECT_EQ(managed->dl_tensor.strides[0], 2);
  EXPECT_EQ(managed->dl_tensor.strides[1], 1);
  EXPECT_EQ(managed->dl_tensor.device.device_type, 1);
  managed->deleter(managed);
  EXPECT_EQ(released, 0);
  unversioned->deleter(unversioned);
  EXPECT_EQ(released, 1);
}

TEST(DLPack, RoundTripKeepsEveryDtype) {
  const struct {
    DType dtype;
    int code, bits;
  } kinds[] = {{DType::f32, 2, 32}, {DType::bf16, 4, 16}, {DType::f16, 2, 16},
               {DType::i32, 0, 32}, {DType::u8, 1, 8},    {DType::boolean, 6, 8}};
  for (const auto& kind : kinds) {
    const Tensor tensor = Tensor::from(std::vector<float>{0, 1, 1, 0}, {2, 1, 2}).to(kind.dtype);
    DLManagedTensorVersioned* managed = to_dlpack(tensor);
    EXPECT_EQ(managed->dl_tensor.dtype.code, kind.code);
    EXPECT_EQ(managed->dl_tensor.dtype.bits, kind.bits);
    const Tensor back = from_dlpack(managed);
    EXPECT_EQ(back.data(), tensor.data());
    EXPECT_TRUE(same_bits(back, tensor));
  }
}

}  // namespace
}  // namespace engine
