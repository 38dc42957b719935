#include "engine/kernels/gather_rows.h"

#include "engine/kernels/cpu/gather_rows.h"

namespace engine {
namespace {

class GatherRowsOp final : public Op {
 public:
  std::string_view name() const override { return "gather_rows"; }
  std::vector<TensorType> infer(std::span<const TensorType> inputs) const override {
    const TensorType &table = inputs[0], &rows = inputs[1];
    ENGINE_CHECK(table.shape.rank() >= 1 && rows.shape.rank() == 1 && rows.dtype == DType::i32,
                 "gather_rows: table ", table, ", rows ", rows,
                 "; the table must have a first axis and rows be i32[n]");
    ENGINE_CHECK(table.shape[0] > 0 || rows.shape[0] == 0, "gather_rows: ", rows.shape[0],
                 " rows of an empty table ", table);
    return {{table.shape.with(0, rows.shape[0]), table.dtype}};
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    ENGINE_CHECK(!context.wanted[0], "gather_rows: the table ", context.inputs[0].type(),
                 " has no gradient");
    return {Value(), Value()};
  }
  bool keeps_f32(int) const override { return true; }
  Cost cost(std::span<const TensorType> inputs,
            std::span<const TensorType> outputs) const override {
    return {.bytes = 2 * outputs[0].bytes() + inputs[1].bytes()};
  }
  std::unique_ptr<Kernel> prepare(const PrepareContext& context) const override {
    if (context.device.is_cuda()) return cuda::prepare_gather_rows(context);
    return cpu::prepare_gather_rows(context);
  }
};

}  // namespace

Value gather_rows(const Value& table, const Value& rows) {
  return Graph::of(table).add1(std::make_shared<GatherRowsOp>(), {table, rows});
}

}  // namespace engine
