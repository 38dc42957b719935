#include "engine/kernels/record.h"

#include "engine/kernels/cpu/record.h"

namespace engine {
namespace {

class RecordInRingOp final : public Op {
 public:
  std::string_view name() const override { return "record_in_ring"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    const TensorType &ring = inputs[0], &value = inputs[1], &clock = inputs[2];
    ENGINE_CHECK(ring.dtype == DType::f32 && ring.shape.rank() == 1 && ring.shape[0] > 0 &&
                     value.dtype == DType::f32 && value.shape.elements() == 1 &&
                     (clock == TensorType{{4}, DType::i32}),
                 "record_in_ring: ring ", ring, ", value ", value, ", clock ", clock,
                 "; they must be f32[capacity], one f32 and i32[4]");
    return {ring};
  }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::vector<InPlacePair> in_place() const override { return {{0, 0}}; }
  Cost cost(std::span<const TensorType>, std::span<const TensorType>) const override {
    return {.bytes = 24};  // in place, as it nearly always is
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_record_in_ring(context);
    return cpu::prepare_record_in_ring(context);
  }
};

}  // namespace

Value record_in_ring(const Value& ring, const Value& value, const Value& clock) {
  return Graph::of(ring).add1(std::make_shared<RecordInRingOp>(), {ring, value, clock});
}

}  // namespace engine
