#pragma once

#include <cstdint>

namespace engine::samples {

enum class BlockOrder {
  kAcquireRelease,  // of the ticket
  kFences,          // __threadfence() around a relaxed ticket
  kNoRelease,       // mistake: the writer does not fence
  kNoAcquire,       // mistake: the reader does not fence
  kWrongAddress,    // mistake: released at another address than is acquired
};

// Every block writes one value, the block that takes the last ticket adds them up. `tickets` are
// two zeros. T: int or std::uint8_t.
template <class T>
void add_up_in_last_block(BlockOrder order, T* values, std::uint32_t* tickets, int* sum,
                          int blocks);

}  // namespace engine::samples
