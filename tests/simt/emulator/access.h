#pragma once

#include <string>

#include "simt/operations.h"

namespace engine::simt {

// An access by the current thread; nothing when the caller is no kernel, or it is the thread's own
// stack.
void check_current(const void* p, std::size_t bytes, Access access, const void* pc);

std::string access_source_line(const void* pc);

}  // namespace engine::simt
