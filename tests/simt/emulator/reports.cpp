#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "runtime_state.h"
#include "worker.h"

namespace engine::simt {

std::vector<Report> recorded_reports;
static std::mutex reports_mutex;

const std::vector<Report>& reports() {
  return recorded_reports;
}

const char* file_name(const char* path) {
  if (!path) return "?";
  const char* slash = std::strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static std::string current_thread() {
  const Fiber* fiber = current_fiber;
  if (!fiber) return "";
  char text[512];
  const uint3 block = fiber->block->index, thread = fiber->thread;
  std::snprintf(text, sizeof text, " [kernel %s block (%u,%u,%u) thread (%u,%u,%u)]",
                fiber->block->worker->launch->name, block.x, block.y, block.z, thread.x, thread.y,
                thread.z);
  return text;
}

static void record(const char* kind, const char* format, va_list arguments) {
  char message[4096];
  std::vsnprintf(message, sizeof message, format, arguments);
  const std::string text = message + current_thread();
  const std::lock_guard lock(reports_mutex);
  recorded_reports.push_back({kind, text});
  if (!config().quiet) std::fprintf(stderr, "SIMT %s: %s\n", kind, text.c_str());
}

void report(const char* kind, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record(kind, format, arguments);
  va_end(arguments);
}

void fail(const char* kind, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record(kind, format, arguments);
  va_end(arguments);
  launch_failed = true;
  if (!current_fiber) std::abort();  // a mistake of the emulator itself
  leave_failed_fiber();
  std::abort();  // nobody switches back to it
}

// --- deadlocks -----------------------------------------------------------------------------------

namespace {

// Lanes of one warp that wait for the same.
struct WaitGroup {
  const Fiber* first;
  std::uint32_t lanes;
};

std::string describe(const WaitGroup& group, Block& block) {
  const Fiber& fiber = *group.first;
  char text[300];
  const int start = std::snprintf(text, sizeof text,
                                  "\n    warp %u lanes %08x: ", fiber.warp->index, group.lanes);
  char* const rest = text + start;
  const std::size_t room = sizeof text - static_cast<std::size_t>(start);
  const char* const file = file_name(fiber.where.file);
  const int line = fiber.where.line;
  switch (fiber.wait) {
    case Wait::kWarp:
      std::snprintf(rest, room, "warp operation at %s:%d, mask %08x", file, line, fiber.mask);
      break;
    case Wait::kBarrier:
      std::snprintf(rest, room, "barrier %u at %s:%d (%u of %u arrived)", fiber.barrier, file, line,
                    block.barriers[fiber.barrier].arrived, block.barriers[fiber.barrier].expected);
      break;
    case Wait::kMbarrier:
      std::snprintf(rest, room, "mbarrier at shared 0x%x, parity %u, at %s:%d (%s)",
                    static_cast<unsigned>(fiber.key), static_cast<unsigned>(fiber.key >> 32), file,
                    line, describe_mbarrier(static_cast<std::uint32_t>(fiber.key), &block).c_str());
      break;
    case Wait::kWgmma:
      std::snprintf(rest, room, "wgmma.wait_group at %s:%d, for warps that have not committed",
                    file, line);
      break;
    case Wait::kCluster:
      std::snprintf(rest, room, "cluster barrier at %s:%d", file, line);
      break;
    default:
      std::snprintf(rest, room, "not waiting");
  }
  return text;
}

}  // namespace

void report_deadlock(Worker& worker) {
  constexpr int kMostLines = 12;
  std::string text;
  int lines = 0;
  for (Block& block : worker.blocks) {
    for (const Warp& warp : block.warps) {
      std::vector<WaitGroup> groups;
      for (std::uint32_t lane = 0; lane < 32; lane++) {
        const Fiber& fiber = warp.lanes[lane];
        if (!(warp.alive >> lane & 1)) continue;
        bool found = false;
        for (WaitGroup& group : groups) {
          if (group.first->wait != fiber.wait || !(group.first->where == fiber.where) ||
              group.first->key != fiber.key) {
            continue;
          }
          group.lanes |= 1u << lane;
          found = true;
        }
        if (!found) groups.push_back({&fiber, 1u << lane});
      }
      for (const WaitGroup& group : groups) {
        if (lines++ < kMostLines) text += describe(group, block);
      }
    }
  }
  const uint3 first = worker.blocks[0].index;
  report("deadlock", "kernel %s block (%u,%u,%u): no thread can run%s", worker.launch->name,
         first.x, first.y, first.z, text.c_str());
}

}  // namespace engine::simt
