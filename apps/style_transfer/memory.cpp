#include "engine/apps/style_transfer/memory.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <string>

#include <malloc.h>
#include <sys/resource.h>

#include "engine/apps/style_transfer/pictures.h"
#include "engine/core/gpu.h"
#include "engine/kernels/compile.h"

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

// Of an executable for the graph, as the settings compile it.
std::int64_t bytes_of(const Graph& graph, const StyleSettings& settings) {
  Store store(settings.device.open());
  const Executable executable =
      compile(graph, store,
              {.precision = settings.device.parsed_precision(), .parameters = Parameters::frozen});
  return executable.memory_plan().total();
}

// An f32 picture.
std::int64_t pixel_bytes(const Shape& shape) {
  return shape.elements() * 4;
}

// While scaled_pixels() runs: the picture in f32, its rows at the new width, the result twice.
std::int64_t resizing_bytes(const Image& image, const Shape& shape) {
  const std::int64_t row = std::int64_t{image.height} * image.channels * 4;
  return row * image.width + row * shape[2] + 2 * pixel_bytes(shape);
}

std::int64_t target_bytes(const Graph& measuring) {
  std::int64_t bytes = 0;
  for (const auto& [name, value] : measuring.outputs()) bytes += value.shape().elements() * 4;
  return bytes;
}

// Bytes of the largest scale, beside what the process has already.
struct Plan {
  std::int64_t device = 0;  // graphs
  std::int64_t host = 0;    // everything, where the device is the CPU
};

// The moments that may be the fullest: each picture while it is resized and while it is measured,
// and the step.
Plan plan_of(const StyleSettings& settings, const StyleInputs& inputs, int size) {
  Plan plan;
  std::int64_t targets = 0;  // kept from those that were measured before
  const auto measure = [&](const Image& image, int side, bool is_style) {
    const Shape shape = scaled_shape(image, side);
    const Graph graph = measuring_graph(inputs.objective(), shape, is_style);
    const std::int64_t graph_bytes = bytes_of(graph, settings);
    plan.device = std::max(plan.device, graph_bytes);
    plan.host = std::max({plan.host, targets + resizing_bytes(image, shape),
                          targets + pixel_bytes(shape) + graph_bytes + target_bytes(graph)});
    targets += target_bytes(graph);
  };
  measure(inputs.content(), size, false);
  for (const Image& style : inputs.styles()) measure(style, inputs.style_size(size), true);

  const Shape shape = inputs.content_shape(size);
  const std::int64_t step = bytes_of(step_graph(settings, inputs.objective(), shape, 1), settings);
  plan.device = std::max(plan.device, step);
  std::int64_t beside = shape[1] * shape[2] * kHostBytesPerPixel;
  if (settings.colors == "content") beside += resizing_bytes(inputs.content(), shape);
  plan.host = std::max(plan.host, step + beside);
  return plan;
}

// Memory grows with the number of pixels: two plans give the line, a third one confirms.
template <class PlanAt>
std::string largest_that_fits(int size, std::int64_t room, const PlanAt& plan_at) {
  const std::string nothing = "no size fits";
  const auto square = [](int side) { return static_cast<double>(side) * side; };
  const double planned = static_cast<double>(plan_at(size));
  // Half the size, or more where the network needs it.
  for (int other = std::max(size / 2, kSmallest); other < size; other += (size - other + 1) / 2) {
    try {
      const double slope =
          (planned - static_cast<double>(plan_at(other))) / (square(size) - square(other));
      const double fixed = planned - slope * square(size);
      const double pixels = slope > 0 ? (static_cast<double>(room) - fixed) / slope : 0;
      int found = pixels > 0 ? static_cast<int>(std::sqrt(pixels)) / kSizeStep * kSizeStep : 0;
      while (found >= kSmallest) {
        const std::int64_t bytes = plan_at(found);
        if (bytes <= room) break;
        // Some part does not shrink with the picture: this comes closer, from above.
        const double factor = std::sqrt(static_cast<double>(room) / static_cast<double>(bytes));
        found =
            std::min(found - kSizeStep, static_cast<int>(found * factor) / kSizeStep * kSizeStep);
      }
      return found >= kSmallest ? join("the largest that fits is --size ", found) : nothing;
    } catch (const InvalidArgument&) {
      continue;  // too small for the deepest layer
    }
  }
  return nothing;
}

}  // namespace

std::int64_t resident_bytes() {
  return line_of("/proc/self/status", "VmRSS:");
}

std::int64_t peak_resident_bytes() {
  return line_of("/proc/self/status", "VmHWM:");
}

std::int64_t available_bytes() {
  std::int64_t room =
      std::min(line_of("/proc/meminfo", "MemAvailable:"), group_room("/sys/fs/cgroup"));
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const std::int64_t used = line_of("/proc/self/status", "VmSize:");
    room =
        std::min(room, std::max<std::int64_t>(static_cast<std::int64_t>(limit.rlim_cur) - used, 0));
  }
  return room;
}

std::int64_t group_room(const std::filesystem::path& folder) {
  std::int64_t limit = 0, used = 0, droppable = 0;
  std::ifstream(folder / "memory.max") >> limit;
  std::ifstream(folder / "memory.current") >> used;
  std::ifstream statistics(folder / "memory.stat");
  for (std::string word; statistics >> word;) {
    if (word == "inactive_file") statistics >> droppable;
  }
  return limit > 0 ? std::max<std::int64_t>(limit - used + droppable, 0)
                   : std::numeric_limits<std::int64_t>::max();
}

std::int64_t peak_bytes(const Device& device) {
  return device.is_cpu() ? peak_resident_bytes() : gpu_memory_of(device).peak;
}

void return_freed_memory() {
#ifdef M_MMAP_THRESHOLD
  // Set, the threshold no longer grows with what is freed.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

double in_gibibytes(std::int64_t bytes) {
  return static_cast<double>(bytes) / kGibibyte;
}

std::string gibibytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", in_gibibytes(bytes));
  return text;
}

MemoryCheck check_memory(const StyleSettings& settings, const StyleInputs& inputs, int size) {
  const Device device = settings.device.open();
  const auto plan_at = [&](int side) {
    const Plan plan = plan_of(settings, inputs, side);
    // After the plan: what oneDNN keeps for itself is there by then.
    return device.is_cpu() ? resident_bytes() + kHostBytes + plan.host : plan.device;
  };
  MemoryCheck check{.planned = plan_at(size)};
  // A small picture takes less than reading the weights took.
  if (device.is_cpu()) check.planned = std::max(check.planned, peak_resident_bytes());
  check.room = settings.memory_gib > 0 ? static_cast<std::int64_t>(settings.memory_gib * kGibibyte)
               : device.is_cpu()       ? resident_bytes() + available_bytes()
                                       : gpu_memory_of(device).free;
  if (check.planned <= check.room) return check;
  throw OutOfMemory(join("--size ", size, " needs ", gibibytes(check.planned), " of memory on ",
                         device, ", ", gibibytes(check.room), " may be used; ",
                         largest_that_fits(size, check.room, plan_at)));
}

}  // namespace engine::apps::style_transfer
