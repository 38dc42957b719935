#pragma once

#include "simt/fiber.h"

// What device builtins and PTX twins call.
namespace engine::simt {

// --- barriers and collectives
// ----------------------------------------------------------------------

// threads == 0: the whole block (__syncthreads).
void barrier_sync(std::uint32_t id, std::uint32_t threads, Location where);
void barrier_arrive(std::uint32_t id, std::uint32_t threads, Location where);
void cluster_arrive(Location where);
void cluster_wait(Location where);

// The last lane of `mask` to arrive runs perform(warp, mask) for all of them.
using PerformCollective = void (*)(Warp*, std::uint32_t mask);
void warp_collective(std::uint32_t mask, Collective collective, void* argument,
                     PerformCollective perform, Location where);

// A polling loop: some other thread runs first, whatever the schedule.
void yield_to_others();

// --- memory
// ------------------------------------------------------------------------------------------

void* dynamic_shared();
std::uint32_t shared_address(const void* p);
void* shared_pointer(std::uint32_t address, Block* block = nullptr);

enum class Access : std::uint8_t { kRead, kWrite, kAtomic, kAtomicStore };
// An access of an emulated instruction, checked like those that the compiler instruments.
void check_access(const void* p, std::size_t bytes, Access access, const void* pc,
                  Fiber* as = nullptr);
ENGINE_SIMT_DEVICE void check_read(const void* p, std::size_t bytes) {
  if (access_checks) check_access(p, bytes, Access::kRead, __builtin_return_address(0));
}
ENGINE_SIMT_DEVICE void check_write(void* p, std::size_t bytes) {
  if (access_checks) check_access(p, bytes, Access::kWrite, __builtin_return_address(0));
}

// Memory order between threads, of blocks too: a release publishes what the thread did and knew at
// the address, an acquire takes it over. A relaxed access counts together with a fence.
enum class Order : std::uint8_t { kRelaxed, kAcquire, kRelease, kAcquireRelease };
void order_atomic(const void* p, Order order, bool reads, bool writes);
void order_fence();

// --- fences
// ------------------------------------------------------------------------------------------

// Later operations of the asynchronous proxy see this thread's earlier ordinary stores.
void proxy_fence();
// They see the mbarriers that this thread initialised.
void mbarrier_fence();

// --- reports
// -----------------------------------------------------------------------------------------

// Demangled, without parameters; by the executable's symbol table.
const char* kernel_name(const void* function);

}  // namespace engine::simt
