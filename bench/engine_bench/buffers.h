#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/engine_bench/subject.h"
#include "engine/core/tensor.h"

namespace engine::bench {

// Random numbers for the inputs, rounded to their types and to the factors of the subject's mode;
// the same ones each time.
HostTensors random_inputs(const Subject& subject);
// A CPU tensor of such numbers in [-1, 1); others for another seed.
Tensor random_tensor(const TensorType& type, std::uint64_t seed, MathMode math = MathMode::f32);

// Elements of an f32, bf16 or f16 array on a device, read one by one; waits for its default stream.
std::vector<double> read_elements(const Device& device, const void* data, DType dtype,
                                  std::span<const std::int64_t> elements);

// The tensors of a subject on a device, in copies that take turns: together they exceed
// `rotated_bytes`, so that no cache holds what the next call reads. At most 512 copies. All copies
// hold the same numbers.
class RotatingBuffers {
 public:
  RotatingBuffers(const Subject& subject, const HostTensors& host, const Device& device,
                  std::int64_t rotated_bytes);

  // The bytes of one copy, before anything is allocated.
  static std::int64_t bytes_of(const Subject& subject);

  const Device& device() const { return device_; }
  int copies() const { return static_cast<int>(inputs_.size()); }
  std::span<const void* const> inputs(int copy) const { return inputs_[copy]; }
  std::span<void* const> outputs(int copy) const { return outputs_[copy]; }
  const std::vector<TensorType>& output_types() const { return output_types_; }

  // Makes all outputs of the first copy NaN, where they are not inputs too: what is not written is
  // found.
  void spoil_outputs() const;
  // Elements of output 0 of the first copy; waits for the device.
  std::vector<double> read(std::span<const std::int64_t> elements) const;

 private:
  Device device_;
  std::vector<Tensor> tensors_;
  std::vector<TensorType> output_types_;
  std::vector<bool> is_own_;  // per output: not an input's memory
  std::vector<std::vector<const void*>> inputs_;
  std::vector<std::vector<void*>> outputs_;
};

}  // namespace engine::bench
