#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/apps/style_transfer/inputs.h"

namespace engine::apps::style_transfer {

// Bytes. 0 where the system does not say.
std::int64_t resident_bytes();                  // of this process now
std::int64_t peak_resident_bytes();             // the most that it has had
std::int64_t peak_bytes(const Device& device);  // that, or what its tensors took of a GPU
std::int64_t available_bytes();  // what it may take before the machine swaps or a limit is hit
// What a control group still allows, by the files in its folder: pages of files that can be dropped
// count as free. The largest number where it has no limit.
std::int64_t group_room(const std::filesystem::path& folder);

// Makes freed tensors go back to the system at once, so that what one scale took is free for the
// next and the figures here mean what they say. For the whole process; glibc only.
void return_freed_memory();

double in_gibibytes(std::int64_t bytes);
std::string gibibytes(std::int64_t bytes);  // "1.25 GiB"

// Of the process; on a GPU, of the GPU.
struct MemoryCheck {
  std::int64_t planned = 0;  // bytes that there will be in use at most
  std::int64_t room = 0;     // bytes that there may be
};
// Plans the largest scale: resizing and measuring the pictures, then the step. Throws OutOfMemory
// naming the largest size that fits where it does not. Sizes must have been checked.
MemoryCheck check_memory(const StyleSettings& settings, const StyleInputs& inputs, int size);

}  // namespace engine::apps::style_transfer
