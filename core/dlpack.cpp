#include "engine/core/dlpack.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

#include "engine/core/dlpack_structs.h"
#include "engine/core/errors.h"

namespace engine {
namespace {

// What other libraries were compiled against, on a 64-bit machine.
static_assert(sizeof(DLTensor) == 48 && offsetof(DLTensor, shape) == 24);
static_assert(sizeof(DLManagedTensor) == 64 && offsetof(DLManagedTensor, deleter) == 56);
static_assert(sizeof(DLManagedTensorVersioned) == 80 &&
              offsetof(DLManagedTensorVersioned, deleter) == 16 &&
              offsetof(DLManagedTensorVersioned, dl_tensor) == 32);

struct DTypeRow {
  DType dtype;
  std::uint8_t code;
  std::uint8_t bits;
};
constexpr std::array<DTypeRow, 6> kDTypes = {{
    {DType::f32, dlpack::kFloat, 32},
    {DType::bf16, dlpack::kBfloat, 16},
    {DType::f16, dlpack::kFloat, 16},
    {DType::i32, dlpack::kInt, 32},
    {DType::u8, dlpack::kUInt, 8},
    {DType::boolean, dlpack::kBool, 8},
}};

DType dtype_from(const DLDataType& type) {
  const auto* row = std::find_if(kDTypes.begin(), kDTypes.end(), [&](const DTypeRow& r) {
    return r.code == type.code && r.bits == type.bits;
  });
  ENGINE_CHECK(row != kDTypes.end() && type.lanes == 1, "from_dlpack: dtype code ", int{type.code},
               " with ", int{type.bits}, " bits and ", type.lanes,
               " lanes is none of f32 bf16 f16 i32 u8 bool");
  return row->dtype;
}

Shape shape_from(const DLTensor& tensor, DType dtype) {
  ENGINE_CHECK(tensor.ndim >= 0 && tensor.ndim <= kMaxRank, "from_dlpack: ", tensor.ndim,
               " axes; a tensor has at most ", kMaxRank);
  ENGINE_CHECK(tensor.ndim == 0 || tensor.shape != nullptr, "from_dlpack: there is no shape");
  const std::span extents(tensor.shape, static_cast<std::size_t>(tensor.ndim));
  std::int64_t bytes = size_of(dtype);
  for (const std::int64_t extent : extents) {
    ENGINE_CHECK(extent >= 0, "from_dlpack: extent ", extent, " is negative");
    const bool overflows = __builtin_mul_overflow(bytes, std::max<std::int64_t>(extent, 1), &bytes);
    ENGINE_CHECK(!overflows, "from_dlpack: the shape has more bytes than 64 bits can count");
  }
  return Shape(std::span<const std::int64_t>(extents));
}

// Strides of axes with one element, and of empty tensors, lead nowhere and may be anything.
void check_contiguous(const DLTensor& tensor, const Shape& shape) {
  if (tensor.strides == nullptr || shape.elements() == 0) return;
  std::int64_t expected = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    ENGINE_CHECK(shape[axis] == 1 || tensor.strides[axis] == expected, "from_dlpack: axis ", axis,
                 " of ", shape, " has stride ", tensor.strides[axis], ", row-major is ", expected,
                 "; make it contiguous first");
    expected *= shape[axis];
  }
}

Device device_from(const DLDevice& device) {
  ENGINE_CHECK(device.device_type == dlpack::kCpu || device.device_type == dlpack::kCuda,
               "from_dlpack: device type ", device.device_type, " is neither CPU (1) nor CUDA (2)");
  return device.device_type == dlpack::kCpu ? Device::cpu() : Device::cuda(device.device_id);
}

template <class Managed>
Tensor take(Managed* managed) {
  const DLTensor& tensor = managed->dl_tensor;
  const DType dtype = dtype_from(tensor.dtype);
  const Shape shape = shape_from(tensor, dtype);
  check_contiguous(tensor, shape);
  const Device device = device_from(tensor.device);
  ENGINE_CHECK(tensor.data != nullptr || shape.elements() == 0, "from_dlpack: ", shape,
               " has no memory");
  void* data =
      tensor.data == nullptr ? nullptr : static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  ENGINE_CHECK(reinterpret_cast<std::uintptr_t>(data) % size_of(dtype) == 0,
               "from_dlpack: the address is not a multiple of ", size_of(dtype), " bytes");
  return Tensor::borrow(data, shape, dtype, device, [managed] {
    if (managed->deleter != nullptr) managed->deleter(managed);
  });
}

// A managed tensor and all that it points to.
template <class Managed>
struct Exported {
  Managed managed{};
  Tensor tensor;
  std::array<std::int64_t, kMaxRank> extents{};
  std::array<std::int64_t, kMaxRank> strides{};
};

template <class Managed>
void delete_exported(Managed* managed) {
  delete static_cast<Exported<Managed>*>(managed->manager_ctx);
}

template <class Managed>
Managed* give(const Tensor& tensor) {
  ENGINE_CHECK(tensor.defined(), "to_dlpack: the tensor has no content");
  auto exported = std::make_unique<Exported<Managed>>();
  exported->tensor = tensor;
  std::int64_t stride = 1;
  for (int axis = tensor.shape().rank() - 1; axis >= 0; --axis) {
    exported->extents[axis] = tensor.shape()[axis];
    exported->strides[axis] = stride;
    stride *= std::max<std::int64_t>(tensor.shape()[axis], 1);
  }
  const auto* row = std::find_if(kDTypes.begin(), kDTypes.end(),
                                 [&](const DTypeRow& r) { return r.dtype == tensor.dtype(); });
  const Device& device = tensor.device();
  exported->managed.dl_tensor = {
      .data = tensor.data(),
      .device = {device.is_cuda() ? dlpack::kCuda : dlpack::kCpu, device.index()},
      .ndim = tensor.shape().rank(),
      .dtype = {row->code, row->bits, 1},
      .shape = exported->extents.data(),
      .strides = exported->strides.data(),
      .byte_offset = 0};
  exported->managed.manager_ctx = exported.get();
  exported->managed.deleter = delete_exported<Managed>;
  return &exported.release()->managed;
}

}  // namespace

Tensor from_dlpack(DLManagedTensorVersioned* managed) {
  ENGINE_CHECK(managed != nullptr, "from_dlpack: null");
  // Of another major version only the first three members are known.
  ENGINE_CHECK(managed->version.major == dlpack::kMajor, "from_dlpack: version ",
               managed->version.major, ".", managed->version.minor, "; this library speaks ",
               dlpack::kMajor, ".x");
  ENGINE_CHECK((managed->flags & dlpack::kReadOnly) == 0,
               "from_dlpack: the memory is read-only; copy it first");
  return take(managed);
}

Tensor from_dlpack(DLManagedTensor* managed) {
  ENGINE_CHECK(managed != nullptr, "from_dlpack: null");
  return take(managed);
}

DLManagedTensorVersioned* to_dlpack(const Tensor& tensor) {
  DLManagedTensorVersioned* managed = give<DLManagedTensorVersioned>(tensor);
  managed->version = {dlpack::kMajor, dlpack::kMinor};
  return managed;
}

DLManagedTensor* to_dlpack_unversioned(const Tensor& tensor) {
  return give<DLManagedTensor>(tensor);
}

}  // namespace engine
