#include "bench/engine_bench/buffers.h"

#include <algorithm>
#include <cstring>

#include "engine/core/backend.h"

namespace engine::bench {
namespace {

constexpr int kMaxCopies = 512;

// A well-mixed word for each element, so that threads can share the work.
std::uint32_t hashed(std::uint64_t index) {
  index += 0x9e3779b97f4a7c15u;
  index = (index ^ (index >> 30)) * 0xbf58476d1ce4e5b9u;
  index = (index ^ (index >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::uint32_t>(index >> 32);
}

float filled(Fill fill, std::uint32_t word) {
  switch (fill) {
    case Fill::symmetric:
      return static_cast<float>(word >> 8) * 0x1p-23f - 1;
    case Fill::positive:
      return static_cast<float>((word >> 8) + 1) * 0x1p-24f;
    case Fill::position:
      return static_cast<float>(word >> 30);
    case Fill::byte:
      return static_cast<float>(word >> 24);
    case Fill::row:
      return static_cast<float>(word >> 20);
    case Fill::one:
      return 1;
  }
  return 0;
}

// What a tensor of a row in this mode holds.
MathMode rounding_of(DType dtype, MathMode math) {
  if (dtype == DType::bf16) return MathMode::bf16;
  if (dtype == DType::f16) return MathMode::f16;
  return dtype == DType::f32 && math == MathMode::tf32 ? MathMode::tf32 : MathMode::f32;
}

// Splitmix64's mixing (Steele, Lea and Flood 2014) of the element's index; tensors differ by seed.
std::vector<float> random_values(const TensorType& type, Fill fill, std::uint64_t seed,
                                 MathMode math) {
  const MathMode rounding = rounding_of(type.dtype, math);
  std::vector<float> values(static_cast<std::size_t>(type.shape.elements()));
  const auto count = static_cast<std::int64_t>(values.size());
#pragma omp parallel for if (count > 100000)
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = filled(fill, hashed((seed << 40) + static_cast<std::uint64_t>(i)));
    values[i] = rounded_to(rounding, value);
  }
  return values;
}

Tensor on_device(const std::vector<float>& values, const TensorType& type, const Device& device) {
  if (is_floating_point(type.dtype)) {
    return Tensor::from(values, type.shape).to(type.dtype).to(device);
  }
  const Tensor host = Tensor::empty(type.shape, type.dtype, Device::cpu());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (type.dtype == DType::u8) {
      static_cast<std::uint8_t*>(host.data())[i] = static_cast<std::uint8_t>(values[i]);
    } else {
      ENGINE_CHECK(type.dtype == DType::i32, "engine_bench: no ", type, " inputs");
      static_cast<std::int32_t*>(host.data())[i] = static_cast<std::int32_t>(values[i]);
    }
  }
  return host.to(device);
}

}  // namespace

HostTensors random_inputs(const Subject& subject) {
  HostTensors tensors;
  for (std::size_t i = 0; i < subject.inputs.size(); ++i) {
    const auto given = subject.given.find(i);
    tensors.push_back(given != subject.given.end()
                          ? given->second
                          : random_values(subject.inputs[i], subject.fills[i], i, subject.math));
  }
  return tensors;
}

Tensor random_tensor(const TensorType& type, std::uint64_t seed, MathMode math) {
  return on_device(random_values(type, Fill::symmetric, seed, math), type, Device::cpu());
}

std::int64_t RotatingBuffers::bytes_of(const Subject& subject) {
  std::int64_t bytes = 0;
  for (const TensorType& type : subject.inputs) bytes += type.bytes();
  if (subject.is_in_place) return bytes;
  for (const TensorType& type : subject.op->infer(subject.inputs)) bytes += type.bytes();
  return bytes;
}

RotatingBuffers::RotatingBuffers(const Subject& subject, const HostTensors& host,
                                 const Device& device, std::int64_t rotated_bytes)
    : device_(device), output_types_(subject.op->infer(subject.inputs)) {
  const std::int64_t bytes = std::max<std::int64_t>(bytes_of(subject), 1);
  const auto copies =
      static_cast<int>(std::clamp<std::int64_t>(rotated_bytes / bytes + 1, 1, kMaxCopies));
  is_own_.assign(output_types_.size(), true);
  const auto pairs = subject.is_in_place ? subject.op->in_place() : std::vector<InPlacePair>();
  for (const InPlacePair& pair : pairs) is_own_[pair.output] = false;
  for (int copy = 0; copy < copies; ++copy) {
    std::vector<void*> inputs, outputs(output_types_.size());
    for (std::size_t i = 0; i < subject.inputs.size(); ++i) {
      if (copy == 0) {
        tensors_.push_back(on_device(host[i], subject.inputs[i], device));
      } else {
        const Tensor first = tensors_[i];  // a handle of its own: tensors_ grows
        tensors_.push_back(Tensor::empty(first.shape(), first.dtype(), device));
        tensors_.back().copy_from(first);
      }
      inputs.push_back(tensors_.back().data());
    }
    for (const InPlacePair& pair : pairs) outputs[pair.output] = inputs[pair.input];
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!is_own_[i]) continue;
      const Tensor output = Tensor::empty(output_types_[i].shape, output_types_[i].dtype, device);
      output.fill_zero();  // touches the pages
      outputs[i] = tensors_.emplace_back(output).data();
    }
    inputs_.emplace_back(inputs.begin(), inputs.end());
    outputs_.push_back(std::move(outputs));
  }
}

void RotatingBuffers::spoil_outputs() const {
  for (std::size_t i = 0; i < output_types_.size(); ++i) {
    if (!is_own_[i]) continue;
    const std::int64_t bytes = output_types_[i].bytes();
    const std::vector<std::uint8_t> ones(static_cast<std::size_t>(bytes), 0xff);
    backend_of(device_).copy(outputs_[0][i], ones.data(), bytes, device_.index(), nullptr);
    backend_of(device_).synchronize(device_.index(), nullptr);
  }
}

std::vector<double> RotatingBuffers::read(std::span<const std::int64_t> elements) const {
  return read_elements(device_, outputs_[0][0], output_types_[0].dtype, elements);
}

std::vector<double> read_elements(const Device& device, const void* data, DType dtype,
                                  std::span<const std::int64_t> elements) {
  ENGINE_CHECK(is_floating_point(dtype), "engine_bench: outputs of ", dtype);
  const std::int64_t size = size_of(dtype);
  Backend& backend = backend_of(device);
  backend.synchronize(device.index(), nullptr);
  std::vector<double> values;
  for (const std::int64_t element : elements) {
    float value = 0;
    BFloat16 brain;
    Float16 half;
    void* to = dtype == DType::f32    ? static_cast<void*>(&value)
               : dtype == DType::bf16 ? static_cast<void*>(&brain.bits)
                                      : static_cast<void*>(&half.bits);
    backend.copy(to, static_cast<const char*>(data) + element * size, size, device.index(),
                 nullptr);
    backend.synchronize(device.index(), nullptr);
    values.push_back(dtype == DType::f32    ? value
                     : dtype == DType::bf16 ? static_cast<float>(brain)
                                            : static_cast<float>(half));
  }
  return values;
}

}  // namespace engine::bench
