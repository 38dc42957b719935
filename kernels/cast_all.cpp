#include "engine/kernels/cast_all.h"

#include "engine/core/structural_ops.h"

namespace engine {

std::vector<TensorType> CastAllOp::infer(std::span<const TensorType> inputs) const {
  ENGINE_CHECK(!inputs.empty(), name(), ": nothing to cast");
  std::vector<TensorType> outputs;
  for (const TensorType& input : inputs) {
    ENGINE_CHECK(input.dtype == DType::f32, name(), ": takes f32, not ", input);
    outputs.push_back({input.shape, DType::bf16});
  }
  return outputs;
}

std::unique_ptr<Kernel> CastAllOp::prepare(const PrepareContext& context) const {
  if (context.device.is_cuda()) return cuda::prepare_cast_all(context);
  std::vector<std::int64_t> counts;
  for (const TensorType& input : context.inputs) counts.push_back(input.shape.elements());
  return make_kernel([counts](const Stream& stream, const Buffers& buffers) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      convert_elements(buffers.inputs[i], DType::f32, buffers.outputs[i], DType::bf16, counts[i],
                       stream.device().threads());
    }
  });
}

std::vector<Value> cast_all_to_bf16(const std::vector<Value>& values) {
  ENGINE_CHECK(!values.empty(), "cast_all: nothing to cast");
  return Graph::of(values[0]).add(std::make_shared<CastAllOp>(), values, "cast_all");
}

}  // namespace engine
