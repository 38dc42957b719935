#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/core/stream.h"

namespace engine::cpu {

// A parallel region costs a few microseconds; below this many elements one thread is faster.
inline constexpr std::int64_t kParallelElements = 32 * 1024;

// Calls body(begin, end) on ranges that cover [0, count) once, on up to the device's threads. One
// range a thread, so that the result of a body that treats items alike does not depend on the
// split. `work` is the number of elements that one item touches. `multiple`: ranges begin at
// multiples of it.
template <class Body>
void parallel_for(const Stream& stream, std::int64_t count, std::int64_t work, const Body& body,
                  std::int64_t multiple = 1) {
  if (count <= 0) return;
  const std::int64_t units = (count + multiple - 1) / multiple;
  const std::int64_t threads =
      count * work < kParallelElements
          ? 1
          : std::min<std::int64_t>(std::max(stream.device().threads(), 1), units);
  if (threads == 1) {
    body(std::int64_t{0}, count);
    return;
  }
#pragma omp parallel for num_threads(static_cast <int>(threads)) schedule(static, 1)
  for (std::int64_t thread = 0; thread < threads; ++thread) {
    const std::int64_t begin = units * thread / threads * multiple;
    const std::int64_t end = std::min(units * (thread + 1) / threads * multiple, count);
    body(begin, end);
  }
}

}  // namespace engine::cpu
