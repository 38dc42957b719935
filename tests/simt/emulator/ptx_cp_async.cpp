#include <cstring>

#include "shadow.h"
#include "simt/ptx_operations.h"

// cp.async is performed as late as allowed, by the wait; its destination holds NaN until then.
namespace engine::simt {

void cp_async(std::uint32_t destination, const void* source, std::uint32_t bytes,
              std::uint32_t source_bytes, Location where) {
  Fiber* const fiber = current_fiber;
  auto* const to = static_cast<char*>(shared_pointer(destination));
  const bool source_aligned = reinterpret_cast<std::uintptr_t>(source) % bytes == 0;
  if (destination % bytes || (source_bytes && !source_aligned)) {
    fail("misaligned", "cp.async of %u bytes: shared 0x%x, global %p at %s:%d", bytes, destination,
         source, file_name(where.file), where.line);
  }
  const void* const pc = __builtin_return_address(0);
  if (access_checks) {
    if (source_bytes) check_access(source, source_bytes, Access::kRead, pc);
    check_access(to, bytes, Access::kWrite, pc);
  } else if (source_bytes) {
    // Touched now, so that a fault happens where the mistake is.
    const auto* const from = static_cast<const volatile char*>(source);
    (void)from[0];
    (void)from[source_bytes - 1];
  }
  std::memset(to, 0xff, bytes);
  if (access_checks) mark_uninitialised(to, bytes);
  fiber->copies.push_back({to, source, static_cast<std::uint16_t>(bytes),
                           static_cast<std::uint16_t>(source_bytes), fiber->copy_group});
}

void cp_async_commit() {
  current_fiber->copy_group++;
}

void cp_async_wait(std::uint32_t pending) {
  Fiber* const fiber = current_fiber;
  std::uint32_t first_pending = ~0u;
  if (pending != kCpAsyncAll) {
    first_pending = fiber->copy_group >= pending ? fiber->copy_group - pending : 0;
  }
  std::size_t done = 0;
  for (; done < fiber->copies.size() && fiber->copies[done].group < first_pending; done++) {
    const CpAsync& copy = fiber->copies[done];
    auto* const to = static_cast<char*>(copy.destination);
    std::memcpy(to, copy.source, copy.source_bytes);
    std::memset(to + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
    if (access_checks) check_access(to, copy.bytes, Access::kWrite, __builtin_return_address(0));
  }
  fiber->copies.erase(fiber->copies.begin(),
                      fiber->copies.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace engine::simt
