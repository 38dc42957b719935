#include "engine/kernels/color_transform.h"

namespace engine {
namespace {

constexpr std::int64_t kMostChannels = 16;

ColorTransform transposed(const ColorTransform& transform) {
  const std::int64_t rows = transform.out_channels(), columns = transform.in_channels;
  ColorTransform result{.in_channels = rows, .matrix = std::vector<float>(transform.matrix.size())};
  for (std::int64_t j = 0; j < rows; ++j) {
    for (std::int64_t i = 0; i < columns; ++i) {
      result.matrix[static_cast<std::size_t>(i * rows + j)] =
          transform.matrix[static_cast<std::size_t>(j * columns + i)];
    }
  }
  return result;
}

class ColorTransformOp final : public Op {
 public:
  explicit ColorTransformOp(ColorTransform transform) : transform_(std::move(transform)) {}
  std::string_view name() const override { return "color_transform"; }
  std::string attributes() const override {
    std::string text = join("in=", transform_.in_channels, " matrix=");
    for (const float value : transform_.matrix) text += join(value, ' ');
    text += "offset=";
    for (const float value : transform_.offset) text += join(value, ' ');
    text.pop_back();
    return text;
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK(inputs.size() == 1, name(), ": takes one tensor, got ", inputs.size());
    const TensorType& x = inputs[0];
    ENGINE_CHECK(
        x.dtype == DType::f32 && x.shape.rank() > 0 && x.shape[-1] == transform_.in_channels,
        name(), ": x ", x, " must be f32 [..., ", transform_.in_channels, "]");
    return {{x.shape.with(x.shape.rank() - 1, transform_.out_channels()), DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {color_transform(context.output_gradients[0], transposed(transform_))};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) {
      return cuda::prepare_color_transform(
          transform_, context.inputs[0].shape.elements() / transform_.in_channels);
    }
    return cpu::prepare_color_transform(
        transform_, context.inputs[0].shape.elements() / transform_.in_channels);
  }

 private:
  ColorTransform transform_;
};

}  // namespace

std::int64_t ColorTransform::out_channels() const {
  return in_channels > 0 ? static_cast<std::int64_t>(matrix.size()) / in_channels : 0;
}

ColorTransform ColorTransform::luminance() {
  return {.in_channels = 3, .matrix = {0.299f, 0.587f, 0.114f}};
}

ColorTransform ColorTransform::rgb_to_yiq() {
  return {
      .in_channels = 3,
      .matrix = {0.299f, 0.587f, 0.114f, 0.5959f, -0.2746f, -0.3213f, 0.2115f, -0.5227f, 0.3112f}};
}

ColorTransform ColorTransform::yiq_to_rgb() {
  const std::vector<float> m = rgb_to_yiq().matrix;
  const auto at = [&](int row, int column) {
    return static_cast<double>(m[static_cast<std::size_t>(row % 3 * 3 + column % 3)]);
  };
  const auto minor = [&](int row, int column) {
    return at(row + 1, column + 1) * at(row + 2, column + 2) -
           at(row + 1, column + 2) * at(row + 2, column + 1);
  };
  const double determinant =
      at(0, 0) * minor(0, 0) + at(0, 1) * minor(0, 1) + at(0, 2) * minor(0, 2);
  ColorTransform result{.in_channels = 3};
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) {
      result.matrix.push_back(static_cast<float>(minor(column, row) / determinant));
    }
  }
  return result;
}

Value color_transform(const Value& x, const ColorTransform& transform) {
  const std::int64_t rows = transform.out_channels(), columns = transform.in_channels;
  ENGINE_CHECK(columns > 0 && columns <= kMostChannels && rows > 0 && rows <= kMostChannels &&
                   static_cast<std::int64_t>(transform.matrix.size()) == rows * columns,
               "color_transform: a matrix of ", transform.matrix.size(), " numbers for ", columns,
               " channels; up to ", kMostChannels, " channels go in and out");
  ENGINE_CHECK(
      transform.offset.empty() || static_cast<std::int64_t>(transform.offset.size()) == rows,
      "color_transform: ", transform.offset.size(), " offsets for ", rows, " channels");
  return Graph::of(x).add1(std::make_shared<ColorTransformOp>(transform), {x}, "color_transform");
}

}  // namespace engine
