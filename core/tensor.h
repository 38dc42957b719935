#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/device.h"
#include "engine/core/errors.h"
#include "engine/core/shape.h"
#include "engine/core/stream.h"

namespace engine {

// A dense, row-major, contiguous array on one device. Copying a Tensor shares its buffer.
// Images are NHWC, convolution weights [out_channels, kernel_h, kernel_w, in_channels / groups].
class Tensor {
 public:
  Tensor() = default;  // no buffer; defined() is false

  // An uninitialised tensor; owned buffers are aligned to 256 bytes. Throws OutOfMemory.
  static Tensor empty(const Shape& shape, DType dtype, Device device);
  static Tensor zeros(const Shape& shape, DType dtype, Device device);

  // A CPU tensor holding a copy of `values`, row-major. Throws when the count does not fit.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape) {
    Tensor tensor = empty(shape, dtype_of<T>(), Device::cpu());
    tensor.copy_bytes_from_host(values.data(), static_cast<std::int64_t>(values.size_bytes()));
    return tensor;
  }
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  static Tensor scalar(float value);

  // A tensor over memory that the caller owns and keeps alive; `release`, if given, is called when
  // the last Tensor over it is gone.
  static Tensor borrow(void* data, const Shape& shape, DType dtype, Device device,
                       std::function<void()> release = {});

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return type_.shape; }
  DType dtype() const { return type_.dtype; }
  const TensorType& type() const { return type_; }
  const Device& device() const;
  std::int64_t elements() const { return type_.shape.elements(); }
  std::int64_t bytes() const { return type_.bytes(); }

  void* data() const { return data_; }
  // The elements of a CPU tensor. Throws when T is not the dtype or the tensor is elsewhere.
  template <class T>
  std::span<T> span() const {
    check_host_access(dtype_of<T>());
    return {static_cast<T*>(data_), static_cast<std::size_t>(elements())};
  }

  // The value of a one-element tensor, from any device, as float.
  float item() const;
  // All elements as float, from any device and of any dtype.
  std::vector<float> to_floats() const;

  // The same buffer with another shape of equally many elements.
  Tensor reshape(const Shape& shape) const;
  // Rows [begin, end) of the first axis; shares the buffer.
  Tensor rows(std::int64_t begin, std::int64_t end) const;

  Tensor clone() const;
  Tensor to(Device device) const;  // shares when it is there already
  Tensor to(DType dtype) const;    // converted copy, on the CPU; shares when equal
  // Copies shape-equal, dtype-equal content, across devices if need be; in order on `stream`, or
  // done when it returns.
  void copy_from(const Tensor& source) const;
  void copy_from(const Tensor& source, const Stream& stream) const;
  void fill_zero() const;  // done when it returns

 private:
  struct Storage;

  void copy_bytes_from_host(const void* source, std::int64_t bytes);
  void check_host_access(DType dtype) const;

  std::shared_ptr<Storage> storage_;
  void* data_ = nullptr;
  TensorType type_;
};

}  // namespace engine
