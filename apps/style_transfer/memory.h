#pragma once

#include <cstdint>
#include <string>

#include "engine/apps/data/image.h"
#include "engine/apps/style_transfer/objective.h"

namespace engine::apps::style_transfer {

// Bytes. 0 where the system does not say.
std::int64_t resident_bytes();       // of this process now
std::int64_t peak_resident_bytes();  // the most that it has had
std::int64_t available_bytes();      // what it may take before the machine swaps or a limit is hit

// Makes freed tensors go back to the system at once, so that what one scale took is free for the
// next and the figures here mean what they say. For the whole process; glibc only.
void return_freed_memory();

std::string gibibytes(std::int64_t bytes);  // "1.25 GiB"

struct MemoryCheck {
  std::int64_t planned = 0;  // bytes that the process will have at most
  std::int64_t room = 0;     // bytes that it may have
};
// Plans the step for the content at this size. Throws OutOfMemory naming the largest size that fits
// where it does not, and UsageError where the picture is too small for the deepest layer.
MemoryCheck check_memory(const StyleSettings& settings, const Objective& objective,
                         const Image& content, int size);

}  // namespace engine::apps::style_transfer
