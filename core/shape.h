#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <span>

#include "engine/core/dtype.h"

namespace engine {

inline constexpr int kMaxRank = 8;
// Of a shape whose empty axes count as 1, so that bytes and sums of bytes fit 64 bits.
inline constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 16;

// The extents of a dense, row-major tensor; the last axis is contiguous. A scalar has rank 0.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const { return rank_; }
  // The extent of `axis`; negative axes count from the end (-1 is the last).
  std::int64_t operator[](int axis) const;
  std::int64_t elements() const;  // product of all extents; 1 for a scalar

  const std::int64_t* begin() const { return extents_.data(); }
  const std::int64_t* end() const { return extents_.data() + rank_; }

  // The same shape with one axis replaced; with axes [first, last) only.
  Shape with(int axis, std::int64_t extent) const;
  Shape slice(int first, int last) const;

  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  std::int32_t rank_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);  // [64, 32, 32, 3]

// What a graph edge carries.
struct TensorType {
  Shape shape;
  DType dtype = DType::f32;

  std::int64_t bytes() const { return shape.elements() * size_of(dtype); }
  bool operator==(const TensorType&) const = default;
};

std::ostream& operator<<(std::ostream& out, const TensorType& type);  // f32[64, 32, 32, 3]

}  // namespace engine
