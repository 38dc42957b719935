#include <algorithm>
#include <bit>
#include <cstring>

#include "clocks.h"
#include "matrix_product.h"
#include "number_formats.h"
#include "shadow.h"
#include "simt/ptx_operations.h"
#include "worker.h"

// wgmma is queued per thread; the first thread whose wait needs a group performs it for all four
// warps.
namespace engine::simt {
namespace {

constexpr int kLargestN = 256;

bool same_chain(const WgmmaOperation& one, const WgmmaOperation& other) {
  return one.d == other.d;
}

// Between what a thread does to accumulators and their first product stands a fence. They are the
// thread's own before the first product and after a wait for the last one.
void check_fence(Fiber& fiber, const float* d, Location where) {
  for (auto& [accumulators, group] : fiber.wgmma_chains) {
    if (accumulators != d) continue;
    group = fiber.wgmma_group;
    return;
  }
  if (!fiber.is_wgmma_fenced) {
    fail("wgmma", "no wgmma_fence() since the thread could touch the accumulators, at %s:%d",
         file_name(where.file), where.line);
  }
  fiber.wgmma_chains.emplace_back(d, fiber.wgmma_group);
}
// By a thread that waited for the groups below `limit`.
void end_chains(Fiber& fiber, std::uint32_t limit) {
  const auto is_over = [limit](const auto& chain) { return chain.second < limit; };
  if (std::erase_if(fiber.wgmma_chains, is_over) > 0) fiber.is_wgmma_fenced = false;
}

void save_accumulators(Fiber& fiber, WgmmaOperation& operation) {
  operation.saved = static_cast<int>(fiber.saved_accumulators.size());
  fiber.saved_accumulators.emplace_back(operation.d, operation.d + operation.n / 2);
  // Nobody may read them before the wait.
  std::memset(operation.d, 0xff, operation.n / 2 * sizeof(float));
}

// --- matrix descriptors
// ------------------------------------------------------------------------------

struct Descriptor {
  std::uint32_t start, leading, stride;  // bytes
  int swizzle_bytes;

  explicit Descriptor(std::uint64_t bits)
      : start(field(bits, 0)), leading(field(bits, 16)), stride(field(bits, 32)) {
    constexpr int kSwizzles[4] = {0, 128, 64, 32};
    swizzle_bytes = kSwizzles[bits >> 62];
  }
  static std::uint32_t field(std::uint64_t bits, int shift) {
    return static_cast<std::uint32_t>(bits >> shift & 0x3fff) << 4;
  }
};

// Address of 16 bytes of row `row` (of M or N), the `chunk`-th along K.
std::uint32_t k_major_address(const Descriptor& d, int row, int chunk) {
  const std::uint32_t block = d.start + static_cast<std::uint32_t>(row / 8) * d.stride;
  if (d.swizzle_bytes == 0) {
    return block + static_cast<std::uint32_t>(chunk) * d.leading +
           static_cast<std::uint32_t>(row % 8) * 16;
  }
  return swizzle(block + static_cast<std::uint32_t>(row % 8 * d.swizzle_bytes + chunk * 16),
                 d.swizzle_bytes);
}

// Address of 16 bytes of line `k`, the `chunk`-th along M or N.
std::uint32_t mn_major_address(const Descriptor& d, int k, int chunk) {
  const auto line = static_cast<std::uint32_t>(k / 8);
  if (d.swizzle_bytes == 0) {
    return d.start + static_cast<std::uint32_t>(chunk) * d.stride + line * d.leading +
           static_cast<std::uint32_t>(k % 8) * 16;
  }
  const int chunks = d.swizzle_bytes / 16;  // in one line of the swizzle pattern
  return swizzle(d.start + static_cast<std::uint32_t>(chunk / chunks) * d.leading +
                     line * d.stride +
                     static_cast<std::uint32_t>(chunk % chunks * 16 + k % 8 * d.swizzle_bytes),
                 d.swizzle_bytes);
}

// --- one warp's share: 16 rows
// -------------------------------------------------------------------------

alignas(32) thread_local float b_operand[16 * kLargestN];
alignas(32) thread_local float accumulators[16 * kLargestN];

class WarpProduct {
 public:
  WarpProduct(Warp* warp, Fiber* performer)
      : warp_(warp), performer_(performer), first_row_(static_cast<int>(warp->index % 4) * 16) {}

  void load_a(const WgmmaOperation& operation, std::size_t index) {
    const Descriptor a(operation.a);
    if (operation.a_in_registers) {
      load_a_registers(index);
    } else if (operation.transpose_a) {
      for (int k = 0; k < 16; k++) {
        for (int chunk = 0; chunk < 2; chunk++) {
          load(mn_major_address(a, k, first_row_ / 8 + chunk), operation);
          for (int e = 0; e < 8; e++) a_[chunk * 8 + e][k] = values_[e];
        }
      }
    } else {
      const int elements = elements_per_chunk(operation.type);
      for (int row = 0; row < 16; row++) {
        for (int chunk = 0; chunk < 2; chunk++) {
          load(k_major_address(a, first_row_ + row, chunk), operation);
          for (int e = 0; e < elements; e++) a_[row][chunk * elements + e] = values_[e];
        }
      }
    }
  }

  void load_b(const WgmmaOperation& operation) {
    const Descriptor b(operation.b);
    const int n = operation.n;
    if (operation.transpose_b) {
      for (int k = 0; k < 16; k++) {
        for (int chunk = 0; chunk < n / 8; chunk++) {
          load(mn_major_address(b, k, chunk), operation);
          std::copy_n(values_, 8, b_operand + k * n + chunk * 8);
        }
      }
      return;
    }
    const int elements = elements_per_chunk(operation.type);
    for (int column = 0; column < n; column++) {
      for (int chunk = 0; chunk < 2; chunk++) {
        load(k_major_address(b, column, chunk), operation);
        for (int e = 0; e < elements; e++) {
          b_operand[(chunk * elements + e) * n + column] = values_[e];
        }
      }
    }
  }

  void multiply(const WgmmaOperation& operation) {
    const int k = 2 * elements_per_chunk(operation.type);
    multiply_16xn(a_, b_operand, accumulators, operation.n, k);
  }

  // Accumulators lie like those of mma, 8 columns in 4 registers after another.
  void gather(std::size_t index) {
    for (int lane = 0; lane < 32; lane++) {
      const Fiber& fiber = warp_->lanes[lane];
      const WgmmaOperation& own = fiber.wgmmas[index];
      const float* from = own.saved >= 0 ? fiber.saved_accumulators[own.saved].data() : own.d;
      for (int j = 0; j < own.n / 8; j++) {
        std::memcpy(element(own, lane, j, 0), from + j * 4, 8);
        std::memcpy(element(own, lane, j, 8), from + j * 4 + 2, 8);
      }
    }
  }
  void scatter(std::size_t index) {
    for (int lane = 0; lane < 32; lane++) {
      const WgmmaOperation& own = warp_->lanes[lane].wgmmas[index];
      for (int j = 0; j < own.n / 8; j++) {
        std::memcpy(own.d + j * 4, element(own, lane, j, 0), 8);
        std::memcpy(own.d + j * 4 + 2, element(own, lane, j, 8), 8);
      }
    }
  }

 private:
  static int elements_per_chunk(WgmmaType type) { return type == WgmmaType::kTf32 ? 4 : 8; }

  static float* element(const WgmmaOperation& operation, int lane, int j, int row) {
    return accumulators + (lane / 4 + row) * operation.n + j * 8 + lane % 4 * 2;
  }

  // 16 bytes of an operand, as f32 in values_.
  void load(std::uint32_t address, const WgmmaOperation& operation) {
    Block* const block = warp_->block;
    const char* const p = static_cast<char*>(shared_pointer(address, block));
    if (!block->has_dynamic(p) || !block->has_dynamic(p + 15)) {
      fail("out-of-bounds",
           "wgmma descriptor reaches shared address 0x%x, outside %u bytes of dynamic shared "
           "memory, at %s:%d",
           address, block->dynamic_shared_bytes, file_name(operation.where.file),
           operation.where.line);
    }
    if (access_checks) {
      check_access(p, 16, Access::kRead, performer_->argument);
      check_proxy_fence(block, p, 16, operation.where);
    }
    std::uint32_t words[4];
    std::memcpy(words, p, 16);
    for (int i = 0; i < 4; i++) {
      switch (operation.type) {
        case WgmmaType::kBf16:
          values_[2 * i] = bf16_low(words[i]);
          values_[2 * i + 1] = bf16_high(words[i]);
          break;
        case WgmmaType::kF16:
          values_[2 * i] = f16_low(words[i]);
          values_[2 * i + 1] = f16_high(words[i]);
          break;
        case WgmmaType::kTf32:
          values_[i] = tf32(words[i]);
      }
    }
  }

  // The fragment of mma.m16n8k16.
  void load_a_registers(std::size_t index) {
    for (int lane = 0; lane < 32; lane++) {
      const WgmmaOperation& own = warp_->lanes[lane].wgmmas[index];
      for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i % 2 * 8, column = lane % 4 * 2 + i / 2 * 8;
        const std::uint32_t bits = own.a_registers[i];
        const bool is_f16 = own.type == WgmmaType::kF16;
        a_[row][column] = is_f16 ? f16_low(bits) : bf16_low(bits);
        a_[row][column + 1] = is_f16 ? f16_high(bits) : bf16_high(bits);
      }
    }
  }

  Warp* warp_;
  Fiber* performer_;
  int first_row_;
  float a_[16][16];
  float values_[8];
};

// A chain that goes on in a group still pending: its accumulators are in flight again.
void keep_pending(Fiber& fiber, std::size_t performed) {
  auto& queue = fiber.wgmmas;
  for (std::size_t i = performed; i < queue.size(); i++) {
    const auto continues = [&](const WgmmaOperation& other) { return same_chain(other, queue[i]); };
    const auto begin = queue.begin(), middle = begin + static_cast<std::ptrdiff_t>(performed);
    const bool had_begun = std::any_of(begin, middle, continues);
    const bool is_saved = std::any_of(middle, begin + static_cast<std::ptrdiff_t>(i), continues);
    if (had_begun && !is_saved) save_accumulators(fiber, queue[i]);
  }
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(performed));
  if (queue.empty()) fiber.saved_accumulators.clear();
}

// Performs the groups below `limit` for one warp.
void perform_groups(Warp* warp, std::uint32_t limit, Fiber* performer) {
  const auto& queue = warp->lanes[0].wgmmas;
  std::size_t count = 0;
  while (count < queue.size() && queue[count].group < limit) count++;
  WarpProduct product(warp, performer);
  for (std::size_t i = 0; i < count; i++) {
    const WgmmaOperation& operation = queue[i];
    product.load_a(operation, i);
    product.load_b(operation);
    const bool first = i == 0 || !same_chain(queue[i - 1], operation);
    const bool last = i + 1 == count || !same_chain(queue[i + 1], operation);
    if (!operation.accumulate) {
      std::memset(accumulators, 0, sizeof(float) * 16 * operation.n);
    } else if (first) {
      product.gather(i);
    }
    product.multiply(operation);
    if (last) product.scatter(i);
  }
  for (int lane = 0; lane < 32; lane++) keep_pending(warp->lanes[lane], count);
}

void check_agreement(const Block& block, std::uint32_t first_warp, std::uint32_t limit) {
  const auto& expected = block.warps[first_warp].lanes[0].wgmmas;
  for (std::uint32_t w = first_warp; w < first_warp + 4; w++) {
    for (int lane = 0; lane < 32; lane++) {
      const auto& queue = block.warps[w].lanes[lane].wgmmas;
      for (std::size_t i = 0; i < expected.size() && expected[i].group < limit; i++) {
        if (i < queue.size() && queue[i].same_instruction(expected[i])) continue;
        fail("wgmma", "the threads of a warpgroup disagree on the wgmma at %s:%d",
             file_name(expected[i].where.file), expected[i].where.line);
      }
    }
  }
}

Warpgroup& warpgroup_of(Fiber* fiber) {
  return fiber->block->warpgroups[fiber->warp->index / 4];
}

}  // namespace

void wgmma(const WgmmaForm& form, float* d, std::uint64_t a, const std::uint32_t* a_registers,
           std::uint64_t b, bool accumulate, Location where) {
  Fiber* const fiber = current_fiber;
  if (fiber->block->threads % 128) {
    fail("wgmma", "a block of %u threads is no whole number of warpgroups, at %s:%d",
         fiber->block->threads, file_name(where.file), where.line);
  }
  WgmmaOperation operation{a,
                           b,
                           d,
                           static_cast<std::uint16_t>(form.n),
                           accumulate,
                           form.transpose_a,
                           form.transpose_b,
                           a_registers != nullptr,
                           form.type,
                           {},
                           fiber->wgmma_group,
                           where,
                           -1};
  check_fence(*fiber, d, where);
  if (a_registers) std::copy_n(a_registers, 4, operation.a_registers);
  const bool chained =
      std::any_of(fiber->wgmmas.begin(), fiber->wgmmas.end(),
                  [&](const WgmmaOperation& other) { return same_chain(other, operation); });
  if (!chained) save_accumulators(*fiber, operation);
  fiber->wgmmas.push_back(operation);
}

void wgmma_fence() {
  current_fiber->is_wgmma_fenced = true;
}

void wgmma_commit() {
  Fiber* const fiber = current_fiber;
  Warpgroup& warpgroup = warpgroup_of(fiber);
  const std::uint32_t group = fiber->wgmma_group++;
  if (warpgroup.committed.size() <= group) warpgroup.committed.resize(group + 1);
  if (access_checks) release(fiber, warpgroup.commit_clocks);
  if (++warpgroup.committed[group] < 128) return;
  warpgroup.complete = group + 1;
  auto& waiters = warpgroup.waiters;
  for (std::size_t i = 0; i < waiters.size();) {
    if (waiters[i].second <= warpgroup.complete) {
      fiber->block->worker->make_ready(waiters[i].first);
      waiters.erase(waiters.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      i++;
    }
  }
}

void wgmma_wait(std::uint32_t pending, Location where) {
  Fiber* const fiber = current_fiber;
  Block& block = *fiber->block;
  Warpgroup& warpgroup = warpgroup_of(fiber);
  const std::uint32_t limit = fiber->wgmma_group > pending ? fiber->wgmma_group - pending : 0;
  fiber->argument = __builtin_return_address(0);  // the place of the reads
  end_chains(*fiber, limit);
  if (warpgroup.complete < limit) {
    fiber->wait = Wait::kWgmma;
    fiber->where = where;
    fiber->key = 0;
    warpgroup.waiters.emplace_back(fiber, limit);
    block.worker->suspend();
  }
  if (warpgroup.performed >= limit) {
    if (access_checks) acquire(fiber, warpgroup.performed_clocks);
    return;
  }
  const std::uint32_t first_warp = fiber->warp->index / 4 * 4;
  check_agreement(block, first_warp, limit);
  if (access_checks) acquire(fiber, warpgroup.commit_clocks);
  for (std::uint32_t w = first_warp; w < first_warp + 4; w++) {
    perform_groups(&block.warps[w], limit, fiber);
  }
  warpgroup.performed = limit;
  if (access_checks) release(fiber, warpgroup.performed_clocks);
}

}  // namespace engine::simt
