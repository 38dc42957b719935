#include "engine/core/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/core/backend.h"
#include "engine/core/structural_ops.h"

namespace engine {

struct Tensor::Storage {
  Device device = Device::cpu();
  void* data = nullptr;
  bool owned = false;
  std::function<void()> release_borrowed;

  Storage(Device where, void* memory, bool is_owned, std::function<void()> release)
      : device(where), data(memory), owned(is_owned), release_borrowed(std::move(release)) {}
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  ~Storage() {
    if (owned) backend_of(device).release(data, device.index());
    if (release_borrowed) release_borrowed();
  }
};

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor tensor;
  tensor.type_ = {shape, dtype};
  void* data = backend_of(device).allocate(tensor.type_.bytes(), device.index());
  tensor.storage_ = std::make_shared<Storage>(device, data, true, nullptr);
  tensor.data_ = data;
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor tensor = empty(shape, dtype, device);
  tensor.fill_zero();
  return tensor;
}

Tensor Tensor::scalar(float value) {
  return from(std::span<const float>(&value, 1), Shape{});
}

Tensor Tensor::borrow(void* data, const Shape& shape, DType dtype, Device device,
                      std::function<void()> release) {
  Tensor tensor;
  tensor.type_ = {shape, dtype};
  ENGINE_CHECK(data != nullptr || tensor.type_.bytes() == 0, "tensor: borrowed null memory for ",
               tensor.type_);
  tensor.storage_ = std::make_shared<Storage>(device, data, false, std::move(release));
  tensor.data_ = data;
  return tensor;
}

const Device& Tensor::device() const {
  ENGINE_CHECK(defined(), "tensor: the device of an undefined tensor");
  return storage_->device;
}

void Tensor::check_host_access(DType dtype) const {
  ENGINE_CHECK(defined(), "tensor: elements of an undefined tensor");
  ENGINE_CHECK(storage_->device.is_cpu(), "tensor: elements of a tensor on ", storage_->device,
               "; copy it with to(Device::cpu()) first");
  ENGINE_CHECK(dtype == type_.dtype, "tensor: elements of ", type_, " read as ", dtype);
}

void Tensor::copy_bytes_from_host(const void* source, std::int64_t bytes) {
  ENGINE_CHECK(bytes == type_.bytes(), "tensor: ", bytes, " bytes given for ", type_,
               ", which has ", type_.bytes());
  backend_of(device()).copy(data_, source, bytes, device().index(), nullptr);
}

float Tensor::item() const {
  ENGINE_CHECK(elements() == 1, "tensor: item() of ", type_, ", which has ", elements(),
               " elements");
  return to_floats()[0];
}

std::vector<float> Tensor::to_floats() const {
  const Tensor converted = to(Device::cpu()).to(DType::f32);
  const std::span<float> values = converted.span<float>();
  return {values.begin(), values.end()};
}

Tensor Tensor::reshape(const Shape& shape) const {
  ENGINE_CHECK(shape.elements() == elements(), "tensor: ", type_.shape, " cannot become ", shape);
  Tensor result = *this;
  result.type_.shape = shape;
  return result;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  ENGINE_CHECK(shape().rank() >= 1 && begin >= 0 && begin <= end && end <= shape()[0],
               "tensor: rows ", begin, " to ", end, " of ", type_);
  Tensor result = *this;
  result.type_.shape = shape().with(0, end - begin);
  const std::int64_t row_bytes = shape()[0] == 0 ? 0 : bytes() / shape()[0];
  result.data_ = static_cast<std::byte*>(data_) + begin * row_bytes;
  return result;
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape(), dtype(), device());
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::to(Device target) const {
  const bool is_same_place = target.type() == device().type() && target.index() == device().index();
  if (is_same_place) return *this;
  Tensor copy = empty(shape(), dtype(), target);
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::to(DType target) const {
  if (target == dtype()) return *this;
  ENGINE_CHECK(device().is_cpu(), "tensor: conversion of ", type_, " to ", target, " on ",
               device());
  Tensor converted = empty(shape(), target, device());
  convert_elements(data_, dtype(), converted.data_, target, elements(), 1);
  return converted;
}

void Tensor::copy_from(const Tensor& source) const {
  // A GPU on either side does the copy; the host side is then plain memory to it.
  const Device& place = source.device().is_cuda() ? source.device() : device();
  // Default streams of two GPUs do not wait for each other.
  if (device().is_cuda() && device().index() != place.index()) {
    backend_of(device()).synchronize(device().index(), nullptr);
  }
  copy_from(source, Stream(place));
  if (place.is_cuda()) backend_of(place).synchronize(place.index(), nullptr);
}

void Tensor::copy_from(const Tensor& source, const Stream& stream) const {
  ENGINE_CHECK(source.type_ == type_, "tensor: copy of ", source.type_, " into ", type_);
  const Device& place = source.device().is_cuda() ? source.device() : device();
  backend_of(place).copy(data_, source.data_, bytes(), place.index(), stream.native_handle());
}

void Tensor::fill_zero() const {
  backend_of(device()).fill_zero(data_, bytes(), device().index(), nullptr);
  backend_of(device()).synchronize(device().index(), nullptr);
}

}  // namespace engine
