#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/gpu.h"
#include "engine/core/graph.h"
#include "tests/support/compare.h"
#include "tests/support/devices.h"

// What the tests of convolutions and products share.
namespace engine {

inline std::vector<double> absolute(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

// To the 11 significant bits of tf32; halves go away from zero.
inline std::vector<double> rounded_to_tf32(std::vector<double> values) {
  for (double& value : values) {
    int exponent = 0;
    const double fraction = std::frexp(value, &exponent);
    value = std::ldexp(std::round(std::ldexp(fraction, 11)), exponent - 11);
  }
  return values;
}

// STYLE.md's bound for sums of at most `terms` products.
inline std::vector<double> product_bounds(std::int64_t terms, const std::vector<double>& want,
                                          const std::vector<double>& magnitude, DType out) {
  std::vector<double> bounds(want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    bounds[i] = error_bound(static_cast<double>(terms), magnitude[i], want[i], out);
  }
  return bounds;
}

// For kernels whose blocks take one tile after another: cases of more tiles than a GPU has blocks.
// Emulated GPUs, of four multiprocessors, have smaller twins.
template <class Cases>
auto on_large_gpus(const Cases& cases) {
  std::vector<Device> gpus = test_devices();
  std::erase_if(gpus, [](const Device& device) {
    return !device.is_cuda() || gpu_of(device).multiprocessors <= 4;
  });
  return testing::Combine(testing::ValuesIn(cases), testing::ValuesIn(gpus));
}

// The gradients that y's op gives for its inputs when dy flows in, into its first output alone.
inline std::vector<Value> gradients_of_node(const Value& y, const Value& dy) {
  const Node node = y.node();
  std::vector<Value> outputs, flowing(node.outputs.size());
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    outputs.push_back(node.output(static_cast<int>(i)));
  }
  flowing[0] = dy;
  const auto wanted = std::make_unique<bool[]>(node.inputs.size());
  std::fill_n(wanted.get(), node.inputs.size(), true);
  return node.op->gradient({.inputs = node.inputs,
                            .outputs = outputs,
                            .output_gradients = flowing,
                            .wanted = {wanted.get(), node.inputs.size()}});
}

// Runs an op by itself; inputs marked in `frozen` are given to prepare(). The result is on the CPU.
inline Tensor run_alone(const Op& op, const std::vector<Tensor>& inputs,
                        const std::vector<int>& frozen = {}, const Device& device = Device::cpu()) {
  std::vector<TensorType> types;
  std::vector<Tensor> there;
  std::vector<const void*> data, frozen_data(inputs.size(), nullptr);
  for (const Tensor& input : inputs) {
    types.push_back(input.type());
    there.push_back(input.to(device));
    data.push_back(there.back().data());
  }
  for (const int index : frozen) frozen_data[index] = data[index];
  const std::vector<TensorType> out = op.infer(types);
  const auto kernel =
      op.prepare({.device = device, .inputs = types, .outputs = out, .frozen = frozen_data});
  const Tensor y = Tensor::empty(out[0].shape, out[0].dtype, device);
  const Tensor scratch =
      Tensor::empty({std::max<std::int64_t>(kernel->scratch_bytes(), 1)}, DType::u8, device);
  std::vector<void*> results{y.data()};
  kernel->run(device, {.inputs = data, .outputs = results, .scratch = scratch.data()});
  return y.to(Device::cpu());
}

// The message of the exception that `call` throws; "" when it throws nothing.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

}  // namespace engine
