#include "engine/kernels/schedule.h"

#include "engine/kernels/cpu/schedule.h"

namespace engine {
namespace {

class ScheduleOp final : public Op {
 public:
  explicit ScheduleOp(const Schedule& options) : options_(options) {}
  std::string_view name() const override {
    return options_.decay == Decay::cosine ? "cosine_schedule" : "linear_schedule";
  }
  std::string attributes() const override {
    return join("peak=", options_.peak, " final_factor=", options_.final_factor,
                " warmup_steps=", options_.warmup_steps, " total_steps=", options_.total_steps);
  }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    ENGINE_CHECK((inputs[0] == TensorType{{4}, DType::i32}), name(), ": clock is ", inputs[0],
                 "; it must be the graph's clock, i32[4]");
    return {{Shape{}, DType::f32}};
  }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value()}; }
  PrecisionClass precision() const override { return PrecisionClass::f32; }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_schedule(options_);
    return cpu::prepare_schedule(options_);
  }

 private:
  Schedule options_;
};

}  // namespace

Value schedule(const Value& clock, const Schedule& options) {
  return Graph::of(clock).add1(std::make_shared<ScheduleOp>(options), {clock});
}

}  // namespace engine
