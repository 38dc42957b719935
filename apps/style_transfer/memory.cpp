#include "engine/apps/style_transfer/memory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>

#include <malloc.h>
#include <sys/resource.h>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/style_transfer/painter.h"
#include "engine/apps/style_transfer/pictures.h"

namespace engine::apps::style_transfer {
namespace {

constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;
// Start and copy of the picture in f32 (24), in 8 bits (3), as a PNG and inside the page (up to
// 17).
constexpr std::int64_t kHostBytesPerPixel = 44;
constexpr std::int64_t kHostBytes = 3 << 20;  // the rest of the page and of what writes it
constexpr int kSmallest = 32;                 // pixels; nobody wants less
constexpr int kSizeStep = 16;

// "VmHWM:   1234 kB" in a file of such lines.
std::int64_t line_of(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word != key) continue;
    std::int64_t kilobytes = 0;
    file >> kilobytes;
    return kilobytes * 1024;
  }
  return 0;
}

// What a control group still allows; the largest number where there is none.
std::int64_t group_room() {
  std::int64_t limit = 0, used = 0;
  std::ifstream("/sys/fs/cgroup/memory.max") >> limit;
  std::ifstream("/sys/fs/cgroup/memory.current") >> used;
  return limit > 0 ? std::max<std::int64_t>(limit - used, 0)
                   : std::numeric_limits<std::int64_t>::max();
}

// Memory grows with the number of pixels: two plans give the line, a third one confirms.
template <class PlanAt>
std::string largest_that_fits(int size, std::int64_t planned, std::int64_t room,
                              const PlanAt& plan_at) {
  const int half = std::max(size / 2, kSmallest);
  const auto square = [](int side) { return static_cast<double>(side) * side; };
  const double slope = static_cast<double>(planned - plan_at(half)) / (square(size) - square(half));
  const double fixed = static_cast<double>(planned) - slope * square(size);
  const double pixels = (static_cast<double>(room) - fixed) / slope;
  int found = pixels > 0 ? static_cast<int>(std::sqrt(pixels)) / kSizeStep * kSizeStep : 0;
  while (found >= kSmallest && plan_at(found) > room) found -= kSizeStep;
  return found >= kSmallest ? join("the largest that fits is --size ", found) : "no size fits";
}

}  // namespace

std::int64_t resident_bytes() {
  return line_of("/proc/self/status", "VmRSS:");
}

std::int64_t peak_resident_bytes() {
  return line_of("/proc/self/status", "VmHWM:");
}

std::int64_t available_bytes() {
  std::int64_t room = std::min(line_of("/proc/meminfo", "MemAvailable:"), group_room());
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const std::int64_t used = line_of("/proc/self/status", "VmSize:");
    room =
        std::min(room, std::max<std::int64_t>(static_cast<std::int64_t>(limit.rlim_cur) - used, 0));
  }
  return room;
}

void return_freed_memory() {
#ifdef M_MMAP_THRESHOLD
  // Set, the threshold no longer grows with what is freed.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

std::string gibibytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / kGibibyte);
  return text;
}

MemoryCheck check_memory(const StyleSettings& settings, const Objective& objective,
                         const Image& content, int size) {
  const auto plan_at = [&](int side) {
    const Shape shape = scaled_pixels(content, side).shape();
    const std::int64_t step = planned_bytes(settings, objective, shape);
    // After the plan: what oneDNN keeps for itself is there by then.
    return resident_bytes() + kHostBytes + step + shape[1] * shape[2] * kHostBytesPerPixel;
  };
  MemoryCheck check;
  try {
    // A small picture takes less than reading the weights took.
    check.planned = std::max(plan_at(size), peak_resident_bytes());
  } catch (const InvalidArgument& error) {
    throw UsageError(join(settings.content, " at --size ", size, ": ", error.what()));
  }
  check.room = settings.memory_gib > 0 ? static_cast<std::int64_t>(settings.memory_gib * kGibibyte)
                                       : resident_bytes() + available_bytes();
  if (check.planned <= check.room) return check;
  throw OutOfMemory(join("--size ", size, " needs ", gibibytes(check.planned), " of memory, ",
                         gibibytes(check.room), " may be used; ",
                         largest_that_fits(size, check.planned, check.room, plan_at)));
}

}  // namespace engine::apps::style_transfer
