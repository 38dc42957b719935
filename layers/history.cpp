#include "engine/layers/history.h"

#include "engine/core/structural_ops.h"
#include "engine/kernels/record.h"

namespace engine {

void record(const Scope& scope, std::string_view name, const Value& scalar, std::int64_t capacity) {
  ENGINE_CHECK(capacity > 0, "record: ", scope.full_name(name), ": capacity ", capacity,
               " is not positive");
  const Value ring = scope.state(name, {capacity});
  scope.update(name, record_in_ring(ring, cast(scalar, DType::f32), scope.graph().clock()));
}

std::vector<float> recorded(const Store& store, std::string_view name, std::int64_t first,
                            std::int64_t last) {
  const Tensor ring = store.get(name).to(Device::cpu());
  const std::int64_t capacity = ring.elements();
  ENGINE_CHECK(
      first >= 0 && first <= last && last <= store.step() && first >= store.step() - capacity,
      "recorded: steps [", first, ", ", last, ") of \"", name, "\"; after step ", store.step(),
      " the latest ", capacity, " are kept");
  const std::span<const float> values = ring.span<float>();
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(last - first));
  for (std::int64_t step = first; step < last; ++step) {
    result.push_back(values[static_cast<std::size_t>(step % capacity)]);
  }
  return result;
}

}  // namespace engine
