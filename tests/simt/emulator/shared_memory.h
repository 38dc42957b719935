#pragma once

#include <cstdint>
#include <string>

#include "simt/fiber.h"

// Static __shared__ variables are thread-local variables of the OS thread that runs a block;
// dynamic shared memory is a mapping of its own. Both appear in one 24-bit window of shared
// addresses.
namespace engine::simt {

struct Worker;

struct SharedVariable {
  std::uint32_t offset, bytes;  // in the thread-local segment
  std::string name;
};

char* thread_local_base();
// Null where the offset lies in no __shared__ variable.
const SharedVariable* find_shared_variable(std::uintptr_t offset);
// Offsets [low, high) hold all of them, other thread-local variables perhaps too.
struct SharedRange {
  std::uint32_t low, high;
  bool contains(std::uintptr_t offset) const { return offset >= low && offset < high; }
};
const SharedRange& static_shared_range();
// g++ guards arrays of class type (bf16, half) although they need no initialisation.
bool is_static_guard(std::uintptr_t offset);

// NaN in every floating-point format.
void poison_shared(Worker& worker, Block& block);

}  // namespace engine::simt
