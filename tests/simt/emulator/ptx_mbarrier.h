#pragma once

#include "simt/ptx_operations.h"

namespace engine::simt {

std::uint64_t* mbarrier_pointer(std::uint32_t address, Block* block, Location where);
// Fails unless it is initialised.
void check_mbarrier(const std::uint64_t* barrier, Location where);
// A bulk copy signals it: in the check build its initialisation must have been fenced since.
void check_mbarrier_fence(const std::uint64_t* barrier, Location where);
// A bulk copy has written `bytes`.
void mbarrier_complete_bytes(Worker& worker, std::uint64_t* barrier, std::uint32_t bytes);

}  // namespace engine::simt
