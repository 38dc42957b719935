#include "engine/core/memory_plan.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <numeric>

namespace engine {

namespace {

// Places blocks one by one at the lowest free offset.
ArenaLayout place(std::span<const Lifetime> blocks, const std::vector<int>& order) {
  ArenaLayout layout;
  layout.offsets.assign(blocks.size(), 0);
  std::vector<int> placed;  // by offset
  for (int id : order) {
    const Lifetime& block = blocks[static_cast<std::size_t>(id)];
    const std::int64_t size = aligned(block.bytes);
    std::int64_t offset = 0;
    for (int other : placed) {
      const Lifetime& neighbour = blocks[static_cast<std::size_t>(other)];
      if (neighbour.last < block.first || block.last < neighbour.first) continue;
      const std::int64_t begin = layout.offsets[static_cast<std::size_t>(other)];
      if (offset + size <= begin) break;
      offset = std::max(offset, begin + aligned(neighbour.bytes));
    }
    layout.offsets[static_cast<std::size_t>(id)] = offset;
    layout.bytes = std::max(layout.bytes, offset + size);
    const auto behind =
        std::upper_bound(placed.begin(), placed.end(), offset, [&](std::int64_t value, int other) {
          return value < layout.offsets[static_cast<std::size_t>(other)];
        });
    placed.insert(behind, id);
  }
  return layout;
}

std::int64_t fullest_step(std::span<const Lifetime> blocks) {
  int steps = 0;
  for (const Lifetime& block : blocks) steps = std::max(steps, block.last + 1);
  std::vector<std::int64_t> change(static_cast<std::size_t>(steps) + 1, 0);
  for (const Lifetime& block : blocks) {
    change[static_cast<std::size_t>(block.first)] += aligned(block.bytes);
    change[static_cast<std::size_t>(block.last) + 1] -= aligned(block.bytes);
  }
  std::int64_t alive = 0;
  std::int64_t most = 0;
  for (std::int64_t delta : change) most = std::max(most, alive += delta);
  return most;
}

}  // namespace

ArenaLayout lay_out(std::span<const Lifetime> blocks) {
  const auto sorted_by = [&](const std::function<std::int64_t(const Lifetime&)>& key) {
    std::vector<int> order(blocks.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return key(blocks[static_cast<std::size_t>(a)]) > key(blocks[static_cast<std::size_t>(b)]);
    });
    return order;
  };
  const std::int64_t lower_bound = fullest_step(blocks);
  const std::function<std::int64_t(const Lifetime&)> keys[] = {
      [](const Lifetime& block) { return block.bytes; },
      [](const Lifetime& block) { return block.bytes * (block.last - block.first + 1); },
      [](const Lifetime& block) { return std::int64_t{block.last} - block.first; },
      [](const Lifetime& block) { return -std::int64_t{block.first}; },
      [](const Lifetime& block) { return std::int64_t{block.last}; },
  };
  ArenaLayout best;
  for (const auto& key : keys) {
    ArenaLayout layout = place(blocks, sorted_by(key));
    if (best.offsets.empty() || layout.bytes < best.bytes) best = std::move(layout);
    if (best.bytes == lower_bound) break;
  }
  best.largest_live_set = lower_bound;
  return best;
}

std::string megabytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string list_largest(std::vector<MemoryPlan::Consumer> consumers) {
  std::stable_sort(consumers.begin(), consumers.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  if (consumers.size() > 10) consumers.resize(10);
  std::string text;
  for (const auto& consumer : consumers) {
    text += "\n  " + megabytes(consumer.bytes) + "  " + consumer.name;
  }
  return text;
}

}  // namespace engine
