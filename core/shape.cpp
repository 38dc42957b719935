#include "engine/core/shape.h"

#include <algorithm>
#include <ostream>

#include "engine/core/errors.h"

namespace engine {

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  ENGINE_CHECK(extents.size() <= kMaxRank, "shape: ", extents.size(), " axes, at most ", kMaxRank,
               " are supported");
  std::int64_t elements = 1;
  for (std::int64_t extent : extents) {
    ENGINE_CHECK(extent >= 0, "shape: negative extent ", extent);
    ENGINE_CHECK(extent == 0 || elements <= kMaxElements / extent, "shape: more than ",
                 kMaxElements, " elements");
    elements *= extent == 0 ? 1 : extent;
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }
}

std::int64_t Shape::operator[](int axis) const {
  const int from_front = axis < 0 ? axis + rank_ : axis;
  ENGINE_CHECK(from_front >= 0 && from_front < rank_, "shape: axis ", axis, " of ", *this);
  return extents_[static_cast<std::size_t>(from_front)];
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (std::int64_t extent : *this) product *= extent;
  return product;
}

Shape Shape::with(int axis, std::int64_t extent) const {
  (*this)[axis];  // checks the axis
  Shape result = *this;
  result.extents_[static_cast<std::size_t>(axis < 0 ? axis + rank_ : axis)] = extent;
  return Shape(std::span<const std::int64_t>(result.begin(), result.end()));
}

Shape Shape::slice(int first, int last) const {
  ENGINE_CHECK(first >= 0 && first <= last && last <= rank_, "shape: axes ", first, " to ", last,
               " of ", *this);
  return Shape(std::span<const std::int64_t>(begin() + first, begin() + last));
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  const char* separator = "";
  for (std::int64_t extent : shape) {
    out << separator << extent;
    separator = ", ";
  }
  return out << ']';
}

std::ostream& operator<<(std::ostream& out, const TensorType& type) {
  return out << type.dtype << type.shape;
}

}  // namespace engine
