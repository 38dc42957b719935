#include "engine/kernels/cpu/gather_rows.h"

#include <algorithm>
#include <cstring>

#include "engine/core/cpu/parallel.h"

namespace engine::cpu {

std::unique_ptr<Kernel> prepare_gather_rows(const PrepareContext& context) {
  const std::int64_t table_rows = context.inputs[0].shape[0];
  const std::int64_t count = context.inputs[1].shape[0];
  const std::int64_t row_bytes = table_rows == 0 ? 0 : context.inputs[0].bytes() / table_rows;
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const auto* table = buffers.in<std::uint8_t>(0);
    const auto* rows = buffers.in<std::int32_t>(1);
    auto* y = buffers.out<std::uint8_t>(0);
    parallel_for(stream, count, std::max<std::int64_t>(row_bytes / 4, 1),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t row = std::clamp<std::int64_t>(rows[i], 0, table_rows - 1);
                     std::memcpy(y + i * row_bytes, table + row * row_bytes,
                                 static_cast<std::size_t>(row_bytes));
                   }
                 });
  });
}

}  // namespace engine::cpu
