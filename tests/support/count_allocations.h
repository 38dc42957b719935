#pragma once

#include <cstdint>
#include <functional>

namespace engine {

// What a piece of code takes from malloc and its kin and from operator new, on all threads. oneDNN
// allocates in every execution (arguments, closures: some 30 bytes each), which nobody can switch
// off, so its calls are counted apart.
struct Allocations {
  std::int64_t calls = 0;           // by the library, the C++ and the OpenMP runtime
  std::int64_t onednn_calls = 0;    // by libdnnl
  std::int64_t onednn_largest = 0;  // bytes of its largest
};

// False with a sanitizer or another C library than glibc: then nothing is counted.
bool can_count_allocations();
Allocations count_allocations(const std::function<void()>& body);

}  // namespace engine
