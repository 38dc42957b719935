#include "engine/kernels/image.h"

#include "engine/core/random.h"
#include "engine/kernels/cpu/image.h"
#include "engine/kernels/random.h"

namespace engine {
namespace {

void check_images(std::string_view op, const TensorType& images) {
  ENGINE_CHECK(images.dtype == DType::u8 && images.shape.rank() == 4, op, ": images are ", images,
               "; they must be u8[n, h, w, c]");
}

std::string text_of(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) {
    text += join(text.empty() ? "" : ",", value);
  }
  return text;
}

class NormalizeImagesOp final : public Op {
 public:
  NormalizeImagesOp(Normalization normalization, DType dtype)
      : normalization_(std::move(normalization)), dtype_(dtype) {}

  const Normalization& normalization() const { return normalization_; }

  std::string_view name() const override { return "normalize_images"; }
  std::string attributes() const override {
    return join("mean=", text_of(normalization_.mean),
                " standard_deviation=", text_of(normalization_.standard_deviation), ' ', dtype_);
  }

  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_images(name(), inputs[0]);
    const std::int64_t channels = inputs[0].shape[3];
    for (const std::vector<float>* values :
         {&normalization_.mean, &normalization_.standard_deviation}) {
      const std::int64_t count = std::ssize(*values);
      ENGINE_CHECK(count == 1 || count == channels, name(), ": ", count,
                   " numbers for the channels of ", inputs[0], "; give one, or one per channel");
    }
    for (const float deviation : normalization_.standard_deviation) {
      ENGINE_CHECK(deviation > 0, name(), ": standard deviation ", deviation, " is not positive");
    }
    ENGINE_CHECK(dtype_ == DType::f32 || dtype_ == DType::bf16, name(), ": result of dtype ",
                 dtype_, "; it may be f32 or bf16");
    return {{inputs[0].shape, dtype_}};
  }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value()}; }

  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_normalize_images(normalization_, context);
    return cpu::prepare_normalize_images(normalization_, context);
  }

 private:
  Normalization normalization_;
  DType dtype_;
};

class RandomGeometryOp final : public RandomOp {
 public:
  RandomGeometryOp(std::string key_name, const RandomImageOptions& options)
      : RandomOp(std::move(key_name)), options_(options) {}

  std::string_view name() const override { return "random_geometry"; }
  std::string attributes() const override {
    return join("shift=", options_.shift, " flip=", options_.flip,
                " rotation_degrees=", options_.rotation_degrees, " scale=", options_.scale,
                " shear=", options_.shear, " elastic=", options_.elastic, " key=\"", key_name(),
                '"');
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    check_images(name(), inputs[0]);
    ENGINE_CHECK((inputs[1] == TensorType{{4}, DType::i32}), name(), ": clock is ", inputs[1],
                 "; it must be the graph's clock, i32[4]");
    return {inputs[0]};
  }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value(), Value()}; }

  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_random_geometry(options_, hash(), context);
    return cpu::prepare_random_geometry(options_, hash(), context);
  }

 private:
  RandomImageOptions options_;
};

}  // namespace

Value normalize_images(const Value& images, const Normalization& normalization, DType dtype) {
  return Graph::of(images).add1(std::make_shared<NormalizeImagesOp>(normalization, dtype),
                                {images});
}

const Normalization* normalization_of(const Op& op) {
  const auto* normalize = dynamic_cast<const NormalizeImagesOp*>(&op);
  return normalize == nullptr ? nullptr : &normalize->normalization();
}

Value random_geometry(const Value& images, std::string_view name,
                      const RandomImageOptions& options) {
  ENGINE_CHECK(options.shift >= 0 && options.rotation_degrees >= 0 && options.scale >= 0 &&
                   options.scale < 1 && options.shear >= 0 && options.elastic >= 0,
               "random_geometry: shift ", options.shift, ", rotation_degrees ",
               options.rotation_degrees, ", scale ", options.scale, ", shear ", options.shear,
               ", elastic ", options.elastic, "; none may be negative, and scale is below 1");
  Graph graph = Graph::of(images);
  const std::string key_name = unused_random_name(graph, name);
  return graph.add1(std::make_shared<RandomGeometryOp>(key_name, options), {images, graph.clock()},
                    key_name);
}

}  // namespace engine
