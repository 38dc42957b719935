#include "shared_memory.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "simt/operations.h"
#include "symbols.h"
#include "worker.h"

// Its offset in the symbol table and its address tell where the thread-local segment begins.
extern "C" {
__attribute__((tls_model("initial-exec"), used)) thread_local char engine_simt_tls_anchor[8] = {1};
}

namespace engine::simt {
namespace {

// Shared addresses: the block's rank in the cluster plus one in the top byte (0: the own block).
constexpr std::uint32_t kRankShift = 24, kOffsetMask = 0xffffff;
constexpr std::uint32_t kDynamicBase = 0x400, kStaticBase = 0x100000;

struct StaticShared {
  std::vector<SharedVariable> variables;  // by offset
  std::set<std::uint64_t> guards;
  SharedRange range{0, 0};
  std::uint64_t anchor_offset = 0;
};

StaticShared find_static_shared() {
  StaticShared found;
  for (const Symbol& symbol : symbols()) {
    if (!symbol.is_thread_local) continue;
    if (symbol.name == "engine_simt_tls_anchor") found.anchor_offset = symbol.value;
    if (!symbol.is_kernel_data) continue;
    if (symbol.name.starts_with("_ZGV")) {
      found.guards.insert(symbol.value);
      continue;
    }
    found.variables.push_back({static_cast<std::uint32_t>(symbol.value),
                               static_cast<std::uint32_t>(symbol.bytes), demangle(symbol.name)});
  }
  auto& variables = found.variables;
  std::sort(variables.begin(), variables.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  if (!variables.empty()) {
    found.range.low = variables.front().offset;
    for (const auto& v : variables)
      found.range.high = std::max(found.range.high, v.offset + v.bytes);
  }
  return found;
}

const StaticShared static_shared = find_static_shared();

}  // namespace

char* thread_local_base() {
  return engine_simt_tls_anchor - static_shared.anchor_offset;
}

const SharedRange& static_shared_range() {
  return static_shared.range;
}

bool is_static_guard(std::uintptr_t offset) {
  return static_shared.guards.count(offset & ~std::uintptr_t{7}) > 0;
}

const SharedVariable* find_shared_variable(std::uintptr_t offset) {
  const auto& variables = static_shared.variables;
  auto after =
      std::upper_bound(variables.begin(), variables.end(), offset,
                       [](std::uintptr_t at, const SharedVariable& v) { return at < v.offset; });
  if (after == variables.begin()) return nullptr;
  const SharedVariable& variable = *--after;
  return offset < variable.offset + variable.bytes ? &variable : nullptr;
}

void poison_shared(Worker& worker, Block& block) {
  std::memset(block.dynamic_shared, 0xff, block.dynamic_shared_bytes);
  if (worker.blocks.size() > 1) return;  // static variables are refused there
  for (const SharedVariable& variable : static_shared.variables) {
    std::memset(thread_local_base() + variable.offset, 0xff, variable.bytes);
  }
}

void* dynamic_shared() {
  return current_fiber->block->dynamic_shared;
}

std::uint32_t shared_address(const void* p) {
  const char* const address = static_cast<const char*>(p);
  for (const Block& block : current_fiber->block->worker->blocks) {
    const std::ptrdiff_t offset = address - block.dynamic_shared;
    if (offset < 0 || offset > static_cast<std::ptrdiff_t>(block.dynamic_shared_bytes)) continue;
    const std::uint32_t rank = &block == current_fiber->block ? 0 : block.rank + 1;
    return rank << kRankShift | (kDynamicBase + static_cast<std::uint32_t>(offset));
  }
  const auto offset = static_cast<std::uintptr_t>(address - thread_local_base());
  if (static_shared.range.contains(offset)) {
    return kStaticBase + static_cast<std::uint32_t>(offset);
  }
  fail("address-space", "%p is not in shared memory but is converted to a shared address", p);
}

void* shared_pointer(std::uint32_t address, Block* block) {
  Block* owner = block ? block : current_fiber->block;
  const std::uint32_t rank = address >> kRankShift, offset = address & kOffsetMask;
  if (rank) {
    auto& blocks = owner->worker->blocks;
    if (rank > blocks.size()) {
      fail("address-space", "shared::cluster address 0x%x names block %u of a cluster of %zu",
           address, rank - 1, blocks.size());
    }
    owner = &blocks[rank - 1];
  }
  if (offset >= kStaticBase) return thread_local_base() + (offset - kStaticBase);
  if (offset < kDynamicBase) fail("address-space", "bad shared address 0x%x", address);
  return owner->dynamic_shared + (offset - kDynamicBase);
}

}  // namespace engine::simt
